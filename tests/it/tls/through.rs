//! What passes through with TLS on both sides: long bodies, tunnels, ends that are no ends, drains.

use std::sync::Mutex;
use std::sync::mpsc;

use gatewright::control::{Ended, Event};

use super::Folder;
use crate::harness::wire::Cut;
use crate::harness::{Client, Conn, Origin, Proxy, eventually, origin};

/// A proxy with TLS on both sides, and what its clients need to know.
struct Both {
    origin: Origin,
    proxy: Proxy,
    trusting: std::sync::Arc<rustls::ClientConfig>,
}

impl Both {
    fn start(script: impl Fn(&mut Conn) + Send + Sync + 'static) -> Both {
        let folder = Folder::new();
        let ca = folder.write("ca.pem", &folder.ca.pem());
        let pair = folder.put("a", &folder.ca.issue(&["a.test"]));
        let origin = Origin::script_tls(folder.ca.issue(&["origin.test"]).serving(), script);
        let proxy = Proxy::start(&format!(
            "version: 1\naccess_log: off\n\
             listeners: {{ web: {{ bind: \"127.0.0.1:0\", tls: {{ certificates: [{pair}] }} }} }}\n\
             upstreams: {{ origin: {{ endpoints: [\"{}\"], tls: {{ ca: {ca}, name: origin.test }} }} }}\n\
             routes: [{{ to: origin }}]\n",
            origin.endpoint()
        ));
        Both { origin, proxy, trusting: folder.ca.trusting() }
    }

    fn client(&self) -> Client {
        Client::tls(self.proxy.addr(), &self.trusting, "a.test")
    }
}

/// Bytes of which no two stretches look alike.
fn long(bytes: usize) -> Vec<u8> {
    (0..bytes as u32 / 4).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect()
}

#[test]
fn long_bodies_pass_both_ways() {
    let both = Both::start(|conn| {
        while let Some(request) = conn.read_request() {
            conn.send(origin::ok(request.body));
        }
    });
    let body = long(5_000_000);
    let mut client = both.client();
    for _ in 0..2 {
        client.send_request("POST", "/", &[], &body);
        assert!(client.read_response().body == body);
        client.send_request("POST", "/", &[("Transfer-Encoding", "chunked")], b"");
        body.chunks(100_000).for_each(|chunk| client.send_chunk(chunk));
        client.send_chunk(b"");
        assert!(client.read_response().body == body);
    }
    assert_eq!(both.origin.connections(), 1);
}

#[test]
fn a_tunnel_passes() {
    let both = Both::start(|conn| {
        if conn.read_request().is_some() {
            conn.send("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nfirst");
            while let Some(bytes) = conn.read_some() {
                conn.send(bytes);
            }
            conn.settled().close_notify();
        }
    });
    let mut client = both.client();
    client.send_request("GET", "/", &[("Connection", "upgrade"), ("Upgrade", "websocket")], b"");
    assert_eq!(client.read_response().status, 101);
    assert_eq!(client.read_exactly(5), b"first");
    let much = long(300_000);
    for part in [b"x".as_slice(), &much] {
        client.send(part);
        assert!(client.read_exactly(part.len()) == part);
    }
    client.settled().close_notify();
    assert_eq!(client.read_to_end(), (Vec::new(), Cut::Closed));
}

#[test]
fn an_end_without_close_notify_is_none() {
    let both = Both::start(|conn| {
        if let Some(request) = conn.read_request() {
            conn.send("HTTP/1.1 200 OK\r\n\r\nhalf");
            if request.target == "/whole" {
                conn.settled().close_notify();
            }
        }
    });
    let asks = |target: &str| {
        let mut client = both.client();
        client.send_request("GET", target, &[], b"");
        client.try_read_response_to("GET").map(|response| response.text())
    };
    assert_eq!(asks("/whole"), Ok("half".into()));
    assert!(asks("/cut").is_err(), "{:?}", asks("/cut"));
    both.proxy.wait_for_failures("upstream_truncated", 1);
}

#[test]
fn a_request_that_is_cut_off_is_not_finished() {
    let both = Both::start(|conn| while conn.read_request().is_some() {});
    let mut client = both.client();
    client.send_request("POST", "/", &[("Content-Length", "100")], b"only this");
    both.origin.head(0);
    drop(client);
    both.origin.wait_for_cut_short(1);
    both.proxy.wait_for_failures("client_closed", 1);
}

#[test]
fn a_drain_finishes_what_was_begun() {
    let (open, gate) = mpsc::channel::<()>();
    let gate = Mutex::new(gate);
    let both = Both::start(move |conn| {
        while conn.read_request().is_some() {
            gate.lock().unwrap().recv().ok();
            conn.send(origin::ok("late"));
        }
    });
    let addr = both.proxy.addr();
    let (mut busy, mut idle) = (both.client(), both.client());
    let mut stalled = Client::connect(addr);
    stalled.send(b"\x16\x03\x01");
    busy.send_request("GET", "/", &[], b"");
    both.origin.request(0);
    both.proxy.inner.send(Event::Stop);
    idle.expect_closed();
    stalled.expect_closed();
    eventually("nobody listens", || !Client::is_listening(addr));
    open.send(()).unwrap();
    let response = busy.read_response();
    assert_eq!((response.text().as_str(), response.field("connection")), ("late", Some("close")));
    assert_eq!(busy.read_to_end(), (Vec::new(), Cut::Closed), "the end is announced");
    assert_eq!(both.proxy.inner.wait(), Ended::Clean);
}
