//! A plain request through the proxy, and what every request has in common.

use crate::harness::{Client, Origin, Proxy, client, origin};

#[test]
fn a_request_arrives_and_its_response_returns() {
    let origin = Origin::answering(origin::ok("hello"));
    let proxy = Proxy::to(&origin.endpoint());
    let response = client::get(proxy.addr(), "/a?b=c");
    assert_eq!((response.status, response.text().as_str()), (200, "hello"));
    let request = origin.request(0);
    assert_eq!(request.target, "/a?b=c");
    assert_eq!(request.field("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(request.field("via"), Some("1.1 gatewright"));
    assert_eq!(request.field("x-request-id").map(str::len), Some(32));
}

#[test]
fn both_connections_are_kept() {
    let origin = Origin::answering(origin::ok("x"));
    let proxy = Proxy::to(&origin.endpoint());
    let mut client = Client::connect(proxy.addr());
    for _ in 0..5 {
        client.send_request("GET", "/", &[], b"");
        assert_eq!(client.read_response().status, 200);
    }
    assert_eq!((origin.request_count(), origin.connections()), (5, 1));
}

#[test]
fn bodies_go_both_ways() {
    let origin = Origin::echo();
    let proxy = Proxy::to(&origin.endpoint());
    let mut client = Client::connect(proxy.addr());
    let body = vec![b'x'; 300_000];
    client.send_request("POST", "/up", &[], &body);
    let response = client.read_response();
    assert_eq!(response.status, 200);
    assert_eq!(origin.request(0).body, body);
}
