//! `exchange.response`

use super::super::raw::{Frame, Hosted, Raise};
use super::{Bound, Noun, change, give, push_constant, push_maybe, waiting};
use crate::hook::{Edit, Side};

pub(super) const MEMBERS: &[Bound] = &[
    Bound::assignable("status", status, set_status),
    Bound::field("media_type", media_type),
    Bound::method("body", |frame| waiting::body(frame, Side::Response, Noun::Response)),
    Bound::method("set_body", |frame| waiting::set_body(frame, Side::Response, Noun::Response)),
    Bound::field("headers", |frame| push_constant(frame, Noun::ResponseHeaders)),
];

fn status(frame: &Frame<'_>) -> Hosted {
    give(frame, Noun::Response, "status", |view, frame| {
        frame.push_number(f64::from(view.response()?.status()));
        Ok(())
    })
}

fn set_status(frame: &Frame<'_>) -> Hosted {
    let status = frame.number(3).filter(|status| status.fract() == 0.0 && (200.0..=599.0).contains(status));
    let Some(status) = status else { return Err(Raise("a status is a number from 200 to 599".to_owned())) };
    change(Noun::Response, "status", |view| view.edit(Side::Response, Edit::Status(status as u16)))
}

fn media_type(frame: &Frame<'_>) -> Hosted {
    give(frame, Noun::Response, "media_type", |view, frame| {
        let written = view.response()?.find("content-type");
        let plain = written.map(|written| {
            let end = written.iter().position(|byte| *byte == b';').unwrap_or(written.len());
            written[..end].trim_ascii().to_ascii_lowercase()
        });
        push_maybe(frame, plain.as_deref());
        Ok(())
    })
}
