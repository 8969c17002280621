//! Ties: two routes that are equally specific for the same request, so that nothing says which one wins.
//!
//! Precedence is the Gateway API's: host, path, method, then the number of headers, then of query parameters. Two
//! routes tie where all of these are equal and a request exists that both match.

use std::collections::HashMap;

use super::super::codes;
use super::super::diagnostic::{Diagnostic, Span};
use super::super::plan::{HostPattern, Match, PathPattern, Route, Segment, ValuePattern};

/// Every tie, told at the later route. Routes are compared only with those of the same host and path.
pub(super) fn ties(routes: &[(&Route, Option<&Span>)]) -> Vec<Diagnostic> {
    let mut groups: HashMap<(Option<&HostPattern>, PathKey<'_>), Vec<usize>> = HashMap::new();
    let mut found = Vec::new();
    for (index, (route, place)) in routes.iter().enumerate() {
        let mut hosts: Vec<Option<&HostPattern>> = route.matching.hosts.iter().map(Some).collect();
        if hosts.is_empty() {
            hosts.push(None);
        }
        let mut told = false;
        for host in hosts {
            let group = groups.entry((host, path_key(route.matching.path.as_ref()))).or_default();
            let other =
                group.iter().find(|&&other| other != index && overlap(&routes[other].0.matching, &route.matching));
            if let (Some(&other), false) = (other, told) {
                told = true;
                let (first, first_place) = routes[other];
                found.push(tie(route, place.unwrap_or(&route.span), first, first_place.unwrap_or(&first.span)));
            }
            group.push(index);
        }
    }
    found
}

fn tie(route: &Route, place: &Span, first: &Route, first_place: &Span) -> Diagnostic {
    let message = format!("the routes `{}` and `{}` are equally specific", first.name, route.name);
    Diagnostic::error(codes::ROUTE_TIE, message)
        .at(place, "matches the same requests")
        .at(first_place, "as this one")
        .help("make one of them more specific (host, path, method, headers, query), or remove it")
        .note("the order of routes never matters")
}

/// A path pattern up to the names of its parameters.
#[derive(PartialEq, Eq, Hash)]
enum PathKey<'a> {
    Exact(&'a str),
    Prefix(&'a str),
    Template(Vec<Option<&'a str>>, bool),
    Regex(&'a str),
}

fn path_key(path: Option<&PathPattern>) -> PathKey<'_> {
    match path {
        // No path at all is `/*`.
        None => PathKey::Prefix(""),
        Some(PathPattern::Exact(path)) => PathKey::Exact(path),
        Some(PathPattern::Prefix(path)) => PathKey::Prefix(path),
        Some(PathPattern::Regex(regex)) => PathKey::Regex(regex),
        Some(PathPattern::Template { segments, open }) => {
            let keys = segments.iter().map(|segment| match segment {
                Segment::Literal(text) => Some(text.as_str()),
                Segment::Parameter(_) => None,
            });
            PathKey::Template(keys.collect(), *open)
        }
    }
}

/// Whether two matches of the same host and path tie.
fn overlap(a: &Match, b: &Match) -> bool {
    let methods = match (a.methods.is_empty(), b.methods.is_empty()) {
        (true, true) => true,
        (false, false) => a.methods.iter().any(|method| b.methods.contains(method)),
        // The one that names methods is more specific.
        _ => false,
    };
    methods
        && a.headers.len() == b.headers.len()
        && a.query.len() == b.query.len()
        && !apart(&a.headers, &b.headers)
        && !apart(&a.query, &b.query)
}

/// Whether no request can satisfy both.
fn apart(a: &[(String, ValuePattern)], b: &[(String, ValuePattern)]) -> bool {
    a.iter().any(|(name, one)| b.iter().any(|(other, two)| name == other && exclusive(one, two)))
}

fn exclusive(a: &ValuePattern, b: &ValuePattern) -> bool {
    use ValuePattern::{Exact, Prefix, Present, Regex};
    match (a, b) {
        (Present(false), Present(false)) => false,
        (Present(false), _) | (_, Present(false)) => true,
        (Exact(a), Exact(b)) => a != b,
        (Exact(text), Prefix(prefix)) | (Prefix(prefix), Exact(text)) => !text.starts_with(prefix.as_str()),
        (Prefix(a), Prefix(b)) => !a.starts_with(b.as_str()) && !b.starts_with(a.as_str()),
        (Exact(text), Regex(regex)) | (Regex(regex), Exact(text)) => {
            regex_automata::meta::Regex::new(&format!("^(?:{regex})$"))
                .is_ok_and(|regex| !regex.is_match(text.as_str()))
        }
        _ => false,
    }
}
