//! Connections to origins: kept, noticed when they have died, and never trusted with a byte that nobody asked for.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};

use crate::harness::origin::ok;
use crate::harness::wire::Cut;
use crate::harness::{Client, Conn, Origin, Proxy};

/// An origin whose first connection runs `first` and whose others answer everything with `fresh`.
fn first_then_fresh(first: impl Fn(&mut Conn) + Send + Sync + 'static) -> Origin {
    Origin::script(move |conn| {
        if conn.number() == 0 {
            return first(conn);
        }
        while conn.read_request().is_some() {
            conn.send(ok("fresh"));
        }
    })
}

/// One exchange over a client's connection: the status and the body.
fn ask(client: &mut Client, method: &str, body: &[u8]) -> (u16, String) {
    client.send_request(method, "/", &[], body);
    let response = client.read_response_to(method);
    (response.status, response.text())
}

#[test]
fn a_connection_that_died_while_idle_is_not_used() {
    for (method, body) in [("GET", &b""[..]), ("POST", b"abc"), ("POST", b""), ("PATCH", b"abc")] {
        for reset in [false, true] {
            let origin = first_then_fresh(move |conn| {
                conn.read_request();
                conn.send(ok("first"));
                if reset {
                    conn.reset();
                }
            });
            let proxy = Proxy::to(&origin.endpoint());
            let mut client = Client::connect(proxy.addr());
            assert_eq!(ask(&mut client, "GET", b"").1, "first");
            origin.wait_for_open(0);
            assert_eq!(ask(&mut client, method, body), (200, "fresh".to_owned()), "{method} reset {reset}");
        }
    }
}

#[test]
fn a_get_on_a_connection_that_closes_instead_is_repeated_once() {
    for reset in [false, true] {
        let origin = first_then_fresh(move |conn| {
            conn.read_request();
            conn.send(ok("first"));
            conn.read_request();
            if reset {
                conn.reset();
            }
        });
        let proxy = Proxy::to(&origin.endpoint());
        let mut client = Client::connect(proxy.addr());
        assert_eq!(ask(&mut client, "GET", b"").1, "first");
        assert_eq!(ask(&mut client, "GET", b""), (200, "fresh".to_owned()));
        assert_eq!((origin.request_count(), origin.connections()), (3, 2));
    }
}

#[test]
fn a_request_that_may_have_had_an_effect_is_never_repeated() {
    for (method, body) in [("POST", &b"abc"[..]), ("POST", b""), ("PATCH", b"x"), ("PUT", b"a body that is gone")] {
        let origin = first_then_fresh(|conn| {
            conn.read_request();
            conn.send(ok("first"));
            conn.read_request();
        });
        let proxy = Proxy::to(&origin.endpoint());
        let mut client = Client::connect(proxy.addr());
        assert_eq!(ask(&mut client, "GET", b"").1, "first");
        assert_eq!(ask(&mut client, method, body).0, 502, "{method}");
        proxy.wait_for_failures("upstream_closed", 1);
        assert_eq!(origin.request_count(), 2);
    }
}

#[test]
fn an_origin_that_always_closes_is_not_asked_for_ever() {
    let origin = Origin::script(|conn| drop(conn.read_request()));
    let proxy = Proxy::to(&origin.endpoint());
    let mut client = Client::connect(proxy.addr());
    assert_eq!(ask(&mut client, "GET", b"").0, 502);
    assert!(origin.request_count() <= 3, "asked {} times", origin.request_count());
}

#[test]
fn bytes_nobody_asked_for_never_answer_a_request() {
    const POISON: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison";
    for apart in [false, true] {
        let (told, more) = mpsc::channel();
        let more = Mutex::new(more);
        let origin = first_then_fresh(move |conn| {
            conn.read_request();
            if apart {
                conn.send(ok("first"));
                more.lock().expect("a lock").recv().expect("a word");
                conn.send(POISON);
            } else {
                conn.send([&ok("first"), POISON].concat());
            }
            conn.wait_for_end();
        });
        let proxy = Proxy::to(&origin.endpoint());
        let mut client = Client::connect(proxy.addr());
        assert_eq!(ask(&mut client, "GET", b"").1, "first");
        told.send(()).expect("a listener");
        if apart {
            origin.wait_for_open(0); // the sweep closes what has said something while idle
        }
        assert_eq!(ask(&mut client, "GET", b"").1, "fresh");
        assert_eq!(ask(&mut client, "POST", b"x").1, "fresh");
    }
}

#[test]
fn a_body_behind_an_answer_to_head_is_not_the_next_answer() {
    let origin = first_then_fresh(|conn| {
        conn.read_request();
        conn.send(ok("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"));
        conn.wait_for_end();
    });
    let proxy = Proxy::to(&origin.endpoint());
    let mut client = Client::connect(proxy.addr());
    client.send_request("HEAD", "/", &[], b"");
    assert_eq!(client.read_response_to("HEAD").status, 200);
    assert_eq!(ask(&mut client, "GET", b"").1, "fresh");
}

#[test]
fn an_origin_that_says_close_is_not_asked_again() {
    for answer in [
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx",
        "HTTP/1.1 200 OK\r\nConnection: foo, Close\r\nContent-Length: 1\r\n\r\nx",
        "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx",
    ] {
        let origin = first_then_fresh(move |conn| {
            conn.read_request();
            conn.send(answer);
            assert_eq!(conn.wait_for_end(), Cut::Closed, "the proxy closes");
        });
        let proxy = Proxy::to(&origin.endpoint());
        let mut client = Client::connect(proxy.addr());
        client.send_request("GET", "/", &[], b"");
        let response = client.read_response();
        assert_eq!((response.text().as_str(), response.field("connection")), ("x", None));
        assert_eq!(ask(&mut client, "GET", b"").1, "fresh", "{answer}");
    }
}

#[test]
fn an_http_10_origin_may_keep_its_connection() {
    let origin = Origin::answering("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx");
    let proxy = Proxy::to(&origin.endpoint());
    let mut client = Client::connect(proxy.addr());
    assert_eq!((ask(&mut client, "GET", b"").0, ask(&mut client, "GET", b"").0), (200, 200));
    assert_eq!(origin.connections(), 1);
}

#[test]
fn a_response_that_is_cut_is_seen_to_be_cut() {
    for (head, reset) in [
        ("Content-Length: 10\r\n\r\nhalf", false),
        ("Content-Length: 10\r\n\r\nhalf", true),
        ("Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", false),
        ("Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", true),
        ("Transfer-Encoding: chunked\r\n\r\n8\r\nhalf", false),
        ("Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\n", false),
        ("Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\nX: a\r\n", false),
        ("Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nXX\r\n", false),
        ("X: by the end of the connection\r\n\r\nhalf", true),
    ] {
        let (told, go) = mpsc::channel();
        let go = Mutex::new(go);
        let origin = Origin::script(move |conn| {
            conn.read_request();
            conn.send(format!("HTTP/1.1 200 OK\r\n{head}"));
            go.lock().expect("a lock").recv().expect("a word");
            if reset {
                conn.reset();
            }
        });
        let proxy = Proxy::to(&origin.endpoint());
        for version in ["1.1", "1.0"] {
            let mut client = Client::connect(proxy.addr());
            client.send(format!("GET / HTTP/{version}\r\nHost: a\r\n\r\n"));
            let arrived = client.read_head();
            assert_eq!(arrived.status, 200);
            told.send(()).expect("a listener");
            let cut = client.try_read_body(arrived.framing).expect_err("a whole response");
            assert!(matches!(cut, Cut::Short | Cut::Reset), "{head} {version}: {cut}");
        }
        proxy.wait_for_failures(if head.contains("XX") { "bad_response" } else { "upstream_truncated" }, 2);
    }
}

#[test]
fn an_origin_that_goes_before_or_inside_its_head_is_a_bad_gateway() {
    for (bytes, reset) in
        [("", false), ("", true), ("HTTP/1.1 200 OK\r\nX: a", false), ("HTTP/1.1 200 OK\r\nX: a", true)]
    {
        let origin = Origin::script(move |conn| {
            conn.read_request();
            conn.send(bytes);
            if reset {
                conn.reset();
            }
        });
        let proxy = Proxy::to(&origin.endpoint());
        let mut client = Client::connect(proxy.addr());
        assert_eq!(ask(&mut client, "POST", b"x").0, 502, "{bytes} {reset}");
        assert_eq!(ask(&mut client, "POST", b"x").0, 502, "the client's connection goes on");
    }
}

#[test]
fn an_unreachable_endpoint_is_passed_over() {
    let (absent, origin) = (Origin::absent(), Origin::answering(ok("here")));
    let yaml = format!(
        "version: 1\naccess_log: off\nlisteners: {{ web: {{ bind: \"127.0.0.1:0\" }} }}\n\
         upstreams: {{ origin: {{ endpoints: [\"{}\", \"{}\"] }} }}\nroutes: [ {{ match: {{ path: \"/*\" }}, to: origin }} ]\n",
        absent.addr(),
        origin.endpoint()
    );
    let proxy = Proxy::start(&yaml);
    let mut client = Client::connect(proxy.addr());
    for method in ["GET", "POST", "GET", "POST"] {
        assert_eq!(ask(&mut client, method, if method == "POST" { b"body" } else { b"" }), (200, "here".to_owned()));
    }
    assert!(origin.requests().iter().all(|request| request.complete));
    let alone = Proxy::to(&absent.addr().to_string());
    assert_eq!(ask(&mut Client::connect(alone.addr()), "GET", b"").0, 502);
    alone.wait_for_failures("connect_failed", 1);
}

#[test]
fn a_client_that_resets_while_it_waits_cancels_the_request() {
    let origin = Origin::script(|conn| {
        conn.read_request();
        conn.wait_for_end();
    });
    let proxy = Proxy::to(&origin.endpoint());
    for more in ["", "GET /next HTTP/1.1\r\nHost: a\r\n\r\n"] {
        let seen = origin.request_count();
        let mut client = Client::connect(proxy.addr());
        client.send(format!("GET / HTTP/1.1\r\nHost: a\r\n\r\n{more}"));
        origin.request(seen);
        client.reset();
        origin.wait_for_open(0);
    }
}

#[test]
fn a_client_that_resets_inside_a_response_cancels_it() {
    let origin = Origin::script(|conn| {
        conn.read_request();
        conn.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        while conn.send(format!("10000\r\n{}\r\n", "x".repeat(0x10000))) {}
    });
    let proxy = Proxy::to(&origin.endpoint());
    let mut client = Client::connect(proxy.addr());
    client.send_request("GET", "/", &[], b"");
    assert_eq!(client.read_head().status, 200);
    client.reset();
    origin.wait_for_open(0);
}

#[test]
fn over_a_limit_is_503_at_once() {
    for limit in ["requests: 1", "connections: 1"] {
        let origin = Origin::script(|conn| {
            conn.read_request();
            conn.wait_for_end();
        });
        let yaml = format!(
            "version: 1\naccess_log: off\nlisteners: {{ web: {{ bind: \"127.0.0.1:0\" }} }}\n\
             upstreams: {{ origin: {{ endpoints: [\"{}\"], limits: {{ {limit} }} }} }}\n\
             routes: [ {{ match: {{ path: \"/*\" }}, to: origin }} ]\n",
            origin.endpoint()
        );
        let proxy = Proxy::start(&yaml);
        let mut first = Client::connect(proxy.addr());
        first.send_request("GET", "/", &[], b"");
        origin.request(0);
        let mut second = Client::connect(proxy.addr());
        assert_eq!(ask(&mut second, "GET", b"").0, 503, "{limit}");
        assert_eq!(ask(&mut second, "POST", b"x").0, 503, "{limit}");
        first.reset();
        proxy.wait_for_metric("gatewright_upstream_in_flight", "origin", 0);
        proxy.wait_for_metric("gatewright_upstream_connections", "origin", 0);
        let mut third = Client::connect(proxy.addr());
        third.send_request("GET", "/", &[], b"");
        origin.request(1);
    }
}

#[test]
fn many_clients_share_few_connections() {
    let most = Arc::new(AtomicUsize::new(0));
    let seen = most.clone();
    let origin = Origin::script(move |conn| {
        seen.fetch_max(conn.number() + 1, Ordering::Relaxed);
        while conn.read_request().is_some() {
            conn.send(ok("x"));
        }
    });
    let proxy = Proxy::to(&origin.endpoint());
    for _ in 0..40 {
        assert_eq!(ask(&mut Client::connect(proxy.addr()), "GET", b"").0, 200);
    }
    assert!(
        most.load(Ordering::Relaxed) <= 4,
        "{} connections for one request at a time",
        most.load(Ordering::Relaxed)
    );
}

#[test]
fn idle_connections_of_one_worker_do_not_keep_another_from_connecting() {
    let origin = Origin::answering(ok("x"));
    let endpoint = origin.endpoint();
    let proxy = Proxy::start(&format!(
        "version: 1\naccess_log: off\nlisteners: {{ web: {{ bind: \"127.0.0.1:0\" }} }}\n\
         upstreams: {{ origin: {{ endpoints: [\"{endpoint}\"], limits: {{ connections: 1 }} }} }}\n\
         routes: [ {{ match: {{ path: \"/*\" }}, to: origin }} ]\n"
    ));
    for _ in 0..20 {
        // A new connection each: the kernel hands them to either worker.
        assert_eq!(crate::harness::client::get(proxy.addr(), "/").status, 200);
    }
}
