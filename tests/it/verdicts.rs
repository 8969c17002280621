//! Verdicts of a policy's own at every hook that has them, and what follows an exchange to its log.

use std::sync::{Arc, Mutex};

use gatewright::hook::{Edit, EndpointId, Hook, Identity, Plain, Refused, Side, Verdict};
use gatewright::http::name::FieldName;

use crate::bodies::by_both;
use crate::harness::origin::ok;
use crate::harness::policy::{Policies, Said, answer, policy, whole};
use crate::harness::proxy::plain;
use crate::harness::{Origin, eventually};

#[test]
fn a_policy_answers_wherever_the_table_says_so() {
    let origin = Origin::start(|_| ok("origin"));
    let hooks = [
        Hook::Route,
        Hook::Request,
        Hook::RequestBody,
        Hook::Balance,
        Hook::UpstreamRequest,
        Hook::UpstreamResponse,
        Hook::Response,
    ];
    for hook in hooks {
        let answers = policy(&[hook], move |_, _| -> Said<'_> { Box::pin(async move { answer(418, hook.name()) }) });
        let proxy = Policies::default().with(answers).to(&origin.endpoint());
        for _ in 0..2 {
            by_both(&proxy, "POST", "/", &[], b"body", |got| {
                assert_eq!((got.status, &*got.text()), (418, hook.name()));
            });
        }
    }
}

/// Two endpoints, in this order.
fn two(first: &str, second: &str) -> String {
    plain(first, "").replace(first, &format!("{first}\", \"{second}"))
}

#[test]
fn a_policy_decides_at_an_attempts_failure() {
    let dead = || {
        Origin::script(|conn| {
            conn.read_request();
            conn.close();
        })
    };
    let decides = |verdict: &'static str| {
        policy(&[Hook::Balance, Hook::UpstreamFailure], move |hook, view| -> Said<'_> {
            Box::pin(async move {
                if hook == Hook::Balance {
                    let tried = view.endpoints()?.tried;
                    return Ok(Verdict::Endpoint(EndpointId(u32::from(tried != 0))));
                }
                assert!(view.failure()?.is_some());
                match verdict {
                    "retry" => Ok(Verdict::Retry),
                    "answer" => answer(203, "instead"),
                    "fail" => Ok(Verdict::Fail),
                    _ => Ok(Verdict::Pass),
                }
            })
        })
    };
    for (verdict, method, status) in [
        ("retry", "POST", 200),
        ("answer", "GET", 203),
        ("fail", "GET", 502),
        ("pass", "GET", 200),
        ("pass", "POST", 502),
    ] {
        let (first, second) = (dead(), Origin::start(|_| ok("second")));
        let proxy = Policies::default().with(decides(verdict)).start(&two(&first.endpoint(), &second.endpoint()));
        by_both(&proxy, method, "/", &[], b"", |got| assert_eq!(got.status, status, "{verdict} {method}"));
    }
    // What has left and is not kept cannot be sent again, whatever a policy says.
    let (first, second) = (dead(), Origin::start(|_| ok("second")));
    let proxy = Policies::default().with(decides("retry")).start(&two(&first.endpoint(), &second.endpoint()));
    by_both(&proxy, "POST", "/", &[], b"body", |got| assert_eq!(got.status, 502));
    let reads = policy(&[Hook::Request], |_, view| -> Said<'_> {
        Box::pin(async move { whole(view, Side::Request, 100, Default::default()).await.map(|_| Verdict::Pass) })
    });
    let policies = Policies::default().with(decides("retry")).with(reads);
    let proxy = policies.start(&two(&first.endpoint(), &second.endpoint()));
    by_both(&proxy, "POST", "/", &[], b"body", |got| assert_eq!(got.status, 200, "but what is kept can"));
    assert!(second.requests().iter().all(|request| request.body == b"body"));
}

#[test]
fn a_policy_asks_again_for_a_response_it_does_not_want() {
    let bad = Origin::start(|_| b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy".to_vec());
    let good = Origin::echo();
    let again = policy(&[Hook::Balance, Hook::UpstreamRequest, Hook::UpstreamResponse], |hook, view| -> Said<'_> {
        Box::pin(async move {
            match hook {
                Hook::Balance => {
                    let tried = view.endpoints()?.tried;
                    Ok(Verdict::Endpoint(EndpointId(u32::from(tried != 0))))
                }
                Hook::UpstreamRequest => {
                    let name = FieldName::new("x-test-attempt").unwrap();
                    assert_eq!(view.request()?.get(&name), None, "edits are for one attempt");
                    view.edit(Side::Request, Edit::Add(&name, b"1"))?;
                    Ok(Verdict::Pass)
                }
                _ if view.response()?.status() == 503 => {
                    assert_eq!(&*whole(view, Side::Response, 100, Default::default()).await?.bytes, b"busy");
                    Ok(Verdict::Retry)
                }
                _ => {
                    assert_eq!(view.body(Side::Response, Default::default())?, None, "nothing is left of the other");
                    Ok(Verdict::Pass)
                }
            }
        })
    });
    let proxy = Policies::default().with(again).start(&two(&bad.endpoint(), &good.endpoint()));
    by_both(&proxy, "GET", "/", &[], b"", |got| assert_eq!(got.status, 200));
    by_both(&proxy, "POST", "/", &[], b"body", |got| {
        assert_eq!((got.status, got.text()), (503, "busy".into()), "its body has left: the response goes on");
    });
    let always = policy(&[Hook::UpstreamResponse], |_, _| -> Said<'_> { Box::pin(async { Ok(Verdict::Retry) }) });
    let proxy = Policies::default().with(always).to(&good.endpoint());
    let before = good.request_count();
    by_both(&proxy, "GET", "/", &[], b"", |got| assert_eq!(got.status, 200, "attempts have an end"));
    assert!(good.request_count() - before <= 2 * gatewright::limits::ATTEMPTS_MAX as usize);
}

#[test]
fn data_follows_an_exchange_to_its_log() {
    let origin = Origin::start(|_| ok("origin"));
    let told = Arc::new(Mutex::new(Vec::new()));
    let seen = told.clone();
    let follows = |number: u32| {
        let seen = seen.clone();
        policy(&[Hook::Request, Hook::Response, Hook::Log], move |hook, view| -> Said<'_> {
            let seen = seen.clone();
            Box::pin(async move {
                match hook {
                    Hook::Request => {
                        let mine = view.mine().expect("an exchange has room");
                        assert!(mine.is_none(), "nobody else's");
                        *mine = Some(Box::new(number));
                        view.set_value("test.table", Plain::List(vec![Plain::Number(1.5), "text".into()]))?;
                        let claims = Plain::Map(vec![(Box::from(&b"plan"[..]), "gold".into())]);
                        view.set_identity(Some(Identity { subject: "ann".into(), claims, ..Identity::default() }))?;
                        let large = Plain::Text(vec![b'x'; 100_000].into());
                        assert!(matches!(view.set_value("test.large", large), Err(Refused::TooLarge(_))));
                    }
                    Hook::Response => {
                        assert_eq!(
                            view.set_identity(None).map_err(|refused| refused.to_string()).unwrap_err(),
                            "the identity may not be changed here; it may at `route`, `request`"
                        );
                        assert_eq!(view.identity()?.map(|who| &*who.subject), Some("ann"));
                    }
                    _ => {
                        let mine = view.mine().and_then(Option::take).and_then(|mine| mine.downcast::<u32>().ok());
                        let record = view.record()?;
                        let who = view.identity()?.map(|who| who.subject.clone());
                        let value = view.value("test.table")?.cloned();
                        assert!(matches!(value, Some(Plain::List(_))));
                        let line = format!("{mine:?} {who:?} {} {} {}", record.status, record.attempts, record.end);
                        seen.lock().unwrap().push(line);
                        assert!(record.bytes_out > 0);
                    }
                }
                Ok(Verdict::Pass)
            })
        })
    };
    let proxy = Policies::default().with(follows(1)).with(follows(2)).to(&origin.endpoint());
    by_both(&proxy, "GET", "/", &[], b"", |got| assert_eq!(got.status, 200));
    eventually("both have told", || told.lock().unwrap().len() == 4);
    let line = |number| format!("Some({number}) Some(\"ann\") 200 1 complete");
    assert_eq!(*told.lock().unwrap(), [line(1), line(2), line(1), line(2)]);
}
