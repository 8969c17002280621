//! `exchange.request`

use super::super::raw::{Frame, Hosted, Raise};
use super::{Bound, Noun, change, give, push_constant, push_maybe, text_argument, waiting};
use crate::hook::Refused;
use crate::hook::{Edit, Side};
use crate::http::head::{Head, Version};
use crate::http::name::Known;

pub(super) const MEMBERS: &[Bound] = &[
    Bound::assignable("method", method, set_method),
    Bound::assignable("path", path, set_path),
    Bound::assignable("query", query, set_query),
    Bound::assignable("target", target, set_target),
    Bound::assignable("host", host, set_host),
    Bound::field("scheme", scheme),
    Bound::field("version", version),
    Bound::field("headers", |frame| push_constant(frame, Noun::RequestHeaders)),
    Bound::method("body", |frame| waiting::body(frame, Side::Request, Noun::Request)),
    Bound::method("set_body", |frame| waiting::set_body(frame, Side::Request, Noun::Request)),
    Bound::method("cookie", cookie),
    Bound::method("argument", argument),
];

#[inline]
fn of_head(frame: &Frame<'_>, member: &str, look: impl FnOnce(&Head, &Frame<'_>)) -> Hosted {
    give(frame, Noun::Request, member, |view, frame| {
        look(view.request()?, frame);
        Ok(())
    })
}

fn edit(member: &str, edit: Edit<'_>) -> Hosted {
    change(Noun::Request, member, |view| view.edit(Side::Request, edit))
}

fn utf8<'a>(text: &'a [u8], what: &str) -> Result<&'a str, Raise> {
    std::str::from_utf8(text).map_err(|_| Raise(format!("{what} is UTF-8")))
}

fn method(frame: &Frame<'_>) -> Hosted {
    of_head(frame, "method", |head, frame| frame.push_text(head.method().as_bytes()))
}

fn set_method(frame: &Frame<'_>) -> Hosted {
    let name = utf8(text_argument(frame, 3, "a method")?, "a method")?;
    edit("method", Edit::Method(name))
}

fn path(frame: &Frame<'_>) -> Hosted {
    of_head(frame, "path", |head, frame| frame.push_text(head.path_bytes()))
}

fn set_path(frame: &Frame<'_>) -> Hosted {
    let path = utf8(text_argument(frame, 3, "a path")?, "a path")?;
    if path.contains('?') {
        return Err(Raise("a path holds no `?`: assign `query`, or `target` for both".to_owned()));
    }
    change(Noun::Request, "path", |view| {
        let target = match view.request()?.query() {
            Some(query) => format!("{path}?{query}"),
            None => path.to_owned(),
        };
        view.edit(Side::Request, Edit::Target(&target))
    })
}

fn query(frame: &Frame<'_>) -> Hosted {
    of_head(frame, "query", |head, frame| push_maybe(frame, head.query().map(str::as_bytes)))
}

fn set_query(frame: &Frame<'_>) -> Hosted {
    let query = match frame.text(3) {
        Some(query) => Some(utf8(query, "a query")?),
        None if !frame.truth(3) => None,
        None => return Err(Raise(format!("a query is a string or nil, found {}", super::describe(frame, 3)))),
    };
    change(Noun::Request, "query", |view| {
        let path = view.request()?.path();
        let target = query.map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
        view.edit(Side::Request, Edit::Target(&target))
    })
}

fn target(frame: &Frame<'_>) -> Hosted {
    of_head(frame, "target", |head, frame| frame.push_text(head.target_bytes()))
}

fn set_target(frame: &Frame<'_>) -> Hosted {
    let target = utf8(text_argument(frame, 3, "a target")?, "a target")?;
    edit("target", Edit::Target(target))
}

fn host(frame: &Frame<'_>) -> Hosted {
    of_head(frame, "host", |head, frame| push_maybe(frame, head.known(Known::Host)))
}

fn set_host(frame: &Frame<'_>) -> Hosted {
    let host = utf8(text_argument(frame, 3, "a host")?, "a host")?;
    edit("host", Edit::Host(host))
}

fn scheme(frame: &Frame<'_>) -> Hosted {
    give(frame, Noun::Request, "scheme", |view, frame| {
        view.request()?;
        frame.push_text(if view.client()?.secure { b"https" } else { b"http" });
        Ok(())
    })
}

fn version(frame: &Frame<'_>) -> Hosted {
    of_head(frame, "version", |head, frame| {
        frame.push_text(match head.version() {
            Version::Http10 => b"1.0",
            Version::Http11 => b"1.1",
            Version::Http2 => b"2",
        });
    })
}

fn cookie(frame: &Frame<'_>) -> Hosted {
    let name = text_argument(frame, 2, "a cookie's name")?;
    give(frame, Noun::Request, "cookie", |view, frame| {
        push_maybe(frame, find_cookie(view.request()?, name));
        Ok(())
    })
}

/// The value of the first cookie of that name, over all Cookie fields.
fn find_cookie<'a>(head: &'a Head, name: &[u8]) -> Option<&'a [u8]> {
    let lines = head.fields().filter(|(field, _)| field.eq_ignore_ascii_case(b"cookie")).map(|(_, value)| value);
    let pairs = lines.flat_map(|line| line.split(|byte| *byte == b';')).map(<[u8]>::trim_ascii);
    let mut found = pairs.filter_map(|pair| pair.strip_prefix(name)?.strip_prefix(b"="));
    let value = found.next()?;
    let quoted = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
    Some(quoted.unwrap_or(value))
}

fn argument(frame: &Frame<'_>) -> Hosted {
    let name = text_argument(frame, 2, "a parameter's name")?;
    give(frame, Noun::Request, "argument", |view, frame| {
        let query = view.request()?.query().unwrap_or_default();
        let found = query.split('&').find_map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(key) == name).then(|| decode(value))
        });
        push_maybe(frame, found.as_deref());
        Ok::<_, Refused>(())
    })
}

/// Percent codes and `+`, as forms write them.
fn decode(text: &str) -> Vec<u8> {
    let (mut decoded, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let Some((first, after)) = rest.split_first() {
        let code = || u8::from_str_radix(std::str::from_utf8(after.get(..2)?).ok()?, 16).ok();
        match (*first, code()) {
            (b'%', Some(byte)) => {
                decoded.push(byte);
                rest = &after[2..];
                continue;
            }
            (b'+', _) => decoded.push(b' '),
            (byte, _) => decoded.push(byte),
        }
        rest = after;
    }
    decoded
}
