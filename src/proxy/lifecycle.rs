//! The whole life of an exchange. It knows when to ask and never what to answer: every answer is a policy's, and the
//! default behaviour is the last policy of the chain. All branching between hooks is here; what it calls is
//! straight-line. It owns all it needs, borrows nothing, and does not know by which door the client came.

use super::{Exchange, answer, attempt, deliver, look, record};
use crate::failure::{Failure, Reason};
use crate::hook::{Hook, Verdict};
use crate::http::name::Known;
use crate::http::{Server, admit};
use crate::listen::Client;
use crate::policy::routing::matching::host_of;

use super::request_id::RequestId;

/// An exchange that has begun and must reach `log`, however it ends.
struct Open(Option<Box<Exchange>>);

/// From the request's head to the log line. Gives the client back if its connection may serve again.
pub async fn serve(exchange: Box<Exchange>) -> Option<Box<Client>> {
    let mut open = Open(Some(exchange));
    let exchange = open.exchange()?;
    let obtained = obtain(exchange).await;
    answer::settle(exchange, obtained).await;
    if exchange.settings.rules.server != Server::Pass {
        answer::name_server(exchange);
    }
    if exchange.speaks(Hook::Response) {
        let edited = exchange.edit(Hook::Response).await;
        answer::settle_late(exchange, edited);
    }
    let ending = deliver::run(exchange).await;
    let client = open.close(&ending)?;
    deliver::part(client, ending).await
}

/// From the request's head to a response's, the upstream's or our own.
async fn obtain(exchange: &mut Exchange) -> Result<(), Failure> {
    if admit(exchange)? {
        answer::options_here(exchange);
        return Ok(());
    }
    let routed = exchange.ask(Hook::Route).await?;
    match routed {
        Verdict::Route(id) => exchange.follow(id)?,
        Verdict::Answer(answer) => {
            exchange.answer(*answer);
            return Ok(());
        }
        _ => return Err(Failure::new(Reason::NoRoute)),
    }
    if exchange.speaks(Hook::Request) && exchange.edit(Hook::Request).await? {
        return Ok(());
    }
    attempt::run(exchange).await
}

/// The rules that no hook can turn off; says whether the request was for us alone (`Max-Forwards: 0`).
fn admit(exchange: &mut Exchange) -> Result<bool, Failure> {
    if let Some(reason) = exchange.unread {
        exchange.id = RequestId::make();
        return Err(Failure::new(reason));
    }
    let trusted = exchange.flows.client.facts.trusted;
    exchange.id = RequestId::settle(&mut exchange.request, trusted);
    let mut admitted = admit::request(&mut exchange.request, &exchange.settings.rules)?;
    if !exchange.request.has(Known::XRequestId) {
        exchange.request.add_known(Known::XRequestId, exchange.id.as_str().as_bytes()); // `Connection` had named it
    }
    let framing = std::mem::replace(&mut admitted.framing, crate::http::h1::framing::Framing::None);
    exchange.flows.request.read = framing.is_done();
    exchange.flows.client.http.expect_body(framing);
    let ends_here = admitted.ends_here;
    exchange.admitted = Some(admitted);
    if exchange.flows.client.facts.tls.as_ref().is_some_and(|tls| !tls.covers(host_of(&exchange.request))) {
        return Err(Failure::new(Reason::Misdirected));
    }
    forward_facts(exchange);
    // `when` is asked of the request as it is now, as routes are.
    exchange.active = exchange.lane.as_ref().map_or(0, |lane| lane.active(&exchange.request));
    Ok(ends_here)
}

/// Tells the origin about the client, before any policy: routes do not see what a stranger claims to be, policies see
/// and may change what we say, and the client's Host is told even if another one goes upstream.
fn forward_facts(exchange: &mut Exchange) {
    exchange.flows.client.introduce(&mut exchange.request, &exchange.settings);
}

// === impl Open ===

impl Open {
    fn exchange(&mut self) -> Option<&mut Exchange> {
        self.0.as_deref_mut()
    }

    /// The last thing: the line of the log and the `log` hook, then part with the client.
    fn close(&mut self, ending: &deliver::Ending) -> Option<Box<Client>> {
        let mut exchange = self.0.take()?;
        if matches!(ending, deliver::Ending::Reset) {
            exchange.flows.client.http.reset(None);
        }
        record::finish(&mut exchange);
        if exchange.speaks(Hook::Log) {
            return Some(look::run(exchange, false));
        }
        Some(exchange.flows.client)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let Some(mut exchange) = self.0.take() else { return };
        exchange.record.fail(&Failure::new(Reason::Draining));
        record::finish(&mut exchange);
        if exchange.speaks(Hook::Log) {
            drop(look::run(exchange, true));
        }
    }
}
