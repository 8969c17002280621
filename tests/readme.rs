//! The README's walk, run as it stands: its `sh` blocks are one shell session, with ports of this machine's choice.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a failed test panics; a notice is for who reads the test's output"
)]

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

const README: &str = include_str!("../README.md");

fn blocks(language: &str) -> Vec<&'static str> {
    let fence = format!("```{language}\n");
    README.split(fence.as_str()).skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

fn free_port() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string()
}

#[test]
fn the_walk_works() {
    if Command::new("curl").arg("--version").output().is_err() {
        println!("notice: curl is not installed; the README's walk is not run");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut script = String::from("set -eu -o pipefail\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n");
    blocks("sh").into_iter().for_each(|block| script.push_str(block));
    for port in ["8080", "8081", "9901"] {
        script = script.replace(port, &free_port());
    }
    let binary = Path::new(env!("CARGO_BIN_EXE_gatewright")).parent().unwrap();
    let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap());
    let mut shell = Command::new("timeout");
    let shell = shell.args(["60", "bash", "-c", &script]).current_dir(dir.path()).env("PATH", path);
    let output = shell.output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}\n{out}\n{err}", output.status);
    for shown in [
        "gatewright.yaml is valid: 1 listener, 4 routes, 1 upstream",
        "route      api",
        "the shop got /users",
        "there is no upstream `shpo`",
        "check exits with 1",
        "refused: what ran before goes on",
        "gatewright_config_generation",
        "\"http.response.status_code\":200",
    ] {
        assert!(out.contains(shown) || err.contains(shown), "{shown} is missing in\n{out}\n{err}");
    }
}

#[test]
fn the_two_commands_are_those_that_ci_runs() {
    let commands = blocks("console").concat();
    assert!(commands.contains("cargo run --release") && commands.contains("cargo test --locked"));
    assert!(include_str!("../.ci/run").contains("\ncargo test --locked\n"));
}
