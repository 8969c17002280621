//! Every wait has an end, and none of them holds up anybody else.

use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::harness::origin::ok;
use crate::harness::wire::Cut;
use crate::harness::{Client, Conn, Origin, Proxy};

/// A proxy with these timeouts of the listener and of the upstream.
fn timed(endpoint: &str, listener: &str, upstream: &str) -> Proxy {
    Proxy::start(&format!(
        "version: 1\naccess_log: off\nlisteners: {{ web: {{ bind: \"127.0.0.1:0\", timeouts: {{ {listener} }} }} }}\n\
         upstreams: {{ origin: {{ endpoints: [\"{endpoint}\"], timeouts: {{ {upstream} }} }} }}\n\
         routes: [ {{ match: {{ path: \"/*\" }}, to: origin }} ]\n"
    ))
}

/// Answers at once, except where the target names the script.
fn origin_with(slow: impl Fn(&mut Conn) + Send + Sync + 'static) -> Origin {
    Origin::script(move |conn| {
        while let Some(head) = conn.read_head() {
            if head.target == "/slow" {
                slow(conn);
                conn.wait_for_end();
                return;
            }
            if conn.read_body(&head).is_none() || !conn.send(ok("quick")) {
                return;
            }
        }
    })
}

/// Others are served while somebody waits.
fn others_are_served(proxy: &Proxy) {
    for _ in 0..4 {
        let mut client = Client::connect(proxy.addr());
        client.send_request("GET", "/quick", &[], b"");
        assert_eq!(client.read_response().text(), "quick");
    }
}

#[test]
fn a_client_that_says_nothing_is_let_go() {
    let origin = origin_with(|_| {});
    let proxy = timed(&origin.endpoint(), "head: 100ms, idle: 150ms", "");
    let mut silent = Client::connect(proxy.addr());
    let mut idle = Client::connect(proxy.addr());
    idle.send_request("GET", "/quick", &[], b"");
    assert_eq!(idle.read_response().status, 200);
    others_are_served(&proxy);
    silent.expect_closed();
    idle.expect_closed();
}

#[test]
fn a_head_that_does_not_end_is_408() {
    let origin = origin_with(|_| {});
    let proxy = timed(&origin.endpoint(), "head: 150ms", "");
    for part in ["G", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nHost: a\r\nX: ", "GET / HTTP/1.1\r\nHost: a\r\n\r"] {
        let mut client = Client::connect(proxy.addr());
        client.send(part);
        others_are_served(&proxy);
        assert_eq!(client.read_response().status, 408, "{part}");
        client.expect_closed();
    }
    proxy.wait_for_failures("head_timeout", 4);
}

#[test]
fn a_head_that_drips_is_408_all_the_same() {
    let origin = origin_with(|_| {});
    let proxy = timed(&origin.endpoint(), "head: 200ms", "");
    let mut client = Client::connect(proxy.addr());
    client.wait_for(Duration::from_millis(20));
    client.send("GET / HTTP/1.1\r\n");
    let began = Instant::now();
    let response = loop {
        assert!(began.elapsed() < Duration::from_secs(5), "dripping goes on for ever");
        client.try_send("X: a\r\n");
        match client.try_read_response_to("GET") {
            Ok(response) => break response,
            Err(cut) => assert_eq!(cut, Cut::Stalled),
        }
    };
    assert_eq!(response.status, 408);
}

#[test]
fn a_body_that_does_not_come_is_408() {
    let origin = origin_with(|_| {});
    let proxy = timed(&origin.endpoint(), "body: 150ms", "");
    for body in [
        "Content-Length: 10\r\n\r\nhalf",
        "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        "Content-Length: 1\r\n\r\n",
    ] {
        let mut client = Client::connect(proxy.addr());
        client.send(format!("POST /quick HTTP/1.1\r\nHost: a\r\n{body}"));
        others_are_served(&proxy);
        assert_eq!(client.read_response().status, 408, "{body}");
        client.expect_closed();
    }
    origin.wait_for_cut_short(3);
    proxy.wait_for_failures("body_timeout", 3);
}

#[test]
fn an_origin_that_does_not_answer_is_504() {
    let origin = origin_with(|_| {});
    let proxy = timed(&origin.endpoint(), "", "first_byte: 150ms");
    for (method, body) in [("GET", &b""[..]), ("POST", b"abc")] {
        let mut client = Client::connect(proxy.addr());
        client.send_request(method, "/slow", &[], body);
        others_are_served(&proxy);
        assert_eq!(client.read_response().status, 504, "{method}");
        client.send_request("GET", "/quick", &[], b"");
        assert_eq!(client.read_response().status, 200, "the client's connection goes on");
    }
    let slow = origin.requests().iter().filter(|request| request.target == "/slow").count();
    assert_eq!(slow, 2, "a timeout is no invitation to ask again");
    proxy.wait_for_failures("first_byte_timeout", 2);
}

#[test]
fn a_slow_client_is_not_the_origins_fault() {
    let origin = origin_with(|_| {});
    let proxy = timed(&origin.endpoint(), "body: 10s", "first_byte: 60ms");
    let mut client = Client::connect(proxy.addr());
    client.send("POST /quick HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\na");
    client.wait_for(Duration::from_millis(250));
    assert_eq!(client.try_read_response_to("POST").expect_err("an answer"), Cut::Stalled);
    client.wait_for(Duration::from_secs(5));
    client.send("b");
    assert_eq!(client.read_response().text(), "quick");
}

#[test]
fn an_origin_that_falls_silent_is_cut_off() {
    let origin = origin_with(|conn| {
        conn.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
    });
    let proxy = timed(&origin.endpoint(), "", "idle: 150ms");
    let mut client = Client::connect(proxy.addr());
    client.send_request("GET", "/slow", &[], b"");
    others_are_served(&proxy);
    let cut = client.try_read_response_to("GET").expect_err("a whole response");
    assert!(matches!(cut, Cut::Short | Cut::Reset), "{cut}");
    proxy.wait_for_failures("upstream_idle_timeout", 1);
}

#[test]
fn an_exchange_that_takes_too_long_is_504_or_cut() {
    let origin = origin_with(|_| {});
    let proxy = timed(&origin.endpoint(), "", "total: 200ms");
    let mut client = Client::connect(proxy.addr());
    client.send_request("GET", "/slow", &[], b"");
    others_are_served(&proxy);
    assert_eq!(client.read_response().status, 504);

    let drip = origin_with(|conn| {
        conn.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        conn.wait_for(Duration::from_millis(20));
        while conn.wait_for_end() == Cut::Stalled && conn.send("1\r\nx\r\n") {}
    });
    let proxy = timed(&drip.endpoint(), "", "total: 200ms");
    let mut client = Client::connect(proxy.addr());
    client.send_request("GET", "/slow", &[], b"");
    let cut = client.try_read_response_to("GET").expect_err("a whole response");
    assert!(matches!(cut, Cut::Short | Cut::Reset), "{cut}");
    proxy.wait_for_failures("total_timeout", 1);
}

#[test]
fn a_routes_timeouts_go_before_the_upstreams() {
    let origin = origin_with(|_| {});
    let proxy = Proxy::start(&format!(
        "version: 1\naccess_log: off\nlisteners: {{ web: {{ bind: \"127.0.0.1:0\" }} }}\n\
         upstreams: {{ origin: {{ endpoints: [\"{}\"], timeouts: {{ first_byte: 1h }} }} }}\n\
         routes: [ {{ match: {{ path: \"/*\" }}, to: origin, timeouts: {{ first_byte: 100ms }} }} ]\n",
        origin.endpoint()
    ));
    let mut client = Client::connect(proxy.addr());
    client.send_request("GET", "/slow", &[], b"");
    assert_eq!(client.read_response().status, 504);
}

#[test]
fn an_endpoint_that_does_not_accept_is_a_connect_timeout() {
    let full = Full::new();
    let proxy = timed(&full.addr.to_string(), "", "connect: 100ms");
    let mut client = Client::connect(proxy.addr());
    client.send_request("GET", "/", &[], b"");
    assert_eq!(client.read_response().status, 504);
    proxy.wait_for_failures("connect_timeout", 1);
}

#[test]
fn a_client_that_leaves_while_we_connect_is_noticed() {
    let full = Full::new();
    let proxy = timed(&full.addr.to_string(), "", "connect: 1h");
    let mut client = Client::connect(proxy.addr());
    client.send_request("GET", "/", &[], b"");
    proxy.wait_for_metric("gatewright_upstream_in_flight", "origin", 1);
    client.reset();
    proxy.wait_for_failures("client_closed", 1);
}

/// A listener whose backlog is full: further connections are neither accepted nor refused.
struct Full {
    addr: SocketAddr,
    _held: (socket2::Socket, TcpStream),
}

impl Full {
    fn new() -> Full {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
        socket.bind(&"127.0.0.1:0".parse::<SocketAddr>().expect("an address").into()).expect("a port");
        socket.listen(0).expect("a listener");
        let addr = socket.local_addr().expect("an address").as_socket().expect("a TCP address");
        let first = TcpStream::connect(addr).expect("the one place in the queue");
        Full { addr, _held: (socket, first) }
    }
}

#[test]
fn a_client_that_does_not_read_is_let_go() {
    let origin = origin_with(|conn| {
        conn.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        while conn.send(format!("10000\r\n{}\r\n", "x".repeat(0x10000))) {}
    });
    let proxy = timed(&origin.endpoint(), "body: 150ms", "");
    let mut client = Client::connect(proxy.addr());
    client.send_request("GET", "/slow", &[], b"");
    assert_eq!(client.read_head().status, 200);
    others_are_served(&proxy);
    proxy.wait_for_failures("client_stalled", 1);
    let (_, end) = client.read_to_end();
    assert_ne!(end, Cut::Stalled);
}

#[test]
fn a_client_that_reads_slowly_but_reads_is_served() {
    let origin = Origin::answering(ok(vec![b'x'; 4_000_000]));
    let proxy = timed(&origin.endpoint(), "body: 2s", "idle: 60ms");
    let mut client = Client::connect(proxy.addr());
    client.send_request("GET", "/", &[], b"");
    let head = client.read_head();
    client.wait_for(Duration::from_secs(5));
    others_at_least(&proxy, Duration::from_millis(150));
    assert_eq!(client.read_body(head.framing).bytes.len(), 4_000_000);
}

/// Keeps the proxy busy for a while, in which the first client does not read.
fn others_at_least(proxy: &Proxy, time: Duration) {
    let began = Instant::now();
    while began.elapsed() < time {
        let mut client = Client::connect(proxy.addr());
        client.send_request("GET", "/", &[], b"");
        assert_eq!(client.read_response().status, 200);
    }
}
