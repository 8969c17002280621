//! May this request be repeated? Pure: everything it decides by is an argument.

use crate::failure::Reason;

/// What is known of an attempt that failed.
#[derive(Debug, Clone, Copy)]
pub struct Tried<'a> {
    pub method: &'a str,
    pub reason: Reason,
    /// A byte of the request has left.
    pub sent: bool,
    /// A byte of the response has come.
    pub answered: bool,
    /// The body, or a part of it, was passed on and is not kept.
    pub body_gone: bool,
}

/// Whether repeating cannot do anything twice.
///
/// Nothing left yet: always. A byte has left: only where RFC 9110 section 9.2.2 calls the method idempotent, nothing of
/// a response has come, and the body can be sent again. A timeout while the origin works is no invitation to make it
/// work twice.
#[must_use]
pub fn is_safe(tried: Tried<'_>) -> bool {
    if tried.answered || tried.body_gone {
        return false;
    }
    match tried.reason {
        Reason::ConnectFailed | Reason::ConnectTimeout | Reason::TlsFailed | Reason::ConnectionsExceeded => true,
        Reason::UpstreamClosed => !tried.sent || is_idempotent(tried.method),
        _ => false,
    }
}

/// RFC 9110 section 9.2.2.
#[must_use]
pub fn is_idempotent(method: &str) -> bool {
    matches!(method, "GET" | "HEAD" | "OPTIONS" | "PUT" | "DELETE")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_cannot_happen_twice_is_repeated() {
        let tried = |method, reason, sent| Tried { method, reason, sent, answered: false, body_gone: false };
        assert!(is_safe(tried("POST", Reason::ConnectFailed, false)));
        assert!(is_safe(tried("GET", Reason::UpstreamClosed, true)));
        assert!(!is_safe(tried("POST", Reason::UpstreamClosed, true)));
        assert!(is_safe(tried("POST", Reason::UpstreamClosed, false)));
        assert!(!is_safe(tried("GET", Reason::FirstByteTimeout, true)));
        assert!(!is_safe(tried("PATCH", Reason::UpstreamClosed, true)));
        assert!(!is_safe(Tried { answered: true, ..tried("GET", Reason::UpstreamClosed, true) }));
        assert!(!is_safe(Tried { body_gone: true, ..tried("PUT", Reason::UpstreamClosed, true) }));
    }
}
