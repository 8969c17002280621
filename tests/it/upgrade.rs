//! Upgrades: tunnels once both sides agree, ordinary exchanges when they do not.

use std::thread;

use crate::harness::origin::ok;
use crate::harness::wire::Cut;
use crate::harness::{Client, Conn, Origin, Proxy};

const SWITCH: &str =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n";
const ASK: &str = "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\n\r\n";

/// An origin that agrees to every upgrade and then runs `tunnel`.
fn agreeing(tunnel: impl Fn(&mut Conn) + Send + Sync + 'static) -> Origin {
    Origin::script(move |conn| {
        let request = conn.read_request().expect("a request");
        assert_eq!(request.field("connection").map(str::to_ascii_lowercase).as_deref(), Some("upgrade"));
        assert_eq!((request.field("upgrade"), request.field("sec-websocket-key")), (Some("websocket"), Some("k")));
        tunnel(conn);
    })
}

fn echo(conn: &mut Conn) {
    while let Some(bytes) = conn.read_some() {
        conn.send(bytes);
    }
}

#[test]
fn bytes_go_both_ways_after_101() {
    let origin = agreeing(|conn| {
        conn.send(SWITCH);
        echo(conn);
    });
    let proxy = Proxy::to(&origin.endpoint());
    let mut client = Client::connect(proxy.addr());
    client.send(ASK);
    let head = client.read_head();
    assert_eq!(head.status, 101);
    let field = |name: &str| {
        head.fields.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.to_ascii_lowercase())
    };
    assert_eq!((field("connection").as_deref(), field("upgrade").as_deref()), (Some("upgrade"), Some("websocket")));
    assert_eq!(field("sec-websocket-accept").as_deref(), Some("x"));
    for words in ["hello", "\0\r\n\r\n", "GET / HTTP/1.1\r\n\r\n"] {
        client.send(words);
        assert_eq!(client.read_exactly(words.len()), words.as_bytes());
    }
    client.half_close();
    client.expect_closed();
    origin.wait_for_open(0);
}

#[test]
fn bytes_right_behind_both_heads_are_not_lost() {
    let origin = agreeing(|conn| {
        conn.send(format!("{SWITCH}from the origin"));
        assert_eq!(conn.read_exactly(15).as_deref(), Some(&b"from the client"[..]));
    });
    let proxy = Proxy::to(&origin.endpoint());
    let mut client = Client::connect(proxy.addr());
    client.send(format!("{ASK}from the client"));
    assert_eq!(client.read_head().status, 101);
    assert_eq!(client.read_until_close(), b"from the origin");
}

#[test]
fn much_goes_both_ways_at_once() {
    const BYTES: usize = 4 * 1024 * 1024;
    let origin = agreeing(|conn| {
        conn.send(SWITCH);
        echo(conn);
    });
    let proxy = Proxy::to(&origin.endpoint());
    let mut client = Client::connect(proxy.addr());
    client.send(ASK);
    assert_eq!(client.read_head().status, 101);
    let mut sender = client.again();
    let sends = thread::spawn(move || {
        sender.send(vec![b'x'; BYTES]);
        sender.half_close();
    });
    assert_eq!(client.read_until_close().len(), BYTES);
    sends.join().expect("all is sent");
}

#[test]
fn half_closes_pass_through_a_tunnel() {
    let origin = agreeing(|conn| {
        conn.send(SWITCH);
        let (bytes, end) = conn.read_to_end();
        assert_eq!((&*bytes, end), (&b"the question"[..], Cut::Closed));
        conn.send("the answer");
    });
    let proxy = Proxy::to(&origin.endpoint());
    let mut client = Client::connect(proxy.addr());
    client.send(format!("{ASK}the question"));
    client.half_close();
    assert_eq!(client.read_head().status, 101);
    assert_eq!(client.read_until_close(), b"the answer");

    let origin = agreeing(|conn| {
        conn.send(format!("{SWITCH}first"));
        conn.half_close();
        assert_eq!(conn.read_exactly(5).as_deref(), Some(&b"later"[..]));
    });
    let proxy = Proxy::to(&origin.endpoint());
    let mut client = Client::connect(proxy.addr());
    client.send(ASK);
    assert_eq!(client.read_head().status, 101);
    assert_eq!(client.read_until_close(), b"first");
    client.send("later");
    client.half_close();
    origin.wait_for_open(0);
}

#[test]
fn a_reset_on_one_side_ends_the_other() {
    let origin = agreeing(|conn| {
        conn.send(SWITCH);
        conn.wait_for_end();
    });
    let proxy = Proxy::to(&origin.endpoint());
    let mut client = Client::connect(proxy.addr());
    client.send(ASK);
    assert_eq!(client.read_head().status, 101);
    client.reset();
    origin.wait_for_open(0);
    proxy.wait_for_failures("client_closed", 1);

    let origin = agreeing(|conn| {
        conn.send(SWITCH);
        conn.read_some();
        conn.reset();
    });
    let proxy = Proxy::to(&origin.endpoint());
    let mut client = Client::connect(proxy.addr());
    client.send(ASK);
    assert_eq!(client.read_head().status, 101);
    client.send("x");
    client.expect_closed();
}

#[test]
fn an_origin_may_decline_to_upgrade() {
    let origin = Origin::answering("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\ndeclined");
    let proxy = Proxy::to(&origin.endpoint());
    let mut client = Client::connect(proxy.addr());
    for _ in 0..2 {
        client.send(ASK);
        let response = client.read_response();
        assert_eq!((response.status, &*response.text(), response.field("upgrade")), (200, "declined", None));
    }
    assert_eq!(origin.connections(), 1);
}

#[test]
fn a_101_that_nobody_asked_for_is_a_bad_gateway() {
    for ask in [
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\n\r\n",
        "GET / HTTP/1.0\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n\r\nx",
    ] {
        let origin = Origin::script(|conn| {
            let request = conn.read_request().expect("a request");
            assert_eq!((request.field("upgrade"), request.field("connection")), (None, None));
            conn.send(SWITCH);
            conn.wait_for_end();
        });
        let proxy = Proxy::to(&origin.endpoint());
        let mut client = Client::connect(proxy.addr());
        client.send(ask);
        assert_eq!(client.read_response().status, 502, "{ask}");
        proxy.wait_for_failures("bad_response", 1);
    }
}

#[test]
fn a_101_to_a_protocol_that_was_not_offered_is_a_bad_gateway() {
    let answers = [
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\r\n",
    ];
    for answer in answers {
        let origin = agreeing(move |conn| {
            conn.send(answer);
            conn.wait_for_end();
        });
        let proxy = Proxy::to(&origin.endpoint());
        let mut client = Client::connect(proxy.addr());
        client.send(ASK);
        assert_eq!(client.read_response().status, 502, "{answer}");
    }
}

#[test]
fn http_2_by_upgrade_is_not_forwarded() {
    for protocols in ["h2c", "H2C", "websocket, h2c", "HTTP/2.0", "TLS/1.0"] {
        let origin = Origin::start(|request| {
            assert_eq!((request.field("upgrade"), request.field("connection")), (None, None));
            ok("plain")
        });
        let proxy = Proxy::to(&origin.endpoint());
        let mut client = Client::connect(proxy.addr());
        client.send(format!(
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: {protocols}\r\n\
             HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n"
        ));
        assert_eq!(client.read_response().text(), "plain");
        assert!(origin.unexpected_fields(&[]).is_empty(), "{:?}", origin.unexpected_fields(&[]));
    }
}

#[test]
fn other_protocols_may_be_tunnelled_too() {
    let origin = Origin::script(|conn| {
        let request = conn.read_request().expect("a request");
        assert_eq!((&*request.method, request.field("upgrade")), ("OPTIONS", Some("foo/2, bar")));
        conn.send("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: FOO/2\r\n\r\n");
        echo(conn);
    });
    let proxy = Proxy::to(&origin.endpoint());
    let mut client = Client::connect(proxy.addr());
    client.send("OPTIONS /x HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: foo/2, bar\r\n\r\n");
    assert_eq!(client.read_head().status, 101);
    client.send("ping");
    assert_eq!(client.read_exactly(4), b"ping");
}

#[test]
fn a_request_with_a_body_or_a_pipelined_one_does_not_leak_into_a_tunnel() {
    let origin = Origin::script(|conn| {
        while let Some(request) = conn.read_request() {
            if request.field("upgrade").is_some() {
                conn.send(SWITCH);
                return echo(conn);
            }
            conn.send(ok(request.body));
        }
    });
    let proxy = Proxy::to(&origin.endpoint());
    let mut client = Client::connect(proxy.addr());
    client.send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc{ASK}ping"));
    assert_eq!(client.read_response().text(), "abc");
    assert_eq!(client.read_head().status, 101);
    assert_eq!(client.read_exactly(4), b"ping");
}
