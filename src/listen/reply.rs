//! Requests that are answered on the spot, without an exchange: the admin listener's and the demo origin's.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::task::Poll;
use std::time::Duration;

use super::accept::Door;
use super::h1::{Client, Serve, Settings};
use crate::clock;
use crate::config::plan::{Buffer, ListenerLimits, ListenerTimeouts};
use crate::drain::{Drain, Level};
use crate::failure::Reason;
use crate::http::Rules;
use crate::http::admit;
use crate::http::forwarded::Lines;
use crate::http::h1::write::{Length, Persistence};
use crate::http::head::Head;
use crate::http::name::FieldName;
use crate::limits::{CLIENT_BODY_TIMEOUT_MS, CLIENT_IDLE_TIMEOUT_MS, HEAD_TIMEOUT_MS, REPLY_BODY_BYTES_MAX};
use crate::share::addresses::Addresses;
use crate::wire::Chunk;
use crate::wire::http1::Piece;

/// A request, whole.
pub struct Asked {
    pub head: Head,
    pub body: Vec<u8>,
    pub persistent: bool,
}

/// A response, whole.
pub struct Reply {
    pub status: u16,
    pub media_type: &'static str,
    pub body: Vec<u8>,
}

/// A door of the program's own, with every rule and timeout at its default; no listener of a plan, and not counted as one.
#[must_use]
pub fn door(name: &str, open_max: usize, serve: Serve, drain: Drain) -> Door {
    let rules = Rules::default();
    let settings = Settings {
        name: name.into(),
        id: 0,
        open_max,
        limits: ListenerLimits::default(),
        buffer: Buffer::default(),
        index: 0,
        lines: Lines::new(&rules.forwarded, false),
        rules: Arc::new(rules),
        timeouts: ListenerTimeouts {
            head: Duration::from_millis(HEAD_TIMEOUT_MS),
            idle: Duration::from_millis(CLIENT_IDLE_TIMEOUT_MS),
            body: Duration::from_millis(CLIENT_BODY_TIMEOUT_MS),
        },
        trusted: Vec::new(),
        http2: true,
        proxy_protocol: false,
        announces: false,
        greets: false,
        tls: None,
    };
    Door {
        settings: Rc::new(RefCell::new(Rc::new(settings))),
        serve,
        drain,
        open: Arc::new(AtomicUsize::new(0)),
        ask: Rc::new(|_, _, _| None),
        shaken: Rc::new(|_, _| {}),
        addresses: Addresses::new(),
        count: Rc::new(|_, _| {}),
    }
}

/// Reads the rest of a request whose head has been read.
pub async fn receive(client: &mut Client, head: Result<Head, Reason>) -> Result<Asked, Reason> {
    let mut head = head?;
    let rules = client.settings.borrow().rules.clone();
    let admitted = admit::request(&mut head, &rules)?;
    client.http.expect_body(admitted.framing);
    if admitted.expects_continue {
        client.http.send_interim(&Head::response(100));
    }
    let until = clock::now() + clock::millis(client.settings.borrow().timeouts.body);
    let mut body = Vec::new();
    std::future::poll_fn(|cx| {
        loop {
            if client.http.poll_flush(cx).is_pending() && client.alarm.poll(cx, until) {
                return Poll::Ready(Err(Reason::ClientStalled));
            }
            match client.http.poll_piece(cx) {
                Poll::Ready(Ok(Piece::End(_))) => return Poll::Ready(Ok(())),
                Poll::Ready(Ok(Piece::Chunk(chunk))) => body.extend_from_slice(chunk.bytes()),
                Poll::Ready(Err(_)) => return Poll::Ready(Err(Reason::ClientClosed)),
                Poll::Pending if client.alarm.poll(cx, until) => return Poll::Ready(Err(Reason::BodyTimeout)),
                Poll::Pending => return Poll::Pending,
            }
            if body.len() > REPLY_BODY_BYTES_MAX {
                return Poll::Ready(Err(Reason::BodyTooLarge));
            }
        }
    })
    .await?;
    Ok(Asked { head, body, persistent: admitted.persistent })
}

/// Sends a response; gives the client back if its connection may go on. `asked` is `None` for a request that could not
/// be read.
pub async fn send(mut client: Box<Client>, asked: Option<&Asked>, reply: Reply) -> Option<Box<Client>> {
    let keep = asked.is_some_and(|asked| asked.persistent) && client.guard.level() == Level::Running;
    let mut head = Head::response(reply.status);
    if let Ok(name) = FieldName::new("content-type") {
        head.add(&name, reply.media_type.as_bytes());
    }
    let length = Length::Exactly(reply.body.len() as u64);
    let persistence = if keep { Persistence::Default } else { Persistence::Close };
    client.http.send_response(&head, length, persistence);
    if asked.is_none_or(|asked| asked.head.method() != "HEAD") && !reply.body.is_empty() {
        client.http.queue_chunk(Chunk::from_vec(reply.body), false);
    }
    client.http.queue_end(false, None);
    let until = clock::now() + clock::millis(client.settings.borrow().timeouts.body);
    let sent = std::future::poll_fn(|cx| match client.http.poll_flush(cx) {
        Poll::Ready(flushed) => Poll::Ready(flushed.is_ok()),
        Poll::Pending if client.alarm.poll(cx, until) => Poll::Ready(false),
        Poll::Pending => Poll::Pending,
    })
    .await;
    match (sent, keep, asked.is_some()) {
        (true, true, _) => Some(client),
        (true, false, false) => {
            super::h1::close(client).await;
            None
        }
        _ => None,
    }
}
