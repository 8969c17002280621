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
}
