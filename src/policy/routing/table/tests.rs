//! Which route wins: the Gateway API's order by example, the plainest implementation over random tables is in `plain.rs`.

use super::*;
use crate::config::diagnostic::Span;
use crate::config::plan::{Buffer, Match, PathPattern, Segment, Target, Timeouts, ValuePattern};
use crate::http::name::{FieldName, Known};
use crate::policy::fake::Fake;

/// A route: `"GET,POST host,host /path ~header=value ?key=value"`, in any order after the methods; `*` for any method.
fn matching(text: &str) -> Match {
    let mut found = Match::default();
    for (index, word) in text.split_whitespace().enumerate() {
        match word.split_at(1) {
            ("*", "") if index == 0 => {}
            (_, _) if index == 0 => found.methods = word.split(',').map(str::to_owned).collect(),
            ("~", rest) => found.headers.push(pair(rest)),
            ("?", rest) => found.query.push(pair(rest)),
            ("/", _) => found.path = Some(path(word)),
            ("^", rest) => found.path = Some(PathPattern::Regex(rest.to_owned())),
            (_, _) => found.hosts = word.split(',').map(host).collect(),
        }
    }
    found
}

fn pair(text: &str) -> (String, ValuePattern) {
    let (name, value) = text.split_once('=').unwrap();
    let pattern = match value.split_at_checked(1) {
        Some(("^", rest)) => ValuePattern::Regex(rest.to_owned()),
        Some(("+", "")) => ValuePattern::Present(true),
        Some(("-", "")) => ValuePattern::Present(false),
        _ if value.ends_with('*') => ValuePattern::Prefix(value.trim_end_matches('*').to_owned()),
        _ => ValuePattern::Exact(value.to_owned()),
    };
    (name.to_owned(), pattern)
}

fn host(text: &str) -> HostPattern {
    match text.strip_prefix('*') {
        Some(suffix) => HostPattern::Suffix(suffix.to_owned()),
        None => HostPattern::Exact(text.to_owned()),
    }
}

fn path(text: &str) -> PathPattern {
    let (body, open) = text.strip_suffix("/*").map_or((text, false), |body| (body, true));
    if body.contains('{') {
        let segments = body[1..].split('/').map(|segment| match segment.strip_prefix('{') {
            Some(name) => Segment::Parameter(name.trim_end_matches('}').to_owned()),
            None => Segment::Literal(segment.to_owned()),
        });
        return PathPattern::Template { segments: segments.collect(), open };
    }
    if open { PathPattern::Prefix(body.to_owned()) } else { PathPattern::Exact(body.to_owned()) }
}

fn route(name: &str, matching: Match) -> Route {
    let (span, to) = (Span::default(), vec![Target { upstream: 1, weight: 3 }]);
    let (chain, timeouts, failure_pages) = (Vec::new(), Timeouts::default(), Vec::new());
    Route {
        name: name.to_owned(),
        span,
        matching,
        chain,
        to,
        timeouts,
        body_max: None,
        buffer: Buffer::default(),
        failure_pages,
        metadata: Default::default(),
    }
}

fn compile(matches: &[Match]) -> RouteTable {
    let routes: Vec<Route> = matches.iter().enumerate().map(|(i, m)| route(&format!("r{i:03}"), m.clone())).collect();
    let ids: Vec<RouteId> = (0..routes.len()).map(|index| RouteId(index as u32 * 2 + 1)).collect();
    RouteTable::new(&routes, &ids, &[UpstreamId(4), UpstreamId(5)]).unwrap()
}

fn table(routes: &[&str]) -> RouteTable {
    compile(&routes.iter().map(|text| matching(text)).collect::<Vec<_>>())
}

/// A request: `"GET host /target ~header=value"`.
fn request(text: &str) -> Head {
    let mut words = text.split_whitespace();
    let (method, host, target) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
    let mut head = Head::request(method, target);
    head.add_known(Known::Host, host.as_bytes());
    for field in words {
        let (name, value) = field[1..].split_once('=').unwrap();
        head.add(&FieldName::new(name).unwrap(), value.as_bytes());
    }
    head
}

/// Checks which route each request takes, with the routes in the written and in the reverse order.
fn check(routes: &[&str], cases: &[(&str, Option<&str>)]) {
    let backwards: Vec<&str> = routes.iter().rev().copied().collect();
    for order in [routes, &backwards] {
        let table = table(order);
        for (text, expected) in cases {
            let found = table.find(&request(text)).map(|found| order[found.index]);
            assert_eq!(found, *expected, "{text}");
        }
    }
}

#[test]
fn exact_hosts_beat_wildcards_and_wildcards_beat_none() {
    check(
        &["* shop.example.com", "* *.example.com", "* *.shop.example.com", "*"],
        &[
            ("GET shop.example.com /", Some("* shop.example.com")),
            ("GET SHOP.Example.com:8443 /", Some("* shop.example.com")),
            ("GET shop.example.com. /", Some("* shop.example.com")),
            ("GET other.example.com /", Some("* *.example.com")),
            ("GET a.b.example.com /", Some("* *.example.com")),
            ("GET a.shop.example.com /", Some("* *.shop.example.com")),
            ("GET a.b.shop.example.com /", Some("* *.shop.example.com")),
            ("GET example.com /", Some("*")),
            ("GET badexample.com /", Some("*")),
            ("GET .example.com /", Some("*")),
            ("GET [::1]:80 /", Some("*")),
        ],
    );
    check(
        &["* [::1]", "* 127.0.0.1"],
        &[
            ("GET [::1]:80 /", Some("* [::1]")),
            ("GET [::1] /", Some("* [::1]")),
            ("GET 127.0.0.1:80 /", Some("* 127.0.0.1")),
            ("GET [::2] /", None),
        ],
    );
    check(
        &["* a", "* b", "* c", "* d", "* e", "* f", "* *.f"],
        &[
            ("GET A:1 /", Some("* a")),
            ("GET f: /", Some("* f")),
            ("GET f.f. /", Some("* *.f")),
            ("GET g /", None),
            ("GET 1.2.3.4 /", None),
        ],
    );
    let long = format!("GET {} /", "a".repeat(300));
    check(&["* a", "* *.a"], &[(&long, None)]);
}

#[test]
fn paths_go_from_exact_over_the_longest_prefix_to_regex() {
    check(
        &["* /", "* /*", "* /static", "* /static/*", "* /static/img/*", r"* ^/static/.*\.png", "* /{a}", "* /{a}/b"],
        &[
            ("GET h /", Some("* /")),
            ("GET h /static", Some("* /static")),
            ("GET h /static/", Some("* /static/*")),
            ("GET h /static/x.png", Some("* /static/*")),
            ("GET h /static/img", Some("* /static/img/*")),
            ("GET h /static/img/a/b", Some("* /static/img/*")),
            ("GET h /static/imgs", Some("* /static/*")),
            ("GET h /staticx", Some("* /{a}")),
            ("GET h /x/b", Some("* /{a}/b")),
            ("GET h /x/b/", Some("* /*")),
            ("GET h //b", Some("* /*")),
            ("OPTIONS h *", Some("* /*")),
        ],
    );
    check(
        &["* ^/a.*", "* ^/a.*b", "* ^/c|/cd"],
        &[
            ("GET h /ab", Some("* ^/a.*b")),
            ("GET h /abc", Some("* ^/a.*")),
            ("GET h /xab", None),
            ("GET h /cd", Some("* ^/c|/cd")),
            ("GET h /cde", None),
        ],
    );
}

#[test]
fn many_and_long_segments_are_told_apart() {
    let long: Vec<String> = (0..20).map(|at| format!("* /a-segment-of-a-certain-length-{at}/v1/*")).collect();
    let routes: Vec<&str> = long.iter().map(String::as_str).collect();
    check(
        &routes,
        &[
            ("GET h /a-segment-of-a-certain-length-7/v1/x", Some(routes[7])),
            ("GET h /a-segment-of-a-certain-length-17/v1", Some(routes[17])),
            ("GET h /a-segment-of-a-certain-length-7", None),
            ("GET h /a-segment-of-a-certain-length-27/v1", None),
        ],
    );
}

#[test]
fn of_templates_a_literal_beats_a_parameter_from_the_left() {
    check(
        &["* /cart/{id}", "* /cart/new", "* /cart/{id}/*", "* /{x}/items/{y}", "* /cart/{id}/items", "* /cart/*"],
        &[
            ("GET h /cart/7", Some("* /cart/{id}")),
            ("GET h /cart/new", Some("* /cart/new")),
            ("GET h /cart/7/", Some("* /cart/{id}/*")),
            ("GET h /cart/7/x", Some("* /cart/{id}/*")),
            ("GET h /cart/7/items", Some("* /cart/{id}/items")),
            ("GET h /cart/items/7", Some("* /cart/{id}/*")),
            ("GET h /shop/items/7", Some("* /{x}/items/{y}")),
            ("GET h /cart/", Some("* /cart/*")),
            ("GET h /cart//x", Some("* /cart/*")),
            ("GET h /shop/items/", None),
        ],
    );
}

#[test]
fn then_method_then_headers_then_query() {
    check(
        &[
            "* /a/*",
            "GET /a/*",
            "* /a/* ~x=1",
            "* /a/* ~x=1 ~y=1",
            "* /a/* ?p=1",
            "* /a/* ?p=1 ?q=1",
            "* /a/* ~x=1 ?p=1",
            "POST /a/b",
        ],
        &[
            ("GET h /a ~x=1 ~y=1", Some("GET /a/*")),
            ("PUT h /a ~x=1 ~y=1", Some("* /a/* ~x=1 ~y=1")),
            ("PUT h /a?p=1 ~x=1 ~y=2", Some("* /a/* ~x=1 ?p=1")),
            ("PUT h /a?q=1 ~x=1", Some("* /a/* ~x=1")),
            ("PUT h /a?q=1&p=1", Some("* /a/* ?p=1 ?q=1")),
            ("PUT h /a?p=1", Some("* /a/* ?p=1")),
            ("PUT h /a?p=2", Some("* /a/*")),
            ("POST h /a/b", Some("POST /a/b")),
            ("GET h /a/b", Some("GET /a/*")),
        ],
    );
}

/// The examples of the Gateway API's guide to HTTP routing.
#[test]
fn the_gateway_api_guide() {
    check(
        &["* foo.example.com /login/*", "* bar.example.com", "* bar.example.com ~env=canary"],
        &[
            ("GET foo.example.com /login", Some("* foo.example.com /login/*")),
            ("GET foo.example.com /logins", None),
            ("GET bar.example.com /", Some("* bar.example.com")),
            ("GET bar.example.com / ~env=canary", Some("* bar.example.com ~env=canary")),
        ],
    );
}

#[test]
fn a_less_specific_host_gets_what_the_specific_one_does_not_take() {
    check(
        &["GET shop.example.com /cart", "* *.example.com /cart", "* /*"],
        &[
            ("GET shop.example.com /cart", Some("GET shop.example.com /cart")),
            ("PUT shop.example.com /cart", Some("* *.example.com /cart")),
            ("PUT shop.example.com /x", Some("* /*")),
        ],
    );
}

#[test]
fn values_are_compared_whole_decoded_and_by_line() {
    check(
        &["* /e ~x=one", "* /p ~x=on*", "* /r ~x=^o.e", "* /y ~x=+", "* /n ~x=-", "* /q ?k=^[ab]*", "* /d ?k=a/b*"],
        &[
            ("GET h /e ~x=zero ~x=one", Some("* /e ~x=one")),
            ("GET h /e ~x=ones", None),
            ("GET h /p ~x=ones", Some("* /p ~x=on*")),
            ("GET h /r ~x=one", Some("* /r ~x=^o.e")),
            ("GET h /r ~x=ones", None),
            ("GET h /y ~x=", Some("* /y ~x=+")),
            ("GET h /y", None),
            ("GET h /n", Some("* /n ~x=-")),
            ("GET h /n ~x=1", None),
            ("GET h /q?k=%61b", Some("* /q ?k=^[ab]*")),
            ("GET h /q?k", Some("* /q ?k=^[ab]*")),
            ("GET h /q?k=c&k=a", None),
            ("GET h /d?k=a%2Fbc", Some("* /d ?k=a/b*")),
        ],
    );
}

#[test]
fn losers_are_told_why() {
    let table = table(&["* other.example.com", "* /b", "POST", "* ~x=1", "* ?k=1", "*", "GET /a"]);
    let misses = table.near_misses(&request("GET h /a"));
    let why = |at: usize| misses.iter().find(|(index, _)| *index == at).map(|(_, why)| why.clone());
    assert_eq!(why(0), Some(Why::Host));
    assert_eq!(why(1), Some(Why::Path));
    assert_eq!(why(2), Some(Why::Method));
    assert_eq!(why(3), Some(Why::Header("x".into())));
    assert_eq!(why(4), Some(Why::Query("k".into())));
    assert_eq!(why(5), Some(Why::LessSpecific(6)));
    assert_eq!(why(6), None);
    assert!(compile(&[]).near_misses(&request("GET h /a")).is_empty());
    assert_eq!(compile(&[]).find(&request("GET h /a")), None);
}

#[test]
fn a_chosen_route_tells_its_facts() {
    let table = table(&["* /a/{x}/b/{y}/*", "* /plain"]);
    let found = table.find(&request("GET h /a/1/b/%2F/c")).unwrap();
    assert_eq!(found, Found { index: 0, id: RouteId(1) });
    let facts = table.facts(found.id, "/a/1/b/%2F/c").unwrap();
    assert_eq!(facts.params, [("x".into(), "1".to_owned()), ("y".into(), "%2F".to_owned())]);
    assert_eq!((&*facts.name, &*facts.to), ("r000", &[(UpstreamId(5), 3)][..]));
    assert_eq!(table.params(RouteId(3), "/plain").capacity(), 0);
    assert!(table.facts(RouteId(2), "/").is_none() && table.facts(RouteId(99), "/").is_none());
}

#[test]
fn a_bad_expression_names_its_route() {
    for bad in ["* ^(", "* ^a)(b", "* ~x=^[", "* ?x=^*"] {
        let routes = [route("good", Match::default()), route("bad", matching(bad))];
        let found = RouteTable::new(&routes, &[RouteId(0), RouteId(1)], &[]).unwrap_err();
        assert_eq!(found.index, 1, "{bad}");
        assert!(found.why.0.contains("no regular expression"), "{found}");
    }
}

#[test]
fn the_default_routes_or_fails() {
    let policy = ByTable::new(Arc::new(table(&["* /a"])));
    assert!(matches!(Fake::get("/a").call(&policy, Hook::Route), Ok(Verdict::Route(RouteId(1)))));
    assert_eq!(Fake::get("/b").call(&policy, Hook::Route).unwrap_err().reason(), Reason::NoRoute);
}

mod plain;
