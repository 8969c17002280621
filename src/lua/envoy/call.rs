//! `httpCall()` and `respond()`. A cluster is an upstream of that name, which the policy has been granted.

use std::time::Duration;

use super::super::raw::{Frame, Hosted, Kind, Raise, Returned};
use super::super::vm::{self, Wait};
use super::{Halt, bad_argument, halt, is_streaming, side, text, text_at, view, wait};
use crate::failure::{Failure, Fault, Reason};
use crate::hook::{Answer, Awaited, Fetch, Fetched, Redeemed, Side};
use crate::http::name::{FieldName, is_field_value};

/// Names and values of a table: values may be lists.
type Fields = Vec<(String, Vec<u8>)>;

/// Reads `{ [name] = value or { values } }`, names in lower case.
fn fields(frame: &Frame<'_>, at: i32, method: &str) -> Result<Fields, Raise> {
    if frame.kind(at) != Kind::Table {
        return Err(bad_argument(frame, at, method, "table"));
    }
    let (mut found, mut place) = (Vec::new(), 0);
    loop {
        place = frame.next(at, place);
        if place < 0 {
            return Ok(found);
        }
        let (key, value) = (frame.top() - 1, frame.top());
        let name = text_at(frame, key).ok_or_else(|| Raise(format!("{method}: the names of headers are strings")))?;
        let name = String::from_utf8_lossy(&name).to_ascii_lowercase();
        if frame.kind(value) == Kind::Table {
            for item in 1..=frame.items(value) {
                frame.push_item(value, item);
                let one = text_at(frame, frame.top());
                frame.pop(1);
                found.push((name.clone(), one.ok_or_else(|| not_text(method, &name))?));
            }
        } else {
            let one = text_at(frame, value).ok_or_else(|| not_text(method, &name))?;
            found.push((name, one));
        }
        frame.pop(2);
    }
}

fn not_text(method: &str, name: &str) -> Raise {
    Raise(format!("{method}: the value of `{name}` is a string, or a table of strings"))
}

/// Takes the last value of a pseudo header.
fn take(fields: &mut Fields, name: &str) -> Option<String> {
    let mut found = None;
    fields.retain(|(known, value)| {
        if known == name {
            found = Some(String::from_utf8_lossy(value).into_owned());
        }
        known != name
    });
    found
}

/// What is left once nothing in it frames the message.
fn sendable(fields: Fields, method: &str) -> Result<Fields, Raise> {
    let mut kept = Vec::with_capacity(fields.len());
    for (name, value) in fields {
        let Ok(field) = FieldName::new(&name) else {
            return Err(Raise(format!("{method}: invalid header name: {name}")));
        };
        let value = value.trim_ascii();
        if !is_field_value(value) {
            return Err(Raise(format!("{method}: the value of `{name}` holds control characters")));
        }
        if !field.known().is_framing() {
            kept.push((name, value.to_vec()));
        }
    }
    Ok(kept)
}

/// `handle:respond(headers, body)`
pub(super) fn respond(frame: &Frame<'_>) -> Hosted {
    if side() == Side::Response {
        return Err(Raise("respond not currently supported in the response path".to_owned()));
    }
    if is_streaming() {
        return Err(Raise("respond() cannot be called if headers have been continued".to_owned()));
    }
    let mut fields = fields(frame, 2, "respond")?;
    let body = match frame.kind(3) {
        Kind::Nil => None,
        _ => Some(text(frame, 3, "respond")?.into_owned()),
    };
    let status = take(&mut fields, ":status").and_then(|status| status.parse().ok());
    let Some(status) = status.filter(|status| (200..=599).contains(status)) else {
        return Err(Raise(":status must be between 200-599".to_owned()));
    };
    let mut fields = sendable(fields, "respond")?;
    if body.as_ref().is_some_and(|body| !body.is_empty()) && !fields.iter().any(|(name, _)| name == "content-type") {
        fields.push(("content-type".to_owned(), b"text/plain".to_vec()));
    }
    let answer = Answer { status, fields, body: Some(body.unwrap_or_default()), why: None };
    halt(frame, Halt::Respond(Box::new(answer)))
}

/// What `httpCall` was told besides the request.
#[derive(Default)]
struct Options {
    timeout_ms: f64,
    asynchronous: bool,
    all_values: bool,
}

fn options(frame: &Frame<'_>) -> Result<Options, Raise> {
    if frame.kind(5) == Kind::Table {
        let truth = |key: &[u8]| {
            frame.push_field(5, key);
            let truth = frame.truth(frame.top());
            frame.pop(1);
            truth
        };
        frame.push_field(5, b"timeout_ms");
        let timeout_ms = frame.number(frame.top()).unwrap_or_default();
        frame.pop(1);
        let (asynchronous, all_values) = (truth(b"asynchronous"), truth(b"return_duplicate_headers"));
        return Ok(Options { timeout_ms, asynchronous, all_values });
    }
    let written = text(frame, 5, "httpCall").ok().and_then(|text| std::str::from_utf8(&text).ok()?.trim().parse().ok());
    let timeout_ms = written.ok_or_else(|| bad_argument(frame, 5, "httpCall", "number"))?;
    Ok(Options { timeout_ms, asynchronous: frame.truth(6), all_values: false })
}

/// `handle:httpCall(cluster, headers, body, timeout_ms or options, asynchronous)`
pub(super) fn http_call(frame: &Frame<'_>) -> Hosted {
    let cluster = String::from_utf8_lossy(&text(frame, 2, "httpCall")?).into_owned();
    let mut fields = fields(frame, 3, "httpCall")?;
    let body = match frame.kind(4) {
        Kind::Nil => Vec::new(),
        _ => text(frame, 4, "httpCall")?.into_owned(),
    };
    let options = options(frame)?;
    if options.timeout_ms < 0.0 {
        return Err(Raise("http call timeout must be >= 0".to_owned()));
    }
    let upstream = view("handle:httpCall()", |view| Ok(view.find_upstream(&cluster)))?;
    let Some(upstream) = upstream else {
        return Err(Raise("http call cluster invalid. Must be configured".to_owned()));
    };
    let body_max = allowed(&cluster)?;
    let host = take(&mut fields, ":authority").or_else(|| take(&mut fields, "host"));
    let (Some(target), Some(method), Some(host)) = (take(&mut fields, ":path"), take(&mut fields, ":method"), host)
    else {
        return Err(Raise("http call headers must include ':path', ':method', and ':authority'".to_owned()));
    };
    fields.retain(|(name, _)| name != "host" && !name.starts_with(':'));
    let fields = sendable(fields, "httpCall")?;
    let timeout =
        (options.timeout_ms > 0.0).then(|| Duration::from_secs_f64((options.timeout_ms / 1000.0).min(86_400.0)));
    let fetch = Fetch { upstream, method, target, host: Some(host), fields, body, timeout, body_max };
    if options.asynchronous {
        vm::here(|vm| vm.envoy.sends.borrow_mut().push(fetch));
        return Ok(Returned::Values(0));
    }
    let ticket = view("handle:httpCall()", |view| view.start(Awaited::Fetch(Box::new(fetch))))?;
    let give = if options.all_values { give::<true> } else { give::<false> };
    wait(frame, Wait { tickets: vec![ticket], give, list: false })
}

/// Whether the policy may make one more call, and to this upstream; how large the answer's body may be.
fn allowed(cluster: &str) -> Result<usize, Raise> {
    let counted = vm::here(|vm| {
        let calls = vm.calls.get() + 1;
        vm.calls.set(calls);
        let limits = vm.program.limits;
        let granted = vm.program.grants.upstreams.iter().any(|one| **one == *cluster);
        (calls <= limits.calls, granted, limits.calls, limits.body)
    });
    match counted {
        Some((true, true, _, body)) => Ok(body),
        Some((_, false, ..)) => Err(Raise(format!(
            "httpCall: the policy may not reach `{cluster}`: grant it by `may: {{ upstreams: [{cluster}] }}`"
        ))),
        Some((false, _, calls, _)) => Err(Raise(format!("httpCall: more than {calls} calls in one (limits.calls)"))),
        None => Err(Raise("object used outside of proper scope".to_owned())),
    }
}

/// Pushes the table of headers, and the body.
fn give<const ALL: bool>(frame: &Frame<'_>, redeemed: Result<Redeemed, Failure>) -> Result<i32, Failure> {
    match redeemed {
        Ok(Redeemed::Fetched(fetched)) => push(frame, &fetched, ALL),
        Ok(_) => push_failure(frame, 503, "upstream failure"),
        Err(failure) => match failure.reason() {
            reason if reason.fault() == Fault::Client => return Err(failure),
            Reason::ConnectTimeout | Reason::FirstByteTimeout | Reason::UpstreamIdleTimeout | Reason::TotalTimeout => {
                push_failure(frame, 504, "upstream request timeout");
            }
            reason => push_failure(frame, 503, reason.public()),
        },
    }
    Ok(2)
}

fn push_failure(frame: &Frame<'_>, status: u16, body: &str) {
    frame.push_table(0, 1);
    frame.push_text(status.to_string().as_bytes());
    frame.set_field(frame.top() - 1, b":status");
    frame.push_text(body.as_bytes());
}

fn push(frame: &Frame<'_>, fetched: &Fetched, all: bool) {
    let mut lines: Vec<(Vec<u8>, Vec<&[u8]>)> = Vec::new();
    for (name, value) in fetched.head.fields() {
        let name = name.to_ascii_lowercase();
        match lines.iter_mut().find(|(known, _)| *known == name) {
            Some((_, values)) => values.push(value),
            None => lines.push((name, vec![value])),
        }
    }
    frame.push_table(0, lines.len() + 1);
    let table = frame.top();
    frame.push_text(fetched.head.status().to_string().as_bytes());
    frame.set_field(table, b":status");
    for (name, values) in &lines {
        match values.as_slice() {
            [.., last] if !all || values.len() == 1 => frame.push_text(last),
            values => {
                frame.push_table(values.len(), 0);
                for (index, value) in values.iter().enumerate() {
                    frame.push_text(value);
                    frame.set_item(table + 1, index + 1);
                }
            }
        }
        frame.set_field(table, name);
    }
    if fetched.body.is_empty() {
        frame.push_nil();
    } else {
        frame.push_text(&fetched.body);
    }
}
