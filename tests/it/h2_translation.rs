//! From HTTP/2 to HTTP/1.1 and back: what could be read in two ways is refused, or leaves in the one form that all read
//! alike. The origin reads strictly and fails the test for everything ambiguous.

use crate::harness::frames::*;
use crate::harness::{Origin, Proxy, hpack, origin};

type Field = (&'static [u8], &'static [u8]);

/// How a bad request may end.
enum Refused {
    /// We answer with this status.
    With(u16),
    /// The stream, or where the h2 crate cannot tell, the connection, ends by PROTOCOL_ERROR.
    Broken,
}
use Refused::{Broken, With};

/// The fields of a request whose pseudo-header fields are replaced and followed by others.
fn fields(instead: &[Field], more: &[Field]) -> Vec<Field> {
    let mut all: Vec<Field> =
        vec![(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a")];
    for (name, value) in instead {
        match all.iter_mut().find(|(known, _)| known == name) {
            Some(one) => one.1 = value,
            None => all.push((name, value)),
        }
    }
    all.extend(more);
    all
}

fn refuse(rows: &[(&str, Vec<Field>, Refused)]) {
    let origin = Origin::echo();
    let proxy = Proxy::to(&origin.endpoint());
    let mut faults = Vec::new();
    for (what, fields, refused) in rows {
        let mut frames = Frames::connect(proxy.addr());
        frames.head(1, END_STREAM, fields);
        let ended = frames.outcome(1);
        let right = match (refused, &ended) {
            (With(status), Ended::Whole(reply)) => reply.status == *status,
            (Broken, Ended::Reset(code) | Ended::GoneAway(code)) => *code == PROTOCOL_ERROR,
            _ => false,
        };
        if !right {
            let text = format!("{ended:?}");
            faults.push(format!("{what}: {}", text.get(..60).unwrap_or(&text)));
        }
        if !matches!(ended, Ended::GoneAway(_)) {
            frames.get(3, "/after");
            assert_eq!(frames.reply(3).status, 200, "after {what}");
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    let leaked: Vec<_> = origin.requests().into_iter().filter(|request| request.target != "/after").collect();
    assert!(leaked.is_empty(), "{leaked:?}");
}

/// What is sent, its fields, its body, and what stands in the dump of what the origin got (`!`: what does not).
type Passing<'a> = (&'a str, Vec<Field>, &'a [u8], &'a [&'a str]);

fn pass(rows: &[Passing<'_>]) {
    let origin = Origin::echo();
    let proxy = Proxy::to(&origin.endpoint());
    for (what, fields, body, expected) in rows {
        let mut frames = Frames::connect(proxy.addr());
        frames.head(1, if body.is_empty() { END_STREAM } else { 0 }, fields);
        if !body.is_empty() {
            frames.frame(DATA, END_STREAM, 1, body);
        }
        let reply = match frames.outcome(1) {
            Ended::Whole(reply) => reply,
            other => panic!("{what}: {other:?}"),
        };
        assert_eq!(reply.status, 200, "{what}: {}", reply.text());
        let dump = format!("\n{}\n", reply.text());
        for line in *expected {
            let found = dump.contains(line.trim_start_matches('!'));
            assert_eq!(found, !line.starts_with('!'), "{what}: {line} in {dump}");
        }
    }
    assert_eq!(origin.requests().len(), rows.len());
}

#[test]
fn bytes_that_end_a_line_or_a_field_never_pass() {
    refuse(&[
        ("CR LF in a value", fields(&[], &[(b"x", b"a\r\nhost: b")]), Broken),
        ("LF in a value", fields(&[], &[(b"x", b"a\nb")]), Broken),
        ("CR in a value", fields(&[], &[(b"x", b"a\rb")]), Broken),
        ("NUL in a value", fields(&[], &[(b"x", b"a\0b")]), Broken),
        ("a control character in a value", fields(&[], &[(b"x", b"a\x01b")]), Broken),
        ("DEL in a value", fields(&[], &[(b"x", b"a\x7fb")]), Broken),
        ("CR LF in a name", fields(&[], &[(b"x\r\ny", b"1")]), Broken),
        ("a colon in a name", fields(&[], &[(b"x:y", b"1")]), Broken),
        ("a space in a name", fields(&[], &[(b"x y", b"1")]), Broken),
        ("a space behind a name", fields(&[], &[(b"transfer-encoding ", b"chunked")]), Broken),
        ("NUL in a name", fields(&[], &[(b"x\0", b"1")]), Broken),
        ("a byte beyond ASCII in a name", fields(&[], &[(b"x\xe4", b"1")]), Broken),
        ("an empty name", fields(&[], &[(b"", b"1")]), Broken),
        ("upper case in a name", fields(&[], &[(b"Transfer-Encoding", b"chunked")]), Broken),
        ("a space before a value", fields(&[], &[(b"x", b" 1")]), With(400)),
        ("a tab behind a value", fields(&[], &[(b"x", b"1\t")]), With(400)),
        ("CR LF in :path", fields(&[(b":path", b"/ HTTP/1.1\r\nhost: b\r\n\r\n")], &[]), Broken),
        ("a space in :path", fields(&[(b":path", b"/a b")], &[]), Broken),
        ("a space HTTP/1.1 in :path", fields(&[(b":path", b"/ HTTP/1.1")], &[]), Broken),
        ("NUL in :path", fields(&[(b":path", b"/\0")], &[]), Broken),
        ("CR LF in :authority", fields(&[(b":authority", b"a\r\nx: y")], &[]), Broken),
        ("a space in :authority", fields(&[(b":authority", b"a b")], &[]), Broken),
        ("CR LF in :method", fields(&[(b":method", b"GET / HTTP/1.1\r\nx: y\r\n\r\nGET")], &[]), Broken),
        ("a space in :method", fields(&[(b":method", b"GET /x")], &[]), Broken),
        ("an empty :method", fields(&[(b":method", b"")], &[]), Broken),
        ("CR LF in :scheme", fields(&[(b":scheme", b"http\r\nx: y")], &[]), Broken),
    ]);
}

#[test]
fn a_request_has_one_target_and_one_host() {
    refuse(&[
        ("an absolute :path", fields(&[(b":path", b"http://b/")], &[]), Broken),
        ("a :path without a slash", fields(&[(b":path", b"a")], &[]), Broken),
        ("a :path that begins with ?", fields(&[(b":path", b"?a")], &[]), With(400)),
        ("a * that is not OPTIONS", fields(&[(b":path", b"*")], &[]), With(400)),
        ("a backslash in :path", fields(&[(b":path", b"/a\\b")], &[]), With(400)),
        ("a bad escape in :path", fields(&[(b":path", b"/%zz")], &[]), With(400)),
        ("a NUL's escape in :path", fields(&[(b":path", b"/%00")], &[]), With(400)),
        ("an umlaut in :path", fields(&[(b":path", "/ä".as_bytes())], &[]), With(400)),
        ("userinfo in :authority", fields(&[(b":authority", b"u@a")], &[]), With(400)),
        ("a path in :authority", fields(&[(b":authority", b"a/b")], &[]), Broken),
        ("an empty :authority", fields(&[(b":authority", b"")], &[]), Broken),
        ("a comma in :authority", fields(&[(b":authority", b"a,b")], &[]), With(400)),
        ("an escape in :authority", fields(&[(b":authority", b"a%2fb")], &[]), Broken),
        ("a port too large", fields(&[(b":authority", b"a:99999")], &[]), With(400)),
        ("another host", fields(&[], &[(b"host", b"b")]), With(400)),
        ("another port", fields(&[], &[(b"host", b"a:81")]), With(400)),
        ("an empty host", fields(&[], &[(b"host", b"")]), With(400)),
        ("two hosts, the same", fields(&[], &[(b"host", b"a"), (b"host", b"a")]), With(400)),
        ("neither", vec![(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/")], With(400)),
        (
            "two hosts alone",
            vec![(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b"host", b"a"), (b"host", b"b")],
            With(400),
        ),
        ("two authorities", fields(&[], &[(b":authority", b"b")]), Broken),
        ("another scheme", fields(&[(b":scheme", b"ftp")], &[]), With(400)),
        ("a scheme that is none", fields(&[(b":scheme", b"ht tp")], &[]), Broken),
        ("CONNECT", vec![(b":method", b"CONNECT"), (b":authority", b"a:443")], With(405)),
        ("CONNECT with a path", fields(&[(b":method", b"CONNECT")], &[]), Broken),
        ("TRACE", fields(&[(b":method", b"TRACE")], &[]), With(405)),
        ("connect in lower case is a method like others", fields(&[(b":method", b"G\x22T")], &[]), Broken),
        (
            ":protocol without CONNECT",
            vec![
                (b":method", b"GET"),
                (b":scheme", b"http"),
                (b":path", b"/"),
                (b":authority", b"a"),
                (b":protocol", b"websocket"),
            ],
            Broken,
        ),
    ]);
    pass(&[
        (
            "OPTIONS *",
            fields(&[(b":method", b"OPTIONS"), (b":path", b"*")], &[]),
            b"",
            &["OPTIONS * HTTP/1.1\nhost: a\n"],
        ),
        ("host in another case", fields(&[], &[(b"host", b"A")]), b"", &["host: a\n", "!host: A"]),
        (
            "host alone",
            vec![(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b"host", b"b")],
            b"",
            &["\nGET / HTTP/1.1\n", "host: b\n"],
        ),
        ("a method of its own", fields(&[(b":method", b"M-X!")], &[]), b"", &["M-X! / HTTP/1.1\n"]),
        ("https, said by who ended TLS before us", fields(&[(b":scheme", b"https")], &[]), b"", &["GET / HTTP/1.1\n"]),
        // The h2 crate cuts it off before anybody sees it.
        ("a fragment", fields(&[(b":path", b"/a#b")], &[]), b"", &["GET /a HTTP/1.1\n"]),
    ]);
}

#[test]
fn the_length_of_a_body_is_said_once() {
    refuse(&[
        ("a sign", fields(&[], &[(b"content-length", b"+0")]), Broken),
        ("a list", fields(&[], &[(b"content-length", b"0, 0")]), Broken),
        ("nothing", fields(&[], &[(b"content-length", b"")]), With(400)),
        ("hexadecimal", fields(&[], &[(b"content-length", b"0x0")]), Broken),
        ("two that differ", fields(&[], &[(b"content-length", b"0"), (b"content-length", b"1")]), Broken),
        ("two that are the same", fields(&[], &[(b"content-length", b"0"), (b"content-length", b"0")]), With(400)),
        ("more than 64 bits", fields(&[], &[(b"content-length", b"99999999999999999999")]), Broken),
        ("transfer-encoding", fields(&[], &[(b"transfer-encoding", b"identity")]), Broken),
        ("te: chunked", fields(&[], &[(b"te", b"chunked")]), Broken),
        ("an unknown expectation", fields(&[], &[(b"expect", b"a miracle")]), With(417)),
    ]);
    let post: &[Field] = &[(b":method", b"POST")];
    pass(&[
        ("none", fields(post, &[]), b"abc", &["transfer-encoding: chunked\n", "!content-length", "\n\nabc\n"]),
        ("one", fields(post, &[(b"content-length", b"3")]), b"abc", &["content-length: 3\n", "!transfer", "\n\nabc\n"]),
        ("0 and no body", fields(post, &[(b"content-length", b"0")]), b"", &["content-length: 0\n", "!transfer"]),
        ("none and no body", fields(&[], &[]), b"", &["!content-length", "!transfer"]),
        ("zeros before it", fields(post, &[(b"content-length", b"003")]), b"abc", &["\n\nabc\n"]),
        ("a body that looks like a request", fields(&[], &[]), b"0\r\n\r\nGET /smuggled HTTP/1.1\r\n", &["\n\n0\r\n"]),
        ("a GET with a body", fields(&[], &[]), b"abc", &["transfer-encoding: chunked\n"]),
        (
            "crumbs",
            fields(&[], &[(b"cookie", b"a=1"), (b"x-test", b"1"), (b"cookie", b"b=2")]),
            b"",
            &["cookie: a=1; b=2\n"],
        ),
        ("bytes beyond ASCII in a value", fields(&[], &[(b"x-test", b"\xe4")]), b"", &["x-test: \u{e4}\n"]),
        (
            "the same field twice",
            fields(&[], &[(b"x-test", b"1"), (b"x-test", b"2")]),
            b"",
            &["x-test: 1\nx-test: 2\n"],
        ),
        ("an empty value", fields(&[], &[(b"x-test", b"")]), b"", &["x-test: \n"]),
        ("te: trailers", fields(&[], &[(b"te", b"trailers")]), b"", &["te: trailers\n"]),
    ]);
}

#[test]
fn many_fields_are_refused_and_the_connection_goes_on() {
    let origin = Origin::echo();
    let proxy = Proxy::to(&origin.endpoint());
    let mut frames = Frames::connect(proxy.addr());
    let most = 96; // the fields that we count are those that leave: host among them
    for (stream, fields, status) in [(1, most, 200), (3, 101, 431), (5, 300, 431)] {
        let more = vec![("x-test", "1"); fields];
        frames.head(stream, END_STREAM, &[plain("GET", "/"), more].concat());
        assert_eq!(frames.reply(stream).status, status, "{fields} fields");
    }
    let long = "y".repeat(12_000);
    frames.head(7, END_STREAM, &[plain("GET", "/"), vec![("x-test", &long)]].concat());
    assert_eq!(frames.reply(7).status, 200);
    // Browsers send every crumb of a cookie as a field of its own.
    frames.head(11, END_STREAM, &[plain("GET", "/"), vec![("cookie", "a=1"); 200]].concat());
    assert_eq!(frames.reply(11).status, 200);
    // More than the list may be: the h2 crate answers.
    let block = hpack::block(&[plain("GET", "/"), vec![("x-a", &long), ("x-b", &long)]].concat());
    frames.frame(HEADERS, END_STREAM, 13, &block[..16_000]);
    frames.frame(CONTINUATION, END_HEADERS, 13, &block[16_000..]);
    assert_eq!(frames.reply(13).status, 431);
    // Far more: that is an attack.
    let mut frames = Frames::connect(proxy.addr());
    let bomb = [hpack::block(&plain("GET", "/")), hpack::remembered(b"x-test", &long.as_bytes()[..3000])].concat();
    frames.frame(HEADERS, END_STREAM | END_HEADERS, 1, &[bomb, hpack::indexed(62).repeat(100)].concat());
    assert_eq!(frames.end(), Ended::GoneAway(ENHANCE_YOUR_CALM));
    assert_eq!(origin.requests().len(), 3);
}

#[test]
fn trailers_pass_and_what_may_not_be_one_does_not() {
    let origin = Origin::echo();
    let proxy = Proxy::to(&origin.endpoint());
    let forbidden: [Field; 5] = [
        (b"content-length", b"3"),
        (b"host", b"b"),
        (b"trailer", b"x"),
        (b"authorization", b"x"),
        (b"content-encoding", b"gzip"),
    ];
    let mut frames = Frames::connect(proxy.addr());
    for (stream, trailer) in (1..).step_by(2).zip(forbidden) {
        frames.head(stream, 0, &plain("POST", "/"));
        frames.frame(DATA, 0, stream, b"abc");
        frames.head(stream, END_STREAM, &[trailer, (b"x-test", b"1")]);
        // Dropped or refused, and never passed on.
        let ended = frames.outcome(stream);
        let status = if let Ended::Whole(reply) = &ended { reply.status } else { 0 };
        assert!(matches!(status, 200 | 400), "{}: {ended:?}", trailer.0.escape_ascii());
    }
    for trailer in [(&b"transfer-encoding"[..], &b"chunked"[..]), (b"connection", b"close"), (b"x", b"a\r\nb")] {
        let mut frames = Frames::connect(proxy.addr());
        frames.head(1, 0, &plain("POST", "/"));
        frames.frame(DATA, 0, 1, b"abc");
        frames.head(1, END_STREAM, &[trailer]);
        let ended = frames.outcome(1);
        assert!(matches!(ended, Ended::Reset(PROTOCOL_ERROR) | Ended::GoneAway(PROTOCOL_ERROR)), "{ended:?}");
    }
    // A pseudo-header field there is malformed; the h2 crate drops it, so that it goes no further either.
    let mut frames = Frames::connect(proxy.addr());
    frames.head(1, 0, &plain("POST", "/"));
    frames.frame(DATA, 0, 1, b"abc");
    frames.head(1, END_STREAM, &[(":path", "/b"), ("x-test", "1")]);
    assert_eq!(frames.reply(1).status, 200);
    for request in origin.requests() {
        assert!(request.trailers.iter().all(|(name, _)| name == "x-test"), "{:?}", request.trailers);
        assert_eq!(request.target, "/");
    }
}

#[test]
fn what_a_torn_head_hides_does_not_pass() {
    // The h2 crate forgets that a field was bad if its frame ends inside another; it drops the field all the same.
    let origin = Origin::echo();
    let proxy = Proxy::to(&origin.endpoint());
    let bad: [Field; 4] =
        [(b"transfer-encoding", b"chunked"), (b":path", b"/b"), (b"connection", b"host"), (b":authority", b"b")];
    for field in bad {
        let mut frames = Frames::connect(proxy.addr());
        let block = hpack::block(&fields(&[], &[(b"x-test", b"1"), field, (b"x-test", b"2")]));
        let (first, rest) = block.split_at(block.len() - 3);
        frames.frame(HEADERS, END_STREAM, 1, first);
        frames.frame(CONTINUATION, END_HEADERS, 1, rest);
        let ended = frames.outcome(1);
        assert!(
            matches!(&ended, Ended::Reset(PROTOCOL_ERROR) | Ended::GoneAway(PROTOCOL_ERROR) | Ended::Whole(_)),
            "{ended:?}"
        );
    }
    for request in origin.requests() {
        assert_eq!((request.target.as_str(), request.field("host")), ("/", Some("a")));
        assert_eq!((request.field("transfer-encoding"), request.field("connection")), (None, None));
    }
}

#[test]
fn fields_of_a_connection_do_not_come_back() {
    let origin = Origin::answering(
        "HTTP/1.1 200 OK\r\nConnection: keep-alive, X-Hop\r\nKeep-Alive: timeout=5\r\nX-Hop: 1\r\nProxy-Connection: a\r\n\
         Upgrade: h2c\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\nX-Kept: 1\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n\r\n\
         3\r\nabc\r\n0\r\nX-Sum: 7\r\nContent-Length: 5\r\n\r\n",
    );
    let proxy = Proxy::to(&origin.endpoint());
    let mut frames = Frames::connect(proxy.addr());
    frames.get(1, "/");
    let reply = frames.reply(1); // `frames` itself fails for what HTTP/2 may not carry
    assert_eq!((reply.body.as_slice(), reply.field("x-hop"), reply.field("x-kept")), (&b"abc"[..], None, Some("1")));
    assert_eq!(reply.fields.iter().filter(|(name, _)| name == "set-cookie").count(), 2);
    assert_eq!(reply.trailers, [("x-sum".to_owned(), "7".to_owned())]);
}

#[test]
fn responses_that_two_could_read_differently_become_bad_gateways() {
    let bad = [
        "HTTP/1.1 200 OK\r\nx: a\rb\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx y: a\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
        "HTTP/1.1 099 What\r\n\r\n",
        "HTTP/2 200\r\n\r\n",
    ];
    for response in bad {
        let origin = Origin::answering(response);
        let proxy = Proxy::to(&origin.endpoint());
        let mut frames = Frames::connect(proxy.addr());
        frames.get(1, "/");
        assert_eq!(frames.reply(1).status, 502, "{}", response.escape_debug());
    }
}

#[test]
fn a_body_that_is_none_stays_none_and_a_short_one_is_reset() {
    let origin = Origin::start(|request| {
        let (head, body) = match request.target.as_str() {
            "/204" => ("HTTP/1.1 204 No Content\r\n\r\n", ""),
            "/304" => ("HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n", ""),
            "/205" => ("HTTP/1.1 205 Reset Content\r\ncontent-length: 0\r\n\r\n", ""),
            "/0" => ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", ""),
            _ => ("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n", if request.method == "HEAD" { "" } else { "abc" }),
        };
        format!("{head}{body}").into_bytes()
    });
    let proxy = Proxy::to(&origin.endpoint());
    let mut frames = Frames::connect(proxy.addr());
    let rows = [
        ("HEAD", "/", 200, Some("3"), ""),
        ("GET", "/204", 204, None, ""),
        ("GET", "/304", 304, Some("9"), ""),
        ("GET", "/205", 205, Some("0"), ""),
        ("GET", "/0", 200, Some("0"), ""),
        ("GET", "/", 200, Some("3"), "abc"),
    ];
    for (stream, (method, path, status, length, body)) in (1..).step_by(2).zip(rows) {
        frames.head(stream, END_STREAM, &plain(method, path));
        let reply = frames.reply(stream);
        assert_eq!(
            (reply.status, reply.field("content-length"), &*reply.text()),
            (status, length, body),
            "{method} {path}"
        );
    }
    let origin = Origin::script(|conn| {
        conn.read_request();
        conn.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab");
    });
    let proxy = Proxy::to(&origin.endpoint());
    let mut frames = Frames::connect(proxy.addr());
    frames.get(1, "/");
    assert!(matches!(frames.outcome(1), Ended::Reset(_)));
    frames.sync();
}

#[test]
fn interim_responses_pass_both_kinds() {
    let origin = Origin::script(|conn| {
        let head = conn.read_head().unwrap();
        conn.send("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n");
        if head.field("expect").is_some() {
            conn.send("HTTP/1.1 100 Continue\r\n\r\n");
        }
        conn.read_body(&head);
        conn.send(origin::ok("done"));
    });
    let proxy = Proxy::to(&origin.endpoint());
    let mut frames = Frames::connect(proxy.addr());
    frames.head(1, 0, &[plain("POST", "/"), vec![("expect", "100-continue"), ("content-length", "4")]].concat());
    while frames.part(1).interim != [103, 100] {
        frames.read().expect("100 (Continue)");
    }
    frames.frame(DATA, END_STREAM, 1, b"body");
    let reply = frames.reply(1);
    assert_eq!((reply.interim.as_slice(), reply.text().as_str()), (&[103, 100][..], "done"));
    assert_eq!(origin.request(0).body, b"body");
}

#[test]
fn events_flow_as_they_come() {
    let (next, events) = std::sync::mpsc::channel::<&'static str>();
    let events = std::sync::Mutex::new(events);
    let origin = Origin::script(move |conn| {
        conn.read_request();
        conn.send("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n");
        while let Ok(event) = events.lock().unwrap().recv() {
            conn.send(format!("{:x}\r\n{event}\r\n", event.len()));
        }
        conn.send("0\r\n\r\n");
    });
    let proxy = Proxy::to(&origin.endpoint());
    let mut frames = Frames::connect(proxy.addr());
    frames.get(1, "/events");
    assert_eq!(frames.read_status(1), 200); // before the first event
    for event in ["data: 1\n\n", "data: 2\n\n", "data: 3\n\n"] {
        next.send(event).unwrap();
        assert_eq!(frames.read_body(1, event.len()), event.as_bytes());
    }
    drop(next);
    assert_eq!(frames.reply(1).body, b"");
}
