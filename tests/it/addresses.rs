//! Where the proxy listens and where it leads: IPv4, IPv6, unix sockets, and memory.

use std::path::Path;

use crate::harness::origin::ok;
use crate::harness::{Client, Origin, Proxy};

fn proxy(bind: &str, endpoint: &str) -> Proxy {
    Proxy::start(&format!(
        "version: 1\naccess_log: off\nlisteners: {{ web: {{ bind: \"{bind}\" }} }}\n\
         upstreams: {{ origin: {{ endpoints: [\"{endpoint}\"] }} }}\nroutes: [ {{ match: {{ path: \"/*\" }}, to: origin }} ]\n"
    ))
}

fn answering(path: &Path) -> Origin {
    Origin::script_unix(path, |conn| {
        while let Some(request) = conn.read_request() {
            conn.send(ok(request.body));
        }
    })
}

#[test]
fn unix_sockets_serve_on_both_sides() {
    let folder = tempfile::tempdir().expect("a folder");
    let (here, there) = (folder.path().join("web.sock"), folder.path().join("origin.sock"));
    let origin = answering(&there);
    let proxy = proxy(&format!("unix:{}", here.display()), &origin.endpoint());
    let mut client = Client::connect_unix(&here);
    for _ in 0..3 {
        client.send_request("POST", "/", &[], b"by path");
        assert_eq!(client.read_response().text(), "by path");
    }
    assert_eq!(origin.connections(), 1);
    client.send("GET / HTTP/1.1\r\nHost : a\r\n\r\n");
    assert_eq!(client.read_response().status, 400);
    let mut old = Client::connect_unix(&here);
    old.send("GET / HTTP/1.0\r\n\r\n");
    assert_eq!(old.read_response().status, 200);
    drop(proxy);
}

#[test]
fn a_unix_socket_that_is_left_behind_is_taken_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("web.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).expect("a socket"));
    let origin = Origin::answering(ok("x"));
    let proxy = proxy(&format!("unix:{}", path.display()), &origin.endpoint());
    let mut client = Client::connect_unix(&path);
    client.send_request("GET", "/", &[], b"");
    assert_eq!(client.read_response().status, 200);
    drop(proxy);
}

#[test]
fn ipv6_serves_on_both_sides() {
    let origin = Origin::script_at("[::1]:0".parse().expect("an address"), |conn| {
        while let Some(request) = conn.read_request() {
            conn.send(ok(request.field("x-forwarded-for").unwrap_or_default()));
        }
    });
    let proxy = proxy("[::1]:0", &origin.endpoint());
    assert!(proxy.addr().is_ipv6());
    let mut client = Client::connect(proxy.addr());
    client.send_request("GET", "/", &[("Host", &format!("[::1]:{}", proxy.addr().port()))], b"");
    assert_eq!(client.read_response().text(), "::1");
    client.send("GET / HTTP/1.0\r\n\r\n");
    assert_eq!(client.read_response().text(), "::1");
    assert_eq!(origin.request(1).field("host"), Some(&*origin.addr().to_string()));
}

#[test]
fn a_listener_in_memory_is_met_without_a_socket() {
    let origin = Origin::echo();
    let proxy = Proxy::start(&format!(
        "version: 1\naccess_log: off\nlisteners: {{ web: {{ bind: \"127.0.0.1:0\" }}, inner: {{ bind: \"memory:inner\" }} }}\n\
         upstreams: {{ origin: {{ endpoints: [\"{}\"] }}, inner: {{ endpoints: [\"memory:inner\"] }} }}\nroutes:\n\
         - {{ match: {{ path: \"/outer/*\" }}, use: [ {{ policy: rewrite, with: {{ strip_prefix: /outer }} }} ], to: inner }}\n\
         - {{ match: {{ path: \"/*\" }}, to: origin }}\n",
        origin.endpoint()
    ));
    let mut client = Client::connect(proxy.addr());
    for size in [0, 10, 1_000_000] {
        client.send_request("POST", "/outer/x", &[], &vec![b'x'; size]);
        let response = client.read_response();
        assert!(response.status == 200 && response.body.len() >= size, "{size}: {}", response.status);
    }
    assert_eq!(origin.request(0).target, "/x");
    assert_eq!(origin.request(0).field("via"), Some("1.1 gatewright, 1.1 gatewright"));
    drop(client);
    let ended = proxy.inner.stop();
    assert!(matches!(ended, gatewright::control::Ended::Clean), "an in-memory listener holds up the end: {ended:?}");
}

#[test]
fn a_second_proxy_on_one_port_is_refused() {
    let origin = Origin::answering(ok("x"));
    let first = proxy("127.0.0.1:0", &origin.endpoint());
    let yaml = format!(
        "version: 1\naccess_log: off\nlisteners: {{ web: {{ bind: \"{}\" }} }}\nroutes: [ {{ match: {{ path: \"/*\" }}, use: [ {{ policy: answer, with: {{ body: x }} }} ] }} ]\n",
        first.addr()
    );
    let refused = Proxy::try_start(&yaml).err().expect("a refusal");
    assert!(refused.contains("the port is held by") || refused.contains("the port is taken"), "{refused}");
}
