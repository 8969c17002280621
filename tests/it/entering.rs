//! What happens before the first request: policies at `connection`, the PROXY header, limits on connections.

use crate::harness::wire::Cut;
use crate::harness::{Client, Origin, Proxy, client, proxy};

const REFUSED: &str = "gatewright_connections_refused_total";

/// A proxy to an origin, with these keys at its listener, at its route and at the top.
fn text(origin: &Origin, listener: &str, route: &str, more: &str) -> String {
    let plain = proxy::plain(&origin.endpoint(), more);
    let plain = plain.replace("bind: \"127.0.0.1:0\"", &format!("bind: \"127.0.0.1:0\", {listener}"));
    plain.replace("to: origin }", &format!("to: origin, {route} }}"))
}

fn addresses(with: &str) -> String {
    format!("use: [ {{ policy: addresses, with: {{ {with} }} }} ]")
}

/// Connects, asks, and says how the connection ended before any answer.
fn closed(proxy: &Proxy) -> Cut {
    let mut client = Client::connect(proxy.addr());
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let (bytes, end) = client.read_to_end();
    assert_eq!(bytes, b"", "nothing is said to who may not come in");
    end
}

#[test]
fn a_stranger_is_closed_at_a_listener_and_answered_at_a_route() {
    let origin = Origin::echo();
    for (place, listener, more) in [
        ("listener", addresses("deny: [127.0.0.0/8]"), String::new()),
        ("file", String::new(), addresses("allow: [10.0.0.0/8]")),
    ] {
        let proxy = Proxy::start(&text(&origin, &listener, "", &more));
        assert!(matches!(closed(&proxy), Cut::Closed | Cut::Reset), "{place}");
        proxy.wait_for_metric(REFUSED, "{listener=\"web\",reason=\"policy_refused\"}", 1);
        assert_eq!(proxy.metric("gatewright_failures_total", "policy_refused"), 0, "no exchange began");
    }
    let proxy = Proxy::start(&text(&origin, "", &addresses("deny: [127.0.0.1]"), ""));
    assert_eq!(client::get(proxy.addr(), "/").status, 403);
    let proxy = Proxy::start(&text(&origin, &addresses("allow: [127.0.0.1]"), &addresses("deny: [127.0.0.2]"), ""));
    assert_eq!(client::get(proxy.addr(), "/").status, 200);
}

#[test]
fn an_observed_list_closes_nobody_and_a_conditional_one_waits_for_the_request() {
    let origin = Origin::echo();
    let observed = "use: [ { policy: addresses, mode: observe, with: { deny: [127.0.0.1] } } ]";
    let proxy = Proxy::start(&text(&origin, observed, "", ""));
    assert_eq!(client::get(proxy.addr(), "/").status, 200);
    let observed = "gatewright_policy_observed_total";
    proxy.wait_for_metric(observed, "hook=\"connection\",verdict=\"Close\"", 1);
    proxy.wait_for_metric(observed, "hook=\"request\",verdict=\"Answer\"", 1);
    let posts = "use: [ { policy: addresses, when: { method: POST }, with: { deny: [127.0.0.1] } } ]";
    let proxy = Proxy::start(&text(&origin, posts, "", ""));
    let mut client = Client::connect(proxy.addr());
    client.send_request("GET", "/", &[], b"");
    assert_eq!(client.read_response().status, 200);
    client.send_request("POST", "/", &[], b"");
    assert_eq!(client.read_response().status, 403);
}

#[test]
fn a_list_that_comes_with_a_reload_holds_for_open_connections_too() {
    let origin = Origin::echo();
    let proxy = Proxy::start(&text(&origin, "trusted: []", "", ""));
    let mut client = Client::connect(proxy.addr());
    client.send_request("GET", "/", &[], b"");
    assert_eq!(client.read_response().status, 200);
    proxy.reload(&text(&origin, &addresses("deny: [127.0.0.1]"), "", "")).expect("a good configuration");
    client.send_request("GET", "/", &[], b"");
    assert_eq!(client.read_response().status, 403);
    closed(&proxy);
    proxy.reload(&text(&origin, "trusted: []", "", "")).expect("a good configuration");
    assert_eq!(client::get(proxy.addr(), "/").status, 200);
}
