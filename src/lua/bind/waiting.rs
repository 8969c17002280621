//! What waits: bodies, requests of the policy's own, time. Each asks the view for a ticket and yields; the call goes on
//! with what the ticket gives.

use std::rc::Rc;
use std::time::Duration;

use super::super::life::Timer;
use super::super::raw::{Frame, Hosted, Kind, Raise, Returned};
use super::super::vm::{self, Wait};
use super::{Bound, Noun, as_text, change, function, nobody, push_constant, push_maybe, refusal, text_argument};
use crate::failure::Failure;
use crate::hook::{Awaited, Fetch, Fetched, Form, Hook, Redeemed, Side, Ticket, slot};
use crate::http::name::{FieldName, is_field_value};
use crate::limits::{LUA_DETACHED_MAX, LUA_TIMERS_MAX};

pub(super) const FETCHED: &[Bound] = &[
    Bound::field("status", |frame| of_fetched(frame, |one, frame| frame.push_number(f64::from(one.head.status())))),
    Bound::field("body", |frame| of_fetched(frame, |one, frame| frame.push_text(&one.body))),
    Bound::method("header", fetched_header),
    Bound::field("headers", fetched_headers),
    Bound::method("json", fetched_json),
];

/// Puts `fetch`, `fetch_all` and `sleep` into the globals, which are on top.
pub(super) fn install(frame: &Frame<'_>) {
    function(frame, c"fetch", |frame: &Frame<'_>| fetch(frame, 1));
    function(frame, c"fetch_all", |frame: &Frame<'_>| fetch_all(frame, 1));
    function(frame, c"sleep", sleep);
    function(frame, c"every", every);
    function(frame, c"spawn", spawn);
}

/// Yields until every ticket is redeemed.
fn wait(frame: &Frame<'_>, wait: Wait) -> Hosted {
    let known = vm::here(|vm| *vm.wait.borrow_mut() = Some(wait));
    if known.is_none() {
        return Err(Raise("nothing can wait here".to_owned()));
    }
    push_constant(frame, Noun::Wait)?;
    Ok(Returned::Waits(1))
}

fn start(noun: Noun, member: &str, awaited: Awaited) -> Result<Ticket, Raise> {
    match slot::with(|view| view.start(awaited)) {
        Some(Ok(ticket)) => Ok(ticket),
        Some(Err(refused)) => Err(refusal(noun, member, &refused)),
        None => Err(nobody(noun, member)),
    }
}

// === bodies ===

/// `message:body()`
pub(super) fn body(frame: &Frame<'_>, side: Side, noun: Noun) -> Hosted {
    let known = slot::with(|view| view.body(side, Form::Decoded));
    match known {
        Some(Ok(Some(body))) => {
            frame.push_text(&body.bytes);
            return Ok(Returned::Values(1));
        }
        Some(Ok(None)) => {}
        Some(Err(refused)) => return Err(refusal(noun, "body", &refused)),
        None => return Err(nobody(noun, "body")),
    }
    let bytes_max = vm::here(|vm| vm.program.limits.body).unwrap_or_default();
    let ticket = start(noun, "body", Awaited::Body { side, bytes_max, form: Form::Decoded })?;
    wait(frame, Wait { tickets: vec![ticket], give: give_body, list: false })
}

fn give_body(frame: &Frame<'_>, redeemed: Result<Redeemed, Failure>) -> Result<i32, Failure> {
    match redeemed? {
        Redeemed::Body(body) => frame.push_text(&body.bytes),
        _ => frame.push_nil(),
    }
    Ok(1)
}

/// `message:set_body(text)`
pub(super) fn set_body(frame: &Frame<'_>, side: Side, noun: Noun) -> Hosted {
    let Some(bytes) = as_text(frame, 2) else {
        return Err(Raise(format!("a body is a string, found {}", super::describe(frame, 2))));
    };
    let most = vm::here(|vm| vm.program.limits.body).unwrap_or_default();
    if bytes.len() > most {
        return Err(Raise(format!("a body of {} bytes, where {most} are allowed (limits.body)", bytes.len())));
    }
    change(noun, "set_body", |view| view.set_body(side, bytes))
}

// === time ===

fn sleep(frame: &Frame<'_>) -> Hosted {
    let seconds = frame.number(1).filter(|seconds| (0.0..=86_400.0).contains(seconds));
    let Some(seconds) = seconds else { return Err(Raise("sleep takes a number of seconds".to_owned())) };
    let ticket = start(Noun::Exchange, "sleep", Awaited::Sleep(Duration::from_secs_f64(seconds)))?;
    let give = |frame: &Frame<'_>, redeemed: Result<Redeemed, Failure>| {
        redeemed?;
        frame.push_nil();
        Ok(1)
    };
    wait(frame, Wait { tickets: vec![ticket], give, list: false })
}

/// `every(seconds, function, { once = "worker" })`
fn every(frame: &Frame<'_>) -> Hosted {
    let seconds = frame.number(1).filter(|seconds| (0.01..=86_400.0 * 365.0).contains(seconds));
    let (Some(seconds), Kind::Function) = (seconds, frame.kind(2)) else {
        return Err(Raise("every takes seconds (0.01 or more) and a function".to_owned()));
    };
    frame.push_field(3, b"once");
    let once = frame.copy(-1);
    frame.pop(1);
    let on_each = match once.as_deref() {
        None | Some(b"process") => false,
        Some(b"worker") => true,
        Some(_) => return Err(Raise("`once` is \"process\" or \"worker\"".to_owned())),
    };
    frame.push_value(2);
    let timer = Timer { every: Duration::from_secs_f64(seconds), run: frame.anchor(), on_each };
    let kept = vm::here(|vm| {
        let mut timers = vm.timers.borrow_mut();
        let may = vm.hook.get().is_none_or(|hook| hook == Hook::Load) && timers.len() < LUA_TIMERS_MAX;
        if may {
            timers.push(timer);
        }
        may
    });
    match kept {
        Some(true) => Ok(Returned::Values(0)),
        _ => Err(Raise(format!("timers are set at the top level or in `load`, {LUA_TIMERS_MAX} at most"))),
    }
}

/// `spawn(function)`: runs it after the call, without the exchange.
fn spawn(frame: &Frame<'_>) -> Hosted {
    if frame.kind(1) != Kind::Function {
        return Err(Raise("spawn takes a function".to_owned()));
    }
    frame.push_value(1);
    let work = frame.anchor();
    let full = vm::here(|vm| {
        let mut detached = vm.detached.borrow_mut();
        let full = detached.len() >= LUA_DETACHED_MAX || vm.hook.get().is_none();
        if !full {
            detached.push(work);
        }
        full
    });
    match full {
        Some(false) => Ok(Returned::Values(0)),
        _ => Err(Raise(format!("work is detached from hooks, {LUA_DETACHED_MAX} pieces at most"))),
    }
}

// === requests of its own ===

/// `exchange:fetch(upstream, request)`
pub(super) fn fetch(frame: &Frame<'_>, at: i32) -> Hosted {
    let name = text_argument(frame, at, "the upstream's name")?.to_vec();
    let ticket = begin(frame, &name, at + 1)?;
    wait(frame, Wait { tickets: vec![ticket], give: give_fetched, list: false })
}

/// `exchange:fetch_all { { upstream, … }, … }`
pub(super) fn fetch_all(frame: &Frame<'_>, at: i32) -> Hosted {
    if frame.kind(at) != Kind::Table {
        return Err(Raise(
            "fetch_all takes a list of requests: { { upstream = \"users\", path = \"/\" }, … }".to_owned(),
        ));
    }
    let mut tickets = Vec::new();
    for index in 1..=frame.items(at) {
        frame.push_item(at, index);
        let request = frame.top();
        frame.push_field(request, b"upstream");
        let name = frame.copy(-1).ok_or_else(|| Raise("a request of fetch_all names its `upstream`".to_owned()))?;
        let ticket = begin(frame, &name, request);
        frame.pop(2);
        tickets.push(ticket?);
    }
    let give = |frame: &Frame<'_>, redeemed: Result<Redeemed, Failure>| {
        match redeemed {
            Ok(Redeemed::Fetched(fetched)) => push_fetched(frame, fetched),
            _ => frame.push_bool(false),
        }
        Ok(1)
    };
    wait(frame, Wait { tickets, give, list: true })
}

fn give_fetched(frame: &Frame<'_>, redeemed: Result<Redeemed, Failure>) -> Result<i32, Failure> {
    match redeemed {
        Ok(Redeemed::Fetched(fetched)) => {
            push_fetched(frame, fetched);
            Ok(1)
        }
        Ok(_) => Ok(0),
        Err(failure) => {
            frame.push_nil();
            frame.push_text(failure.to_string().as_bytes());
            Ok(2)
        }
    }
}

fn push_fetched(frame: &Frame<'_>, fetched: Box<Fetched>) {
    let fetched: Rc<Fetched> = fetched.into();
    frame.push_thing(Noun::Fetched as u8, 0, Some(fetched));
}

/// Sends a request; `at` is its table, or nothing.
fn begin(frame: &Frame<'_>, name: &[u8], at: i32) -> Result<Ticket, Raise> {
    let shown = String::from_utf8_lossy(name).into_owned();
    let counted = vm::here(|vm| {
        let calls = vm.calls.get() + 1;
        vm.calls.set(calls);
        let granted = vm.program.grants.upstreams.iter().any(|one| **one == *shown);
        (calls > vm.program.limits.calls, granted, vm.program.limits)
    });
    let Some((too_many, granted, limits)) = counted else { return Err(nobody(Noun::Exchange, "fetch")) };
    if too_many {
        return Err(Raise(format!("more than {} requests of its own in one call (limits.calls)", limits.calls)));
    }
    if !granted {
        return Err(Raise(format!(
            "the policy may not reach `{shown}`: grant it by `may: {{ upstreams: [{shown}] }}`"
        )));
    }
    let upstream = slot::with(|view| view.find_upstream(&shown)).flatten();
    let Some(upstream) = upstream else { return Err(Raise(format!("there is no upstream `{shown}`"))) };
    let mut fetch = Fetch {
        upstream,
        method: "GET".to_owned(),
        target: "/".to_owned(),
        host: None,
        fields: Vec::new(),
        body: Vec::new(),
        timeout: None,
        body_max: limits.body,
    };
    if frame.kind(at) == Kind::Table {
        describe(frame, at, &mut fetch)?;
    }
    start(Noun::Exchange, "fetch", Awaited::Fetch(Box::new(fetch)))
}

/// Reads the table of a request.
fn describe(frame: &Frame<'_>, at: i32, fetch: &mut Fetch) -> Result<(), Raise> {
    let field = |key: &str| {
        frame.push_field(at, key.as_bytes());
        let text = as_text(frame, frame.top());
        let number = frame.number(frame.top());
        frame.pop(1);
        (text, number)
    };
    let text = |key: &str| {
        let text = field(key).0.map(String::from_utf8);
        text.transpose().map_err(|_| Raise(format!("`{key}` is UTF-8")))
    };
    if let Some(method) = text("method")? {
        fetch.method = method;
    }
    if let Some(path) = text("path")? {
        fetch.target = path;
    }
    if let Some(query) = text("query")? {
        fetch.target = format!("{}?{query}", fetch.target);
    }
    fetch.host = text("host")?;
    if let Some(body) = field("body").0 {
        fetch.method = if text("method")?.is_none() { "POST".to_owned() } else { std::mem::take(&mut fetch.method) };
        fetch.body = body;
    }
    if let Some(timeout) = field("timeout").1 {
        let fits = (0.0..=86_400.0).contains(&timeout);
        fetch.timeout = Some(if fits { Duration::from_secs_f64(timeout) } else { Duration::ZERO });
    }
    frame.push_field(at, b"headers");
    let (headers, mut place) = (frame.top(), 0);
    loop {
        place = frame.next(headers, place);
        if place < 0 {
            break;
        }
        let name = as_text(frame, frame.top() - 1).map(|name| String::from_utf8_lossy(&name).into_owned());
        let value = as_text(frame, frame.top());
        frame.pop(2);
        match (name.filter(|name| FieldName::new(name).is_ok()), value.filter(|value| is_field_value(value))) {
            (Some(name), Some(value)) => fetch.fields.push((name, value)),
            _ => return Err(Raise("the headers of a request are names and values of fields".to_owned())),
        }
    }
    frame.pop(1);
    Ok(())
}

fn fetched<'a>(frame: &'a Frame<'_>) -> Option<&'a Fetched> {
    frame.thing(1, Noun::Fetched as u8)?.held.as_ref()?.downcast_ref::<Fetched>()
}

fn of_fetched(frame: &Frame<'_>, look: impl FnOnce(&Fetched, &Frame<'_>)) -> Hosted {
    match fetched(frame) {
        Some(one) => look(one, frame),
        None => return Err(Raise("no response of a fetch".to_owned())),
    }
    Ok(Returned::Values(1))
}

fn fetched_header(frame: &Frame<'_>) -> Hosted {
    let name = text_argument(frame, 2, "a field's name")?;
    let name = std::str::from_utf8(name).unwrap_or_default();
    of_fetched(frame, |one, frame| push_maybe(frame, one.head.find(name)))
}

/// The fields as a table by lower-case name; several values are joined, as lists are.
fn fetched_headers(frame: &Frame<'_>) -> Hosted {
    of_fetched(frame, |one, frame| {
        let mut fields: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        for (name, value) in one.head.fields() {
            let name = name.to_ascii_lowercase();
            match fields.iter_mut().find(|(known, _)| *known == name) {
                Some((_, joined)) => {
                    joined.extend_from_slice(b", ");
                    joined.extend_from_slice(value);
                }
                None => fields.push((name, value.to_vec())),
            }
        }
        frame.push_table(0, fields.len());
        let table = frame.top();
        for (name, value) in fields {
            frame.push_text(&value);
            frame.set_field(table, &name);
        }
    })
}

fn fetched_json(frame: &Frame<'_>) -> Hosted {
    let Some(one) = fetched(frame) else { return Err(Raise("no response of a fetch".to_owned())) };
    super::library::json::decode(frame, &one.body)
}

// === chunks ===

pub(super) const CHUNK: &[Bound] = &[
    Bound::assignable("bytes", chunk, set_chunk),
    Bound::field("last", |frame| {
        super::give(frame, Noun::Chunk, "last", |view, frame| {
            frame.push_bool(view.is_last());
            Ok(())
        })
    }),
];

/// Whose body the hook that runs is about.
fn chunk_side() -> Side {
    match vm::here(|vm| vm.hook.get()).flatten() {
        Some(Hook::RequestBody) => Side::Request,
        _ => Side::Response,
    }
}

fn chunk(frame: &Frame<'_>) -> Hosted {
    super::give(frame, Noun::Chunk, "bytes", |view, frame| {
        frame.push_text(view.chunk(chunk_side())?);
        Ok(())
    })
}

fn set_chunk(frame: &Frame<'_>) -> Hosted {
    let Some(bytes) = as_text(frame, 3) else {
        return Err(Raise(format!("a chunk's bytes are a string, found {}", super::describe(frame, 3))));
    };
    change(Noun::Chunk, "bytes", |view| view.set_chunk(chunk_side(), bytes))
}
