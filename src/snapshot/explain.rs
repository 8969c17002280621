//! What would become of a request: the listener, the route, the policies in order, the upstream; and why others lost.

use super::compile::Snapshot;
use crate::config::plan::{Balance, Listener, Use};
use crate::failure::Reason;
use crate::hook::table::Hook;
use crate::http::admit;
use crate::http::head::Head;
use crate::policy::routing::matching::{Matcher, Why};
use crate::policy::{self};
use crate::wire::Address;

/// A request's way, before it is made.
#[derive(Debug, Default)]
pub struct Way {
    /// The listener's place in the plan.
    pub listener: Option<usize>,
    /// Refused before any policy is asked.
    pub refused: Option<Reason>,
    /// The route's place in the plan.
    pub route: Option<usize>,
    pub params: Vec<(String, String)>,
    pub seats: Vec<Seat>,
    /// Routes that did not win, by their place in the plan.
    pub lost: Vec<(usize, String)>,
}

/// A policy where it stands.
#[derive(Debug)]
pub struct Seat {
    pub name: String,
    pub kind: String,
    pub stands: String,
    pub hooks: Vec<String>,
    pub remark: Option<String>,
}

impl Snapshot {
    /// Explains a request that arrives at `port`.
    #[must_use]
    pub fn explain(&self, port: u16, mut head: Head) -> Way {
        let plan = &self.plan;
        let at_port = |listener: &Listener| matches!(&listener.bind, Address::Ip(at) if at.port() == port);
        let only = (plan.listeners.len() == 1).then_some(0);
        let mut way = Way { listener: plan.listeners.iter().position(at_port).or(only), ..Way::default() };
        let Some(listener) = way.listener.and_then(|index| plan.listeners.get(index)) else { return way };
        if let Err(reason) = admit::request(&mut head, &listener.rules) {
            way.refused = Some(reason);
            return way;
        }
        let lost = self.table.near_misses(&head).into_iter();
        way.lost = lost.map(|(index, why)| (index, self.word(&why))).collect();
        for (uses, stands) in
            [(&plan.chain, "file".to_owned()), (&listener.chain, format!("listener {}", listener.name))]
        {
            way.seats.extend(uses.iter().map(|written| seat(written, stands.clone(), &head)));
        }
        let Some(found) = self.table.find(&head) else { return way };
        let Some(route) = plan.routes.get(found.index) else { return way };
        way.route = Some(found.index);
        let params = self.table.params(found.id, head.path()).into_iter();
        way.params = params.map(|(name, value)| (name.to_string(), value)).collect();
        way.seats.extend(route.chain.iter().map(|written| seat(written, format!("route {}", route.name), &head)));
        for target in &route.to {
            let Some(upstream) = plan.upstreams.get(target.upstream) else { continue };
            let balance = if let Balance::Policy(written) = &upstream.balance { Some(&**written) } else { None };
            let uses = upstream.chain.iter().chain(balance);
            way.seats.extend(uses.map(|written| seat(written, format!("upstream {}", upstream.name), &head)));
        }
        way
    }

    fn word(&self, why: &Why) -> String {
        match why {
            Why::Host => "the host does not match".into(),
            Why::Path => "the path does not match".into(),
            Why::Method => "the method does not match".into(),
            Why::Header(name) => format!("header {name} does not match"),
            Why::Query(name) => format!("query {name} does not match"),
            Why::LessSpecific(winner) => {
                let name = self.plan.routes.get(*winner).map_or("another", |route| route.name.as_str());
                format!("it matches, but {name} is more specific")
            }
        }
    }
}

fn seat(written: &Use, stands: String, head: &Head) -> Seat {
    let hooks = policy::kind(&written.kind).map(|kind| kind.hooks.iter().map(Hook::name).map(String::from).collect());
    let met = written.when.as_ref().and_then(|when| Matcher::new(when).ok()).is_none_or(|when| when.matches(head));
    let remark = match (met, written.observe) {
        (false, _) => Some("does not run: its `when` is not met".to_owned()),
        (true, true) => Some("only observes".to_owned()),
        (true, false) => None,
    };
    Seat { name: written.policy.clone(), kind: written.kind.clone(), stands, hooks: hooks.unwrap_or_default(), remark }
}
