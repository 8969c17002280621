//! The client and the origin, proven against each other with no proxy between them.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::harness::client::{exchange, get};
use crate::harness::origin::ok;
use crate::harness::strict::Framing;
use crate::harness::wire::Cut;
use crate::harness::{Client, Origin};

#[test]
fn a_get_is_answered_and_recorded() {
    let origin = Origin::answering("HTTP/1.1 200 Fine\r\nContent-Length: 5\r\nX-A: 1\r\nX-A: 2\r\n\r\nhello");
    let response = get(origin.addr(), "/path?q=1");
    assert_eq!((response.status, &*response.reason, &*response.text()), (200, "Fine", "hello"));
    assert_eq!(response.all("x-a"), ["1", "2"]);
    let request = origin.request(0);
    assert_eq!((&*request.method, &*request.target, request.field("host")), ("GET", "/path?q=1", Some("test")));
    assert!(request.raw_head.starts_with(b"GET /path?q=1 HTTP/1.1\r\nHost: test\r\n"));
    assert_eq!((origin.connections(), origin.request_count()), (1, 1));
}

#[test]
fn a_connection_carries_many_requests_even_at_once() {
    let origin = Origin::echo();
    let mut client = Client::connect(origin.addr());
    client.send("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
    assert_eq!(client.read_response().text(), "GET /1 HTTP/1.1\nHost: a\n\n");
    assert_eq!(client.read_response().text(), "POST /2 HTTP/1.1\nHost: a\nContent-Length: 3\n\nabc");
    client.send_request("DELETE", "/3", &[], b"");
    assert_eq!(client.read_response().status, 200);
    assert_eq!((origin.connections(), origin.request_count()), (1, 3));
}

#[test]
fn chunks_and_trailers_arrive_as_sent() {
    let origin = Origin::script(|conn| {
        let request = conn.read_request().expect("a request");
        assert_eq!((request.framing, &*request.chunks), (Framing::Chunked, &[3, 2][..]));
        conn.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nhi\r\n0\r\nX-Sum: 7\r\n\r\n");
    });
    let mut client = Client::connect(origin.addr());
    client.send_request("POST", "/", &[("Transfer-Encoding", "chunked")], b"");
    client.send_chunk("abc");
    client.send_chunk("de");
    client.send("0\r\nX-End: yes\r\n\r\n");
    let response = client.read_response();
    assert_eq!((&*response.body, &*response.chunks), (&b"hi"[..], &[2][..]));
    assert_eq!(response.trailers, [("X-Sum".to_owned(), "7".to_owned())]);
    client.expect_closed();
    assert_eq!(origin.request(0).body, b"abcde");
    assert_eq!(origin.request(0).trailers, [("X-End".to_owned(), "yes".to_owned())]);
}

#[test]
fn interim_responses_are_set_apart() {
    let origin = Origin::script(|conn| {
        let head = conn.read_head().expect("a head");
        conn.send("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
        conn.read_body(&head).expect("a body");
        conn.send(ok("done"));
    });
    let mut client = Client::connect(origin.addr());
    client.send_request("PUT", "/", &[("Expect", "100-continue"), ("Content-Length", "2")], b"");
    assert_eq!(client.read_head().status, 100);
    client.send("ok");
    let response = client.read_response();
    assert_eq!((response.interim.len(), response.interim[0].status, &*response.text()), (1, 103, "done"));
}

#[test]
fn responses_without_a_body_end_at_their_head() {
    let origin = Origin::start(|request| match &*request.method {
        "HEAD" => b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n".to_vec(),
        "PUT" => b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(),
        _ => b"HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n".to_vec(),
    });
    let mut client = Client::connect(origin.addr());
    for (method, status) in [("HEAD", 200), ("PUT", 204), ("GET", 304)] {
        client.send_request(method, "/", &[], b"");
        let response = client.read_response_to(method);
        assert_eq!((response.status, response.body.len()), (status, 0));
    }
}

#[test]
fn a_body_may_end_with_the_connection() {
    let origin = Origin::script(|conn| {
        conn.read_request();
        conn.send("HTTP/1.0 200 OK\r\n\r\nuntil the end");
    });
    let response = exchange(origin.addr(), "GET / HTTP/1.0\r\n\r\n");
    assert_eq!((response.framing, &*response.text()), (Framing::Close, "until the end"));
}

#[test]
fn resets_and_cuts_are_told_from_ends() {
    let origin = Origin::script(|conn| {
        let request = conn.read_request().expect("a request");
        conn.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
        if request.target == "/reset" {
            conn.reset();
        }
    });
    let mut client = Client::connect(origin.addr());
    client.send_request("GET", "/cut", &[], b"");
    assert_eq!(client.try_read_response_to("GET").expect_err("a cut"), Cut::Short);
    let mut client = Client::connect(origin.addr());
    client.send_request("GET", "/reset", &[], b"");
    client.expect_reset();
}

#[test]
fn a_client_that_leaves_inside_a_request_is_counted() {
    let origin = Origin::silent();
    let mut client = Client::connect(origin.addr());
    client.send_request("POST", "/", &[("Content-Length", "10")], b"half");
    assert!(!origin.head(0).complete);
    client.reset();
    origin.wait_for_cut_short(1);
    origin.wait_for_open(0);
}

#[test]
fn half_closes_pass_both_ways() {
    let origin = Origin::script(|conn| {
        let (bytes, end) = conn.read_to_end();
        assert_eq!(end, Cut::Closed);
        conn.send(bytes);
    });
    let mut client = Client::connect(origin.addr());
    client.send("raw bytes");
    client.half_close();
    assert_eq!(client.read_until_close(), b"raw bytes");
}

#[test]
fn unix_sockets_work_alike() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("origin.sock");
    let origin = Origin::script_unix(&path, |conn| {
        conn.read_request();
        conn.send(ok("by path"));
    });
    let mut client = Client::connect_unix(&path);
    client.send_request("GET", "/", &[], b"");
    assert_eq!(client.read_response().text(), "by path");
    assert_eq!(origin.endpoint(), format!("unix:{}", path.display()));
}

#[test]
fn an_ambiguous_request_fails_the_test() {
    let origin = Origin::echo();
    let mut client = Client::connect(origin.addr());
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n");
    client.expect_closed();
    let told = catch_unwind(AssertUnwindSafe(|| origin.request(0))).expect_err("a panic");
    assert!(told.downcast_ref::<String>().is_some_and(|text| text.contains("and Content-Length")));
    assert!(catch_unwind(AssertUnwindSafe(|| drop(origin))).is_err(), "a drop tells it too");
}

#[test]
fn fields_nobody_expects_are_found() {
    let origin = Origin::echo();
    let mut client = Client::connect(origin.addr());
    client.send_request("GET", "/", &[("X-Test-A", "1"), ("X-Secret", "2")], b"");
    client.read_response();
    assert_eq!(origin.unexpected_fields(&[]), ["X-Secret: 2"]);
    assert!(origin.unexpected_fields(&["x-secret"]).is_empty());
}

#[test]
fn nobody_listens_at_an_absent_origin() {
    let absent = Origin::absent();
    assert!(!Client::is_listening(absent.addr()));
}
