//! A few thousand exchanges of every kind: memory stays flat, and nothing is left open.

use std::net::{SocketAddr, TcpStream};

use crate::harness::program::{Program, free_addr};
use crate::harness::{Client, Origin, client, eventually, origin};

const ROUNDS: usize = 150;
/// Connections that both workers may keep for the next request.
const POOLED_MAX: usize = 4;

fn every_kind() -> Origin {
    Origin::script(|conn| {
        while let Some(request) = conn.read_request() {
            match request.target.as_str() {
                "/chunked" => {
                    conn.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
                    conn.send("5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n");
                }
                "/tunnel" => {
                    conn.send("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n");
                    while let Some(bytes) = conn.read_some() {
                        conn.send(bytes);
                    }
                    return;
                }
                "/reset" => return conn.reset(),
                "/garbage" => {
                    conn.send("garbage\r\n\r\n");
                    return;
                }
                "/silent" => {
                    conn.wait_for_end();
                    return;
                }
                _ => drop(conn.send(origin::ok(vec![b'x'; 20_000]))),
            }
        }
    })
}

fn round(addr: SocketAddr, kept: &mut Client) {
    for path in ["/", "/chunked", "/", "/chunked"] {
        kept.send_request("GET", path, &[], b"");
        assert_eq!(kept.read_response().status, 200);
    }
    kept.send_request("POST", "/", &[], &[b'y'; 100_000]);
    assert_eq!(kept.read_response().status, 200);
    assert_eq!(client::get(addr, "/none/there").status, 404);
    for path in ["/reset", "/garbage"] {
        assert_eq!(client::get(addr, path).status, 502);
    }
    let mut aborted = Client::connect(addr);
    aborted.send_request("GET", "/silent", &[], b"");
    aborted.reset();
    let mut aborted = Client::connect(addr);
    aborted.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf");
    aborted.reset();
    Client::connect(addr).send("GET / HT");
    assert_eq!(client::exchange(addr, "GET / HTTP/1.1\r\nHost : a\r\n\r\n").status, 400);
    let mut tunnel = Client::connect(addr);
    tunnel.send_request("GET", "/tunnel", &[("Connection", "upgrade"), ("Upgrade", "echo")], b"");
    assert_eq!(tunnel.read_response().status, 101);
    tunnel.send("ping");
    assert_eq!(tunnel.read_exactly(4), b"ping");
}

#[test]
fn nothing_grows_and_nothing_is_left_open() {
    let origin = every_kind();
    let (addr, admin, dir) = (free_addr(), free_addr(), tempfile::tempdir().unwrap());
    let program = Program::start(
        dir.path(),
        &format!(
            "version: 1\naccess_log: off\nworkers: 2\nadmin: {{ bind: \"{admin}\" }}\n\
             listeners: {{ web: {{ bind: \"{addr}\" }} }}\nupstreams: {{ origin: {{ endpoints: [\"{}\"] }} }}\n\
             policies: {{ no: {{ answer: {{ status: 404 }} }} }}\nroutes:\n\
             \x20 - {{ match: {{ path: /none/* }}, use: [no] }}\n  - {{ match: {{ path: \"/*\" }}, to: origin }}\n",
            origin.endpoint()
        ),
    );
    eventually("it listens", || TcpStream::connect(admin).is_ok());
    let metric = |name: &str| -> usize {
        let text = client::get(admin, "/metrics").text();
        let lines = text.lines().filter(|line| line.starts_with(name));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<usize>().ok()).sum()
    };
    let mut kept = Client::connect(addr);
    let settle = || {
        eventually("only the kept connection is open", || metric("gatewright_connections{") == 1);
        eventually("nothing is under way", || metric("http_server_active_requests ") == 0);
        eventually("nothing is under way upstream", || metric("gatewright_upstream_in_flight{") == 0);
        // The gauge counts connections that serve; the pool may keep a few that do not.
        eventually("no connection serves", || metric("gatewright_upstream_connections{") == 0);
        eventually("few are kept", || origin.open_connections() <= POOLED_MAX);
        (program.resident_bytes(), program.open_files())
    };
    for _ in 0..ROUNDS / 3 {
        round(addr, &mut kept);
    }
    let (bytes, files) = settle();
    for _ in 0..ROUNDS {
        round(addr, &mut kept);
    }
    let (bytes_after, files_after) = settle();
    assert!(bytes_after < bytes + 4 * 1024 * 1024, "{bytes} bytes before, {bytes_after} after");
    assert!(files_after <= files + 2 + POOLED_MAX, "{files} files before, {files_after} after");
    assert_eq!(metric("gatewright_generations_alive "), 2);
}
