//! `exchange.request.headers` and `exchange.response.headers`

use super::super::options;
use super::super::raw::{Frame, Hosted, Kind, Raise, Returned};
use super::field_name as field;
use super::{Bound, Noun, as_text, change, give, metamethod, text_argument};
use crate::hook::{Edit, Refused, Side, View};
use crate::http::head::Head;

pub(super) const REQUEST: &[Bound] = &[
    Bound::method("all", |frame| all(frame, Side::Request)),
    Bound::method("add", |frame| add(frame, Side::Request)),
    Bound::method("names", |frame| names(frame, Side::Request)),
];

pub(super) const RESPONSE: &[Bound] = &[
    Bound::method("all", |frame| all(frame, Side::Response)),
    Bound::method("add", |frame| add(frame, Side::Response)),
    Bound::method("names", |frame| names(frame, Side::Response)),
];

const fn noun(side: Side) -> Noun {
    match side {
        Side::Request => Noun::RequestHeaders,
        Side::Response => Noun::ResponseHeaders,
    }
}

pub(super) fn install_request(frame: &Frame<'_>) {
    metamethod(frame, c"__index", |frame: &Frame<'_>| get(frame, Side::Request));
    metamethod(frame, c"__newindex", |frame: &Frame<'_>| set(frame, Side::Request));
    metamethod(frame, c"__namecall", |frame: &Frame<'_>| super::call(frame, Noun::RequestHeaders as u8));
    metamethod(frame, c"__iter", |frame: &Frame<'_>| walk(frame, Side::Request));
}

pub(super) fn install_response(frame: &Frame<'_>) {
    metamethod(frame, c"__index", |frame: &Frame<'_>| get(frame, Side::Response));
    metamethod(frame, c"__newindex", |frame: &Frame<'_>| set(frame, Side::Response));
    metamethod(frame, c"__namecall", |frame: &Frame<'_>| super::call(frame, Noun::ResponseHeaders as u8));
    metamethod(frame, c"__iter", |frame: &Frame<'_>| walk(frame, Side::Response));
}

#[inline]
fn head(view: &dyn View, side: Side) -> Result<&Head, Refused> {
    match side {
        Side::Request => view.request(),
        Side::Response => view.response(),
    }
}

/// `headers[name]`
fn get(frame: &Frame<'_>, side: Side) -> Hosted {
    // What cannot be a name is no field's.
    let Ok(name) = field(text_argument(frame, 2, "a field's name")?) else {
        frame.push_nil();
        return Ok(Returned::Values(1));
    };
    give(frame, noun(side), "name", |view, frame| {
        super::push_maybe(frame, head(view, side)?.get(&name));
        Ok(())
    })
}

/// `headers[name] = value`
fn set(frame: &Frame<'_>, side: Side) -> Hosted {
    let name = field(text_argument(frame, 2, "a field's name")?)?;
    if frame.kind(3) == Kind::Nil {
        return change(noun(side), "name", |view| view.edit(side, Edit::Remove(&name)));
    }
    if let Some(secret) = options::secret(frame, 3) {
        if side == Side::Response {
            return Err(Raise("a secret is for fields of the request: a client must not see it".to_owned()));
        }
        return change(noun(side), "name", |view| view.edit(side, Edit::Set(&name, &secret.bytes())));
    }
    let Some(value) = frame.text(3) else {
        let Some(value) = as_text(frame, 3) else {
            return Err(Raise(format!("a field's value is a string or nil, found {}", super::describe(frame, 3))));
        };
        return change(noun(side), "name", |view| view.edit(side, Edit::Set(&name, &value)));
    };
    change(noun(side), "name", |view| view.edit(side, Edit::Set(&name, value)))
}

/// `headers:add(name, value)`
fn add(frame: &Frame<'_>, side: Side) -> Hosted {
    let name = field(text_argument(frame, 2, "a field's name")?)?;
    let Some(value) = as_text(frame, 3) else {
        return Err(Raise(format!("a field's value is a string, found {}", super::describe(frame, 3))));
    };
    change(noun(side), "add", |view| view.edit(side, Edit::Add(&name, &value)))
}

/// `headers:all(name)`
fn all(frame: &Frame<'_>, side: Side) -> Hosted {
    let name = field(text_argument(frame, 2, "a field's name")?)?;
    give(frame, noun(side), "all", |view, frame| {
        let head = head(view, side)?;
        frame.push_table(1, 0);
        let table = frame.top();
        for (index, value) in head.all(&name).enumerate() {
            frame.push_text(value);
            frame.set_item(table, index + 1);
        }
        Ok(())
    })
}

/// `headers:names()`
fn names(frame: &Frame<'_>, side: Side) -> Hosted {
    give(frame, noun(side), "names", |view, frame| {
        let head = head(view, side)?;
        let mut seen: Vec<Vec<u8>> = Vec::new();
        for (name, _) in head.fields() {
            let name = name.to_ascii_lowercase();
            if !seen.contains(&name) {
                seen.push(name);
            }
        }
        frame.push_table(seen.len(), 0);
        let table = frame.top();
        for (index, name) in seen.iter().enumerate() {
            frame.push_text(name);
            frame.set_item(table, index + 1);
        }
        Ok(())
    })
}

/// `for name, value in headers do`: every line, over a copy of the list.
fn walk(frame: &Frame<'_>, side: Side) -> Hosted {
    frame.push_host(c"next", step);
    give(frame, noun(side), "name", |view, frame| {
        let head = head(view, side)?;
        frame.push_table(16, 0);
        let table = frame.top();
        let mut place = 0;
        for (name, value) in head.fields() {
            for text in [&name.to_ascii_lowercase(), value] {
                place += 1;
                frame.push_text(text);
                frame.set_item(table, place);
            }
        }
        Ok(())
    })?;
    Ok(Returned::Values(2))
}

/// One step over the list that [`walk`] made: it keeps its own place.
fn step(frame: &Frame<'_>) -> Hosted {
    frame.push_field(1, b"");
    let place = frame.number(frame.top()).unwrap_or_default() as usize;
    frame.pop(1);
    if place >= frame.items(1) {
        frame.push_nil();
        return Ok(Returned::Values(1));
    }
    frame.push_number((place + 2) as f64);
    frame.set_field(1, b"");
    frame.push_item(1, place + 1);
    frame.push_item(1, place + 2);
    Ok(Returned::Values(2))
}
