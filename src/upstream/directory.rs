//! The upstreams of the process: names, endpoints and counters, which outlive every reload.
//!
//! Names are interned append-only, so an id means the same upstream for the life of the process; entries are therefore
//! never freed. A worker reads through its own [`Seen`]: one atomic load per request, a lock only after a change.
//! Locks here are short and never held across an await: `names` (intern, apply, an answer of DNS) and `published`
//! (swap or clone one `Arc`).

#![expect(clippy::disallowed_types, reason = "names and published lists; no plain request comes by")]

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::config::plan;
use crate::failure::Reason;
use crate::hook::{Endpoint, Endpoints, UpstreamId};
use crate::limits::ENDPOINTS_MAX;
use crate::wire::Address;

/// Every upstream there has ever been, shared by all threads.
#[derive(Default)]
pub struct Directory {
    names: Mutex<Names>,
}

#[derive(Default)]
struct Names {
    by_name: BTreeMap<Arc<str>, UpstreamId>,
    entries: Vec<Known>,
    /// What DNS said last.
    answers: BTreeMap<Arc<str>, DnsAnswer>,
}

struct Known {
    entry: &'static Entry,
    /// As the plan has them: addresses and names.
    sources: Vec<plan::Endpoint>,
}

/// What DNS said of a host.
#[derive(Debug, Clone)]
pub struct DnsAnswer {
    /// Sorted, no two alike.
    pub addresses: Vec<IpAddr>,
    /// When to ask again.
    pub due: Instant,
}

type List = Arc<[Arc<Endpoint>]>;

/// One upstream, for the life of the process.
#[repr(align(128))]
pub struct Entry {
    /// Requests under way.
    in_flight: AtomicUsize,
    /// Connections that are open, idle ones included.
    connections: AtomicUsize,
    /// Changes with the list.
    version: AtomicU64,
    published: Mutex<Published>,
    /// As configured.
    pub name: Arc<str>,
    /// Its id, for ever.
    pub id: UpstreamId,
}

/// An address, and the DNS name that led to it: by TLS, the name is a part of who is met.
type Lead = (Address, Option<Arc<str>>);

/// The endpoints now, and the number that each address has had so far: what left and comes back finds its idle
/// connections.
struct Published {
    list: List,
    numbers: BTreeMap<Lead, u64>,
}

/// One request on an upstream; dropping it ends it.
#[derive(Debug)]
pub struct InFlight(&'static Entry);

/// One connection to an upstream; dropping it ends it.
#[derive(Debug)]
pub struct Connected(&'static Entry);

/// One request on an endpoint; dropping it ends it.
#[derive(Debug)]
pub struct Busy(Arc<Endpoint>);

/// What a scrape is told of an upstream.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "as in the entry")]
pub struct Figures {
    pub name: Arc<str>,
    pub in_flight: usize,
    pub connections: usize,
    pub endpoints: List,
}

/// A worker's own copy of what it has looked at.
pub struct Seen {
    directory: Arc<Directory>,
    cached: Vec<(&'static Entry, Endpoints)>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Counts one in, unless `max` are in already.
fn enter(count: &AtomicUsize, max: Option<usize>) -> bool {
    let Some(max) = max else {
        count.fetch_add(1, Ordering::Relaxed);
        return true;
    };
    let below = |now: usize| (now < max).then_some(now + 1);
    count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, below).is_ok()
}

// === impl Directory ===

impl Directory {
    /// An empty directory.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// The id of a name, now and for ever.
    pub fn intern(&self, name: &str) -> UpstreamId {
        lock(&self.names).intern(name)
    }

    /// Every name there has ever been, in the order of the ids.
    #[must_use]
    pub fn names(&self) -> Vec<Arc<str>> {
        lock(&self.names).entries.iter().map(|known| known.entry.name.clone()).collect()
    }

    /// The entry of an upstream. Takes the lock; a worker asks [`Seen::entry`].
    #[must_use]
    pub fn entry(&self, id: UpstreamId) -> Option<&'static Entry> {
        lock(&self.names).entries.get(id.0 as usize).map(|known| known.entry)
    }

    /// Publishes the endpoints of a plan, before its commit. An endpoint whose address and weight are unchanged stays
    /// the same object, with its counter. Upstreams that the plan no longer names keep theirs until
    /// [`Directory::forget`]: exchanges of earlier generations may still choose from them.
    pub fn apply(&self, upstreams: &[plan::Upstream]) {
        let mut names = lock(&self.names);
        for upstream in upstreams {
            let id = names.intern(&upstream.name);
            if let Some(known) = names.entries.get_mut(id.0 as usize) {
                known.sources.clone_from(&upstream.endpoints);
            }
        }
        let Names { entries, answers, .. } = &mut *names;
        for known in entries {
            known.publish(answers);
        }
    }

    /// Takes the endpoints from all upstreams but these.
    pub fn forget(&self, but: &[plan::Upstream]) {
        let mut names = lock(&self.names);
        let Names { entries, answers, .. } = &mut *names;
        for known in entries.iter_mut().filter(|known| !known.sources.is_empty()) {
            if !but.iter().any(|upstream| *upstream.name == *known.entry.name) {
                known.sources.clear();
                known.publish(answers);
            }
        }
        answers.retain(|host, _| entries.iter().any(|known| known.names_host(host)));
    }

    /// Takes in what DNS said of a host; its addresses become endpoints wherever the host is named.
    pub fn answered(&self, host: &Arc<str>, mut answer: DnsAnswer) {
        answer.addresses.sort_unstable();
        answer.addresses.dedup();
        let mut names = lock(&self.names);
        let Names { entries, answers, .. } = &mut *names;
        answers.insert(host.clone(), answer);
        for known in entries.iter().filter(|known| known.names_host(host)) {
            known.publish(answers);
        }
    }

    /// What DNS said last of a host.
    #[must_use]
    pub fn answer(&self, host: &str) -> Option<DnsAnswer> {
        lock(&self.names).answers.get(host).cloned()
    }

    /// Every upstream that has endpoints or is still in use, for metrics and the admin API.
    #[must_use]
    pub fn figures(&self) -> Vec<Figures> {
        let names = lock(&self.names);
        let figures = names.entries.iter().map(|known| Figures {
            name: known.entry.name.clone(),
            in_flight: known.entry.in_flight(),
            connections: known.entry.connections(),
            endpoints: known.entry.list().1,
        });
        figures.filter(|it| !it.endpoints.is_empty() || it.in_flight > 0 || it.connections > 0).collect()
    }
}

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.figures()).finish()
    }
}

// === impl Names ===

impl Names {
    fn intern(&mut self, name: &str) -> UpstreamId {
        if let Some(id) = self.by_name.get(name) {
            return *id;
        }
        let id = UpstreamId(self.entries.len() as u32);
        let name: Arc<str> = name.into();
        // Ids are for ever, so entries are too: what holds one needs no count of its own.
        let entry: &'static Entry = Box::leak(Box::new(Entry::new(id, name.clone())));
        self.entries.push(Known { entry, sources: Vec::new() });
        self.by_name.insert(name, id);
        id
    }
}

// === impl Known ===

impl Known {
    fn names_host(&self, wanted: &str) -> bool {
        self.sources.iter().any(|source| matches!(&source.address, Address::Name { host, .. } if **host == *wanted))
    }

    /// Makes the list anew; it changes only if an address or a weight did.
    fn publish(&self, answers: &BTreeMap<Arc<str>, DnsAnswer>) {
        let mut wanted: Vec<(Lead, u32)> = Vec::new();
        let mut add = |address: Address, host: Option<&Arc<str>>, weight: u32| {
            if !wanted.iter().any(|((known, _), _)| *known == address) {
                wanted.push(((address, host.cloned()), weight));
            }
        };
        for source in &self.sources {
            match &source.address {
                Address::Name { host, port } => {
                    let addresses = answers.get(host).map_or(&[][..], |answer| &answer.addresses);
                    for address in addresses {
                        add(Address::Ip(SocketAddr::new(*address, *port)), Some(host), source.weight);
                    }
                }
                address => add(address.clone(), None, source.weight),
            }
        }
        self.entry.publish(wanted);
    }
}

// === impl Entry ===

impl Entry {
    fn new(id: UpstreamId, name: Arc<str>) -> Self {
        Self {
            in_flight: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            version: AtomicU64::new(1),
            published: Mutex::new(Published { list: Arc::new([]), numbers: BTreeMap::new() }),
            name,
            id,
        }
    }

    /// Counts one request in.
    pub fn enter(&'static self, requests_max: Option<usize>) -> Result<InFlight, Reason> {
        if enter(&self.in_flight, requests_max) { Ok(InFlight(self)) } else { Err(Reason::RequestsExceeded) }
    }

    /// Counts one connection in.
    pub fn connect(&'static self, connections_max: Option<usize>) -> Result<Connected, Reason> {
        if enter(&self.connections, connections_max) { Ok(Connected(self)) } else { Err(Reason::ConnectionsExceeded) }
    }

    /// Requests under way.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Open connections.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Changes with the list.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// The endpoints now, with the version of the list.
    #[must_use]
    pub fn list(&self) -> (u64, List) {
        let published = lock(&self.published);
        (self.version.load(Ordering::Relaxed), published.list.clone())
    }

    fn publish(&self, wanted: Vec<(Lead, u32)>) {
        let mut published = lock(&self.published);
        let Published { list, numbers } = &mut *published;
        let same = |old: &Arc<Endpoint>, ((address, host), weight): &(Lead, u32)| {
            old.address == *address && old.host == *host && old.weight == (*weight)
        };
        if list.len() == wanted.len() && list.iter().zip(&wanted).all(|(old, new)| same(old, new)) {
            return;
        }
        if numbers.len() > ENDPOINTS_MAX {
            numbers.clear();
        }
        let keep = |new: (Lead, u32)| match list.iter().find(|old| same(old, &new)) {
            Some(old) => old.clone(),
            None => {
                let ((address, host), weight) = new;
                let mut made = Endpoint::new(address.clone(), host.clone(), weight);
                made.number = *numbers.entry((address, host)).or_insert(made.number);
                Arc::new(made)
            }
        };
        let next: List = wanted.into_iter().map(keep).collect();
        *list = next;
        self.version.fetch_add(1, Ordering::Release);
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Entry({}: {} in flight, {} connections)", self.name, self.in_flight(), self.connections())
    }
}

// === impl InFlight, Connected, Busy ===

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Busy {
    /// Counts one request in.
    #[must_use]
    pub fn new(endpoint: Arc<Endpoint>) -> Self {
        endpoint.in_flight.fetch_add(1, Ordering::Relaxed);
        Self(endpoint)
    }

    /// Which endpoint it is.
    #[must_use]
    pub fn endpoint(&self) -> &Arc<Endpoint> {
        &self.0
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

// === impl Seen ===

impl Seen {
    /// Nothing seen yet.
    #[must_use]
    pub fn new(directory: Arc<Directory>) -> Self {
        Self { directory, cached: Vec::new() }
    }

    /// The entry of an upstream; `None`: an id this directory never gave.
    pub fn entry(&mut self, id: UpstreamId) -> Option<&'static Entry> {
        if self.cached.len() <= id.0 as usize {
            self.learn();
        }
        self.cached.get(id.0 as usize).map(|(entry, _)| *entry)
    }

    /// The endpoints of an upstream: one atomic load unless they have changed.
    pub fn endpoints(&mut self, id: UpstreamId) -> Endpoints {
        if self.cached.len() <= id.0 as usize {
            self.learn();
        }
        let Some((entry, endpoints)) = self.cached.get_mut(id.0 as usize) else {
            return Endpoints { upstream: id, version: 0, list: Arc::new([]), tried: 0 };
        };
        if entry.version() != endpoints.version {
            let (version, list) = entry.list();
            // An `Arc` of this worker's own: its count is written by this thread alone.
            *endpoints = Endpoints { upstream: id, version, list: list.iter().cloned().collect(), tried: 0 };
        }
        endpoints.clone()
    }

    fn learn(&mut self) {
        let names = lock(&self.directory.names);
        for known in names.entries.iter().skip(self.cached.len()) {
            let none = Endpoints { upstream: known.entry.id, version: 0, list: Arc::new([]), tried: 0 };
            self.cached.push((known.entry, none));
        }
    }
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.cached.iter().map(|(entry, _)| entry)).finish()
    }
}

#[cfg(test)]
mod tests;
