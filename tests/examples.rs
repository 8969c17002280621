//! Every folder of `examples/`, and every part of `docs/guide-lua.md`, is run: its `gatewright.yaml` before real origins,
//! and what `expect.txt` says of it.
//!
//! How a line of `expect.txt` begins says what it is:
//!
//! ```text
//! # a remark
//! down ADDRESS             nobody listens at this endpoint; every other endpoint has an origin
//! > [N] METHOD URL [on L]  a request (sent N times), to the listener L or the first TCP one; by TLS where the URL says so
//! > NAME: VALUE            a field of it
//! >> TEXT                  its body
//! < STATUS                 what must come back
//! < NAME[: VALUE]          a field that must be there (with that value)
//! | TEXT                   a line that the body must hold, or a part of one
//! ! TEXT                   what the body must not hold
//! ~ LOW-HIGH TEXT          over all N: how many bodies hold that line
//! ```
//! Tests of policies (`x_test.lua`) run first. An origin answers with `upstream: NAME` and a dump of the request, names in lower case. `/run/gatewright` stands for a
//! folder of the test's own, and ports for ports of its own, so that nothing collides.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a failed test panics; the actors are threads with clocks and locks of their own"
)]

#[path = "it/harness/mod.rs"]
mod harness;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use gatewright::config::check::check;
use gatewright::config::plan::Plan;
use gatewright::config::render::render_all;
use gatewright::config::source::Sources;
use gatewright::lab;
use gatewright::policy::catalogue::BuiltIns;
use gatewright::wire::Address;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use harness::{Client, Origin, Proxy, Request, Response, origin};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");

const GUIDE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/guide-lua.md");

/// What `expect.txt` says.
#[derive(Default)]
struct Script {
    down: Vec<String>,
    asks: Vec<Ask>,
}

#[derive(Default)]
struct Ask {
    line: usize,
    times: usize,
    method: String,
    host: String,
    target: String,
    listener: Option<String>,
    secure: bool,
    fields: Vec<(String, String)>,
    body: String,
    status: Option<u16>,
    back: Vec<(String, Option<String>)>,
    holds: Vec<String>,
    lacks: Vec<String>,
    among: Vec<(usize, usize, String)>,
}

/// An example that runs.
struct Running {
    proxy: Proxy,
    /// The listener that is meant when none is named.
    usual: String,
    /// Believes the example's own certificates.
    trusting: Arc<ClientConfig>,
    /// They end when this does.
    _origins: Vec<Origin>,
    _absent: Vec<origin::Absent>,
    _home: tempfile::TempDir,
}

#[test]
fn every_example_does_what_it_says() {
    let mut folders: Vec<PathBuf> =
        std::fs::read_dir(FOLDER).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    assert!(!folders.is_empty(), "no examples");
    for folder in folders {
        println!("{}", folder.display());
        run(&folder);
    }
}

/// Each part of the guide that has a configuration is a folder: a block with a file's name is that file, the `http` block
/// is `expect.txt`.
#[test]
fn every_policy_of_the_guide_does_what_it_says() {
    let guide = std::fs::read_to_string(GUIDE).unwrap();
    let (mut parts, mut fences) = (0, guide.split("\n```"));
    let mut folder = tempfile::tempdir().unwrap();
    let mut above = fences.next().unwrap_or_default();
    while let (Some(block), Some(below)) = (fences.next(), fences.next()) {
        let title = above.lines().rfind(|line| line.starts_with('#'));
        if let Some(title) = title {
            println!("{title}");
            folder = tempfile::tempdir().unwrap();
        }
        let (info, text) = block.split_once('\n').expect("a block");
        match info.split_once(' ') {
            Some((_, name)) => std::fs::write(folder.path().join(name), format!("{text}\n")).unwrap(),
            None => {
                assert_eq!(info, "http", "a block is a file or what is asked:\n{text}");
                std::fs::write(folder.path().join("expect.txt"), text).unwrap();
                run(folder.path());
                parts += 1;
            }
        }
        above = below;
    }
    assert!(parts >= 10, "the guide has {parts} policies");
}

fn run(folder: &Path) {
    let expected = folder.join("expect.txt");
    let text = std::fs::read_to_string(&expected).unwrap_or_else(|why| panic!("{}: {why}", expected.display()));
    let script = Script::read(&text);
    assert!(!script.asks.is_empty(), "{} asks nothing", expected.display());
    policies(folder);
    let running = start(folder, &script);
    for ask in &script.asks {
        let place = format!("{}:{}", expected.display(), ask.line);
        let bodies: Vec<String> = (0..ask.times).map(|_| ask.check(&running, &place)).collect();
        for (low, high, text) in &ask.among {
            let count = bodies.iter().filter(|body| body.lines().any(|line| line == text)).count();
            assert!((*low..=*high).contains(&count), "{place}: `{text}` came {count} times, not {low}-{high}");
        }
    }
}

/// Runs the tests of its policies, each on a thread of its own: they stop its clock.
fn policies(folder: &Path) {
    let wanted = lab::Wanted { places: vec![folder.to_owned()], ..lab::Wanted::default() };
    let told = std::thread::spawn(move || {
        let mut told = String::new();
        let tested = lab::run(&wanted, |ran| told.push_str(&lab::report::file(ran))).unwrap();
        (lab::report::failures(&tested), told)
    });
    let (failures, told) = told.join().unwrap();
    assert_eq!(failures, 0, "{told}");
}

/// Copies the example to a folder of its own, with origins and ports of its own, and starts it.
fn start(folder: &Path, script: &Script) -> Running {
    let plan = plan(&folder.join("gatewright.yaml"));
    let home = tempfile::tempdir().unwrap();
    copy(folder, home.path());
    let run_dir = home.path().display().to_string();
    let file = home.path().join("gatewright.yaml");
    let mut text = std::fs::read_to_string(&file).unwrap().replace("/run/gatewright", &run_dir);
    text = text.replace("bind: 8080", "bind: \"127.0.0.1:0\"").replace("bind: 8443", "bind: \"127.0.0.2:0\"");
    let (mut origins, mut absent) = (Vec::new(), Vec::new());
    for upstream in &plan.upstreams {
        for endpoint in &upstream.endpoints {
            let written = endpoint.address.to_string();
            let name: Arc<str> = upstream.name.as_str().into();
            let answer = move |conn: &mut harness::Conn| {
                while let Some(request) = conn.read_request() {
                    conn.send(origin::ok(dump(&name, &request)));
                }
            };
            let real = if script.down.contains(&written) {
                absent.push(Origin::absent());
                absent.last().unwrap().addr().to_string()
            } else {
                origins.push(match &endpoint.address {
                    Address::Unix(path) => {
                        Origin::script_unix(path.display().to_string().replace("/run/gatewright", &run_dir), answer)
                    }
                    _ => Origin::script(answer),
                });
                origins.last().unwrap().endpoint()
            };
            text = text.replace(&format!("\"{written}\""), &format!("\"{real}\""));
        }
    }
    text.push_str("\naccess_log: off\n");
    std::fs::write(&file, &text).unwrap();
    let tcp = plan.listeners.iter().find(|listener| matches!(listener.bind, Address::Ip(_)));
    let usual = tcp.map(|listener| listener.name.clone()).unwrap_or_default();
    let proxy = Proxy::start_file(&file);
    let trusting = trusting(folder);
    Running { proxy, usual, trusting, _origins: origins, _absent: absent, _home: home }
}

/// The plan of the example as it stands in its folder; neither error nor warning may be in it.
fn plan(file: &Path) -> Plan {
    let mut sources = Sources::load(file);
    match check(&mut sources, &BuiltIns) {
        Ok((plan, warnings)) if warnings.is_empty() => plan,
        Ok((_, found)) | Err(found) => panic!("{}", render_all(&found, &sources, false)),
    }
}

fn trusting(folder: &Path) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "pem") {
            roots.add(CertificateDer::from_pem_file(&path).unwrap()).unwrap();
        }
    }
    Arc::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let there = to.join(entry.file_name());
        if entry.path().is_dir() {
            std::fs::create_dir(&there).unwrap();
            copy(&entry.path(), &there);
        } else {
            std::fs::copy(entry.path(), there).unwrap();
        }
    }
}

fn dump(upstream: &str, request: &Request) -> String {
    let mut out = format!("upstream: {upstream}\n{} {} {}\n", request.method, request.target, request.version);
    for (name, value) in &request.fields {
        out.push_str(&format!("{}: {value}\n", name.to_ascii_lowercase()));
    }
    out + "\n" + &String::from_utf8_lossy(&request.body) + "\n"
}

// === impl Script ===

impl Script {
    fn read(text: &str) -> Self {
        let mut script = Self::default();
        for (index, line) in text.lines().enumerate() {
            let (mark, rest) = line.split_once(' ').unwrap_or((line, ""));
            match mark {
                "" | "#" => {}
                "down" => script.down.push(rest.to_owned()),
                ">" if Ask::begins(rest) => script.asks.push(Ask::new(index + 1, rest)),
                _ => {
                    let ask = script.asks.last_mut().unwrap_or_else(|| panic!("line {}: no request yet", index + 1));
                    ask.line(mark, rest);
                }
            }
        }
        script
    }
}

// === impl Ask ===

impl Ask {
    fn begins(rest: &str) -> bool {
        rest.contains(" http://") || rest.contains(" https://")
    }

    fn new(line: usize, rest: &str) -> Self {
        let (words, listener) = match rest.split_once(" on ") {
            Some((words, listener)) => (words, Some(listener.to_owned())),
            None => (rest, None),
        };
        let secure = words.contains(" https://");
        let (head, url) = words.split_once(if secure { " https://" } else { " http://" }).unwrap();
        let (times, method) = head.split_once(' ').unwrap_or(("1", head));
        let (host, target) = url.split_at(url.find('/').expect("a path in the URL"));
        Self {
            line,
            times: times.parse().expect("a number of times"),
            method: method.to_owned(),
            host: host.to_owned(),
            target: target.to_owned(),
            listener,
            secure,
            ..Self::default()
        }
    }

    fn line(&mut self, mark: &str, rest: &str) {
        match mark {
            ">" => {
                let (name, value) = rest.split_once(": ").expect("a field");
                self.fields.push((name.to_owned(), value.to_owned()));
            }
            ">>" => self.body = rest.to_owned(),
            "<" => match (rest.parse(), rest.split_once(": ")) {
                (Ok(status), _) => self.status = Some(status),
                (_, Some((name, value))) => self.back.push((name.to_owned(), Some(value.to_owned()))),
                (_, None) => self.back.push((rest.to_owned(), None)),
            },
            "|" => self.holds.push(rest.to_owned()),
            "!" => self.lacks.push(rest.to_owned()),
            "~" => {
                let (range, text) = rest.split_once(' ').expect("LOW-HIGH TEXT");
                let (low, high) = range.split_once('-').expect("LOW-HIGH");
                self.among.push((low.parse().unwrap(), high.parse().unwrap(), text.to_owned()));
            }
            other => panic!("line after {}: what is `{other}`?", self.line),
        }
    }

    /// Sends it once, checks what comes back, and gives the body.
    fn check(&self, running: &Running, place: &str) -> String {
        let response = self.send(running);
        let body = response.text();
        if let Some(status) = self.status {
            assert_eq!(response.status, status, "{place}\n{body}");
        }
        for (name, value) in &self.back {
            let values = response.all(name);
            let there = value.as_ref().map_or(!values.is_empty(), |value| values.contains(&value.as_str()));
            assert!(there, "{place}: {name} is {values:?}, not {value:?}");
        }
        for text in &self.holds {
            assert!(body.contains(text.as_str()), "{place}: no `{text}` in\n{body}");
        }
        for text in &self.lacks {
            assert!(!body.contains(text.as_str()), "{place}: `{text}` in\n{body}");
        }
        body
    }

    fn send(&self, running: &Running) -> Response {
        let listener = self.listener.as_deref().unwrap_or(&running.usual);
        let mut client = match running.proxy.inner.address(listener) {
            Some(Address::Ip(address)) if self.secure => Client::tls(address, &running.trusting, &self.host),
            Some(Address::Ip(address)) => Client::connect(address),
            Some(Address::Unix(path)) => Client::connect_unix(path),
            other => panic!("listener {listener} has no address: {other:?}"),
        };
        let mut fields = vec![("Host", self.host.as_str())];
        fields.extend(self.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        client.send_request(&self.method, &self.target, &fields, self.body.as_bytes());
        client.read_response_to(&self.method)
    }
}
