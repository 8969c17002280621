//! The built-in policies as the configuration sees them, and the defaults that stand at the end of every chain.

use std::rc::Rc;
use std::sync::Arc;

use super::balancing::least_request::LeastRequest;
use super::balancing::round_robin::RoundRobin;
use super::retrying::Retrying;
use super::routing::split::Split;
use super::routing::table::{ByTable, RouteTable};
use super::{Kind, Place, Secrets, kind, kinds, later, recipe};
use crate::config::catalogue::{Catalogue, Places};
use crate::config::diagnostic::Diagnostic;
use crate::config::options::Options;
use crate::config::plan::{Balance, Route};
use crate::hook::{Policy, Recipe, WorkerParts};

/// The policies that are built in.
#[derive(Debug, Clone, Copy)]
pub struct BuiltIns;

/// A default: nothing to configure, made anew for each worker.
struct Default<F>(F);

/// A default with the name that logs show.
pub type Named = (&'static str, Arc<dyn Recipe>);

/// Speaks last at `route`: the table.
#[must_use]
pub fn entry_default(table: &Arc<RouteTable>) -> Named {
    let table = table.clone();
    ("routing", Arc::new(Default(move || Rc::new(ByTable::new(table.clone())) as Rc<dyn Policy>)))
}

/// Speaks last at `request`: the split among several upstreams.
#[must_use]
pub fn route_default(route: &Route) -> Option<Named> {
    (route.to.len() > 1).then(|| -> Named { ("split", Arc::new(Default(|| Rc::new(Split) as Rc<dyn Policy>))) })
}

/// Speak last in an upstream's chain: balancing and retrying.
#[must_use]
pub fn upstream_defaults(balance: &Balance) -> [Named; 2] {
    let balancing: Named = match balance {
        Balance::LeastRequest => {
            ("least_request", Arc::new(Default(|| Rc::new(LeastRequest::new()) as Rc<dyn Policy>)))
        }
        Balance::RoundRobin | Balance::Policy(_) => {
            ("round_robin", Arc::new(Default(|| Rc::new(RoundRobin::new()) as Rc<dyn Policy>)))
        }
    };
    [balancing, ("retrying", Arc::new(Default(|| Rc::new(Retrying) as Rc<dyn Policy>)))]
}

// === impl Default ===

impl<F: Fn() -> Rc<dyn Policy> + Send + Sync> Recipe for Default<F> {
    fn instantiate(&self, _: &WorkerParts) -> Result<Rc<dyn Policy>, Diagnostic> {
        Ok((self.0)())
    }
}

// === impl BuiltIns ===

impl Catalogue for BuiltIns {
    fn kinds(&self) -> Vec<&'static str> {
        kinds().iter().map(|kind| kind.name).collect()
    }

    fn later(&self, kind: &str) -> bool {
        later().contains(&kind)
    }

    fn check(&self, name: &str, options: &Options) -> Result<Places, Vec<Diagnostic>> {
        // Secrets are not read yet: a template that names one is checked again when the policy is compiled.
        recipe(name, options, &Secrets::any())?;
        Ok(kind(name).map(places).unwrap_or_default())
    }

    fn option_schemas(&self) -> Vec<(&'static str, serde_json::Value)> {
        kinds().iter().map(|kind| (kind.name, (kind.schema)().to_value())).collect()
    }
}

fn places(kind: &Kind) -> Places {
    let has = |place| kind.places.contains(&place);
    Places {
        file: has(Place::File),
        listener: has(Place::Listener),
        route: has(Place::Route),
        upstream: has(Place::Upstream),
        answers: kind.answers,
    }
}
