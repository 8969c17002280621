//! A view without an exchange: what `load`, `hand_over`, `unload`, timers and detached work see.

use std::rc::Rc;
use std::task::{Context, Poll};

use super::{Awaited, ClientFacts, Reach, Redeemed, Refused, Row, Ticket, Tickets, UpstreamId, View, table::may};
use crate::failure::Failure;

/// A policy's own life, where nobody asks anything.
pub struct Alive {
    reach: Rc<dyn Reach>,
    tickets: Tickets,
}

// === impl Alive ===

impl Alive {
    #[must_use]
    pub fn new(reach: Rc<dyn Reach>) -> Self {
        Self { reach, tickets: Tickets::default() }
    }
}

impl View for Alive {
    fn enter(&mut self, _: &'static Row, _: u16) {}

    fn client(&self) -> Result<&ClientFacts, Refused> {
        Err(Refused::NotHere(may::CLIENT))
    }

    fn find_upstream(&self, name: &str) -> Option<UpstreamId> {
        self.reach.find(name)
    }

    fn start(&mut self, awaited: Awaited) -> Result<Ticket, Refused> {
        if let Awaited::Body { side, .. } = awaited {
            return Err(Refused::NotHere(side.body()));
        }
        self.tickets.start(awaited, &*self.reach)
    }

    fn poll_ticket(&mut self, ticket: Ticket, cx: &mut Context<'_>) -> Poll<Result<Redeemed, Failure>> {
        self.tickets.poll_alone(ticket, cx)
    }

    fn cancel(&mut self, ticket: Ticket) {
        self.tickets.cancel(ticket);
    }
}
