//! What is written down of an exchange while it lives, for its log line and its metrics.

use std::sync::Arc;
use std::time::Instant;

use crate::clock;
use crate::failure::{Failure, Fault, Reason};
use crate::http::h1::write::Length;
use crate::listen::Client;

/// The record of one exchange.
pub(super) struct Record {
    pub(super) began: Instant,
    /// The same moment on the coarse clock.
    pub(super) began_ms: u64,
    pub(super) attempts: u32,
    pub(super) connect_us: Option<u64>,
    pub(super) first_byte_us: Option<u64>,
    /// Bytes of the client's connection before this exchange: read, written.
    pub(super) client_bytes_before: (u64, u64),
    pub(super) upstream_bytes_before: (u64, u64),
    /// How the response's body is framed, and whether its connection may serve again.
    pub(super) received: Option<(Length, bool)>,
    /// Which policy answered, and with which verdict.
    pub(super) answered_by: Option<(Arc<str>, &'static str)>,
    /// What ended the exchange early.
    pub(super) failed: Option<Reason>,
    /// The private message that belongs to it.
    pub(super) detail: Option<Box<str>>,
    /// Bytes through a tunnel: from the client, to the client.
    pub(super) tunnelled: (u64, u64),
    pub(super) retries: u32,
}

// === impl Record ===

impl Record {
    pub(super) fn begin(client: &Client) -> Self {
        let unread = client.http.bytes();
        Self {
            began: clock::precise(),
            began_ms: clock::now(),
            attempts: 0,
            connect_us: None,
            first_byte_us: None,
            client_bytes_before: unread,
            upstream_bytes_before: (0, 0),
            received: None,
            answered_by: None,
            failed: None,
            detail: None,
            tunnelled: (0, 0),
            retries: 0,
        }
    }

    pub(super) fn elapsed_us(&self) -> u64 {
        micros(self.began)
    }

    pub(super) fn first_byte(&mut self) {
        self.first_byte_us = Some(self.elapsed_us());
    }

    pub(super) fn connected(&mut self, since: Instant) {
        self.connect_us = Some(micros(since));
    }

    pub(super) fn retried(&mut self, failure: &Failure) {
        self.retries += 1;
        tracing::debug!(%failure, attempt = self.attempts, "trying again");
    }

    pub(super) fn fail(&mut self, failure: &Failure) {
        if self.failed.is_none() {
            self.failed = Some(failure.reason());
            self.detail = failure.detail().map(Box::from);
        }
    }

    /// Who ended the exchange, and why: the `end` of the log.
    pub(super) fn end(&self) -> String {
        if let Some(reason) = self.failed {
            let who = match reason.fault() {
                Fault::Client => "client",
                Fault::Upstream => "upstream",
                Fault::Policy => "policy",
                Fault::Proxy => "proxy",
            };
            return format!("{who}:{}", reason.label());
        }
        match &self.answered_by {
            Some((policy, verdict)) => format!("policy:{policy}:{verdict}"),
            None => "complete".to_owned(),
        }
    }
}

fn micros(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX)
}
