//! Bodies that are held where a route asks for it: a slow client holds no connection to its origin, either way.

use std::sync::mpsc;
use std::sync::{Arc, Mutex};

use ::h2::server::Builder;
use bytes::Bytes;
use gatewright::control::{Ended, Event};
use http::{HeaderMap, Request, Response};

use crate::harness::h2::{self, push};
use crate::harness::h2_origin::H2Origin;
use crate::harness::origin::ok;
use crate::harness::strict::Framing;
use crate::harness::wire::Cut;
use crate::harness::{Client, Origin, Proxy, client, eventually};

fn text(endpoint: &str, upstream: &str, route: &str) -> String {
    format!(
        "version: 1\naccess_log: off\nworkers: 1\nlisteners: {{ web: {{ bind: \"127.0.0.1:0\" }} }}\n\
         upstreams: {{ one: {{ endpoints: [\"{endpoint}\"], {upstream} }} }}\n\
         routes: [{{ match: {{ path: /* }}, to: one, {route} }}]\n"
    )
}

fn holding(origin: &Origin, buffer: &str) -> Proxy {
    Proxy::start(&text(&origin.endpoint(), "", &format!("buffer: {{ {buffer} }}")))
}

#[test]
fn a_slow_upload_holds_no_connection() {
    let origin = Origin::echo();
    let proxy = holding(&origin, "request: 1KiB");
    let mut client = Client::connect(proxy.addr());
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(client.read_head().status, 100, "ours: nobody else has been asked");
    client.send("01234");
    assert_eq!(origin.connections(), 0);
    client.send("56789");
    assert_eq!(client.read_response_to("POST").status, 200);
    let request = origin.request(0);
    assert_eq!((request.framing, &*request.body), (Framing::Length(10), &b"0123456789"[..]));
    assert_eq!(request.field("expect"), None, "what it asked for was done");
    // The connection goes on, and so does the next body.
    client.send_request("POST", "/", &[], b"next");
    assert_eq!(client.read_response_to("POST").status, 200);
    assert_eq!((origin.request(1).body, origin.connections()), (b"next".to_vec(), 1));
}

#[test]
fn a_body_of_unknown_length_gets_one_unless_trailers_follow() {
    let origin = Origin::echo();
    let proxy = holding(&origin, "request: 1KiB");
    let mut client = Client::connect(proxy.addr());
    for (body, trailers) in [("5\r\n01234\r\n5\r\n56789\r\n", ""), ("", ""), ("4\r\nabcd\r\n", "X-Test-Sum: 1\r\n")] {
        client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
        client.send(body);
        client.send(format!("0\r\n{trailers}\r\n"));
        assert_eq!(client.read_response_to("POST").status, 200);
    }
    assert_eq!((origin.request(0).framing, origin.request(0).body), (Framing::Length(10), b"0123456789".to_vec()));
    assert_eq!(origin.request(1).framing, Framing::Length(0));
    let last = origin.request(2);
    assert_eq!((last.framing, &*last.body), (Framing::Chunked, &b"abcd"[..]));
    assert_eq!(last.trailers, [("X-Test-Sum".to_owned(), "1".to_owned())]);
}

#[test]
fn a_body_that_is_too_long_to_hold_streams() {
    let origin = Origin::echo();
    let proxy = holding(&origin, "request: 100KiB");
    let (part, mut told, mut chunked) =
        (vec![b'x'; 60 * 1024], Client::connect(proxy.addr()), Client::connect(proxy.addr()));
    told.send(format!("POST /told HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", 3 * part.len()));
    assert_eq!(origin.head(0).target, "/told", "at once: no byte of it was waited for");
    (0..3).for_each(|_| told.send(&part));
    assert_eq!(told.read_response_to("POST").status, 200);
    chunked.send("PUT /chunked HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    chunked.send_chunk(&part);
    assert_eq!(origin.request_count(), 1);
    chunked.send_chunk(&part);
    assert_eq!(origin.head(1).framing, Framing::Chunked);
    chunked.send_chunk(&part);
    chunked.send_chunk("");
    assert_eq!(chunked.read_response_to("PUT").status, 200);
    assert!((0..2).all(|nth| origin.request(nth).body == vec![b'x'; 3 * part.len()]));
}

#[test]
fn a_body_that_is_held_may_be_sent_again() {
    let body = vec![b'x'; 100 * 1024];
    for (method, request, status) in [("PUT", "1MiB", 200), ("PUT", "0", 502), ("POST", "1MiB", 502)] {
        let origin = Origin::script(|conn| {
            while let Some(request) = conn.read_request() {
                if conn.number() == 0 && !request.body.is_empty() {
                    return;
                }
                conn.send(ok(request.body));
            }
        });
        let proxy = holding(&origin, &format!("request: {request}"));
        let mut client = Client::connect(proxy.addr());
        client.send_request("GET", "/", &[], b"");
        assert_eq!(client.read_response().status, 200);
        client.send_request(method, "/", &[], &body);
        let response = client.read_response_to(method);
        assert_eq!(response.status, status, "{method} {request}");
        assert_eq!(response.body == body, status == 200);
    }
}

#[test]
fn limits_and_ends_hold_before_anybody_is_asked() {
    let origin = Origin::answering(ok("x"));
    let proxy = Proxy::start(&text(&origin.endpoint(), "", "buffer: { request: 1KiB }, limits: { body: 10 }"));
    let mut client = Client::connect(proxy.addr());
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n6\r\n");
    client.send("567890\r\n0\r\n\r\n");
    assert_eq!(client.read_response_to("POST").status, 413);
    for reset in [false, true] {
        let mut client = Client::connect(proxy.addr());
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n");
        assert_eq!(client.read_head().status, 100);
        client.send("01");
        if reset {
            client.reset();
        }
    }
    proxy.wait_for_failures("client_closed", 2);
    assert_eq!(origin.connections(), 0);
}

#[test]
fn a_body_that_stalls_is_given_up_and_a_drain_waits_for_it() {
    let origin = Origin::echo();
    let text = text(&origin.endpoint(), "", "buffer: { request: 1KiB }");
    let half = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n";
    let proxy = Proxy::start(&text.replace("bind:", "timeouts: { body: 100ms }, bind:"));
    let mut client = Client::connect(proxy.addr());
    client.send(half);
    let response = client.read_response_to("POST");
    assert_eq!((response.status, response.interim.len(), origin.connections()), (408, 1, 0));
    proxy.wait_for_failures("body_timeout", 1);

    let proxy = Proxy::start(&text);
    let mut client = Client::connect(proxy.addr());
    client.send(half);
    assert_eq!(client.read_head().status, 100);
    proxy.inner.send(Event::Stop);
    eventually("nobody listens", || !Client::is_listening(proxy.addr()));
    client.send("body");
    let response = client.read_response_to("POST");
    assert_eq!((response.status, response.field("connection")), (200, Some("close")));
    assert_eq!(proxy.inner.wait(), Ended::Clean);
}

#[test]
fn by_http2_too_and_with_its_trailers() {
    let origin = H2Origin::answering(|asked| (Response::new(()), asked.body.clone(), asked.trailers.clone()));
    let route = "buffer: { request: 1MiB, response: 1MiB }";
    let proxy = Proxy::start(&text(&origin.endpoint(), "protocol: h2c", route));
    let client = h2::Client::connect(proxy.addr());
    let mut asked = client.ask(Request::post("http://a/").body(()).unwrap(), false);
    client.wait(push(&mut asked.body, Bytes::from_static(b"half "), false)).unwrap();
    assert_eq!(client.get("http://a/other").status, 200, "what was sent before it has come");
    assert_eq!(origin.request(0).uri.rsplit('/').next(), Some("other"));
    client.wait(push(&mut asked.body, vec![b'x'; 200_000].into(), true)).unwrap();
    assert_eq!(client.read(asked).unwrap().body.len(), 200_005);
    assert_eq!(origin.request(1).fields["content-length"], "200005");
    let mut asked = client.ask(Request::post("http://a/").body(()).unwrap(), false);
    client.wait(push(&mut asked.body, Bytes::from_static(b"x"), false)).unwrap();
    let mut trailers = HeaderMap::new();
    trailers.insert("x-test-sum", 1.into());
    asked.body.send_trailers(trailers.clone()).unwrap();
    assert_eq!(client.read(asked).unwrap().trailers, Some(trailers));
}

#[test]
fn a_slow_reader_holds_no_connection() {
    let big = Arc::new((0..32 * 1024 * 1024_u32).map(|at| (at / 1024) as u8).collect::<Vec<u8>>());
    for framing in ["length", "chunked"] {
        let body = big.clone();
        let origin = Origin::start(move |request| match (&*request.target, framing) {
            ("/big", "length") => ok(&*body),
            ("/big", _) => {
                let head = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n", body.len());
                [head.as_bytes(), &**body, b"\r\n0\r\nX-Test-Sum: 1\r\n\r\n"].concat()
            }
            _ => ok("small"),
        });
        let proxy =
            Proxy::start(&text(&origin.endpoint(), "limits: { connections: 1 }", "buffer: { response: 48MiB }"));
        let mut slow = Client::connect(proxy.addr());
        slow.send_request("GET", "/big", &[], b"");
        let head = slow.read_head();
        eventually("the connection is free", || client::get(proxy.addr(), "/").status == 200);
        assert_eq!(origin.connections(), 1);
        let body = slow.read_body(head.framing);
        assert!(body.bytes == *big, "{framing}");
        assert_eq!(body.trailers.len(), usize::from(framing == "chunked"));
        slow.send_request("GET", "/", &[], b"");
        assert_eq!(slow.read_response().text(), "small");
    }
}

#[test]
fn a_slow_reader_by_http2_holds_no_stream() {
    let (sent, whole) = mpsc::channel();
    let sent = Arc::new(Mutex::new(sent));
    let origin = H2Origin::start(&Builder::new(), move |_, _, mut respond| {
        let sent = sent.clone();
        Box::pin(async move {
            let mut stream = respond.send_response(Response::new(()), false).unwrap();
            push(&mut stream, vec![b'x'; 4 << 20].into(), false).await.unwrap();
            let mut trailers = HeaderMap::new();
            trailers.insert("x-test-sum", 1.into());
            stream.send_trailers(trailers).unwrap();
            sent.lock().unwrap().send(()).unwrap();
        })
    });
    let proxy = Proxy::start(&text(&origin.endpoint(), "protocol: h2c", "buffer: { response: 8MiB }"));
    let client = h2::Client::connect(proxy.addr());
    let asked = client.ask(Request::get("http://a/").body(()).unwrap(), true);
    // The client has a window of 64 KiB and does not open it: the origin has sent all the same.
    let mut body = client.wait(asked.response).unwrap().into_body();
    whole.recv_timeout(crate::harness::PATIENCE).unwrap();
    let mut bytes = 0;
    while let Some(part) = client.wait(body.data()) {
        let part = part.unwrap();
        bytes += part.len();
        body.flow_control().release_capacity(part.len()).unwrap();
    }
    assert_eq!(bytes, 4 << 20);
    assert_eq!(client.wait(body.trailers()).unwrap().unwrap()["x-test-sum"], "1");
}

#[test]
fn what_was_read_ahead_of_a_broken_response_still_arrives() {
    let origin = Origin::script(|conn| {
        conn.read_request();
        conn.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 40 << 20));
        conn.send(vec![b'x'; 32 << 20]);
    });
    let proxy = holding(&origin, "response: 48MiB");
    let mut client = Client::connect(proxy.addr());
    client.send_request("GET", "/", &[], b"");
    client.read_head();
    origin.wait_for_open(0);
    let (bytes, cut) = client.read_to_end();
    assert_eq!((bytes.len(), cut), (32 << 20, Cut::Closed));
}

#[test]
fn what_comes_in_parts_arrives_in_parts() {
    let (next, go) = mpsc::channel::<()>();
    let go = Mutex::new(go);
    let origin = Origin::script(move |conn| {
        conn.read_request();
        conn.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
        while go.lock().unwrap().recv().is_ok() {
            conn.send("8\r\ndata: x\n\r\n");
        }
        conn.send("0\r\n\r\n");
    });
    let proxy = holding(&origin, "request: 1MiB, response: 1MiB");
    let mut client = Client::connect(proxy.addr());
    client.send_request("GET", "/", &[], b"");
    client.read_head();
    for _ in 0..5 {
        next.send(()).unwrap();
        assert_eq!(client.read_exactly(13), b"8\r\ndata: x\n\r\n");
    }
    drop(next);
    assert_eq!(client.read_exactly(5), b"0\r\n\r\n");
}

#[test]
fn a_call_by_grpc_streams_although_its_route_holds_bodies() {
    let origin = H2Origin::start(&Builder::new(), |_, request, mut respond| {
        Box::pin(async move {
            let mut body = request.into_body();
            let head = Response::builder().header("content-type", "application/grpc").body(()).unwrap();
            let mut stream = respond.send_response(head, false).unwrap();
            while let Some(Ok(part)) = body.data().await {
                body.flow_control().release_capacity(part.len()).unwrap();
                push(&mut stream, part, false).await.unwrap();
            }
            stream.send_trailers(HeaderMap::new()).unwrap();
        })
    });
    let route = "buffer: { request: 1MiB, response: 1MiB }";
    let proxy = Proxy::start(&text(&origin.endpoint(), "protocol: h2c", route));
    let client = h2::Client::connect(proxy.addr());
    let call = Request::post("http://a/x/Chat").header("content-type", "application/grpc").header("te", "trailers");
    let mut asked = client.ask(call.body(()).unwrap(), false);
    let mut body = client.wait(asked.response).unwrap().into_body();
    for number in 0..5 {
        client.wait(push(&mut asked.body, Bytes::from(vec![number; 5]), false)).unwrap();
        assert_eq!(client.wait(body.data()).unwrap().unwrap(), vec![number; 5]);
    }
}

#[test]
fn a_route_goes_before_its_listener() {
    let origin = Origin::echo();
    let listener = "bind: \"127.0.0.1:0\", buffer: { request: 1KiB }";
    for (route, length) in [("", Framing::Length(3)), ("buffer: { request: 0 }", Framing::Chunked)] {
        let text = text(&origin.endpoint(), "", route).replace("bind: \"127.0.0.1:0\"", listener);
        let proxy = Proxy::start(&text);
        let seen = origin.request_count();
        let mut client = Client::connect(proxy.addr());
        client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
        assert_eq!(client.read_response_to("POST").status, 200);
        assert_eq!(origin.request(seen).framing, length, "{route}");
    }
}
