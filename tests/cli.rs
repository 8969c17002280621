//! The program as its users meet it: started, talked to, signalled, ended.

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a failed test panics; the actors are threads and processes"
)]

#[path = "cli/authoring.rs"]
mod authoring;
#[path = "cli/process.rs"]
mod process;
#[path = "cli/scripts.rs"]
mod scripts;
#[path = "cli/serving.rs"]
mod serving;
#[path = "cli/steering.rs"]
mod steering;

use std::fs;

use process::{free_port, gatewright, plain};

#[test]
fn the_version_is_that_of_the_package() {
    let done = gatewright(&["--version"]);
    assert_eq!((done.code, done.out.as_str()), (0, concat!("gatewright ", env!("CARGO_PKG_VERSION"), "\n")));
}

#[test]
fn the_schema_is_json() {
    let done = gatewright(&["schema"]);
    let schema: serde_json::Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(done.code, 0);
    assert!(schema.pointer("/properties/routes").is_some());
}

#[test]
fn check_says_what_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("gatewright.yaml");
    let path = file.to_str().unwrap();
    fs::write(&file, plain(8080, 1, "")).unwrap();
    let good = gatewright(&["check", "-c", path]);
    assert_eq!(good.code, 0, "{}", good.err);
    assert!(good.out.contains("is valid: 1 listener, 1 route, 1 upstream"), "{}", good.out);
    fs::write(&file, plain(8080, 1, "shoes: 1")).unwrap();
    let text = gatewright(&["check", "-c", path]);
    assert_eq!(text.code, 1);
    assert!(text.out.contains("gatewright.yaml:7") && text.out.contains("shoes"), "{}", text.out);
    let json = gatewright(&["check", "-c", path, "--format", "json"]);
    assert_eq!(json.code, 1);
    for line in json.out.lines() {
        assert!(serde_json::from_str::<serde_json::Value>(line).is_ok() || json.out.starts_with('['), "{}", json.out);
    }
    let github = gatewright(&["check", "-c", path, "--format", "github"]);
    assert_eq!(github.code, 1);
    assert!(github.out.starts_with("::error ") && github.out.contains("line=7"), "{}", github.out);
}

#[test]
fn a_missing_file_is_said_with_its_name() {
    let dir = tempfile::tempdir().unwrap();
    for command in ["run", "check"] {
        let done = gatewright(&[command, "-c", "/no/such.yaml"]);
        assert_eq!(done.code, 1);
        assert!((done.err + &done.out).contains("/no/such.yaml"), "{command}");
    }
    let done = process::gatewright_in(dir.path(), &["run"]);
    assert_eq!(done.code, 1);
    assert!(done.err.contains("gatewright.yaml") && done.err.contains("--config"), "{}", done.err);
    assert_eq!(gatewright(&["nonsense"]).code, 2);
}

#[test]
fn explain_names_the_way_and_the_losers() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("gatewright.yaml");
    let more = "  - { name: post, match: { path: /form, method: POST }, to: origin }";
    // A sole listener stands for every port (a load balancer may be before it); of two, none stands for a third.
    let text = plain(8080, 1, more).replace("listeners: {", "listeners: { more: { bind: \"127.0.0.1:8081\" },");
    fs::write(&file, text).unwrap();
    let explain = |url: &str| gatewright(&["explain", "GET", url, "-c", file.to_str().unwrap()]);
    let found = explain("http://a.test:8080/form");
    assert_eq!(found.code, 0, "{}{}", found.out, found.err);
    assert!(found.out.contains("route      all (") && found.out.contains("post: "), "{}", found.out);
    assert!(found.out.contains("origin: 127.0.0.1:1"), "{}", found.out);
    let nobody = explain("http://a.test:9/form");
    assert_eq!(nobody.code, 1);
    assert!(nobody.out.contains("nobody listens"), "{}", nobody.out);
}

#[test]
fn what_proxy_prints_passes_check() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("gatewright.yaml");
    let printed = gatewright(&["proxy", "--from", ":8080", "--to", "app.test:3000", "--print"]);
    assert_eq!(printed.code, 0);
    fs::write(&file, &printed.out).unwrap();
    let checked = gatewright(&["check", "-c", file.to_str().unwrap()]);
    assert_eq!(checked.code, 0, "{}", checked.out);
    assert_eq!(gatewright(&["proxy", "--from", ":0", "--to", ":1"]).code, 2);
}

#[test]
fn a_reload_of_nobody_is_said() {
    let done = gatewright(&["reload", "--socket", "/no/socket"]);
    assert_eq!(done.code, 4);
    assert!(done.err.contains("/no/socket"));
}

#[test]
fn a_port_that_is_taken_is_said_with_its_holder() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("gatewright.yaml");
    fs::write(&file, plain(port, free_port(), "")).unwrap();
    let done = gatewright(&["run", "-c", file.to_str().unwrap()]);
    assert_eq!(done.code, 3, "{}", done.err);
    assert!(done.err.contains(&format!("(process {})", std::process::id())), "{}", done.err);
}

#[test]
fn a_certificate_for_development_is_made_and_passes_the_check() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let made = process::gatewright_in(dir.path(), &["cert", "self-signed", "*.dev.test", "127.0.0.1", "--days", "30"]);
    assert_eq!(made.code, 0, "{}", made.err);
    assert!(made.out.contains("./any.dev.test.pem") && made.out.contains("30 days"), "{}", made.out);
    let key = fs::metadata(dir.path().join("any.dev.test.key")).unwrap();
    assert_eq!(key.permissions().mode() & 0o777, 0o600);
    let listeners: String =
        made.out.lines().skip_while(|line| *line != "listeners:").take(4).map(|line| format!("{line}\n")).collect();
    let text = format!("version: 1\n{listeners}routes: [{{ use: [{{ policy: redirect, with: {{ to: /x }} }}] }}]\n");
    fs::write(dir.path().join("gatewright.yaml"), text).unwrap();
    let checked = process::gatewright_in(dir.path(), &["check"]);
    assert_eq!(checked.code, 0, "{}{}", checked.out, checked.err);
    let again = process::gatewright_in(dir.path(), &["cert", "self-signed", "*.dev.test"]);
    assert_eq!(again.code, 1);
    assert!(again.err.contains("is there already"), "{}", again.err);
    assert_eq!(gatewright(&["cert", "self-signed", "not a name"]).code, 2);
    assert_eq!(gatewright(&["cert", "self-signed"]).code, 2);
}
