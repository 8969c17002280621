//! A client's connection before its first request: what policies see of it at `connection` and `client_hello`.

use std::rc::Rc;
use std::sync::Arc;

use super::Parts;
use crate::failure::Reason;
use crate::hook::table::may;
use crate::hook::{ClientFacts, Hook, Refused, Row, Verdict, View};
use crate::listen::Newcomer;
use crate::snapshot::Generation;

/// A connection that nobody has asked anything by yet.
struct Connection {
    parts: Rc<Parts>,
    row: &'static Row,
    newcomer: Box<Newcomer>,
}

/// Asks the policies of file and listener whether a client may come in; what they say nothing about may.
pub async fn greet(
    parts: Rc<Parts>,
    generation: Rc<Generation>,
    hook: Hook,
    newcomer: Box<Newcomer>,
) -> Result<Box<Newcomer>, Reason> {
    let Some(lane) = generation.entry(newcomer.listener).cloned() else { return Err(Reason::Draining) };
    drop(generation);
    let mut connection = Connection { parts, row: hook.row(), newcomer };
    let said = lane.chain.run(hook, &mut connection, lane.unconditional()).await;
    let Connection { newcomer, .. } = connection;
    match said {
        Ok(said) if matches!(said.verdict, Verdict::Close) => {
            let seat = said.seat.and_then(|seat| lane.chain.seats().get(usize::from(seat)));
            let policy = seat.map_or("", |seat| &*seat.name);
            let ClientFacts { listener, address_text, .. } = &newcomer.facts;
            tracing::debug!(%listener, client = %address_text, policy, hook = hook.name(), "closed");
            Err(Reason::PolicyRefused)
        }
        Ok(_) => Ok(newcomer),
        Err(failure) => {
            let ClientFacts { listener, address_text, .. } = &newcomer.facts;
            tracing::info!(%listener, client = %address_text, %failure, hook = hook.name(), "closed");
            Err(failure.reason())
        }
    }
}

// === impl Connection ===

impl View for Connection {
    fn enter(&mut self, row: &'static Row, _seat: u16) {
        self.row = row;
    }

    fn would(&mut self, policy: &Arc<str>, verdict: &'static str) {
        self.parts.metrics.observed(policy, self.row.name, verdict);
    }

    fn client(&self) -> Result<&ClientFacts, Refused> {
        Refused::unless(self.row.reads, may::CLIENT, Refused::NotHere)?;
        Ok(&self.newcomer.facts)
    }
}
