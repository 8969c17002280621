//! What is written down of an exchange while it lives, for its log line and its metrics.

use std::sync::Arc;
use std::time::Instant;

use super::Exchange;
use crate::clock;
use crate::failure::{Failure, Fault, Reason};
use crate::hook::RecordFacts;
use crate::http::h1::write::Length;
use crate::http::name::Known;
use crate::observe::access_log::{self, End};
use crate::observe::metrics::Way;

/// The record of one exchange.
pub(super) struct Record {
    pub(super) began: Instant,
    /// The same moment on the coarse clock.
    pub(super) began_ms: u64,
    pub(super) attempts: u32,
    pub(super) connect_us: Option<u64>,
    pub(super) first_byte_us: Option<u64>,
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
    /// From the client and to it, once it is over.
    bytes: (u64, u64),
}

// === impl Record ===

impl Record {
    pub(super) fn begin() -> Self {
        Self {
            began: clock::precise(),
            began_ms: clock::now(),
            attempts: 0,
            connect_us: None,
            first_byte_us: None,
            upstream_bytes_before: (0, 0),
            received: None,
            answered_by: None,
            failed: None,
            detail: None,
            tunnelled: (0, 0),
            retries: 0,
            bytes: (0, 0),
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
    fn end(&self) -> End<'_> {
        if let Some(reason) = self.failed {
            let by = by(reason);
            return End::Failed { by, reason: reason.label() };
        }
        match &self.answered_by {
            Some((name, verdict)) => End::Policy { name, verdict },
            None => End::Complete,
        }
    }
}

/// What `log` is told of an exchange that [`finish`] has counted.
pub(super) fn facts(exchange: &Exchange) -> RecordFacts {
    let record = &exchange.record;
    let (end, reason) = match (record.failed, &record.answered_by) {
        (Some(reason), _) => (by(reason), reason.label()),
        (None, Some(_)) => ("policy", ""),
        (None, None) => ("complete", ""),
    };
    RecordFacts {
        status: exchange.response.status(),
        bytes_in: record.bytes.0,
        bytes_out: record.bytes.1,
        total_us: record.elapsed_us(),
        connect_us: record.connect_us,
        first_byte_us: record.first_byte_us,
        attempts: record.attempts,
        retries: record.retries,
        end,
        reason,
        policy: record.answered_by.as_ref().map(|(name, _)| name.clone()),
    }
}

/// Counts the exchange and writes its line.
pub(super) fn finish(exchange: &mut Exchange) {
    let total_us = exchange.record.elapsed_us();
    let metrics = &exchange.parts.metrics;
    let status = exchange.response.status();
    metrics.finished(exchange.route.as_ref().map(|route| route.facts.id.0), status, total_us);
    if let Some(reason) = exchange.record.failed {
        metrics.failed(reason);
    }
    let client = &mut exchange.flows.client;
    let (read, written) = client.http.bytes();
    let before = std::mem::replace(&mut client.counted, (read, written));
    let tunnelled = exchange.record.tunnelled;
    let (bytes_in, bytes_out) = (read - before.0 + tunnelled.0, written - before.1 + tunnelled.1);
    exchange.record.bytes = (bytes_in, bytes_out);
    metrics.bytes(Way::ClientReceived, bytes_in);
    metrics.bytes(Way::ClientSent, bytes_out);
    if exchange.parts.log.borrow().is_some() {
        write_line(exchange, total_us, bytes_in, bytes_out);
    }
}

fn write_line(exchange: &Exchange, total_us: u64, bytes_in: u64, bytes_out: u64) {
    let (request, record) = (&exchange.request, &exchange.record);
    let line = access_log::Record {
        time: clock::wall(),
        client: exchange.flows.client.facts.address(),
        request_id: exchange.id.as_str().as_bytes(),
        method: request.method().as_bytes(),
        path: request.path_bytes(),
        query: request.query().map(str::as_bytes),
        version: request.version().as_str(),
        host: request.known(Known::Host),
        status: exchange.response.status(),
        bytes_in,
        bytes_out,
        listener: &exchange.settings.name,
        route: exchange.route.as_ref().map(|route| &*route.facts.name),
        upstream: exchange.upstream.as_ref().map(|upstream| &*upstream.name),
        endpoint: exchange.attempt.endpoint().map(|endpoint| &*endpoint.name),
        attempts: record.attempts,
        generation: exchange.number,
        connect_us: record.connect_us,
        first_byte_us: record.first_byte_us,
        total_us,
        user_agent: request.find("user-agent"),
        referer: request.find("referer"),
        tls: exchange.flows.client.facts.tls.as_ref().map(|tls| access_log::Tls {
            version: tls.version.trim_start_matches("TLSv"),
            cipher: tls.cipher,
            server_name: tls.server_name.as_deref(),
            resumed: tls.resumed,
        }),
        end: record.end(),
        detail: record.detail.as_deref(),
    };
    if let Some(log) = exchange.parts.log.borrow_mut().as_mut() {
        log.write(&line);
    }
}

/// Whose fault it was, as logs call them.
fn by(reason: Reason) -> &'static str {
    match reason.fault() {
        Fault::Client => "client",
        Fault::Upstream => "upstream",
        Fault::Policy => "policy",
        Fault::Proxy => "proxy",
    }
}

fn micros(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX)
}
