//! What happens before the first request: policies at `connection`, the PROXY header, limits on connections.

use std::time::Duration;

use gatewright::wire::proxy_header::{self, Version};

use crate::harness::origin::ok;
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

const ANNOUNCED: &str = "trusted: [127.0.0.1], proxy_protocol: true";

fn header(version: Version, from: &str) -> Vec<u8> {
    let mut out = Vec::new();
    proxy_header::write(version, Some((from.parse().unwrap(), "198.51.100.1:443".parse().unwrap())), &mut out);
    out
}

/// Sends these bytes, then a request; the answer's status and what the origin was told of the client.
fn announce(proxy: &Proxy, origin: &Origin, begins: &[u8]) -> (u16, String) {
    let mut client = Client::connect(proxy.addr());
    let before = origin.request_count();
    client.send([begins, b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n"].concat());
    let status = client.read_response().status;
    (status, origin.request(before).field("x-forwarded-for").unwrap_or_default().to_owned())
}

#[test]
fn a_trusted_neighbour_says_who_the_client_is() {
    let origin = Origin::answering(ok("x"));
    let proxy = Proxy::start(&text(&origin, ANNOUNCED, "", ""));
    let unknown = [b"PROXY UNKNOWN\r\n".as_slice(), b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"];
    for (begins, told) in [
        (header(Version::V1, "192.0.2.7:4000"), "192.0.2.7"),
        (header(Version::V2, "192.0.2.7:4000"), "192.0.2.7"),
        (header(Version::V1, "[2001:db8::7]:4000"), "2001:db8::7"),
        (header(Version::V2, "[2001:db8::7]:4000"), "2001:db8::7"),
        // The neighbour speaks for itself, and is trusted, so its own word is kept.
        (unknown[0].to_vec(), "6.6.6.6, 127.0.0.1"),
        (unknown[1].to_vec(), "6.6.6.6, 127.0.0.1"),
    ] {
        let shown = begins.escape_ascii().to_string();
        assert_eq!(announce(&proxy, &origin, &begins), (200, told.to_owned()), "{shown}");
    }
    // Byte by byte, and kept alive: the header counts for the whole connection.
    let mut client = Client::connect(proxy.addr());
    for byte in header(Version::V1, "192.0.2.9:4000") {
        client.send([byte]);
    }
    for _ in 0..2 {
        let before = origin.request_count();
        client.send_request("GET", "/", &[], b"");
        assert_eq!(client.read_response().status, 200);
        assert_eq!(origin.request(before).field("x-forwarded-for"), Some("192.0.2.9"));
    }
}

#[test]
fn policies_see_the_announced_address() {
    let origin = Origin::answering(ok("x"));
    let listener = format!("{ANNOUNCED}, {}", addresses("deny: [192.0.2.0/24]"));
    let proxy = Proxy::start(&text(&origin, &listener, "", ""));
    assert_eq!(announce(&proxy, &origin, &header(Version::V2, "198.51.100.7:1")).0, 200);
    let mut client = Client::connect(proxy.addr());
    client.send(header(Version::V2, "192.0.2.7:1"));
    client.expect_closed();
    proxy.wait_for_metric(REFUSED, "policy_refused", 1);
}

#[test]
fn what_is_no_header_is_closed_and_a_strangers_is_garbage() {
    let origin = Origin::answering(ok("x"));
    let proxy = Proxy::start(&text(&origin, &format!("{ANNOUNCED}, timeouts: {{ head: 300ms }}"), "", ""));
    let long = [b"\r\n\r\n\0\r\nQUIT\n\x20\0".as_slice(), b"\xff\xff"].concat();
    let bad = [b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".as_slice(), b"PROXY TCP4 1.1.1.1 nonsense 1 1\r\n", &long];
    for (count, bytes) in bad.iter().enumerate() {
        let mut client = Client::connect(proxy.addr());
        client.send(bytes);
        let (answer, _) = client.read_to_end();
        assert_eq!(answer, b"", "{}", bytes.escape_ascii());
        proxy.wait_for_metric(REFUSED, "bad_proxy_header", count as u64 + 1);
    }
    let mut slow = Client::connect(proxy.addr());
    slow.send(b"PROXY TCP4 ");
    slow.wait_for(Duration::from_secs(5));
    slow.expect_closed();
    proxy.wait_for_metric(REFUSED, "head_timeout", 1);
    drop(Client::connect(proxy.addr()));
    proxy.wait_for_metric(REFUSED, "client_closed", 1);

    let proxy = Proxy::start(&text(&origin, "trusted: [192.0.2.1], proxy_protocol: true", "", ""));
    assert_eq!(client::get(proxy.addr(), "/").status, 200, "a stranger is a client as usual");
    for version in [Version::V1, Version::V2] {
        let mut client = Client::connect(proxy.addr());
        client.send([header(version, "192.0.2.7:1").as_slice(), b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"].concat());
        assert_eq!(client.read_response().status, 400, "a stranger's header is no request");
    }
    assert_eq!(origin.request_count(), 1);
}

#[test]
fn an_upstream_is_told_who_the_client_is_on_each_connection() {
    for version in ["v1", "v2"] {
        let origin = Origin::script(move |conn| {
            let mut seen = Vec::new();
            let header = loop {
                seen.extend(conn.read_some().expect("a header"));
                if let Ok(proxy_header::Read::Whole(header)) = proxy_header::read(&seen) {
                    break header;
                }
            };
            while !seen.ends_with(b"\r\n\r\n") {
                seen.extend(conn.read_some().expect("a request"));
            }
            assert!(String::from_utf8_lossy(&seen).contains("connection: close"));
            let proxy_header::Origin::Ip { from, to } = header.origin else { panic!("{header:?}") };
            conn.send(ok(format!("{from} {to}")));
            let _until_closed = conn.read_some();
        });
        let plain = text(&origin, "trusted: []", "", "");
        let upstream = format!("endpoints: [\"{}\"]", origin.endpoint());
        let proxy = Proxy::start(&plain.replace(&upstream, &format!("{upstream}, proxy_protocol: {version}")));
        let mut client = Client::connect(proxy.addr());
        for count in 1..=2 {
            client.send_request("GET", "/", &[], b"");
            let told = client.read_response().text();
            assert_eq!(told, format!("{} {}", client.local_addr(), proxy.addr()), "{version}");
            assert_eq!(origin.connections(), count, "each for one request");
        }
    }
}
