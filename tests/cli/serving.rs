//! The commands that serve.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;

use super::process::{PATIENCE, Process, free_port, gatewright, gatewright_in, plain};

fn at(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// Status line and all; empty if the connection fails.
fn get(port: u16, path: &str) -> String {
    let Ok(mut socket) = TcpStream::connect(at(port)) else { return String::new() };
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut answer = String::new();
    let _cut = write!(socket, "GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
    let _cut = socket.read_to_string(&mut answer);
    answer
}

/// An origin that says `hello`, for ever; to `/slow` it says nothing.
fn origin() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut socket in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let (mut head, mut byte) = (Vec::new(), [0]);
                while socket.read(&mut byte).is_ok_and(|n| n == 1) {
                    head.push(byte[0]);
                    if head.ends_with(b"\r\n\r\n") {
                        if !head.starts_with(b"GET /slow") {
                            socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello").unwrap();
                        }
                        head.clear();
                    }
                }
            });
        }
    });
    port
}

struct Running {
    process: Process,
    dir: tempfile::TempDir,
    port: u16,
    admin: u16,
}

fn run(more: &str) -> Running {
    run_with(more, |dir| Process::start(dir, &["run"]))
}

fn run_with(more: &str, start: impl FnOnce(&std::path::Path) -> Process) -> Running {
    let dir = tempfile::tempdir().unwrap();
    let (port, admin) = (free_port(), free_port());
    let more = format!("admin: {{ bind: \"127.0.0.1:{admin}\", socket: gatewright.sock }}\n{more}");
    fs::write(dir.path().join("gatewright.yaml"), plain(port, origin(), &more)).unwrap();
    let process = start(dir.path());
    process.says("listening");
    process.listening(at(port));
    Running { process, dir, port, admin }
}

#[test]
fn the_demo_prints_lines_that_work() {
    let dir = tempfile::tempdir().unwrap();
    let demo = Process::start(dir.path(), &[]);
    let said = demo.says("Ctrl-C");
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| line.starts_with("curl ")).collect();
    assert!(lines.len() >= 4, "{said}");
    for line in lines {
        let done = Command::new("sh").args(["-c", &line.replace("curl ", "curl -sS --max-time 5 ")]).output().unwrap();
        let answer = String::from_utf8_lossy(&done.stdout).into_owned();
        let good = answer.starts_with("HTTP/1.1 200") || answer.starts_with("HTTP/1.1 308");
        assert!(done.status.success() && good, "{line}\n{answer}\n{}", String::from_utf8_lossy(&done.stderr));
    }
    assert!(!demo.said().contains("WARN") && !demo.said().contains("may be open"), "{}", demo.said());
    demo.signal("TERM");
    assert_eq!(demo.ends(), 0);
}

#[test]
fn it_runs_until_it_is_told_to_end() {
    let running = run("");
    assert!(get(running.port, "/").ends_with("hello"));
    running.process.signal("TERM");
    assert_eq!(running.process.ends(), 0);
    assert_eq!(get(running.port, "/"), "");
}

#[test]
fn two_signals_end_it_at_once() {
    for (first, second) in [("INT", "INT"), ("TERM", "INT"), ("TERM", "TERM"), ("INT", "TERM")] {
        end_at_once(first, second);
    }
}

fn end_at_once(first: &str, second: &str) {
    let running = run("");
    let mut socket = TcpStream::connect(at(running.port)).unwrap();
    socket.write_all(b"GET /slow HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
    running.process.eventually("a request is under way", || {
        get(running.admin, "/metrics").contains("gatewright_upstream_in_flight{upstream=\"origin\"} 1\n")
    });
    running.process.signal(first);
    running.process.says("draining");
    running.process.signal(second);
    assert_eq!(running.process.ends(), 5);
}

#[test]
fn proxy_forwards() {
    let (port, dir) = (free_port(), tempfile::tempdir().unwrap());
    let (from, to) = (format!("127.0.0.1:{port}"), format!(":{}", origin()));
    let process = Process::start(dir.path(), &["proxy", "--from", &from, "--to", &to]);
    process.listening(at(port));
    assert!(get(port, "/").ends_with("hello"));
}

#[test]
fn reload_goes_by_the_socket() {
    let running = run("");
    let done = gatewright_in(running.dir.path(), &["reload"]);
    assert_eq!((done.code, done.out.as_str()), (0, "generation 2 serves\n"));
    let file = running.dir.path().join("gatewright.yaml");
    let good = fs::read_to_string(&file).unwrap();
    fs::write(&file, good + "shoes: 1\n").unwrap();
    let done = gatewright_in(running.dir.path(), &["reload"]);
    assert_eq!(done.code, 1);
    assert!(done.err.contains("gatewright.yaml:") && done.err.contains("shoes"), "{}", done.err);
    assert!(get(running.port, "/").ends_with("hello"));
}

#[test]
fn a_second_instance_is_refused() {
    let running = run("");
    let file = running.dir.path().join("gatewright.yaml");
    let second = gatewright(&["run", "-c", file.to_str().unwrap()]);
    assert_eq!(second.code, 3, "{}", second.err);
    assert!(second.err.contains("held by gatewright"), "{}", second.err);
    assert!(get(running.port, "/").ends_with("hello"));
}

#[test]
fn the_access_log_is_reopened_after_it_was_moved() {
    let running = run("access_log: { file: access.log }");
    let (log, moved) = (running.dir.path().join("access.log"), running.dir.path().join("moved.log"));
    let holds = |path: &std::path::Path, what: &str| fs::read_to_string(path).is_ok_and(|text| text.contains(what));
    get(running.port, "/first");
    running.process.eventually("the first line is written", || holds(&log, "/first"));
    fs::rename(&log, &moved).unwrap();
    running.process.signal("USR1");
    running.process.eventually("the file is there again", || log.exists());
    get(running.port, "/second");
    running.process.eventually("the second line is written", || holds(&log, "/second"));
    assert!(!holds(&moved, "/second"));
}

#[test]
fn a_full_disk_costs_lines_and_nothing_else() {
    let running = run("access_log: { file: /dev/full }");
    for _ in 0..5 {
        assert!(get(running.port, "/").ends_with("hello"));
    }
    running.process.eventually("lost lines are counted", || {
        let metrics = get(running.admin, "/metrics");
        let line = metrics.lines().find(|line| line.starts_with("gatewright_log_dropped_total "));
        line.is_some_and(|line| !line.ends_with(" 0"))
    });
    running.process.says("access log loses lines");
    assert!(get(running.port, "/").ends_with("hello"));
}

#[test]
fn open_files_are_warned_of_where_the_plan_needs_more() {
    let limited = |connections: &str| {
        let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
        let bind = format!("bind: \"127.0.0.1:{port}\"");
        let text = plain(port, 1, "").replace(&bind, &format!("{bind}, {connections}"));
        fs::write(dir.path().join("gatewright.yaml"), text).unwrap();
        let process = Process::start_limited(dir.path(), 2000, &["run"]);
        process.says("listening");
        process.said()
    };
    let said = limited("limits: { connections: 3000 }");
    assert!(said.contains("are to admit 3000 connections but only 2000 files may be open"), "{said}");
    assert!(!limited("limits: { connections: 1000 }").contains("may be open"));
    assert!(!limited("limits: {}").contains("may be open"), "the default asks for no certain number");
}

#[test]
fn too_few_open_files_are_said_survived_and_over_again() {
    let running = run_with("", |dir| Process::start_limited(dir, 64, &["run"]));
    running.process.says("only 64 files may be open");
    let held: Vec<TcpStream> = (0..100).filter_map(|_| TcpStream::connect(at(running.port)).ok()).collect();
    running.process.says("cannot accept");
    drop(held);
    running.process.eventually("it serves again", || get(running.port, "/").ends_with("hello"));
    running.process.says("accepting again");
    assert!(running.process.said().matches("cannot accept").count() < 5, "{}", running.process.said());
}
