//! From plan to snapshot: names become ids, options become recipes, matches become a table. The only place that turns
//! names into ids.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use super::shared::Shared;
use crate::config::diagnostic::{Diagnostic, Span};
use crate::config::plan::{self, Balance, PathPattern, Plan, Protocol, Use};
use crate::hook::{Recipe, RouteId, UpstreamId};
use crate::listen::OFFERED;
use crate::lua;
use crate::observe::scripted::Scripted;
use crate::policy::catalogue;
use crate::policy::routing::matching::Matcher;
use crate::policy::routing::table::{BadRoute, RouteTable};
use crate::policy::{self, Secrets};
use crate::share::dictionary::Dictionaries;
use crate::tls::client::{Dial, H1, H2};
use crate::tls::server::{Terms, Wanted};
use crate::tls::{self, Mistake};
use crate::upstream::directory::Directory;

/// Everything a request may consult, compiled and immutable.
pub struct Snapshot {
    /// Of the generation it becomes.
    pub number: u64,
    pub plan: Arc<Plan>,
    pub table: Arc<RouteTable>,
    /// Dictionaries and tables by name.
    pub shared: Shared,
    /// By the listener's place in the plan.
    pub tls: Vec<Option<Arc<Terms>>>,
    pub(super) file: Vec<Place>,
    pub(super) listeners: Vec<Vec<Place>>,
    pub(super) route_default: Place,
    pub(super) routes: Vec<CompiledRoute>,
    pub(super) upstreams: Vec<CompiledUpstream>,
    /// Upstreams and routes by name.
    names: (HashMap<Arc<str>, UpstreamId>, HashMap<Arc<str>, RouteId>),
    /// Generations alive, over all workers and numbers.
    pub(super) living: Arc<AtomicUsize>,
}

/// A policy where it stands, compiled.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) recipe: Arc<dyn Recipe>,
    pub(super) name: Arc<str>,
    pub(super) observe: bool,
    pub(super) when: Option<Arc<Matcher>>,
}

pub(super) struct CompiledRoute {
    pub(super) id: RouteId,
    pub(super) name: Arc<str>,
    pub(super) to: Arc<[(UpstreamId, u32)]>,
    pub(super) places: Vec<Place>,
    pub(super) has_params: bool,
}

pub(super) struct CompiledUpstream {
    pub(super) id: UpstreamId,
    pub(super) name: Arc<str>,
    pub(super) places: Vec<Place>,
    pub(super) dial: Option<Arc<Dial>>,
}

/// What gives out ids, for the life of the process: the same name is the same id in every generation.
pub struct Ids {
    pub directory: Arc<Directory>,
    /// The dictionaries that snapshots use.
    pub dictionaries: Arc<Dictionaries>,
    /// The metrics of scripts.
    pub scripted: Arc<Scripted>,
    routes: Names,
    listeners: Names,
    /// Ticket keys, and what endpoints gave.
    tls: tls::Kept,
    living: Arc<AtomicUsize>,
}

/// Names in the order in which they first came.
#[derive(Default)]
struct Names {
    list: Vec<Arc<str>>,
    places: HashMap<Arc<str>, u32>,
}

/// Compiles a plan; every mistake that only a policy can find is reported together.
pub fn compile(plan: Arc<Plan>, number: u64, ids: &mut Ids) -> Result<Arc<Snapshot>, Vec<Diagnostic>> {
    let mut found = Vec::new();
    let shared = Shared::open(&plan, &ids.dictionaries);
    let secrets = &Secrets::new(plan.secrets.clone());
    let shelf = lua::Shelf {
        secrets: &plan.secrets,
        dictionaries: &shared.dictionaries,
        tables: &shared.tables,
        registry: &ids.dictionaries,
        scripted: &ids.scripted,
    };
    let mut places = |uses: &[Use]| compile_places(uses, secrets, &shelf, &mut found);
    let file = places(&plan.chain);
    let listeners: Vec<_> = plan.listeners.iter().map(|listener| places(&listener.chain)).collect();
    let own: Vec<_> = plan.routes.iter().map(|route| places(&route.chain)).collect();
    let mut upstream_places: Vec<_> = plan.upstreams.iter().map(|upstream| places(&upstream.chain)).collect();
    for (upstream, list) in plan.upstreams.iter().zip(&mut upstream_places) {
        if let Balance::Policy(written) = &upstream.balance {
            list.extend(places(std::slice::from_ref(written)));
        }
        list.extend(catalogue::upstream_defaults(&upstream.balance).into_iter().map(built_in));
    }
    if !found.is_empty() {
        return Err(found);
    }
    let upstream_ids: Vec<_> = plan.upstreams.iter().map(|upstream| ids.directory.intern(&upstream.name)).collect();
    let route_ids: Vec<_> = plan.routes.iter().map(|route| ids.route(&route.name)).collect();
    let table = Arc::new(
        RouteTable::new(&plan.routes, &route_ids, &upstream_ids).map_err(|bad| vec![unroutable(&plan, &bad)])?,
    );
    let mut routes = Vec::new();
    for ((route, id), mut places) in plan.routes.iter().zip(&route_ids).zip(own) {
        let to = route.to.iter().filter_map(|target| Some((*upstream_ids.get(target.upstream)?, target.weight)));
        places.extend(catalogue::route_default(route).into_iter().map(built_in));
        routes.push(CompiledRoute {
            id: *id,
            name: route.name.as_str().into(),
            to: to.collect(),
            places,
            has_params: matches!(&route.matching.path, Some(PathPattern::Template { .. })),
        });
    }
    let tls = plan.listeners.iter().map(|listener| terms(listener, &mut ids.tls)).collect::<Result<_, _>>()?;
    let route_default = built_in(catalogue::entry_default(&table));
    let mut upstreams = Vec::new();
    for ((upstream, id), places) in plan.upstreams.iter().zip(upstream_ids).zip(upstream_places) {
        let dial = dial(upstream, &mut ids.tls)?;
        upstreams.push(CompiledUpstream { id, name: upstream.name.as_str().into(), places, dial });
    }
    let living = ids.living.clone();
    let names = (
        upstreams.iter().map(|one| (one.name.clone(), one.id)).collect(),
        routes.iter().map(|one| (one.name.clone(), one.id)).collect(),
    );
    Ok(Arc::new(Snapshot {
        number,
        plan,
        table,
        shared,
        tls,
        file,
        listeners,
        route_default,
        routes,
        upstreams,
        names,
        living,
    }))
}

// === impl Snapshot ===

impl Snapshot {
    #[must_use]
    pub fn find_upstream(&self, name: &str) -> Option<UpstreamId> {
        self.names.0.get(name).copied()
    }

    #[must_use]
    pub fn find_route(&self, name: &str) -> Option<RouteId> {
        self.names.1.get(name).copied()
    }
}

fn terms(listener: &plan::Listener, kept: &mut tls::Kept) -> Result<Option<Arc<Terms>>, Vec<Diagnostic>> {
    let Some(written) = &listener.tls else { return Ok(None) };
    let may = |protocol| listener.http2 || protocol != crate::listen::Protocol::Http2;
    let protocols: Vec<&[u8]> = OFFERED.iter().filter(|(_, protocol)| may(*protocol)).map(|(name, _)| *name).collect();
    let clients = written.clients.as_ref();
    let wanted = Wanted {
        pairs: &written.pairs,
        min_version: written.min_version,
        clients: clients.map(|clients| (&clients.authorities, clients.demand)),
        headers: clients.is_some_and(|clients| clients.headers),
        protocols: &protocols,
    };
    Terms::new(&wanted, kept).map(Some).map_err(|mistake| unusable(mistake, &listener.span))
}

fn dial(upstream: &plan::Upstream, kept: &mut tls::Kept) -> Result<Option<Arc<Dial>>, Vec<Diagnostic>> {
    let Some(written) = &upstream.tls else { return Ok(None) };
    let wanted = tls::client::Wanted {
        name: written.name.as_deref(),
        authorities: written.authorities.as_ref(),
        pair: written.pair.as_deref(),
        protocols: match upstream.protocol {
            Protocol::Http1 => &[H1],
            Protocol::Http2 => &[H2],
            Protocol::Auto => &[H2, H1],
        },
    };
    Dial::new(&wanted, kept).map(Some).map_err(|mistake| unusable(mistake, &upstream.span))
}

fn unusable(mistake: Mistake, span: &Span) -> Vec<Diagnostic> {
    let found = Diagnostic::error("E0209", mistake.what).at(span, "here");
    vec![if mistake.help.is_empty() { found } else { found.help(mistake.help) }]
}

fn compile_places(uses: &[Use], secrets: &Secrets, shelf: &lua::Shelf<'_>, found: &mut Vec<Diagnostic>) -> Vec<Place> {
    let mut places = Vec::new();
    for written in uses {
        let when = match written.when.as_ref().map(Matcher::new).transpose() {
            Ok(when) => when.map(Arc::new),
            Err(bad) => {
                found.push(Diagnostic::error("E0301", bad.0).at(&written.span, "in this `when`"));
                continue;
            }
        };
        let recipe = match &written.program {
            Some(program) => lua::recipe(program, shelf).map(|(recipe, _)| recipe),
            None => policy::recipe(&written.kind, &written.options, secrets),
        };
        match recipe {
            Ok(recipe) => {
                places.push(Place { recipe, name: written.policy.as_str().into(), observe: written.observe, when });
            }
            Err(mut mistakes) => found.append(&mut mistakes),
        }
    }
    places
}

fn unroutable(plan: &Plan, bad: &BadRoute) -> Diagnostic {
    let span = plan.routes.get(bad.index).map(|route| route.span.clone()).unwrap_or_default();
    Diagnostic::error("E0302", bad.why.0.clone()).at(&span, "in this route")
}

fn built_in((name, recipe): (&'static str, Arc<dyn Recipe>)) -> Place {
    Place { recipe, name: name.into(), observe: false, when: None }
}

// === impl Ids ===

impl Ids {
    #[must_use]
    pub fn new(directory: Arc<Directory>) -> Self {
        Self {
            directory,
            dictionaries: Dictionaries::new(),
            scripted: Arc::default(),
            routes: Names::default(),
            listeners: Names::default(),
            tls: tls::Kept::default(),
            living: Arc::default(),
        }
    }

    /// Every route name there has been, by id.
    #[must_use]
    pub fn routes(&self) -> &[Arc<str>] {
        &self.routes.list
    }

    /// Every listener name there has been, by id.
    #[must_use]
    pub fn listeners(&self) -> &[Arc<str>] {
        &self.listeners.list
    }

    /// The id of a listener's name, for metrics.
    pub fn intern_listener(&mut self, name: &str) -> u32 {
        self.listeners.intern(name)
    }

    /// The id of a listener's name that was interned.
    #[must_use]
    pub fn listener(&self, name: &str) -> u32 {
        self.listeners.places.get(name).copied().unwrap_or(0)
    }

    /// Generations alive, over all workers.
    #[must_use]
    pub fn living(&self) -> usize {
        self.living.load(std::sync::atomic::Ordering::Relaxed)
    }

    fn route(&mut self, name: &str) -> RouteId {
        RouteId(self.routes.intern(name))
    }
}

// === impl Names ===

impl Names {
    fn intern(&mut self, name: &str) -> u32 {
        if let Some(known) = self.places.get(name) {
            return *known;
        }
        let (name, place): (Arc<str>, _) = (name.into(), self.list.len() as u32);
        self.list.push(name.clone());
        self.places.insert(name, place);
        place
    }
}
