//! From an accepted stream to a client that may ask: the PROXY header, the `connection` hook, TLS with its `client_hello`
//! hook, in this order. What comes out knows which version of HTTP it speaks.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use super::accept::{Counted, Door};
use super::proxy_header;
use crate::clock::{self, Alarm};
use crate::drain::Level;
use crate::failure::Reason;
use crate::hook::{ClientFacts, Hook};
use crate::wire::Wire;

/// Asks whether a client may come in, at `connection` and at `client_hello`: gives the newcomer back, or the reason why
/// its connection is closed.
pub type Greet = Rc<dyn Fn(Hook, Box<Newcomer>) -> Greeted>;

/// The question as a future.
pub type Greeted = Pin<Box<dyn Future<Output = Result<Box<Newcomer>, Reason>>>>;

/// Who has connected and has asked nothing yet.
pub struct Newcomer {
    /// The listener's place in the plan that runs.
    pub listener: usize,
    pub facts: ClientFacts,
}

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

/// Lets a client in, or closes its connection. All of it takes no longer than a head may.
pub(super) async fn enter(wire: Wire, facts: ClientFacts, door: &Door) -> Option<Entered> {
    let until = clock::now() + clock::millis(door.settings.borrow().timeouts.head);
    let alarm = Alarm::new();
    let guard = door.drain.guard();
    let mut entering = std::pin::pin!(pass(wire, facts, door));
    let entered = std::future::poll_fn(|cx| match entering.as_mut().poll(cx) {
        Poll::Pending if guard.poll_level(cx) == Level::Cut => Poll::Ready(Err(Reason::Draining)),
        Poll::Pending if alarm.poll(cx, until) => Poll::Ready(Err(Reason::HeadTimeout)),
        entered => entered,
    });
    match entered.await {
        Ok(entered) => Some(entered),
        Err(reason) => {
            (door.count)(door.settings.borrow().id, Counted::Refused(reason));
            None
        }
    }
}

async fn pass(mut wire: Wire, mut facts: ClientFacts, door: &Door) -> Result<Entered, Reason> {
    let settings = door.settings.borrow().clone();
    if settings.proxy_protocol && facts.trusted {
        let neighbour = facts.address();
        facts = match proxy_header::receive(&mut wire, facts, &settings).await {
            Ok(facts) => facts,
            Err(failure) => {
                if failure.reason() == Reason::BadProxyHeader {
                    tracing::info!(listener = %settings.name, %neighbour, %failure, "closed");
                }
                return Err(failure.reason());
            }
        };
    }
    drop(settings);
    let facts = if door.settings.borrow().greets { greet(Hook::Connection, facts, door).await? } else { facts };
    Ok(Entered { wire, facts, protocol: Protocol::Http1 })
}

async fn greet(hook: Hook, facts: ClientFacts, door: &Door) -> Result<ClientFacts, Reason> {
    let Some(greet) = &door.greet else { return Ok(facts) };
    let listener = door.settings.borrow().index;
    let newcomer = greet(hook, Box::new(Newcomer { listener, facts })).await?;
    Ok(newcomer.facts)
}

// === impl Door ===

impl Door {
    /// Whether there is nothing to pass: no PROXY header, no policy that speaks at `connection`, no TLS.
    pub(super) fn is_open(&self) -> bool {
        let settings = self.settings.borrow();
        !settings.greets && !settings.proxy_protocol
    }
}
