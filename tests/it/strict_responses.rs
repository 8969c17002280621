//! Responses that are no HTTP, or could be read in two ways: the client gets a 502 that says nothing, the log says why,
//! and the connection is not used again.

use crate::harness::origin::ok;
use crate::harness::{Client, Origin, Proxy, show};

/// Answers `/bad` with these bytes and closes nothing by itself; any other request with a plain 200.
fn origin_with(bad: Vec<u8>) -> Origin {
    Origin::script(move |conn| {
        while let Some(request) = conn.read_request() {
            if request.target == "/bad" {
                conn.send(&bad);
                conn.half_close();
                conn.wait_for_end();
                return;
            }
            conn.send(ok("good"));
        }
    })
}

/// Each response gets a 502, and the next request on the same client connection a fresh connection to the origin.
fn refuse(rows: &[(&str, Vec<u8>)]) {
    for (defect, bytes) in rows {
        let origin = origin_with(bytes.clone());
        let proxy = Proxy::to(&origin.endpoint());
        let mut client = Client::connect(proxy.addr());
        client.send_request("POST", "/bad", &[], b"");
        let response = client.try_read_response_to("GET").unwrap_or_else(|cut| panic!("{defect}: {cut}"));
        assert_eq!(response.status, 502, "{defect}: {}{}", response.text(), show(bytes));
        assert!(!response.text().contains("bad_"), "{defect}: reasons stay in the log: {}", response.text());
        client.send_request("GET", "/good", &[], b"");
        assert_eq!(client.read_response().text(), "good", "{defect}");
        assert_eq!(origin.connections(), 2, "{defect}: the connection was used again");
        proxy.wait_for_failures("bad_response", 1);
    }
}

fn raw(rows: &[(&'static str, &str)]) -> Vec<(&'static str, Vec<u8>)> {
    rows.iter().map(|(defect, text)| (*defect, text.as_bytes().to_vec())).collect()
}

#[test]
fn heads_that_are_no_heads_are_a_bad_gateway() {
    refuse(&raw(&[
        ("garbage", "this is not HTTP\r\n\r\n"),
        ("a TLS alert", "\u{15}\u{3}\u{3}\0\u{2}\u{2}\u{28}"),
        ("HTTP/0.9", "<html>hello</html>"),
        ("another version", "HTTP/2.0 200 OK\r\n\r\n"),
        ("a version of lower case", "http/1.1 200 OK\r\n\r\n"),
        ("an ICY stream", "ICY 200 OK\r\n\r\n"),
        ("a status of two digits", "HTTP/1.1 20 OK\r\n\r\n"),
        ("a status of four digits", "HTTP/1.1 2000 OK\r\n\r\n"),
        ("a status of letters", "HTTP/1.1 abc OK\r\n\r\n"),
        ("a status below 100", "HTTP/1.1 099 OK\r\n\r\n"),
        ("a status above 599", "HTTP/1.1 600 OK\r\n\r\n"),
        ("bare LF after the status line", "HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n"),
        ("only bare LF", "HTTP/1.1 200 OK\nContent-Length: 0\n\n"),
        ("bare CR in a value", "HTTP/1.1 200 OK\r\nX: a\rb\r\n\r\n"),
        ("NUL in a value", "HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n"),
        ("NUL in the phrase", "HTTP/1.1 200 O\0K\r\nContent-Length: 0\r\n\r\n"),
        ("a CTL in a value", "HTTP/1.1 200 OK\r\nX: a\x01b\r\n\r\n"),
        ("a folded value", "HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n"),
        ("space before the colon", "HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n"),
        ("no colon", "HTTP/1.1 200 OK\r\nabc\r\n\r\n"),
        ("an empty name", "HTTP/1.1 200 OK\r\n: a\r\n\r\n"),
        ("a name that is no token", "HTTP/1.1 200 OK\r\nX Y: a\r\n\r\n"),
    ]));
}

#[test]
fn lengths_that_two_parsers_may_read_differently_are_a_bad_gateway() {
    refuse(&raw(&[
        ("two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
        ("the same length twice", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nab"),
        ("a list of lengths", "HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nab"),
        ("a signed length", "HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nab"),
        ("an overflowing length", "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551618\r\n\r\nab"),
        ("length and coding", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        ("a coding we do not know", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
        ("a coding without chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nab"),
        ("chunked twice", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
        ("chunked in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        ("101 unasked", "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"),
    ]));
}

#[test]
fn heads_that_are_too_large_are_a_bad_gateway() {
    refuse(&[
        ("a long value", format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "a".repeat(40_000)).into_bytes()),
        ("a head without an end", format!("HTTP/1.1 200 OK\r\nX: {}", "a".repeat(100_000)).into_bytes()),
        ("many fields", format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: a\r\n".repeat(500)).into_bytes()),
        ("endless interim responses", "HTTP/1.1 102 Processing\r\n\r\n".repeat(1000).into_bytes()),
    ]);
}

#[test]
fn a_defect_inside_a_body_cuts_the_response() {
    for bytes in [
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcX\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\nabc\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n-1\r\n\r\n",
    ] {
        let origin = origin_with(bytes.into());
        let proxy = Proxy::to(&origin.endpoint());
        let mut client = Client::connect(proxy.addr());
        client.send_request("GET", "/bad", &[], b"");
        assert!(client.try_read_response_to("GET").is_err(), "whole: {bytes}");
        proxy.wait_for_failures("bad_response", 1);
    }
}

#[test]
fn odd_but_unambiguous_responses_pass() {
    for (answer, status, reason) in [
        ("HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nab", 200, "OK"),
        ("HTTP/1.1 200 All's well, (mostly)\r\nContent-Length: 2\r\n\r\nab", 200, "All's well, (mostly)"),
        ("HTTP/1.1 599 Own\r\ncontent-LENGTH:2\r\n\r\nab", 599, "Own"),
    ] {
        let origin = Origin::answering(answer);
        let proxy = Proxy::to(&origin.endpoint());
        let mut client = Client::connect(proxy.addr());
        client.send_request("GET", "/", &[], b"");
        let response = client.read_response();
        assert_eq!((response.status, &*response.reason, &*response.text()), (status, reason, "ab"));
    }
}

#[test]
fn the_reason_of_a_bad_response_stands_in_the_log_and_nowhere_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("access.log");
    let origin = origin_with(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab".to_vec());
    let yaml = format!(
        "version: 1\naccess_log: {{ format: json, file: \"{}\" }}\nlisteners: {{ web: {{ bind: \"127.0.0.1:0\" }} }}\n\
         upstreams: {{ origin: {{ endpoints: [\"{}\"] }} }}\nroutes: [ {{ match: {{ path: \"/*\" }}, to: origin }} ]\n",
        log.display(),
        origin.endpoint()
    );
    let proxy = Proxy::start(&yaml);
    let mut client = Client::connect(proxy.addr());
    client.send_request("GET", "/bad", &[], b"");
    let response = client.read_response();
    assert_eq!(response.status, 502);
    proxy.wait_for_failures("bad_response", 1);
    drop(proxy);
    let lines = std::fs::read_to_string(&log).expect("a log");
    assert!(lines.contains("bad_response") && lines.contains("ambiguous_length"), "{lines}");
    assert!(!response.text().contains("ambiguous") && !response.text().contains("length"), "{}", response.text());
}
