//! Where messages end: every way in which a body can be framed, on both sides, and what may come before it.

use std::thread;

use crate::harness::origin::ok;
use crate::harness::strict::Framing;
use crate::harness::{Client, Origin, Proxy, Request};

const MEGABYTES_8: usize = 8 * 1024 * 1024;

fn targets(origin: &Origin) -> Vec<String> {
    origin.requests().into_iter().map(|request| request.target).collect()
}

#[test]
fn responses_end_where_the_origin_ended_them() {
    let origin = Origin::script(|conn| {
        while let Some(request) = conn.read_request() {
            let answer: &[u8] = match &*request.target {
                "/length" => b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
                "/empty" => b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
                "/chunked" => {
                    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;a=b\r\na\r\n2\r\nbc\r\n0\r\n\r\n"
                }
                "/204" => b"HTTP/1.1 204 No Content\r\n\r\n",
                "/204-length" => b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
                "/304" => b"HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\nETag: \"a\"\r\n\r\n",
                "/304-chunked" => b"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n",
                "/no-phrase" => b"HTTP/1.1 299 \r\nContent-Length: 3\r\n\r\nabc",
                _ => {
                    conn.send("HTTP/1.1 200 OK\r\n\r\nabc");
                    return;
                }
            };
            conn.send(answer);
        }
    });
    let proxy = Proxy::to(&origin.endpoint());
    let mut client = Client::connect(proxy.addr());
    for (target, status, body, framing) in [
        ("/length", 200, "abc", Framing::Length(3)),
        ("/empty", 200, "", Framing::Length(0)),
        ("/chunked", 200, "abc", Framing::Chunked),
        ("/204", 204, "", Framing::None),
        ("/204-length", 204, "", Framing::None),
        ("/304", 304, "", Framing::None),
        ("/304-chunked", 304, "", Framing::None),
        ("/no-phrase", 299, "abc", Framing::Length(3)),
        ("/close", 200, "abc", Framing::Chunked),
    ] {
        client.send_request("GET", target, &[], b"");
        let response = client.read_response();
        assert_eq!((response.status, &*response.text(), response.framing), (status, body, framing), "{target}");
        assert_eq!(
            response.field("content-length").is_some(),
            matches!(target, "/length" | "/empty" | "/304" | "/no-phrase")
        );
    }
}

#[test]
fn head_is_answered_without_a_body_and_with_its_fields() {
    let origin = Origin::start(|request| match &*request.target {
        "/length" => b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n".to_vec(),
        "/chunked" => b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec(),
        _ => b"HTTP/1.1 200 OK\r\n\r\n".to_vec(),
    });
    let proxy = Proxy::to(&origin.endpoint());
    let mut client = Client::connect(proxy.addr());
    for (target, length) in [("/length", Some("99")), ("/chunked", None), ("/none", None), ("/length", Some("99"))] {
        client.send_request("HEAD", target, &[], b"");
        let response = client.read_response_to("HEAD");
        assert_eq!((response.status, response.field("content-length")), (200, length), "{target}");
    }
    assert_eq!(origin.connections(), 1);
}

#[test]
fn request_bodies_arrive_as_they_were_framed() {
    let origin = Origin::echo();
    let proxy = Proxy::to(&origin.endpoint());
    let mut client = Client::connect(proxy.addr());
    client.send_request("POST", "/length", &[], b"abc");
    client.send_request("POST", "/zero", &[("Content-Length", "0")], b"");
    client.send_request(
        "POST",
        "/chunked",
        &[("Transfer-Encoding", "chunked")],
        b"1;a=\"b\"\r\na\r\n2\r\nbc\r\n0\r\n\r\n",
    );
    client.send_request("POST", "/none", &[], b"");
    for _ in 0..4 {
        assert_eq!(client.read_response().status, 200);
    }
    let seen = origin.requests();
    let framings: Vec<Framing> = seen.iter().map(|request| request.framing).collect();
    assert_eq!(framings, [Framing::Length(3), Framing::Length(0), Framing::Chunked, Framing::None]);
    assert_eq!((&*seen[0].body, &*seen[2].body), (&b"abc"[..], &b"abc"[..]));
    assert!(seen.iter().all(|request| request.complete && request.connection == 0));
}

#[test]
fn trailers_are_forwarded_both_ways() {
    let origin = Origin::script(|conn| {
        while conn.read_request().is_some() {
            conn.send("HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Sum: 7\r\n\r\n");
        }
    });
    let proxy = Proxy::to(&origin.endpoint());
    let mut client = Client::connect(proxy.addr());
    client.send_request(
        "POST",
        "/",
        &[("Transfer-Encoding", "chunked"), ("TE", "trailers"), ("Connection", "TE"), ("Trailer", "X-End")],
        b"2\r\nab\r\n0\r\nX-End: yes\r\n\r\n",
    );
    let response = client.read_response();
    assert_eq!(response.trailers, [("X-Sum".to_owned(), "7".to_owned())]);
    assert_eq!(response.field("trailer"), Some("X-Sum"));
    let request = origin.request(0);
    assert_eq!(request.trailers, [("X-End".to_owned(), "yes".to_owned())]);
    assert_eq!((request.field("te"), request.field("trailer")), (Some("trailers"), Some("X-End")));
}

#[test]
fn a_client_that_waits_for_100_gets_the_origins() {
    let origin = Origin::script(|conn| {
        let head = conn.read_head().expect("a head");
        assert_eq!(head.field("expect"), Some("100-continue"));
        conn.send("HTTP/1.1 100 Continue\r\n\r\n");
        conn.read_body(&head).expect("a body");
        conn.send(ok("done"));
    });
    let proxy = Proxy::to(&origin.endpoint());
    let mut client = Client::connect(proxy.addr());
    client.send_request("PUT", "/", &[("Expect", "100-continue"), ("Content-Length", "2")], b"");
    assert_eq!(client.read_head().status, 100);
    client.send("ok");
    let response = client.read_response();
    assert_eq!((response.interim.len(), &*response.text()), (0, "done"));
}

#[test]
fn a_client_that_waits_for_100_is_not_stalled_by_an_origin_that_never_says_it() {
    let origin = Origin::script(|conn| {
        while conn.read_request().is_some() {
            conn.send("HTTP/1.1 100 Continue\r\n\r\n"); // too late; nobody waits for it any more
            conn.send(ok("done"));
        }
    });
    let proxy = Proxy::to(&origin.endpoint());
    let mut client = Client::connect(proxy.addr());
    client.send_request("PUT", "/", &[("Expect", "100-continue"), ("Content-Length", "2")], b"");
    assert_eq!(client.read_head().status, 100);
    client.send("ok");
    let response = client.read_response();
    assert_eq!((response.interim.len(), &*response.text()), (0, "done"));
    client.send_request("GET", "/2", &[], b"");
    assert_eq!(client.read_response().status, 200);
}

#[test]
fn a_client_that_does_not_wait_for_100_is_not_told() {
    let origin = Origin::start(|_| [&b"HTTP/1.1 100 Continue\r\n\r\n"[..], &ok("done")].concat());
    let proxy = Proxy::to(&origin.endpoint());
    let mut client = Client::connect(proxy.addr());
    client.send_request("GET", "/", &[], b"");
    client.send_request("PUT", "/", &[("Expect", "100-continue")], b"all of it at once");
    assert!(client.read_response().interim.is_empty());
    let response = client.read_response();
    assert_eq!((response.status, &*response.text()), (200, "done"));
}

#[test]
fn a_final_answer_instead_of_100_ends_the_connection() {
    let origin = Origin::script(|conn| {
        conn.read_head();
        conn.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
        conn.wait_for_end();
    });
    let proxy = Proxy::to(&origin.endpoint());
    let mut client = Client::connect(proxy.addr());
    client.send_request("PUT", "/", &[("Expect", "100-continue"), ("Content-Length", "9")], b"");
    let response = client.read_response();
    assert_eq!((response.status, response.interim.len(), &*response.text()), (403, 0, "no"));
    assert_eq!(response.field("connection"), Some("close"));
    client.expect_closed();
    origin.wait_for_open(0);
}

#[test]
fn early_hints_reach_clients_that_know_them() {
    let origin = Origin::start(|_| {
        [&b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </b>\r\n\r\n"[..], &ok("x")]
            .concat()
    });
    let proxy = Proxy::to(&origin.endpoint());
    let mut client = Client::connect(proxy.addr());
    client.send_request("GET", "/", &[], b"");
    let response = client.read_response();
    let hints: Vec<_> = response.interim.iter().map(|head| (head.status, head.fields[0].1.as_str())).collect();
    assert_eq!(hints, [(103, "</a>"), (103, "</b>")]);
    let mut old = Client::connect(proxy.addr());
    old.send("GET / HTTP/1.0\r\n\r\n");
    assert!(old.read_response().interim.is_empty());
}

#[test]
fn http_10_clients_get_what_they_understand() {
    let origin = Origin::start(|request| match &*request.target {
        "/chunked" => b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-T: 1\r\n\r\n".to_vec(),
        _ => ok("abc"),
    });
    let proxy = Proxy::to(&origin.endpoint());
    let mut client = Client::connect(proxy.addr());
    client.send("GET /1 HTTP/1.0\r\n\r\n");
    assert_eq!(client.read_response().text(), "abc");
    client.expect_closed();

    let mut client = Client::connect(proxy.addr());
    for _ in 0..2 {
        client.send("GET /2 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        let response = client.read_response();
        assert_eq!((&*response.text(), response.field("connection")), ("abc", Some("keep-alive")));
    }
    client.send("GET /chunked HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    let response = client.read_response();
    assert_eq!(
        (&*response.text(), response.framing, response.field("connection")),
        ("abc", Framing::Close, Some("close"))
    );
    assert!(
        origin.requests().iter().all(|request| request.field("connection").is_none() && request.version == "HTTP/1.1")
    );
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let origin = Origin::start(|request: &Request| ok(format!("{} {}", request.target, request.body.len())));
    let proxy = Proxy::to(&origin.endpoint());
    let mut client = Client::connect(proxy.addr());
    let mut all = String::new();
    for number in 0..50 {
        match number % 3 {
            0 => all += &format!("GET /{number} HTTP/1.1\r\nHost: a\r\n\r\n"),
            1 => all += &format!("POST /{number} HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabcde\r\n"),
            _ => {
                all += &format!(
                    "POST /{number} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n"
                )
            }
        }
    }
    client.send(all);
    for number in 0..50 {
        let expected = format!("/{number} {}", if number % 3 == 0 { 0 } else { 5 });
        assert_eq!(client.read_response().text(), expected);
    }
    assert_eq!(targets(&origin), (0..50).map(|number| format!("/{number}")).collect::<Vec<_>>());
    assert_eq!(origin.connections(), 1);
}

#[test]
fn pipelined_requests_behind_a_close_are_not_served() {
    let origin = Origin::answering(ok("x"));
    let proxy = Proxy::to(&origin.endpoint());
    let mut client = Client::connect(proxy.addr());
    client.send("GET /1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.read_response().status, 200);
    client.expect_closed();
    assert_eq!(targets(&origin), ["/1"]);
}

#[test]
fn an_origin_may_echo_while_the_client_still_sends() {
    for chunked in [false, true] {
        let origin = Origin::script(move |conn| {
            let head = conn.read_head().expect("a head");
            assert_eq!(head.framing == Framing::Chunked, chunked);
            conn.send("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
            let mut left = if chunked { usize::MAX } else { MEGABYTES_8 };
            let mut tail = Vec::new(); // the last chunk may arrive in pieces
            while left > 0 {
                let Some(bytes) = conn.read_some() else { return };
                left -= bytes.len();
                tail.extend_from_slice(&bytes[bytes.len().saturating_sub(7)..]);
                tail.drain(..tail.len().saturating_sub(7));
                let ends = chunked && tail == b"\r\n0\r\n\r\n";
                if !conn.send(bytes) || ends {
                    return;
                }
            }
        });
        let proxy = Proxy::to(&origin.endpoint());
        let client = Client::connect(proxy.addr());
        let mut sender = client.again();
        let sends = thread::spawn(move || {
            let block = vec![b'x'; 64 * 1024];
            if chunked {
                sender.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
                (0..MEGABYTES_8 / block.len()).for_each(|_| sender.send_chunk(&block));
                sender.send("0\r\n\r\n");
            } else {
                sender.send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {MEGABYTES_8}\r\n\r\n"));
                (0..MEGABYTES_8 / block.len()).for_each(|_| sender.send(&block));
            }
        });
        let mut client = client;
        let response = client.read_response();
        sends.join().expect("all is sent");
        assert_eq!(response.body.iter().filter(|byte| **byte == b'x').count(), MEGABYTES_8);
        assert!(chunked || response.body.len() == MEGABYTES_8);
    }
}

#[test]
fn an_early_refusal_reaches_a_client_that_still_sends() {
    let origin = Origin::script(|conn| {
        conn.read_head();
        conn.send("HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbig");
    });
    let proxy = Proxy::to(&origin.endpoint());
    let mut client = Client::connect(proxy.addr());
    client.send_request("POST", "/", &[("Content-Length", "100000000")], b"the first of many");
    let response = client.read_response();
    assert_eq!((response.status, &*response.text()), (413, "big"));
    for _ in 0..64 {
        if !client.try_send(vec![b'x'; 64 * 1024]) {
            break;
        }
    }
    let (more, _) = client.read_to_end();
    assert!(more.is_empty());
}

#[test]
fn a_body_that_outlives_its_response_is_thrown_away() {
    let origin = Origin::script(|conn| {
        while let Some(head) = conn.read_head() {
            conn.send(ok("early"));
            if head.method == "POST" {
                conn.wait_for_end();
            }
        }
    });
    let proxy = Proxy::to(&origin.endpoint());
    let mut client = Client::connect(proxy.addr());
    for body in [vec![b'x'; 1000], vec![b'x'; 200_000]] {
        client.send_request("POST", "/", &[("Content-Length", &body.len().to_string())], b"");
        assert_eq!(client.read_response().text(), "early");
        client.send(&body);
        client.send_request("GET", "/next", &[], b"");
        assert_eq!(client.read_response().text(), "early");
    }
}

#[test]
fn a_client_that_closed_its_half_still_gets_its_answer() {
    let origin = Origin::script(|conn| {
        while let Some(request) = conn.read_request() {
            conn.send(ok(request.target));
        }
    });
    let proxy = Proxy::to(&origin.endpoint());
    let mut client = Client::connect(proxy.addr());
    client.send("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx");
    client.half_close();
    assert_eq!((client.read_response().text(), client.read_response().text()), ("/1".into(), "/2".into()));
    client.expect_closed();
}

#[test]
fn a_body_that_its_client_never_ended_is_cut_for_the_origin_too() {
    let origin = Origin::silent();
    let proxy = Proxy::to(&origin.endpoint());
    let heads = ["Content-Length: 10\r\n\r\nhalf", "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"];
    for (nth, head) in heads.iter().enumerate() {
        let mut client = Client::connect(proxy.addr());
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\n{head}"));
        origin.head(nth);
        client.half_close();
        client.expect_closed();
    }
    origin.wait_for_cut_short(2);
}
