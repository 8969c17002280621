//! Dictionaries and tables over reloads: what stays, what is swapped, and what a refused reload leaves alone.

use std::fs;
use std::net::TcpListener;
use std::sync::mpsc;

use gatewright::control::Event;
use gatewright::snapshot::shared::Shared;

use crate::harness::client::get;
use crate::harness::{Origin, Proxy, eventually, origin};

/// What the running snapshot shares.
fn shared(proxy: &Proxy) -> Shared {
    let (told, answer) = mpsc::sync_channel(1);
    proxy.inner.send(Event::Ask(Box::new(move |control| told.send(control.shared().unwrap().clone()).unwrap())));
    answer.recv().unwrap()
}

fn text(origin: &Origin, more: &str) -> String {
    format!(
        "version: 1\naccess_log: off\nlisteners: {{ web: {{ bind: \"127.0.0.1:0\" }} }}\n\
         upstreams: {{ shop: {{ endpoints: [\"{}\"] }} }}\nroutes: [{{ to: shop }}]\n{more}\n",
        origin.endpoint()
    )
}

#[test]
fn a_dictionary_outlives_reloads_and_takes_the_new_size_only_with_a_good_one() {
    let origin = Origin::answering(origin::ok("x"));
    let proxy = Proxy::start(&text(&origin, "dictionaries: { counters: { size: 1MiB }, other: {} }"));
    let counters = || shared(&proxy).dictionaries.get("counters").cloned();
    counters().unwrap().set(b"visits", 7.0.into(), None).unwrap();
    let larger = text(&origin, "dictionaries: { counters: { size: 2MiB } }");
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = format!("listeners: {{ taken: {{ bind: \"{}\" }}, ", holder.local_addr().unwrap());
    assert!(proxy.reload(&larger.replace("listeners: {", &taken)).is_err(), "its address is in use");
    assert_eq!(counters().unwrap().size(), 1 << 20);
    assert_eq!(proxy.reload(&larger), Ok(2));
    assert_eq!((counters().unwrap().size(), counters().unwrap().get(b"visits")), (2 << 20, Some(7.0.into())));
    assert!(!shared(&proxy).dictionaries.contains_key("other"));
    assert_eq!(proxy.reload(&text(&origin, "")), Ok(3));
    eventually("the old generation has ended", || proxy.inner.living_generations() == 2);
    assert_eq!(proxy.reload(&text(&origin, "dictionaries: { counters: {} }")), Ok(4));
    assert_eq!(counters().unwrap().get(b"visits"), None, "nobody held it any more");
}

#[test]
fn a_table_is_swapped_when_its_file_changes_and_kept_when_that_is_bad() {
    let dir = tempfile::tempdir().unwrap();
    let (main, networks) = (dir.path().join("gatewright.yaml"), dir.path().join("networks.csv"));
    let origin = Origin::answering(origin::ok("x"));
    fs::write(&networks, "network,place\n10.0.0.0/8,inside\n").unwrap();
    fs::write(&main, text(&origin, "tables: { networks: { file: networks.csv, kind: cidr } }")).unwrap();
    let proxy = Proxy::start_file(&main);
    let place = || {
        let table = shared(&proxy).tables["networks"].clone();
        table.lookup(b"10.1.2.3").and_then(|row| row.get(b"place").map(<[u8]>::to_vec))
    };
    assert_eq!(place().unwrap(), b"inside");
    fs::write(&networks, "network,place\n10.0.0.0/8,inside\n10.1.0.0/16,lab\n").unwrap();
    eventually("the new table is there", || place().unwrap() == b"lab");
    fs::write(&networks, "network,place\n10.0.0.0/99,x\n").unwrap();
    eventually("it is refused", || proxy.metric("gatewright_reloads_total", "failure") == 1);
    assert_eq!(place().unwrap(), b"lab");
    fs::write(&networks, "network,place\n10.0.0.0/8,mended\n").unwrap();
    eventually("it is mended", || place().unwrap() == b"mended");
}

#[test]
fn a_script_keeps_its_dictionary_and_metrics_over_reloads_and_sees_the_new_table() {
    let dir = tempfile::tempdir().unwrap();
    let (main, networks) = (dir.path().join("gatewright.yaml"), dir.path().join("networks.csv"));
    let origin = Origin::answering(origin::ok("x"));
    let yaml = |version: u32| {
        let policies = "tables: { networks: { file: networks.csv, kind: cidr } }\ndictionaries: { counters: {} }\npolicies:\n  \
             count:\n    may: { dictionaries: [counters], tables: [networks] }\n    lua:\n      inline: |\n        \
             local asked = metric.counter('asked', 'Requests, by version.')\n        function request(exchange)\n          \
             asked:add(1, { version = VERSION })\n          local own = dictionary():incr('n', 1, 0)\n          \
             local all = dictionary('counters'):incr('n', 10, 0)\n          \
             local row = lookup_table('networks'):lookup_address('10.1.2.3')\n          \
             return answer(200, {}, `{own} {all} {row.place} VERSION`)\n        end\n";
        text(&origin, &policies.replace("VERSION", &version.to_string()))
            .replace("{ to: shop }", "{ use: [count], to: shop }")
    };
    fs::write(&networks, "network,place\n10.0.0.0/8,inside\n").unwrap();
    fs::write(&main, yaml(1)).unwrap();
    let proxy = Proxy::start_file(&main);
    let asked = || String::from_utf8(get(proxy.addr(), "/").body).unwrap();
    assert_eq!(asked(), "1 10 inside 1");
    fs::write(&networks, "network,place\n10.0.0.0/8,outside\n").unwrap();
    eventually("the new table is there", || proxy.metric("gatewright_config_generation", "") == 2);
    assert_eq!(asked(), "2 20 outside 1");
    fs::write(&main, yaml(2)).unwrap();
    eventually("the new script runs", || proxy.metric("gatewright_config_generation", "") == 3);
    assert_eq!(asked(), "3 30 outside 2");
    let counted = |version: u32| proxy.metric("policy_asked_total", &format!("policy=\"count\",version=\"{version}\""));
    assert_eq!((counted(1), counted(2)), (2, 1));
}
