//! The four flows of an exchange, polled in one place: from the client, to the upstream, from the upstream, to the client.
//!
//! A source is polled only while its sink has room: that is the back-pressure, both directions at once, with no channel
//! and no task between them. Sources first, then one write per side.

use std::task::{Context, Poll};

use super::deadlines::{Deadlines, Moved};
use super::gather::Gathered;
use crate::clock::{self, NEVER};
use crate::drain::Level;
use crate::failure::{Failure, Reason};
use crate::hook::Side;
use crate::http::head::Head;
use crate::limits::{CLIENT_RATE_WINDOW_MS, UPSTREAM_FIELDS_MAX, UPSTREAM_HEAD_BYTES_MAX};
use crate::listen::Client;
use crate::upstream::Connection;
use crate::wire::http1::{Expect, Piece, ReadError};

/// Client and upstream of an exchange, and how far each direction has come.
pub(super) struct Flows {
    pub(super) client: Box<Client>,
    pub(super) upstream: Option<Box<Connection>>,
    pub(super) request: RequestFlow,
    pub(super) response: ResponseFlow,
    /// What of the response's body was read before the client had room for it, where that is asked for.
    pub(super) ahead: Option<Box<Gathered>>,
    /// Milliseconds of the clock at which the client waits no longer for 100 (Continue).
    pub(super) continue_at: u64,
    pub(super) limits: Deadlines,
    pub(super) moved: Moved,
    /// A source was not polled because its sink was full.
    pub(super) skipped: bool,
    /// The body hooks of the request, or the response, hold more of what was read last.
    held: (bool, bool),
}

/// The request's body on its way upstream.
#[derive(Debug, Default)]
pub(super) struct RequestFlow {
    /// What of it was read before an endpoint was asked, where that is asked for.
    pub(super) gathered: Option<Box<Gathered>>,
    /// Chunked towards the upstream.
    pub(super) chunked: bool,
    /// Its last byte has been read.
    pub(super) read: bool,
    /// Part of it was passed on and is not kept.
    pub(super) begun: bool,
    /// The upstream no longer takes it: what comes is thrown away.
    pub(super) refused: bool,
    /// Another body stands in its place: what comes is thrown away.
    pub(super) discarded: bool,
    /// Bytes of it that have come.
    pub(super) bytes: u64,
}

/// The response on its way to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ResponseFlow {
    /// Nobody was asked.
    Idle,
    Head,
    /// Its body is read before its head goes on.
    Gathering,
    /// The head is there, its body waits to be asked for.
    Held,
    Body {
        chunked: bool,
    },
    /// All is queued.
    Ended,
}

/// What happened next.
#[derive(Debug)]
pub(super) enum Event {
    RequestPiece(Piece),
    ResponseHead,
    ResponsePiece(Piece),
    /// The client should be told to go on.
    ContinueDue,
    /// This side's body hooks hold more of it, and there is room for what they make of it.
    Room(Side),
    /// Everything queued has left.
    Flushed,
}

// === impl Flows ===

impl Flows {
    pub(super) fn new(client: Box<Client>) -> Self {
        let (client_body_ms, window_bytes) = {
            let settings = client.settings.borrow();
            (clock::millis(settings.timeouts.body), settings.limits.min_rate as u64 * CLIENT_RATE_WINDOW_MS / 1000)
        };
        let limits = Deadlines {
            client_body_ms,
            first_byte_ms: NEVER,
            upstream_idle_ms: NEVER,
            total_at: NEVER,
            body_max: u64::MAX,
            gather_max: 0,
            ahead_max: 0,
            window_bytes,
        };
        let now = clock::now();
        let moved = Moved { client_at: now, upstream_at: now, ..Moved::default() };
        Self {
            client,
            upstream: None,
            request: RequestFlow::default(),
            response: ResponseFlow::Idle,
            ahead: None,
            continue_at: NEVER,
            limits,
            moved,
            skipped: false,
            held: (false, false),
        }
    }

    /// Says whether a side's body hooks hold more of what was read last: until then nothing more is read.
    pub(super) fn hold(&mut self, side: Side, more: bool) {
        *(if side == Side::Request { &mut self.held.0 } else { &mut self.held.1 }) = more;
    }

    /// Queues a part of a body towards whom it is for.
    pub(super) fn pass_on(&mut self, side: Side, piece: Piece) {
        match side {
            Side::Request => self.pass_up(piece),
            Side::Response => self.pass_down(piece),
        }
    }

    /// Waits for what happens next. A response's head is read into `response`.
    pub(super) async fn event(&mut self, response: &mut Head) -> Result<Event, Failure> {
        std::future::poll_fn(|cx| self.poll_event(cx, response)).await
    }

    /// The upstream connection of a new attempt; its head is queued already.
    pub(super) fn begin_attempt(&mut self, connection: Box<Connection>) {
        self.moved.written_before = connection.http.bytes().1;
        self.upstream = Some(connection);
        self.response = ResponseFlow::Head;
        self.request.refused = false;
        self.moved.upstream_at = clock::now();
        self.moved.upstream_bytes = 0;
        if let Some(gathered) = &mut self.request.gathered {
            gathered.rewind();
        }
    }

    /// Whether the last byte of the response's body has been read.
    pub(super) fn is_response_read(&self) -> bool {
        self.upstream.as_ref().is_some_and(|upstream| upstream.http.is_body_done())
    }

    /// Whether upstream has been sent all there is, and has said all it will.
    pub(super) fn has_exchanged_all(&self) -> bool {
        let flushed = self.upstream.as_ref().is_some_and(|upstream| upstream.http.is_flushed());
        let read = self.response == ResponseFlow::Ended || self.ahead.as_ref().is_some_and(|ahead| ahead.is_whole());
        read && self.request.is_passed() && flushed
    }

    /// Queues a part of the request's body upstream.
    pub(super) fn pass_up(&mut self, piece: Piece) {
        let chunked = self.request.chunked;
        self.request.begun |= chunked || matches!(piece, Piece::Chunk(_));
        let Some(upstream) = &mut self.upstream else { return };
        match piece {
            Piece::Chunk(chunk) => upstream.http.queue_chunk(chunk, chunked),
            Piece::End(trailers) => upstream.http.queue_end(chunked, trailers.as_deref()),
        }
    }

    /// Queues a part of the response's body for the client.
    pub(super) fn pass_down(&mut self, piece: Piece) {
        let ResponseFlow::Body { chunked } = self.response else { return };
        if let Some(ahead) = &mut self.ahead
            && !(ahead.is_empty() && self.client.http.has_room())
        {
            return ahead.push(piece);
        }
        match piece {
            Piece::Chunk(chunk) => self.client.http.queue_chunk(chunk, chunked),
            Piece::End(trailers) => {
                self.client.http.queue_end(chunked, trailers.as_deref());
                self.response = ResponseFlow::Ended;
            }
        }
    }

    /// Writes what is queued and watches the client while a policy waits; ready when that has to end.
    pub(super) fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<Failure> {
        self.begin_waiting();
        if let Err(failure) = self.poll_sinks(cx) {
            return Poll::Ready(failure);
        }
        if let Poll::Ready(error) = self.client.http.poll_watch(cx) {
            return Poll::Ready(Failure::with(Reason::ClientClosed, error));
        }
        if self.client.guard.poll_level(cx) == Level::Cut {
            return Poll::Ready(Failure::new(Reason::Draining));
        }
        if self.client.alarm.poll(cx, self.limits.total_at) {
            return Poll::Ready(Failure::new(Reason::TotalTimeout));
        }
        Poll::Pending
    }

    pub(super) fn poll_event(&mut self, cx: &mut Context<'_>, response: &mut Head) -> Poll<Result<Event, Failure>> {
        loop {
            self.skipped = false;
            if self.request.gathered.is_some() {
                self.feed();
            }
            if self.ahead.is_some() {
                self.pour();
            }
            if self.held != (false, false)
                && let Some(side) = self.room()
            {
                return Poll::Ready(Ok(Event::Room(side)));
            }
            if let Poll::Ready(event) = self.poll_response(cx, response) {
                return Poll::Ready(event);
            }
            if let Poll::Ready(event) = self.poll_request(cx) {
                return Poll::Ready(event);
            }
            let wrote = self.poll_sinks(cx)?;
            if self.response == ResponseFlow::Ended && self.client.http.is_flushed() {
                return Poll::Ready(Ok(Event::Flushed));
            }
            if wrote && self.skipped {
                continue;
            }
            if self.ahead.is_some()
                && let Poll::Ready(event) = self.poll_ahead(cx)
            {
                return Poll::Ready(event);
            }
            if !self.wants_request()
                && let Poll::Ready(error) = self.client.http.poll_watch(cx)
            {
                return Poll::Ready(Err(Failure::with(Reason::ClientClosed, error)));
            }
            return self.poll_deadline(cx);
        }
    }

    /// The side whose body hooks hold more of it, if there is room for that.
    fn room(&mut self) -> Option<Side> {
        if self.held.0 && self.upstream.as_ref().is_some_and(|up| up.http.has_room() || self.request.refused) {
            return Some(Side::Request);
        }
        if self.held.1 && matches!(self.response, ResponseFlow::Body { .. }) && self.client.http.has_room() {
            return Some(Side::Response);
        }
        self.skipped = true;
        None
    }

    fn poll_response(&mut self, cx: &mut Context<'_>, head: &mut Head) -> Poll<Result<Event, Failure>> {
        let Some(upstream) = &mut self.upstream else { return Poll::Pending };
        match self.response {
            ResponseFlow::Head => {
                let expect =
                    Expect { request: false, head_bytes_max: UPSTREAM_HEAD_BYTES_MAX, fields_max: UPSTREAM_FIELDS_MAX };
                let polled = upstream.http.poll_head(cx, expect, head);
                if polled.is_ready() && upstream.reused && upstream.http.bytes().1 == self.moved.written_before {
                    // Nothing of the request has left: what came belongs to nobody, an end as well as an answer.
                    return Poll::Ready(Err(Failure::with(Reason::UpstreamClosed, "it spoke unasked")));
                }
                polled.map(|read| read.map(|()| Event::ResponseHead).map_err(no_head))
            }
            ResponseFlow::Gathering => {
                let polled = upstream.http.poll_piece(cx);
                polled.map(|read| read.map(Event::ResponsePiece).map_err(no_body))
            }
            ResponseFlow::Body { .. } if self.held.1 => Poll::Pending,
            ResponseFlow::Body { .. } if self.client.http.has_room() => {
                let polled = upstream.http.poll_piece(cx);
                polled.map(|read| read.map(Event::ResponsePiece).map_err(no_body))
            }
            ResponseFlow::Body { .. } => {
                self.skipped = true;
                Poll::Pending
            }
            ResponseFlow::Idle | ResponseFlow::Held | ResponseFlow::Ended => Poll::Pending,
        }
    }

    fn poll_request(&mut self, cx: &mut Context<'_>) -> Poll<Result<Event, Failure>> {
        if !self.wants_request() {
            return Poll::Pending;
        }
        if self.held.0 {
            return Poll::Pending;
        }
        if let Some(upstream) = &self.upstream
            && !self.request.refused
            && !self.request.discarded
            && (self.request.gathered.is_some() || !upstream.http.has_room())
        {
            self.skipped = true;
            return Poll::Pending;
        }
        loop {
            let piece = match self.client.http.poll_piece(cx) {
                Poll::Ready(Ok(piece)) => piece,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(bad_request_body(error))),
                Poll::Pending => return Poll::Pending,
            };
            self.continue_at = NEVER; // it did not wait, or waits no longer
            self.request.read = matches!(piece, Piece::End(_));
            if let Piece::Chunk(chunk) = &piece {
                self.request.bytes += chunk.bytes().len() as u64;
                if self.request.bytes > self.limits.body_max {
                    return Poll::Ready(Err(Failure::new(Reason::BodyTooLarge)));
                }
            }
            if self.request.refused && !self.request.discarded {
                self.request.begun |= self.request.chunked || matches!(piece, Piece::Chunk(_));
            } else if !self.request.discarded {
                return Poll::Ready(Ok(Event::RequestPiece(piece)));
            }
            if self.request.read {
                return Poll::Pending;
            }
        }
    }

    /// Whether the request's body is read; if not, the client is only watched.
    fn wants_request(&self) -> bool {
        !self.request.read && self.response != ResponseFlow::Ended && self.has_request_sink()
    }

    pub(super) fn has_request_sink(&self) -> bool {
        self.upstream.is_some() || self.request.gathered.as_ref().is_some_and(|gathered| gathered.wants_more())
    }

    pub(super) fn has_response_sink(&self) -> bool {
        self.client.http.has_room() || self.ahead.as_ref().is_some_and(|ahead| ahead.has_room())
    }

    /// Writes to both sides; says whether anything that was queued has left.
    fn poll_sinks(&mut self, cx: &mut Context<'_>) -> Result<bool, Failure> {
        let mut wrote = false;
        if let Some(upstream) = &mut self.upstream
            && !self.request.refused
            && !upstream.http.is_flushed()
        {
            match upstream.http.poll_flush(cx) {
                Poll::Ready(Ok(())) => wrote = true,
                // It may have answered before it closed: the answer is what counts.
                Poll::Ready(Err(_)) => {
                    self.request.refused = true;
                    self.skipped = true;
                    wrote = true;
                }
                Poll::Pending => {}
            }
        }
        if !self.client.http.is_flushed() {
            match self.client.http.poll_flush(cx) {
                Poll::Ready(Ok(())) => wrote = true,
                Poll::Ready(Err(error)) => return Err(Failure::with(Reason::ClientClosed, error)),
                Poll::Pending => {}
            }
        }
        Ok(wrote)
    }
}

// === impl RequestFlow ===

impl RequestFlow {
    /// Whether all of it has been queued upstream.
    pub(super) fn is_passed(&self) -> bool {
        (self.read || self.discarded) && self.gathered.as_ref().is_none_or(|gathered| gathered.is_passed())
    }
}

fn no_head(error: ReadError) -> Failure {
    match error {
        ReadError::Closed => Failure::new(Reason::UpstreamClosed),
        ReadError::Truncated => Failure::with(Reason::BadResponse, "closed inside the head"),
        ReadError::Io(error) => Failure::with(Reason::UpstreamClosed, error),
        ReadError::Bad(reason) => Failure::with(Reason::BadResponse, reason.label()),
    }
}

pub(super) fn no_body(error: ReadError) -> Failure {
    match error {
        ReadError::Closed | ReadError::Truncated => Failure::new(Reason::UpstreamTruncated),
        ReadError::Io(error) => Failure::with(Reason::UpstreamTruncated, error),
        ReadError::Bad(reason) => Failure::with(Reason::BadResponse, reason.label()),
    }
}

fn bad_request_body(error: ReadError) -> Failure {
    match error {
        ReadError::Closed | ReadError::Truncated => Failure::with(Reason::ClientClosed, "inside the body"),
        ReadError::Io(error) => Failure::with(Reason::ClientClosed, error),
        ReadError::Bad(reason) => Failure::new(reason),
    }
}
