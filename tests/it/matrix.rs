//! Every member of the surface at every hook that has a place: there, or refused with a message that names the hook, as the
//! hook table says; from Lua and from Rust.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use gatewright::hook::table::{TABLE, may};
use gatewright::hook::{Edit, Hook, Plain, Refused, Row, Side, View, surface};
use gatewright::http::name::FieldName;

use crate::harness::origin::ok;
use crate::harness::policy::{Policies, Said, policy};
use crate::harness::{Client, Origin, Proxy, eventually};

/// The hooks that have a place by now and need no TLS.
const HOOKS: [Hook; 13] = [
    Hook::Connection,
    Hook::Route,
    Hook::Request,
    Hook::RequestBody,
    Hook::Balance,
    Hook::UpstreamRequest,
    Hook::UpstreamFailure,
    Hook::UpstreamResponse,
    Hook::UpstreamResponseBody,
    Hook::Response,
    Hook::ResponseBody,
    Hook::FailurePage,
    Hook::Log,
];

/// Where `connection` runs there is no exchange to follow: members that need none of it are there all the same.
fn script() -> String {
    let mut text = String::from("g = {}\nlocal probes = {\n");
    for noun in surface::nouns() {
        for member in noun.members {
            let name = format!("{}.{}", noun.name, member.name);
            writeln!(text, "[\"{name}\"] = function(exchange, endpoints, chunk, fetched) {} end,", member.example)
                .unwrap();
        }
    }
    text.push_str(
        "}\nlocal function probe(hook, exchange, second)\n  if g[hook] then return end\n  local found = {}\n  g[hook] = found\n\
         for name, run in probes do\n    local endpoints = hook == 'balance' and second or nil\n\
         local chunk = string.find(hook, 'body', 1, true) and second or nil\n\
         local fine, why = pcall(run, exchange, endpoints, chunk)\n    found[name] = fine and 'ok' or tostring(why)\n  end\nend\n",
    );
    for hook in HOOKS.iter().filter(|hook| **hook != Hook::Log) {
        let name = hook.name();
        writeln!(text, "function {name}(exchange, second) probe('{name}', exchange, second) end").unwrap();
    }
    text.push_str(
        "function log(exchange)\n  probe('log', exchange)\n\
         fetch('collector', { path = '/found', body = json.encode(g), headers = { ['content-type'] = 'application/json' } })\nend\n",
    );
    text
}

type Found = BTreeMap<String, BTreeMap<String, String>>;

/// What the probes found at each hook.
fn from_lua() -> Found {
    let origin = Origin::start(|_| ok("hello"));
    let collector = Origin::start(|_| ok(""));
    let absent = Origin::absent();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("probe.lua"), script()).unwrap();
    let file = folder.path().join("gatewright.yaml");
    let text = format!(
        "version: 1\nworkers: 1\naccess_log: off\nlisteners: {{ web: {{ bind: \"127.0.0.1:0\" }} }}\nuse: [probe]\n\
         upstreams: {{ origin: {{ endpoints: [\"{0}\"], use: [probe] }}, gone: {{ endpoints: [\"{1}\"], use: [probe] }}, \
         collector: {{ endpoints: [\"{2}\"] }} }}\n\
         policies: {{ probe: {{ lua: {{ file: probe.lua }}, may: {{ upstreams: [origin, collector] }}, \
         limits: {{ cpu: 500ms, share: 100%, logs: 1000, calls: 100 }} }} }}\n\
         routes:\n  - {{ name: a, match: {{ path: /a }}, to: origin }}\n  - {{ name: b, match: {{ path: /b }}, to: gone }}\n",
        origin.endpoint(),
        absent.addr(),
        collector.endpoint()
    );
    std::fs::write(&file, text).unwrap();
    let proxy = Proxy::start_file(&file);
    let mut all = Found::new();
    eventually("everything was found", || {
        for target in ["/a", "/b"] {
            let mut client = Client::connect(proxy.addr());
            client.send_request("POST", target, &[("Connection", "close")], b"body");
            client.read_response();
        }
        for request in collector.requests().iter().filter(|request| request.target == "/found") {
            let found: Found = serde_json::from_slice(&request.body).unwrap();
            all.extend(found);
        }
        let members: usize = surface::nouns().iter().map(|noun| noun.members.len()).sum();
        all.len() == HOOKS.len() && all.values().all(|found| found.len() == members)
    });
    all
}

#[test]
fn every_member_is_where_the_table_says_and_nowhere_else_from_lua() {
    let found = from_lua();
    let mut wrong = Vec::new();
    for hook in HOOKS {
        let row = hook.row();
        let here = &found[row.name];
        for noun in surface::nouns() {
            for member in noun.members {
                let name = format!("{}.{}", noun.name, member.name);
                let told = &here[&name];
                let fine = match (member.is_at(row), told.as_str()) {
                    // The row allows it; this very message had left before, or has not come whole.
                    (true, told) => {
                        ["ok", "has left already", "is still on its way"].iter().any(|fine| told.contains(fine))
                    }
                    (false, "ok") => false,
                    (false, told) => noun.name == "Endpoints" || told.contains(&format!("`{}`", row.name)),
                };
                if !fine {
                    wrong.push(format!("{} at {}: {told}", name, row.name));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} of them\n{}", wrong.len(), wrong.join("\n"));
}

/// One access of the view, and what of the row it needs.
type Access = (&'static str, fn(&mut dyn View) -> Result<(), Refused>, fn(&Row) -> bool);

fn reads(row: &Row, what: u32) -> bool {
    row.reads & what == what
}

fn field() -> FieldName {
    FieldName::new("x-probe").unwrap()
}

const ACCESSES: &[Access] = &[
    ("client", |view| view.client().map(drop), |row| reads(row, may::CLIENT)),
    ("request", |view| view.request().map(drop), |row| reads(row, may::REQUEST)),
    ("response", |view| view.response().map(drop), |row| reads(row, may::RESPONSE)),
    ("route", |view| view.route().map(drop), |row| reads(row, may::ROUTE)),
    ("upstream", |view| view.upstream().map(drop), |row| reads(row, may::UPSTREAM)),
    ("endpoints", |view| view.endpoints().map(drop), |row| reads(row, may::ENDPOINTS)),
    ("endpoint", |view| view.endpoint().map(drop), |row| reads(row, may::ENDPOINT)),
    ("failure", |view| view.failure().map(drop), |row| reads(row, may::FAILURE)),
    ("identity", |view| view.identity().map(drop), |row| reads(row, may::IDENTITY)),
    ("value", |view| view.value("a").map(drop), |row| reads(row, may::VALUES)),
    ("record", |view| view.record().map(drop), |row| reads(row, may::RECORD)),
    ("set a value", |view| view.set_value("a", Plain::Bool(true)), |row| row.writes & may::VALUES != 0),
    ("set the identity", |view| view.set_identity(None), |row| row.writes & may::IDENTITY != 0),
    (
        "edit the request",
        |view| view.edit(Side::Request, Edit::Set(&field(), b"1")),
        |row| row.writes & may::REQUEST != 0,
    ),
    (
        "edit the response",
        |view| view.edit(Side::Response, Edit::Set(&field(), b"1")),
        |row| row.writes & may::RESPONSE != 0,
    ),
];

#[test]
fn every_access_is_where_the_table_says_and_nowhere_else_from_rust() {
    let seen: Arc<Mutex<BTreeMap<&str, Vec<String>>>> = Arc::default();
    let probe = |hooks: &[Hook]| {
        let seen = seen.clone();
        policy(hooks, move |hook, view| -> Said<'_> {
            let mut wrong = Vec::new();
            for (what, access, expected) in ACCESSES {
                let got = access(view);
                // What has left already cannot be edited, wherever the hook stands.
                let fine = got.is_ok() || matches!(got, Err(Refused::Gone(_)));
                if fine != expected(hook.row()) {
                    wrong.push(format!("{what} at {}: {got:?}", hook.name()));
                }
            }
            seen.lock().unwrap().entry(hook.name()).or_default().extend(wrong);
            Box::pin(async { Ok(gatewright::hook::Verdict::Pass) })
        })
    };
    // Policies of tests stand before the file's, so they speak where the file's do.
    let hooks: Vec<Hook> = HOOKS.into_iter().filter(|hook| *hook != Hook::Connection).collect();
    let origin = Origin::start(|_| ok("hello"));
    let proxy = Policies::default().with(probe(&hooks)).to(&origin.endpoint());
    let mut client = Client::connect(proxy.addr());
    client.send_request("POST", "/a", &[("Connection", "close")], b"body");
    assert_eq!(client.read_response().status, 200);
    let expected = ["route", "request", "request_body", "upstream_request", "response", "response_body", "log"];
    eventually("every hook ran", || expected.iter().all(|hook| seen.lock().unwrap().contains_key(hook)));
    let wrong: Vec<String> = seen.lock().unwrap().values().flatten().cloned().collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(TABLE.len(), 23);
}
