//! WebSocket by extended CONNECT (RFC 8441), to origins that know the upgrade of HTTP/1.1.

use base64::Engine as _;
use gatewright::control::{Ended as End, Event};

use crate::harness::frames::*;
use crate::harness::wire::Cut;
use crate::harness::{Conn, Origin, Proxy, eventually, origin};

const ASK: [(&str, &str); 6] = [
    (":method", "CONNECT"),
    (":protocol", "websocket"),
    (":scheme", "http"),
    (":path", "/chat?room=1"),
    (":authority", "a"),
    ("sec-websocket-version", "13"),
];

/// An origin that agrees to every handshake and then runs `tunnel`.
fn agreeing(tunnel: impl Fn(&mut Conn) + Send + Sync + 'static) -> Origin {
    Origin::script(move |conn| {
        let Some(request) = conn.read_request() else { return };
        if request.field("upgrade").is_none() {
            conn.send(origin::ok("plain"));
            return;
        }
        conn.send(switch(request.field("sec-websocket-key").unwrap(), ""));
        tunnel(conn);
    })
}

fn switch(key: &str, more: &str) -> String {
    let whole = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, whole.as_bytes());
    let accept = base64::engine::general_purpose::STANDARD.encode(digest.as_ref());
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {accept}\r\n{more}\r\n"
    )
}

fn echo(conn: &mut Conn) {
    while let Some(bytes) = conn.read_some() {
        conn.send(bytes);
    }
}

/// Stream 1 is a tunnel.
fn open(proxy: &Proxy) -> Frames {
    let mut frames = Frames::connect(proxy.addr());
    frames.head(1, 0, &ASK);
    assert_eq!(frames.read_status(1), 200);
    frames
}

#[test]
fn the_handshake_is_that_of_http_1_1() {
    let origin = Origin::script(|conn| {
        let request = conn.read_request().unwrap();
        let key = request.field("sec-websocket-key").unwrap();
        conn.send(switch(key, "Sec-WebSocket-Protocol: chat\r\nX-Test: 1\r\n"));
        echo(conn);
    });
    let proxy = Proxy::to(&origin.endpoint());
    let mut frames = Frames::connect(proxy.addr());
    assert_eq!(frames.settings.get(&8), Some(&1), "ENABLE_CONNECT_PROTOCOL");
    let more = [("sec-websocket-protocol", "chat, mail"), ("sec-websocket-key", "mine"), ("origin", "http://a")];
    frames.head(1, 0, &[ASK.to_vec(), more.to_vec()].concat());
    assert_eq!(frames.read_status(1), 200);
    let reply = frames.part(1);
    assert_eq!((reply.field("sec-websocket-protocol"), reply.field("x-test")), (Some("chat"), Some("1")));
    assert_eq!((reply.field("sec-websocket-accept"), reply.field("upgrade")), (None, None));

    let request = origin.request(0);
    assert_eq!((request.method.as_str(), request.target.as_str()), ("GET", "/chat?room=1"));
    assert_eq!((request.field("host"), request.field("upgrade")), (Some("a"), Some("websocket")));
    assert_eq!(request.field("connection").map(str::to_ascii_lowercase).as_deref(), Some("upgrade"));
    assert_eq!(request.field("sec-websocket-protocol"), Some("chat, mail"));
    assert_eq!(request.field("sec-websocket-version"), Some("13"));
    let key = request.field("sec-websocket-key").unwrap();
    assert_eq!(base64::engine::general_purpose::STANDARD.decode(key).unwrap().len(), 16);
    assert_eq!((request.field("content-length"), request.field("transfer-encoding")), (None, None));
}

#[test]
fn bytes_go_both_ways_beside_other_streams() {
    let origin = agreeing(echo);
    let proxy = Proxy::to(&origin.endpoint());
    let mut frames = open(&proxy);
    for (beside, words) in [(3, "hello"), (5, "\0\r\n\r\n"), (7, "GET / HTTP/1.1\r\n\r\n")] {
        frames.frame(DATA, 0, 1, words.as_bytes());
        assert_eq!(frames.read_body(1, words.len()), words.as_bytes());
        frames.get(beside, "/");
        assert_eq!(frames.reply(beside).text(), "plain");
    }
    frames.frame(DATA, END_STREAM, 1, b"bye");
    assert_eq!(frames.reply(1).body, b"bye");
    origin.wait_for_open(0);
}

#[test]
fn a_tunnel_has_one_line_in_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("access.log");
    let origin = agreeing(echo);
    let text = crate::harness::proxy::plain(&origin.endpoint(), "");
    let logged = format!("access_log: {{ format: json, file: \"{}\" }}", log.display());
    let proxy = Proxy::start(&text.replace("access_log: off", &logged));
    let mut frames = open(&proxy);
    frames.frame(DATA, END_STREAM, 1, b"0123456789");
    assert_eq!(frames.reply(1).body, b"0123456789");
    origin.wait_for_open(0);
    drop(frames);
    drop(proxy);
    let lines = std::fs::read_to_string(&log).unwrap();
    assert_eq!(lines.lines().count(), 1, "{lines}");
    let line: serde_json::Value = serde_json::from_str(&lines).unwrap();
    assert_eq!((&line["http.response.status_code"], &line["network.protocol.version"]), (&101.into(), &"2".into()));
    let bytes = [&line["bytes.in"], &line["bytes.out"]].map(|size| size.as_u64().unwrap());
    assert!(bytes.iter().all(|bytes| (10..300).contains(bytes)), "{line}");
}

#[test]
fn each_side_may_end_its_half_first() {
    let origin = agreeing(|conn| {
        let (bytes, end) = conn.read_to_end();
        assert_eq!((&*bytes, end), (&b"the question"[..], Cut::Closed));
        conn.send("the answer");
    });
    let proxy = Proxy::to(&origin.endpoint());
    let mut frames = open(&proxy);
    frames.frame(DATA, END_STREAM, 1, b"the question");
    assert_eq!(frames.reply(1).body, b"the answer");

    let origin = agreeing(|conn| {
        conn.send("first");
        conn.half_close();
        assert_eq!(conn.read_exactly(5).as_deref(), Some(&b"later"[..]));
    });
    let proxy = Proxy::to(&origin.endpoint());
    let mut frames = open(&proxy);
    assert_eq!(frames.reply(1).body, b"first");
    frames.frame(DATA, END_STREAM, 1, b"later");
    origin.wait_for_open(0);
    frames.sync();
}

#[test]
fn a_client_may_end_its_half_with_the_handshake() {
    let origin = agreeing(|conn| {
        assert_eq!(conn.read_to_end(), (Vec::new(), Cut::Closed));
        conn.send("news");
    });
    let proxy = Proxy::to(&origin.endpoint());
    let mut frames = Frames::connect(proxy.addr());
    frames.head(1, END_STREAM, &ASK);
    assert_eq!(frames.reply(1).body, b"news");
}

#[test]
fn a_reset_on_one_side_ends_the_other() {
    let origin = agreeing(|conn| {
        conn.wait_for_end();
    });
    let proxy = Proxy::to(&origin.endpoint());
    let mut frames = open(&proxy);
    frames.frame(RST_STREAM, 0, 1, &CANCEL.to_be_bytes());
    origin.wait_for_open(0);
    proxy.wait_for_failures("client_closed", 1);
    frames.sync();

    let origin = agreeing(|conn| {
        conn.read_some();
        conn.reset();
    });
    let proxy = Proxy::to(&origin.endpoint());
    let mut frames = open(&proxy);
    frames.frame(DATA, 0, 1, b"x");
    assert!(matches!(frames.outcome(1), Ended::Reset(_)), "a reset is no orderly end");
    frames.sync();
}

#[test]
fn a_client_that_gives_up_ends_a_tunnel_in_which_nobody_speaks() {
    let (open_gate, gate) = std::sync::mpsc::channel::<()>();
    let gate = std::sync::Mutex::new(gate);
    let origin = agreeing(move |conn| {
        assert_eq!(conn.read_to_end(), (b"x".to_vec(), Cut::Closed));
        gate.lock().unwrap().recv().ok();
    });
    let proxy = Proxy::to(&origin.endpoint());
    let mut frames = open(&proxy);
    frames.frame(DATA, END_STREAM, 1, b"x");
    frames.sync();
    frames.frame(RST_STREAM, 0, 1, &CANCEL.to_be_bytes());
    proxy.wait_for_failures("client_closed", 1);
    drop(open_gate);
}

#[test]
fn what_is_no_agreement_does_not_look_like_one() {
    let rows: [(&str, u16); 7] = [
        ("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", 502),
        (
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
            502,
        ),
        ("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n", 502),
        ("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\ndeclined", 502),
        ("HTTP/1.1 204 No Content\r\n\r\n", 502),
        ("HTTP/1.1 403 Forbidden\r\nContent-Length: 8\r\n\r\ndeclined", 403),
        ("HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 8\r\n\r\ndeclined", 302),
    ];
    for (response, status) in rows {
        let origin = Origin::script(move |conn| {
            conn.read_request();
            conn.send(response);
            conn.wait_for_end();
        });
        let proxy = Proxy::to(&origin.endpoint());
        let mut frames = Frames::connect(proxy.addr());
        frames.head(1, 0, &ASK);
        let reply = frames.reply(1);
        assert_eq!(reply.status, status, "{response}");
        if status != 502 {
            assert_eq!(reply.text(), "declined");
        }
        frames.sync();
    }
    let nobody = Origin::absent();
    let proxy = Proxy::to(&nobody.addr().to_string());
    let mut frames = Frames::connect(proxy.addr());
    frames.head(1, 0, &ASK);
    assert_eq!(frames.reply(1).status, 502);
}

#[test]
fn other_tunnels_are_refused() {
    let origin = Origin::echo();
    let proxy = Proxy::to(&origin.endpoint());
    let mut frames = Frames::connect(proxy.addr());
    for (stream, protocol) in [(1, "connect-udp"), (3, "WebSocket"), (5, "webtransport"), (7, "h2c")] {
        let mut ask = ASK;
        ask[1].1 = protocol;
        frames.head(stream, 0, &ask);
        assert_eq!(frames.reply(stream).status, 405, "{protocol}");
    }
    frames.head(9, 0, &[ASK.to_vec(), vec![("content-length", "5")]].concat());
    assert_eq!(frames.reply(9).status, 400);
    let without_path: Vec<_> = ASK.into_iter().filter(|(name, _)| *name != ":path").collect();
    frames.head(11, 0, &without_path);
    assert_eq!(frames.outcome(11), Ended::Reset(PROTOCOL_ERROR));
    assert_eq!(origin.request_count(), 0);
}

#[test]
fn much_goes_both_ways_within_the_windows() {
    const BYTES: usize = 4 * 1024 * 1024;
    let origin = agreeing(echo);
    let proxy = Proxy::to(&origin.endpoint());
    let mut frames = open(&proxy);
    let (mut sent, mut read) = (0, 0);
    let window = frames.settings[&WINDOW] as usize;
    while read < BYTES {
        let allowed = window + frames.opened.get(&1).copied().unwrap_or(0) as usize;
        let connection = 65_535 + frames.opened.get(&0).copied().unwrap_or(0) as usize;
        let more = allowed.min(connection).min(BYTES).saturating_sub(sent).min(16_384);
        if more > 0 {
            frames.frame(DATA, 0, 1, &vec![b'x'; more]);
            sent += more;
        }
        if more == 0 || frames.part(1).body.len() > 16_384 {
            frames.read().expect("an echo, or a window");
            read += std::mem::take(&mut frames.part_mut(1).body).len();
        }
    }
    frames.frame(DATA, END_STREAM, 1, b"");
    assert_eq!(frames.reply(1).body, b"");
}

#[test]
fn a_client_that_does_not_read_holds_the_origin_back() {
    let (told, tell) = std::sync::mpsc::channel();
    let told = std::sync::Mutex::new(told);
    let origin = agreeing(move |conn| {
        // What fits between here and there, and then the write waits until the client has gone.
        let mut sent = 0;
        while sent < 64 && conn.send(vec![b'x'; 1024 * 1024]) {
            sent += 1;
        }
        told.lock().unwrap().send(sent).unwrap();
    });
    let proxy = Proxy::to(&origin.endpoint());
    let mut frames = Frames::connect(proxy.addr());
    frames.generous = false;
    frames.head(1, 0, &ASK);
    assert_eq!(frames.read_body(1, 65_535).len(), 65_535);
    frames.sync();
    assert_eq!(frames.part(1).body.len(), 0, "more than the window came");
    frames.frame(RST_STREAM, 0, 1, &CANCEL.to_be_bytes());
    assert!(tell.recv_timeout(crate::harness::PATIENCE).unwrap() < 64);
    frames.sync();
}

#[test]
fn a_tunnel_outlives_a_reload_and_ends_with_the_drain() {
    let origin = agreeing(echo);
    let text = crate::harness::proxy::plain(&origin.endpoint(), "");
    let proxy = Proxy::start(&text);
    let mut frames = open(&proxy);
    proxy.reload(&format!("{text}\nlimits: {{ values: 32 }}\n")).ok();
    proxy.reload(&text.replace("path: \"/*\"", "path: \"/other/*\"")).unwrap();
    frames.frame(DATA, 0, 1, b"still");
    assert_eq!(frames.read_body(1, 5), b"still");
    frames.get(3, "/chat");
    assert_eq!(frames.reply(3).status, 404);

    proxy.inner.limit_drain(200);
    proxy.inner.send(Event::Stop);
    while frames.goaway.is_none() {
        frames.read().expect("GOAWAY");
    }
    frames.frame(DATA, 0, 1, b"yet");
    assert_eq!(frames.read_body(1, 3), b"yet");
    assert_eq!(proxy.inner.wait(), End::Forced);
    assert!(matches!(frames.end(), Ended::GoneAway(_)));
    eventually("the origin's side has ended", || origin.open_connections() == 0);
}
