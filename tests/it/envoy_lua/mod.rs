//! Scripts of Envoy's Lua filter through Envoy and through us: what the origins and the client see of the same requests.
//!
//! `tests/envoy/*.lua` are the scripts, each with its requests; `tests/envoy/golden.txt` is what Envoy made of them, and
//! what we did where that differs on purpose. Without Envoy we are held against the golden alone. With `ENVOY` naming the
//! program (or `envoy` in the PATH) Envoy is too. `BLESS=1 cargo test --test it envoy_lua` records anew.

#![expect(clippy::print_stdout, reason = "whether Envoy was there, and what it said")]

mod golden;
mod own;
mod peer;
mod script;

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use crate::harness::origin::{Absent, Request};
use crate::harness::tls::{Authority, Wishes};
use crate::harness::{Client, Origin, Proxy, Response, eventually};

use golden::Golden;
use peer::Peer;
use script::{Asked, Script};

/// What the origins have seen, in order.
type Seen = Arc<Mutex<Vec<String>>>;

/// The upstreams that both proxies know.
struct Origins {
    seen: Seen,
    origin: Origin,
    other: Origin,
    silent: Origin,
    absent: Absent,
    folder: tempfile::TempDir,
    clients: [Arc<rustls::ClientConfig>; 2],
}

/// Fields that each proxy writes in its own way, or that hold the time.
const OWN: &[&str] = &[
    "connection",
    "content-length",
    "date",
    "forwarded",
    "keep-alive",
    "server",
    "transfer-encoding",
    "via",
    "x-envoy-expected-rq-timeout-ms",
    "x-envoy-internal",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-request-id",
];

#[test]
fn scripts_of_envoy_do_here_what_they_do_there() {
    let (scripts, origins) = (script::all(), Origins::start());
    let mut golden = Golden::read();
    let proxy = Proxy::start(&ours(&scripts, &origins));
    let here = |script: &Script| proxy.addr_of(&script.name);
    let ours: Vec<String> = scripts.iter().map(|script| origins.transcript(script, here(script))).collect();
    let theirs: Option<Vec<String>> = Peer::start(&scripts, &origins)
        .map(|peer| scripts.iter().map(|script| origins.transcript(script, peer.addr_of(&script.name))).collect());
    if theirs.is_none() {
        println!("no Envoy at hand (ENVOY names its program): held against tests/envoy/golden.txt alone");
    }
    if std::env::var_os("BLESS").is_some() {
        golden.record(&scripts, &ours, theirs.as_deref());
    }
    let mut wrong = String::new();
    for (index, script) in scripts.iter().enumerate() {
        let known = golden.of_envoy(&script.name);
        if let Some(theirs) = &theirs
            && theirs[index] != known
        {
            let _ = writeln!(wrong, "== {}: Envoy does otherwise now\n{}", script.name, theirs[index]);
        }
        if ours[index] != golden.of_ours(&script.name) {
            let _ = writeln!(
                wrong,
                "== {}: ours\n{}\n-- instead of\n{}",
                script.name,
                ours[index],
                golden.of_ours(&script.name)
            );
        }
        if golden.differs(&script.name) != script.differs.is_some() {
            let _ = writeln!(
                wrong,
                "== {}: differs {}, `--? differs:` says {:?}; ours\n{}\n-- Envoy\n{known}",
                script.name,
                golden.differs(&script.name),
                script.differs,
                ours[index]
            );
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn every_method_of_envoy_is_in_a_script_or_said_to_be_absent() {
    let scripts = script::all();
    for method in script::METHODS.iter().flat_map(|(_, methods)| *methods) {
        let used = scripts.iter().any(|script| script.uses(method));
        let absent = script::ABSENT.iter().any(|(absent, _)| absent == method);
        assert!(used || absent, "no script calls `{method}`");
    }
}

#[test]
fn the_documentation_says_what_agrees() {
    golden::check_documentation(&script::all());
}

/// Everything both sides have to know: a listener for each script, named as it is.
fn ours(scripts: &[Script], origins: &Origins) -> String {
    let mut yaml = "version: 1\naccess_log: off\nlisteners:\n".to_owned();
    for script in scripts {
        let tls = script.tls.map_or_else(String::new, |_| {
            let path = |name: &str| origins.folder.path().join(name).display().to_string();
            let pair = format!("{{ certificate: {}, key: {} }}", path("server.pem"), path("server.key"));
            let client = format!("client_certificate: {{ mode: optional, ca: {} }}", path("ca.pem"));
            format!(", tls: {{ certificates: [{pair}], {client} }}")
        });
        let _ = writeln!(yaml, "  {0}: {{ bind: \"127.0.0.1:0\", use: [{0}]{tls} }}", script.name);
    }
    yaml.push_str("upstreams:\n");
    for (name, address) in origins.addresses() {
        let _ = writeln!(yaml, "  {name}: {{ endpoints: [\"{address}\"] }}");
    }
    yaml.push_str("defaults:\n  limits: { cpu: 200ms, wait: 5s, calls: 8, logs: 100 }\n");
    yaml.push_str("  may: { upstreams: [origin, other, silent, absent] }\npolicies:\n");
    for script in scripts {
        let with = "{ tier: gold, limit: 5, nested: { a: b } }";
        let _ = writeln!(yaml, "  {}: {{ lua: {{ file: \"{}\", with: {with} }} }}", script.name, script.path.display());
    }
    yaml.push_str("routes:\n- { name: other, match: { path: \"/other/*\" }, to: other }\n");
    yaml.push_str("- { name: absent, match: { path: \"/absent/*\" }, to: absent }\n");
    yaml.push_str("- { name: r, match: { path: \"/*\" }, to: origin }\n");
    yaml
}

// === impl Origins ===

impl Origins {
    fn start() -> Self {
        let seen = Seen::default();
        let recording = |name: &'static str| {
            let seen = seen.clone();
            Origin::start(move |request| {
                seen.lock().unwrap().push(show_request(name, request));
                answer(&request.target)
            })
        };
        let (origin, other) = (recording("origin"), recording("other"));
        let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new("testing"));
        std::fs::write(folder.path().join("ca.pem"), authority.pem()).unwrap();
        authority.issue(&["a.test"]).put(folder.path(), "server");
        let shown = authority.client("ann");
        let wishes = Wishes { shown: Some(&shown), ..Wishes::default() };
        let clients = [authority.trusting(), authority.trusting_with(&wishes)];
        Self { origin, other, silent: Origin::silent(), absent: Origin::absent(), seen, folder, clients }
    }

    fn addresses(&self) -> [(&'static str, String); 4] {
        [
            ("origin", self.origin.endpoint()),
            ("other", self.other.endpoint()),
            ("silent", self.silent.endpoint()),
            ("absent", self.absent.addr().to_string()),
        ]
    }

    fn connect(&self, script: &Script, proxy: std::net::SocketAddr) -> Client {
        match script.tls {
            Some(shows) => Client::tls(proxy, &self.clients[usize::from(shows)], "a.test"),
            None => Client::connect(proxy),
        }
    }

    /// What comes of a script's requests at one proxy.
    fn transcript(&self, script: &Script, proxy: std::net::SocketAddr) -> String {
        let (mut text, mut client) = (String::new(), self.connect(script, proxy));
        for asked in &script.requests {
            self.seen.lock().unwrap().clear();
            let response = ask(&mut client, asked);
            if let Some(name) = &script.waits_for {
                let begins = format!("{name} <");
                eventually("the asynchronous call", || {
                    self.seen.lock().unwrap().iter().any(|one| one.starts_with(&begins))
                });
            }
            let mut seen = self.seen.lock().unwrap().clone();
            if script.waits_for.is_some() {
                seen.sort();
            }
            let _ = writeln!(text, "{} {}", asked.method, asked.target);
            text.extend(seen);
            text.push_str(&show_response(&response));
            let closes = response.field("connection").is_some_and(|options| options.eq_ignore_ascii_case("close"));
            if closes {
                client = self.connect(script, proxy);
            }
        }
        text
    }
}

fn ask(client: &mut Client, asked: &Asked) -> Response {
    let fields: Vec<(&str, &str)> = asked.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    if asked.fields.iter().any(|(name, _)| name.eq_ignore_ascii_case("transfer-encoding")) {
        client.send_request(&asked.method, &asked.target, &fields, b"");
        for piece in asked.body.chunks(5) {
            client.send_chunk(piece);
        }
        client.send_chunk(b"");
    } else {
        client.send_request(&asked.method, &asked.target, &fields, &asked.body);
    }
    client.read_response_to(&asked.method)
}

/// What an origin says to a path.
fn answer(target: &str) -> Vec<u8> {
    let path = target.split('?').next().unwrap_or_default();
    let with = |status: &str, fields: &str, body: &[u8]| {
        let length = body.len();
        let head = format!("HTTP/1.1 {status}\r\nx-origin: yes\r\n{fields}content-length: {length}\r\n\r\n");
        [head.as_bytes(), body].concat()
    };
    match path {
        "/status/404" => with("404 Not Found", "content-type: text/plain\r\n", b"not found"),
        "/status/500" => with("500 Internal Server Error", "content-type: text/plain\r\n", b"broken"),
        "/cookies" => with("200 OK", "set-cookie: a=1\r\nset-cookie: b=2\r\n", b"cookies"),
        "/none" => b"HTTP/1.1 204 No Content\r\nx-origin: yes\r\n\r\n".to_vec(),
        "/chunked" => b"HTTP/1.1 200 OK\r\nx-origin: yes\r\ntransfer-encoding: chunked\r\n\r\n\
            3\r\nabc\r\n3\r\nbca\r\n1\r\na\r\n0\r\n\r\n"
            .to_vec(),
        "/empty" => with("200 OK", "", b""),
        "/coded" => with("200 OK", "content-encoding: gzip\r\n", b"\x1f\x8b\x08\0not really"),
        "/trailers" => {
            b"HTTP/1.1 200 OK\r\nx-origin: yes\r\ntransfer-encoding: chunked\r\ntrailer: x-sum, x-gone\r\n\r\n\
            4\r\nbody\r\n0\r\nx-sum: 42\r\nx-gone: 1\r\n\r\n"
                .to_vec()
        }
        _ => with("200 OK", "content-type: text/plain\r\nx-powered-by: tests\r\n", b"from the origin"),
    }
}

fn show_request(name: &str, request: &Request) -> String {
    let mut text = format!("{name} < {} {}\n", request.method, request.target);
    show_fields(&mut text, &request.fields, "  ");
    show_body(&mut text, &request.body);
    show_fields(&mut text, &request.trailers, "  trailer ");
    text
}

fn show_response(response: &Response) -> String {
    let mut text = format!("client > {} {}\n", response.status, response.reason);
    show_fields(&mut text, &response.fields, "  ");
    show_body(&mut text, &response.body);
    show_fields(&mut text, &response.trailers, "  trailer ");
    text
}

/// Fields in the order of their names: that of arrival is each proxy's own.
fn show_fields(text: &mut String, fields: &[(String, String)], indent: &str) {
    let mut lines: Vec<(String, &String)> =
        fields.iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
    lines.retain(|(name, _)| !OWN.contains(&name.as_str()) && name != "trailer");
    lines.sort_by(|one, other| one.0.cmp(&other.0));
    for (name, value) in lines {
        let _ = writeln!(text, "{}", format!("{indent}{name}: {value}").trim_end());
    }
}

fn show_body(text: &mut String, body: &[u8]) {
    if !body.is_empty() {
        let _ = writeln!(text, "  | {}", body.escape_ascii());
    }
}
