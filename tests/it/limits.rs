//! What one client may take from the others: bodies, connections, requests, time.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use gatewright::limits::CLIENT_RATE_WINDOW_MS;
use gatewright::wire::proxy_header::{self, Version};

use crate::harness::origin::ok;
use crate::harness::{Client, Origin, Proxy, client, h2, proxy};

fn text(origin: &Origin, listener: &str, route: &str) -> String {
    let plain = proxy::plain(&origin.endpoint(), "");
    let plain = plain.replace("bind: \"127.0.0.1:0\"", &format!("bind: \"127.0.0.1:0\", {listener}"));
    plain.replace("to: origin }", &format!("to: origin, {route} }}"))
}

fn limited(origin: &Origin, limits: &str) -> Proxy {
    Proxy::start(&text(origin, &format!("limits: {{ {limits} }}"), ""))
}

fn post(proxy: &Proxy, fields: &str, body: &str) -> u16 {
    let mut client = Client::connect(proxy.addr());
    client.send(format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n{body}"));
    client.read_response_to("POST").status
}

#[test]
fn a_body_over_its_limit_is_refused_at_once_or_on_its_way() {
    let origin = Origin::answering(ok("x"));
    let proxy = limited(&origin, "body: 10");
    assert_eq!(post(&proxy, "Content-Length: 10", "0123456789"), 200);
    assert_eq!(post(&proxy, "Transfer-Encoding: chunked", "5\r\n01234\r\n5\r\n56789\r\n0\r\n\r\n"), 200);
    assert_eq!(origin.request_count(), 2);
    // The client has not sent a byte of it yet, nor is it told to go on.
    assert_eq!(post(&proxy, "Content-Length: 11", ""), 413);
    assert_eq!(post(&proxy, "Content-Length: 11\r\nExpect: 100-continue", ""), 413);
    assert_eq!(origin.request_count(), 2, "nothing of it is seen by the origin");
    let mut client = Client::connect(proxy.addr());
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n");
    client.send("6\r\n567890\r\n0\r\n\r\n");
    assert_eq!(client.read_response_to("POST").status, 413);
    client.expect_closed();
    proxy.wait_for_failures("body_too_large", 3);

    let proxy = Proxy::start(&text(&origin, "limits: { body: 10 }", "limits: { body: 1KiB }"));
    assert_eq!(post(&proxy, "Content-Length: 11", "0123456789a"), 200, "the route's goes before the listener's");
    let proxy = Proxy::start(&text(&origin, "trusted: []", "limits: { body: 10 }"));
    assert_eq!(post(&proxy, "Content-Length: 11", ""), 413);
}

#[test]
fn an_address_holds_so_many_connections_over_all_workers() {
    let origin = Origin::answering(ok("x"));
    let proxy = limited(&origin, "connections_per_address: 3");
    let ask = |client: &mut Client| {
        client.send_request("GET", "/", &[], b"");
        client.try_read_response_to("GET").map(|response| response.status).ok()
    };
    let mut held: Vec<Client> = (0..3).map(|_| Client::connect(proxy.addr())).collect();
    assert!(held.iter_mut().all(|client| ask(client) == Some(200)));
    for count in 1..=5 {
        Client::connect(proxy.addr()).expect_closed();
        proxy.wait_for_metric("gatewright_connections_refused_total", "\"address_connections\"", count);
    }
    held.pop();
    proxy.wait_for_metric("gatewright_connections{", "web", 2);
    assert_eq!(ask(&mut Client::connect(proxy.addr())), Some(200));

    let announced = "trusted: [127.0.0.1], proxy_protocol: true, limits: { connections_per_address: 1 }";
    let proxy = Proxy::start(&text(&origin, announced, ""));
    let from = |address: &str| {
        let (mut client, mut header) = (Client::connect(proxy.addr()), Vec::new());
        proxy_header::write(Version::V2, Some((address.parse().unwrap(), proxy.addr())), &mut header);
        client.send(header);
        client
    };
    let (mut one, mut other) = (from("192.0.2.1:1"), from("192.0.2.2:1"));
    assert_eq!((ask(&mut one), ask(&mut other)), (Some(200), Some(200)));
    from("192.0.2.1:2").expect_closed();
}

#[test]
fn a_connection_asks_so_often_and_so_fast() {
    let origin = Origin::answering(ok("x"));
    let proxy = limited(&origin, "requests_per_second: 5");
    let mut fast = Client::connect(proxy.addr());
    let mut statuses = Vec::new();
    for _ in 0..6 {
        fast.send_request("GET", "/", &[], b"");
        statuses.push(fast.read_response().status);
    }
    assert_eq!(statuses, [200, 200, 200, 200, 200, 429]);
    fast.expect_closed();
    proxy.wait_for_failures("request_rate", 1);
    assert_eq!(client::get(proxy.addr(), "/").status, 200, "another connection has its own");
    let two = h2::Client::connect(proxy.addr());
    let statuses: Vec<u16> = (0..8).map(|_| two.get("http://a/").status).collect();
    assert_eq!(statuses[..5], [200; 5]);
    assert_eq!(statuses[7], 429, "{statuses:?}");

    let proxy = limited(&origin, "requests_per_connection: 3");
    let mut client = Client::connect(proxy.addr());
    for last in [None, None, Some("close")] {
        client.send_request("GET", "/", &[], b"");
        assert_eq!(client.read_response().field("connection"), last);
    }
    client.expect_closed();
    let two = h2::Client::connect(proxy.addr());
    assert!((0..3).all(|_| two.get("http://a/").status == 200), "the last one is served too");
    proxy.wait_for_metric("gatewright_connections{", "web", 0);
}

/// Both ways at once, because it takes its time: the window is what it is.
#[test]
fn who_drips_is_ended_and_the_others_are_served() {
    let big = vec![b'x'; 32 * 1024 * 1024];
    let origin = Origin::start(move |request| if request.target == "/big" { ok(&big) } else { ok("x") });
    let proxy = Proxy::start(&text(&origin, "limits: { min_rate: 240 }", ""));
    let (addr, began) = (proxy.addr(), Instant::now());
    let (done, over) = mpsc::channel();
    let patience = Duration::from_millis(3 * CLIENT_RATE_WINDOW_MS);
    let writer = {
        let done = done.clone();
        std::thread::spawn(move || {
            let mut client = Client::connect(addr);
            client.wait_for(patience);
            client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
            let mut reader = client.again();
            reader.wait_for(patience);
            let drip = std::thread::spawn(move || {
                while client.try_send("x") && began.elapsed() < patience {
                    std::thread::park_timeout(Duration::from_millis(500));
                }
            });
            let status = reader.read_response_to("POST").status;
            done.send(("writer", began.elapsed())).unwrap();
            drop(reader);
            drip.join().unwrap();
            status
        })
    };
    std::thread::spawn(move || {
        let mut client = Client::connect(addr);
        client.send_request("GET", "/big", &[], b"");
        let _head = client.read_head();
        for _ in 0..2 * CLIENT_RATE_WINDOW_MS / 500 {
            client.read_exactly(1);
            std::thread::park_timeout(Duration::from_millis(500));
        }
        done.send(("reader", began.elapsed())).unwrap();
    });
    while proxy.metric("gatewright_failures_total", "\"client_slow\"") < 2 {
        assert_eq!(client::get(addr, "/").status, 200, "the others");
        assert!(began.elapsed() < patience, "they drip for ever");
        std::thread::park_timeout(Duration::from_millis(50));
    }
    assert!(
        began.elapsed() >= Duration::from_millis(CLIENT_RATE_WINDOW_MS),
        "nobody is ended before the window is over"
    );
    assert_eq!(writer.join().unwrap(), 408);
    drop(over);
}
