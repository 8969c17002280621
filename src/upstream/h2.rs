//! Connections to endpoints that speak HTTP/2: few of them, each shared by as many requests as it has streams for.
//!
//! A task of its own moves a connection's frames. Whoever needs one while none is there dials, and the others wait for
//! that one instead of dialling too.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use h2::client::{Builder, Connection, SendRequest};

use super::directory::Connected;
use super::pool::Key;
use crate::clock;
use crate::failure::{Failure, Reason};
use crate::limits::{
    H2_CONNECTION_WINDOW_BYTES, H2_CONNECTIONS_PER_ENDPOINT_MAX, H2_ERROR_RESETS_MAX, H2_FRAME_BYTES_MAX,
    H2_HEADER_TABLE_BYTES, H2_RESET_STREAMS_KEPT, H2_RESET_STREAMS_KEPT_MS, H2_SEND_BUFFER_BYTES,
    H2_STREAM_WINDOW_BYTES, H2_UPSTREAM_STREAMS_MAX, POOL_IDLE_MS, UPSTREAM_HEAD_BYTES_MAX,
};
use crate::wire::{Cork, Http, Http2, Wire};

/// The connections of one worker, by endpoint.
#[derive(Default)]
pub struct Shared {
    known: RefCell<HashMap<Key, Known, foldhash::fast::RandomState>>,
}

#[derive(Default)]
struct Known {
    open: Vec<Rc<Open>>,
    dialling: Option<Rc<Flight>>,
    /// By TLS it has chosen HTTP/1.1; until then it is not asked again, in milliseconds of the clock.
    apart_until: u64,
}

/// A connection on which streams may be opened.
struct Open {
    sender: SendRequest<Bytes>,
    cork: Cork,
    secure: bool,
    /// Streams that are in use.
    living: Cell<usize>,
    /// When the last of them ended, in milliseconds of the clock.
    since: Cell<u64>,
    /// No new stream is opened on it.
    retired: Rc<Cell<bool>>,
    /// What counts it, process-wide, as long as it is open.
    _counted: Option<Connected>,
}

/// The use of one stream of a connection.
pub struct Place(Rc<Open>);

/// What there is for one who needs a stream.
pub enum Joined {
    Place(Place),
    /// Nobody dials yet: it is up to the asker.
    Lead(Lead),
    /// Somebody dials: it is to be waited for.
    Follow(Rc<Flight>),
    /// The endpoint could choose, and has chosen HTTP/1.1: everybody dials for himself.
    Apart,
}

/// The duty to dial, and to tell those who wait. Dropped without an outcome, it passes to one of them.
pub struct Lead {
    shared: Rc<super::Pool>,
    key: Key,
    flight: Rc<Flight>,
}

/// A dialling under way.
#[derive(Default)]
pub struct Flight {
    outcome: RefCell<Option<Outcome>>,
    waiting: RefCell<Vec<Waker>>,
}

enum Outcome {
    /// Ask again: there is a place, or the duty.
    Over,
    Failed(Reason, Box<str>),
}

// === impl Shared ===

impl Shared {
    /// A stream on a connection that is there, or who sees to it that there is one.
    pub fn join(pool: &Rc<super::Pool>, key: Key) -> Joined {
        let mut all = pool.shared.known.borrow_mut();
        let known = all.entry(key).or_default();
        known.open.retain(|open| !open.is_over());
        let full = known.open.len() >= H2_CONNECTIONS_PER_ENDPOINT_MAX;
        let least = known.open.iter().min_by_key(|open| open.living.get());
        if let Some(open) = least.filter(|open| full || open.has_room()) {
            return Joined::Place(Place::on(open));
        }
        if known.apart_until > clock::now() {
            return Joined::Apart;
        }
        if let Some(flight) = &known.dialling {
            return Joined::Follow(flight.clone());
        }
        let flight = Rc::<Flight>::default();
        known.dialling = Some(flight.clone());
        Joined::Lead(Lead { shared: pool.clone(), key, flight })
    }

    /// Lets go of what has been idle for too long: a connection that nobody holds closes itself.
    pub(super) fn sweep(&self) {
        let oldest = clock::now().saturating_sub(POOL_IDLE_MS);
        self.known.borrow_mut().retain(|_, known| {
            known.open.retain(|open| !open.is_over() && (open.living.get() > 0 || open.since.get() >= oldest));
            !known.open.is_empty() || known.dialling.is_some() || known.apart_until > clock::now()
        });
    }
}

// === impl Lead ===

impl Lead {
    /// Begins HTTP/2 on a connection that was dialled, and takes the first place on it.
    pub async fn open(self, wire: Wire, secure: bool, counted: Option<Connected>) -> Result<Place, Failure> {
        let cork = Cork::new(wire, None, 0);
        let shaken = builder().handshake(cork.clone()).await;
        let (sender, connection) = shaken.map_err(|error| Failure::with(Reason::ConnectFailed, error))?;
        let retired = Rc::new(Cell::new(false));
        let open = Rc::new(Open {
            sender,
            cork: cork.clone(),
            secure,
            living: Cell::new(0),
            since: Cell::new(clock::now()),
            retired: retired.clone(),
            _counted: counted,
        });
        tokio::task::spawn_local(drive(connection, cork, retired));
        let place = Place::on(&open);
        if let Some(known) = self.shared.shared.known.borrow_mut().get_mut(&self.key) {
            known.open.push(open);
        }
        Ok(place)
    }

    /// Tells those who wait that the endpoint has chosen HTTP/1.1.
    pub fn part(self) {
        if let Some(known) = self.shared.shared.known.borrow_mut().get_mut(&self.key) {
            known.apart_until = clock::now() + POOL_IDLE_MS;
        }
    }

    /// Gives the duty up for a place on the least used connection, full or not.
    #[must_use]
    pub fn crowd(self) -> Option<Place> {
        let all = self.shared.shared.known.borrow();
        let open = &all.get(&self.key)?.open;
        open.iter().min_by_key(|open| open.living.get()).map(Place::on)
    }

    /// Tells those who wait that it came to nothing.
    pub fn fail(self, failure: &Failure) {
        let detail = failure.detail().unwrap_or_default().into();
        *self.flight.outcome.borrow_mut() = Some(Outcome::Failed(failure.reason(), detail));
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        if let Some(known) = self.shared.shared.known.borrow_mut().get_mut(&self.key) {
            known.dialling = None;
        }
        self.flight.outcome.borrow_mut().get_or_insert(Outcome::Over);
        for waiting in self.flight.waiting.take() {
            waiting.wake();
        }
    }
}

// === impl Flight ===

impl Flight {
    /// Ready when the dialling is over: who waited asks again, or shares its failure.
    pub fn poll_over(&self, cx: &Context<'_>) -> Poll<Result<(), Failure>> {
        match &*self.outcome.borrow() {
            Some(Outcome::Over) => Poll::Ready(Ok(())),
            Some(Outcome::Failed(reason, detail)) => Poll::Ready(Err(Failure::with(*reason, detail))),
            None => {
                let mut waiting = self.waiting.borrow_mut();
                if !waiting.iter().any(|known| known.will_wake(cx.waker())) {
                    waiting.push(cx.waker().clone());
                }
                Poll::Pending
            }
        }
    }
}

// === impl Place ===

impl Place {
    fn on(open: &Rc<Open>) -> Self {
        open.living.set(open.living.get() + 1);
        Self(open.clone())
    }

    /// What a request is sent on.
    #[must_use]
    pub fn http(&self) -> Http {
        let open = &self.0;
        Http::Two(Box::new(Http2::asking(open.sender.clone(), open.cork.clone(), open.secure)))
    }

    /// Opens no further stream on this connection: it may have died without a sign.
    pub fn retire(&self) {
        self.0.retired.set(true);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.living.set(self.0.living.get().saturating_sub(1));
        self.0.since.set(clock::now());
    }
}

// === impl Open ===

impl Open {
    /// It has ended, or ends: the other side has said how far it goes.
    fn is_over(&self) -> bool {
        self.retired.get() || self.cork.last_stream() != u32::MAX
    }

    fn has_room(&self) -> bool {
        self.living.get() < self.sender.current_max_send_streams().min(H2_UPSTREAM_STREAMS_MAX)
    }
}

/// Moves a connection's frames until it ends.
async fn drive(mut connection: Connection<Cork, Bytes>, cork: Cork, retired: Rc<Cell<bool>>) {
    std::future::poll_fn(|cx| {
        let moved = std::pin::Pin::new(&mut connection).poll(cx);
        let flushed = cork.poll_flush(cx);
        if let Poll::Ready(Err(error)) = &moved {
            tracing::debug!(%error, "an HTTP/2 connection to an upstream broke");
        }
        if cork.is_flooded() {
            tracing::warn!("an upstream floods with HTTP/2 frames; connection closed");
        }
        let over = moved.is_ready() || cork.is_flooded() || matches!(flushed, Poll::Ready(Err(_)));
        if over { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    retired.set(true);
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder
        .enable_push(false)
        .initial_window_size(H2_STREAM_WINDOW_BYTES)
        .initial_connection_window_size(H2_CONNECTION_WINDOW_BYTES)
        .max_frame_size(H2_FRAME_BYTES_MAX)
        .max_header_list_size(UPSTREAM_HEAD_BYTES_MAX as u32)
        .header_table_size(H2_HEADER_TABLE_BYTES)
        .max_send_buffer_size(H2_SEND_BUFFER_BYTES)
        .max_concurrent_reset_streams(H2_RESET_STREAMS_KEPT)
        .reset_stream_duration(Duration::from_millis(H2_RESET_STREAMS_KEPT_MS))
        .max_local_error_reset_streams(Some(H2_ERROR_RESETS_MAX));
    builder
}
