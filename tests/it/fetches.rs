//! Requests of policies' own, to upstreams that are declared.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use gatewright::failure::{Failure, Reason};
use gatewright::hook::{Awaited, Fetch, Fetched, Hook, Redeemed, Refused, Ticket, UpstreamId, Verdict, View};
use http::Response;

use crate::bodies::{by_both, gzip, with};
use crate::harness::h2_origin::H2Origin;
use crate::harness::origin::ok;
use crate::harness::policy::{Policies, Said, answer, policy, redeem};
use crate::harness::{Client, Origin, Proxy, eventually};

/// Upstream 0 is `origin`, where routes lead; 1 is `side`.
fn yaml(origin: &str, side: &str, more: &str) -> String {
    format!(
        "version: 1\naccess_log: off\nlisteners: {{ web: {{ bind: \"127.0.0.1:0\" }} }}\n\
         upstreams: {{ origin: {{ endpoints: [\"{origin}\"] }}, side: {{ endpoints: [\"{side}\"], {more} }} }}\n\
         routes: [ {{ match: {{ path: \"/*\" }}, to: origin }} ]\n"
    )
}

fn get(target: &str) -> Box<Fetch> {
    Box::new(Fetch {
        upstream: UpstreamId(1),
        method: "GET".into(),
        target: target.into(),
        host: None,
        fields: Vec::new(),
        body: Vec::new(),
        timeout: None,
        body_max: 100_000,
    })
}

async fn fetch(view: &mut dyn View, fetch: Box<Fetch>) -> Result<Box<Fetched>, Failure> {
    match redeem(view, Awaited::Fetch(fetch)).await? {
        Redeemed::Fetched(fetched) => Ok(fetched),
        other => panic!("{other:?}"),
    }
}

/// Fetches this, and answers with what came.
fn fetching(hook: Hook, what: impl Fn(&str) -> Box<Fetch> + Send + Sync + 'static) -> Policies {
    let what = Arc::new(what);
    Policies::default().with(policy(&[hook], move |_, view| -> Said<'_> {
        let what = what.clone();
        Box::pin(async move {
            let path = view.request()?.path().to_owned();
            match fetch(view, what(&path)).await {
                Ok(fetched) => answer(fetched.head.status(), &String::from_utf8_lossy(&fetched.body)),
                Err(failure) => answer(200, failure.reason().label()),
            }
        })
    }))
}

#[test]
fn a_policy_asks_another_upstream_and_gets_the_answer_decoded() {
    let origin = Origin::answering(ok("origin"));
    let side = Origin::start(|request| with("Content-Encoding: gzip\r\n", &gzip(&request.dump())));
    for hook in [Hook::Route, Hook::Request, Hook::UpstreamResponse, Hook::Response] {
        let asks = fetching(hook, |path| {
            let fields = vec![("X-Test-Key".to_owned(), b"abc".to_vec())];
            let body = b"a body".to_vec();
            Box::new(Fetch { method: "POST".into(), host: Some("side.example".into()), fields, body, ..*get(path) })
        });
        let proxy = asks.start(&yaml(&origin.endpoint(), &side.endpoint(), ""));
        by_both(&proxy, "GET", "/x?y=1", &[], b"", |got| assert_eq!(got.status, 200));
    }
    for request in side.requests() {
        assert_eq!((&*request.method, &*request.target, &*request.body), ("POST", "/x", &b"a body"[..]));
        assert_eq!((request.field("host"), request.field("x-test-key")), (Some("side.example"), Some("abc")));
        assert!(request.field("via").is_some_and(|via| via.contains("gatewright")), "{:?}", request.fields);
    }
    assert!(side.connections() <= 2 * 4, "connections are pooled");
}

#[test]
fn a_fetch_goes_by_http2_where_the_upstream_speaks_it() {
    let origin = Origin::answering(ok("origin"));
    let side = H2Origin::answering(|asked| (Response::new(()), asked.uri.clone().into_bytes(), None));
    let proxy = fetching(Hook::Request, get).start(&yaml(&origin.endpoint(), &side.endpoint(), "protocol: h2c"));
    for _ in 0..3 {
        by_both(&proxy, "GET", "/two", &[], b"", |got| assert!(got.text().ends_with("/two"), "{}", got.text()));
    }
    assert!(side.connections() <= 2);
    assert_eq!(proxy.metric("gatewright_upstream_requests_total", "\"side\""), 6);
}

#[test]
fn several_are_under_way_at_once_and_one_that_is_cancelled_harms_nobody() {
    let origin = Origin::answering(ok("origin"));
    let met = Arc::new((Mutex::new(0_usize), std::sync::Condvar::new()));
    // Nobody is answered before three have come.
    let side = Origin::start(move |request| {
        if request.target == "/never" {
            return Vec::new();
        }
        let mut count = met.0.lock().unwrap();
        *count += 1;
        met.1.notify_all();
        let goal = count.div_ceil(3) * 3;
        while *count < goal {
            count = met.1.wait(count).unwrap();
        }
        drop(count);
        ok(&request.target)
    });
    let composes = policy(&[Hook::Request], |_, view| -> Said<'_> {
        Box::pin(async move {
            let never = view.start(Awaited::Fetch(get("/never")))?;
            let mut tickets: Vec<Ticket> = Vec::new();
            for target in ["/a", "/b", "/c"] {
                tickets.push(view.start(Awaited::Fetch(get(target)))?);
            }
            let mut done = vec![None; 3];
            std::future::poll_fn(|cx| {
                assert!(view.poll_ticket(never, cx).is_pending());
                for (at, ticket) in tickets.iter().enumerate() {
                    if done[at].is_none()
                        && let std::task::Poll::Ready(redeemed) = view.poll_ticket(*ticket, cx)
                    {
                        let Ok(Redeemed::Fetched(fetched)) = redeemed else { panic!("{redeemed:?}") };
                        done[at] = Some(String::from_utf8_lossy(&fetched.body).into_owned());
                    }
                }
                let all = done.iter().all(Option::is_some);
                if all { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
            })
            .await;
            view.cancel(never);
            let parts: Vec<_> = done.into_iter().flatten().collect();
            answer(200, &parts.join(" "))
        })
    });
    let proxy = Policies::default().with(composes).start(&yaml(&origin.endpoint(), &side.endpoint(), ""));
    by_both(&proxy, "GET", "/", &[], b"", |got| assert_eq!(got.text(), "/a /b /c"));
}

#[test]
fn what_goes_wrong_comes_back_as_a_failure() {
    let origin = Origin::answering(ok("origin"));
    let absent = Origin::absent();
    let proxy = fetching(Hook::Request, get).start(&yaml(&origin.endpoint(), &absent.addr().to_string(), ""));
    by_both(&proxy, "GET", "/", &[], b"", |got| assert_eq!(got.text(), Reason::ConnectFailed.label()));
    let side = Origin::start(|request| match &*request.target {
        "/long" => ok("x".repeat(200_000)),
        "/bomb" => with("Content-Encoding: gzip\r\n", &gzip(&vec![0; 200_000])),
        "/late" => Vec::new(),
        _ => ok("fine"),
    });
    let asks = fetching(Hook::Request, |path| match path {
        "/late" => Box::new(Fetch { timeout: Some(Duration::from_millis(50)), ..*get(path) }),
        "/nowhere" => Box::new(Fetch { upstream: UpstreamId(77), ..*get("/") }),
        "/method" => Box::new(Fetch { method: "CONNECT".into(), ..*get("/") }),
        "/target" => Box::new(Fetch { target: "http://other/".into(), ..*get("/") }),
        "/field" => Box::new(Fetch { fields: vec![("x-test".into(), b"a\r\nb: c".to_vec())], ..*get("/") }),
        "/framing" => Box::new(Fetch { fields: vec![("content-length".into(), b"7".to_vec())], ..*get("/") }),
        path => get(path),
    });
    let proxy = asks.start(&yaml(&origin.endpoint(), &side.endpoint(), ""));
    for (path, told) in [
        ("/long", Reason::ResponseTooLarge.label()),
        ("/bomb", Reason::ResponseTooLarge.label()),
        ("/late", Reason::TotalTimeout.label()),
        ("/nowhere", Reason::NoUpstream.label()),
        ("/method", Reason::PolicyFailed.label()),
        ("/target", Reason::PolicyFailed.label()),
        ("/field", Reason::PolicyFailed.label()),
        ("/framing", Reason::PolicyFailed.label()),
        ("/fine", "fine"),
    ] {
        by_both(&proxy, "GET", path, &[], b"", |got| assert_eq!((got.status, &*got.text()), (200, told), "{path}"));
    }
}

#[test]
fn a_fetch_is_tried_again_as_any_request_is() {
    let origin = Origin::answering(ok("origin"));
    let side = Origin::script(|conn| {
        // Every connection serves two requests, and breaks at the second.
        conn.read_request();
        conn.send(ok("once"));
        conn.read_request();
    });
    let proxy = fetching(Hook::Request, get).start(&yaml(&origin.endpoint(), &side.endpoint(), ""));
    for _ in 0..4 {
        by_both(&proxy, "GET", "/", &[], b"", |got| assert_eq!(got.text(), "once"));
    }
}

#[test]
fn log_may_fetch_while_the_client_goes_on_and_balance_may_not() {
    let origin = Origin::answering(ok("origin"));
    let side = Origin::answering(ok("side"));
    let ships = policy(&[Hook::Log, Hook::Balance], |hook, view| -> Said<'_> {
        Box::pin(async move {
            if hook == Hook::Balance {
                let refused = view.start(Awaited::Fetch(get("/")));
                assert_eq!(refused, Err(Refused::MayNotWait));
                return Ok(Verdict::Pass);
            }
            fetch(view, get("/shipped")).await?;
            Ok(Verdict::Pass)
        })
    });
    let proxy = Policies::default().with(ships).start(&yaml(&origin.endpoint(), &side.endpoint(), ""));
    by_both(&proxy, "GET", "/", &[], b"", |got| assert_eq!(got.text(), "origin"));
    eventually("both were shipped", || side.request_count() == 2);
    assert!(side.requests().iter().all(|request| request.target == "/shipped"));
}

#[test]
fn a_client_that_goes_away_takes_its_fetches_along() {
    let origin = Origin::answering(ok("origin"));
    let side = Origin::silent();
    let proxy: Proxy = fetching(Hook::Request, get).start(&yaml(&origin.endpoint(), &side.endpoint(), ""));
    let mut client = Client::connect(proxy.addr());
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    side.wait_for_open(1);
    client.reset();
    proxy.wait_for_failures("client_closed", 1);
    side.wait_for_open(0);
}
