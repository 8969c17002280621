//! Waiting, written once for policies of every kind: what is awaited gets a number, the future stays with whoever owns
//! the view, and the number is redeemed at a later poll.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::{Refused, Side, UpstreamId};
use crate::clock;
use crate::failure::{Failure, Reason};
use crate::http::head::Head;
use crate::limits::TICKETS_MAX;

/// A number for something awaited. It is good for one redemption.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ticket(pub u32);

/// What a policy may wait for.
#[derive(Debug)]
pub enum Awaited {
    /// A whole body, of `bytes_max` bytes at most: a longer one is a failure, never cut.
    Body {
        side: Side,
        bytes_max: usize,
        form: Form,
    },
    Fetch(Box<Fetch>),
    Sleep(Duration),
}

/// In which form a policy wants a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Form {
    /// Without its content coding, if it is one that we know.
    #[default]
    Decoded,
    /// Byte for byte as its sender coded it.
    AsSent,
}

/// What has come of it.
#[derive(Debug)]
pub enum Redeemed {
    Body(Body),
    Fetched(Box<Fetched>),
    Slept,
}

/// A whole body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    pub bytes: Rc<[u8]>,
    /// They are still in a content coding: it was asked for so, or the coding is none that we know.
    pub coded: bool,
}

/// A request of a policy's own, to an upstream that is declared.
#[derive(Debug, Clone)]
pub struct Fetch {
    pub upstream: UpstreamId,
    pub method: String,
    /// Path and query.
    pub target: String,
    /// `None`: the endpoint's name.
    pub host: Option<String>,
    pub fields: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
    /// For the whole; `None`: what holds for the upstream.
    pub timeout: Option<Duration>,
    /// Bytes of the response's body; a longer one is a failure.
    pub body_max: usize,
}

/// What came back.
#[derive(Debug)]
pub struct Fetched {
    pub head: Head,
    /// Without its content coding, unless `coded`.
    pub body: Vec<u8>,
    pub coded: bool,
}

/// A future of this thread that owns all it needs.
pub type Local<T> = Pin<Box<dyn Future<Output = T>>>;

/// The way to declared upstreams, for requests of policies' own.
pub trait Reach {
    /// Makes a request; every failure comes back as one, and is nobody else's.
    fn fetch(&self, fetch: Box<Fetch>) -> Local<Result<Fetched, Failure>>;

    /// An upstream by its name, whoever may reach it.
    fn find(&self, name: &str) -> Option<UpstreamId> {
        let _ = name;
        None
    }
}

/// The way to nowhere: for a place without upstreams.
#[derive(Debug, Clone, Copy)]
pub struct Nowhere;

/// What is awaited of one view: few at a time.
#[derive(Default)]
pub struct Tickets {
    pending: Vec<(Ticket, Pending)>,
    last: u32,
}

enum Pending {
    Alone(Local<Result<Redeemed, Failure>>),
    Body(Side, usize, Form),
}

/// How a ticket is redeemed.
pub enum Due {
    /// It has been, or is awaited further.
    Polled(Poll<Result<Redeemed, Failure>>),
    /// By whoever holds the body; then the ticket has to be cancelled.
    Body { side: Side, bytes_max: usize, form: Form },
}

// === impl Tickets ===

impl Tickets {
    /// Begins to wait. `reach`: how a fetch goes out.
    pub fn start(&mut self, awaited: Awaited, reach: &dyn Reach) -> Result<Ticket, Refused> {
        if self.pending.len() >= TICKETS_MAX {
            return Err(Refused::TooMany("things awaited at once", TICKETS_MAX));
        }
        let pending = match awaited {
            Awaited::Body { side, bytes_max, form } => Pending::Body(side, bytes_max, form),
            Awaited::Fetch(fetch) => {
                let fetched = reach.fetch(fetch);
                Pending::Alone(Box::pin(async { Ok(Redeemed::Fetched(Box::new(fetched.await?))) }))
            }
            Awaited::Sleep(time) => Pending::Alone(Box::pin(async move {
                clock::sleep(time).await;
                Ok(Redeemed::Slept)
            })),
        };
        self.last = self.last.wrapping_add(1);
        self.pending.push((Ticket(self.last), pending));
        Ok(Ticket(self.last))
    }

    /// Redeems a ticket, or sees to it that the task is woken when that may be worth a try.
    pub fn poll(&mut self, ticket: Ticket, cx: &mut Context<'_>) -> Due {
        let Some(at) = self.find(ticket) else {
            let failure = Failure::with(Reason::PolicyFailed, "a ticket that is not valid, or no longer");
            return Due::Polled(Poll::Ready(Err(failure)));
        };
        match &mut self.pending[at].1 {
            Pending::Alone(future) => {
                let polled = future.as_mut().poll(cx);
                if polled.is_ready() {
                    self.pending.swap_remove(at);
                }
                Due::Polled(polled)
            }
            Pending::Body(side, bytes_max, form) => Due::Body { side: *side, bytes_max: *bytes_max, form: *form },
        }
    }

    /// [`Tickets::poll`] where there is no body.
    pub fn poll_alone(&mut self, ticket: Ticket, cx: &mut Context<'_>) -> Poll<Result<Redeemed, Failure>> {
        match self.poll(ticket, cx) {
            Due::Polled(polled) => polled,
            Due::Body { .. } => {
                self.cancel(ticket);
                Poll::Ready(Err(Failure::with(Reason::PolicyFailed, "there is no body here")))
            }
        }
    }

    /// Waits no longer.
    pub fn cancel(&mut self, ticket: Ticket) {
        if let Some(at) = self.find(ticket) {
            self.pending.swap_remove(at);
        }
    }

    fn find(&self, ticket: Ticket) -> Option<usize> {
        self.pending.iter().position(|(known, _)| *known == ticket)
    }
}

// === impl Nowhere ===

impl Reach for Nowhere {
    fn fetch(&self, _: Box<Fetch>) -> Local<Result<Fetched, Failure>> {
        Box::pin(std::future::ready(Err(Failure::new(Reason::NoUpstream))))
    }
}

impl fmt::Debug for Tickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.pending.iter().map(|(ticket, _)| ticket)).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    #[test]
    fn a_ticket_is_good_once_and_not_when_it_was_cancelled() {
        clock::freeze();
        let mut cx = Context::from_waker(Waker::noop());
        let mut tickets = Tickets::default();
        let sleep = || Awaited::Sleep(Duration::from_millis(30));
        let (first, second) = (tickets.start(sleep(), &Nowhere).unwrap(), tickets.start(sleep(), &Nowhere).unwrap());
        assert!(tickets.poll_alone(first, &mut cx).is_pending() && tickets.poll_alone(second, &mut cx).is_pending());
        tickets.cancel(second);
        clock::advance(Duration::from_millis(100));
        assert!(matches!(tickets.poll_alone(first, &mut cx), Poll::Ready(Ok(Redeemed::Slept))));
        for gone in [first, second, Ticket(77)] {
            let Poll::Ready(Err(failure)) = tickets.poll_alone(gone, &mut cx) else { panic!("{gone:?}") };
            assert_eq!(failure.reason(), Reason::PolicyFailed);
        }
        for _ in 0..TICKETS_MAX {
            tickets.start(sleep(), &Nowhere).unwrap();
        }
        assert!(matches!(tickets.start(sleep(), &Nowhere), Err(Refused::TooMany(..))));
    }
}
