//! `body()`, `bodyChunks()` and `trailers()`, and the buffers that come of them: bytes as they were sent.

use super::super::raw::{Frame, Hosted, Kind, Raise, Returned};
use super::super::vm::{self, Wait};
use super::handle::{go_on_later, is_followed};
use super::{Halt, Method, Object, headers, is_streaming, methods, push, run, side, text, view, wait};
use crate::failure::Failure;
use crate::hook::{Awaited, Form, Redeemed, Side};

pub(super) const METHODS: &[Method] = methods![
    c"length" => length,
    c"getBytes" => get_bytes,
    c"setBytes" => set_bytes,
];

/// `handle:body(always_wrap_body)`
pub(super) fn whole(frame: &Frame<'_>) -> Hosted {
    let (side, always) = (side(), frame.truth(2));
    if is_streaming() {
        return Err(Raise("cannot call body() after body streaming has started".to_owned()));
    }
    if let Some(body) = view("handle:body()", |view| view.body(side, Form::AsSent))? {
        return if body.bytes.is_empty() && !always {
            Ok(Returned::Values(0))
        } else {
            push(frame, Object::Buffer, side as u32)
        };
    }
    let bytes_max = vm::here(|vm| vm.program.limits.body).unwrap_or_default();
    let awaited = Awaited::Body { side, bytes_max, form: Form::AsSent };
    let ticket = view("handle:body()", |view| view.start(awaited))?;
    let give = match (side, always) {
        (Side::Request, false) => give::<0, false>,
        (Side::Request, true) => give::<0, true>,
        (Side::Response, false) => give::<1, false>,
        (Side::Response, true) => give::<1, true>,
    };
    wait(frame, Wait { tickets: vec![ticket], give, list: false })
}

fn give<const SIDE: u32, const ALWAYS: bool>(
    frame: &Frame<'_>,
    redeemed: Result<Redeemed, Failure>,
) -> Result<i32, Failure> {
    match redeemed? {
        Redeemed::Body(body) if ALWAYS || !body.bytes.is_empty() => {
            frame.push_thing(Object::Buffer as u8, SIDE, None);
        }
        _ => frame.push_nil(),
    }
    Ok(1)
}

/// `handle:bodyChunks()`
pub(super) fn chunks(frame: &Frame<'_>) -> Hosted {
    frame.push_host(c"chunk", next_chunk);
    Ok(Returned::Values(1))
}

/// One step of `for chunk in handle:bodyChunks() do`
fn next_chunk(frame: &Frame<'_>) -> Hosted {
    let side = side();
    let ends =
        if is_streaming() { view("handle:bodyChunks()", |view| Ok(view.is_last()))? } else { !is_followed(side)? };
    if ends {
        frame.push_nil();
        return Ok(Returned::Values(1));
    }
    go_on_later(frame, Halt::Chunk)
}

/// `handle:trailers()`
pub(super) fn trailers(frame: &Frame<'_>) -> Hosted {
    let side = side();
    if !is_streaming() {
        return if is_followed(side)? { go_on_later(frame, Halt::Trailers) } else { Ok(Returned::Values(0)) };
    }
    let (last, has) = view("handle:trailers()", |view| Ok((view.is_last(), run::trailers(view, side))))?;
    match (last, has) {
        (true, true) => push(frame, Object::Headers, headers::TRAILERS + side as u32),
        (true, false) => Ok(Returned::Values(0)),
        (false, _) => go_on_later(frame, Halt::Trailers),
    }
}

/// Looks at a buffer's bytes.
fn bytes<R>(frame: &Frame<'_>, look: impl FnOnce(&[u8]) -> R) -> Result<R, Raise> {
    let (side, round) = buffer(frame)?;
    view("buffer", |view| {
        if round > 0 {
            return Ok(look(view.chunk(side)?));
        }
        let body = view.body(side, Form::AsSent)?;
        Ok(look(body.as_ref().map_or(&[], |body| &*body.bytes)))
    })
}

/// Whose buffer it is, and the round of its chunk; 0: the whole body.
fn buffer(frame: &Frame<'_>) -> Result<(Side, u32), Raise> {
    let gone = || Raise("object used outside of proper scope".to_owned());
    let number = frame.thing(1, Object::Buffer as u8).ok_or_else(gone)?.number;
    let (side, round) = (if number & 1 == 0 { Side::Request } else { Side::Response }, number >> 1);
    if round > 0 {
        let now = view("buffer", |view| Ok(run::streams(view).map_or(0, |streams| streams.round)))?;
        if now != round || !is_streaming() {
            return Err(gone());
        }
    }
    Ok((side, round))
}

/// `buffer:length()`
fn length(frame: &Frame<'_>) -> Hosted {
    frame.push_number(bytes(frame, <[u8]>::len)? as f64);
    Ok(Returned::Values(1))
}

/// `buffer:getBytes(index, length)`
fn get_bytes(frame: &Frame<'_>) -> Hosted {
    let wrong = || Raise("index/length must be >= 0 and (index + length) must be <= buffer size".to_owned());
    let number = |at: i32| {
        let number = match frame.kind(at) {
            Kind::Text => {
                std::str::from_utf8(frame.text(at).unwrap_or_default()).ok().and_then(|text| text.parse().ok())
            }
            _ => frame.number(at),
        };
        number.ok_or_else(|| super::bad_argument(frame, at, "getBytes", "number"))
    };
    let (index, count) = (number(2)?, number(3)?);
    if index < 0.0 || count < 0.0 {
        return Err(wrong());
    }
    let (index, count) = (index as usize, count as usize);
    let part = bytes(frame, |bytes| {
        let part = bytes.get(index..index.saturating_add(count));
        part.map(|part| frame.push_text(part))
    })?;
    part.map(|()| Returned::Values(1)).ok_or_else(wrong)
}

/// `buffer:setBytes(text)`
fn set_bytes(frame: &Frame<'_>) -> Hosted {
    let (side, round) = buffer(frame)?;
    let new = text(frame, 2, "setBytes")?.into_owned();
    let (length, most) = (new.len(), vm::here(|vm| vm.program.limits.body).unwrap_or_default());
    if length > most {
        return Err(Raise(format!("a body of {length} bytes, where {most} are allowed (limits.body)")));
    }
    view("buffer:setBytes()", |view| if round > 0 { view.set_chunk(side, new) } else { view.set_body(side, new) })?;
    frame.push_number(length as f64);
    Ok(Returned::Values(1))
}
