//! Routes: names, matches, where they lead.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::super::codes;
use super::super::diagnostic::{Diagnostic, Span};
use super::super::document::{self, Noun};
use super::super::gather::good_name;
use super::super::plan::{self, HostPattern, Match, Target, ValuePattern};
use super::super::shapes::To;
use super::super::spanned::Spanned;
use super::chain::Place;
use super::{Check, path, tie};

// === impl Check ===

impl Check<'_> {
    pub(super) fn routes(&mut self) {
        let document = self.document;
        let outer = self.plan.chain.len()
            + self.plan.listeners.iter().map(|listener| listener.chain.len()).max().unwrap_or_default();
        let upstreams: HashMap<String, usize> =
            self.plan.upstreams.iter().enumerate().map(|(index, upstream)| (upstream.name.clone(), index)).collect();
        let mut good = Vec::new();
        for route in &document.routes {
            let before = self.found.len();
            let resolved = self.route(route, &upstreams, outer);
            if let Some(resolved) = resolved {
                good.push((resolved, self.found.len() == before, route.value.matching.as_ref()));
            }
        }
        let fine = !self.found.iter().any(Diagnostic::is_error);
        if let (true, true, Some((name, _))) = (fine, document.routes.is_empty(), document.listeners.0.first()) {
            let none = Diagnostic::warning(codes::DOUBTFUL, "there is no route, so every request is answered 404");
            self.report(none.at(&name.span, "").help("add one: `routes: [{ to: name-of-an-upstream }]`"));
        }
        self.name_routes(&mut good);
        let places: Vec<(&plan::Route, Option<&Span>)> =
            good.iter().map(|(route, _, matching)| (route, matching.map(|matching| &matching.span))).collect();
        let ties = tie::ties(&places);
        self.found.extend(ties);
        self.plan.routes = good.into_iter().map(|(route, ..)| route).collect();
    }

    fn route(
        &mut self,
        written: &Spanned<document::Route>,
        upstreams: &HashMap<String, usize>,
        outer: usize,
    ) -> Option<plan::Route> {
        let route = &written.value;
        self.later("intercept", route.intercept.as_ref());
        let matching = match &route.matching {
            Some(matching) => self.matching(&matching.value),
            None => Some(Match::default()),
        };
        let chain = self.chain(&route.uses, Place::Route);
        self.seats(outer + chain.uses.len(), &written.span, "this route");
        let to = match &route.to {
            Some(to) => self.targets(to, upstreams),
            None => {
                let answers = chain.answers || chain.broken || self.file_answers();
                if !answers {
                    let nowhere = Diagnostic::error(codes::ROUTE_NOWHERE, "this route leads nowhere");
                    let span = route.name.as_ref().map_or(&written.span, |name| &name.span);
                    self.report(nowhere.at(span, "no `to`, and no policy that always answers").help(
                        "give it an upstream (`to: name`), or a policy that answers, as in `use: [{ policy: redirect, with: { to: /x } }]`",
                    ));
                }
                Vec::new()
            }
        };
        let timeouts = self.timeouts(route.timeouts.as_ref());
        let buffer = self.buffer(route.buffer.as_ref());
        let failure_pages = self.pages(&route.failure_pages);
        let metadata: BTreeMap<String, String> =
            route.metadata.0.iter().map(|(key, value)| (key.value.clone(), value.clone())).collect();
        if let Some(name) = route.name.as_ref().filter(|name| !good_name(&name.value)) {
            let help = "a name has letters, digits, `-`, `_` and `.`, at most 128 of them";
            self.bad_value(&name.span, format!("`{}` is not a name", name.value), help);
        }
        Some(plan::Route {
            name: route.name.as_ref().map(|name| name.value.clone()).unwrap_or_default(),
            span: route.name.as_ref().map_or_else(|| written.span.clone(), |name| name.span.clone()),
            matching: matching?,
            chain: chain.uses,
            to,
            timeouts,
            body_max: route.limits.as_ref().and_then(|limits| limits.body.as_ref()).map(|max| max.value.0 as u64),
            buffer,
            failure_pages,
            metadata,
        })
    }

    /// Whether a policy of the file answers everything.
    fn file_answers(&self) -> bool {
        self.plan.chain.iter().any(|one| {
            let answers = || self.catalogue.check(&one.kind, &one.options).is_ok_and(|places| places.answers);
            one.when.is_none() && !one.observe && (one.program.is_some() || answers())
        })
    }

    fn targets(&mut self, to: &Spanned<To>, upstreams: &HashMap<String, usize>) -> Vec<Target> {
        let named: Vec<(Spanned<String>, u64)> = match &to.value {
            To::Name(name) => vec![(Spanned { span: to.span.clone(), value: name.clone() }, 1)],
            To::Weights(weights) => weights.0.iter().map(|(name, weight)| (name.clone(), weight.value.0)).collect(),
        };
        let mut targets = Vec::new();
        for (name, weight) in &named {
            self.upstreams_used.insert(name.value.clone());
            match upstreams.get(&name.value) {
                Some(&upstream) => {
                    targets.push(Target { upstream, weight: u32::try_from(*weight).unwrap_or(u32::MAX) });
                }
                // A broken definition has been reported where it stands.
                None if self.document.declared(Noun::Upstream, &name.value).is_some() => {}
                None => self.unknown(Noun::Upstream, codes::UNKNOWN_UPSTREAM, name, &[]),
            }
        }
        if named.iter().all(|(_, weight)| *weight == 0) {
            let nowhere = Diagnostic::error(codes::ROUTE_NOWHERE, "every weight is 0, so this route leads nowhere");
            self.report(nowhere.at(&to.span, "").help("give one of them a weight, as in `{ shop: 95, shop-next: 5 }`"));
        }
        targets
    }

    /// Written names are unique; the others are made from the match, and made unique.
    fn name_routes(&mut self, routes: &mut [(plan::Route, bool, Option<&Spanned<document::Match>>)]) {
        let mut first: HashMap<String, Span> = HashMap::new();
        for (route, ..) in routes.iter().filter(|(route, ..)| !route.name.is_empty()) {
            if let Some(first) = first.get(&route.name) {
                let twice = Diagnostic::error(codes::DEFINED_TWICE, format!("two routes are called `{}`", route.name));
                let twice = twice.at(&route.span, "second time").at(first, "first time");
                self.found.push(twice.help("give one of them another name"));
            } else {
                first.insert(route.name.clone(), route.span.clone());
            }
        }
        let mut taken: HashSet<String> = first.into_keys().collect();
        for (route, ..) in routes.iter_mut().filter(|(route, ..)| route.name.is_empty()) {
            let made = made_name(&route.matching);
            let mut name = made.clone();
            let mut number = 2;
            while !taken.insert(name.clone()) {
                name = format!("{made}#{number}");
                number += 1;
            }
            route.name = name;
        }
    }
}

/// `GET shop.example.com/cart/{id} x-debug ?q`: the match in one line, without values.
fn made_name(matching: &Match) -> String {
    let mut name = String::new();
    if !matching.methods.is_empty() {
        name.push_str(&matching.methods.join(","));
        name.push(' ');
    }
    let host = |host: &HostPattern| match host {
        HostPattern::Exact(name) => name.clone(),
        HostPattern::Suffix(name) => format!("*{name}"),
    };
    name.push_str(&matching.hosts.iter().map(host).collect::<Vec<_>>().join(","));
    name.push_str(&matching.path.as_ref().map_or_else(|| "/*".to_owned(), path::display));
    let absent = |value: &ValuePattern| if *value == ValuePattern::Present(false) { "!" } else { "" };
    for (field, value) in &matching.headers {
        name.push_str(&format!(" {}{field}", absent(value)));
    }
    for (parameter, value) in &matching.query {
        name.push_str(&format!(" ?{}{parameter}", absent(value)));
    }
    name
}
