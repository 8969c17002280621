//! Clients that speak HTTP/2, by prior knowledge.

use bytes::Bytes;
use http::Request;

use crate::harness::h2::{Client, push};
use crate::harness::{Origin, Proxy, origin};

#[test]
fn a_request_arrives_as_any_other_and_its_response_returns() {
    let origin = Origin::answering(origin::ok("hello"));
    let proxy = Proxy::to(&origin.endpoint());
    let client = Client::connect(proxy.addr());
    let response = client.get("http://shop.example/a?b=c");
    assert_eq!((response.status, response.body.as_slice()), (200, &b"hello"[..]));
    assert_eq!(response.trailers, None);
    let request = origin.request(0);
    assert_eq!((request.target.as_str(), request.field("host")), ("/a?b=c", Some("shop.example")));
    assert_eq!(request.field("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(request.field("via"), Some("2.0 gatewright"));
    assert_eq!(request.field("transfer-encoding"), None);
}

#[test]
fn a_listener_may_speak_http_1_1_alone() {
    let origin = Origin::echo();
    let proxy =
        Proxy::start(&crate::harness::proxy::plain(&origin.endpoint(), "").replace(":0\"", ":0\", http2: false"));
    let mut client = crate::harness::Client::connect(proxy.addr());
    client.send(crate::harness::frames::PREFACE);
    let response = client.read_response();
    assert_eq!((response.status, response.field("connection")), (505, Some("close")));
    assert_eq!(origin.request_count(), 0);
}

#[test]
fn streams_of_one_connection_are_served_beside_each_other() {
    let origin = Origin::echo();
    let proxy = Proxy::to(&origin.endpoint());
    let client = Client::connect(proxy.addr());
    let asked: Vec<_> =
        (0..50).map(|number| client.ask(Request::get(format!("http://a/{number}")).body(()).unwrap(), true)).collect();
    for one in asked {
        assert_eq!(client.read(one).unwrap().status, 200);
    }
    assert_eq!(origin.request_count(), 50);
}

#[test]
fn bodies_go_both_ways_with_and_without_a_length() {
    let origin = Origin::echo();
    let proxy = Proxy::to(&origin.endpoint());
    let client = Client::connect(proxy.addr());
    let body = vec![b'x'; 3_000_000];
    let sized = Request::post("http://a/").header("content-length", body.len()).body(()).unwrap();
    client.send(sized, &body).unwrap();
    assert_eq!(origin.request(0).field("content-length"), Some("3000000"));
    let unsized_ = Request::post("http://a/").body(()).unwrap();
    let response = client.send(unsized_, &body).unwrap();
    assert_eq!(response.status, 200);
    assert_eq!(origin.request(1).field("transfer-encoding"), Some("chunked"));
    assert_eq!(origin.request(1).body, body);
}

#[test]
fn a_large_response_keeps_to_the_windows() {
    let body = vec![b'y'; 2_000_000];
    let sent = body.clone();
    let origin = Origin::start(move |_| origin::ok(&sent));
    let proxy = Proxy::to(&origin.endpoint());
    let client = Client::connect(proxy.addr());
    assert_eq!(client.get("http://a/").body, body);
}

#[test]
fn trailers_and_interim_responses_pass() {
    let origin = Origin::start(|_| {
        b"HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\
          2\r\nhi\r\n0\r\nx-checksum: 7\r\n\r\n"
            .to_vec()
    });
    let proxy = Proxy::to(&origin.endpoint());
    let client = Client::connect(proxy.addr());
    let response = client.get("http://a/");
    assert_eq!((response.interim.as_slice(), response.body.as_slice()), (&[103][..], &b"hi"[..]));
    assert_eq!(response.trailers.unwrap()["x-checksum"], "7");
}

#[test]
fn trailers_of_a_request_reach_the_origin() {
    let origin = Origin::echo();
    let proxy = Proxy::to(&origin.endpoint());
    let client = Client::connect(proxy.addr());
    let mut asked = client.ask(Request::post("http://a/").body(()).unwrap(), false);
    client.wait(push(&mut asked.body, Bytes::from_static(b"body"), false)).unwrap();
    let mut trailers = http::HeaderMap::new();
    trailers.insert("x-checksum", "9".parse().unwrap());
    asked.body.send_trailers(trailers).unwrap();
    assert_eq!(client.read(asked).unwrap().status, 200);
    assert_eq!(origin.request(0).trailers, [("x-checksum".to_owned(), "9".to_owned())]);
}

#[test]
fn crumbs_of_a_cookie_become_one_field() {
    let origin = Origin::echo();
    let proxy = Proxy::to(&origin.endpoint());
    let client = Client::connect(proxy.addr());
    let request = Request::get("http://a/").header("cookie", "a=1").header("cookie", "b=2").body(()).unwrap();
    client.send(request, b"").unwrap();
    assert_eq!(origin.request(0).all("cookie"), ["a=1; b=2"]);
}

#[test]
fn a_host_that_differs_from_the_authority_is_refused() {
    let origin = Origin::echo();
    let proxy = Proxy::to(&origin.endpoint());
    let client = Client::connect(proxy.addr());
    let request = Request::get("http://a/").header("host", "b").body(()).unwrap();
    assert_eq!(client.send(request, b"").unwrap().status, 400);
    let request = Request::get("http://a/").header("host", "A").body(()).unwrap();
    assert_eq!(client.send(request, b"").unwrap().status, 200);
    assert_eq!(origin.request(0).all("host"), ["a"]);
}

#[test]
fn an_answer_of_our_own_has_a_body_and_an_end() {
    let origin = Origin::absent();
    let proxy = Proxy::to(&origin.addr().to_string());
    let client = Client::connect(proxy.addr());
    let response = client.get("http://a/");
    assert_eq!(response.status, 502);
    assert!(!response.body.is_empty());
    let head = client.send(Request::head("http://a/").body(()).unwrap(), b"").unwrap();
    assert_eq!((head.status, head.body.len()), (502, 0));
}

#[test]
fn a_truncated_response_is_reset_and_the_connection_goes_on() {
    let origin = Origin::script(|conn| {
        let request = conn.read_request().unwrap();
        if request.target == "/cut" {
            conn.send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf");
            conn.close();
        } else {
            conn.send(origin::ok("fine"));
        }
    });
    let proxy = Proxy::to(&origin.endpoint());
    let client = Client::connect(proxy.addr());
    let asked = client.ask(Request::get("http://a/cut").body(()).unwrap(), true);
    assert!(client.read(asked).is_err());
    assert_eq!(client.get("http://a/").body, b"fine");
}

#[test]
fn a_client_that_resets_a_stream_ends_its_exchange_alone() {
    let origin = Origin::script(|conn| {
        let request = conn.read_request().unwrap();
        if request.target == "/slow" {
            conn.wait_for_end();
        } else {
            conn.send(origin::ok("fine"));
        }
    });
    let proxy = Proxy::to(&origin.endpoint());
    let client = Client::connect(proxy.addr());
    let mut asked = client.ask(Request::get("http://a/slow").body(()).unwrap(), true);
    client.wait(async { tokio::task::yield_now().await });
    origin.wait_for_connections(1);
    asked.body.send_reset(h2::Reason::CANCEL);
    assert_eq!(client.get("http://a/").body, b"fine");
    origin.wait_for_open(0);
}
