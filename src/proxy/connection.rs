//! What policies see of a client before there is a request: at `connection` and at `client_hello`.

use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::failure::Failure;
use crate::hook::table::may;
use crate::hook::{
    Awaited, ClientFacts, HelloFacts, Hook, Reach, Redeemed, Refused, Row, Ticket, Tickets, UpstreamId, Verdict, View,
};
use crate::observe::metrics::WorkerMetrics;
use crate::snapshot::Lane;

/// A connection, as policies see it.
struct Connection {
    facts: ClientFacts,
    hello: Option<HelloFacts>,
    row: &'static Row,
    metrics: Arc<WorkerMetrics>,
    tickets: Tickets,
    reach: Rc<dyn Reach>,
}

/// Whether a policy of the lane speaks at this hook of a connection.
#[must_use]
pub fn speaks(lane: &Lane, hook: Hook) -> bool {
    lane.chain.speaks(hook, lane.unconditional())
}

/// Asks the policies of a listener about a client. A policy that stands under a `when` is not asked: there is no request
/// that it could be about.
pub async fn ask(
    lane: Rc<Lane>,
    metrics: Arc<WorkerMetrics>,
    hook: Hook,
    facts: ClientFacts,
    hello: Option<HelloFacts>,
    reach: Rc<dyn Reach>,
) -> Result<Verdict, Failure> {
    let mut connection = Connection { facts, hello, row: hook.row(), metrics, tickets: Tickets::default(), reach };
    let said = lane.chain.run(hook, &mut connection, lane.unconditional()).await?;
    if let (Verdict::Close, Some(seat)) =
        (&said.verdict, said.seat.and_then(|seat| lane.chain.seats().get(seat as usize)))
    {
        let ClientFacts { listener, address_text, .. } = &connection.facts;
        tracing::debug!(%listener, client = %address_text, policy = %seat.name, hook = hook.name(), "closed");
    }
    Ok(said.verdict)
}

// === impl Connection ===

impl View for Connection {
    fn enter(&mut self, row: &'static Row, _seat: u16) {
        self.row = row;
    }

    fn would(&mut self, policy: &Arc<str>, verdict: &'static str) {
        self.metrics.observed(policy, self.row.name, verdict);
    }

    fn client(&self) -> Result<&ClientFacts, Refused> {
        Refused::unless_reads(self.row, may::CLIENT)?;
        Ok(&self.facts)
    }

    fn hello(&self) -> Result<&HelloFacts, Refused> {
        Refused::unless_reads(self.row, may::HELLO)?;
        self.hello.as_ref().ok_or(Refused::NotHere(may::HELLO))
    }

    fn find_upstream(&self, name: &str) -> Option<UpstreamId> {
        self.reach.find(name)
    }

    fn start(&mut self, awaited: Awaited) -> Result<Ticket, Refused> {
        if let Awaited::Body { side, .. } = &awaited {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hook::{CertificateId, Chain, HookSet, Nowhere, Policy, Seat, Step};
    use crate::observe::metrics::Metrics;

    /// Shows the certificate that covers what the client's first protocol is called.
    struct ByProtocol;

    impl Policy for ByProtocol {
        fn hooks(&self) -> HookSet {
            HookSet::of(&[Hook::ClientHello])
        }

        fn call<'a>(&'a self, _: Hook, view: &'a mut dyn View) -> Step<'a> {
            assert!(view.request().is_err(), "there is none yet");
            let chosen = |hello: &HelloFacts| {
                let wanted = hello.protocols.first()?;
                let covers = |names: &Vec<Box<str>>| names.iter().any(|name| name.as_bytes() == &**wanted);
                hello.certificates.iter().position(covers)
            };
            let hello = view.hello().map(chosen);
            Step::Now(hello.map_err(Failure::from).map(|place| match place {
                Some(place) => Verdict::Certificate(CertificateId(place as u32)),
                None => Verdict::Pass,
            }))
        }
    }

    #[test]
    fn a_policy_reads_the_hello_and_chooses() {
        let seat = Seat { policy: Rc::new(ByProtocol), name: "by-protocol".into(), observe: false };
        let lane = Lane::of(Chain::new(vec![seat]));
        assert!(speaks(&lane, Hook::ClientHello) && !speaks(&lane, Hook::Connection));
        let facts = ClientFacts {
            peer: crate::hook::Peer::Memory,
            address_text: "127.0.0.1".into(),
            trusted: false,
            secure: false,
            local: None,
            listener: "web".into(),
            tls: None,
        };
        let hello = HelloFacts {
            server_name: None,
            protocols: vec![Box::from(b"h2".as_slice())],
            certificates: Arc::new([vec!["http/1.1".into()], vec!["h2".into()]]),
        };
        let metrics = Metrics::new(1).worker(0);
        let mut asking = std::pin::pin!(ask(lane, metrics, Hook::ClientHello, facts, Some(hello), Rc::new(Nowhere)));
        let polled = asking.as_mut().poll(&mut Context::from_waker(std::task::Waker::noop()));
        assert!(matches!(polled, Poll::Ready(Ok(Verdict::Certificate(CertificateId(1))))));
    }
}
