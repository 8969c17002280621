//! Ten thousand reloads under load, and no request fails.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use gatewright::control::Source;
use gatewright::control::reload::load;

use crate::harness::{Client, Origin, Proxy, client, eventually, origin};

const RELOADS: usize = 10_000;

#[test]
fn no_request_fails_while_ten_thousand_reloads_happen() {
    let origins = [Origin::answering(origin::ok("a")), Origin::answering(origin::ok("b"))];
    let text = |n: usize| {
        let (name, other) = (["left", "right"][n], ["/left/*", "/right/*"][n]);
        format!(
            "version: 1\naccess_log: off\nlisteners: {{ web: {{ bind: \"127.0.0.1:0\" }} }}\n\
             upstreams: {{ {name}: {{ endpoints: [\"{}\"] }} }}\n\
             routes: [ {{ name: {name}, match: {{ path: \"/*\" }}, to: {name} }}, {{ match: {{ path: \"{other}\" }}, to: {name} }} ]\n",
            origins[n].endpoint()
        )
    };
    let loaded = [0, 1].map(|n| {
        let source = Source::Text { name: "gatewright.yaml".into(), text: text(n) };
        load(&source).unwrap_or_else(|refused| panic!("{refused}"))
    });
    let proxy = Proxy::start(&text(0));
    let (addr, done, served) = (proxy.addr(), AtomicBool::new(false), AtomicUsize::new(0));
    let serve_one = |client: &mut Client| {
        client.send_request("GET", "/some/path", &[], b"");
        let response = client.read_response();
        assert!(response.status == 200 && ["a", "b"].contains(&response.text().as_str()), "{response:?}");
        served.fetch_add(1, Ordering::Relaxed);
    };
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut client = Client::connect(addr);
                while !done.load(Ordering::Relaxed) {
                    serve_one(&mut client);
                }
            });
        }
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                assert_eq!(client::get(addr, "/new").status, 200);
            }
        });
        for round in 1..=RELOADS {
            proxy.inner.install(&loaded[round % 2]).unwrap();
        }
        done.store(true, Ordering::Relaxed);
    });
    assert!(served.load(Ordering::Relaxed) > 100);
    eventually("only the running generations live", || proxy.inner.living_generations() == 2);
    assert_eq!(proxy.metric("gatewright_config_generation", ""), RELOADS as u64 + 1);
    assert_eq!(proxy.metric("gatewright_failures_total", ""), 0, "{}", proxy.inner.metrics());
}
