//! A test's request: an HTTP/1.1 client in memory, at a listener of the configuration under test.

use std::net::SocketAddr;

use crate::hook::Plain;
use crate::http::admit;
use crate::http::h1::write::{self, Length, Persistence};
use crate::http::head::Head;
use crate::http::name::FieldName;
use crate::limits::{REPLY_BODY_BYTES_MAX, UPSTREAM_FIELDS_MAX, UPSTREAM_HEAD_BYTES_MAX};
use crate::wire::http1::{Expect, Piece};
use crate::wire::{Chunk, Http1, Wire, memory};

/// What a test asks for.
pub(super) struct Question {
    head: Head,
    body: Vec<u8>,
    from: Option<SocketAddr>,
}

/// A message, whole, as tests see it.
#[derive(Default)]
pub(super) struct Message {
    pub(super) head: Vec<(&'static str, Plain)>,
    pub(super) fields: Vec<Plain>,
    pub(super) body: Vec<u8>,
    pub(super) trailers: Vec<Plain>,
}

/// What stands under a key.
pub(super) fn get<'a>(plain: &'a Plain, key: &str) -> Option<&'a Plain> {
    let Plain::Map(entries) = plain else { return None };
    entries.iter().find(|(name, _)| **name == *key.as_bytes()).map(|(_, value)| value)
}

/// The text that stands under a key.
pub(super) fn text(plain: &Plain, key: &str) -> Option<String> {
    get(plain, key).and_then(Plain::text).map(|text| String::from_utf8_lossy(text).into_owned())
}

/// Reads `{ method, target, fields, body, client }`.
pub(super) fn question(asked: &Plain) -> Result<Question, String> {
    let method = text(asked, "method").unwrap_or_else(|| "GET".to_owned());
    let target = text(asked, "target").unwrap_or_else(|| "/".to_owned());
    let sound = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    if !sound(&method) || !sound(&target) {
        return Err(format!("`{method} {target}` is no request: method and path hold no spaces"));
    }
    let mut head = Head::request(&method, &target);
    add_fields(&mut head, get(asked, "fields"))?;
    let from = match text(asked, "client") {
        None => None,
        Some(address) => {
            let address: std::net::IpAddr =
                address.parse().map_err(|_| format!("the client's address `{address}` is no IP address"))?;
            Some(SocketAddr::from((address, 40_000)))
        }
    };
    Ok(Question { head, body: get(asked, "body").and_then(Plain::text).unwrap_or_default().to_vec(), from })
}

/// Adds `{ { name, value }, … }`.
pub(super) fn add_fields(head: &mut Head, fields: Option<&Plain>) -> Result<(), String> {
    let Some(Plain::List(fields)) = fields else { return Ok(()) };
    for field in fields {
        let Plain::List(pair) = field else { continue };
        if let [Plain::Text(name), Plain::Text(value)] = pair.as_slice() {
            let text = String::from_utf8_lossy(name);
            let name = FieldName::new(&text).map_err(|_| format!("`{text}` is no name of a field"))?;
            if value.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
                return Err(format!("the value of `{text}` holds a line break"));
            }
            head.add(&name, value);
        }
    }
    Ok(())
}

/// Asks, and waits for the whole response.
pub(super) async fn ask(listener: &str, question: Question) -> Result<Message, String> {
    let end = match question.from {
        Some(from) => memory::connect_from(listener, from),
        None => memory::connect(listener),
    };
    let end = end.map_err(|_| "the connection was refused".to_owned())?;
    let mut http = Http1::new(Wire::Memory(end));
    let length = match question.body.len() {
        0 if matches!(question.head.method(), "GET" | "HEAD" | "DELETE" | "OPTIONS") => Length::None,
        length => Length::Exactly(length as u64),
    };
    write::request(&question.head, length, Persistence::Close, true, http.out());
    http.queue_chunk(Chunk::from_vec(question.body), false);
    let mut head = Head::new();
    let expect = Expect { request: false, head_bytes_max: UPSTREAM_HEAD_BYTES_MAX, fields_max: UPSTREAM_FIELDS_MAX };
    loop {
        let read = std::future::poll_fn(|cx| {
            // A response may come before all has been sent.
            let _sent = http.poll_flush(cx);
            http.poll_head(cx, expect, &mut head)
        });
        read.await.map_err(|why| format!("no response came: {why:?}"))?;
        if head.status() >= 200 || head.status() == 101 {
            break;
        }
        head = Head::new();
    }
    let fields = head.fields().map(|(name, value)| pair(name, value)).collect();
    let status = ("status", Plain::Number(f64::from(head.status())));
    let mut message = Message { head: vec![status], fields, ..Message::default() };
    let received = admit::response(&mut head, question.head.method(), false)
        .map_err(|reason| format!("the response is no HTTP: {}", reason.label()))?;
    http.expect_body(received.framing);
    loop {
        let piece = std::future::poll_fn(|cx| {
            let _sent = http.poll_flush(cx);
            http.poll_piece(cx)
        });
        match piece.await {
            Ok(Piece::Chunk(chunk)) => message.body.extend_from_slice(chunk.bytes()),
            Ok(Piece::End(trailers)) => {
                let trailers = trailers.as_deref();
                let pairs = trailers.into_iter().flat_map(|all| all.iter()).map(|(name, value)| pair(name, value));
                message.trailers = pairs.collect();
                return Ok(message);
            }
            Err(why) => {
                message.head.push(("broken", Plain::from(format!("{why:?}").as_str())));
                return Ok(message);
            }
        }
        if message.body.len() > REPLY_BODY_BYTES_MAX {
            return Err(format!("the response's body is larger than {REPLY_BODY_BYTES_MAX} bytes"));
        }
    }
}

pub(super) fn pair(name: &[u8], value: &[u8]) -> Plain {
    let name = name.to_ascii_lowercase();
    Plain::List(vec![Plain::Text(name.into()), Plain::Text(value.into())])
}

// === impl Message ===

impl Message {
    pub(super) fn into_plain(self) -> Plain {
        let mut entries: Vec<(Box<[u8]>, Plain)> =
            self.head.into_iter().map(|(name, value)| (name.as_bytes().into(), value)).collect();
        entries.push((b"fields"[..].into(), Plain::List(self.fields)));
        entries.push((b"body"[..].into(), Plain::Text(self.body.into())));
        entries.push((b"trailers"[..].into(), Plain::List(self.trailers)));
        Plain::Map(entries)
    }
}
