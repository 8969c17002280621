//! What a proxy has to know of gRPC: who speaks it, until when an answer is of use, and how a failure of ours is said.
//!
//! (github.com/grpc/grpc, doc/PROTOCOL-HTTP2.md and doc/http-grpc-status-mapping.md.)

use std::fmt::Write as _;

use super::{Exchange, Source, answer};
use crate::failure::{Failure, Reason};
use crate::http::h1::trailers::Trailers;
use crate::http::head::{Head, Version};
use crate::http::name::FieldName;

const DEADLINE_EXCEEDED: u8 = 4;

/// Whether the client awaits a gRPC status whatever happens.
pub(super) fn is_spoken(request: &Head) -> bool {
    let media_type = request.find("content-type").unwrap_or_default();
    let prefix = b"application/grpc";
    let rest = media_type.get(prefix.len()..);
    let is_whole = rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')));
    is_whole && media_type.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// Whether messages come when they come: a stream that trickles is no slow client.
pub(super) fn is_streamed(request: &Head) -> bool {
    request.version() == Version::Http2 && is_spoken(request)
}

/// Milliseconds after which nobody waits for the response any more.
pub(super) fn timeout_ms(request: &Head) -> Option<u64> {
    if request.version() != Version::Http2 {
        return None; // gRPC has no other road; and everybody else pays nothing
    }
    parse_timeout(request.find("grpc-timeout")?)
}

/// Makes a failure page or a policy's refusal what a gRPC client understands: a status among the head's fields, with no body.
pub(super) fn settle(exchange: &mut Exchange) {
    let status = exchange.response.status();
    if status < 400 || !matches!(exchange.source, Source::Own(_)) || !is_spoken(&exchange.request) {
        return;
    }
    let reason = exchange.failure.as_ref().map(Failure::reason);
    let code = reason.map_or_else(|| of_http(status), code);
    let message = message(exchange, status);
    exchange.response.set_status(200);
    let fields =
        [("content-type", "application/grpc"), ("grpc-status", &*code.to_string()), ("grpc-message", &message)];
    for (name, value) in fields {
        if let Ok(name) = FieldName::new(name) {
            exchange.response.set(&name, value.as_bytes());
        }
    }
    exchange.source = Source::Own(Vec::new());
}

/// The trailers by which a response that cannot be completed ends, for a client that speaks gRPC.
pub(super) fn last_words(exchange: &Exchange, failure: &Failure) -> Option<Trailers> {
    let speaks = exchange.request.version() == Version::Http2 && is_spoken(&exchange.request);
    if !speaks {
        return None;
    }
    let mut trailers = Trailers::default();
    trailers.add("grpc-status", code(failure.reason()).to_string().as_bytes()).ok()?;
    trailers.add("grpc-message", escape(failure.reason().public()).as_bytes()).ok()?;
    Some(trailers)
}

fn code(reason: Reason) -> u8 {
    match reason {
        Reason::TotalTimeout => DEADLINE_EXCEEDED,
        reason => of_http(answer::status(reason)),
    }
}

/// What a client makes of an HTTP status where no gRPC status came.
fn of_http(status: u16) -> u8 {
    match status {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502..=504 => 14,
        _ => 2,
    }
}

fn message(exchange: &Exchange, status: u16) -> String {
    let public = exchange.failure.as_ref().map_or("", |failure| failure.reason().public());
    let text = if public.is_empty() { crate::http::h1::write::reason_phrase(status) } else { public };
    escape(&format!("{text} (request id {})", exchange.id.as_str()))
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if matches!(byte, b' '..=b'~') && byte != b'%' {
            escaped.push(char::from(byte));
        } else {
            let _infallible = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

/// At most eight digits and a unit.
fn parse_timeout(value: &[u8]) -> Option<u64> {
    let (unit, digits) = value.split_last()?;
    if digits.is_empty() || digits.len() > 8 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some(match unit {
        b'H' => number * 3_600_000,
        b'M' => number * 60_000,
        b'S' => number * 1_000,
        b'm' => number,
        b'u' => number.div_ceil(1_000),
        b'n' => number.div_ceil(1_000_000),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_have_a_number_and_a_unit() {
        let rows: &[(&str, Option<u64>)] = &[
            ("1H", Some(3_600_000)),
            ("2M", Some(120_000)),
            ("3S", Some(3_000)),
            ("250m", Some(250)),
            ("1u", Some(1)),
            ("5000000n", Some(5)),
            ("99999999S", Some(99_999_999_000)),
            ("100000000S", None),
            ("S", None),
            ("", None),
            ("1", None),
            ("-1S", None),
            ("1s", None),
        ];
        for (text, ms) in rows {
            assert_eq!(parse_timeout(text.as_bytes()), *ms, "{text}");
        }
    }

    #[test]
    fn media_types_of_grpc_are_told_apart() {
        let spoken = |media_type: &str| {
            let mut head = Head::request("POST", "/");
            head.add(&FieldName::new("content-type").unwrap(), media_type.as_bytes());
            is_spoken(&head)
        };
        assert!(spoken("application/grpc") && spoken("application/grpc+proto") && spoken("Application/gRPC; x=1"));
        assert!(!spoken("application/grpc-web") && !spoken("application/json") && !spoken("text/application/grpc"));
    }
}
