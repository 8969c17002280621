//! The route table, compiled once per snapshot, and the policy that asks it: the default at the end of every `route`.
//!
//! The most specific match wins, as in the Gateway API: exact host, then the longest wildcard, then none; exact path,
//! then the longest prefix (of a template, a literal segment beats a parameter), then a regular expression; then a
//! method, more headers, more query parameters. Where the most specific route does not take the request, the next one is
//! asked, over all hosts. The order in which routes were written never matters.

use std::cmp::Reverse;
use std::sync::Arc;

use super::hosts::Hosts;
use super::matching::{BadPattern, Matcher, Why, host_of};
use super::tree::Tree;
use crate::config::plan::{HostPattern, Route};
use crate::failure::Reason;
use crate::hook::{Hook, HookSet, Outcome, Policy, RouteFacts, RouteId, Step, UpstreamId, Verdict, View};
use crate::http::head::Head;

/// Every route, by what it matches. Shared by all workers.
#[derive(Debug)]
pub struct RouteTable {
    hosts: Hosts,
    /// By host pattern, as `hosts` points to them.
    trees: Vec<Tree>,
    /// In the order of the plan.
    entries: Vec<Entry>,
    /// From [`RouteId`] to the place in `entries`; `u32::MAX`: not of this table.
    places: Vec<u32>,
}

#[derive(Debug)]
struct Entry {
    id: RouteId,
    name: Arc<str>,
    matcher: Matcher,
    to: Arc<[(UpstreamId, u32)]>,
}

/// The route a request takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// Its place in the plan.
    pub index: usize,
    pub id: RouteId,
}

/// The route that cannot be compiled, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("route {index}: {why}")]
pub struct BadRoute {
    /// Its place in the plan.
    pub index: usize,
    pub why: BadPattern,
}

/// The default of the `route` hook: asks the table.
pub struct ByTable {
    table: Arc<RouteTable>,
}

// === impl RouteTable ===

impl RouteTable {
    /// Compiles the routes of a plan. `ids` and `upstreams` say what the plan's indexes are called in this process.
    pub fn new(routes: &[Route], ids: &[RouteId], upstreams: &[UpstreamId]) -> Result<Self, BadRoute> {
        let mut entries = Vec::with_capacity(routes.len());
        for (index, (route, id)) in routes.iter().zip(ids).enumerate() {
            let matcher = Matcher::new(&route.matching).map_err(|why| BadRoute { index, why })?;
            let to = route.to.iter();
            let to = to.filter_map(|target| Some((*upstreams.get(target.upstream)?, target.weight))).collect();
            entries.push(Entry { id: *id, name: route.name.as_str().into(), matcher, to });
        }
        let mut places = vec![u32::MAX; ids.iter().map(|id| id.0 as usize + 1).max().unwrap_or_default()];
        for (index, entry) in entries.iter().enumerate() {
            places[entry.id.0 as usize] = index as u32;
        }
        let mut table = Self { hosts: Hosts::default(), trees: Vec::new(), entries, places };
        let mut order: Vec<usize> = (0..table.entries.len()).collect();
        order.sort_by_cached_key(|index| table.entries[*index].rank());
        for index in order {
            table.insert(index);
        }
        Ok(table)
    }

    /// The route a request takes, if there is one. Allocates nothing, unless a regular expression is asked.
    #[must_use]
    pub fn find(&self, head: &Head) -> Option<Found> {
        let path = head.path_bytes();
        let mut accept = |routes: &[u32]| {
            let takes = |index: &&u32| self.entries[**index as usize].matcher.predicates().matches(head);
            routes.iter().find(takes).copied()
        };
        let index = self.hosts.find(|| host_of(head), |tree| self.trees[tree].find(path, &mut accept))? as usize;
        Some(Found { index, id: self.entries[index].id })
    }

    /// Why every other route lost, in the order of the plan.
    #[must_use]
    pub fn near_misses(&self, head: &Head) -> Vec<(usize, Why)> {
        let winner = self.find(head).map(|found| found.index);
        let others = self.entries.iter().enumerate().filter(|(index, _)| Some(*index) != winner);
        others
            .filter_map(|(index, entry)| {
                let why = entry.matcher.why_not(head).or_else(|| winner.map(Why::LessSpecific))?;
                Some((index, why))
            })
            .collect()
    }

    /// What the `{param}`s of a route's path stand for, still percent-encoded. Allocates only where there are some.
    #[must_use]
    pub fn params(&self, route: RouteId, path: &str) -> Vec<(Arc<str>, String)> {
        let pattern = self.entry(route).and_then(|entry| entry.matcher.path());
        pattern.map(|pattern| pattern.params(path)).unwrap_or_default()
    }

    /// All that policies may know of a route that was chosen for this path.
    #[must_use]
    pub fn facts(&self, route: RouteId, path: &str) -> Option<RouteFacts> {
        let entry = self.entry(route)?;
        let (name, to) = (Arc::clone(&entry.name), Arc::clone(&entry.to));
        Some(RouteFacts { id: route, name, params: self.params(route, path), to })
    }

    /// A route's place in the plan.
    #[must_use]
    pub fn index(&self, route: RouteId) -> Option<usize> {
        let place = *self.places.get(route.0 as usize)?;
        (place != u32::MAX).then_some(place as usize)
    }

    fn entry(&self, route: RouteId) -> Option<&Entry> {
        self.entries.get(self.index(route)?)
    }

    fn insert(&mut self, index: usize) {
        let entry = &self.entries[index];
        let mut hosts: Vec<Option<&HostPattern>> = entry.matcher.hosts().iter().map(Some).collect();
        if hosts.is_empty() {
            hosts.push(None);
        }
        for host in hosts {
            let fresh = self.trees.len();
            let tree = self.hosts.insert(host, fresh);
            if tree == fresh {
                self.trees.push(Tree::new());
            }
            self.trees[tree].insert(entry.matcher.path(), index as u32);
        }
    }
}

// === impl Entry ===

impl Entry {
    /// Lower comes first among routes of one path. Config refuses ties; names make the order certain all the same.
    fn rank(&self) -> impl Ord + use<> {
        let predicates = self.matcher.predicates();
        let methods = if predicates.methods.is_empty() { usize::MAX } else { predicates.methods.len() };
        let counts = (Reverse(predicates.headers.len()), Reverse(predicates.query.len()));
        (methods == usize::MAX, counts, methods, Arc::clone(&self.name))
    }
}

// === impl ByTable ===

impl ByTable {
    #[must_use]
    pub fn new(table: Arc<RouteTable>) -> Self {
        Self { table }
    }

    fn choose(&self, view: &dyn View) -> Outcome {
        match self.table.find(view.request()?) {
            Some(found) => Ok(Verdict::Route(found.id)),
            None => Err(Reason::NoRoute.into()),
        }
    }
}

impl Policy for ByTable {
    fn hooks(&self) -> HookSet {
        HookSet::of(&[Hook::Route])
    }

    fn waits(&self, _: Hook) -> bool {
        false
    }

    fn call<'a>(&'a self, _: Hook, view: &'a mut dyn View) -> Step<'a> {
        Step::Now(self.choose(view))
    }
}

#[cfg(test)]
mod tests;
