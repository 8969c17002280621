//! From an accepted stream to a client that may ask: the PROXY header, the `connection` hook, TLS with its `client_hello`
//! hook, in this order. What comes out knows which version of HTTP it speaks.

use std::future::Future;
use std::task::Poll;

use super::accept::{Counted, Door};
use super::h1::Settings;
use super::{proxy_header, tls};
use crate::clock::{self, Alarm};
use crate::drain::Level;
use crate::failure::Reason;
use crate::hook::{ClientFacts, HelloFacts, Hook, Peer, Verdict};
use crate::share::addresses::Held;
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

/// Lets a client in, or closes its connection. `held`: the place of its address among those whose number is limited.
pub(super) async fn enter(
    mut wire: Wire,
    mut facts: ClientFacts,
    door: &Door,
    held: &mut Option<Box<Held>>,
) -> Option<Entered> {
    let settings = door.settings.borrow().clone();
    if settings.proxy_protocol || settings.greets {
        facts = match within(meet(&mut wire, facts, door, &settings, held), door, &settings).await {
            Ok(facts) => facts,
            Err(reason) => {
                (door.count)(settings.id, Counted::Refused(reason));
                return None;
            }
        };
    }
    let terms = settings.tls.clone();
    drop(settings);
    match terms {
        Some(terms) => tls::shake(wire, facts, door, &terms).await,
        None => Some(Entered { wire, facts, protocol: Protocol::Http1 }),
    }
}

/// Meets a client: reads whom a trusted neighbour speaks for, and asks at `connection`.
async fn meet(
    wire: &mut Wire,
    mut facts: ClientFacts,
    door: &Door,
    settings: &Settings,
    held: &mut Option<Box<Held>>,
) -> Result<ClientFacts, Reason> {
    if settings.proxy_protocol && facts.trusted {
        let neighbour = facts.address();
        facts = proxy_header::receive(wire, facts, settings).await.map_err(|failure| {
            if failure.reason() == Reason::BadProxyHeader {
                tracing::info!(listener = %settings.name, %neighbour, %failure, "closed");
            }
            failure.reason()
        })?;
        *held = door.hold(settings, &facts)?;
    }
    let no_hello = HelloFacts::default;
    let Some(asking) = (door.ask)(Hook::Connection, &facts, &no_hello) else { return Ok(facts) };
    match asking.await {
        Ok(Verdict::Close) => Err(Reason::PolicyRefused),
        Ok(_) => Ok(facts),
        Err(failure) => Err(failure.reason()),
    }
}

/// Waits for no longer than a head may take, and not once all is cut.
async fn within<T>(
    meeting: impl Future<Output = Result<T, Reason>>,
    door: &Door,
    settings: &Settings,
) -> Result<T, Reason> {
    let until = clock::now() + clock::millis(settings.timeouts.head);
    let (guard, alarm) = (door.drain.guard(), Alarm::new());
    let mut meeting = std::pin::pin!(meeting);
    std::future::poll_fn(|cx| match meeting.as_mut().poll(cx) {
        Poll::Pending if guard.poll_level(cx) == Level::Cut => Poll::Ready(Err(Reason::Draining)),
        Poll::Pending if alarm.poll(cx, until) => Poll::Ready(Err(Reason::HeadTimeout)),
        met => met,
    })
    .await
}

// === impl Door ===

impl Door {
    /// Whether there is nothing to pass: no PROXY header, no policy that speaks at `connection`, no TLS.
    pub(super) fn is_open(&self) -> bool {
        let settings = self.settings.borrow();
        !settings.greets && !settings.proxy_protocol && settings.tls.is_none()
    }

    /// Counts a connection of a client's address in, where that is limited.
    pub(super) fn hold(&self, settings: &Settings, facts: &ClientFacts) -> Result<Option<Box<Held>>, Reason> {
        let (Some(max), Peer::Ip(peer)) = (settings.limits.connections_per_address, facts.peer) else {
            return Ok(None);
        };
        self.addresses.enter(settings.id, peer.ip(), max).map(Some).ok_or(Reason::AddressConnections)
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
