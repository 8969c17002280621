//! Upstreams that speak HTTP/2 by plain TCP (`protocol: h2c`).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use h2::server::Builder;
use http::{HeaderMap, Request, Response};

use crate::harness::h2::Client as H2Client;
use crate::harness::h2_origin::{H2Origin, whole};
use crate::harness::{Client, Proxy, client, eventually};

fn proxy(endpoint: &str, more: &str) -> Proxy {
    Proxy::start(&format!(
        "version: 1\nworkers: 1\naccess_log: off\nlisteners: {{ web: {{ bind: \"127.0.0.1:0\" }} }}\n\
         upstreams: {{ one: {{ endpoints: [\"{endpoint}\"], protocol: h2c{more} }} }}\n\
         routes: [{{ match: {{ path: /* }}, to: one }}]\n"
    ))
}

fn ok() -> Response<()> {
    Response::new(())
}

#[test]
fn a_request_by_http1_arrives_by_http2() {
    let origin = H2Origin::answering(|_| (ok(), b"hello".to_vec(), None));
    let proxy = proxy(&origin.endpoint(), "");
    let mut client = Client::connect(proxy.addr());
    client.send_request("GET", "/a?b=c", &[("X-Mixed-Case", "1"), ("Connection", "x-gone"), ("X-Gone", "1")], b"");
    let response = client.read_response();
    assert_eq!((response.status, response.text().as_str()), (200, "hello"));
    let asked = origin.request(0);
    assert_eq!((asked.method.as_str(), asked.fields["x-mixed-case"].as_bytes()), ("GET", &b"1"[..]));
    assert!(asked.uri.ends_with("/a?b=c"), "{}", asked.uri);
    assert_eq!(asked.fields["x-forwarded-for"], "127.0.0.1");
    for gone in ["x-gone", "connection", "host", "transfer-encoding"] {
        assert!(!asked.fields.contains_key(gone), "{gone}");
    }
}

#[test]
fn many_at_once_share_one_connection() {
    let origin = H2Origin::answering(|asked| (ok(), asked.uri.clone().into_bytes(), None));
    let proxy = proxy(&origin.endpoint(), "");
    let client = H2Client::connect(proxy.addr());
    let asked: Vec<_> =
        (0..100).map(|number| client.ask(Request::get(format!("http://a/{number}")).body(()).unwrap(), true)).collect();
    for (number, one) in asked.into_iter().enumerate() {
        let response = client.read(one).unwrap();
        assert!(response.body.ends_with(format!("/{number}").as_bytes()));
    }
    assert_eq!(origin.connections(), 1);
}

#[test]
fn bodies_and_trailers_pass_both_ways() {
    let origin = H2Origin::answering(|asked| {
        let mut trailers = HeaderMap::new();
        trailers.insert("x-got", asked.trailers.as_ref().map_or("none".parse().unwrap(), |map| map["x-sum"].clone()));
        (ok(), asked.body.clone(), Some(trailers))
    });
    let proxy = proxy(&origin.endpoint(), "");
    let mut client = Client::connect(proxy.addr());
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: te\r\nTransfer-Encoding: chunked\r\n\r\n");
    let body = vec![b'x'; 500_000];
    for part in body.chunks(10_000) {
        client.send_chunk(part);
    }
    client.send("0\r\nX-Sum: 7\r\n\r\n");
    let response = client.read_response();
    assert_eq!((response.status, response.body.len()), (200, body.len()));
    assert_eq!(response.trailers, [("x-got".to_owned(), "7".to_owned())]);
}

#[test]
fn http2_to_http2_loses_nothing() {
    let origin = H2Origin::answering(|asked| (ok(), asked.body.clone(), None));
    let proxy = proxy(&origin.endpoint(), "");
    let client = H2Client::connect(proxy.addr());
    let request = Request::post("http://shop.example/up").header("cookie", "a=1").body(()).unwrap();
    let response = client.send(request, &vec![b'z'; 1_000_000]).unwrap();
    assert_eq!(response.body.len(), 1_000_000);
    assert_eq!(origin.request(0).uri, "http://shop.example/up");
}

#[test]
fn a_refused_stream_is_tried_again_even_for_a_post() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let origin = H2Origin::start(&Builder::new(), move |_, request, mut respond| {
        let first = count.fetch_add(1, Ordering::Relaxed) == 0;
        Box::pin(async move {
            if first {
                respond.send_reset(h2::Reason::REFUSED_STREAM);
            } else {
                drop(whole(request).await);
                respond.send_response(ok(), true).unwrap();
            }
        })
    });
    let proxy = proxy(&origin.endpoint(), "");
    let mut client = Client::connect(proxy.addr());
    client.send_request("POST", "/", &[("Content-Length", "0")], b"");
    assert_eq!(client.read_response().status, 200);
    assert_eq!(asked.load(Ordering::Relaxed), 2);
}

#[test]
fn after_a_goaway_the_next_request_takes_a_new_connection() {
    let origin = H2Origin::answering(|_| (ok(), b"x".to_vec(), None));
    let proxy = proxy(&origin.endpoint(), "");
    assert_eq!(client::get(proxy.addr(), "/goaway").status, 200);
    eventually("the connection is given up", || {
        assert_eq!(client::get(proxy.addr(), "/").status, 200);
        origin.connections() == 2
    });
}

#[test]
fn streams_over_the_origins_limit_wait_or_take_another_connection() {
    let origin = H2Origin::start(Builder::new().max_concurrent_streams(3), |_, request, mut respond| {
        Box::pin(async move {
            drop(whole(request).await);
            respond.send_response(ok(), true).unwrap();
        })
    });
    let proxy = proxy(&origin.endpoint(), "");
    let client = H2Client::connect(proxy.addr());
    for _ in 0..3 {
        let asked: Vec<_> = (0..60).map(|_| client.ask(Request::get("http://a/").body(()).unwrap(), true)).collect();
        for one in asked {
            assert_eq!(client.read(one).unwrap().status, 200);
        }
    }
    assert!(origin.connections() <= 8, "{}", origin.connections());
}

#[test]
fn where_no_further_connection_is_allowed_requests_wait_for_a_stream() {
    let origin = H2Origin::start(Builder::new().max_concurrent_streams(2), |_, request, mut respond| {
        Box::pin(async move {
            drop(whole(request).await);
            respond.send_response(ok(), true).unwrap();
        })
    });
    let proxy = proxy(&origin.endpoint(), ", limits: { connections: 1 }");
    let client = H2Client::connect(proxy.addr());
    assert_eq!(client.get("http://a/").status, 200);
    let asked: Vec<_> = (0..40).map(|_| client.ask(Request::get("http://a/").body(()).unwrap(), true)).collect();
    for one in asked {
        assert_eq!(client.read(one).unwrap().status, 200);
    }
    assert_eq!(origin.connections(), 1);
}

#[test]
fn an_endpoint_that_speaks_http1_is_a_bad_gateway_with_a_reason() {
    let origin = crate::harness::Origin::script(|conn| {
        conn.read_some();
        conn.send("HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n");
        conn.close();
    });
    let proxy = proxy(&origin.endpoint(), "");
    assert_eq!(client::get(proxy.addr(), "/").status, 502);
}

#[test]
fn a_client_that_leaves_resets_the_stream_and_nothing_else() {
    let ended = Arc::new(AtomicUsize::new(0));
    let count = ended.clone();
    let origin = H2Origin::start(&Builder::new(), move |_, request, mut respond| {
        let count = count.clone();
        Box::pin(async move {
            if request.uri().path() == "/slow" {
                std::future::poll_fn(|cx| respond.poll_reset(cx)).await.unwrap();
                count.fetch_add(1, Ordering::Relaxed);
            } else {
                respond.send_response(ok(), true).unwrap();
            }
        })
    });
    let proxy = proxy(&origin.endpoint(), "");
    let mut slow = Client::connect(proxy.addr());
    slow.send_request("GET", "/slow", &[], b"");
    eventually("the slow one is under way", || origin.connections() == 1);
    assert_eq!(client::get(proxy.addr(), "/").status, 200);
    slow.reset();
    eventually("its stream is reset", || ended.load(Ordering::Relaxed) == 1);
    assert_eq!(client::get(proxy.addr(), "/").status, 200);
    assert!(origin.connections() <= 2, "one of each worker's");
}

#[test]
fn a_stream_that_is_reset_in_its_body_truncates_one_response() {
    let (reset, wait) = std::sync::mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(Some(wait));
    let origin = H2Origin::start(&Builder::new(), move |_, _request, mut respond| {
        let wait = wait.lock().unwrap().take().unwrap();
        Box::pin(async move {
            let mut stream = respond.send_response(ok(), false).unwrap();
            super::harness::h2::push(&mut stream, vec![b'x'; 1000].into(), false).await.unwrap();
            tokio::task::spawn_blocking(move || wait.recv()).await.unwrap().unwrap();
            stream.send_reset(h2::Reason::INTERNAL_ERROR);
        })
    });
    let proxy = proxy(&origin.endpoint(), "");
    let mut client = Client::connect(proxy.addr());
    client.send_request("GET", "/", &[], b"");
    let head = client.read_head();
    reset.send(()).unwrap();
    assert!(client.try_read_body(head.framing).is_err());
}
