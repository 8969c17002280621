//! What needs no exchange, as scripts call it: a file per noun over `library/`.
//!
//! One style throughout. What is wrong in the script (an argument of another kind, a malformed pattern) raises an error
//! that says what was expected and what was found; what is wrong in data from outside (a token, a text that is no JSON)
//! gives nil and the reason. Texts are as long as `limits.body` at most: a function of the host cannot be interrupted.

mod arguments;
mod codes;
mod cookie;
pub(super) mod dictionary;
mod hash;
pub(super) mod ip;
pub(super) mod json;
mod jwt;
pub(super) mod metric;
mod random;
pub(super) mod regex;
pub(super) mod tables;
mod text;
mod time;
mod url;

use std::cell::RefCell;
use std::fmt::Display;
use std::rc::Rc;

use crate::library::jwt::Key;
use crate::library::regex::Patterns;
use crate::lua::raw::{Frame, Hosted, Ref, Returned};

/// What a VM keeps of it from call to call.
pub(in crate::lua) struct Kept {
    patterns: RefCell<Patterns>,
    /// Keys of tokens, prepared; the last used last.
    keys: RefCell<Keys>,
    /// Marks tables that are lists though they are empty.
    list: Ref,
}

/// Keys as written, and prepared.
type Keys = Vec<(Box<[u8]>, Rc<Key>)>;
/// A library by name, and what puts its functions into the table on top.
type Library = (&'static [u8], fn(&Frame<'_>));

/// Puts the libraries into the globals, which are on top.
pub(super) fn install(frame: &Frame<'_>) {
    let globals = frame.top();
    let libraries: [Library; 14] = [
        (b"json", json::fill),
        (b"base64", codes::fill_base64),
        (b"hex", codes::fill_hex),
        (b"url", url::fill),
        (b"cookie", cookie::fill),
        (b"hash", hash::fill),
        (b"hmac", hash::fill_hmac),
        (b"random", random::fill),
        (b"time", time::fill),
        (b"text", text::fill),
        (b"regex", regex::fill),
        (b"ip", ip::fill),
        (b"jwt", jwt::fill),
        (b"metric", metric::fill),
    ];
    for (name, fill) in libraries {
        frame.push_table(0, 8);
        fill(frame);
        frame.freeze(frame.top());
        frame.set_field(globals, name);
    }
    super::function(frame, c"equal", hash::equal);
    super::function(frame, c"uuid", random::uuid);
    super::function(frame, c"dictionary", dictionary::open);
    super::function(frame, c"lookup_table", tables::open);
}

/// One text as the result.
fn give(frame: &Frame<'_>, text: impl AsRef<[u8]>) -> Hosted {
    frame.push_text(text.as_ref());
    Ok(Returned::Values(1))
}

/// One number as the result.
fn give_number(frame: &Frame<'_>, number: f64) -> Hosted {
    frame.push_number(number);
    Ok(Returned::Values(1))
}

/// Nil and why there is nothing.
fn nothing(frame: &Frame<'_>, why: impl Display) -> Hosted {
    frame.push_nil();
    frame.push_text(why.to_string().as_bytes());
    Ok(Returned::Values(2))
}

/// The text, or nil and why there is none.
fn give_or_nothing<T: AsRef<[u8]>, E: Display>(frame: &Frame<'_>, made: Result<T, E>) -> Hosted {
    match made {
        Ok(text) => give(frame, text),
        Err(why) => nothing(frame, why),
    }
}

// === impl Kept ===

impl Kept {
    pub(in crate::lua) fn new(frame: &Frame<'_>) -> Self {
        frame.push_table(0, 0);
        frame.freeze(frame.top());
        Self { patterns: RefCell::default(), keys: RefCell::default(), list: frame.anchor() }
    }
}
