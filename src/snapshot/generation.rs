//! A snapshot alive on one worker: policies instantiated, chains laid out, everything found by a number.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use super::compile::{Place, Snapshot};
use crate::config::diagnostic::Diagnostic;
use crate::config::plan::{FailurePage, Protocol, StatusPattern, Timeouts};
use crate::hook::{Chain, Policy, Recipe, RouteFacts, RouteId, Seat, UpstreamId, WorkerParts};
use crate::http::head::Head;
use crate::policy::routing::matching::Matcher;
use crate::tls::client::Dial;
use crate::wire::proxy_header;

/// What exchanges of one worker stand on. An exchange holds it until its end, so a reload never changes it under one.
pub struct Generation {
    pub snapshot: Arc<Snapshot>,
    /// By the listener's place in the plan: file and listener policies, then the route table.
    entries: Vec<Rc<Lane>>,
    routes: Vec<Option<Rc<RouteAlive>>>,
    upstreams: Vec<Option<Rc<UpstreamAlive>>>,
    /// Every policy that sits somewhere, with what it was made from.
    policies: Vec<Made>,
    _alive: Alive,
}

/// A chain with the conditions of its seats.
pub struct Lane {
    pub chain: Chain,
    conditions: Vec<(u16, Arc<Matcher>)>,
}

/// A route, ready to be followed.
pub struct RouteAlive {
    pub facts: RouteFacts,
    /// Its path has `{parameters}`.
    pub has_params: bool,
    /// By the listener's place in the plan: file, listener and route policies.
    pub lanes: Vec<Rc<Lane>>,
    pub timeouts: Timeouts,
    /// Its place in the plan.
    pub index: usize,
}

/// An upstream, ready to be asked.
pub struct UpstreamAlive {
    pub id: UpstreamId,
    pub name: Arc<str>,
    /// Its own policies, balancing and retrying last.
    pub lane: Rc<Lane>,
    pub timeouts: Timeouts,
    pub connections_max: Option<usize>,
    pub requests_max: Option<usize>,
    /// The PROXY header that begins each connection.
    pub proxy_protocol: Option<proxy_header::Version>,
    /// `None`: endpoints are met in plain.
    pub dial: Option<Arc<Dial>>,
    pub protocol: Protocol,
}

/// A policy in its seat, and the requests it is for.
type Sitting = (Seat, Option<Arc<Matcher>>);

/// A policy, and what it was made from.
type Made = (Rc<dyn Policy>, Arc<dyn Recipe>);

/// Counts living generations.
struct Alive(Arc<std::sync::atomic::AtomicUsize>);

// === impl Generation ===

impl Generation {
    /// Brings a snapshot to life. `own`: policies that stand before those of the file.
    pub fn new(snapshot: &Arc<Snapshot>, worker: &WorkerParts, own: &[Seat]) -> Result<Rc<Self>, Diagnostic> {
        let policies = RefCell::new(Vec::new());
        let seats = |places: &[Place]| -> Result<Vec<Sitting>, Diagnostic> {
            places.iter().map(|place| sit(place, worker, &policies)).collect()
        };
        let mut file: Vec<Sitting> = own.iter().map(|seat| (seat.clone(), None)).collect();
        file.extend(seats(&snapshot.file)?);
        let mut fronts = Vec::new();
        for places in &snapshot.listeners {
            let mut front = file.clone();
            front.extend(seats(places)?);
            fronts.push(front);
        }
        let route_default = seats(std::slice::from_ref(&snapshot.route_default))?;
        let entries = fronts.iter().map(|front| Lane::new(front.iter().chain(&route_default).cloned())).collect();
        let mut routes = Vec::new();
        for (index, compiled) in snapshot.routes.iter().enumerate() {
            let own = seats(&compiled.places)?;
            let lanes = fronts.iter().map(|front| Lane::new(front.iter().chain(&own).cloned())).collect();
            let facts = RouteFacts {
                id: compiled.id,
                name: compiled.name.clone(),
                params: Vec::new(),
                to: compiled.to.clone(),
            };
            let timeouts = snapshot.plan.routes.get(index).map(|route| route.timeouts).unwrap_or_default();
            let alive = RouteAlive { facts, has_params: compiled.has_params, lanes, timeouts, index };
            put(&mut routes, compiled.id.0, Rc::new(alive));
        }
        let mut upstreams = Vec::new();
        for (compiled, plan) in snapshot.upstreams.iter().zip(&snapshot.plan.upstreams) {
            let alive = UpstreamAlive {
                id: compiled.id,
                name: compiled.name.clone(),
                lane: Lane::new_upstream(seats(&compiled.places)?.into_iter()),
                timeouts: plan.timeouts,
                connections_max: plan.connections_max,
                requests_max: plan.requests_max,
                proxy_protocol: plan.proxy_protocol,
                dial: compiled.dial.clone(),
                protocol: plan.protocol,
            };
            put(&mut upstreams, compiled.id.0, Rc::new(alive));
        }
        snapshot.living.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let alive = Alive(snapshot.living.clone());
        Ok(Rc::new(Self {
            snapshot: snapshot.clone(),
            entries,
            routes,
            upstreams,
            policies: policies.into_inner(),
            _alive: alive,
        }))
    }

    /// Does what policies want done before they are called, one after the other.
    pub async fn load(&self) -> Result<(), Diagnostic> {
        for (policy, recipe) in &self.policies {
            let Some(load) = policy.load() else { continue };
            if let Err(failure) = load.await {
                let unplaced = || Diagnostic::error("E0311", failure.to_string());
                return Err(recipe.diagnostic(&failure).unwrap_or_else(unplaced));
            }
        }
        Ok(())
    }

    /// It runs from here on.
    pub fn committed(&self) {
        self.policies.iter().for_each(|(policy, _)| policy.committed());
    }

    /// Whether a policy of it is written for another proxy: such ask for what nobody else does.
    #[must_use]
    pub fn has_foreign(&self) -> bool {
        self.policies.iter().any(|(policy, _)| policy.is_foreign())
    }

    #[must_use]
    pub fn number(&self) -> u64 {
        self.snapshot.number
    }

    /// The chain before a route is known.
    #[must_use]
    pub fn entry(&self, listener: usize) -> Option<&Rc<Lane>> {
        self.entries.get(listener)
    }

    #[must_use]
    pub fn route(&self, id: RouteId) -> Option<&Rc<RouteAlive>> {
        self.routes.get(id.0 as usize)?.as_ref()
    }

    #[must_use]
    pub fn upstream(&self, id: UpstreamId) -> Option<&Rc<UpstreamAlive>> {
        self.upstreams.get(id.0 as usize)?.as_ref()
    }

    /// The page an operator wrote for `status`: the route's, the listener's, the file's; an exact status before a class.
    #[must_use]
    pub fn failure_page(&self, status: u16, route: Option<usize>, listener: Option<usize>) -> Option<&FailurePage> {
        let plan = &self.snapshot.plan;
        let places = [
            route.and_then(|index| plan.routes.get(index)).map(|route| &route.failure_pages),
            listener.and_then(|index| plan.listeners.get(index)).map(|listener| &listener.failure_pages),
            Some(&plan.failure_pages),
        ];
        places.into_iter().flatten().find_map(|pages| {
            let exact = pages.iter().find(|page| page.status == StatusPattern::Exact(status));
            let class = || pages.iter().find(|page| page.status == StatusPattern::Class((status / 100) as u8));
            exact.or_else(class)
        })
    }
}

fn sit(place: &Place, worker: &WorkerParts, policies: &RefCell<Vec<Made>>) -> Result<Sitting, Diagnostic> {
    let policy: Rc<dyn Policy> = place.recipe.instantiate(worker)?;
    policies.borrow_mut().push((policy.clone(), place.recipe.clone()));
    Ok((Seat { policy, name: place.name.clone(), observe: place.observe }, place.when.clone()))
}

fn put<T>(list: &mut Vec<Option<T>>, at: u32, thing: T) {
    let at = at as usize;
    if list.len() <= at {
        list.resize_with(at + 1, || None);
    }
    list[at] = Some(thing);
}

// === impl Lane ===

impl Lane {
    fn new(seats: impl Iterator<Item = Sitting>) -> Rc<Self> {
        let (seats, conditions) = Self::apart(seats);
        Rc::new(Self { chain: Chain::new(seats), conditions })
    }

    fn new_upstream(seats: impl Iterator<Item = Sitting>) -> Rc<Self> {
        let (seats, conditions) = Self::apart(seats);
        Rc::new(Self { chain: Chain::new(seats).of_upstream(), conditions })
    }

    fn apart(seats: impl Iterator<Item = Sitting>) -> (Vec<Seat>, Vec<(u16, Arc<Matcher>)>) {
        let (mut list, mut conditions) = (Vec::new(), Vec::new());
        for (index, (seat, when)) in seats.enumerate() {
            conditions.extend(when.map(|when| (index as u16, when)));
            list.push(seat);
        }
        (list, conditions)
    }

    /// A chain without conditions.
    #[must_use]
    pub fn of(chain: Chain) -> Rc<Self> {
        Rc::new(Self { chain, conditions: Vec::new() })
    }

    /// One bit for each seat without a `when`: those who may speak where there is no request yet.
    #[must_use]
    pub fn unconditional(&self) -> u64 {
        self.conditions.iter().fold(u64::MAX, |mask, (seat, _)| mask & !(1 << seat))
    }

    /// One bit for each seat whose `when` the request meets.
    #[must_use]
    pub fn active(&self, request: &Head) -> u64 {
        let unmet = self.conditions.iter().filter(|(_, when)| !when.matches(request));
        unmet.fold(u64::MAX, |mask, (seat, _)| mask & !(1 << seat))
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
    }
}
