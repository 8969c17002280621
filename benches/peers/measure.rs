//! The instruments. CPU comes from the scheduler's own accounting, instructions from callgrind, system calls from strace,
//! memory from the kernel's proportional set size.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::proxies::{Door, Kind, Running, Setting};

const IO_MAX: Duration = Duration::from_secs(60);
const REQUEST: &str = "GET /1k HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: peers\r\nAccept: */*\r\n\r\n";
const CALLGRIND: [&str; 3] = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"];

/// One run of wrk against one proxy.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// CPU of the proxy, per request.
    pub cpu_us: f64,
    pub requests_per_s: f64,
    /// Of one CPU, 0 to 1.
    pub busy: f64,
    pub errors: u64,
}

/// What wrk, or h2load by HTTP/2, is to do.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    pub door: Door,
    pub path: &'static str,
    pub connections: usize,
    /// A connection per request.
    pub close: bool,
}

impl Load {
    /// The program that makes it.
    pub fn tool(self) -> &'static str {
        if matches!(self.door, Door::H2 | Door::H2c) { "h2load" } else { "wrk" }
    }

    fn url(self, proxy: &Running) -> String {
        let scheme = if matches!(self.door, Door::Tls | Door::H2) { "https" } else { "http" };
        format!("{scheme}://{}{}", proxy.addr(self.door), self.path)
    }

    fn command(self, proxy: &Running, seconds: u64) -> Command {
        let mut command = Command::new(self.tool());
        command.args(["-t1", &format!("-c{}", self.connections)]);
        match self.tool() {
            "wrk" => command.arg(format!("-d{seconds}s")),
            _ => command.args([&format!("-D{seconds}"), "-m32"]),
        };
        if self.close {
            command.args(["-H", "Connection: close"]);
        }
        command.arg(self.url(proxy));
        command
    }
}

/// Makes load for `seconds` and divides the proxy's CPU time by the requests served.
pub fn cpu_per_request(proxy: &Running, load: Load, seconds: u64) -> io::Result<Sample> {
    let mut command = load.command(proxy, seconds);
    let (began, before) = (Instant::now(), cpu_ns(proxy.pid())?);
    let out = command.output()?;
    let (spent_ns, elapsed) = (cpu_ns(proxy.pid())? - before, began.elapsed());
    let text = String::from_utf8_lossy(&out.stdout);
    let (requests, errors, requests_per_s) = if load.tool() == "wrk" { of_wrk(&text) } else { of_h2load(&text) };
    if requests == 0.0 {
        let why = String::from_utf8_lossy(&out.stderr);
        return Err(io::Error::other(format!("{} did nothing:\n{text}{why}", load.tool())));
    }
    Ok(Sample {
        cpu_us: spent_ns as f64 / 1e3 / requests,
        requests_per_s,
        busy: spent_ns as f64 / 1e9 / elapsed.as_secs_f64(),
        errors: errors as u64,
    })
}

/// Requests, errors, requests a second.
fn of_wrk(text: &str) -> (f64, f64, f64) {
    let refused = number_after(text, "Non-2xx or 3xx responses: ").unwrap_or(0.0);
    let broken: f64 = ["connect ", "read ", "write ", "timeout "]
        .iter()
        .filter_map(|kind| number_after(text.split("Socket errors: ").nth(1)?, kind))
        .sum();
    let requests = number_before(text, " requests in").unwrap_or(0.0);
    (requests, refused + broken, number_after(text, "Requests/sec:").unwrap_or(0.0))
}

fn of_h2load(text: &str) -> (f64, f64, f64) {
    let good = number_before(text, " 2xx").unwrap_or(0.0);
    let succeeded = number_before(text, " succeeded").unwrap_or(0.0);
    let failed = number_before(text, " failed").unwrap_or(0.0);
    (succeeded, failed + (succeeded - good).max(0.0), number_before(text, " req/s").unwrap_or(0.0))
}

/// User-space instructions of one plain request: the difference of two run lengths, so that start and end cancel out.
pub fn instructions(kind: Kind, setting: Setting<'_>) -> io::Result<f64> {
    const SHORT: usize = 1000;
    const LONG: usize = 5000;
    let run = |requests: usize| -> io::Result<f64> {
        let proxy = kind.start(setting, false, &CALLGRIND)?;
        let mut clients = connect(proxy.addr(Door::Plain), 64)?;
        repeat(&mut clients, requests)?;
        drop(clients);
        let said = proxy.end()?;
        let collected = said.split("Collected : ").skip(1).filter_map(|rest| number_after(rest, "")).sum::<f64>();
        if collected == 0.0 {
            Err(io::Error::other(format!("callgrind counted nothing:\n{said}")))
        } else {
            Ok(collected)
        }
    };
    Ok((run(LONG)? - run(SHORT)?) / (LONG - SHORT) as f64)
}

/// System calls of one keep-alive request, 64 connections busy at once. Connections are open before the count begins.
pub fn system_calls(kind: Kind, setting: Setting<'_>) -> io::Result<f64> {
    const REQUESTS: usize = 20_000;
    let proxy = kind.start(setting, false, &[])?;
    let mut clients = connect(proxy.addr(Door::Plain), 64)?;
    repeat(&mut clients, 640)?;
    let folder = tempfile::tempdir()?;
    let table = folder.path().join("calls");
    let mut strace = Command::new("strace")
        .args(["-f", "-c", "-U", "calls,name", "-p", &proxy.pid().to_string(), "-o"])
        .arg(&table)
        .stderr(Stdio::piped())
        .spawn()?;
    let mut told = strace.stderr.take().ok_or_else(|| io::Error::other("strace has no voice"))?;
    let mut said = [0; 1024];
    let attached = told.read(&mut said)?; // it speaks once it is attached
    let counted = repeat(&mut clients, REQUESTS);
    if let Some(pid) = Pid::from_raw(strace.id().cast_signed()) {
        let _ended_already = kill_process(pid, Signal::INT);
    }
    strace.wait()?;
    counted?;
    let table = fs::read_to_string(&table)?;
    let total = table.lines().find(|line| line.trim_end().ends_with("total")).and_then(|line| number_after(line, ""));
    let said = String::from_utf8_lossy(&said[..attached]).into_owned();
    let total = total.ok_or_else(|| io::Error::other(format!("strace counted nothing:\n{said}{table}")))?;
    Ok(total / REQUESTS as f64)
}

/// KiB of memory per idle connection after one request each: growth of a fresh process.
pub fn idle_kib(kind: Kind, setting: Setting<'_>) -> io::Result<f64> {
    idle(kind, setting, |proxy| {
        let mut client = connect(proxy.addr(Door::Plain), 1)?;
        repeat(&mut client, 1)?;
        Ok(client)
    })
}

/// [`idle_kib`] by TLS.
pub fn idle_tls_kib(kind: Kind, setting: Setting<'_>) -> io::Result<f64> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(setting.identity.der.clone().into()).map_err(io::Error::other)?;
    let config = Arc::new(rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth());
    let name = rustls::pki_types::ServerName::try_from("127.0.0.1").map_err(io::Error::other)?;
    idle(kind, setting, |proxy| {
        let socket = connect(proxy.addr(Door::Tls), 1)?.remove(0);
        let session = rustls::ClientConnection::new(config.clone(), name.clone()).map_err(io::Error::other)?;
        let mut clients = [rustls::StreamOwned::new(session, socket)];
        repeat(&mut clients, 1)?;
        Ok(clients)
    })
}

fn idle<T>(kind: Kind, setting: Setting<'_>, client: impl Fn(&Running) -> io::Result<T>) -> io::Result<f64> {
    const CONNECTIONS: usize = 4000;
    let proxy = kind.start(setting, false, &[])?;
    std::thread::sleep(Duration::from_millis(500));
    let before = pss_kib(proxy.pid())?;
    let clients = (0..CONNECTIONS).map(|_| client(&proxy)).collect::<io::Result<Vec<T>>>()?;
    std::thread::sleep(Duration::from_secs(1));
    let grown = pss_kib(proxy.pid())? - before;
    drop(clients);
    Ok(grown / CONNECTIONS as f64)
}

/// Lets this process and what it starts open as many files as it may.
pub fn raise_file_limit() -> io::Result<()> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::Nofile).maximum;
    Ok(setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?)
}

fn connect(addr: SocketAddr, connections: usize) -> io::Result<Vec<TcpStream>> {
    let open = |_| {
        let client = TcpStream::connect(addr)?;
        client.set_nodelay(true)?;
        client.set_read_timeout(Some(IO_MAX))?;
        Ok(client)
    };
    (0..connections).map(open).collect()
}

/// Sends so many requests over these connections, all of them busy at once, and checks every answer.
fn repeat(clients: &mut [impl Read + Write], requests: usize) -> io::Result<()> {
    let (mut sent, mut answered) = (0, 0);
    for client in clients.iter_mut().take(requests) {
        client.write_all(REQUEST.as_bytes())?;
        sent += 1;
    }
    while answered < requests {
        for client in clients.iter_mut() {
            if answered == requests {
                break;
            }
            read_answer(client)?;
            answered += 1;
            if sent < requests {
                client.write_all(REQUEST.as_bytes())?;
                sent += 1;
            }
        }
    }
    Ok(())
}

fn read_answer(client: &mut impl Read) -> io::Result<()> {
    const BODY_BYTES: usize = 1024;
    let mut bytes = Vec::with_capacity(2048);
    let mut chunk = [0; 4096];
    loop {
        if let Some(end) = memchr::memmem::find(&bytes, b"\r\n\r\n")
            && bytes.len() >= end + 4 + BODY_BYTES
        {
            let good = bytes.starts_with(b"HTTP/1.1 200 ") && bytes.len() == end + 4 + BODY_BYTES;
            let text = String::from_utf8_lossy(&bytes[..end]).into_owned();
            return if good { Ok(()) } else { Err(io::Error::other(format!("a wrong answer:\n{text}"))) };
        }
        match client.read(&mut chunk)? {
            0 => return Err(io::Error::other("closed inside an answer")),
            read => bytes.extend_from_slice(&chunk[..read]),
        }
    }
}

/// CPU time of all threads of a process, by the scheduler's account.
fn cpu_ns(pid: u32) -> io::Result<u64> {
    let mut total = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread may end between the listing and the reading.
        let Ok(text) = fs::read_to_string(thread?.path().join("schedstat")) else { continue };
        total += text.split(' ').next().and_then(|ns| ns.parse::<u64>().ok()).unwrap_or(0);
    }
    Ok(total)
}

fn pss_kib(pid: u32) -> io::Result<f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    number_after(&text, "\nPss:").ok_or_else(|| io::Error::other("no Pss in smaps_rollup"))
}

fn number_after(text: &str, label: &str) -> Option<f64> {
    let rest = text[text.find(label)? + label.len()..].trim_start();
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
    rest[..end].parse().ok()
}

fn number_before(text: &str, label: &str) -> Option<f64> {
    text[..text.find(label)?].rsplit([' ', '\n']).next()?.parse().ok()
}
