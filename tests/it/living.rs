//! What lives long: events and long polls as they come, and streams of every door that only their own end, or the limit
//! of a drain, may end.

use std::sync::{Mutex, mpsc};

use ::h2::server::Builder;
use bytes::Bytes;
use gatewright::control::{Ended, Event};
use http::{HeaderMap, Request, Response};

use crate::harness::h2::{self, push};
use crate::harness::h2_origin::{H2Origin, Served};
use crate::harness::origin::ok;
use crate::harness::tls::Wishes;
use crate::harness::wire::Cut;
use crate::harness::{Client, Conn, Origin, Proxy, eventually};
use crate::tls::Folder;

/// An origin that says each word it is given as an event.
fn events() -> (Origin, mpsc::Sender<&'static str>) {
    let (next, words) = mpsc::channel::<&'static str>();
    let words = Mutex::new(words);
    let origin = Origin::script(move |conn| {
        conn.read_request();
        conn.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
        while let Ok(word) = words.lock().unwrap().recv() {
            conn.send(format!("{:x}\r\n{word}\r\n", word.len()));
        }
        conn.send("0\r\n\r\n");
    });
    (origin, next)
}

#[test]
fn events_come_one_by_one() {
    let (origin, next) = events();
    let proxy = Proxy::to(&origin.endpoint());
    let mut client = Client::connect(proxy.addr());
    client.send_request("GET", "/events", &[], b"");
    assert_eq!(client.read_head().status, 200, "before the first event");
    for word in ["data: 1\n\n", "data: 2\n\n", "data: 3\n\n"] {
        next.send(word).unwrap();
        assert_eq!(client.read_exactly(word.len() + 5), format!("{:x}\r\n{word}\r\n", word.len()).as_bytes());
    }
    drop(next);
    assert_eq!(client.read_exactly(5), b"0\r\n\r\n");

    let (next, words) = tokio::sync::mpsc::unbounded_channel::<&'static str>();
    let words = std::sync::Arc::new(tokio::sync::Mutex::new(words));
    let origin = H2Origin::start(&Builder::new(), move |_, _, mut respond| {
        let words = words.clone();
        Box::pin(async move {
            let head = Response::builder().header("content-type", "text/event-stream").body(()).unwrap();
            let mut stream = respond.send_response(head, false).unwrap();
            while let Some(word) = words.lock().await.recv().await {
                push(&mut stream, Bytes::from_static(word.as_bytes()), false).await.unwrap();
            }
            stream.send_data(Bytes::new(), true).unwrap();
        })
    });
    let text = crate::harness::proxy::plain(&origin.endpoint(), "");
    let proxy = Proxy::start(&text.replace("endpoints", "protocol: h2c, endpoints"));
    let client = h2::Client::connect(proxy.addr());
    let asked = client.ask(Request::get("http://a/events").body(()).unwrap(), true);
    let mut body = client.wait(asked.response).unwrap().into_body();
    for word in ["data: 1\n\n", "data: 2\n\n", "data: 3\n\n"] {
        next.send(word).unwrap();
        assert_eq!(client.wait(body.data()).unwrap().unwrap(), word);
    }
    drop(next);
    assert!(client.wait(body.data()).is_none_or(|part| part.unwrap().is_empty()));
}

#[test]
fn a_long_poll_is_answered_when_there_is_news() {
    let (tell, news) = mpsc::channel::<()>();
    let news = Mutex::new(news);
    let origin = Origin::start(move |request| {
        if request.target == "/poll" {
            news.lock().unwrap().recv().ok();
        }
        ok(&request.target)
    });
    let proxy = Proxy::to(&origin.endpoint());
    let (mut one, two) = (Client::connect(proxy.addr()), h2::Client::connect(proxy.addr()));
    for round in 0..2 {
        one.send_request("GET", "/poll", &[], b"");
        let asked = two.ask(Request::get("http://a/poll").body(()).unwrap(), true);
        assert_eq!(two.get("http://a/beside").body, b"/beside", "nobody waits for who waits");
        origin.head(3 * round + 2);
        tell.send(()).and(tell.send(())).unwrap();
        assert_eq!(one.read_response().text(), "/poll");
        assert_eq!(two.read(asked).unwrap().body, b"/poll");
    }
}

/// Sends back what comes, whatever it is.
fn echo(conn: &mut Conn) {
    let Some(request) = conn.read_head() else { return };
    conn.send(match request.field("upgrade") {
        Some(_) => "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        None => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    });
    while let Some(bytes) = conn.read_some() {
        conn.send(bytes);
    }
}

fn chat(request: Request<::h2::RecvStream>, mut respond: ::h2::server::SendResponse<Bytes>) -> Served {
    Box::pin(async move {
        let mut body = request.into_body();
        let head = Response::builder().header("content-type", "application/grpc").body(()).unwrap();
        let mut stream = respond.send_response(head, false).unwrap();
        while let Some(Ok(part)) = body.data().await {
            let _gone = body.flow_control().release_capacity(part.len());
            if push(&mut stream, part, false).await.is_err() {
                return;
            }
        }
        let _gone = stream.send_trailers(HeaderMap::new());
    })
}

/// A stream of one door, both of whose directions are open.
trait Stream {
    fn echoes(&mut self, word: &'static str);
    fn is_over(&mut self);
}

/// Bytes as they are, or in chunks.
struct One {
    client: Client,
    chunked: bool,
}

/// Both ways on one stream of HTTP/2.
struct Two {
    client: h2::Client,
    up: ::h2::SendStream<Bytes>,
    down: ::h2::RecvStream,
}

impl Stream for One {
    fn echoes(&mut self, word: &'static str) {
        let sent = if self.chunked { format!("{:x}\r\n{word}\r\n", word.len()) } else { word.to_owned() };
        self.client.send(&sent);
        assert_eq!(self.client.read_exactly(sent.len()), sent.as_bytes());
    }

    fn is_over(&mut self) {
        let (bytes, cut) = self.client.read_to_end();
        assert!(bytes.is_empty() && cut != Cut::Stalled, "{cut:?}");
    }
}

impl Stream for Two {
    fn echoes(&mut self, word: &'static str) {
        self.client.wait(push(&mut self.up, Bytes::from_static(word.as_bytes()), false)).unwrap();
        let part = self.client.wait(self.down.data()).expect("more").unwrap();
        self.down.flow_control().release_capacity(part.len()).unwrap();
        assert_eq!(part, word);
    }

    fn is_over(&mut self) {
        assert!(self.client.wait(self.down.data()).is_none_or(|part| part.is_err()));
    }
}

fn one(mut client: Client, upgrade: bool) -> Box<dyn Stream> {
    let fields: &[(&str, &str)] = match upgrade {
        true => &[("Host", "a.test"), ("Connection", "upgrade"), ("Upgrade", "websocket")],
        false => &[("Host", "a.test"), ("Transfer-Encoding", "chunked")],
    };
    client.send_request(if upgrade { "GET" } else { "POST" }, "/echo", fields, b"");
    assert_eq!(client.read_head().status, if upgrade { 101 } else { 200 });
    Box::new(One { client, chunked: !upgrade })
}

fn two(client: h2::Client, uri: &str) -> Box<dyn Stream> {
    let call = Request::post(uri).header("content-type", "application/grpc").header("te", "trailers");
    let asked = client.ask(call.body(()).unwrap(), false);
    let down = client.wait(asked.response).unwrap().into_body();
    Box::new(Two { client, up: asked.body, down })
}

#[test]
fn streams_of_every_door_outlive_reloads_and_end_with_the_limit_of_a_drain() {
    let folder = Folder::new();
    let pair = folder.put("a", &folder.ca.issue(&["a.test"]));
    let (origin, calls) = (Origin::script(echo), H2Origin::start(&Builder::new(), |_, asked, out| chat(asked, out)));
    let config = |listeners: &str, routes: &str| {
        format!(
            "version: 1\naccess_log: off\nlisteners:\n  web: {{ bind: \"127.0.0.1:0\" }}\n  \
             safe: {{ bind: \"127.0.0.2:0\", tls: {{ certificates: [{pair}] }} }}\n{listeners}\
             upstreams:\n  one: {{ endpoints: [\"{}\"] }}\n  two: {{ endpoints: [\"{}\"], protocol: h2c }}\n\
             routes: [{{ match: {{ path: /echo }}, to: one }}, {{ match: {{ path: /chat }}, to: two }}{routes}]\n",
            origin.endpoint(),
            calls.endpoint()
        )
    };
    let proxy = Proxy::start(&config("  more: { bind: \"127.0.0.3:0\" }\n", ", { match: { path: /old }, to: one }"));
    let (web, safe, trusting) = (proxy.addr(), proxy.addr_of("safe"), folder.ca.trusting());
    let by_alpn = folder.ca.trusting_with(&Wishes { protocols: &["h2"], ..Wishes::default() });
    let mut streams = [
        one(Client::connect(web), true),
        one(Client::connect(web), false),
        one(Client::tls(safe, &trusting, "a.test"), true),
        one(Client::tls(safe, &trusting, "a.test"), false),
        two(h2::Client::connect(web), "http://a.test/chat"),
        two(h2::Client::tls(safe, by_alpn.clone(), "a.test"), "https://a.test/chat"),
        two(h2::Client::tls(safe, by_alpn, "a.test"), "https://a.test/echo"),
    ];
    streams.iter_mut().for_each(|stream| stream.echoes("before"));
    // Another listener goes and comes back, another route goes, at last their own.
    proxy.reload(&config("", ", { match: { path: /old }, to: one }")).unwrap();
    streams.iter_mut().for_each(|stream| stream.echoes("without a listener"));
    proxy.reload(&config("  more: { bind: \"127.0.0.3:0\" }\n", ", { match: { path: /new }, to: two }")).unwrap();
    streams.iter_mut().for_each(|stream| stream.echoes("with another"));
    proxy.reload(&config("", "").replace("/echo", "/elsewhere").replace("/chat", "/nowhere")).unwrap();
    streams.iter_mut().for_each(|stream| stream.echoes("without its route"));
    assert_eq!(origin.connections(), 5);

    proxy.inner.limit_drain(2_000);
    proxy.inner.send(Event::Stop);
    eventually("nobody listens", || !Client::is_listening(web) && !Client::is_listening(safe));
    streams.iter_mut().for_each(|stream| stream.echoes("while it drains"));
    assert_eq!(proxy.inner.wait(), Ended::Forced);
    streams.iter_mut().for_each(|stream| stream.is_over());
    origin.wait_for_open(0);
}
