//! TLS with origins: whom we believe and under which name, what a failure says, and whose connection may be used again.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;

use gatewright::wire::proxy_header;
use rcgen::{PKCS_ECDSA_P256_SHA256, date_time_ymd};

use super::Folder;
use crate::harness::h2_origin::H2Origin;
use crate::harness::tls::{Authority, TLS12, TLS13, TlsSocket};
use crate::harness::{Client, Origin, PATIENCE, Proxy, client, origin};

/// Everything to one upstream with this `tls:`.
fn config(endpoints: &[String], tls: &str) -> String {
    format!(
        "version: 1\naccess_log: off\nlisteners: {{ web: {{ bind: \"127.0.0.1:0\" }} }}\n\
         upstreams: {{ origin: {{ endpoints: [{}], tls: {tls} }} }}\nroutes: [{{ to: origin }}]\n",
        endpoints.join(", ")
    )
}

fn quoted(origin: &Origin) -> String {
    format!("\"{}\"", origin.endpoint())
}

fn start(origin: &Origin, tls: &str) -> Proxy {
    Proxy::start(&config(&[quoted(origin)], tls))
}

/// An origin that answers with the name it was asked for.
fn telling(folder: &Folder, names: &[&str]) -> Origin {
    Origin::script_tls(folder.ca.issue(names).serving(), |conn| {
        while conn.read_request().is_some() {
            let name = conn.settled().asked_for().unwrap_or_else(|| "nobody".into());
            conn.send(origin::ok(name));
        }
    })
}

#[test]
fn the_origin_is_verified_under_its_name() {
    let folder = Folder::new();
    let ca = folder.write("ca.pem", &folder.ca.pem());
    let named = telling(&folder, &["shop.test"]);
    let proxy = start(&named, &format!("{{ ca: {ca}, name: shop.test }}"));
    assert_eq!(client::get(proxy.addr(), "/").text(), "shop.test");
    let by_address = telling(&folder, &["127.0.0.1"]);
    let proxy = start(&by_address, &format!("{{ ca: {ca} }}"));
    assert_eq!(client::get(proxy.addr(), "/").text(), "nobody", "addresses are verified and not asked for");
    let by_host = telling(&folder, &["localhost"]);
    let endpoint = format!("\"localhost:{}\"", by_host.addr().port());
    let proxy = Proxy::start(&config(&[endpoint], &format!("{{ ca: {ca} }}")));
    assert_eq!(client::get(proxy.addr(), "/").text(), "localhost");
}

#[test]
fn who_cannot_be_verified_is_not_asked() {
    let folder = Folder::new();
    let ca = folder.write("ca.pem", &folder.ca.pem());
    let shop = format!("{{ ca: {ca}, name: shop.test }}");
    let strange = Authority::new("somebody else").issue(&["shop.test"]);
    let expired = folder.ca.issue_with(&["shop.test"], &PKCS_ECDSA_P256_SHA256, |params| {
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
    });
    let origins = [
        telling(&folder, &["other.test"]),
        Origin::answering_tls(strange.serving(), origin::ok("x")),
        Origin::answering_tls(expired.serving(), origin::ok("x")),
        // It speaks plain HTTP: what we say is no request to it.
        Origin::script(|conn| {
            conn.read_some();
            conn.send("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
        }),
        Origin::script(|conn| {
            conn.read_some();
        }),
    ];
    for origin in &origins {
        let proxy = start(origin, &shop);
        let response = client::get(proxy.addr(), "/");
        assert_eq!(response.status, 502);
        assert!(!response.text().contains("certificate"), "{}", response.text());
        proxy.wait_for_failures("tls_failed", 1);
        assert_eq!(origin.request_count(), 0);
    }
    // Nothing was said yet, so another endpoint may be asked, whatever the request.
    let good = telling(&folder, &["shop.test"]);
    let proxy = Proxy::start(&config(&[quoted(&origins[0]), quoted(&good)], &shop));
    for _ in 0..4 {
        let mut client = Client::connect(proxy.addr());
        client.send_request("POST", "/", &[], b"once");
        assert_eq!(client.read_response().text(), "shop.test");
    }
    assert_eq!(good.requests().len(), 4);
}

#[test]
fn insecure_believes_everybody_and_the_default_believes_the_system() {
    let folder = Folder::new();
    let origin = telling(&folder, &["other.test"]);
    let proxy = start(&origin, "{ insecure: true, name: shop.test }");
    assert_eq!(client::get(proxy.addr(), "/").text(), "shop.test");
    if let Ok(proxy) = Proxy::try_start(&config(&[quoted(&origin)], "true")) {
        assert_eq!(client::get(proxy.addr(), "/").status, 502);
        proxy.wait_for_failures("tls_failed", 1);
    }
}

#[test]
fn we_say_who_we_are() {
    let folder = Folder::new();
    let ca = folder.write("ca.pem", &folder.ca.pem());
    let clients = Authority::new("clients");
    let us = clients.client("gatewright").put(folder.path(), "us");
    let origin = Origin::script_tls(folder.ca.issue(&["shop.test"]).serving_only(&clients), |conn| {
        while conn.read_request().is_some() {
            let shown = conn.settled().shown().map_or(0, |der| der.len());
            conn.send(origin::ok(shown.to_string()));
        }
    });
    let proxy = start(&origin, &format!("{{ ca: {ca}, name: shop.test, {us} }}"));
    assert!(client::get(proxy.addr(), "/").text().parse::<usize>().unwrap() > 100);
    let proxy = start(&origin, &format!("{{ ca: {ca}, name: shop.test }}"));
    assert_eq!(client::get(proxy.addr(), "/").status, 502);
}

#[test]
fn a_second_connection_goes_on_with_a_ticket() {
    let folder = Folder::new();
    let ca = folder.write("ca.pem", &folder.ca.pem());
    for version in [&TLS12, &TLS13] {
        let mut serving = folder.ca.issue(&["shop.test"]).serving_with(&[version]);
        serving.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new().unwrap();
        let origin = Origin::script_tls(Arc::new(serving), |conn| {
            if conn.read_request().is_some() {
                let resumed = conn.settled().resumed().to_string();
                conn.send(origin::ok(resumed));
                conn.half_close();
            }
        });
        let text = config(&[quoted(&origin)], &format!("{{ ca: {ca}, name: shop.test }}"));
        let proxy = Proxy::start(&text);
        assert_eq!(client::get(proxy.addr(), "/").text(), "false");
        assert_eq!(client::get(proxy.addr(), "/").text(), "true");
        // What was settled under other rules is not gone on with.
        let us = folder.ca.client("us").put(folder.path(), "us");
        let other = text.replace("name: shop.test", &format!("name: shop.test, {us}"));
        proxy.reload(&other).unwrap();
        assert_eq!(client::get(proxy.addr(), "/").text(), "false", "{version:?}");
    }
}

#[test]
fn a_reload_that_changes_tls_uses_no_old_connection() {
    let folder = Folder::new();
    let (ca, other) = (folder.write("ca.pem", &folder.ca.pem()), Authority::new("other").pem());
    let both = folder.write("both.pem", &format!("{}{other}", folder.ca.pem()));
    let origin = telling(&folder, &["shop.test", "also.test"]);
    let proxy = start(&origin, &format!("{{ ca: {ca}, name: shop.test }}"));
    // One connection of one worker: a pool is a worker's own.
    let mut client = Client::connect(proxy.addr());
    let mut asks = |connections: usize, name: &str| {
        client.send_request("GET", "/", &[], b"");
        assert_eq!(client.read_response().text(), name);
        assert_eq!(origin.connections(), connections);
    };
    asks(1, "shop.test");
    asks(1, "shop.test");
    let us = folder.ca.client("us").put(folder.path(), "us");
    let changes = [
        (2, "also.test", format!("{{ ca: {ca}, name: also.test }}")),
        (3, "also.test", format!("{{ ca: {both}, name: also.test }}")),
        (4, "also.test", format!("{{ ca: {both}, name: also.test, {us} }}")),
        (5, "also.test", "{ insecure: true, name: also.test }".to_owned()),
    ];
    for (connections, name, tls) in changes {
        proxy.reload(&config(&[quoted(&origin)], &tls)).unwrap();
        asks(connections, name);
        asks(connections, name);
    }
}

#[test]
fn a_record_without_data_leaves_an_idle_connection_good_and_close_notify_does_not() {
    let folder = Folder::new();
    let ca = folder.write("ca.pem", &folder.ca.pem());
    let origin = Origin::script_tls(folder.ca.issue(&["shop.test"]).serving(), |conn| {
        while let Some(request) = conn.read_request() {
            conn.send(origin::ok("x"));
            if request.target == "/keys" {
                conn.settled().new_keys();
            } else if request.target == "/close" {
                conn.settled().close_notify();
                conn.wait_for_end();
                return;
            }
        }
    });
    let proxy = start(&origin, &format!("{{ ca: {ca}, name: shop.test }}"));
    let mut client = Client::connect(proxy.addr());
    let mut asks = |method: &str, target: &str| {
        client.send_request(method, target, &[], b"");
        assert_eq!(client.read_response().status, 200);
        // What the origin says of itself is there before the next request.
        std::thread::park_timeout(std::time::Duration::from_millis(50));
        origin.connections()
    };
    assert_eq!(asks("GET", "/keys"), 1);
    assert_eq!(asks("GET", "/keys"), 1);
    assert_eq!(asks("PATCH", "/keys"), 1);
    assert_eq!(asks("GET", "/close"), 1);
    assert_eq!(asks("GET", "/close"), 2);
    assert_eq!(asks("PATCH", "/"), 3);
}

#[test]
fn http2_is_agreed_where_it_is_wanted() {
    let folder = Folder::new();
    let ca = folder.write("ca.pem", &folder.ca.pem());
    let serving = |protocols: &[&[u8]]| {
        let mut serving = folder.ca.issue(&["shop.test"]).serving_with(&[&TLS13]);
        serving.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        Arc::new(serving)
    };
    let told = |proxy: &Proxy| client::get(proxy.addr(), "/").text();
    let modern = H2Origin::tls(serving(&[b"h2", b"http/1.1"]));
    let old = Origin::script_tls(serving(&[b"http/1.1"]), |conn| {
        while conn.read_request().is_some() {
            conn.send(origin::ok("one"));
        }
    });
    let start = |endpoint: String, protocol: &str| {
        let tls = format!("{{ ca: {ca}, name: shop.test }}, protocol: {protocol}");
        Proxy::start(&config(&[format!("\"{endpoint}\"")], &tls))
    };
    for protocol in ["h2", "auto"] {
        let proxy = start(modern.endpoint(), protocol);
        assert_eq!(told(&proxy), "two", "{protocol}");
        assert_eq!(told(&proxy), "two", "{protocol}");
    }
    let proxy = start(old.endpoint(), "auto");
    for _ in 0..4 {
        assert_eq!(told(&proxy), "one");
    }
    assert_eq!(told(&start(old.endpoint(), "http1")), "one");
    let proxy = start(old.endpoint(), "h2");
    assert_eq!(client::get(proxy.addr(), "/").status, 502);
    proxy.wait_for_failures("tls_failed", 1);
}

#[test]
fn a_proxy_header_goes_before_the_handshake() {
    let folder = Folder::new();
    let ca = folder.write("ca.pem", &folder.ca.pem());
    let serving = folder.ca.issue(&["shop.test"]).serving();
    for version in ["v1", "v2"] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("\"{}\"", listener.local_addr().unwrap());
        let text = config(&[endpoint], &format!("{{ ca: {ca}, name: shop.test }}"));
        let proxy = Proxy::start(&text.replace(", tls:", &format!(", proxy_protocol: {version}, tls:")));
        let mut client = Client::connect(proxy.addr());
        client.send_request("GET", "/", &[], b"");
        let (mut tcp, _) = listener.accept().unwrap();
        tcp.set_read_timeout(Some(PATIENCE)).unwrap();
        let (mut seen, mut byte) = (Vec::new(), [0]);
        let header = loop {
            tcp.read_exact(&mut byte).expect("a header");
            seen.extend(byte);
            if let Ok(proxy_header::Read::Whole(header)) = proxy_header::read(&seen) {
                break header;
            }
        };
        let proxy_header::Origin::Ip { from, to } = header.origin else { panic!("{header:?}") };
        assert_eq!((from, to), (client.local_addr(), proxy.addr()), "{version}");
        // What follows is TLS, with the name of the origin and a request within.
        let mut socket = TlsSocket::server(tcp, &serving);
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            socket.read_exact(&mut byte).expect("a request");
            head.extend(byte);
        }
        assert!(head.starts_with(b"GET / HTTP/1.1\r\n"));
        assert_eq!(socket.asked_for().as_deref(), Some("shop.test"));
        socket.write_all(&origin::ok(version)).unwrap();
        assert_eq!(client.read_response().text(), version);
    }
}
