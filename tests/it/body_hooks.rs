//! Body hooks: chunk by chunk, held or whole, either way, by both versions of HTTP on both sides.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use gatewright::hook::{Edit, Hook, Refused, Side, Taking, Verdict};
use gatewright::http::name::FieldName;
use http::{HeaderMap, Request, Response};

use crate::bodies::{by_both, gzip, over_h2, with};
use crate::harness::h2_origin::H2Origin;
use crate::harness::origin::ok;
use crate::harness::policy::{Acts, Policies, Said, answer, policy};
use crate::harness::proxy::plain;
use crate::harness::strict::Framing;
use crate::harness::wire::Cut;
use crate::harness::{Client, Origin, h2};

const WHOLE: Taking = Taking::Whole { bytes_max: 1000 };

/// Puts every chunk in upper case, and says so behind the last.
fn shouts(
    hooks: &[Hook],
    side: Side,
) -> Acts<impl for<'a> Fn(Hook, &'a mut dyn gatewright::hook::View) -> Said<'a> + Send + Sync + 'static> {
    policy(hooks, move |_, view| -> Said<'_> {
        Box::pin(async move {
            let mut chunk = view.chunk(side)?.to_ascii_uppercase();
            if view.is_last() {
                chunk.push(b'!');
            }
            view.set_chunk(side, chunk)?;
            Ok(Verdict::Pass)
        })
    })
}

#[test]
fn a_request_is_changed_on_its_way() {
    for taking in [Taking::Chunks, Taking::Hold, WHOLE] {
        let one = Origin::echo();
        let two = H2Origin::answering(|asked| (Response::new(()), asked.body.clone(), None));
        let shouting = || Policies::default().with(shouts(&[Hook::RequestBody], Side::Request).taking(taking));
        let proxy = shouting().to(&one.endpoint());
        by_both(&proxy, "POST", "/", &[], b"hello", |got| assert_eq!(got.status, 200));
        by_both(&proxy, "POST", "/", &[("content-encoding", "gzip")], &gzip(b"hello"), |got| {
            assert_eq!(got.status, 200)
        });
        for nth in 0..4 {
            let request = one.request(nth);
            assert_eq!(String::from_utf8_lossy(&request.body), "HELLO!", "{taking:?}");
            assert_eq!(request.field("content-encoding"), None);
            match taking {
                Taking::Chunks => assert_eq!(request.framing, Framing::Chunked),
                Taking::Whole { .. } => assert_eq!(request.framing, Framing::Length(6)),
                Taking::Hold => {} // as soon as it is known that this was all
            }
        }
        by_both(&proxy, "GET", "/", &[], b"", |got| assert_eq!(got.status, 200));
        assert_eq!(one.request(4).framing, Framing::None, "there is none, and no hook is called");
        let proxy = shouting().start(&over_h2(&two.endpoint()));
        by_both(&proxy, "POST", "/", &[], b"hello", |got| assert_eq!(got.text(), "HELLO!"));
    }
}

#[test]
fn a_response_is_changed_on_its_way_and_its_head_mended() {
    for hook in [Hook::UpstreamResponseBody, Hook::ResponseBody] {
        for taking in [Taking::Chunks, Taking::Hold, WHOLE] {
            let one = Origin::start(|request| match &*request.target {
                "/gzip" => with("Content-Encoding: gzip\r\nETag: \"1\"\r\n", &gzip(b"hello")),
                "/none" => b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(),
                _ if request.method == "HEAD" => b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n".to_vec(),
                _ => with("ETag: \"1\"\r\nAccept-Ranges: bytes\r\n", b"hello"),
            });
            let two = H2Origin::answering(|_| (Response::new(()), b"hello".to_vec(), None));
            let shouting = || Policies::default().with(shouts(&[hook], Side::Response).taking(taking));
            let proxy = shouting().to(&one.endpoint());
            for path in ["/", "/gzip"] {
                by_both(&proxy, "GET", path, &[("range", "bytes=0-1")], b"", |got| {
                    assert_eq!((got.status, got.text()), (200, "HELLO!".to_owned()), "{taking:?}");
                    for gone in ["etag", "accept-ranges", "content-encoding"] {
                        assert_eq!(got.field(gone), None, "{gone}");
                    }
                    if taking != Taking::Hold {
                        assert_eq!(got.field("content-length"), (taking == WHOLE).then_some("6"));
                    }
                });
            }
            assert_eq!(one.request(0).field("range"), None, "a part of it could not be changed for what it is");
            by_both(&proxy, "GET", "/none", &[], b"", |got| assert_eq!(got.status, 204));
            by_both(&proxy, "HEAD", "/", &[], b"", |got| {
                assert_eq!((got.status, got.field("content-length")), (200, None));
            });
            let mut old = Client::connect(proxy.addr());
            old.send("GET / HTTP/1.0\r\nHost: a\r\n\r\n");
            assert_eq!(old.read_response().text(), "HELLO!");
            let proxy = shouting().start(&over_h2(&two.endpoint()));
            by_both(&proxy, "GET", "/", &[], b"", |got| assert_eq!(got.text(), "HELLO!"));
        }
    }
}

#[test]
fn policies_nest_and_a_foreign_one_gets_the_bytes_as_sent() {
    let origin = Origin::start(|request| {
        if request.target == "/gzip" { with("Content-Encoding: gzip\r\n", &gzip(b"x")) } else { ok("x") }
    });
    let marks = |mark: u8| {
        policy(&[Hook::RequestBody, Hook::ResponseBody, Hook::UpstreamResponseBody], move |hook, view| -> Said<'_> {
            let side = if hook == Hook::RequestBody { Side::Request } else { Side::Response };
            Box::pin(async move {
                let mut chunk = view.chunk(side)?.to_vec();
                if !view.is_last() {
                    chunk.push(if hook == Hook::UpstreamResponseBody { mark.to_ascii_lowercase() } else { mark });
                }
                view.set_chunk(side, chunk)?;
                Ok(Verdict::Pass)
            })
        })
    };
    let proxy = Policies::default().with(marks(b'A')).with(marks(b'B')).to(&origin.endpoint());
    by_both(&proxy, "POST", "/", &[], b"x", |got| assert_eq!(got.text(), "xbaBA", "the other way round"));
    assert_eq!(origin.request(0).body, b"xAB");
    let proxy = Policies::default().with(marks(b'A').foreign()).to(&origin.endpoint());
    let mut raw = gzip(b"x");
    raw.extend_from_slice(b"aA");
    let coded = gzip(b"x");
    let looks = policy(&[Hook::ResponseBody], move |_, view| -> Said<'_> {
        let right = view.chunk(Side::Response).unwrap() == coded || view.is_last();
        Box::pin(async move { if right { Ok(Verdict::Pass) } else { panic!("not as sent") } })
    });
    drop(proxy);
    let proxy = Policies::default().with(looks.foreign()).to(&origin.endpoint());
    by_both(&proxy, "GET", "/gzip", &[], b"", |got| assert_eq!(got.body, gzip(b"x")));
}

#[test]
fn trailers_are_read_and_changed_with_the_last_chunk() {
    let one = Origin::answering(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX-Test-Sum: 1\r\nX-Test-Other: 2\r\n\r\n",
    );
    let two = H2Origin::answering(|_| {
        let mut trailers = HeaderMap::new();
        trailers.insert("x-test-sum", "1".parse().unwrap());
        trailers.insert("x-test-other", "2".parse().unwrap());
        (Response::new(()), b"x".to_vec(), Some(trailers))
    });
    for yaml in [plain(&one.endpoint(), ""), over_h2(&two.endpoint())] {
        let changes = policy(&[Hook::ResponseBody], |_, view| -> Said<'_> {
            Box::pin(async move {
                let name = |name| FieldName::new(name).unwrap();
                if !view.is_last() {
                    let early = view.edit_trailers(Side::Response, Edit::Remove(&name("x-test-sum")));
                    assert_eq!(early, Err(Refused::NotYet));
                    return Ok(Verdict::Pass);
                }
                let trailers = view.trailers(Side::Response)?.expect("they came");
                assert_eq!(trailers.find("x-test-sum"), Some(&b"1"[..]));
                view.edit_trailers(Side::Response, Edit::Set(&name("x-test-sum"), b"3"))?;
                view.edit_trailers(Side::Response, Edit::Remove(&name("x-test-other")))?;
                let refused = view.edit_trailers(Side::Response, Edit::Set(&name("content-length"), b"3"));
                assert_eq!(refused, Err(Refused::Framing));
                Ok(Verdict::Pass)
            })
        });
        let proxy = Policies::default().with(changes).start(&yaml);
        by_both(&proxy, "GET", "/", &[("te", "trailers")], b"", |got| {
            assert_eq!(got.text(), "x");
            let trailers: Vec<_> = got.trailers.iter().map(|(name, value)| (name.to_lowercase(), &**value)).collect();
            assert_eq!(trailers, [("x-test-sum".to_owned(), "3")]);
        });
    }
}

#[test]
fn a_policy_answers_instead_of_either_body() {
    for taking in [Taking::Chunks, Taking::Hold, WHOLE] {
        let origin = Origin::start(|_| ok("secret"));
        let guards = policy(&[Hook::RequestBody, Hook::ResponseBody], |hook, view| -> Said<'_> {
            Box::pin(async move {
                match hook {
                    Hook::RequestBody if view.chunk(Side::Request)?.starts_with(b"bad") => answer(403, "no"),
                    Hook::ResponseBody if view.chunk(Side::Response)?.starts_with(b"secret") => answer(451, "never"),
                    _ => Ok(Verdict::Pass),
                }
            })
        });
        let proxy = Policies::default().with(guards.taking(taking)).to(&origin.endpoint());
        by_both(&proxy, "POST", "/", &[], b"bad things", |got| {
            assert_eq!((got.status, got.text()), (403, "no".to_owned()), "{taking:?}");
        });
        if taking == Taking::Chunks {
            // The head has left, and it cannot be taken back.
            let mut client = Client::connect(proxy.addr());
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
            assert!(matches!(client.try_read_response_to("GET"), Err(Cut::Closed | Cut::Short | Cut::Reset) | Err(_)));
            continue;
        }
        assert_eq!(origin.request_count(), 0, "{taking:?}: not a byte of it has left");
        by_both(&proxy, "GET", "/", &[], b"", |got| {
            assert_eq!((got.status, got.text()), (451, "never".to_owned()), "{taking:?}");
        });
    }
}

#[test]
fn a_head_that_is_held_can_be_changed_and_one_that_has_left_cannot() {
    let origin = Origin::answering(ok("x"));
    for taking in [Taking::Chunks, Taking::Hold, WHOLE] {
        let names = policy(&[Hook::RequestBody, Hook::ResponseBody], move |hook, view| -> Said<'_> {
            let side = if hook == Hook::RequestBody { Side::Request } else { Side::Response };
            Box::pin(async move {
                let edited = view.edit(side, Edit::Set(&FieldName::new("x-test-held").unwrap(), b"1"));
                let late = taking == Taking::Chunks || (taking == Taking::Hold && view.is_last());
                assert_eq!(edited, if late { Err(Refused::Gone(side)) } else { Ok(()) }, "{taking:?}");
                Ok(Verdict::Pass)
            })
        });
        let proxy = Policies::default().with(names.taking(taking)).to(&origin.endpoint());
        let held = (taking != Taking::Chunks).then_some("1");
        by_both(&proxy, "POST", "/", &[], b"body", |got| assert_eq!(got.field("x-test-held"), held));
    }
}

#[test]
fn a_policy_that_fails_breaks_the_message_off() {
    let origin = Origin::start(|_| ok("x".repeat(100)));
    for (taking, status) in [(Taking::Chunks, None), (Taking::Hold, Some(500)), (WHOLE, Some(500))] {
        let fails =
            policy(&[Hook::ResponseBody], |_, _| -> Said<'_> { Box::pin(async { Err(Refused::BadValue.into()) }) });
        let proxy = Policies::default().with(fails.taking(taking)).to(&origin.endpoint());
        let mut client = Client::connect(proxy.addr());
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(client.try_read_response_to("GET").ok().map(|response| response.status), status, "{taking:?}");
        let two = h2::Client::connect(proxy.addr());
        let read = two.send(Request::get("http://a/").body(()).unwrap(), b"");
        assert_eq!(read.ok().map(|whole| whole.status), status, "{taking:?}");
    }
    let long = shouts(&[Hook::RequestBody, Hook::ResponseBody], Side::Request).taking(Taking::Whole { bytes_max: 10 });
    let proxy = Policies::default().with(long).to(&origin.endpoint());
    by_both(&proxy, "POST", "/", &[], b"more than ten", |got| assert_eq!(got.status, 413));
    let long = shouts(&[Hook::ResponseBody], Side::Response).taking(Taking::Whole { bytes_max: 10 });
    let proxy = Policies::default().with(long).to(&origin.endpoint());
    by_both(&proxy, "GET", "/", &[], b"", |got| assert_eq!(got.status, 502));
}

#[test]
fn large_bodies_pass_both_ways_at_once_and_a_bomb_passes_in_portions() {
    const BYTES: usize = 8_000_000;
    let echo = Origin::script(|conn| {
        if let Some(head) = conn.read_head() {
            conn.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
            let Framing::Chunked = head.framing else { panic!("{:?}", head.framing) };
            let mut left = BYTES;
            while left > 0 {
                let Some(some) = conn.read_some() else { return };
                left = left.saturating_sub(some.iter().filter(|byte| **byte == b'x' || **byte == b'X').count());
                let some: Vec<u8> = some.into_iter().filter(|byte| *byte == b'X').collect();
                conn.send(format!("{:x}\r\n", some.len().max(1)));
                conn.send(if some.is_empty() { b"-".to_vec() } else { some });
                conn.send("\r\n");
            }
            conn.send("0\r\n\r\n");
        }
    });
    let most = Arc::new(Mutex::new(0));
    let seen = most.clone();
    let looks = policy(&[Hook::RequestBody, Hook::ResponseBody], move |hook, view| -> Said<'_> {
        let side = if hook == Hook::RequestBody { Side::Request } else { Side::Response };
        let seen = seen.clone();
        Box::pin(async move {
            let chunk = view.chunk(side)?.to_ascii_uppercase();
            let mut most = seen.lock().unwrap();
            *most = chunk.len().max(*most);
            view.set_chunk(side, chunk)?;
            Ok(Verdict::Pass)
        })
    });
    let proxy = Policies::default().with(looks).to(&echo.endpoint());
    let mut client = Client::connect(proxy.addr());
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\n");
    let bomb = gzip(&vec![b'x'; BYTES]);
    client.send(format!("Content-Length: {}\r\n\r\n", bomb.len()));
    client.send(&bomb);
    let response = client.read_response_to("POST");
    assert_eq!(response.body.iter().filter(|byte| **byte == b'X').count(), BYTES);
    assert!(*most.lock().unwrap() <= 256 * 1024, "{:?}", most.lock().unwrap());
    // The same by HTTP/2, where the client begins to read after it has sent all.
    let two = h2::Client::connect(proxy.addr());
    let coded = Bytes::from(bomb);
    let whole =
        two.send(Request::post("http://a/").header("content-encoding", "gzip").body(()).unwrap(), &coded).unwrap();
    assert_eq!(whole.body.iter().filter(|byte| **byte == b'X').count(), BYTES);
}
