//! The plainest implementation of a route table: every route is compared, the most specific of those that match is
//! taken. The compiled table has to agree with it over random routes and requests.

use std::cmp::Reverse;

use proptest::prelude::*;

use super::{compile, matching, request};
use crate::config::plan::{HostPattern, Match, PathPattern, Segment, ValuePattern};
use crate::http::head::Head;
use crate::http::name::{FieldName, Known};
use crate::policy::routing::matching::{Matcher, Why};

fn find(matches: &[Match], head: &Head) -> Option<usize> {
    let taken = matches.iter().enumerate().filter_map(|(index, one)| Some((key(one, head)?, index)));
    taken.min_by(|a, b| a.cmp(b)).map(|(_, index)| index)
}

/// Lower is more specific; `None`: it does not match.
fn key(one: &Match, head: &Head) -> Option<impl Ord + use<>> {
    let host = host_rank(&one.hosts, std::str::from_utf8(head.known(Known::Host)?).ok()?)?;
    let path = path_rank(one.path.as_ref(), head.path())?;
    let method = one.methods.iter().any(|method| method == head.method());
    if !(method || one.methods.is_empty()) {
        return None;
    }
    let headers = one.headers.iter().all(|(name, value)| {
        head.get(&FieldName::new(name).unwrap()).is_some_and(|found| holds(value, std::str::from_utf8(found).unwrap()))
    });
    let query = one.query.iter().all(|(name, value)| {
        let mut pairs = head.query().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| key == name).is_some_and(|(_, found)| holds(value, found))
    });
    let methods = one.methods.len();
    let counts = (Reverse(one.headers.len()), Reverse(one.query.len()), methods);
    (headers && query).then_some((host, path, one.methods.is_empty(), counts))
}

fn holds(value: &ValuePattern, found: &str) -> bool {
    matches!(value, ValuePattern::Exact(text) if text == found)
}

fn host_rank(hosts: &[HostPattern], host: &str) -> Option<(u8, Reverse<usize>)> {
    if hosts.is_empty() {
        return Some((2, Reverse(0)));
    }
    let ranks = hosts.iter().filter_map(|pattern| match pattern {
        HostPattern::Exact(name) => (name == host).then_some((0, Reverse(0))),
        HostPattern::Suffix(suffix) => {
            (host.len() > suffix.len() && host.ends_with(suffix.as_str())).then_some((1, Reverse(suffix.len())))
        }
    });
    ranks.min()
}

/// A letter for each segment of the pattern: literal, parameter, the end of a closed or an open one.
fn path_rank(pattern: Option<&PathPattern>, path: &str) -> Option<(u8, String, Reverse<usize>, String)> {
    // Those of `PATHS`, read by hand.
    let whole = |regex: &str| match regex.split_once(".*") {
        Some((start, end)) => path.len() >= start.len() + end.len() && path.starts_with(start) && path.ends_with(end),
        None => path == regex,
    };
    let segments: Vec<&str> = path[1..].split('/').collect();
    let open = PathPattern::Prefix(String::new());
    match pattern.unwrap_or(&open) {
        PathPattern::Exact(exact) => (exact == path).then(|| (0, String::new(), Reverse(0), String::new())),
        PathPattern::Regex(regex) => whole(regex).then(|| (2, String::new(), Reverse(regex.len()), regex.clone())),
        PathPattern::Prefix(prefix) => {
            let literals = prefix.split('/').skip(1).map(|text| Segment::Literal(text.to_owned())).collect::<Vec<_>>();
            rank(&literals, true, &segments).map(|rank| (1, rank, Reverse(0), String::new()))
        }
        PathPattern::Template { segments: pattern, open } => {
            rank(pattern, *open, &segments).map(|rank| (1, rank, Reverse(0), String::new()))
        }
    }
}

fn rank(pattern: &[Segment], open: bool, path: &[&str]) -> Option<String> {
    if path.len() < pattern.len() || (!open && path.len() != pattern.len()) {
        return None;
    }
    let mut letters = String::new();
    for (segment, text) in pattern.iter().zip(path) {
        match segment {
            Segment::Literal(literal) if literal == text => letters.push('a'),
            Segment::Parameter(_) if !text.is_empty() => letters.push('b'),
            _ => return None,
        }
    }
    letters.push(if open { 'd' } else { 'c' });
    Some(letters)
}

const PATHS: &[&str] = &[
    "",
    "/",
    "/*",
    "/a",
    "/a/*",
    "/a/b",
    "/a/b/*",
    "/{x}",
    "/{x}/*",
    "/a/{x}",
    "/{x}/b",
    "/{x}/{y}/*",
    "/a/{x}/c",
    "/a/{x}/*",
    "^/a.*",
    "^/.*b",
    "^/a/b",
];
const TARGETS: &[&str] =
    &["/", "/a", "/a/", "/a/b", "/a/b/", "/a/b/c", "/b", "/b/b", "/b/a", "/a//c", "/a/x/c", "/ab", "//", "/b/b/b/b"];
const HOSTS: &[&str] = &["", "h.d.e", "*.d.e", "*.e", "x.d.e,*.e", "d.e,h.d.e"];

fn any_route() -> impl Strategy<Value = String> {
    let methods = prop::sample::select(&["*", "*", "GET", "POST", "GET,POST"][..]);
    let fields = prop::sample::select(&["", "", "~x=1", "~x=2", "~x=1 ~y=1"][..]);
    let query = prop::sample::select(&["", "", "?p=1", "?p=1 ?q=1"][..]);
    let (hosts, paths) = (prop::sample::select(HOSTS), prop::sample::select(PATHS));
    (methods, hosts, paths, fields, query).prop_map(|(m, h, p, f, q)| format!("{m} {h} {p} {f} {q}"))
}

fn any_request() -> impl Strategy<Value = String> {
    let hosts = prop::sample::select(&["h.d.e", "x.d.e", "d.e", "e", "z.e"][..]);
    let query = prop::sample::select(&["", "?p=1", "?p=1&q=1", "?p=2&p=1"][..]);
    let fields = prop::sample::select(&["", "~x=1", "~x=1 ~y=1"][..]);
    let methods = prop::sample::select(&["GET", "POST", "PUT"][..]);
    (methods, hosts, prop::sample::select(TARGETS), query, fields)
        .prop_map(|(m, h, t, q, f)| format!("{m} {h} {t}{q} {f}"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn the_table_agrees_with_the_plainest_implementation(
        routes in prop::collection::vec(any_route(), 0..12),
        requests in prop::collection::vec(any_request(), 1..8),
    ) {
        let matches: Vec<Match> = routes.iter().map(|text| matching(text)).collect();
        let table = compile(&matches);
        for text in requests {
            let head = request(&text);
            let found = table.find(&head).map(|found| found.index);
            prop_assert_eq!(found, find(&matches, &head), "{} in {:#?}", text, routes);
            let misses = table.near_misses(&head);
            for (index, one) in matches.iter().enumerate() {
                let lost = misses.iter().find(|(other, _)| *other == index);
                let taken = Matcher::new(one).unwrap().matches(&head);
                let matches = found == Some(index) || matches!(lost, Some((_, Why::LessSpecific(_))));
                prop_assert_eq!(taken, matches, "{}", text);
            }
        }
    }
}
