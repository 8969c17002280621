//! Routes and the built-in policies, seen from both ends of the wire.

use crate::harness::origin::ok;
use crate::harness::{Client, Origin, Proxy, Response};

/// A proxy with one listener `web` (further keys in `listener`), the upstreams `a` and `b`, and these top-level lines.
fn proxy(a: &Origin, b: &Origin, listener: &str, more: &str) -> Proxy {
    Proxy::start(&format!(
        "version: 1\naccess_log: off\nlisteners: {{ web: {{ bind: \"127.0.0.1:0\", {listener} }} }}\n\
         upstreams: {{ a: {{ endpoints: [\"{}\"] }}, b: {{ endpoints: [\"{}\"] }} }}\n{more}\n",
        a.endpoint(),
        b.endpoint()
    ))
}

/// The same with an origin that echoes, only the routes given.
fn routed(routes: &str) -> (Origin, Proxy) {
    let origin = Origin::echo();
    let proxy = proxy(&origin, &origin, "", &format!("routes:\n{routes}"));
    (origin, proxy)
}

fn ask(proxy: &Proxy, method: &str, target: &str, fields: &[(&str, &str)]) -> Response {
    let mut client = Client::connect(proxy.addr());
    client.send_request(method, target, fields, b"");
    client.read_response_to(method)
}

fn answer_route(matching: &str, body: &str) -> String {
    format!("- {{ match: {{ {matching} }}, use: [ {{ policy: answer, with: {{ body: \"{body}\" }} }} ] }}\n")
}

#[test]
fn the_most_specific_route_wins_whatever_their_order() {
    let routes = [
        answer_route("path: \"/*\"", "everything"),
        answer_route("host: re.example.org, path_regex: \"/re/[0-9]+\"", "regex"),
        answer_route("path: \"/a/*\"", "prefix"),
        answer_route("path: \"/a/b/*\"", "longer prefix"),
        answer_route("path: \"/a/b/c\"", "exact"),
        answer_route("path: \"/u/{id}/x\"", "{path.id}"),
        answer_route("host: \"*.example.com\", path: \"/*\"", "wildcard"),
        answer_route("host: shop.example.com, path: \"/*\"", "host"),
        answer_route("path: \"/a/b/c\", method: POST", "method"),
        answer_route("path: \"/a/b/c\", headers: { x-test: \"1\" }", "header"),
        answer_route("path: \"/a/b/c\", query: { v: \"2\" }", "query"),
    ];
    let backwards: Vec<String> = routes.iter().rev().cloned().collect();
    for routes in [routes.concat(), backwards.concat()] {
        let (_origin, proxy) = routed(&routes);
        for (method, target, fields, expected) in [
            ("GET", "/x", vec![], "everything"),
            ("GET", "/a/x", vec![], "prefix"),
            ("GET", "/a/b/x", vec![], "longer prefix"),
            ("GET", "/a/b/c", vec![], "exact"),
            ("GET", "/a/b/../b/%63", vec![], "exact"),
            ("GET", "/ab", vec![], "everything"),
            ("GET", "/re/12", vec![("Host", "re.example.org")], "regex"),
            ("GET", "/re/12x", vec![("Host", "re.example.org")], "everything"),
            ("GET", "/u/7/x", vec![], "7"),
            ("GET", "/u/7/y", vec![], "everything"),
            ("POST", "/a/b/c", vec![], "method"),
            ("GET", "/a/b/c", vec![("X-Test", "1")], "header"),
            ("GET", "/a/b/c?v=2", vec![], "query"),
            ("GET", "/a/b/c", vec![("Host", "Shop.Example.com:8080")], "host"),
            ("GET", "/a/b/c", vec![("Host", "x.example.com")], "wildcard"),
            ("GET", "/a/b/c", vec![("Host", "example.com")], "exact"),
        ] {
            assert_eq!(ask(&proxy, method, target, &fields).text(), expected, "{method} {target} {fields:?}");
        }
    }
}

#[test]
fn an_absolute_target_chooses_the_route_as_its_host_would() {
    let routes = [answer_route("host: a.example", "a"), answer_route("host: b.example", "b")].concat();
    let (_origin, proxy) = routed(&routes);
    assert_eq!(ask(&proxy, "GET", "http://b.example/", &[("Host", "a.example")]).text(), "b");
    assert_eq!(ask(&proxy, "GET", "/", &[("Host", "c.example")]).status, 404);
}

#[test]
fn a_split_shares_requests_by_weight() {
    let (a, b) = (Origin::answering(ok("a")), Origin::answering(ok("b")));
    let routes = "routes:\n- { match: { path: \"/half\" }, to: { a: 50, b: 50 } }\n- { match: { path: \"/all\" }, to: { a: 0, b: 1 } }\n";
    let proxy = proxy(&a, &b, "", routes);
    let count = |target: &str| (0..200).filter(|_| ask(&proxy, "GET", target, &[]).text() == "a").count();
    assert_eq!(count("/all"), 0);
    let half = count("/half");
    assert!((50..=150).contains(&half), "{half} of 200");
}

#[test]
fn a_redirect_says_where_and_asks_no_origin() {
    let (origin, proxy) = routed(
        "- { match: { path: \"/old/*\" }, use: [ { policy: redirect, with: { to: \"https://{request.host}/new{request.target}\", status: 308 } } ] }\n\
         - { match: { path: \"/plain\" }, use: [ { policy: redirect, with: { to: /there } } ] }\n",
    );
    let response = ask(&proxy, "POST", "/old/a?b=c", &[("Host", "shop.example:81")]);
    assert_eq!((response.status, response.field("location")), (308, Some("https://shop.example/new/old/a?b=c")));
    let response = ask(&proxy, "GET", "/plain", &[]);
    assert_eq!((response.status, response.field("location"), response.body.len()), (302, Some("/there"), 0));
    assert_eq!(origin.connections(), 0);
}

#[test]
fn rewrites_change_what_the_origin_is_asked() {
    let (origin, proxy) = routed(
        "- { match: { path: \"/strip/*\" }, use: [ { policy: rewrite, with: { strip_prefix: /strip, host: inner.example } } ], to: a }\n\
         - { match: { path: \"/u/{id}\" }, use: [ { policy: rewrite, with: { path: \"/users/{path.id}/x\" } } ], to: a }\n",
    );
    for (sent, target, host) in [
        ("/strip/a?b=c", "/a?b=c", "inner.example"),
        ("/strip", "/", "inner.example"),
        ("/strip/../strip/%2e%2e/strip/a", "/a", "inner.example"),
        ("/u/7?q", "/users/7/x?q", "test"),
        ("/u/a%2Fb", "/users/a%2Fb/x", "test"),
    ] {
        let before = origin.request_count();
        assert_eq!(ask(&proxy, "GET", sent, &[]).status, 200, "{sent}");
        let request = origin.request(before);
        assert_eq!((&*request.target, request.field("host")), (target, Some(host)), "{sent}");
        assert_eq!(request.field("x-forwarded-host"), Some("test"), "the client's host is told");
    }
}

#[test]
fn an_answer_is_sent_as_it_is_written() {
    let (origin, proxy) = routed(
        "- { match: { path: /ok }, use: [ { policy: answer, with: { body: \"hello {request.method} {query.n}\" } } ] }\n\
         - { match: { path: /html }, use: [ { policy: answer, with: { headers: { content-type: text/html }, body: \"<p>{query.n}</p>\" } } ] }\n\
         - { match: { path: /empty }, use: [ { policy: answer, with: { status: 204 } } ] }\n\
         - { match: { path: /teapot }, use: [ { policy: answer, with: { status: 418, headers: { x-a: [\"1\", \"2\"] } } } ] }\n",
    );
    let response = ask(&proxy, "GET", "/ok?n=5", &[]);
    assert_eq!((response.status, &*response.text()), (200, "hello GET 5"));
    assert_eq!(response.field("content-type"), Some("text/plain; charset=utf-8"));
    assert!(response.field("date").is_some_and(|date| date.ends_with(" GMT")));
    assert_eq!(ask(&proxy, "GET", "/html?n='%3Cb%3E", &[]).text(), "<p>&#39;%3Cb%3E</p>");
    let empty = ask(&proxy, "GET", "/empty", &[]);
    assert_eq!((empty.status, empty.field("content-length")), (204, None));
    let teapot = ask(&proxy, "GET", "/teapot", &[]);
    assert_eq!((teapot.status, teapot.all("x-a")), (418, vec!["1", "2"]));
    let head = ask(&proxy, "HEAD", "/ok?n=5", &[]);
    assert_eq!((head.status, head.field("content-length")), (200, Some("12")));
    assert_eq!(origin.connections(), 0);
    let mut client = Client::connect(proxy.addr());
    client.send("POST /ok HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\nGET /ok?n=2 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(
        (client.read_response().text(), client.read_response().text()),
        ("hello POST ".into(), "hello GET 2".into())
    );
}

#[test]
fn fields_are_changed_both_ways() {
    let origin =
        Origin::answering("HTTP/1.1 200 OK\r\nServer: old\r\nX-A: 1\r\nX-Gone: 1\r\nContent-Length: 0\r\n\r\n");
    let routes = "routes:\n- match: { path: \"/*\" }\n  name: all\n  to: a\n  use:\n  - policy: headers\n    with:\n      \
                  request: { set: { x-test-who: \"{client.address} {route.name} {request.header.x-test-in}\" }, remove: [cookie], add: { x-test-b: [\"1\", \"2\"] } }\n      \
                  response: { set: { server: new, x-id: \"{request.id} {response.status} {upstream}\" }, add: { x-a: \"2\" }, remove: [x-gone] }\n";
    let routes = routes.replace("request.header.", "header.");
    let proxy = proxy(&origin, &origin, "", &routes);
    let response = ask(&proxy, "GET", "/", &[("Cookie", "a"), ("X-Test-In", "in"), ("X-Test-B", "0")]);
    let request = origin.request(0);
    assert_eq!(request.field("x-test-who"), Some("127.0.0.1 all in"));
    assert_eq!((request.field("cookie"), request.all("x-test-b")), (None, vec!["0", "1", "2"]));
    let id = request.field("x-request-id").expect("an id");
    assert_eq!(response.field("x-id"), Some(&*format!("{id} 200 a")));
    assert_eq!(
        (response.field("server"), response.all("x-a"), response.field("x-gone")),
        (Some("new"), vec!["1", "2"], None)
    );
}

#[test]
fn policies_stand_at_file_listener_route_and_upstream() {
    let origin = Origin::answering(ok("x"));
    let add =
        |place: &str| format!("{{ policy: headers, with: {{ request: {{ add: {{ x-test-order: {place} }} }} }} }}");
    let proxy = proxy(
        &origin,
        &origin,
        &format!("use: [ {} ]", add("listener")),
        &format!(
            "use: [ {} ]\nroutes:\n- {{ match: {{ path: \"/*\" }}, to: a, use: [ {}, {} ] }}\n",
            add("file"),
            add("route"),
            add("last")
        ),
    );
    assert_eq!(ask(&proxy, "GET", "/", &[]).status, 200);
    assert_eq!(origin.request(0).all("x-test-order"), ["file", "listener", "route", "last"]);
}

#[test]
fn a_policy_may_be_conditional_off_or_only_observed() {
    let refuse = "policy: answer, with: { status: 403, body: refused }";
    let (_origin, proxy) = routed(&format!(
        "- {{ match: {{ path: /when }}, to: a, use: [ {{ {refuse}, when: {{ method: POST, headers: {{ x-test: \"1\" }} }} }} ] }}\n\
         - {{ match: {{ path: /off }}, to: a, use: [ {{ {refuse}, enabled: false }} ] }}\n\
         - {{ match: {{ path: /observe }}, to: a, use: [ {{ {refuse}, mode: observe }} ] }}\n\
         - {{ match: {{ path: /edit }}, to: a, use: [ {{ policy: headers, mode: observe, with: {{ request: {{ set: {{ x-test-edit: \"1\" }} }} }} }} ] }}\n",
    ));
    assert_eq!(ask(&proxy, "POST", "/when", &[("X-Test", "1")]).status, 403);
    assert_eq!(ask(&proxy, "GET", "/when", &[("X-Test", "1")]).status, 200);
    assert_eq!(ask(&proxy, "POST", "/when", &[]).status, 200);
    assert_eq!(ask(&proxy, "GET", "/off", &[]).status, 200);
    assert_eq!(ask(&proxy, "GET", "/observe", &[]).status, 200);
    proxy.wait_for_metric(
        "gatewright_policy_observed_total",
        "{policy=\"answer\",hook=\"request\",verdict=\"Answer\"}",
        1,
    );
    let edited = ask(&proxy, "GET", "/edit", &[]);
    assert!(edited.status == 200 && !edited.text().contains("x-test-edit"), "{}", edited.text());
}

#[test]
fn a_named_policy_is_merged_with_what_stands_at_its_use() {
    let origin = Origin::echo();
    let more = "policies: { deny: { answer: { status: 403, body: no } } }\nroutes:\n\
                - { match: { path: /a }, use: [deny] }\n- { match: { path: /b }, use: [ { policy: deny, with: { status: 410 } } ] }\n";
    let proxy = proxy(&origin, &origin, "", more);
    let (a, b) = (ask(&proxy, "GET", "/a", &[]), ask(&proxy, "GET", "/b", &[]));
    assert_eq!((a.status, a.text(), b.status, b.text()), (403, "no".into(), 410, "no".into()));
}

#[test]
fn what_is_told_of_a_client_is_told_before_policies_speak() {
    let origin = Origin::answering(ok("x"));
    let routes = "routes:\n- { match: { path: \"/*\" }, to: a }\n\
                  - { match: { path: \"/*\", headers: { x-forwarded-proto: https } }, use: [ { policy: answer, with: { body: fooled } } ] }\n\
                  - { match: { path: /set }, to: a, use: [ { policy: headers, with: { request: { set: { x-forwarded-proto: https }, remove: [via] } } } ] }\n";
    let proxy = proxy(&origin, &origin, "", routes);
    assert_eq!(ask(&proxy, "GET", "/", &[("X-Forwarded-Proto", "https")]).text(), "x");
    assert_eq!(ask(&proxy, "GET", "/set", &[]).text(), "x");
    let request = origin.request(1);
    assert_eq!((request.field("x-forwarded-proto"), request.field("via")), (Some("https"), None));
}
