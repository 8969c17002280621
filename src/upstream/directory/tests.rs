//! Identity, answers and limits of the directory.

use super::*;
use crate::clock;
use crate::config::diagnostic::Span;

fn upstream(name: &str, endpoints: &[(&str, u32)]) -> plan::Upstream {
    let endpoint =
        |(address, weight): &(&str, u32)| plan::Endpoint { address: Address::parse(address).unwrap(), weight: *weight };
    plan::Upstream {
        name: name.into(),
        span: Span::default(),
        endpoints: endpoints.iter().map(endpoint).collect(),
        balance: plan::Balance::RoundRobin,
        chain: Vec::new(),
        timeouts: plan::Timeouts::default(),
        connections_max: None,
        requests_max: None,
        proxy_protocol: None,
        tls: None,
        protocol: plan::Protocol::Http1,
    }
}

fn names(endpoints: &Endpoints) -> Vec<&str> {
    endpoints.list.iter().map(|endpoint| &*endpoint.name).collect()
}

#[test]
fn endpoints_keep_their_identity_across_reloads() {
    let directory = Directory::new();
    let mut seen = Seen::new(directory.clone());
    directory.apply(&[upstream("shop", &[("10.0.0.1:80", 1), ("10.0.0.2:80", 1)])]);
    let id = directory.intern("shop");
    let before = seen.endpoints(id);
    let busy = Busy::new(before.list[1].clone());
    directory.apply(&[upstream("other", &[("10.0.0.9:80", 1)]), upstream("shop", &[("10.0.0.2:80", 1)])]);
    let after = seen.endpoints(id);
    assert_ne!(after.version, before.version);
    assert_eq!(names(&after), ["10.0.0.2:80"]);
    assert!(Arc::ptr_eq(&after.list[0], busy.endpoint()));
    assert_eq!(after.list[0].in_flight.load(Ordering::Relaxed), 1);
    directory.apply(&[upstream("shop", &[("10.0.0.2:80", 1)])]);
    assert_eq!(seen.endpoints(id).version, after.version, "nothing changed");
    directory.apply(&[]);
    assert_eq!(names(&seen.endpoints(id)), ["10.0.0.2:80"], "exchanges of the last generation may still choose");
    directory.forget(&[]);
    assert!(seen.endpoints(id).list.is_empty());
    assert_eq!(directory.intern("shop"), id, "a name keeps its id");
    drop(busy);
    assert_eq!(before.list[1].in_flight.load(Ordering::Relaxed), 0);
    assert!(seen.endpoints(UpstreamId(99)).list.is_empty());
}

#[test]
fn an_answer_changes_every_upstream_that_names_the_host() {
    let directory = Directory::new();
    let mut seen = Seen::new(directory.clone());
    let host: Arc<str> = "app.test".into();
    let answer = |last: &[u8]| DnsAnswer {
        addresses: last.iter().map(|last| IpAddr::from([10, 0, 0, *last])).collect(),
        due: clock::precise(),
    };
    directory.answered(&host, answer(&[1]));
    directory.apply(&[upstream("a", &[("app.test:80", 2)]), upstream("b", &[("app.test:81", 1), ("[::1]:9", 1)])]);
    let (a, b) = (directory.intern("a"), directory.intern("b"));
    assert_eq!(names(&seen.endpoints(a)), ["10.0.0.1:80"]);
    directory.answered(&host, answer(&[2, 1, 2]));
    assert_eq!(names(&seen.endpoints(a)), ["10.0.0.1:80", "10.0.0.2:80"]);
    assert_eq!(names(&seen.endpoints(b)), ["10.0.0.1:81", "10.0.0.2:81", "[::1]:9"]);
    let version = seen.endpoints(a).version;
    directory.answered(&host, answer(&[1, 2]));
    assert_eq!(seen.endpoints(a).version, version, "another order is no change");
    directory.forget(&[]);
    assert!(directory.answer("app.test").is_none());
}

#[test]
fn limits_hold_process_wide() {
    let directory = Directory::new();
    let id = directory.intern("shop");
    let entry = directory.entry(id).unwrap();
    let first = entry.enter(Some(2)).unwrap();
    let _second = entry.enter(None).unwrap();
    assert_eq!(entry.enter(Some(2)).unwrap_err(), Reason::RequestsExceeded);
    drop(first);
    let _third = entry.enter(Some(2)).unwrap();
    let _one = entry.connect(Some(1)).unwrap();
    assert_eq!(entry.connect(Some(1)).unwrap_err(), Reason::ConnectionsExceeded);
    assert_eq!((directory.figures()[0].in_flight, directory.figures()[0].connections), (2, 1));
    let threads: Vec<_> = (0..4)
        .map(|_| {
            std::thread::spawn(move || (0..1000).filter(|_| entry.enter(Some(3)).map(std::mem::forget).is_ok()).count())
        })
        .collect();
    assert_eq!(threads.into_iter().map(|thread| thread.join().unwrap()).sum::<usize>(), 1);
}
