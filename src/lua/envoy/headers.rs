//! `handle:headers()`, `handle:trailers()`: names in lower case, pseudo headers among them. What frames a message belongs to
//! the proxy, which mends it: changes of it are passed over.

use super::super::raw::{Frame, Hosted, Raise, Returned};
use super::{Method, Object, is_streaming, methods, side, text, view};
use crate::hook::{Edit, Form, Refused, Side, View};
use crate::http::head::Head;
use crate::http::name::{FieldName, Known};

pub(super) const METHODS: &[Method] = methods![
    c"get" => get,
    c"getAtIndex" => get_at_index,
    c"getNumValues" => get_num_values,
    c"add" => add,
    c"replace" => replace,
    c"remove" => remove,
    c"setHttp1ReasonPhrase" => set_reason,
];

/// Trailers are numbered from here.
pub(super) const TRAILERS: u32 = 2;
/// The request's, whoever looks.
pub(super) const REQUEST_READ_ONLY: u32 = 4;

/// Whose fields an object stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    Head(Side),
    Trailers(Side),
    RequestReadOnly,
}

fn whose(frame: &Frame<'_>) -> Result<Whose, Raise> {
    let thing = frame.thing(1, Object::Headers as u8);
    let thing = thing.ok_or_else(|| Raise("a method of headers is called with `:`".to_owned()))?;
    Ok(match thing.number {
        0 => Whose::Head(Side::Request),
        1 => Whose::Head(Side::Response),
        2 => Whose::Trailers(Side::Request),
        3 => Whose::Trailers(Side::Response),
        _ => Whose::RequestReadOnly,
    })
}

fn head(view: &dyn View, whose: Whose) -> Result<&Head, Refused> {
    match whose {
        Whose::Head(Side::Request) | Whose::RequestReadOnly => view.request(),
        Whose::Head(Side::Response) => view.response(),
        Whose::Trailers(side) => view.trailers(side)?.ok_or(Refused::NotYet),
    }
}

/// A name as Envoy compares it.
fn name(frame: &Frame<'_>, method: &str) -> Result<Vec<u8>, Raise> {
    Ok(text(frame, 2, method)?.to_ascii_lowercase())
}

/// Every value of a field.
fn values(frame: &Frame<'_>, method: &str) -> Result<Vec<Vec<u8>>, Raise> {
    let (whose, name) = (whose(frame)?, name(frame, method)?);
    view("headers", |view| {
        let head = head(view, whose)?;
        let is_request = matches!(whose, Whose::Head(Side::Request) | Whose::RequestReadOnly);
        match (&*name, whose) {
            (_, Whose::Trailers(_)) => {}
            (b":path", _) if is_request => return Ok(vec![head.target_bytes().to_vec()]),
            (b":method", _) if is_request => return Ok(vec![head.method().as_bytes().to_vec()]),
            (b":scheme", _) if is_request => return Ok(vec![scheme(view)?.to_vec()]),
            (b":authority" | b"host", _) if is_request => {
                return Ok(head.all_known(Known::Host).map(<[u8]>::to_vec).collect());
            }
            (b":status", _) if !is_request => return Ok(vec![head.status().to_string().into_bytes()]),
            (b"content-length", Whose::Head(side)) if !head.has(Known::ContentLength) && !is_streaming() => {
                let body = view.body(side, Form::AsSent).ok().flatten().filter(|body| !body.bytes.is_empty());
                return Ok(body.map(|body| body.bytes.len().to_string().into_bytes()).into_iter().collect());
            }
            _ => {}
        }
        let fields = head.fields().filter(|(known, _)| known.eq_ignore_ascii_case(&name));
        Ok(fields.map(|(_, value)| value.to_vec()).collect())
    })
}

fn scheme(view: &dyn View) -> Result<&'static [u8], Refused> {
    Ok(if view.client()?.secure { b"https" } else { b"http" })
}

/// `headers:get(name)`
fn get(frame: &Frame<'_>) -> Hosted {
    let values = values(frame, "get")?;
    if values.is_empty() {
        frame.push_nil();
    } else {
        frame.push_text(&values.join(&b","[..]));
    }
    Ok(Returned::Values(1))
}

/// `headers:getAtIndex(name, index)`
fn get_at_index(frame: &Frame<'_>) -> Hosted {
    let values = values(frame, "getAtIndex")?;
    let Some(index) = frame.number(3) else { return Err(super::bad_argument(frame, 3, "getAtIndex", "number")) };
    match values.get(index as usize).filter(|_| index >= 0.0) {
        Some(value) => frame.push_text(value),
        None => frame.push_nil(),
    }
    Ok(Returned::Values(1))
}

/// `headers:getNumValues(name)`
fn get_num_values(frame: &Frame<'_>) -> Hosted {
    frame.push_number(values(frame, "getNumValues")?.len() as f64);
    Ok(Returned::Values(1))
}

/// `pairs(headers)`: every line, over a copy of the list.
pub(super) fn each(frame: &Frame<'_>) -> Hosted {
    let whose = whose(frame)?;
    let lines = view("headers", |view| {
        let head = head(view, whose)?;
        let mut lines: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        let mut pseudo = |name: &[u8], value: &[u8]| lines.push((name.to_vec(), value.to_vec()));
        match whose {
            Whose::Head(Side::Request) | Whose::RequestReadOnly => {
                pseudo(b":authority", head.known(Known::Host).unwrap_or_default());
                pseudo(b":path", head.target_bytes());
                pseudo(b":method", head.method().as_bytes());
                pseudo(b":scheme", scheme(view)?);
            }
            Whose::Head(Side::Response) => pseudo(b":status", head.status().to_string().as_bytes()),
            Whose::Trailers(_) => {}
        }
        let is_request = matches!(whose, Whose::Head(Side::Request) | Whose::RequestReadOnly);
        let fields = head.fields().map(|(name, value)| (name.to_ascii_lowercase(), value.to_vec()));
        lines.extend(fields.filter(|(name, _)| !(is_request && name == b"host")));
        Ok(lines)
    })?;
    frame.push_host(c"next", step);
    frame.push_table(2 * lines.len(), 1);
    let table = frame.top();
    for (index, (name, value)) in lines.iter().enumerate() {
        frame.push_text(name);
        frame.set_item(table, 2 * index + 1);
        frame.push_text(value);
        frame.set_item(table, 2 * index + 2);
    }
    walk(frame)
}

/// Ends what begins a loop: function, list, and what says that the list is not walked as a table is.
pub(super) fn walk(frame: &Frame<'_>) -> Hosted {
    frame.push_bool(false);
    Ok(Returned::Values(3))
}

/// One step over a list of names and values, which keeps its own place.
pub(super) fn step(frame: &Frame<'_>) -> Hosted {
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

// === changes ===

/// Changes fields, if they can still be changed.
fn change(whose: Whose, method: &str, edit: Edit<'_>) -> Hosted {
    let what = format!("headers:{method}()");
    let made = match whose {
        Whose::RequestReadOnly => return Ok(Returned::Values(0)), // Envoy lets it pass, without effect
        Whose::Head(own) if is_streaming() || own != side() => {
            return Err(Raise("header map can no longer be modified".to_owned()));
        }
        Whose::Head(side) => view(&what, |view| Ok(view.edit(side, edit))),
        Whose::Trailers(side) => view(&what, |view| Ok(view.edit_trailers(side, edit))),
    };
    match made? {
        Ok(()) => Ok(Returned::Values(0)),
        Err(Refused::Framing) => {
            tracing::debug!("`{what}` of a field that frames the message: the proxy writes it itself");
            Ok(Returned::Values(0))
        }
        Err(refused) => Err(Raise(format!("`{what}`: {refused}"))),
    }
}

/// The pseudo header of this name, changed; `None`: it is none.
fn change_pseudo(whose: Whose, name: &[u8], value: &[u8], method: &str) -> Option<Hosted> {
    let text = String::from_utf8_lossy(value);
    let edit = match name {
        b":path" => Edit::Target(&text),
        b":method" => Edit::Method(&text),
        b":authority" | b"host" if whose == Whose::Head(Side::Request) => Edit::Host(&text),
        b":status" => match text.parse() {
            Ok(status) => Edit::Status(status),
            Err(_) => return Some(Err(Raise(format!("`headers:{method}()`: a :status is a number from 200 to 599")))),
        },
        b":scheme" => {
            tracing::warn!("`headers:{method}(\":scheme\")` has no effect: the scheme is what the connection says");
            return Some(Ok(Returned::Values(0)));
        }
        _ => return None,
    };
    Some(change(whose, method, edit))
}

fn field(name: &[u8]) -> Result<FieldName, Raise> {
    let bad = || Raise(format!("invalid header name: {}", String::from_utf8_lossy(name)));
    std::str::from_utf8(name).ok().and_then(|name| FieldName::new(name).ok()).ok_or_else(bad)
}

/// `headers:add(name, value)`
fn add(frame: &Frame<'_>) -> Hosted {
    let (whose, name, value) = (whose(frame)?, name(frame, "add")?, text(frame, 3, "add")?);
    if name.starts_with(b":") || (name == b"host" && whose == Whose::Head(Side::Request)) {
        let mut joined = values(frame, "add")?.join(&b","[..]);
        if !joined.is_empty() {
            joined.push(b',');
        }
        joined.extend_from_slice(&value);
        if let Some(changed) = change_pseudo(whose, &name, &joined, "add") {
            return changed;
        }
    }
    change(whose, "add", Edit::Add(&field(&name)?, value.trim_ascii()))
}

/// `headers:replace(name, value)`
fn replace(frame: &Frame<'_>) -> Hosted {
    let (whose, name, value) = (whose(frame)?, name(frame, "replace")?, text(frame, 3, "replace")?);
    match change_pseudo(whose, &name, &value, "replace") {
        Some(changed) => changed,
        None => change(whose, "replace", Edit::Set(&field(&name)?, value.trim_ascii())),
    }
}

/// `headers:remove(name)`
fn remove(frame: &Frame<'_>) -> Hosted {
    let (whose, name) = (whose(frame)?, name(frame, "remove")?);
    if name.starts_with(b":") {
        return Err(Raise(format!("`headers:remove(\"{}\")`: a message needs it", String::from_utf8_lossy(&name))));
    }
    change(whose, "remove", Edit::Remove(&field(&name)?))
}

/// `headers:setHttp1ReasonPhrase(text)`
fn set_reason(frame: &Frame<'_>) -> Hosted {
    let (whose, phrase) = (whose(frame)?, text(frame, 2, "setHttp1ReasonPhrase")?);
    if whose != Whose::Head(Side::Response) {
        return Ok(Returned::Values(0));
    }
    change(whose, "setHttp1ReasonPhrase", Edit::Reason(&String::from_utf8_lossy(&phrase)))
}
