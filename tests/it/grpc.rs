//! gRPC through the proxy: calls of all four shapes, statuses, deadlines, cancellation, and failures of ours in its words.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use h2::server::Builder;
use http::{HeaderMap, Request, Response};

use crate::harness::h2::{Client, push};
use crate::harness::h2_origin::H2Origin;
use crate::harness::{Origin, Proxy, eventually};

fn proxy(endpoint: &str, more: &str) -> Proxy {
    Proxy::start(&format!(
        "version: 1\naccess_log: off\nlisteners: {{ web: {{ bind: \"127.0.0.1:0\" }} }}\n\
         upstreams: {{ one: {{ endpoints: [\"{endpoint}\"], protocol: h2c }} }}\n\
         routes: [{{ match: {{ path: /* }}, to: one{more} }}]\n"
    ))
}

fn call(path: &str) -> http::request::Builder {
    Request::post(format!("http://a{path}")).header("content-type", "application/grpc").header("te", "trailers")
}

/// A message as gRPC frames it.
fn message(bytes: &[u8]) -> Bytes {
    let mut framed = vec![0];
    framed.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
    framed.extend_from_slice(bytes);
    framed.into()
}

fn grpc() -> Response<()> {
    Response::builder().header("content-type", "application/grpc").body(()).unwrap()
}

fn status(code: u8) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", u16::from(code).into());
    trailers
}

#[test]
fn a_unary_call_has_its_message_and_its_status() {
    let origin = H2Origin::answering(|asked| (grpc(), asked.body.clone(), Some(status(0))));
    let proxy = proxy(&origin.endpoint(), "");
    let client = Client::connect(proxy.addr());
    let response = client.send(call("/pkg.Echo/Say").body(()).unwrap(), &message(b"hi")).unwrap();
    assert_eq!(response.body, message(b"hi"));
    assert_eq!(response.trailers.unwrap()["grpc-status"], "0");
    let asked = origin.request(0);
    assert_eq!(asked.fields["te"], "trailers");
    assert_eq!(asked.fields["content-type"], "application/grpc");
}

#[test]
fn an_answer_of_trailers_only_stays_one_frame() {
    let origin = H2Origin::start(&Builder::new(), |_, _, mut respond| {
        Box::pin(async move {
            let response = Response::builder()
                .header("content-type", "application/grpc")
                .header("grpc-status", "5")
                .header("grpc-message", "no such thing");
            respond.send_response(response.body(()).unwrap(), true).unwrap();
        })
    });
    let proxy = proxy(&origin.endpoint(), "");
    let client = Client::connect(proxy.addr());
    let asked = client.ask(call("/x/Y").body(()).unwrap(), false);
    let response = client.wait(asked.response).unwrap();
    assert_eq!(response.headers()["grpc-status"], "5");
    assert!(response.body().is_end_stream());
    assert!(!response.headers().contains_key("content-length"));
}

#[test]
fn a_stream_both_ways_flows_message_by_message() {
    let origin = H2Origin::start(&Builder::new(), |_, request, mut respond| {
        Box::pin(async move {
            let mut body = request.into_body();
            let mut stream = respond.send_response(grpc(), false).unwrap();
            while let Some(Ok(part)) = body.data().await {
                body.flow_control().release_capacity(part.len()).unwrap();
                push(&mut stream, part, false).await.unwrap();
            }
            stream.send_trailers(status(0)).unwrap();
        })
    });
    let proxy = proxy(&origin.endpoint(), "");
    let client = Client::connect(proxy.addr());
    let mut asked = client.ask(call("/x/Chat").body(()).unwrap(), false);
    // Each answer comes before the next question is sent: nothing waits for more.
    client.wait(push(&mut asked.body, message(b"0"), false)).unwrap();
    let mut body = client.wait(asked.response).unwrap().into_body();
    for number in 1..20 {
        assert_eq!(client.wait(body.data()).unwrap().unwrap(), message(&[b'0' + number - 1]));
        client.wait(push(&mut asked.body, message(&[b'0' + number]), false)).unwrap();
    }
    client.wait(push(&mut asked.body, message(b"end"), true)).unwrap();
    assert_eq!(client.wait(body.data()).unwrap().unwrap(), message(&[b'0' + 19]));
    assert_eq!(client.wait(body.data()).unwrap().unwrap(), message(b"end"));
    assert_eq!(client.wait(body.trailers()).unwrap().unwrap()["grpc-status"], "0");
}

#[test]
fn a_failure_of_ours_is_a_grpc_status() {
    let absent = Origin::absent();
    let proxy = proxy(&absent.addr().to_string(), "");
    let client = Client::connect(proxy.addr());
    let response = client.send(call("/x/Y").body(()).unwrap(), &message(b"")).unwrap();
    assert_eq!(response.status, 200);
    assert_eq!(response.fields["grpc-status"], "14");
    assert!(response.body.is_empty());
    assert_eq!(response.fields["content-type"], "application/grpc");
    // Whoever does not speak gRPC gets a page.
    assert_eq!(client.get("http://a/").status, 502);
}

#[test]
fn what_a_policy_refuses_is_a_grpc_status() {
    let origin = H2Origin::answering(|_| (grpc(), Vec::new(), Some(status(0))));
    let rows = [("401", "16"), ("403", "7"), ("404", "12"), ("429", "14"), ("418", "2")];
    for (http, grpc) in rows {
        let refusing =
            format!(", use: [{{ policy: no }}] }}]\npolicies: {{ no: {{ answer: {{ status: {http} }} }} }}\n#");
        let proxy = proxy(&origin.endpoint(), &refusing);
        let client = Client::connect(proxy.addr());
        let response = client.send(call("/x/Y").body(()).unwrap(), b"").unwrap();
        assert_eq!((response.status, response.fields["grpc-status"].to_str().unwrap()), (200, grpc));
    }
}

#[test]
fn the_clients_deadline_ends_the_exchange_both_ways() {
    let reset = Arc::new(AtomicUsize::new(0));
    let count = reset.clone();
    let origin = H2Origin::start(&Builder::new(), move |_, _, mut respond| {
        let count = count.clone();
        Box::pin(async move {
            std::future::poll_fn(|cx| respond.poll_reset(cx)).await.unwrap();
            count.fetch_add(1, Ordering::Relaxed);
        })
    });
    let proxy = proxy(&origin.endpoint(), "");
    let client = Client::connect(proxy.addr());
    let request = call("/x/Y").header("grpc-timeout", "50m").body(()).unwrap();
    let response = client.send(request, &message(b"x")).unwrap();
    assert_eq!(response.fields["grpc-status"], "4");
    eventually("the origin's stream is reset", || reset.load(Ordering::Relaxed) == 1);
}

#[test]
fn a_deadline_inside_a_stream_ends_it_with_a_status() {
    let origin = H2Origin::start(&Builder::new(), |_, _, mut respond| {
        Box::pin(async move {
            let mut stream = respond.send_response(grpc(), false).unwrap();
            push(&mut stream, message(b"one"), false).await.unwrap();
            std::future::poll_fn(|cx| stream.poll_reset(cx)).await.unwrap();
        })
    });
    let proxy = proxy(&origin.endpoint(), "");
    let client = Client::connect(proxy.addr());
    let request = call("/x/Y").header("grpc-timeout", "200m").body(()).unwrap();
    let response = client.send(request, &message(b"x")).unwrap();
    assert_eq!(response.body, message(b"one"));
    assert_eq!(response.trailers.unwrap()["grpc-status"], "4");
}

#[test]
fn the_route_s_own_limit_holds_if_it_is_nearer() {
    let origin = H2Origin::start(&Builder::new(), |_, _, mut respond| {
        Box::pin(async move {
            let _reset = std::future::poll_fn(|cx| respond.poll_reset(cx)).await;
        })
    });
    let proxy = proxy(&origin.endpoint(), ", timeouts: { total: 50ms }");
    let client = Client::connect(proxy.addr());
    let request = call("/x/Y").header("grpc-timeout", "1H").body(()).unwrap();
    assert_eq!(client.send(request, &message(b"x")).unwrap().fields["grpc-status"], "4");
}

#[test]
fn an_origin_that_resets_tells_the_client_why() {
    let origin = H2Origin::start(&Builder::new(), |_, request, mut respond| {
        Box::pin(async move {
            let mut stream = respond.send_response(grpc(), false).unwrap();
            let mut body = request.into_body();
            body.data().await.unwrap().unwrap();
            stream.send_reset(h2::Reason::CANCEL);
        })
    });
    let proxy = proxy(&origin.endpoint(), "");
    let client = Client::connect(proxy.addr());
    let mut asked = client.ask(call("/x/Y").body(()).unwrap(), false);
    let mut body = client.wait(asked.response).unwrap().into_body();
    client.wait(push(&mut asked.body, message(b"go"), false)).unwrap();
    let error = client.wait(body.data()).unwrap().unwrap_err();
    assert_eq!(error.reason(), Some(h2::Reason::CANCEL));
}
