//! Whole bodies at hooks of the head: read, decoded, replaced, refused; by both versions of HTTP on both sides.

use std::io::Write as _;
use std::sync::{Arc, Mutex};

use flate2::Compression;
use flate2::write::GzEncoder;
use gatewright::hook::{Edit, Form, Hook, Refused, Side, Verdict};
use gatewright::http::name::FieldName;
use http::{Request, Response};

use crate::harness::h2_origin::H2Origin;
use crate::harness::origin::ok;
use crate::harness::policy::{Policies, Said, answer, policy, whole};
use crate::harness::proxy::plain;
use crate::harness::strict::Framing;
use crate::harness::{Client, Origin, Proxy, eventually, h2};

/// An answer, by whichever door.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) status: u16,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Vec<(String, String)>,
}

impl Got {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| &**value)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Asks once by HTTP/1.1 and once by HTTP/2.
pub(crate) fn by_both(
    proxy: &Proxy,
    method: &str,
    path: &str,
    fields: &[(&str, &str)],
    body: &[u8],
    check: impl Fn(&Got),
) {
    let mut one = Client::connect(proxy.addr());
    one.send_request(method, path, fields, body);
    let response = one.read_response_to(method);
    check(&Got {
        status: response.status,
        fields: response.fields.clone(),
        body: response.body,
        trailers: response.trailers,
    });
    let two = h2::Client::connect(proxy.addr());
    let mut request = Request::builder().method(method).uri(format!("http://a.example{path}"));
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    let response = two.send(request.body(()).unwrap(), body).unwrap();
    let pairs = |map: &http::HeaderMap| -> Vec<(String, String)> {
        map.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect()
    };
    check(&Got {
        status: response.status,
        fields: pairs(&response.fields),
        body: response.body,
        trailers: response.trailers.as_ref().map(pairs).unwrap_or_default(),
    });
}

pub(crate) fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

/// A response with these fields and this body.
pub(crate) fn with(fields: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

pub(crate) fn over_h2(endpoint: &str) -> String {
    plain(endpoint, "").replace("] } }\nroutes", "], protocol: h2c } }\nroutes")
}

#[test]
fn a_request_body_is_read_and_goes_on_as_it_was() {
    for hook in [Hook::Route, Hook::Request] {
        let origin = Origin::echo();
        let told = Arc::new(Mutex::new(Vec::new()));
        let seen = told.clone();
        let reads = policy(&[hook], move |_, view| -> Said<'_> {
            let seen = seen.clone();
            Box::pin(async move {
                assert!(view.body(Side::Request, Form::Decoded)?.is_none(), "nobody has read it");
                let body = whole(view, Side::Request, 100, Form::Decoded).await?;
                assert_eq!(view.body(Side::Request, Form::Decoded)?.as_ref(), Some(&body));
                seen.lock().unwrap().push(String::from_utf8_lossy(&body.bytes).into_owned());
                Ok(Verdict::Pass)
            })
        });
        let proxy = Policies::default().with(reads).to(&origin.endpoint());
        by_both(&proxy, "POST", "/", &[("content-type", "text/plain")], b"hello", |got| assert_eq!(got.status, 200));
        assert_eq!(*told.lock().unwrap(), ["hello", "hello"]);
        for nth in 0..2 {
            let request = origin.request(nth);
            assert_eq!((request.framing, &*request.body), (Framing::Length(5), &b"hello"[..]));
        }
        // Asked for before it was sent, and of unknown length.
        let mut client = Client::connect(proxy.addr());
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
        assert_eq!(client.read_head().status, 100);
        client.send("late");
        assert_eq!(client.read_response_to("POST").status, 200);
        client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n");
        assert_eq!(client.read_response_to("POST").status, 200);
        assert_eq!(told.lock().unwrap()[2..], ["late", "ab"]);
        assert_eq!(origin.request(3).framing, Framing::Length(2));
    }
}

#[test]
fn a_request_body_that_is_too_long_is_refused_and_the_connection_is_safe() {
    let origin = Origin::echo();
    let reads = policy(&[Hook::Request], |_, view| -> Said<'_> {
        Box::pin(async move { whole(view, Side::Request, 10, Form::Decoded).await.map(|_| Verdict::Pass) })
    });
    let proxy = Policies::default().with(reads).to(&origin.endpoint());
    by_both(&proxy, "POST", "/", &[], b"0123456789a", |got| assert_eq!(got.status, 413));
    let coded = gzip(&[b'x'; 100]);
    by_both(&proxy, "POST", "/", &[("content-encoding", "gzip")], &coded, |got| {
        assert_eq!(got.status, 413, "decoded, it is longer")
    });
    let mut client = Client::connect(proxy.addr());
    client.send(
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nabcdefgh\r\n8\r\nabcdefgh\r\n0\r\n\r\n",
    );
    assert_eq!(client.read_response_to("POST").status, 413);
    by_both(&proxy, "POST", "/", &[("content-encoding", "gzip")], b"not it", |got| assert_eq!(got.status, 400));
    assert_eq!(origin.request_count(), 0);
}

#[test]
fn a_request_body_is_replaced_whether_it_was_read_or_not() {
    let origin = Origin::echo();
    let replaces = policy(&[Hook::Request], |_, view| -> Said<'_> {
        Box::pin(async move {
            if view.request()?.path() == "/read" {
                let body = whole(view, Side::Request, 1000, Form::Decoded).await?;
                assert_eq!(&*body.bytes, b"plain text");
            }
            view.set_body(Side::Request, b"another one".to_vec())?;
            assert_eq!(&*view.body(Side::Request, Form::Decoded)?.unwrap().bytes, b"another one");
            Ok(Verdict::Pass)
        })
    });
    let proxy = Policies::default().with(replaces).to(&origin.endpoint());
    let coded = gzip(b"plain text");
    for path in ["/read", "/unread"] {
        let fields = [("content-encoding", "gzip"), ("content-digest", "sha-256=:AA==:")];
        by_both(&proxy, "POST", path, &fields, &coded, |got| assert_eq!(got.status, 200));
    }
    by_both(&proxy, "GET", "/unread", &[], b"", |got| assert_eq!(got.status, 200));
    for nth in 0..6 {
        let request = origin.request(nth);
        assert_eq!((request.framing, &*request.body), (Framing::Length(11), &b"another one"[..]));
        assert_eq!((request.field("content-encoding"), request.field("content-digest")), (None, None));
    }
    // What is discarded does not become the next request.
    let mut client = Client::connect(proxy.addr());
    for _ in 0..3 {
        client.send_request("POST", "/unread", &[], &vec![b'x'; 100_000]);
        assert_eq!(client.read_response_to("POST").status, 200);
    }
    assert_eq!(origin.request_count(), 9);
}

#[test]
fn by_http2_upstream_a_replaced_request_has_its_length() {
    let origin = H2Origin::answering(|asked| (Response::new(()), asked.body.clone(), None));
    let replaces = policy(&[Hook::Request], |_, view| -> Said<'_> {
        Box::pin(async move {
            let body = whole(view, Side::Request, 1000, Form::Decoded).await?;
            view.set_body(Side::Request, body.bytes.to_ascii_uppercase())?;
            Ok(Verdict::Pass)
        })
    });
    let proxy = Policies::default().with(replaces).start(&over_h2(&origin.endpoint()));
    by_both(&proxy, "POST", "/", &[("content-encoding", "gzip")], &gzip(b"shout"), |got| {
        assert_eq!((got.status, got.text()), (200, "SHOUT".to_owned()))
    });
    let asked = origin.request(0);
    assert_eq!(asked.fields.get("content-length").map(|value| value.as_bytes()), Some(&b"5"[..]));
    assert_eq!(asked.fields.get("content-encoding"), None);
}

#[test]
fn a_body_that_was_read_is_sent_again_in_the_next_attempt() {
    let dead = Origin::script(|conn| {
        conn.read_request();
        conn.reset();
    });
    let alive = Origin::echo();
    let reads = policy(&[Hook::Request], |_, view| -> Said<'_> {
        Box::pin(async move { whole(view, Side::Request, 100, Form::Decoded).await.map(|_| Verdict::Pass) })
    });
    let yaml = plain(&dead.endpoint(), "")
        .replace(&dead.endpoint(), &format!("{}\", \"{}", dead.endpoint(), alive.endpoint()));
    let proxy = Policies::default().with(reads).start(&yaml);
    for _ in 0..4 {
        by_both(&proxy, "PUT", "/", &[], b"again", |got| assert_eq!(got.status, 200));
    }
    for request in alive.requests() {
        assert_eq!(&*request.body, b"again");
    }
}

#[test]
fn a_response_body_is_read_and_goes_on_as_it_was() {
    for hook in [Hook::UpstreamResponse, Hook::Response] {
        let coded = gzip(b"a page");
        let sent = coded.clone();
        let origin = Origin::start(move |request| match &*request.target {
            "/chunked" => {
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\na p\r\n3\r\nage\r\n0\r\n\r\n".to_vec()
            }
            "/trailers" => {
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\na page\r\n0\r\nX-Test-Sum: 1\r\n\r\n"
                    .to_vec()
            }
            "/unknown" => with("Content-Encoding: compress\r\n", b"a page"),
            "/none" => b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(),
            _ if request.method == "HEAD" => b"HTTP/1.1 200 OK\r\nContent-Length: 26\r\n\r\n".to_vec(),
            _ => with("Content-Encoding: gzip\r\nETag: \"1\"\r\n", &sent),
        });
        let reads = policy(&[hook], |_, view| -> Said<'_> {
            Box::pin(async move {
                let body = whole(view, Side::Response, 1000, Form::Decoded).await?;
                let (path, empty) = (view.request()?.path().to_owned(), view.request()?.method() == "HEAD");
                assert_eq!(body.coded, path == "/unknown");
                let bytes: &[u8] = if empty || path == "/none" { b"" } else { b"a page" };
                assert_eq!(&*body.bytes, bytes, "{path}");
                Ok(Verdict::Pass)
            })
        });
        let proxy = Policies::default().with(reads).to(&origin.endpoint());
        by_both(&proxy, "GET", "/", &[], b"", |got| {
            assert_eq!((got.status, &got.body), (200, &coded));
            assert_eq!((got.field("content-encoding"), got.field("etag")), (Some("gzip"), Some("\"1\"")));
        });
        by_both(&proxy, "GET", "/chunked", &[], b"", |got| {
            assert_eq!((got.text(), got.field("content-length")), ("a page".into(), Some("6")));
        });
        by_both(&proxy, "GET", "/trailers", &[("te", "trailers")], b"", |got| {
            assert_eq!((got.text(), got.trailers.len()), ("a page".into(), 1));
        });
        by_both(&proxy, "GET", "/unknown", &[], b"", |got| assert_eq!(got.text(), "a page"));
        by_both(&proxy, "GET", "/none", &[], b"", |got| assert_eq!(got.status, 204));
        by_both(&proxy, "HEAD", "/", &[], b"", |got| assert_eq!(got.status, 200));
        assert!(origin.connections() <= 2, "one a worker: every connection served again");
    }
}

#[test]
fn a_response_body_is_replaced_and_its_head_mended() {
    for hook in [Hook::UpstreamResponse, Hook::Response] {
        let coded = gzip(b"old words");
        let sent = coded.clone();
        let one = Origin::start(move |request| match &*request.target {
            "/part" => {
                let head = "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-2/9\r\nContent-Length: 3\r\n\r\nold";
                head.as_bytes().to_vec()
            }
            "/none" => b"HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\n\r\n".to_vec(),
            _ => with("Content-Encoding: gzip\r\nETag: \"1\"\r\nAccept-Ranges: bytes\r\nContent-MD5: x\r\n", &sent),
        });
        let two = H2Origin::answering(move |_| {
            (Response::builder().header("content-encoding", "gzip").body(()).unwrap(), coded.clone(), None)
        });
        for upstream in [plain(&one.endpoint(), ""), over_h2(&two.endpoint())] {
            let replaces = policy(&[hook], |_, view| -> Said<'_> {
                Box::pin(async move {
                    if view.response()?.status() == 304 {
                        assert_eq!(view.set_body(Side::Response, Vec::new()), Err(Refused::NoBody(Side::Response)));
                        return Ok(Verdict::Pass);
                    }
                    let body = whole(view, Side::Response, 1000, Form::Decoded).await?;
                    let text = String::from_utf8_lossy(&body.bytes).replace("old", "quite new");
                    view.set_body(Side::Response, text.into())?;
                    assert_eq!(view.response()?.find("etag"), None);
                    Ok(Verdict::Pass)
                })
            });
            let proxy = Policies::default().with(replaces).start(&upstream);
            by_both(&proxy, "GET", "/", &[], b"", |got| {
                assert_eq!((got.status, got.text()), (200, "quite new words".to_owned()));
                assert_eq!(got.field("content-length"), Some("15"));
                for gone in ["content-encoding", "etag", "accept-ranges", "content-md5"] {
                    assert_eq!(got.field(gone), None, "{gone}");
                }
            });
            if upstream.contains("h2c") {
                continue;
            }
            by_both(&proxy, "GET", "/part", &[("range", "bytes=0-2")], b"", |got| {
                assert_eq!((got.status, got.text()), (200, "quite new".to_owned()), "it is no part any more");
                assert_eq!(got.field("content-range"), None);
            });
            by_both(&proxy, "GET", "/none", &[], b"", |got| {
                assert_eq!((got.status, got.field("etag")), (304, Some("\"1\"")));
            });
        }
    }
}

#[test]
fn a_response_that_is_too_long_or_cut_short_fails_and_one_that_is_read_in_vain_goes_on() {
    for hook in [Hook::UpstreamResponse, Hook::Response] {
        let bomb = gzip(&vec![0; 3_000_000]);
        let respond = move |target: &str| match target.trim_end_matches("?vain") {
            "/cut" => b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nnot all".to_vec(),
            "/bomb" => with("Content-Encoding: gzip\r\n", &bomb),
            "/chunked" => {
                let chunk = format!("8000\r\n{}\r\n", "x".repeat(0x8000));
                format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n", chunk.repeat(8)).into()
            }
            _ => ok("x".repeat(100_000)),
        };
        let origin = Origin::script(move |conn| {
            while let Some(request) = conn.read_request() {
                conn.send(respond(&request.target));
                if request.target == "/cut" {
                    return;
                }
            }
        });
        let reads = policy(&[hook], |_, view| -> Said<'_> {
            Box::pin(async move {
                let vain = view.request()?.query() == Some("vain");
                match whole(view, Side::Response, 50_000, Form::Decoded).await {
                    Ok(_) => panic!("it is larger, or broken"),
                    Err(_) if vain => Ok(Verdict::Pass),
                    Err(failure) => Err(failure),
                }
            })
        });
        let proxy = Policies::default().with(reads).to(&origin.endpoint());
        for path in ["/", "/bomb", "/chunked", "/cut"] {
            by_both(&proxy, "GET", path, &[], b"", |got| assert_eq!(got.status, 502, "{path}"));
        }
        by_both(&proxy, "GET", "/?vain", &[], b"", |got| assert_eq!(got.body.len(), 100_000));
        by_both(&proxy, "GET", "/chunked?vain", &[], b"", |got| assert_eq!(got.body.len(), 8 * 0x8000));
    }
}

#[test]
fn what_is_observed_or_fails_changes_nothing() {
    let origin = Origin::answering(with("ETag: \"1\"\r\n", b"as it was"));
    let replaces = |fails: bool| {
        policy(&[Hook::Response], move |_, view| -> Said<'_> {
            Box::pin(async move {
                view.edit(Side::Response, Edit::Set(&FieldName::new("x-test").unwrap(), b"1"))?;
                view.set_body(Side::Response, b"something else".to_vec())?;
                if fails { Err(Refused::BadValue.into()) } else { Ok(Verdict::Pass) }
            })
        })
    };
    let observed = Policies::default().observing(replaces(false));
    let failing = Policies::default().with(replaces(true));
    for policies in [observed, failing] {
        let proxy = policies.to(&origin.endpoint());
        by_both(&proxy, "GET", "/", &[], b"", |got| {
            assert_eq!((got.status, got.text()), (200, "as it was".to_owned()));
            assert_eq!((got.field("etag"), got.field("x-test")), (Some("\"1\""), None));
        });
    }
}

#[test]
fn a_client_that_goes_away_ends_the_wait() {
    let origin = Origin::silent();
    let reads = policy(&[Hook::Request], |_, view| -> Said<'_> {
        Box::pin(async move {
            if view.request()?.path() == "/sleep" {
                let hour = gatewright::hook::Awaited::Sleep(std::time::Duration::from_secs(3600));
                crate::harness::policy::redeem(view, hour).await?;
            }
            whole(view, Side::Request, 100, Form::Decoded).await?;
            answer(200, "never")
        })
    });
    let proxy = Policies::default().with(reads).to(&origin.endpoint());
    let mut client = Client::connect(proxy.addr());
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n01234");
    client.reset();
    proxy.wait_for_failures("client_closed", 1);
    let mut client = Client::connect(proxy.addr());
    client.send("GET /sleep HTTP/1.1\r\nHost: a\r\n\r\n");
    proxy.wait_for_metric("http_server_active_requests", "", 1);
    client.reset();
    proxy.wait_for_failures("client_closed", 2);
    let two = h2::Client::connect(proxy.addr());
    let mut asked = two.ask(Request::get("http://a/sleep").body(()).unwrap(), true);
    let turn = || two.wait(async { tokio::task::yield_now().await });
    eventually("the request has arrived", || {
        turn();
        proxy.metric("http_server_active_requests", "") == 1
    });
    asked.body.send_reset(::h2::Reason::CANCEL);
    drop(asked);
    eventually("the reset has ended it", || {
        turn();
        proxy.metric("gatewright_failures_total", "\"client_closed\"") == 3
    });
}
