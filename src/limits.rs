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
    /// Bytes of one chunk-size line with its extensions, CRLF included: nobody is known to use extensions.
    CHUNK_LINE_BYTES_MAX: u16 = 256;
    /// Bytes of chunk framing beyond what the data of its chunk pays for: tiny chunks with long extensions end here.
    CHUNK_OVERHEAD_BYTES_MAX: u32 = 16 * 1024;
    /// Bytes of framing that each chunk may have without being counted: plain chunks, even of one byte, cost nothing.
    CHUNK_OVERHEAD_BYTES_FREE: u32 = 16;
    /// Bytes of one trailer section: digests and gRPC's status need some 100.
    TRAILER_BYTES_MAX: usize = 8 * 1024;
    /// Field lines of one trailer section.
    TRAILER_FIELDS_MAX: usize = 64;
}
