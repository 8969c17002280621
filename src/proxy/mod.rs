//! The life of an exchange: what it is (here), what it does (`lifecycle.rs`), what policies see of it (`view.rs`).

pub mod answer;
mod attempt;
mod body;
pub mod connection;
mod deadlines;
mod deliver;
pub mod fetch;
mod filter;
mod flow;
mod gather;
mod grpc;
pub mod lifecycle;
mod look;
mod rare;
mod reach;
mod record;
mod request_id;
mod tunnel;
mod view;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use crate::failure::{Failure, Reason};
use crate::hook::chain::Said;
use crate::hook::{Answer, Endpoint, Endpoints, Hook, RouteFacts, Row, Side, UpstreamId, Verdict};
use crate::http::admit::Admitted;
use crate::http::h1::write::Length;
use crate::http::head::{Head, Mark};
use crate::listen::{Client, Settings};
use crate::observe::access_log::AccessLog;
use crate::observe::metrics::{Way, WorkerMetrics};
use crate::snapshot::{Generation, Lane, RouteAlive, UpstreamAlive};
use crate::upstream::Pool;
use crate::upstream::directory::{Busy, Entry, InFlight, Seen};

use flow::Flows;
use rare::Rare;
use record::Record;
use request_id::RequestId;

/// What all exchanges of one worker share.
pub struct Parts {
    pub number: usize,
    pub pool: Rc<Pool>,
    pub seen: RefCell<Seen>,
    pub metrics: Arc<WorkerMetrics>,
    pub log: RefCell<Option<AccessLog>>,
    /// The generation that runs. Policies may hold the way back to it: whoever ends the worker empties this.
    pub current: RefCell<Option<Rc<Generation>>>,
    /// The one whose policies load, so that they reach what only it knows.
    pub loading: RefCell<Option<Rc<Generation>>>,
    /// Held once more by each `log` hook that waits.
    pub looking: Rc<()>,
}

/// One request and its response. It owns its client, its upstream connection and the flows between them.
pub struct Exchange {
    flows: Flows,
    request: Head,
    response: Head,
    /// Where the response's body comes from.
    source: Source,
    /// Why the head could not even be read.
    unread: Option<Reason>,
    admitted: Option<Admitted>,
    parts: Rc<Parts>,
    generation: Option<Rc<Generation>>,
    settings: Rc<Settings>,
    listener: Option<usize>,
    lane: Option<Rc<Lane>>,
    active: u64,
    route: Option<Rc<RouteAlive>>,
    /// The route's facts with this request's parameters, where the route has any.
    route_facts: Option<Box<RouteFacts>>,
    upstream: Option<Rc<UpstreamAlive>>,
    upstream_active: u64,
    chosen: Option<UpstreamId>,
    attempt: Attempt,
    /// The row of the hook that runs: what may be touched now.
    row: &'static Row,
    /// The seat of the policy that runs; those of the upstream's chain count on.
    seat: u16,
    observe_mark: Option<Box<Before>>,
    observing: bool,
    /// The policy that runs fails open.
    keeping: bool,
    failure: Option<Failure>,
    /// The response is an answer without a body: a failure page is due.
    needs_page: bool,
    /// What few need.
    rare: Option<Box<Rare>>,
    id: RequestId,
    /// The generation's number; it outlives the generation in a tunnel.
    number: u64,
    record: Record,
}

/// Where a response's body comes from.
enum Source {
    /// None was obtained yet.
    Nothing,
    Upstream,
    /// Ours, or a policy's.
    Own(Vec<u8>),
    Tunnel,
}

/// What a policy's edits are undone to.
struct Before {
    side: Side,
    head: Mark,
    given: Option<Rc<[u8]>>,
}

/// The attempt that runs, or ran last.
#[derive(Default)]
struct Attempt {
    endpoints: Option<Endpoints>,
    /// The endpoint that was chosen, counted as busy.
    busy: Option<Busy>,
    tried: u64,
    entry: Option<&'static Entry>,
    in_flight: Option<InFlight>,
    /// A byte of the request has left in it.
    sent: bool,
    /// A byte of a response has come in it.
    answered: bool,
}

// === impl Exchange ===

impl Exchange {
    /// An exchange that begins: its head was read, or could not be.
    #[must_use]
    pub fn new(
        parts: Rc<Parts>,
        generation: Rc<Generation>,
        client: Box<Client>,
        head: Result<Head, Reason>,
    ) -> Box<Self> {
        parts.metrics.began();
        Self::begun(parts, generation, client, head)
    }

    /// One that is not counted: nobody's but ours.
    fn begun(
        parts: Rc<Parts>,
        generation: Rc<Generation>,
        client: Box<Client>,
        head: Result<Head, Reason>,
    ) -> Box<Self> {
        let settings = client.settings.borrow().clone();
        let listener = Some(settings.index);
        let lane = generation.entry(settings.index).cloned();
        let (request, unread) = match head {
            Ok(head) => (head, None),
            Err(reason) => (Head::request("", ""), Some(reason)),
        };
        let active = lane.as_ref().map_or(0, |lane| lane.active(&request));
        Box::new(Self {
            flows: Flows::new(client),
            id: RequestId::default(),
            request,
            response: Head::new(),
            source: Source::Nothing,
            unread,
            admitted: None,
            parts,
            settings,
            listener,
            lane,
            active,
            route: None,
            route_facts: None,
            upstream: None,
            upstream_active: 0,
            chosen: None,
            attempt: Attempt::default(),
            row: Hook::Route.row(),
            seat: 0,
            observe_mark: None,
            observing: false,
            keeping: false,
            failure: None,
            needs_page: false,
            rare: None,
            number: generation.number(),
            generation: Some(generation),
            record: Record::begin(),
        })
    }

    /// Whether a policy speaks at this hook: what a hook costs at which nobody does.
    fn speaks(&self, hook: Hook) -> bool {
        let lane = self.lane.as_ref().is_some_and(|lane| lane.chain.speaks(hook, self.active));
        lane || self.upstream.as_ref().is_some_and(|up| up.lane.chain.speaks(hook, self.upstream_active))
    }

    /// Whether bodies are anybody's concern but the two sides': what all of that costs where they are not.
    #[inline]
    fn takes_bodies(&self) -> bool {
        let upstream = |up: &UpstreamAlive| up.lane.chain.takes_bodies(self.upstream_active);
        self.rare.is_some()
            || self.lane.as_ref().is_some_and(|lane| lane.chain.takes_bodies(self.active))
            || self.upstream.as_deref().is_some_and(upstream)
    }

    /// Asks, edits or looks, by the kind of the hook: the exchange's chain, then the upstream's at its own hooks.
    async fn ask(&mut self, hook: Hook) -> Result<Verdict, Failure> {
        if self.is_immediate(hook) {
            return self.ask_now(hook);
        }
        for inner in inner_last(hook) {
            let Some((lane, active)) = self.chain_of(inner, hook) else { continue };
            let said = lane.chain.run(hook, self, active).await?;
            if !matches!(said.verdict, Verdict::Pass) {
                return Ok(self.note(&lane, said));
            }
        }
        Ok(Verdict::Pass)
    }

    /// Whether nobody who speaks at this hook may wait.
    fn is_immediate(&self, hook: Hook) -> bool {
        let lane = self.lane.as_ref().is_none_or(|lane| lane.chain.is_immediate(hook, self.active));
        lane && self.upstream.as_ref().is_none_or(|up| up.lane.chain.is_immediate(hook, self.upstream_active))
    }

    /// [`Exchange::ask`] for hooks that may not wait, and where nobody does.
    fn ask_now(&mut self, hook: Hook) -> Result<Verdict, Failure> {
        for inner in inner_last(hook) {
            let Some((lane, active)) = self.chain_of(inner, hook) else { continue };
            let said = lane.chain.run_now(hook, self, active)?;
            if !matches!(said.verdict, Verdict::Pass) {
                return Ok(self.note(&lane, said));
            }
        }
        Ok(Verdict::Pass)
    }

    /// The exchange's chain, or the upstream's (`inner`), if somebody speaks there.
    fn chain_of(&self, inner: bool, hook: Hook) -> Option<(Rc<Lane>, u64)> {
        let (lane, active) = match (inner, &self.upstream) {
            (true, upstream) => (&upstream.as_ref()?.lane, self.upstream_active),
            (false, _) => (self.lane.as_ref()?, self.active),
        };
        lane.chain.speaks(hook, active).then(|| (lane.clone(), active))
    }

    /// Runs an edit hook; says whether a policy answered, in which case the response is its own.
    async fn edit(&mut self, hook: Hook) -> Result<bool, Failure> {
        match self.ask(hook).await? {
            Verdict::Answer(answer) => {
                self.answer(*answer);
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// Makes a policy's answer the response.
    fn answer(&mut self, answer: Answer) {
        answer::from_policy(self, answer);
    }

    /// Takes the route that was chosen: its chain, whose first seats are those that have spoken already.
    fn follow(&mut self, id: crate::hook::RouteId) -> Result<(), Failure> {
        let generation = self.generation.as_deref().ok_or(Reason::Broken)?;
        let route = generation.route(id).ok_or(Reason::NoRoute)?;
        if route.has_params {
            let mut facts = route.facts.clone();
            facts.params = generation.snapshot.table.params(id, self.request.path());
            self.route_facts = Some(Box::new(facts));
        }
        if let Some(lane) = self.listener.and_then(|listener| route.lanes.get(listener)) {
            self.active = lane.active(&self.request);
            self.lane = Some(lane.clone());
        }
        let (own, outer) = (generation.snapshot.plan.routes.get(route.index), &self.settings);
        let body_max = own.and_then(|route| route.body_max).or(outer.limits.body).unwrap_or(u64::MAX);
        let buffer = own.map(|route| route.buffer).unwrap_or_default();
        self.route = Some(route.clone());
        let limits = &mut self.flows.limits;
        limits.body_max = body_max;
        limits.gather_max = buffer.request.or(outer.buffer.request).unwrap_or(0);
        limits.ahead_max = buffer.response.or(outer.buffer.response).unwrap_or(0);
        match &self.admitted {
            Some(Admitted { length: Length::Exactly(bytes), .. }) if *bytes > body_max => {
                Err(Reason::BodyTooLarge.into())
            }
            _ if self.flows.request.bytes > body_max => Err(Reason::BodyTooLarge.into()), // read at `route`
            _ => Ok(()),
        }
    }

    /// Counts the bytes of the upstream's connection that belong to this exchange, before it is given back or dropped.
    fn count_upstream(&mut self) {
        let Some(upstream) = &self.flows.upstream else { return };
        let (read, written) = upstream.http.bytes();
        let before = std::mem::replace(&mut self.record.upstream_bytes_before, (read, written));
        self.parts.metrics.bytes(Way::UpstreamReceived, read - before.0);
        self.parts.metrics.bytes(Way::UpstreamSent, written - before.1);
    }

    /// Remembers who ended the exchange's way upstream.
    fn note(&mut self, lane: &Lane, said: Said) -> Verdict {
        if let (Verdict::Answer(_) | Verdict::Close, Some(seat)) = (&said.verdict, said.seat)
            && let Some(seat) = lane.chain.seats().get(usize::from(seat))
        {
            self.record.answered_by = Some((seat.name.clone(), said.verdict.name()));
        }
        said.verdict
    }
}

/// The upstream's chain is the inner one: the last on the way in, the first on the way out, so that policies nest.
fn inner_last(hook: Hook) -> [bool; 2] {
    if hook.row().outward { [true, false] } else { [false, true] }
}

// === impl Attempt ===

impl Attempt {
    fn endpoint(&self) -> Option<&Arc<Endpoint>> {
        self.busy.as_ref().map(Busy::endpoint)
    }
}
