//! One table of every metric, and their counters.
//!
//! Counters of the request path belong to one worker each: it alone writes them, with a plain load and store, and a
//! scrape sums over the workers. What a label can be is a name in the configuration or a word of ours, so the number
//! of series is bounded. Ids are indexes into append-only lists, so a route keeps its series across reloads.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use super::grown::Grown;
use super::handshake::{SHAKEN, Shaken, Unshaken};
use super::observed::Observed;
use super::open_metrics::{Family, Kind};
use super::scripted::Scripted;
use crate::failure::Reason;

macro_rules! families {
    ($($name:ident = $sample:literal, $kind:ident, [$($label:literal)*], $help:literal;)+) => {
        $(#[doc = $help]
        pub const $name: Family =
            Family { name: $sample, kind: Kind::$kind, help: $help, labels: &[$($label),*] };)+
        /// Every metric there is.
        pub const FAMILIES: &[Family] = &[$($name),+];
    };
}

families! {
    REQUEST_DURATION = "http_server_request_duration_seconds", Histogram, ["http_route" "http_response_status_class"], "Time from a request's head to the last byte of its response.";
    ACTIVE_REQUESTS = "http_server_active_requests", Gauge, [], "Requests under way.";
    UPSTREAM_REQUESTS = "gatewright_upstream_requests_total", Counter, ["upstream" "result"], "Attempts, by the class of their status or failed.";
    UPSTREAM_RETRIES = "gatewright_upstream_retries_total", Counter, ["upstream"], "Attempts that were not a request's first.";
    UPSTREAM_IN_FLIGHT = "gatewright_upstream_in_flight", Gauge, ["upstream"], "Requests under way at an upstream.";
    UPSTREAM_CONNECTIONS = "gatewright_upstream_connections", Gauge, ["upstream"], "Open connections to an upstream, idle ones included.";
    CONNECTIONS_ACCEPTED = "gatewright_connections_accepted_total", Counter, ["listener"], "Connections accepted.";
    CONNECTIONS_REFUSED = "gatewright_connections_refused_total", Counter, ["listener" "reason"], "Connections closed before their first request, by reason.";
    CONNECTIONS = "gatewright_connections", Gauge, ["listener"], "Open client connections.";
    HANDSHAKES = "gatewright_tls_handshakes_total", Counter, ["listener" "version" "cipher" "resumed"], "TLS handshakes with clients.";
    HANDSHAKE_FAILURES = "gatewright_tls_handshake_failures_total", Counter, ["listener" "reason"], "TLS handshakes with clients that failed.";
    CERTIFICATE_EXPIRY = "gatewright_certificate_expiry_timestamp_seconds", Gauge, ["listener" "certificate"], "When a listener's certificate ends, in seconds since 1970, by its file.";
    FAILURES = "gatewright_failures_total", Counter, ["reason"], "Exchanges that failed, by reason.";
    POLICY_OBSERVED = "gatewright_policy_observed_total", Counter, ["policy" "hook" "verdict"], "What policies in observe mode would have decided.";
    BYTES = "gatewright_bytes_total", Counter, ["side" "direction"], "Bytes of messages, as sent and received.";
    CONFIG_GENERATION = "gatewright_config_generation", Gauge, [], "The number of the running configuration.";
    LAST_RELOAD = "gatewright_config_last_reload_successful", Gauge, [], "Whether the last reload took effect.";
    RELOADS = "gatewright_reloads_total", Counter, ["result"], "Reloads, by how they ended.";
    GENERATIONS_ALIVE = "gatewright_generations_alive", Gauge, [], "Generations that still have exchanges or are current, over all workers.";
    CONFIG_PINNED = "gatewright_config_pinned", Gauge, [], "Whether a generation is pinned, so that changed files are not applied.";
    CHANGES_HELD = "gatewright_config_changes_held_total", Counter, [], "Changes that were not applied because a generation is pinned.";
    HISTORY_FAILURES = "gatewright_history_failures_total", Counter, [], "What could not be kept in `state_dir`, or read from it.";
    POLICY_SWITCHED = "gatewright_policy_switched", Gauge, ["policy" "to"], "Policies that an operator has switched off, or to observing.";
    LOG_DROPPED = "gatewright_log_dropped_total", Counter, [], "Lines of the access log that could not be written.";
    OPEN_FDS = "process_open_fds", Gauge, [], "Open file descriptors.";
    RESIDENT_MEMORY = "process_resident_memory_bytes", Gauge, [], "Resident memory.";
    BUILD_INFO = "gatewright_build_info", Info, ["version"], "What is running.";
}

/// Upper bounds of the duration buckets in microseconds, as OpenTelemetry has them.
const BOUNDS_MICROS: [u64; 14] = [
    5_000, 10_000, 25_000, 50_000, 75_000, 100_000, 250_000, 500_000, 750_000, 1_000_000, 2_500_000, 5_000_000,
    7_500_000, 10_000_000,
];
pub(super) const BOUNDS_TEXT: [&str; 14] =
    ["0.005", "0.01", "0.025", "0.05", "0.075", "0.1", "0.25", "0.5", "0.75", "1.0", "2.5", "5.0", "7.5", "10.0"];
pub(super) const BUCKETS: usize = BOUNDS_MICROS.len() + 1;
pub(super) const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];
/// How an attempt ended: a class, or no response.
pub(super) const RESULTS: [&str; 6] = ["1xx", "2xx", "3xx", "4xx", "5xx", "failed"];
pub(super) const FLOWS: [(&str, &str); 4] =
    [("client", "received"), ("client", "sent"), ("upstream", "received"), ("upstream", "sent")];

/// One of the four ways in which bytes pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Way {
    ClientReceived,
    ClientSent,
    UpstreamReceived,
    UpstreamSent,
}

/// The metrics of the process.
pub struct Metrics {
    pub(super) workers: Box<[Arc<WorkerMetrics>]>,
    pub(super) routes: Grown<OnceLock<Arc<str>>>,
    pub(super) upstreams: Grown<OnceLock<Arc<str>>>,
    pub(super) listeners: Grown<OnceLock<Arc<str>>>,
    pub(super) generation: AtomicU64,
    pub(super) last_reload_failed: AtomicU64,
    pub(super) reloads_succeeded: AtomicU64,
    pub(super) reloads_failed: AtomicU64,
    generations_alive: AtomicU64,
    pub(super) log_dropped: AtomicU64,
    pub(super) scripted: Arc<Scripted>,
}

/// The counters that one worker writes and others only read.
#[repr(align(128))]
#[derive(Default)]
pub struct WorkerMetrics {
    pub(super) began: Count,
    pub(super) bytes: [Count; FLOWS.len()],
    pub(super) unrouted: RouteCounts,
    pub(super) routes: Grown<RouteCounts>,
    pub(super) upstreams: Grown<UpstreamCounts>,
    pub(super) listeners: Grown<ListenerCounts>,
    pub(super) failures: FailureCounts,
    pub(super) observed: Observed,
}

/// A counter with one writer.
#[derive(Default)]
pub(super) struct Count(AtomicU64);

#[derive(Default)]
pub(super) struct RouteCounts(pub(super) [Histogram; CLASSES.len()]);

#[derive(Default)]
pub(super) struct Histogram {
    pub(super) buckets: [Count; BUCKETS],
    pub(super) sum_micros: Count,
}

#[derive(Default)]
pub(super) struct UpstreamCounts {
    pub(super) results: [Count; RESULTS.len()],
    pub(super) retries: Count,
}

#[derive(Default)]
pub(super) struct ListenerCounts {
    pub(super) accepted: Count,
    pub(super) closed: Count,
    pub(super) refused: FailureCounts,
    pub(super) shaken: [Count; SHAKEN],
    pub(super) unshaken: [Count; Unshaken::ALL.len()],
}

pub(super) struct FailureCounts(pub(super) [Count; Reason::ALL.len()]);

/// What only others know, at the moment of a scrape.
#[derive(Debug, Clone, Default)]
pub struct UpstreamGauges {
    /// The upstream's name.
    pub name: Arc<str>,
    /// Requests under way.
    pub in_flight: u64,
    /// Open connections.
    pub connections: u64,
}

/// A certificate that a listener of the running configuration shows.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "the names say it")]
pub struct CertificateGauge<'a> {
    pub listener: &'a str,
    pub file: &'a str,
    /// Seconds since 1970.
    pub not_after: i64,
}

// === impl Count ===

impl Count {
    /// Only the owner calls it: no other writer can come between.
    #[inline]
    pub(super) fn add(&self, n: u64) {
        self.0.store(self.get().wrapping_add(n), Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

// === impl WorkerMetrics ===

impl WorkerMetrics {
    /// A request's head has arrived; [`WorkerMetrics::finished`] must follow.
    #[inline]
    pub fn began(&self) {
        self.began.add(1);
    }

    /// A request has ended, `micros` after it began. A plain array index: no hashing, no lock.
    #[inline]
    pub fn finished(&self, route: Option<u32>, status: u16, micros: u64) {
        let counts = route.and_then(|route| self.routes.get(route as usize)).unwrap_or(&self.unrouted);
        let Some(histogram) = counts.0.get(class(status)) else { return };
        let bucket = BOUNDS_MICROS.iter().position(|bound| micros <= *bound).unwrap_or(BUCKETS - 1);
        if let Some(bucket) = histogram.buckets.get(bucket) {
            bucket.add(1);
        }
        histogram.sum_micros.add(micros);
    }

    /// An attempt has ended; `None`: without a response.
    #[inline]
    pub fn attempted(&self, upstream: u32, status: Option<u16>) {
        let result = status.map_or(RESULTS.len() - 1, class);
        if let Some(count) = self.upstreams.get(upstream as usize).and_then(|counts| counts.results.get(result)) {
            count.add(1);
        }
    }

    /// An attempt begins that is not the first.
    #[inline]
    pub fn retried(&self, upstream: u32) {
        if let Some(counts) = self.upstreams.get(upstream as usize) {
            counts.retries.add(1);
        }
    }

    /// A connection was accepted.
    #[inline]
    pub fn accepted(&self, listener: u32) {
        if let Some(counts) = self.listeners.get(listener as usize) {
            counts.accepted.add(1);
        }
    }

    /// An accepted connection was closed.
    #[inline]
    pub fn closed(&self, listener: u32) {
        if let Some(counts) = self.listeners.get(listener as usize) {
            counts.closed.add(1);
        }
    }

    /// A connection was closed before its first request.
    pub fn refused(&self, listener: u32, reason: Reason) {
        let counts = self.listeners.get(listener as usize);
        if let Some(count) = counts.and_then(|counts| counts.refused.0.get(reason as usize)) {
            count.add(1);
        }
    }

    /// A client's TLS handshake has ended.
    pub fn handshake(&self, listener: u32, outcome: Result<Shaken, Unshaken>) {
        let Some(counts) = self.listeners.get(listener as usize) else { return };
        let count = match outcome {
            Ok(shaken) => counts.shaken.get(shaken.index()),
            Err(unshaken) => counts.unshaken.get(unshaken as usize),
        };
        if let Some(count) = count {
            count.add(1);
        }
    }

    /// An exchange failed.
    #[inline]
    pub fn failed(&self, reason: Reason) {
        if let Some(count) = self.failures.0.get(reason as usize) {
            count.add(1);
        }
    }

    /// A policy that is only observed would have decided this.
    pub fn observed(&self, policy: &Arc<str>, hook: &'static str, verdict: &'static str) {
        self.observed.add(policy, hook, verdict);
    }

    /// Bytes have passed.
    #[inline]
    pub fn bytes(&self, way: Way, n: u64) {
        self.bytes[way as usize].add(n);
    }

    pub(super) fn finished_total(&self) -> u64 {
        let all = self.routes.iter().chain([&self.unrouted]).flat_map(|counts| &counts.0);
        all.flat_map(|histogram| &histogram.buckets).map(Count::get).sum()
    }
}

impl fmt::Debug for WorkerMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WorkerMetrics({} began, {} finished)", self.began.get(), self.finished_total())
    }
}

#[inline]
fn class(status: u16) -> usize {
    (usize::from(status) / 100).clamp(1, CLASSES.len()) - 1
}

impl Default for FailureCounts {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Count::default()))
    }
}

// === impl Metrics ===

impl Metrics {
    /// Metrics of a process with that many workers.
    #[must_use]
    pub fn new(workers: usize) -> Arc<Self> {
        Arc::new(Self {
            workers: (0..workers.max(1)).map(|_| Arc::new(WorkerMetrics::default())).collect(),
            routes: Grown::new(),
            upstreams: Grown::new(),
            listeners: Grown::new(),
            generation: AtomicU64::new(0),
            last_reload_failed: AtomicU64::new(0),
            reloads_succeeded: AtomicU64::new(0),
            reloads_failed: AtomicU64::new(0),
            generations_alive: AtomicU64::new(0),
            log_dropped: AtomicU64::new(0),
            scripted: Arc::default(),
        })
    }

    /// The counters of worker `n`, counted from 0; each has one writing thread.
    #[must_use]
    pub fn worker(&self, n: usize) -> Arc<WorkerMetrics> {
        self.workers[n % self.workers.len()].clone()
    }

    /// The metrics of scripts.
    #[must_use]
    pub fn scripted(&self) -> Arc<Scripted> {
        self.scripted.clone()
    }

    /// Makes room for routes, before the generation that uses them is committed; a name's place is its id.
    pub fn ensure_routes(&self, names: &[Arc<str>]) {
        self.workers.iter().for_each(|worker| worker.routes.ensure(names.len()));
        name_all(&self.routes, names);
    }

    /// As [`Metrics::ensure_routes`], for upstreams.
    pub fn ensure_upstreams(&self, names: &[Arc<str>]) {
        self.workers.iter().for_each(|worker| worker.upstreams.ensure(names.len()));
        name_all(&self.upstreams, names);
    }

    /// As [`Metrics::ensure_routes`], for listeners.
    pub fn ensure_listeners(&self, names: &[Arc<str>]) {
        self.workers.iter().for_each(|worker| worker.listeners.ensure(names.len()));
        name_all(&self.listeners, names);
    }

    /// A reload has ended; `Some`: the generation that runs from here on.
    pub fn reloaded(&self, generation: Option<u64>) {
        self.last_reload_failed.store(u64::from(generation.is_none()), Ordering::Relaxed);
        match generation {
            Some(generation) => {
                self.generation.store(generation, Ordering::Relaxed);
                self.reloads_succeeded.fetch_add(1, Ordering::Relaxed);
            }
            None => {
                self.reloads_failed.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// The first generation has come alive, which is no reload.
    pub fn started(&self, generation: u64) {
        self.generation.store(generation, Ordering::Relaxed);
    }

    /// How many generations are alive now, over all workers.
    pub fn living(&self, generations: u64) {
        self.generations_alive.store(generations, Ordering::Relaxed);
    }

    pub(super) fn generations_alive(&self) -> u64 {
        self.generations_alive.load(Ordering::Relaxed)
    }

    /// Lines of the access log that were lost.
    pub fn log_dropped(&self, lines: u64) {
        self.log_dropped.fetch_add(lines, Ordering::Relaxed);
    }

    /// Lines lost so far.
    #[must_use]
    pub fn log_dropped_total(&self) -> u64 {
        self.log_dropped.load(Ordering::Relaxed)
    }
}

fn name_all(slots: &Grown<OnceLock<Arc<str>>>, names: &[Arc<str>]) {
    slots.ensure(names.len());
    for (index, name) in names.iter().enumerate() {
        if let Some(slot) = slots.get(index) {
            slot.get_or_init(|| name.clone());
        }
    }
}

pub(super) fn named(slots: &Grown<OnceLock<Arc<str>>>) -> impl Iterator<Item = (usize, &Arc<str>)> {
    slots.iter().enumerate().filter_map(|(index, slot)| slot.get().map(|name| (index, name)))
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.workers).finish()
    }
}
