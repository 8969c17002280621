//! Until when each side of an exchange may be silent, and the whole may take.

use std::task::{Context, Poll};

use super::flow::{Event, Flows, ResponseFlow};
use crate::clock::{self, NEVER};
use crate::drain::Level;
use crate::failure::{Failure, Reason};
use crate::limits::CLIENT_RATE_WINDOW_MS;

/// Limits of silence, in milliseconds, and of the whole.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadlines {
    pub(super) client_body_ms: u64,
    pub(super) first_byte_ms: u64,
    pub(super) upstream_idle_ms: u64,
    pub(super) total_at: u64,
    /// Bytes of a request's body.
    pub(super) body_max: u64,
    /// Bytes of a request's body that are read before an endpoint is asked; 0: none.
    pub(super) gather_max: u64,
    /// Bytes of a response's body that are read ahead of the client; 0: none.
    pub(super) ahead_max: u64,
    /// Bytes that a client must move within a window while it is waited for; 0: none.
    pub(super) window_bytes: u64,
}

/// When each side last moved.
#[derive(Debug, Default)]
pub(super) struct Moved {
    pub(super) client_bytes: u64,
    pub(super) client_at: u64,
    pub(super) upstream_bytes: u64,
    pub(super) upstream_at: u64,
    /// When the window began in which the client must move enough, and what it had moved before; 0: it is not waited for.
    pub(super) window_at: u64,
    pub(super) window_from: u64,
    /// What had been written to the upstream's connection before this attempt.
    pub(super) written_before: u64,
}

// === impl Flows ===

impl Flows {
    /// The silence of either side counts from now: until now it was not what was waited for.
    pub(super) fn begin_waiting(&mut self) {
        (self.moved.client_at, self.moved.upstream_at, self.moved.window_at) = (clock::now(), clock::now(), 0);
    }

    pub(super) fn poll_deadline(&mut self, cx: &Context<'_>) -> Poll<Result<Event, Failure>> {
        let (at, reason) = self.deadline();
        if self.client.guard.poll_level(cx) == Level::Cut {
            return Poll::Ready(Err(Failure::new(Reason::Draining)));
        }
        if self.continue_at < at {
            if self.client.alarm.poll(cx, self.continue_at) {
                self.continue_at = NEVER;
                return Poll::Ready(Ok(Event::ContinueDue));
            }
            return Poll::Pending;
        }
        if self.client.alarm.poll(cx, at) { Poll::Ready(Err(Failure::new(reason))) } else { Poll::Pending }
    }

    /// The nearest deadline, and what it means when it has passed.
    fn deadline(&mut self) -> (u64, Reason) {
        self.stamp();
        let limits = &self.limits;
        let mut nearest = (limits.total_at, Reason::TotalTimeout);
        let mut consider = |at: u64, reason| {
            if at < nearest.0 {
                nearest = (at, reason);
            }
        };
        match self.response {
            // Not while the client is what we wait for: the rest of its body.
            ResponseFlow::Head if self.upstream_has_turn() => {
                consider(self.moved.upstream_at.saturating_add(limits.first_byte_ms), Reason::FirstByteTimeout);
            }
            ResponseFlow::Gathering => {
                consider(self.moved.upstream_at.saturating_add(limits.upstream_idle_ms), Reason::UpstreamIdleTimeout);
            }
            ResponseFlow::Body { .. } if self.has_response_sink() => {
                consider(self.moved.upstream_at.saturating_add(limits.upstream_idle_ms), Reason::UpstreamIdleTimeout);
            }
            _ => {}
        }
        let silent_at = self.moved.client_at.saturating_add(limits.client_body_ms);
        if !self.client.http.is_flushed() {
            consider(silent_at, Reason::ClientStalled);
            consider(self.moved.window_end(limits.window_bytes), Reason::ClientSlow);
        } else if !self.request.read
            && !self.request.discarded
            && self.has_request_sink()
            && !self.skipped
            && self.continue_at == NEVER
        {
            consider(silent_at, Reason::BodyTimeout);
            consider(self.moved.window_end(limits.window_bytes), Reason::ClientSlow);
        } else {
            self.moved.window_at = 0;
        }
        nearest
    }

    /// Whether the next step is the upstream's: it has the whole request, or does not take what there is of it.
    fn upstream_has_turn(&self) -> bool {
        let waits = self.upstream.as_ref().is_some_and(|upstream| !upstream.http.is_flushed());
        self.request.read || self.request.refused || self.request.discarded || waits
    }

    fn stamp(&mut self) {
        let sum = |(read, written): (u64, u64)| read + written;
        let client = sum(self.client.http.bytes());
        if client != self.moved.client_bytes {
            (self.moved.client_bytes, self.moved.client_at) = (client, clock::now());
        }
        let upstream = self.upstream.as_ref().map_or(0, |upstream| sum(upstream.http.bytes()));
        if upstream != self.moved.upstream_bytes {
            (self.moved.upstream_bytes, self.moved.upstream_at) = (upstream, clock::now());
        }
    }
}

// === impl Moved ===

impl Moved {
    /// When the window ends at whose end the client is too slow. One that moves enough gets a new window, so that a fast
    /// beginning does not pay for dripping.
    fn window_end(&mut self, enough: u64) -> u64 {
        if enough == 0 {
            return NEVER;
        }
        let now = clock::now();
        let over = now >= self.window_at + CLIENT_RATE_WINDOW_MS;
        if self.window_at == 0 || (over && self.client_bytes - self.window_from >= enough) {
            (self.window_at, self.window_from) = (now, self.client_bytes);
        }
        self.window_at + CLIENT_RATE_WINDOW_MS
    }
}
