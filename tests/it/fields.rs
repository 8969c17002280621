//! Fields that belong to one connection, and fields by which a proxy tells of itself and of its client.

use crate::harness::origin::ok;
use crate::harness::{Client, Origin, Proxy, Request, Response, client, proxy};

/// A proxy whose listener has these further keys.
fn listening(origin: &Origin, listener: &str) -> Proxy {
    Proxy::start(&format!(
        "version: 1\naccess_log: off\nlisteners: {{ web: {{ bind: \"127.0.0.1:0\", {listener} }} }}\n\
         upstreams: {{ origin: {{ endpoints: [\"{}\"] }} }}\nroutes: [ {{ match: {{ path: \"/*\" }}, to: origin }} ]\n",
        origin.endpoint()
    ))
}

/// Sends a GET with these fields through a listener with these keys; what the origin got.
fn arrives(listener: &str, target: &str, fields: &[(&str, &str)]) -> Request {
    let origin = Origin::answering(ok("x"));
    let proxy = listening(&origin, listener);
    let mut client = Client::connect(proxy.addr());
    client.send_request("GET", target, fields, b"");
    assert_eq!(client.read_response().status, 200, "{target}");
    origin.request(0)
}

/// The response that a client gets to this one.
fn returns(answer: &'static str) -> Response {
    let origin = Origin::answering(answer);
    let proxy = Proxy::to(&origin.endpoint());
    let mut client = Client::connect(proxy.addr());
    client.send_request("GET", "/", &[], b"");
    client.read_response()
}

#[test]
fn connection_fields_of_a_request_stay_behind() {
    let request = arrives(
        "",
        "/",
        &[
            ("Connection", "keep-alive, X-Test-Secret, , x-test-OTHER"),
            ("connection", "X-Test-Third"),
            ("Keep-Alive", "timeout=5"),
            ("Proxy-Connection", "keep-alive"),
            ("X-Test-Secret", "1"),
            ("x-test-other", "2"),
            ("X-Test-Third", "3"),
            ("X-Test-Stays", "4"),
            ("TE", "gzip"),
            ("Upgrade", "foo"),
        ],
    );
    for gone in [
        "connection",
        "keep-alive",
        "proxy-connection",
        "x-test-secret",
        "x-test-other",
        "x-test-third",
        "te",
        "upgrade",
    ] {
        assert_eq!(request.all(gone), [""; 0], "{gone}");
    }
    assert_eq!(request.field("x-test-stays"), Some("4"));
}

#[test]
fn connection_cannot_take_away_what_the_message_needs() {
    let origin = Origin::echo();
    let proxy = Proxy::to(&origin.endpoint());
    let mut client = Client::connect(proxy.addr());
    let named = "host, content-length, transfer-encoding, trailer, x-request-id, x-forwarded-for, via";
    client.send_request("POST", "/", &[("Connection", named)], b"abc");
    assert_eq!(client.read_response().status, 200);
    let request = origin.request(0);
    assert_eq!(
        (&*request.body, request.field("host"), request.field("content-length")),
        (&b"abc"[..], Some("test"), Some("3"))
    );
    assert_eq!((request.field("x-forwarded-for"), request.field("via")), (Some("127.0.0.1"), Some("1.1 gatewright")));
    assert_eq!(request.field("x-request-id").map(str::len), Some(32));
}

#[test]
fn connection_fields_of_a_response_stay_behind() {
    let response = returns(
        "HTTP/1.1 200 OK\r\nConnection: keep-alive, X-Secret\r\nKeep-Alive: timeout=5\r\nX-Secret: 1\r\nX-Stays: 2\r\n\
         Proxy-Connection: keep-alive\r\nUpgrade: h2c\r\nTE: trailers\r\nContent-Length: 1\r\n\r\nx",
    );
    for gone in ["connection", "keep-alive", "proxy-connection", "x-secret", "upgrade", "te"] {
        assert_eq!(response.all(gone), [""; 0], "{gone}");
    }
    assert_eq!(response.field("x-stays"), Some("2"));
}

#[test]
fn end_to_end_fields_are_passed_on_as_they_are() {
    let request = arrives(
        "",
        "/",
        &[("x-test-A", "1, 2"), ("X-TEST-a", ""), ("Cookie", "a=b"), ("Cookie", "c=d"), ("Accept", "*/*;q=0.1")],
    );
    assert_eq!((request.all("x-test-a"), request.all("cookie")), (vec!["1, 2", ""], vec!["a=b", "c=d"]));
    assert!(request.raw_head.windows(8).any(|window| window == b"x-test-A"), "names keep their case");
    let response = returns(
        "HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d\r\nServer: x\r\nDate: y\r\nContent-Length: 0\r\n\r\n",
    );
    assert_eq!((response.all("set-cookie"), response.field("server")), (vec!["a=b", "c=d"], Some("x")));
    assert_eq!((response.field("date"), response.field("via")), (Some("y"), None));
}

#[test]
fn te_trailers_is_said_on_our_own_behalf() {
    for (fields, expected) in [
        (vec![("TE", "trailers"), ("Connection", "te")], Some("trailers")),
        (vec![("TE", "gzip, trailers")], Some("trailers")),
        (vec![("TE", "gzip;q=0.5")], None),
    ] {
        let request = arrives("", "/", &fields);
        assert_eq!(request.field("te"), expected, "{fields:?}");
        assert_eq!(request.field("connection"), expected.map(|_| "te"));
    }
}

#[test]
fn what_strangers_say_of_a_client_is_not_believed() {
    let said = [
        ("X-Forwarded-For", "6.6.6.6"),
        ("X-Forwarded-For", "7.7.7.7"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "evil"),
        ("Forwarded", "for=6.6.6.6"),
        ("X-Request-Id", "mine"),
    ];
    let request = arrives("", "/", &said);
    assert_eq!(request.field("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!((request.field("x-forwarded-proto"), request.field("x-forwarded-host")), (Some("http"), Some("test")));
    assert_eq!(request.field("forwarded"), None);
    assert_eq!(request.field("x-request-id").map(str::len), Some(32));
    let request = arrives("forwarded: { x_forwarded: false, via: false }", "/", &said);
    for gone in ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "forwarded", "via"] {
        assert_eq!(request.all(gone), [""; 0], "{gone}");
    }
}

#[test]
fn what_trusted_neighbours_say_is_kept_and_added_to() {
    let request = arrives(
        "trusted: [127.0.0.0/8], forwarded: { forwarded: true }",
        "/",
        &[
            ("X-Forwarded-For", "1.2.3.4"),
            ("X-Forwarded-For", "5.6.7.8"),
            ("X-Forwarded-Proto", "https"),
            ("X-Forwarded-Host", "shop.example"),
            ("Forwarded", "for=1.2.3.4;proto=https"),
            ("X-Request-Id", "req-42_A/b"),
            ("Via", "1.0 edge"),
        ],
    );
    assert_eq!(request.field("x-forwarded-for"), Some("1.2.3.4, 5.6.7.8, 127.0.0.1"));
    assert_eq!(
        (request.field("x-forwarded-proto"), request.field("x-forwarded-host")),
        (Some("https"), Some("shop.example"))
    );
    assert_eq!(request.field("forwarded"), Some("for=1.2.3.4;proto=https, for=127.0.0.1;host=test;proto=http"));
    assert_eq!(
        (request.field("x-request-id"), request.field("via")),
        (Some("req-42_A/b"), Some("1.0 edge, 1.1 gatewright"))
    );
}

#[test]
fn an_unfit_request_id_is_replaced_even_if_trusted() {
    let long = "x".repeat(200);
    for id in ["", "with space", &long, "é", "<b>", "\"", "a\\b"] {
        let request = arrives("trusted: [127.0.0.1]", "/", &[("X-Request-Id", id)]);
        assert_eq!(request.field("x-request-id").map(str::len), Some(32), "{id}");
    }
    let twice = arrives("trusted: [127.0.0.1]", "/", &[("X-Request-Id", "a"), ("X-Request-Id", "b")]);
    assert_eq!(twice.all("x-request-id").len(), 1, "one id, not two");
}

#[test]
fn forwarded_quotes_what_must_be_quoted() {
    let request = arrives("forwarded: { forwarded: true, x_forwarded: false }", "/", &[("Host", "[::1]:8080")]);
    assert_eq!(request.field("forwarded"), Some("for=127.0.0.1;host=\"[::1]:8080\";proto=http"));
    let long = format!("{}.example", "a".repeat(300));
    let request = arrives("", "/", &[("Host", &long)]);
    assert_eq!(request.field("x-forwarded-host"), Some(&*long), "never cut");
}

#[test]
fn via_has_our_name_where_it_is_wanted() {
    let origin = Origin::answering("HTTP/1.1 200 OK\r\nVia: 1.1 inner\r\nContent-Length: 0\r\n\r\n");
    let proxy = listening(&origin, "forwarded: { via: edge, via_response: true }");
    let mut client = Client::connect(proxy.addr());
    client.send("GET / HTTP/1.0\r\nHost: a\r\n\r\n");
    assert_eq!(client.read_response().field("via"), Some("1.1 inner, 1.1 edge"));
    assert_eq!(origin.request(0).field("via"), Some("1.0 edge"), "the version is the one that came in");
}

#[test]
fn the_origin_gets_the_path_that_routes_saw() {
    for (sent, expected) in [
        ("/a/../b", "/b"),
        ("/a/./b/.", "/a/b/"),
        ("/%2e%2e/%61", "/a"),
        ("/a%2Fb/..%2f", "/a%2Fb/..%2F"),
        ("/../../etc", "/etc"),
        ("//a//b", "//a//b"),
        ("/a?b=/../c&d=%2e", "/a?b=/../c&d=%2e"),
        ("/%7euser", "/~user"),
        ("/a%c3%a4", "/a%C3%A4"),
        ("/?", "/?"),
    ] {
        assert_eq!(arrives("", sent, &[]).target, expected, "{sent}");
    }
    let listener = "normalise: { merge_slashes: true, dot_segments: false, unreserved: false }";
    assert_eq!(arrives(listener, "//a///%7e/../b", &[]).target, "/a/%7e/../b");
    let origin = Origin::echo();
    let proxy = listening(&origin, "normalise: { encoded_slash: refuse }");
    let mut client = Client::connect(proxy.addr());
    client.send_request("GET", "/a%2fb", &[], b"");
    assert_eq!(client.read_response().status, 400);
    assert_eq!(origin.request_count(), 0);
}

#[test]
fn max_forwards_is_obeyed_where_it_means_something() {
    let origin = Origin::answering(ok("the origin"));
    let proxy = Proxy::to(&origin.endpoint());
    let mut client = Client::connect(proxy.addr());
    client.send_request("OPTIONS", "/", &[("Max-Forwards", "0")], b"");
    let ours = client.read_response();
    assert_eq!((ours.status, ours.field("allow").is_some(), origin.request_count()), (200, true, 0));
    client.send_request("OPTIONS", "*", &[("Max-Forwards", "2")], b"");
    assert_eq!(client.read_response().text(), "the origin");
    assert_eq!(origin.request(0).field("max-forwards"), Some("1"));
    client.send_request("GET", "/", &[("Max-Forwards", "0")], b"");
    assert_eq!(client.read_response().text(), "the origin");
    for bad in ["-1", "x", "", "+1", "99999999999999999999"] {
        let mut client = Client::connect(proxy.addr());
        client.send_request("OPTIONS", "/", &[("Max-Forwards", bad)], b"");
        assert_eq!(client.read_response().status, 400, "{bad}");
    }
}

#[test]
fn the_server_field_is_passed_removed_or_replaced_and_tells_no_version() {
    let origin = Origin::answering("HTTP/1.1 200 OK\r\nServer: Apache/2.4.1\r\nContent-Length: 0\r\n\r\n");
    for (server, of_origin, of_ours) in
        [("true", Some("Apache/2.4.1"), None), ("false", None, None), ("shop", Some("shop"), Some("shop"))]
    {
        let text = proxy::plain(&origin.endpoint(), "").replace("path: \"/*\"", "path: /known");
        let proxy =
            Proxy::start(&text.replace("bind: \"127.0.0.1:0\"", &format!("bind: \"127.0.0.1:0\", server: {server}")));
        assert_eq!(client::get(proxy.addr(), "/known").field("server"), of_origin, "{server}");
        let ours = client::get(proxy.addr(), "/unknown");
        assert_eq!((ours.status, ours.field("server")), (404, of_ours), "{server}");
        let told = format!("{:?} {}", ours.fields, ours.text());
        assert!(!told.contains(env!("CARGO_PKG_VERSION")), "no version is told: {told}");
    }
    assert!(!origin.request(0).field("via").unwrap_or_default().contains(env!("CARGO_PKG_VERSION")));
}
