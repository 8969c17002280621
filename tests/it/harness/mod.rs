//! The three actors of every integration test: a client, an origin, and (between them) the proxy.
//!
//! Real sockets, port 0, one process, no sleeps. Both ends are blocking threads, raw enough to send and see any byte, and
//! know nothing of the code under test: `strict` is a second, independent reading of RFC 9112, so that a mistake of ours
//! cannot hide behind itself. Every wait has a limit, so that a hang is a failure which says what was awaited.

#![allow(dead_code, reason = "a vocabulary: not every test needs every word")]

use std::time::Duration;

pub mod client;
pub mod frames;
pub mod h2;
pub mod h2_origin;
pub mod hpack;
pub mod origin;
pub mod policy;
pub mod program;
pub mod proxy;
pub mod strict;
pub mod tls;
pub mod wire;

#[allow(unused_imports, reason = "as above")]
pub use client::{Client, Response};
#[allow(unused_imports, reason = "as above")]
pub use origin::{Conn, Origin, Request};
#[allow(unused_imports, reason = "as above")]
pub use proxy::Proxy;

/// How long any actor waits for anything before the test fails.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Bytes as a person would like to see them in a failed test.
pub fn show(bytes: &[u8]) -> String {
    const SHOWN_BYTES_MAX: usize = 2000;
    let mut text: String =
        bytes.iter().take(SHOWN_BYTES_MAX).flat_map(|byte| byte.escape_ascii()).map(char::from).collect();
    text = text.replace("\\r\\n", "\\r\\n\n    ");
    if bytes.len() > SHOWN_BYTES_MAX {
        text.push_str(&format!("… ({} bytes in all)", bytes.len()));
    }
    format!("\n    {text}")
}

/// Waits until something is so; for what no actor can be asked to wait for.
#[track_caller]
pub fn eventually(awaited: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + PATIENCE;
    while !is_so() {
        assert!(std::time::Instant::now() < deadline, "never: {awaited}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// The value of a field that may be there once; panics when it is there more often.
pub(crate) fn single<'a>(fields: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let mut values = all(fields, name);
    let first = values.next();
    assert!(values.next().is_none(), "`{name}` is there more than once: {fields:?}");
    first
}

/// Every value of a field, in order.
pub(crate) fn all<'a>(fields: &'a [(String, String)], name: &str) -> impl Iterator<Item = &'a str> {
    fields.iter().filter(move |(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}
