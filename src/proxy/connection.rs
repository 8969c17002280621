//! What policies see of a client before there is a request: at `connection` and at `client_hello`.

use std::rc::Rc;
use std::sync::Arc;

use crate::failure::Failure;
use crate::hook::table::may;
use crate::hook::{ClientFacts, HelloFacts, Hook, Refused, Row, Verdict, View};
use crate::observe::metrics::WorkerMetrics;
use crate::snapshot::Lane;

/// A connection, as policies see it.
struct Connection {
    facts: ClientFacts,
    hello: Option<HelloFacts>,
    row: &'static Row,
    metrics: Arc<WorkerMetrics>,
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
) -> Result<Verdict, Failure> {
    let mut connection = Connection { facts, hello, row: hook.row(), metrics };
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
        Refused::unless(self.row.reads, may::CLIENT, Refused::NotHere)?;
        Ok(&self.facts)
    }

    fn hello(&self) -> Result<&HelloFacts, Refused> {
        Refused::unless(self.row.reads, may::HELLO, Refused::NotHere)?;
        self.hello.as_ref().ok_or(Refused::NotHere)
    }
}
