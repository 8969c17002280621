//! `cookie`: what a client sends, and what it is told to keep.

use super::super::{function, push_maybe};
use super::arguments::{Named, bytes, maybe_bytes};
use super::give;
use crate::library::cookie::{self, Attributes, SameSite};
use crate::lua::raw::{Frame, Hosted, Raise, Returned};

pub(super) fn fill(frame: &Frame<'_>) {
    function(frame, c"parse", parse);
    function(frame, c"get", |frame: &Frame<'_>| {
        let field = maybe_bytes(frame, 1, "cookie.get", "a Cookie field")?.unwrap_or_default();
        push_maybe(frame, cookie::find(field, bytes(frame, 2, "cookie.get", "a name")?));
        Ok(Returned::Values(1))
    });
    function(frame, c"set", set);
}

/// The first cookie of each name.
fn parse(frame: &Frame<'_>) -> Hosted {
    let field = maybe_bytes(frame, 1, "cookie.parse", "a Cookie field")?.unwrap_or_default();
    let pairs: Vec<_> = cookie::parse(field).collect();
    frame.push_table(0, pairs.len());
    let made = frame.top();
    for (name, value) in pairs.iter().rev() {
        frame.push_text(value);
        frame.set_field(made, name);
    }
    Ok(Returned::Values(1))
}

/// `cookie.set(name, value, { path, domain, max_age, … })`: the value of a Set-Cookie field.
fn set(frame: &Frame<'_>) -> Hosted {
    const OF: &str = "cookie.set";
    let known = ["path", "domain", "max_age", "expires", "secure", "http_only", "same_site", "partitioned"];
    let (name, value) = (bytes(frame, 1, OF, "a name")?, bytes(frame, 2, OF, "a value")?);
    let named = Named::read(frame, 3, OF, &known)?;
    let same_site = match named.text("same_site")?.map(|text| text.to_ascii_lowercase()).as_deref() {
        None => None,
        Some("strict") => Some(SameSite::Strict),
        Some("lax") => Some(SameSite::Lax),
        Some("none") => Some(SameSite::None),
        Some(other) => {
            return Err(Raise(format!("`{OF}` takes `same_site`, \"strict\", \"lax\" or \"none\", found \"{other}\"")));
        }
    };
    let attributes = Attributes {
        path: named.text("path")?,
        domain: named.text("domain")?,
        max_age: named.number("max_age")?.map(|seconds| seconds as i64),
        expires: named.number("expires")?,
        secure: named.flag("secure")?,
        http_only: named.flag("http_only")?,
        same_site,
        partitioned: named.flag("partitioned")?,
    };
    give(frame, cookie::set(name, value, &attributes).map_err(|why| Raise(format!("`{OF}`: {why}")))?)
}
