//! From an accepted stream to a client that may ask: the PROXY header, the `connection` hook, TLS with its `client_hello`
//! hook, in this order. What comes out knows which version of HTTP it speaks.

use super::accept::Door;
use super::tls;
use crate::hook::ClientFacts;
use crate::wire::Wire;

/// A client that may ask.
pub(super) struct Entered {
    pub(super) wire: Wire,
    pub(super) facts: ClientFacts,
    pub(super) protocol: Protocol,
}

/// Which version of HTTP a connection speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Http1,
    Http2,
}

/// What clients are offered by ALPN, the preferred one first.
pub const OFFERED: &[(&[u8], Protocol)] = &[(b"h2", Protocol::Http2), (b"http/1.1", Protocol::Http1)];

/// Whether there is nothing to pass: no PROXY header, no policy that speaks at `connection`, no TLS.
pub(super) fn is_open(door: &Door) -> bool {
    door.settings.borrow().tls.is_none()
}

/// Lets a client in, or closes its connection.
pub(super) async fn enter(wire: Wire, facts: ClientFacts, door: &Door) -> Option<Entered> {
    let terms = door.settings.borrow().tls.clone();
    match terms {
        Some(terms) => tls::shake(wire, facts, door, &terms).await,
        None => Some(Entered { wire, facts, protocol: Protocol::Http1 }),
    }
}

// === impl Protocol ===

impl Protocol {
    /// What ALPN has settled on; a client without ALPN speaks HTTP/1.1.
    pub(super) fn of(alpn: Option<&[u8]>) -> Self {
        let agreed = OFFERED.iter().find(|(name, _)| Some(*name) == alpn);
        agreed.map_or(Self::Http1, |(_, protocol)| *protocol)
    }
}
