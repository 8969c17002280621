//! The `log` hook: polled once, and detached from the connection if it waits, so that it never delays the next request.
//! What is detached holds the heads and facts that policies may read there: no client, no upstream, no generation.

use std::any::Any;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::fetch::Outbound;
use super::rare::Rare;
use super::{Exchange, Parts, record};
use crate::clock::{self, Alarm};
use crate::drain::{Drain, Guard, Level};
use crate::failure::Failure;
use crate::hook::table::{Bits, may};
use crate::hook::{
    Awaited, ClientFacts, Endpoint, Hook, Identity, Plain, RecordFacts, Redeemed, Refused, RouteFacts, Row, Ticket,
    UpstreamId, View,
};
use crate::http::head::Head;
use crate::limits::{LOG_LOOK_MS, LOG_LOOKS_MAX};
use crate::listen::Client;
use crate::snapshot::{Lane, RouteAlive, UpstreamAlive};

use super::request_id::RequestId;

/// An exchange that is over, as `log` sees it.
struct Over {
    parts: Rc<Parts>,
    row: &'static Row,
    client: Rc<ClientFacts>,
    request: Head,
    response: Head,
    route: Option<Rc<RouteAlive>>,
    route_facts: Option<Box<RouteFacts>>,
    upstream: Option<Rc<UpstreamAlive>>,
    endpoint: Option<Arc<Endpoint>>,
    failure: Option<Failure>,
    rare: Option<Box<Rare>>,
    seat: u16,
    record: RecordFacts,
    drain: Drain,
    id: RequestId,
}

/// The chains that look, with their active seats.
type Chains = Vec<(Rc<Lane>, u64)>;

/// Lets the policies look at an exchange that is over, and gives back its client. `cancelled`: its connection's task
/// is being dropped, so nothing can be waited for any more.
pub(super) fn run(exchange: Box<Exchange>, cancelled: bool) -> Box<Client> {
    let endpoint = exchange.attempt.endpoint().cloned();
    let record = record::facts(&exchange);
    let Exchange { flows, request, response, parts, lane, active, route, route_facts, .. } = *exchange;
    let Exchange { upstream, upstream_active, failure, rare, id, .. } = *exchange;
    let client = flows.client;
    let chains = lane.into_iter().map(|lane| (lane, active));
    let chains = chains.chain(upstream.iter().map(|upstream| (upstream.lane.clone(), upstream_active))).collect();
    let over = Over {
        row: Hook::Log.row(),
        client: client.facts.clone(),
        request,
        response,
        route,
        route_facts,
        upstream,
        endpoint,
        failure,
        rare,
        seat: 0,
        record,
        drain: client.guard.node(),
        id,
        parts,
    };
    set_off(chains, over, &client.guard, cancelled);
    client
}

fn set_off(chains: Chains, over: Over, guard: &Guard, cancelled: bool) {
    let looking = over.parts.looking.clone();
    let mut look = Box::pin(look(chains, over));
    if look.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() || cancelled {
        return;
    }
    if Rc::strong_count(&looking) > LOG_LOOKS_MAX {
        tracing::debug!("too many `log` hooks wait; this one does not run on");
        return;
    }
    let guard = guard.beside();
    tokio::task::spawn_local(async move {
        let _one_of_them = looking;
        within(look, &guard).await;
    });
}

async fn look(chains: Chains, mut over: Over) {
    for (lane, active) in chains {
        if let Err(failure) = lane.chain.run(Hook::Log, &mut over, active).await {
            tracing::warn!(%failure, "log policy failed");
        }
    }
}

/// Waits for a detached look; a drain waits for it too, up to its limit.
async fn within(mut look: std::pin::Pin<Box<impl Future<Output = ()>>>, guard: &Guard) {
    let until = clock::now() + LOG_LOOK_MS;
    let alarm = Alarm::new();
    std::future::poll_fn(|cx| {
        let over = alarm.poll(cx, until) || guard.poll_level(cx) == Level::Cut;
        if over { Poll::Ready(()) } else { look.as_mut().poll(cx) }
    })
    .await;
}

// === impl Over ===

impl Over {
    fn reads(&self, what: Bits) -> Result<(), Refused> {
        Refused::unless_reads(self.row, what)
    }
}

impl View for Over {
    fn enter(&mut self, row: &'static Row, seat: u16) {
        self.row = row;
        self.seat = seat;
    }

    fn would(&mut self, policy: &Arc<str>, verdict: &'static str) {
        self.parts.metrics.observed(policy, self.row.name, verdict);
    }

    fn client(&self) -> Result<&ClientFacts, Refused> {
        self.reads(may::CLIENT)?;
        Ok(&self.client)
    }

    fn request(&self) -> Result<&Head, Refused> {
        self.reads(may::REQUEST)?;
        Ok(&self.request)
    }

    fn response(&self) -> Result<&Head, Refused> {
        self.reads(may::RESPONSE)?;
        Ok(&self.response)
    }

    fn request_id(&self) -> &str {
        self.id.as_str()
    }

    fn route(&self) -> Result<Option<&RouteFacts>, Refused> {
        self.reads(may::ROUTE)?;
        let own = self.route_facts.as_deref();
        Ok(own.or_else(|| self.route.as_ref().map(|route| &route.facts)))
    }

    fn upstream(&self) -> Result<Option<UpstreamId>, Refused> {
        self.reads(may::UPSTREAM)?;
        Ok(self.upstream.as_ref().map(|upstream| upstream.id))
    }

    fn upstream_name(&self) -> &str {
        self.upstream.as_ref().map_or("", |upstream| &*upstream.name)
    }

    fn endpoint(&self) -> Result<Option<&Arc<Endpoint>>, Refused> {
        self.reads(may::ENDPOINT)?;
        Ok(self.endpoint.as_ref())
    }

    fn failure(&self) -> Result<Option<&Failure>, Refused> {
        self.reads(may::FAILURE)?;
        Ok(self.failure.as_ref())
    }

    fn value(&self, key: &str) -> Result<Option<&Plain>, Refused> {
        self.reads(may::VALUES)?;
        Ok(self.rare.as_ref().and_then(|rare| rare.value(key)))
    }

    fn set_value(&mut self, key: &str, value: Plain) -> Result<(), Refused> {
        Refused::unless_writes(self.row, may::VALUES)?;
        self.rare.get_or_insert_default().set_value(key, value)
    }

    fn identity(&self) -> Result<Option<&Identity>, Refused> {
        self.reads(may::IDENTITY)?;
        Ok(self.rare.as_ref().and_then(|rare| rare.identity.as_ref()))
    }

    fn mine(&mut self) -> Option<&mut Option<Box<dyn Any>>> {
        let seat = self.seat;
        self.rare.get_or_insert_default().mine(seat)
    }

    fn find_upstream(&self, name: &str) -> Option<UpstreamId> {
        self.parts.current.borrow().as_ref()?.snapshot.find_upstream(name)
    }

    fn name_of_upstream(&self, id: UpstreamId) -> Option<Arc<str>> {
        Some(self.parts.current.borrow().as_ref()?.upstream(id)?.name.clone())
    }

    fn start(&mut self, awaited: Awaited) -> Result<Ticket, Refused> {
        if let Awaited::Body { side, .. } = &awaited {
            self.reads(side.body())?;
        }
        let reach = Outbound::new(self.parts.clone(), self.drain.clone());
        self.rare.get_or_insert_default().tickets.start(awaited, &reach)
    }

    fn poll_ticket(&mut self, ticket: Ticket, cx: &mut Context<'_>) -> Poll<Result<Redeemed, Failure>> {
        self.rare.get_or_insert_default().tickets.poll_alone(ticket, cx)
    }

    fn cancel(&mut self, ticket: Ticket) {
        if let Some(rare) = &mut self.rare {
            rare.tickets.cancel(ticket);
        }
    }

    fn record(&self) -> Result<RecordFacts, Refused> {
        self.reads(may::RECORD)?;
        Ok(self.record.clone())
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::time::Duration;

    use super::*;
    use crate::hook::{Chain, HookSet, Peer, Policy, Seat, Step, Verdict};
    use crate::observe::metrics::Metrics;
    use crate::upstream::Pool;
    use crate::upstream::directory::{Directory, Seen};

    /// Waits at `log`, then says what it saw.
    struct Slow(Rc<RefCell<Vec<String>>>, Cell<Duration>);

    impl Policy for Slow {
        fn hooks(&self) -> HookSet {
            HookSet::of(&[Hook::Log])
        }

        fn call<'a>(&'a self, _: Hook, view: &'a mut dyn View) -> Step<'a> {
            Step::Later(Box::pin(async move {
                if !self.1.get().is_zero() {
                    clock::sleep(self.1.get()).await;
                }
                let request = view.request()?;
                self.0.borrow_mut().push(format!("{} {}", request.path(), view.response()?.status()));
                view.set_value("seen", "yes".into())?;
                Ok(Verdict::Pass)
            }))
        }
    }

    fn over(parts: &Rc<Parts>, path: &str) -> Over {
        let client = ClientFacts {
            peer: Peer::Memory,
            address_text: "".into(),
            trusted: false,
            secure: false,
            local: None,
            listener: "web".into(),
            tls: None,
        };
        Over {
            parts: parts.clone(),
            row: Hook::Log.row(),
            client: Rc::new(client),
            request: Head::request("GET", path),
            response: Head::response(200),
            route: None,
            route_facts: None,
            upstream: None,
            endpoint: None,
            failure: None,
            rare: None,
            seat: 0,
            record: RecordFacts::default(),
            drain: Drain::new(),
            id: RequestId::make(),
        }
    }

    #[test]
    fn a_look_that_waits_delays_nobody_and_is_finished_all_the_same() {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().build_local(tokio::runtime::LocalOptions::default()).unwrap();
        runtime.block_on(async {
            tokio::task::spawn_local(clock::drive());
            let parts = Rc::new(Parts {
                number: 0,
                pool: Pool::new(),
                seen: RefCell::new(Seen::new(Directory::new())),
                metrics: Metrics::new(1).worker(0),
                log: RefCell::new(None),
                current: RefCell::new(None),
                loading: RefCell::new(None),
                looking: Rc::new(()),
            });
            let seen = Rc::new(RefCell::new(Vec::new()));
            let slow = Rc::new(Slow(seen.clone(), Cell::new(Duration::ZERO)));
            let seat = Seat { policy: slow.clone(), name: "slow".into(), observe: false };
            let lane = Lane::of(Chain::new(vec![seat]));
            let drain = Drain::new();
            let guard = drain.guard();
            let look = |path: &str| set_off(vec![(lane.clone(), u64::MAX)], over(&parts, path), &guard, false);

            look("/at-once");
            assert_eq!(*seen.borrow(), ["/at-once 200"]);
            slow.1.set(Duration::from_millis(50));
            look("/later");
            look("/later-too");
            assert_eq!(seen.borrow().len(), 1, "nobody waited");
            drop(guard);
            drain.stop(Level::Draining);
            drain.ended().await; // a drain does
            assert_eq!(*seen.borrow(), ["/at-once 200", "/later 200", "/later-too 200"]);
            assert_eq!(Rc::strong_count(&parts.looking), 1);

            slow.1.set(Duration::from_secs(3600));
            let guard = drain.guard();
            set_off(vec![(lane.clone(), u64::MAX)], over(&parts, "/never"), &guard, false);
            drop(guard);
            tokio::task::yield_now().await;
            drain.stop(Level::Cut);
            drain.ended().await;
            assert_eq!(seen.borrow().len(), 3, "the end of the drain is the end of it");
        });
    }
}
