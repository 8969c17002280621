//! From an accepted stream to a client that may ask: the PROXY header, the `connection` hook, TLS with its `client_hello`
//! hook, in this order. What comes out knows which version of HTTP it speaks.

use super::accept::Door;
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
pub(super) enum Protocol {
    Http1,
}

/// Whether there is nothing to pass: no PROXY header, no policy that speaks at `connection`, no TLS.
pub(super) fn is_open(_door: &Door) -> bool {
    true
}

/// Lets a client in, or closes its connection.
pub(super) async fn enter(wire: Wire, facts: ClientFacts, _door: &Door) -> Option<Entered> {
    Some(Entered { wire, facts, protocol: Protocol::Http1 })
}
