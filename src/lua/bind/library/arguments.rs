//! What a function of the library is given: read, bounded, and told apart from what it should have been.

use std::borrow::Cow;

use super::super::{describe, plain_at};
use crate::config::similar::nearest;
use crate::hook::Plain;
use crate::limits::{PLAIN_ITEMS_MAX, POLICY_BODY_BYTES};
use crate::lua::raw::{Frame, Kind, Raise};
use crate::lua::{options, vm};

/// A table of named arguments; or none, where all are left out.
pub(super) struct Named<'f, 'l> {
    frame: &'f Frame<'l>,
    at: Option<i32>,
    of: &'static str,
}

/// How many bytes a text may have here.
pub(super) fn most() -> usize {
    vm::here(|vm| vm.program.limits.body).unwrap_or(POLICY_BODY_BYTES)
}

/// What an argument is; nil where there is none.
pub(super) fn kind(frame: &Frame<'_>, at: i32) -> Kind {
    if at > frame.len() { Kind::Nil } else { frame.kind(at) }
}

/// "`hex.encode` takes a text, found nil".
#[cold]
pub(super) fn wanted(frame: &Frame<'_>, at: i32, of: &str, what: &str) -> Raise {
    let found = if at > frame.len() { "nothing" } else { describe(frame, at) };
    Raise(format!("`{of}` takes {what}, found {found}"))
}

/// A text that is neither missing nor too long.
pub(super) fn bytes<'a>(frame: &'a Frame<'_>, at: i32, of: &str, what: &str) -> Result<&'a [u8], Raise> {
    let text = frame.text(at).ok_or_else(|| wanted(frame, at, of, what))?;
    bounded(text.len(), of)?;
    Ok(text)
}

/// A text that may be left out.
pub(super) fn maybe_bytes<'a>(frame: &'a Frame<'_>, at: i32, of: &str, what: &str) -> Result<Option<&'a [u8]>, Raise> {
    if kind(frame, at) == Kind::Nil { Ok(None) } else { bytes(frame, at, of, what).map(Some) }
}

/// The same, as UTF-8.
pub(super) fn utf8<'a>(frame: &'a Frame<'_>, at: i32, of: &str, what: &str) -> Result<&'a str, Raise> {
    let text = bytes(frame, at, of, what)?;
    std::str::from_utf8(text).map_err(|_| Raise(format!("`{of}` takes {what}, found a string that is not UTF-8")))
}

pub(super) fn bounded(bytes: usize, of: &str) -> Result<(), Raise> {
    let most = most();
    if bytes > most {
        return Err(Raise(format!("`{of}`: a text of {bytes} bytes, where {most} are allowed (limits.body)")));
    }
    Ok(())
}

/// A text, or a secret of the options.
pub(super) fn key<'a>(frame: &'a Frame<'_>, at: i32, of: &str, what: &str) -> Result<Cow<'a, [u8]>, Raise> {
    match options::secret(frame, at) {
        Some(secret) => Ok(Cow::Owned(secret.bytes())),
        None => bytes(frame, at, of, what).map(Cow::Borrowed),
    }
}

/// A number that is neither missing nor none.
pub(super) fn number(frame: &Frame<'_>, at: i32, of: &str, what: &str) -> Result<f64, Raise> {
    let found = (kind(frame, at) == Kind::Number).then(|| frame.number(at)).flatten();
    found.filter(|number| !number.is_nan()).ok_or_else(|| wanted(frame, at, of, what))
}

pub(super) fn maybe_number(frame: &Frame<'_>, at: i32, of: &str, what: &str) -> Result<Option<f64>, Raise> {
    if kind(frame, at) == Kind::Nil { Ok(None) } else { number(frame, at, of, what).map(Some) }
}

/// A whole number of at least `least`.
pub(super) fn whole(frame: &Frame<'_>, at: i32, of: &str, what: &str, least: f64) -> Result<Option<f64>, Raise> {
    match maybe_number(frame, at, of, what)? {
        Some(found) if found.fract() != 0.0 || found < least || found.abs() > 9e15 => {
            Err(Raise(format!("`{of}` takes {what}, found {found}")))
        }
        found => Ok(found),
    }
}

/// A count, with what it is where it is left out.
pub(super) fn count(frame: &Frame<'_>, at: i32, of: &str, what: &str, default: usize) -> Result<usize, Raise> {
    Ok(whole(frame, at, of, what, 0.0)?.map_or(default, |count| count as usize))
}

pub(super) fn table(frame: &Frame<'_>, at: i32, of: &str, what: &str) -> Result<i32, Raise> {
    if kind(frame, at) == Kind::Table { Ok(at) } else { Err(wanted(frame, at, of, what)) }
}

/// Plain data; nil where there is none.
pub(super) fn plain(frame: &Frame<'_>, at: i32, of: &str) -> Result<Plain, Raise> {
    if at > frame.len() {
        return Ok(Plain::Nil);
    }
    plain_at(frame, at, &mut PLAIN_ITEMS_MAX.clone()).map_err(|Raise(why)| Raise(format!("`{of}`: {why}")))
}

/// The texts of a list, each as its place says.
pub(super) fn texts(frame: &Frame<'_>, at: i32, most: usize, of: &str, what: &str) -> Result<Vec<Box<[u8]>>, Raise> {
    let items = frame.items(at);
    if items > most {
        return Err(Raise(format!("`{of}` takes {what}, {most} at most, found {items}")));
    }
    (1..=items)
        .map(|place| {
            frame.push_item(at, place);
            let (text, found) = (frame.copy(frame.top()), describe(frame, frame.top()));
            frame.pop(1);
            let wrong = || Raise(format!("`{of}` takes {what}, found {found} at {place}"));
            Ok(text.ok_or_else(wrong)?.into_boxed_slice())
        })
        .collect()
}

// === impl Named ===

impl<'f, 'l> Named<'f, 'l> {
    /// Reads the names: one that is not known is a mistake.
    pub(super) fn read(frame: &'f Frame<'l>, at: i32, of: &'static str, known: &[&str]) -> Result<Self, Raise> {
        match kind(frame, at) {
            Kind::Nil => return Ok(Self { frame, at: None, of }),
            Kind::Table => {}
            _ => return Err(wanted(frame, at, of, &format!("a table with `{}`", known.join("`, `")))),
        }
        let mut place = 0;
        loop {
            place = frame.next(at, place);
            if place < 0 {
                return Ok(Self { frame, at: Some(at), of });
            }
            let name = frame.copy(frame.top() - 1).unwrap_or_else(|| b"?".to_vec());
            frame.pop(2);
            let name = String::from_utf8_lossy(&name);
            if !known.contains(&&*name) {
                let near = nearest(&name, known.iter().copied());
                let hint = near.map(|near| format!(" (did you mean `{near}`?)")).unwrap_or_default();
                return Err(Raise(format!("`{of}` has no `{name}`{hint}; it has `{}`", known.join("`, `"))));
            }
        }
    }

    /// Looks at one of them; nothing: it was left out.
    fn look<R>(&self, name: &str, look: impl FnOnce(i32) -> Result<R, &'static str>) -> Result<Option<R>, Raise> {
        let Some(at) = self.at else { return Ok(None) };
        self.frame.push_field(at, name.as_bytes());
        let top = self.frame.top();
        let found = describe(self.frame, top);
        let seen = if self.frame.kind(top) == Kind::Nil { None } else { Some(look(top)) };
        self.frame.pop(1);
        let wrong = |what| Raise(format!("`{}` takes `{name}`, {what}, found {found}", self.of));
        seen.transpose().map_err(wrong)
    }

    pub(super) fn bytes(&self, name: &str) -> Result<Option<Vec<u8>>, Raise> {
        self.look(name, |at| self.frame.copy(at).ok_or("a string"))
    }

    pub(super) fn text(&self, name: &str) -> Result<Option<String>, Raise> {
        self.look(name, |at| {
            self.frame.copy(at).and_then(|text| String::from_utf8(text).ok()).ok_or("a string of UTF-8")
        })
    }

    pub(super) fn number(&self, name: &str) -> Result<Option<f64>, Raise> {
        self.look(name, |at| self.frame.number(at).filter(|number| number.is_finite()).ok_or("a number"))
    }

    pub(super) fn flag(&self, name: &str) -> Result<bool, Raise> {
        let flag = self.look(name, |at| match self.frame.kind(at) {
            Kind::Bool => Ok(self.frame.truth(at)),
            _ => Err("a boolean"),
        })?;
        Ok(flag.unwrap_or_default())
    }

    /// A text, or a list of them.
    pub(super) fn several(&self, name: &str) -> Result<Vec<Box<[u8]>>, Raise> {
        let several = self.look(name, |at| match self.frame.copy(at) {
            Some(one) => Ok(vec![one.into_boxed_slice()]),
            None if self.frame.kind(at) == Kind::Table => {
                texts(self.frame, at, PLAIN_ITEMS_MAX, self.of, name).map_err(|_| "a string or a list of them")
            }
            None => Err("a string or a list of them"),
        })?;
        Ok(several.unwrap_or_default())
    }

    /// A list of numbers.
    pub(super) fn numbers(&self, name: &str, most: usize) -> Result<Option<Vec<f64>>, Raise> {
        self.look(name, |at| {
            let items = self.frame.items(at);
            if self.frame.kind(at) != Kind::Table || items > most {
                return Err("a list of numbers, and not too many");
            }
            let number = |place| {
                self.frame.push_item(at, place);
                let number = self.frame.number(self.frame.top());
                self.frame.pop(1);
                number.ok_or("a list of numbers")
            };
            (1..=items).map(number).collect()
        })
    }

    pub(super) fn plain(&self, name: &str) -> Result<Plain, Raise> {
        let plain = self.look(name, |at| {
            plain_at(self.frame, at, &mut PLAIN_ITEMS_MAX.clone()).map_err(|_| "a table of plain data")
        })?;
        Ok(plain.unwrap_or_default())
    }
}
