//! An example for every key of the file: what `check` passes, and what the reference prints beside the key.

use std::path::Path;

use gatewright::config::check::check;
use gatewright::config::node;
use gatewright::config::render::render_all;
use gatewright::config::scalar::Environment;
use gatewright::config::source::Sources;
use gatewright::policy::catalogue::BuiltIns;
use serde_json::{Value, json};

/// Keys without an example, each with its reason.
const NONE: &[(&str, &str)] = &[("upstreams.NAME.balance.", "as in `use`")];

/// A value for each key.
const VALUES: &[(&str, &str)] = &[
    ("access_log", "off"),
    ("access_log.file", "access.log"),
    ("access_log.format", "combined"),
    ("admin", "{ bind: \"127.0.0.1:9901\", socket: gatewright.sock }"),
    ("admin.bind", "\"127.0.0.1:9901\""),
    ("admin.socket", "gatewright.sock"),
    ("defaults", "{ limits: { cpu: 5ms }, on_failure: closed }"),
    ("defaults.limits", "{ cpu: 5ms, wait: 100ms, calls: 4 }"),
    ("defaults.limits.body", "64KiB"),
    ("defaults.limits.calls", "4"),
    ("defaults.limits.cpu", "5ms"),
    ("defaults.limits.logs", "5"),
    ("defaults.limits.memory", "16MiB"),
    ("defaults.limits.share", "25%"),
    ("defaults.limits.wait", "100ms"),
    ("defaults.may", "{ upstreams: [next], secrets: [api-key] }"),
    ("defaults.may.dictionaries", "[counters]"),
    ("defaults.may.read", "[authorization, x-user]"),
    ("defaults.may.secrets", "[api-key]"),
    ("defaults.may.tables", "[networks]"),
    ("defaults.may.upstreams", "[next]"),
    ("defaults.may.write", "[\"*\"]"),
    ("defaults.on_failure", "closed"),
    ("defaults.trip", "{ failures: 5, within: 10s, for: 1m }"),
    ("defaults.trip.failures", "5"),
    ("defaults.trip.for", "1m"),
    ("defaults.trip.within", "10s"),
    ("dictionaries", "{ counters: { size: 64MiB } }"),
    ("dictionaries.NAME.size", "64MiB"),
    ("failure_pages", "{ 404: lost.html, 5xx: sorry.html }"),
    ("include", "[\"sites/*.yaml\"]"),
    ("listeners", "{ web: { bind: 8080 } }"),
    ("listeners.NAME.bind", "\"[::1]:8080\""),
    ("listeners.NAME.buffer", "{ response: 64KiB }"),
    ("listeners.NAME.buffer.request", "64KiB"),
    ("listeners.NAME.buffer.response", "64KiB"),
    ("listeners.NAME.failure_pages", "{ 404: lost.html }"),
    ("listeners.NAME.forwarded", "{ x_forwarded: true, via: edge }"),
    ("listeners.NAME.forwarded.forwarded", "true"),
    ("listeners.NAME.forwarded.via", "edge"),
    ("listeners.NAME.forwarded.via_response", "true"),
    ("listeners.NAME.forwarded.x_forwarded", "false"),
    ("listeners.NAME.limits", "{ body: 1MiB, connections_per_address: 50 }"),
    ("listeners.NAME.limits.body", "1MiB"),
    ("listeners.NAME.limits.connections", "10000"),
    ("listeners.NAME.limits.connections_per_address", "50"),
    ("listeners.NAME.limits.fields", "60"),
    ("listeners.NAME.limits.head_bytes", "8KiB"),
    ("listeners.NAME.limits.min_rate", "500"),
    ("listeners.NAME.limits.requests_per_connection", "10000"),
    ("listeners.NAME.limits.requests_per_second", "100"),
    ("listeners.NAME.normalise", "{ merge_slashes: true }"),
    ("listeners.NAME.normalise.dot_segments", "false"),
    ("listeners.NAME.normalise.encoded_slash", "refuse"),
    ("listeners.NAME.normalise.merge_slashes", "true"),
    ("listeners.NAME.normalise.unreserved", "false"),
    ("listeners.NAME.http2", "false"),
    ("listeners.NAME.proxy_protocol", "true"),
    ("listeners.NAME.server", "false"),
    ("listeners.NAME.timeouts", "{ head: 5s, idle: 60s }"),
    ("listeners.NAME.timeouts.body", "20s"),
    ("listeners.NAME.timeouts.head", "5s"),
    ("listeners.NAME.timeouts.idle", "60s"),
    ("listeners.NAME.tls", "{ certificates: [{ certificate: site.pem, key: site.key }] }"),
    ("listeners.NAME.tls.certificates", "[{ certificate: site.pem, key: site.key }]"),
    ("listeners.NAME.tls.certificates[].certificate", "site.pem"),
    ("listeners.NAME.tls.certificates[].key", "site.key"),
    ("listeners.NAME.tls.certificates[].ocsp", "site.ocsp"),
    ("listeners.NAME.tls.client_certificate", "{ ca: staff.pem, mode: optional }"),
    ("listeners.NAME.tls.client_certificate.ca", "staff.pem"),
    ("listeners.NAME.tls.client_certificate.headers", "false"),
    ("listeners.NAME.tls.client_certificate.mode", "optional"),
    ("listeners.NAME.tls.min_version", "\"1.3\""),
    ("listeners.NAME.trusted", "[10.0.0.0/8, \"fd00::/8\"]"),
    ("listeners.NAME.use", "[office]"),
    ("policies", "{ office: { addresses: { allow: [10.0.0.0/8] } } }"),
    ("policies.NAME.lua", "{ file: policies/login.lua, lib: [lib], with: { realm: staff } }"),
    ("policies.NAME.lua.file", "policies/login.lua"),
    ("policies.NAME.lua.inline", "\"function response(exchange) exchange.response.headers.server = nil end\""),
    ("policies.NAME.lua.lib", "[lib]"),
    ("policies.NAME.lua.with", "{ realm: staff, key: { secret: api-key } }"),
    ("policies.NAME.limits", "{ cpu: 5ms, wait: 100ms, calls: 4 }"),
    ("policies.NAME.limits.body", "64KiB"),
    ("policies.NAME.limits.calls", "4"),
    ("policies.NAME.limits.cpu", "5ms"),
    ("policies.NAME.limits.logs", "5"),
    ("policies.NAME.limits.memory", "16MiB"),
    ("policies.NAME.limits.share", "25%"),
    ("policies.NAME.limits.wait", "100ms"),
    ("policies.NAME.may", "{ upstreams: [next], secrets: [api-key] }"),
    ("policies.NAME.may.dictionaries", "[counters]"),
    ("policies.NAME.may.read", "[authorization, x-user]"),
    ("policies.NAME.may.secrets", "[api-key]"),
    ("policies.NAME.may.tables", "[networks]"),
    ("policies.NAME.may.upstreams", "[next]"),
    ("policies.NAME.may.write", "[\"*\"]"),
    ("policies.NAME.on_failure", "closed"),
    ("policies.NAME.trip", "{ failures: 5, within: 10s, for: 1m }"),
    ("policies.NAME.trip.failures", "5"),
    ("policies.NAME.trip.for", "1m"),
    ("policies.NAME.trip.within", "10s"),
    ("resolve", "{ nameservers: [10.0.0.2] }"),
    ("resolve.nameservers", "[10.0.0.2, \"10.0.0.3:5353\"]"),
    ("routes", "[{ match: { path: /* }, to: shop }]"),
    ("routes[].buffer", "{ request: 1MiB, response: 256KiB }"),
    ("routes[].buffer.request", "1MiB"),
    ("routes[].buffer.response", "256KiB"),
    ("routes[].failure_pages", "{ 5xx: sorry.html }"),
    ("routes[].limits", "{ body: 10MiB }"),
    ("routes[].limits.body", "10MiB"),
    ("routes[].match", "{ host: shop.example.com, path: /cart/* }"),
    ("routes[].match.headers", "{ x-beta: { present: true } }"),
    ("routes[].match.headers.NAME.exact", "\"1\""),
    ("routes[].match.headers.NAME.prefix", "Bearer"),
    ("routes[].match.headers.NAME.present", "true"),
    ("routes[].match.headers.NAME.regex", "\"v[0-9]+\""),
    ("routes[].match.host", "[shop.example.com, \"*.example.org\"]"),
    ("routes[].match.method", "[GET, POST]"),
    ("routes[].match.path", "\"/cart/{id}\""),
    ("routes[].match.path_regex", "\"/v[0-9]+/.*\""),
    ("routes[].match.query", "{ debug: { present: false } }"),
    ("routes[].match.query.NAME.exact", "\"1\""),
    ("routes[].match.query.NAME.prefix", "beta-"),
    ("routes[].match.query.NAME.present", "false"),
    ("routes[].match.query.NAME.regex", "\"[0-9]+\""),
    ("routes[].metadata", "{ team: cart }"),
    ("routes[].name", "cart"),
    ("routes[].timeouts", "{ total: 30s }"),
    ("routes[].timeouts.connect", "1s"),
    ("routes[].timeouts.first_byte", "10s"),
    ("routes[].timeouts.idle", "30s"),
    ("routes[].timeouts.total", "30s"),
    ("routes[].to", "{ shop: 95, next: 5 }"),
    ("routes[].use", "[office]"),
    ("secrets", "{ api-key: { file: api-key.txt } }"),
    ("state_dir", "/var/lib/gatewright"),
    ("tables", "{ networks: { file: networks.csv, kind: cidr } }"),
    ("tables.NAME.file", "networks.csv"),
    ("tables.NAME.kind", "cidr"),
    ("upstreams", "{ shop: { endpoints: [\"10.0.1.5:8080\"] }, next: { endpoints: [\"10.0.1.6:8080\"] } }"),
    ("upstreams.NAME.balance", "least_request"),
    ("upstreams.NAME.endpoints", "[\"10.0.1.5:8080\", \"shop.internal:8080\", \"unix:/run/shop.sock\"]"),
    ("upstreams.NAME.endpoints[].address", "\"10.0.1.6:8080\""),
    ("upstreams.NAME.endpoints[].weight", "2"),
    ("upstreams.NAME.limits", "{ connections: 200, requests: 1000 }"),
    ("upstreams.NAME.limits.connections", "200"),
    ("upstreams.NAME.limits.requests", "1000"),
    ("upstreams.NAME.protocol", "h2c"),
    ("upstreams.NAME.proxy_protocol", "v2"),
    ("upstreams.NAME.timeouts", "{ connect: 1s, first_byte: 10s }"),
    ("upstreams.NAME.timeouts.connect", "1s"),
    ("upstreams.NAME.timeouts.first_byte", "10s"),
    ("upstreams.NAME.timeouts.idle", "30s"),
    ("upstreams.NAME.timeouts.total", "30s"),
    ("upstreams.NAME.tls", "{ name: shop.internal, ca: staff.pem }"),
    ("upstreams.NAME.tls.ca", "staff.pem"),
    ("upstreams.NAME.tls.certificate", "site.pem"),
    ("upstreams.NAME.tls.insecure", "true"),
    ("upstreams.NAME.tls.key", "site.key"),
    ("upstreams.NAME.tls.name", "shop.internal"),
    ("upstreams.NAME.use", "[]"),
    ("use", "[office]"),
    ("use[].enabled", "false"),
    ("use[].mode", "observe"),
    ("use[].policy", "office"),
    ("use[].when", "{ method: POST }"),
    ("use[].with", "{ deny: [10.66.0.0/16] }"),
    ("version", "1"),
    ("workers", "4"),
];

/// The example of a key, as the reference prints it.
pub(crate) fn example(path: &str) -> String {
    let key = path.rsplit('.').next().unwrap_or(path);
    match VALUES.iter().find(|(known, _)| *known == path) {
        Some((_, value)) => format!("`{key}: {value}`"),
        None => {
            let reason = NONE.iter().find(|(prefix, _)| path.starts_with(prefix));
            reason.unwrap_or_else(|| panic!("`{path}` has no example in tests/reference/examples.rs")).1.to_owned()
        }
    }
}

/// Every example, in a whole configuration around it, passes `check`.
pub(crate) fn all_pass() {
    let dir = tempfile::tempdir().expect("a folder");
    let tls = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config/tls");
    for (from, to) in [("site.pem", "site.pem"), ("site.key", "site.key"), ("site.pem", "staff.pem")] {
        std::fs::copy(tls.join(from), dir.path().join(to)).expect("a copy");
    }
    // The least that is a good OCSP response.
    std::fs::write(dir.path().join("site.ocsp"), [0x30, 4, 0x0a, 1, 0, 1]).expect("a file");
    for folder in ["sites", "policies", "lib"] {
        std::fs::create_dir(dir.path().join(folder)).expect("a folder");
    }
    for (file, content) in [
        ("lost.html", "lost"),
        ("sorry.html", "sorry"),
        ("api-key.txt", "key"),
        ("networks.csv", "network,place\n10.0.0.0/8,inside\n"),
        ("sites/a.yaml", "version: 1\n"),
        ("policies/login.lua", ""),
    ] {
        std::fs::write(dir.path().join(file), content).expect("a file");
    }
    let mut wrong = Vec::new();
    for (path, text) in VALUES {
        let mut whole = around(path);
        let value = node::plain(text, &Environment::of(|_| None)).unwrap_or_else(|| panic!("{path}: {text}"));
        *place(&mut whole, path) = value;
        let file = dir.path().join("gatewright.yaml");
        std::fs::write(&file, whole.to_string()).expect("a file");
        let mut sources = Sources::load(&file);
        if let Err(found) = check(&mut sources, &BuiltIns) {
            wrong.push(format!("`{path}: {text}`\n{}", render_all(&found, &sources, false)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The least configuration in which the key at `path` makes sense.
fn around(path: &str) -> Value {
    let endpoints = json!(["10.0.1.5:8080"]);
    let office = json!({ "office": { "addresses": { "allow": ["10.0.0.0/8"] } } });
    let mut whole = json!({
        "version": 1,
        "listeners": { "web": { "bind": 8080 } },
        "upstreams": { "shop": { "endpoints": endpoints }, "next": { "endpoints": endpoints } },
        "policies": office,
        "routes": [{ "match": { "path": "/*" }, "to": "shop" }],
    });
    let within = |prefix: &str| path.starts_with(prefix);
    if within("defaults") || within("policies.NAME") {
        whole["secrets"] = json!({ "api-key": { "file": "api-key.txt" } });
        whole["dictionaries"] = json!({ "counters": {} });
        whole["tables"] = json!({ "networks": { "file": "networks.csv", "kind": "cidr" } });
    }
    if within("policies.NAME") {
        let lua = if within("policies.NAME.lua") { json!({}) } else { json!({ "file": "policies/login.lua" }) };
        whole["policies"] = json!({ "login": { "lua": lua } });
    }
    if matches!(path, "policies.NAME.lua.lib" | "policies.NAME.lua.with") {
        whole["policies"]["login"]["lua"]["file"] = json!("policies/login.lua");
    }
    if within("defaults.trip.") {
        whole["defaults"] = json!({ "trip": { "failures": 1, "within": "1s", "for": "1s" } });
    }
    if within("policies.NAME.trip.") {
        whole["policies"]["login"]["trip"] = json!({ "failures": 1, "within": "1s", "for": "1s" });
    }
    if within("listeners.NAME.tls.") {
        whole["listeners"]["web"]["tls"] =
            json!({ "certificates": [{ "certificate": "site.pem", "key": "site.key" }] });
    }
    if within("listeners.NAME.tls.client_certificate.") {
        whole["listeners"]["web"]["tls"]["client_certificate"] = json!({ "ca": "staff.pem" });
    }
    if path == "listeners.NAME.proxy_protocol" {
        whole["listeners"]["web"]["trusted"] = json!(["10.0.0.0/8"]);
    }
    if within("upstreams.NAME.endpoints[].") {
        whole["upstreams"]["shop"]["endpoints"] = json!([{ "address": "10.0.1.5:8080" }]);
    }
    if within("upstreams.NAME.tls.") {
        whole["upstreams"]["shop"]["tls"] = json!({ "name": "shop.internal" });
    }
    if matches!(path, "upstreams.NAME.tls.certificate" | "upstreams.NAME.tls.key") {
        whole["upstreams"]["shop"]["tls"] = json!({ "certificate": "site.pem", "key": "site.key" });
    }
    if within("tables.NAME.") {
        whole["tables"]["networks"] = json!({ "file": "networks.csv", "kind": "csv" });
    }
    if within("use[].") {
        whole["use"] = json!([{ "policy": "office" }]);
    }
    if path == "routes[].match.path_regex" {
        whole["routes"][0]["match"] = json!({});
    }
    whole
}

/// Where `path` leads: `NAME` is the first name there is, `[]` the first entry.
fn place<'a>(whole: &'a mut Value, path: &str) -> &'a mut Value {
    let mut at = whole;
    for part in path.split('.') {
        let (key, entry) = part.strip_suffix("[]").map_or((part, false), |key| (key, true));
        if at.is_null() {
            *at = json!({});
        }
        let table = at.as_object_mut().expect("a table");
        let first = match table.keys().next() {
            Some(_) if table.contains_key("shop") => "shop".to_owned(),
            first => first.cloned().unwrap_or_else(|| "x-name".to_owned()),
        };
        at = table.entry(if key == "NAME" { first } else { key.to_owned() }).or_insert(Value::Null);
        if entry {
            at = &mut at[0];
        }
    }
    at
}
