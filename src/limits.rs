//! Every bound in the program: name with its unit, default, reason. Nothing else in `src` holds such a number.

macro_rules! limits {
    ($($(#[doc = $why:literal])+ $name:ident: $kind:ty = $value:expr;)+) => {
        $($(#[doc = $why])+ pub const $name: $kind = $value;)+
        /// Every limit with its default and its reason, for the reference.
        pub const ALL: &[(&str, &str, &[&str])] = &[$((stringify!($name), stringify!($value), &[$($why),+])),+];
    };
}

limits! {
    /// Bytes of one head. nginx allows 8 KiB a line, Envoy 60 KiB a head; a read buffer must hold it whole.
    HEAD_BYTES_MAX: usize = 16 * 1024;
    /// Field lines of one head: browsers send about 20, Envoy and httpd stop at 100.
    FIELDS_MAX: usize = 100;
    /// Most field lines `head_fields` may be raised to: the parser's table is this long, on the stack.
    FIELDS_CEILING: usize = 256;
    /// Most bytes `head_bytes` may be raised to: one pooled read buffer must hold a head whole.
    HEAD_BYTES_CEILING: usize = 32 * 1024;
    /// Milliseconds for a client to send a whole head: slowloris ends here.
    HEAD_TIMEOUT_MS: u64 = 10_000;
    /// Milliseconds that a client's connection may be idle between two requests.
    CLIENT_IDLE_TIMEOUT_MS: u64 = 75_000;
    /// Milliseconds of silence allowed inside a body, either way, on the client's side.
    CLIENT_BODY_TIMEOUT_MS: u64 = 30_000;
    /// Milliseconds to reach an endpoint.
    CONNECT_TIMEOUT_MS: u64 = 5_000;
    /// Milliseconds from the request to the first byte of a response.
    FIRST_BYTE_TIMEOUT_MS: u64 = 60_000;
    /// Milliseconds of silence allowed inside an upstream's response.
    UPSTREAM_IDLE_TIMEOUT_MS: u64 = 60_000;
    /// Connections one listener holds at most, process-wide.
    LISTENER_CONNECTIONS_MAX: usize = 65_536;
    /// Milliseconds between two sweeps of a worker's deadlines: a timeout is late by this much at most.
    CLOCK_TICK_MS: u64 = 10;
    /// Ticks a deadline wheel reaches ahead; further deadlines pass through it more than once.
    CLOCK_WHEEL_TICKS: usize = 1024;
    /// Bytes of a pooled read buffer: a 16 KiB body with its head arrives in one read.
    BUFFER_BYTES: usize = 32 * 1024;
    /// Bytes of the buffer that a long body gets while it runs: fewer, larger reads and writes.
    BUFFER_LARGE_BYTES: usize = 256 * 1024;
    /// Bytes of a body after which it counts as long.
    BODY_LONG_BYTES: u64 = 64 * 1024;
    /// Read buffers a worker keeps for reuse: 2 MiB.
    BUFFERS_KEPT: usize = 64;
    /// Large buffers a worker keeps for reuse: 4 MiB.
    BUFFERS_LARGE_KEPT: usize = 16;
    /// Heads and out-buffers a worker keeps for reuse.
    HEADS_KEPT: usize = 256;
    /// Bytes over which a head's or out-buffer's memory is not kept for reuse.
    HEAD_KEPT_BYTES_MAX: usize = 8 * 1024;
    /// Bytes queued for a connection before its source is no longer read.
    QUEUE_BYTES_MAX: usize = 64 * 1024;
    /// Bytes one in-memory connection holds in each direction.
    MEMORY_PIPE_BYTES: usize = 64 * 1024;
    /// Milliseconds a DNS answer is used at least: a zero time to live must not become a query per request.
    RESOLVE_TTL_MIN_MS: u64 = 1_000;
    /// Milliseconds a DNS answer is used at most: a move is noticed within five minutes, whatever the zone says.
    RESOLVE_TTL_MAX_MS: u64 = 300_000;
    /// Milliseconds until a failed resolution is tried again; doubles with every failure.
    RESOLVE_BACKOFF_MIN_MS: u64 = 1_000;
    /// Milliseconds between two tries of a name that keeps failing, at most.
    RESOLVE_BACKOFF_MAX_MS: u64 = 30_000;
    /// Milliseconds a start or a reload waits for new names to be resolved before it goes on without them.
    RESOLVE_FIRST_MS: u64 = 3_000;
    /// Milliseconds one DNS server has to answer before it is asked again.
    RESOLVE_TIMEOUT_MS: u64 = 2_000;
    /// Addresses taken from one DNS answer; the rest is ignored.
    RESOLVE_ADDRESSES_MAX: usize = 256;
    /// Bytes of access log a worker gathers before it hands them to the writer.
    LOG_BUFFER_BYTES: usize = 64 * 1024;
    /// Milliseconds after which a line of the access log is handed over even if the buffer is not full.
    LOG_FLUSH_MS: u64 = 1_000;
    /// Buffers that wait for the log's writer; what comes beyond them is dropped and counted.
    LOG_QUEUE_BUFFERS: usize = 128;
    /// Milliseconds between two warnings about an access log that cannot be written.
    LOG_WARN_MS: u64 = 10_000;
    /// Milliseconds the last lines of the access log are waited for when the process ends.
    LOG_FINISH_MS: u64 = 2_000;
    /// Milliseconds of quiet after which changed files are looked at: editors and ConfigMaps write in several steps.
    WATCH_QUIET_MS: u64 = 300;
    /// Milliseconds after which they are looked at though it is not quiet.
    WATCH_RESTLESS_MS: u64 = 2_000;
    /// Milliseconds between two looks when no event came: network file systems send none.
    WATCH_POLL_MS: u64 = 10_000;
    /// Symbolic links followed in one watched path.
    WATCH_LINKS_MAX: usize = 40;
    /// Open files below which a start warns: each exchange takes two.
    OPEN_FILES_MIN: u64 = 4_096;
    /// Milliseconds `gatewright reload` waits for the answer: a reload compiles scripts and resolves names.
    RELOAD_ANSWER_MS: u64 = 60_000;
    /// Bytes of an answer of the admin socket that are read.
    RELOAD_ANSWER_BYTES: u64 = 4 * 1024 * 1024;
}
