//! One client connection that speaks HTTP/2: frames are moved here, and each request is served by a task of its own.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use ::http::{Method, Request};
use bytes::Bytes;
use h2::server::{Builder, Connection, Handshake, SendResponse};
use h2::{Reason as Code, RecvStream};

use super::h1::{Client, Serve, Settings};
use crate::clock::{self, Alarm, NEVER};
use crate::drain::{Guard, Level};
use crate::failure::Reason;
use crate::hook::ClientFacts;
use crate::http::h2 as form;
use crate::http::head::Head;
use crate::limits::{
    H2_CONNECTION_WINDOW_BYTES, H2_ERROR_RESETS_MAX, H2_FRAME_BYTES_MAX, H2_HEADER_TABLE_BYTES, H2_PENDING_RESETS_MAX,
    H2_RESET_STREAMS_KEPT, H2_RESET_STREAMS_KEPT_MS, H2_SEND_BUFFER_BYTES, H2_STREAM_WINDOW_BYTES, H2_STREAMS_MAX,
    LINGER_BYTES_MAX, LINGER_MS,
};
use crate::wire::{Buffer, Cork, Http, Http2};

/// What a client sends first who speaks HTTP/2 (RFC 9113 section 3.4).
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Bytes of its first line: what a reader of HTTP/1.1 stumbles over.
pub(super) const PREFACE_LINE: usize = 16;

struct Streams {
    facts: Rc<ClientFacts>,
    guard: Guard,
    settings: Rc<RefCell<Rc<Settings>>>,
    serve: Serve,
    /// How many are being served.
    living: Rc<Cell<usize>>,
}

/// One in the count of those that are being served.
struct Living(Rc<Cell<usize>>);

/// When the connection was last of use.
struct Silence {
    bytes: (u64, u64),
    since: u64,
}

/// Serves a connection until one side has had enough. What was read of it already is read again.
pub(super) async fn run(client: Client, serve: Serve) {
    let Client { http, facts, alarm, guard, settings, .. } = client;
    let Http::One(http) = http else { return };
    let (wire, unread) = http.into_parts();
    let cork = Cork::new(wire, unread, PREFACE.len());
    let until = clock::now() + clock::millis(settings.borrow().timeouts.head);
    let mut handshake = builder(&settings.borrow()).handshake(cork.clone());
    let shaken = std::future::poll_fn(|cx| poll_handshake(&mut handshake, &cork, &guard, &alarm, until, cx));
    let Some(mut connection) = shaken.await else { return };
    let streams = Streams { facts, guard, settings, serve, living: Rc::default() };
    let mut silence = Silence { bytes: (0, 0), since: clock::now() };
    let mut draining = false;
    std::future::poll_fn(|cx| {
        if streams.guard.poll_level(cx) == Level::Draining && !std::mem::replace(&mut draining, true) {
            connection.graceful_shutdown();
        }
        poll(&mut connection, &cork, &streams, cx, &mut silence, &alarm)
    })
    .await;
    drop(connection);
    linger(cork, &streams.guard, &alarm).await;
}

fn builder(settings: &Settings) -> Builder {
    let mut builder = Builder::new();
    builder
        .max_concurrent_streams(H2_STREAMS_MAX)
        .initial_window_size(H2_STREAM_WINDOW_BYTES)
        .initial_connection_window_size(H2_CONNECTION_WINDOW_BYTES)
        .max_frame_size(H2_FRAME_BYTES_MAX)
        .max_header_list_size(u32::try_from(settings.rules.head_bytes_max).unwrap_or(u32::MAX))
        .header_table_size(H2_HEADER_TABLE_BYTES)
        .max_send_buffer_size(H2_SEND_BUFFER_BYTES)
        .max_concurrent_reset_streams(H2_RESET_STREAMS_KEPT)
        .reset_stream_duration(Duration::from_millis(H2_RESET_STREAMS_KEPT_MS))
        .max_pending_accept_reset_streams(H2_PENDING_RESETS_MAX)
        .max_local_error_reset_streams(Some(H2_ERROR_RESETS_MAX))
        .enable_connect_protocol();
    builder
}

fn poll_handshake(
    handshake: &mut Handshake<Cork, Bytes>,
    cork: &Cork,
    guard: &Guard,
    alarm: &Alarm,
    until: u64,
    cx: &mut Context<'_>,
) -> Poll<Option<Connection<Cork, Bytes>>> {
    let shaken = std::pin::Pin::new(handshake).poll(cx);
    if cork.poll_flush(cx).map(|flushed| flushed.is_err()) == Poll::Ready(true) {
        return Poll::Ready(None);
    }
    match shaken {
        Poll::Ready(Ok(connection)) => Poll::Ready(Some(connection)),
        Poll::Ready(Err(error)) => {
            tracing::debug!(%error, "no HTTP/2 handshake");
            Poll::Ready(None)
        }
        Poll::Pending if guard.poll_level(cx) == Level::Cut || alarm.poll(cx, until) => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    }
}

/// Moves frames, begins streams, and is ready when the connection is over.
fn poll(
    connection: &mut Connection<Cork, Bytes>,
    cork: &Cork,
    streams: &Streams,
    cx: &mut Context<'_>,
    silence: &mut Silence,
    alarm: &Alarm,
) -> Poll<()> {
    let over = loop {
        match connection.poll_accept(cx) {
            Poll::Ready(Some(Ok((request, respond)))) => streams.begin(request, respond),
            Poll::Ready(Some(Err(error))) => {
                tracing::debug!(%error, client = %streams.facts.address_text, "an HTTP/2 connection broke");
                break true;
            }
            Poll::Ready(None) => break true,
            Poll::Pending if cork.is_flooded() => {
                // Once said, h2 closes: the next round is the last.
                tracing::info!(client = %streams.facts.address_text, "a flood of HTTP/2 frames; connection closed");
                connection.abrupt_shutdown(Code::ENHANCE_YOUR_CALM);
                let _closing = connection.poll_closed(cx);
                break true;
            }
            Poll::Pending => break false,
        }
    };
    let flushed = cork.poll_flush(cx);
    if over || matches!(flushed, Poll::Ready(Err(_))) || streams.guard.level() == Level::Cut {
        return Poll::Ready(());
    }
    let deadline = silence.deadline(connection, cork, streams);
    if alarm.poll(cx, deadline) { Poll::Ready(()) } else { Poll::Pending }
}

/// Closes without a reset, so that the other side gets to read our last frames.
async fn linger(cork: Cork, guard: &Guard, alarm: &Alarm) {
    let until = clock::now() + LINGER_MS;
    let mut wire = cork.clone();
    let mut left = LINGER_BYTES_MAX;
    std::future::poll_fn(|cx| {
        use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
        if alarm.poll(cx, until) || guard.poll_level(cx) == Level::Cut {
            return Poll::Ready(());
        }
        let shut = std::pin::Pin::new(&mut wire).poll_shutdown(cx);
        if matches!(shut, Poll::Ready(Err(_))) {
            return Poll::Ready(());
        }
        let mut room = Buffer::take();
        loop {
            let mut buffer = ReadBuf::new(room.room());
            match std::pin::Pin::new(&mut wire).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() && left > 0 => {
                    left = left.saturating_sub(buffer.filled().len());
                }
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
    })
    .await;
}

// === impl Streams ===

impl Streams {
    /// Serves one request in a task of its own.
    fn begin(&self, request: Request<RecvStream>, respond: SendResponse<Bytes>) {
        let (mut parts, body) = request.into_parts();
        let websocket = parts.method == Method::CONNECT
            && parts.extensions.get::<h2::ext::Protocol>().is_some_and(|protocol| protocol.as_str() == "websocket");
        if websocket {
            parts.method = Method::GET;
        }
        let head = self.head(&parts, body.is_end_stream(), websocket);
        let secure = self.facts.secure;
        let client = Box::new(Client {
            http: Http::Two(Box::new(Http2::answering(respond, body, secure))),
            facts: self.facts.clone(),
            alarm: Alarm::new(),
            guard: self.guard.beside(),
            settings: self.settings.clone(),
            counted: (0, 0),
        });
        let living = Living::new(&self.living);
        let served = (self.serve)(client, head);
        tokio::task::spawn_local(async move {
            let _living = living;
            drop(served.await);
        });
    }

    fn head(&self, parts: &::http::request::Parts, ended: bool, websocket: bool) -> Result<Head, Reason> {
        let fields_max = self.settings.borrow().rules.fields_max;
        let mut head = form::request_head(parts, ended, fields_max)?;
        if websocket {
            form::as_upgrade(&mut head, fastrand::u128(..));
        }
        Ok(head)
    }
}

// === impl Silence ===

impl Silence {
    /// Until when the connection may go on as it is.
    fn deadline(&mut self, connection: &Connection<Cork, Bytes>, cork: &Cork, streams: &Streams) -> u64 {
        let bytes = cork.bytes();
        if bytes != self.bytes {
            (self.bytes, self.since) = (bytes, clock::now());
        }
        let timeouts = streams.settings.borrow().timeouts;
        let head = cork.block_since().map_or(NEVER, |since| since + clock::millis(timeouts.head));
        let served = streams.living.get();
        let idle = if served == 0 && !connection.has_streams() && !cork.is_stuck() {
            self.since + clock::millis(timeouts.idle)
        } else if served == 0 || cork.is_stuck() {
            // All was said, and the other side does not take it.
            self.since + clock::millis(timeouts.body)
        } else {
            NEVER // every exchange minds its own deadlines
        };
        head.min(idle)
    }
}

// === impl Living ===

impl Living {
    fn new(count: &Rc<Cell<usize>>) -> Self {
        count.set(count.get() + 1);
        Self(count.clone())
    }
}

impl Drop for Living {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}
