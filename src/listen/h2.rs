//! One client connection that speaks HTTP/2: frames are moved here, and each request is served by a task of its own.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use ::http::{Method, Request};
use bytes::Bytes;
use h2::server::{Builder, Connection, Handshake, SendResponse};
use h2::{Reason as Code, RecvStream};

use super::h1::{Client, Serve, Settings};
use super::pace::Pace;
use crate::clock::{self, Alarm, NEVER};
use crate::drain::{Guard, Level};
use crate::failure::Reason;
use crate::hook::ClientFacts;
use crate::http::h2 as form;
use crate::http::head::Head;
use crate::limits::{
    DRAIN_IDLE_GRACE_MS, H2_CONNECTION_WINDOW_BYTES, H2_ERROR_RESETS_MAX, H2_FRAME_BYTES_MAX, H2_HEADER_TABLE_BYTES,
    H2_PENDING_RESETS_MAX, H2_RESET_STREAMS_KEPT, H2_RESET_STREAMS_KEPT_MS, H2_SEND_BUFFER_BYTES,
    H2_STREAM_WINDOW_BYTES, H2_STREAMS_MAX, LINGER_BYTES_MAX, LINGER_MS, TRAILER_BYTES_MAX, TRAILER_FIELDS_MAX,
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
    living: Rc<Living>,
    pace: RefCell<Pace>,
    /// The last request that the connection may make has begun.
    last: Cell<bool>,
}

/// How many streams are being served.
#[derive(Default)]
struct Living {
    count: Cell<usize>,
    /// The connection, to be told when the last has ended.
    connection: RefCell<Option<Waker>>,
}

/// One of them.
struct Alive(Rc<Living>);

/// What a connection's deadlines are counted from, in milliseconds of the clock.
struct Quiet {
    written: u64,
    /// The other side took something, or had nothing to take.
    taken_at: u64,
    /// The last stream was there.
    busy_at: u64,
    /// The other side was told that no more streams will be served.
    leaving_at: Option<u64>,
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
    let streams = Streams {
        facts,
        guard,
        settings,
        serve,
        living: Rc::default(),
        pace: RefCell::default(),
        last: Cell::new(false),
    };
    let mut quiet = Quiet::new();
    std::future::poll_fn(|cx| {
        if streams.guard.poll_level(cx) == Level::Draining {
            quiet.leave(&mut connection);
        }
        poll(&mut connection, &cork, &streams, cx, &mut quiet, &alarm)
    })
    .await;
    drop(connection);
    linger(cork, &streams.guard, &alarm).await;
}

fn builder(settings: &Settings) -> Builder {
    // Trailers are held to it too, and h2 would cut those that pass it.
    let list_bytes_max = settings.rules.head_bytes_max.max(TRAILER_BYTES_MAX + 32 * TRAILER_FIELDS_MAX);
    let mut builder = Builder::new();
    builder
        .max_concurrent_streams(H2_STREAMS_MAX)
        .initial_window_size(H2_STREAM_WINDOW_BYTES)
        .initial_connection_window_size(H2_CONNECTION_WINDOW_BYTES)
        .max_frame_size(H2_FRAME_BYTES_MAX)
        .max_header_list_size(u32::try_from(list_bytes_max).unwrap_or(u32::MAX))
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
    quiet: &mut Quiet,
    alarm: &Alarm,
) -> Poll<()> {
    streams.living.tell(cx);
    loop {
        let mut over = poll_streams(connection, streams, cx);
        if !over && streams.had_last() {
            quiet.leave(connection);
            over = poll_streams(connection, streams, cx);
        }
        over = over || dismiss(connection, cork, streams, cx);
        let flushed = cork.poll_flush(cx);
        if over || matches!(flushed, Poll::Ready(Err(_))) || streams.guard.level() == Level::Cut {
            return Poll::Ready(());
        }
        let (at, late) = quiet.deadline(connection, cork, streams);
        if !alarm.poll(cx, at) {
            return Poll::Pending;
        }
        match late {
            Late::Idle => quiet.leave(connection),
            Late::Gone | Late::Stuck => {
                return end(connection, cork, Code::NO_ERROR, cx);
            }
            Late::Head => {
                tracing::info!(client = %streams.facts.address_text, "a head by HTTP/2 took too long; connection closed");
                return end(connection, cork, Code::ENHANCE_YOUR_CALM, cx);
            }
        }
    }
}

/// Begins the streams that have come; says whether the connection is over.
fn poll_streams(connection: &mut Connection<Cork, Bytes>, streams: &Streams, cx: &mut Context<'_>) -> bool {
    loop {
        match connection.poll_accept(cx) {
            Poll::Ready(Some(Ok((request, respond)))) => streams.begin(request, respond),
            Poll::Ready(Some(Err(error))) => {
                tracing::debug!(%error, client = %streams.facts.address_text, "an HTTP/2 connection broke");
                return true;
            }
            Poll::Ready(None) => return true,
            Poll::Pending => return false,
        }
    }
}

/// Parts with a client that sends what nobody sends who means well; says whether it did.
fn dismiss(connection: &mut Connection<Cork, Bytes>, cork: &Cork, streams: &Streams, cx: &mut Context<'_>) -> bool {
    let (code, why) = if cork.is_flooded() {
        (Code::ENHANCE_YOUR_CALM, "a flood of HTTP/2 frames; connection closed")
    } else if cork.is_unsettled() {
        (Code::PROTOCOL_ERROR, "an HTTP/2 connection that does not begin with SETTINGS; connection closed")
    } else {
        return false;
    };
    tracing::info!(client = %streams.facts.address_text, "{why}");
    end(connection, cork, code, cx).is_ready()
}

/// The last word: h2 closes once it has said it.
fn end(connection: &mut Connection<Cork, Bytes>, cork: &Cork, code: Code, cx: &mut Context<'_>) -> Poll<()> {
    connection.abrupt_shutdown(code);
    let _closing = connection.poll_closed(cx);
    let _best_effort = cork.poll_flush(cx);
    Poll::Ready(())
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
            last: false,
        });
        let alive = Alive::new(&self.living);
        let served = (self.serve)(client, head);
        tokio::task::spawn_local(async move {
            let _alive = alive;
            drop(served.await);
        });
    }

    /// Whether the last request that the connection may make has begun just now.
    fn had_last(&self) -> bool {
        let limits = self.settings.borrow().limits;
        limits.requests_per_connection.is_some() && self.pace.borrow().is_last(&limits) && !self.last.replace(true)
    }

    fn head(&self, parts: &::http::request::Parts, ended: bool, websocket: bool) -> Result<Head, Reason> {
        let (head_bytes_max, fields_max) = {
            let settings = self.settings.borrow();
            if settings.limits.counts_requests() {
                self.pace.borrow_mut().count(&settings.limits)?;
            }
            (settings.rules.head_bytes_max, settings.rules.fields_max)
        };
        let mut head = form::request_head(parts, ended, head_bytes_max, fields_max)?;
        if websocket {
            form::as_upgrade(&mut head, fastrand::u128(..))?;
        }
        Ok(head)
    }
}

// === impl Quiet ===

/// What it means that a deadline has passed.
enum Late {
    /// No stream for long.
    Idle,
    /// It was told to go, and had time to.
    Gone,
    /// It does not take what we have for it.
    Stuck,
    /// It does not finish a head.
    Head,
}

impl Quiet {
    fn new() -> Self {
        let now = clock::now();
        Self { written: 0, taken_at: now, busy_at: now, leaving_at: None }
    }

    /// Says that streams which come from now on are not served. Those under way to us still are: h2 waits for an answer
    /// to a ping before it names the last one.
    fn leave(&mut self, connection: &mut Connection<Cork, Bytes>) {
        if self.leaving_at.is_none() {
            self.leaving_at = Some(clock::now());
            connection.graceful_shutdown();
        }
    }

    /// Until when the connection may go on as it is.
    fn deadline(&mut self, connection: &Connection<Cork, Bytes>, cork: &Cork, streams: &Streams) -> (u64, Late) {
        let now = clock::now();
        let written = cork.bytes().1;
        if written != self.written || !cork.is_stuck() {
            (self.written, self.taken_at) = (written, now);
        }
        let serving = streams.living.count.get() > 0;
        if serving || connection.has_streams() {
            self.busy_at = now;
        }
        let timeouts = streams.settings.borrow().timeouts;
        let mut nearest = (NEVER, Late::Stuck);
        let mut consider = |at: u64, late| {
            if at < nearest.0 {
                nearest = (at, late);
            }
        };
        if let Some(since) = cork.block_since() {
            consider(since + clock::millis(timeouts.head), Late::Head);
        }
        if cork.is_stuck() {
            consider(self.taken_at + clock::millis(timeouts.body), Late::Stuck);
        }
        if !serving {
            // Every exchange that is served minds its own deadlines.
            match self.leaving_at {
                Some(since) => consider(since.max(self.busy_at) + DRAIN_IDLE_GRACE_MS, Late::Gone),
                None => consider(self.busy_at + clock::millis(timeouts.idle), Late::Idle),
            }
        }
        nearest
    }
}

// === impl Living and Alive ===

impl Living {
    fn tell(&self, cx: &Context<'_>) {
        let mut connection = self.connection.borrow_mut();
        if !connection.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
            *connection = Some(cx.waker().clone());
        }
    }
}

impl Alive {
    fn new(living: &Rc<Living>) -> Self {
        living.count.set(living.count.get() + 1);
        Self(living.clone())
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        let left = self.0.count.get() - 1;
        self.0.count.set(left);
        let connection = if left == 0 { self.0.connection.borrow_mut().take() } else { None };
        if let Some(connection) = connection {
            connection.wake();
        }
    }
}
