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
    /// Shards of the table of client addresses: workers that look at the same moment seldom look at the same one.
    ADDRESS_SHARDS: usize = 64;
    /// Requests a second that one connection may be allowed at most.
    REQUEST_RATE_CEILING: u64 = 1_000_000;
    /// Bytes a second that a client moves at least while it is waited for, either way: what Kestrel asks. A modem is
    /// ten times as fast.
    CLIENT_RATE_MIN: usize = 240;
    /// Milliseconds over which that rate is measured: a stall on a bad line is not an attack.
    CLIENT_RATE_WINDOW_MS: u64 = 10_000;
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
    /// Bytes of one body that `buffer` may hold at most: larger ones belong on a disk, and we use none.
    BODY_HELD_BYTES_CEILING: usize = 64 * 1024 * 1024;
    /// Bytes of bodies that one worker holds at once for `buffer`; beyond them bodies stream as if it were off.
    BODIES_HELD_BYTES_MAX: usize = 256 * 1024 * 1024;
    /// Bytes that undoing a content coding makes at once, before others may run: some 100 microseconds.
    CODING_STEP_BYTES: usize = 64 * 1024;
    /// Bits of zstd's window: 8 MiB, what RFC 9659 asks of a decoder.
    ZSTD_WINDOW_BITS_MAX: u32 = 23;
    /// Heads and out-buffers a worker keeps for reuse.
    HEADS_KEPT: usize = 256;
    /// Bytes over which a head's or out-buffer's memory is not kept for reuse.
    HEAD_KEPT_BYTES_MAX: usize = 8 * 1024;
    /// Bytes queued for a connection before its source is no longer read.
    QUEUE_BYTES_MAX: usize = 64 * 1024;
    /// Bytes one in-memory connection holds in each direction.
    MEMORY_PIPE_BYTES: usize = 64 * 1024;
    /// Bytes of a chunk up to which it is copied behind its head instead of being written from its own buffer.
    CHUNK_COPIED_BYTES_MAX: usize = 1024;
    /// Bytes of a chunk up to which HTTP/2 gets a copy of it: a slow stream must not hold a whole read buffer for less.
    CHUNK_SHARED_BYTES_MIN: usize = 8 * 1024;
    /// Bytes of one chunk-size line with its extensions, CRLF included: nobody is known to use extensions.
    CHUNK_LINE_BYTES_MAX: u16 = 256;
    /// Bytes of chunk framing beyond what the data of its chunk pays for: tiny chunks with long extensions end here.
    CHUNK_OVERHEAD_BYTES_MAX: u32 = 16 * 1024;
    /// Bytes of framing that each chunk may have without being counted: plain chunks, even of one byte, cost nothing.
    CHUNK_OVERHEAD_BYTES_FREE: u32 = 16;
    /// Streams a client may have open on one HTTP/2 connection: nginx and Envoy allow 100 to 128.
    H2_STREAMS_MAX: u32 = 128;
    /// Streams used at once on one HTTP/2 connection to an endpoint, if it allows as many: beyond them another one is dialled.
    H2_UPSTREAM_STREAMS_MAX: usize = 128;
    /// HTTP/2 connections of one worker to one endpoint; beyond them requests wait for a stream of the least used.
    H2_CONNECTIONS_PER_ENDPOINT_MAX: usize = 8;
    /// Bytes of a body that a client may send on one HTTP/2 stream before we have passed on what came.
    H2_STREAM_WINDOW_BYTES: u32 = 256 * 1024;
    /// Bytes of bodies that may be under way to us on one HTTP/2 connection, all streams together.
    H2_CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;
    /// Bytes of one HTTP/2 frame that is sent to us: the least that the protocol allows us to take.
    H2_FRAME_BYTES_MAX: u32 = 16 * 1024;
    /// Bytes that one HTTP/2 stream may have waiting in its connection: a slow one holds no more than this.
    H2_SEND_BUFFER_BYTES: usize = 64 * 1024;
    /// Bytes of the table by which HTTP/2 compresses heads: the protocol's default.
    H2_HEADER_TABLE_BYTES: u32 = 4096;
    /// HTTP/2 streams that were reset and are remembered, so that frames under way for them are no error.
    H2_RESET_STREAMS_KEPT: usize = 32;
    /// Milliseconds for which they are remembered.
    H2_RESET_STREAMS_KEPT_MS: u64 = 1_000;
    /// HTTP/2 streams that a client may reset before we have seen them: rapid reset ends here (CVE-2023-44487).
    H2_PENDING_RESETS_MAX: usize = 20;
    /// HTTP/2 streams that we may have to reset because the other side broke the protocol on them, over a connection's
    /// life.
    H2_ERROR_RESETS_MAX: usize = 128;
    /// Milliseconds over which frames of HTTP/2 are counted.
    H2_FLOOD_WINDOW_MS: u64 = 1_000;
    /// Frames of HTTP/2 without a body or a head in that time: pings, settings, priorities, windows, empty ones. Each KiB we
    /// send allows one more.
    H2_CONTROL_FRAMES_MAX: u32 = 2_000;
    /// Streams of HTTP/2 that a client may reset in that time: whoever leaves a page resets what it was loading.
    H2_RESETS_MAX: u32 = 256;
    /// Bytes of one trailer section: digests and gRPC's status need some 100.
    TRAILER_BYTES_MAX: usize = 8 * 1024;
    /// Field lines of one trailer section.
    TRAILER_FIELDS_MAX: usize = 64;
    /// Connections the kernel queues for a listener; it caps this by net.core.somaxconn.
    ACCEPT_BACKLOG: i32 = 4096;
    /// Milliseconds before accepting is tried again after it failed (no file descriptor left).
    ACCEPT_BACKOFF_MS: u64 = 100;
    /// Connections accepted before the connections that are there get their turn.
    ACCEPTS_PER_TURN: u32 = 64;
    /// Milliseconds that a closing listener gives to handshakes under way: a round trip across a continent.
    LISTEN_CLOSE_MS: u64 = 150;
    /// Milliseconds an idle connection gets, once we drain, to send a request that may be under way already.
    DRAIN_IDLE_GRACE_MS: u64 = 1_000;
    /// Milliseconds to read what a client still sends after our last answer, so that it gets to read that answer.
    LINGER_MS: u64 = 2_000;
    /// Bytes to read in that time.
    LINGER_BYTES_MAX: usize = 1024 * 1024;
    /// Milliseconds a connection to an endpoint may wait in the pool: below the 60 to 75 s after which origins close.
    POOL_IDLE_MS: u64 = 55_000;
    /// Idle connections a worker keeps for one endpoint.
    POOL_IDLE_PER_ENDPOINT_MAX: usize = 512;
    /// Milliseconds of silence after which a tunnel ends.
    TUNNEL_IDLE_MS: u64 = 600_000;
    /// Attempts to get a response, the first included.
    ATTEMPTS_MAX: u32 = 3;
    /// Bytes of a PROXY line (version 1), its CRLF included: the longest that its specification allows.
    PROXY_V1_BYTES_MAX: usize = 107;
    /// Bytes of a PROXY header (version 2): addresses take 232 at most, the rest is for TLVs such as a certificate's name.
    PROXY_V2_BYTES_MAX: usize = 2048;
    /// Milliseconds a client that waits for 100 (Continue) waits for the origin's before it gets ours.
    CONTINUE_AFTER_MS: u64 = 1_000;
    /// Interim responses passed on for one request.
    INTERIM_RESPONSES_MAX: u32 = 16;
    /// Bytes of a request's body read and thrown away after an early answer, to keep the connection.
    DISCARD_BYTES_MAX: u64 = 256 * 1024;
    /// Bytes of a response head that an origin may send.
    UPSTREAM_HEAD_BYTES_MAX: usize = 32 * 1024;
    /// Field lines of a response head that an origin may send.
    UPSTREAM_FIELDS_MAX: usize = 200;
    /// Bytes of a request id that a trusted neighbour may send.
    REQUEST_ID_BYTES_MAX: usize = 128;
    /// Values that policies may put on one exchange.
    VALUES_MAX: usize = 64;
    /// Bytes of one value, tables in it with what holds them.
    VALUE_BYTES_MAX: usize = 8 * 1024;
    /// Lists and tables that plain data may hold within each other.
    PLAIN_DEPTH_MAX: usize = 32;
    /// Bytes of an identity, its claims included: tokens are seldom over 4 KiB.
    IDENTITY_BYTES_MAX: usize = 32 * 1024;
    /// Fetches of policies that may lead to each other: one that an upstream's own policy makes, and so on.
    FETCH_DEPTH_MAX: u8 = 4;
    /// Fetches, bodies and timers that one exchange waits for at once.
    TICKETS_MAX: usize = 32;
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
    /// Milliseconds between two looks at the pool's idle connections.
    POOL_SWEEP_MS: u64 = 1_000;
    /// Bytes of a worker's stack.
    WORKER_STACK_BYTES: usize = 4 * 1024 * 1024;
    /// Messages that may wait for a worker.
    MAILBOX_MESSAGES_MAX: usize = 16;
    /// Events that may wait for the control thread.
    EVENTS_MAX: usize = 64;
    /// Milliseconds that a stopping process gives to what it has begun.
    DRAIN_LIMIT_MS: u64 = 30_000;
    /// Series of would-be verdicts a worker counts: policy, hook and verdict; a chain has 64 seats.
    OBSERVED_SERIES_MAX: usize = 1_024;
    /// `log` hooks that may wait at once on one worker; what would wait beyond them ends where it is.
    LOG_LOOKS_MAX: usize = 1_024;
    /// Milliseconds a `log` hook may wait: nobody is kept from anything, but it holds what it looks at.
    LOG_LOOK_MS: u64 = 10_000;
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
    /// Fewest bytes `head_bytes` may be lowered to: an ordinary browser needs about 1 KiB.
    HEAD_BYTES_FLOOR: usize = 1024;
    /// Bytes of one configuration file, and of what `${NAME}` may add to it: 1 MiB is about 10,000 routes.
    CONFIG_BYTES_MAX: usize = 1024 * 1024;
    /// Levels of nesting in a configuration file; the deepest noun needs seven.
    CONFIG_DEPTH_MAX: usize = 32;
    /// Files of one configuration, the main one included: each is read and parsed at every reload.
    CONFIG_FILES_MAX: usize = 512;
    /// Files between the main one and the deepest include.
    CONFIG_INCLUDE_DEPTH_MAX: usize = 4;
    /// Bytes of a failure page: it is held in memory and sent in one piece.
    FAILURE_PAGE_BYTES_MAX: usize = 256 * 1024;
    /// Bytes of a secret: a large certificate chain fits.
    SECRET_BYTES_MAX: usize = 64 * 1024;
    /// Bits of an RSA key: what every authority and browser has asked for since 2014.
    RSA_BITS_MIN: usize = 2048;
    /// Certificates of one listener: each is read, parsed and hashed at every reload.
    CERTIFICATES_MAX: usize = 4096;
    /// Bytes of a certificate, key, OCSP or CA file: the system's bundle has 220 KiB.
    CERTIFICATE_BYTES_MAX: usize = 4 * 1024 * 1024;
    /// Seconds before its end at which a certificate is warned about: renewal should have happened a fortnight ago.
    CERTIFICATE_SOON_S: i64 = 14 * 24 * 60 * 60;
    /// Policies in one chain (file, listener and route, or an upstream's): active seats are bits of one word.
    POLICIES_PER_CHAIN_MAX: usize = 64;
    /// Worker threads: more than any machine has cores is a mistake.
    WORKERS_MAX: usize = 1024;
    /// Most endpoints that one upstream may list.
    ENDPOINTS_MAX: usize = 4096;
    /// Most a weight may be: sums of weights stay far from the end of 32 bits.
    WEIGHT_MAX: u32 = 65_535;
    /// Bytes that a compiled `path_regex` or value `regex` may take.
    REGEX_BYTES_MAX: usize = 1024 * 1024;
    /// Milliseconds that any duration in the configuration may last: 30 days.
    PERIOD_MS_MAX: u64 = 30 * 24 * 60 * 60 * 1000;
    /// Diagnostics shown in one report; the rest are counted. Nobody mends more in one go.
    DIAGNOSTICS_SHOWN_MAX: usize = 100;
    /// Milliseconds of quiet after which changed files are looked at: editors and ConfigMaps write in several steps.
    WATCH_QUIET_MS: u64 = 300;
    /// Milliseconds after which they are looked at though it is not quiet.
    WATCH_RESTLESS_MS: u64 = 2_000;
    /// Milliseconds between two looks when no event came: network file systems send none.
    WATCH_POLL_MS: u64 = 10_000;
    /// Symbolic links followed in one watched path.
    WATCH_LINKS_MAX: usize = 40;
    /// Open files below which a start warns, once the limit is raised as far as it goes: each exchange takes two.
    OPEN_FILES_MIN: u64 = 1_024;
    /// Milliseconds `gatewright reload` waits for the answer: a reload compiles scripts and resolves names.
    RELOAD_ANSWER_MS: u64 = 60_000;
    /// Generations that history keeps; those that newer ones repeat go first.
    HISTORY_GENERATIONS_MAX: usize = 100;
    /// Bytes of files that history keeps, each content counted once.
    HISTORY_BYTES_MAX: usize = 64 * 1024 * 1024;
    /// Bytes of a generation's manifest: 512 files with pages and certificates take some 200 KiB.
    HISTORY_MANIFEST_BYTES_MAX: usize = 16 * 1024 * 1024;
    /// Bytes of a diff that are shown: nobody reads more, and an answer of the socket holds them.
    DIFF_BYTES_MAX: usize = 1024 * 1024;
    /// Edits that a diff looks for in one file; beyond them the whole middle counts as replaced. It bounds memory and time.
    DIFF_EDITS_MAX: usize = 1_000;
    /// Policies that may be switched at once.
    SWITCHES_MAX: usize = 256;
    /// Milliseconds after which the end of a switch is tried again, should it not be possible at its time.
    SWITCH_RETRY_MS: u64 = 5_000;
    /// Bytes of an answer of the admin socket that are read.
    RELOAD_ANSWER_BYTES: u64 = 4 * 1024 * 1024;
    /// Bytes that one function of the library gives back at most: as much as a policy may hold by default.
    LIBRARY_BYTES_MAX: usize = 16 * 1024 * 1024;
    /// Bytes of a text after which its decoder comes back, so that a worker can serve others in between.
    LIBRARY_YIELD_BYTES: usize = 64 * 1024;
    /// Levels of arrays and objects in a JSON text; people write ten.
    JSON_DEPTH_MAX: usize = 128;
    /// Keys of all objects of one JSON text.
    JSON_KEYS_MAX: usize = 500_000;
    /// Values in one JSON text.
    JSON_VALUES_MAX: usize = 1_000_000;
    /// Bytes of a regular expression of a script.
    REGEX_PATTERN_BYTES_MAX: usize = 4096;
    /// Bytes that it may take when compiled.
    REGEX_COMPILED_BYTES_MAX: usize = 256 * 1024;
    /// States of a regular expression times bytes of a text, for a search cannot be interrupted: a pattern of 64 states may
    /// be sought in 1 MiB.
    REGEX_STEPS_MAX: usize = 64 * 1024 * 1024;
    /// Compiled regular expressions that are kept for reuse.
    REGEX_PATTERNS_KEPT: usize = 64;
    /// Random bytes given at once: keys take 64.
    RANDOM_BYTES_MAX: usize = 64 * 1024;
    /// Bytes of a format of times.
    TIME_FORMAT_BYTES_MAX: usize = 256;
    /// Parameters read from one query or form.
    QUERY_PAIRS_MAX: usize = 1_000;
    /// Cookies read from one Cookie field.
    COOKIES_MAX: usize = 200;
    /// Bytes of a cookie's name and value: browsers keep 4096.
    COOKIE_BYTES_MAX: usize = 4096;
    /// Bytes of a signed token: more does not fit into a head.
    JWT_BYTES_MAX: usize = 16 * 1024;
    /// Seconds by which the clock of whoever issued a token may differ from ours.
    JWT_LEEWAY_S: f64 = 30.0;
    /// Keys of one JSON Web Key Set: a token that names none is tried with each.
    JWKS_KEYS_MAX: usize = 64;
    /// Bytes of a policy's own dictionary, which nobody has to declare.
    POLICY_DICTIONARY_BYTES: usize = 1024 * 1024;
    /// Metrics of all scripts.
    SCRIPT_METRICS_MAX: usize = 256;
    /// Series of all metrics of scripts: what a scrape reads well. Beyond them labels are counted together.
    SCRIPT_SERIES_MAX: usize = 10_000;
    /// Labels of one series of a script.
    SCRIPT_METRIC_LABELS_MAX: usize = 8;
    /// Bytes of a label's value, a metric's name and what it says of itself; the rest is cut off.
    SCRIPT_LABEL_BYTES_MAX: usize = 128;
    /// Buckets of one histogram of a script.
    SCRIPT_METRIC_BUCKETS_MAX: usize = 32;
    /// Keys of tokens that a script's VM keeps prepared; a policy has one or two.
    JWT_KEYS_KEPT: usize = 16;
    /// Networks of a set that a script makes; more belong into a table.
    NETWORKS_MAX: usize = 100_000;
    /// Bytes of a dictionary whose `size` is not said.
    DICTIONARY_BYTES: usize = 16 * 1024 * 1024;
    /// Fewest bytes a dictionary may have: some hundred counters.
    DICTIONARY_BYTES_MIN: usize = 64 * 1024;
    /// Parts of a dictionary that are locked one by one: workers that write at the same moment seldom meet.
    DICTIONARY_SHARDS_MAX: usize = 64;
    /// Bytes that each part has at least, so that a large value fits into it.
    DICTIONARY_SHARD_BYTES_MIN: usize = 2 * 1024 * 1024;
    /// Bytes of a dictionary's key.
    DICTIONARY_KEY_BYTES_MAX: usize = 4 * 1024;
    /// Bytes of a value in a dictionary: it is copied whenever it is read.
    DICTIONARY_VALUE_BYTES_MAX: usize = 1024 * 1024;
    /// Entries that one listing of keys looks at: a policy must not hold its worker for longer.
    DICTIONARY_LOOKS_MAX: usize = 1_000_000;
    /// Bytes of a table's file: it is read and indexed whenever the configuration is.
    TABLE_BYTES_MAX: usize = 64 * 1024 * 1024;
    /// Rows of a table.
    TABLE_ROWS_MAX: usize = 1_000_000;
    /// Columns of a table.
    TABLE_COLUMNS_MAX: usize = 256;
    /// Bytes of a request's body that the admin listener or the demo's origin reads.
    REPLY_BODY_BYTES_MAX: usize = 1024 * 1024;
    /// Connections that one admin listener holds.
    ADMIN_CONNECTIONS_MAX: usize = 256;
    /// Milliseconds of CPU time that a call of a script or module may take: a thousand times what a usual one takes, and
    /// less than a client notices.
    POLICY_CPU_MS: u64 = 10;
    /// Milliseconds that a call may wait in all, for bodies, requests of its own and timers.
    POLICY_WAIT_MS: u64 = 10_000;
    /// Bytes of a VM or instance: sixteen times the largest body it may read, for Luau collects late.
    POLICY_MEMORY_BYTES: usize = 32 * 1024 * 1024;
    /// Requests of its own that a call may make.
    POLICY_CALLS_MAX: u32 = 8;
    /// Bytes of a body that a policy may read or make whole, decoded.
    POLICY_BODY_BYTES: usize = 1024 * 1024;
    /// CPU time of a test between two of its waits.
    LAB_CPU_MS: u64 = 2_000;
    /// Of the VM in which tests run.
    LAB_MEMORY_BYTES: usize = 64 * 1024 * 1024;
    /// Virtual time that a test may wait for one response.
    LAB_WAIT_MS: u64 = 3_600_000;
    /// Time for checking the types of scripts; longer, and the check goes on without.
    TYPE_CHECK_MS: u64 = 10_000;
    /// Of the thread that checks types: the checker follows expressions by calling itself.
    TYPE_CHECK_STACK_BYTES: usize = 64 * 1024 * 1024;
    /// Mistakes in types that are told at once.
    TYPE_FINDINGS_MAX: usize = 50;
    /// Lines that a call may log.
    POLICY_LOGS_MAX: u32 = 20;
    /// Percent of a worker's time over a second that a policy may use; beyond it its exchanges fail as its hooks' rows say.
    POLICY_SHARE_PERCENT: u32 = 50;
    /// Most milliseconds that `cpu` may be raised to: for so long a call may keep a worker from everybody else.
    POLICY_CPU_CEILING_MS: u64 = 1_000;
    /// Fewest bytes that `memory` may be set to: a VM with its library needs some of them before the script's first line.
    POLICY_MEMORY_FLOOR_BYTES: usize = 1024 * 1024;
    /// Bytes of one text of a script.
    SCRIPT_BYTES_MAX: usize = 1024 * 1024;
    /// Texts that one script may require.
    SCRIPT_MODULES_MAX: usize = 128;
    /// Milliseconds of CPU time for a script's top level, and for `load`: tables are built there.
    SCRIPT_LOAD_CPU_MS: u64 = 1_000;
    /// Ended coroutines that a VM keeps for the next calls.
    LUA_SPARE_COROUTINES_MAX: usize = 16;
    /// Bytes of one line that a script logs; the rest is cut off.
    LUA_LOG_LINE_BYTES_MAX: usize = 4 * 1024;
    /// Values in one piece of plain data that a script hands over.
    PLAIN_ITEMS_MAX: usize = 10_000;
    /// Pieces of detached work of one VM that run at once.
    LUA_DETACHED_MAX: usize = 64;
    /// Timers of one script.
    LUA_TIMERS_MAX: usize = 64;
    /// Percent by which a timer may run late, at random, so that many do not run at once.
    TIMER_JITTER_PERCENT: u32 = 5;
    /// Milliseconds between two looks of the watchdog at running calls.
    WATCHDOG_TICK_MS: u64 = 1;
    /// Milliseconds over which a policy's share of a worker is taken.
    WATCHDOG_SHARE_WINDOW_MS: u64 = 1_000;
    /// The same while no script has run since the last look.
    WATCHDOG_IDLE_TICK_MS: u64 = 10;
}
