//! The origin: a listener whose every connection runs the test's own script on a thread of its own.
//!
//! Whatever reaches it is parsed by `strict` before the script sees it. A request that could be read in two ways fails the
//! test, when the origin is asked for its requests or at the latest when it is dropped.

use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustls::ServerConfig;

use super::strict::{self, Body, Fields, Framing, RequestHead};
use super::tls::TlsSocket;
use super::wire::{Cut, Socket, Wire};
use super::{PATIENCE, show};

/// Fields that an origin may meet in any test. Others are `unexpected`, unless their name begins with `x-test`.
const ORDINARY: &[&str] = &[
    "accept",
    "authorization",
    "connection",
    "content-length",
    "content-type",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-request-id",
];

/// A listening origin; it ends, with its connections, when dropped.
pub struct Origin {
    seen: Arc<Seen>,
    place: Place,
    accepting: Option<JoinHandle<()>>,
}

/// One connection, from the origin's side.
pub struct Conn {
    wire: Wire,
    seen: Arc<Seen>,
    number: usize,
    reading: Option<usize>,
}

/// A request as the origin understood it.
#[derive(Debug, Clone)]
pub struct Request {
    /// The connection it came over, counted from 0.
    pub connection: usize,
    /// The bytes of the head.
    pub raw_head: Vec<u8>,
    /// As sent.
    pub method: String,
    /// As sent.
    pub target: String,
    /// `HTTP/1.1` or `HTTP/1.0`.
    pub version: String,
    /// In order, names as sent.
    pub fields: Fields,
    /// How the body's end is told.
    pub framing: Framing,
    /// Without framing; empty until read.
    pub body: Vec<u8>,
    /// What followed the last chunk.
    pub trailers: Fields,
    /// The size of every chunk.
    pub chunks: Vec<usize>,
    /// Whether the body was read to its end.
    pub complete: bool,
}

/// An address at which nobody listens, kept as long as this lives, so that nobody else gets it.
pub struct Absent {
    socket: socket2::Socket,
}

#[derive(Clone)]
enum Place {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
    Tls(TcpListener, Arc<ServerConfig>),
}

#[derive(Default)]
struct Seen {
    record: Mutex<Record>,
    changed: Condvar,
}

#[derive(Default)]
struct Record {
    requests: Vec<Request>,
    accepted: usize,
    open: usize,
    cut_short: usize,
    faults: Vec<String>,
    sockets: Vec<(usize, Socket)>,
    scripts: Vec<JoinHandle<()>>,
    ending: bool,
}

type Script = dyn Fn(&mut Conn) + Send + Sync;

// === impl Origin ===

impl Origin {
    /// Listens on 127.0.0.1 and answers every request with what `handler` returns: the bytes of a whole response. Closes
    /// after a request that asks for it.
    pub fn start(handler: impl Fn(&Request) -> Vec<u8> + Send + Sync + 'static) -> Origin {
        Origin::script(move |conn| {
            while let Some(request) = conn.read_request() {
                let last = request.all("connection").iter().any(|options| options.eq_ignore_ascii_case("close"));
                if !conn.send(handler(&request)) || last {
                    return;
                }
            }
        })
    }

    /// Listens on 127.0.0.1; every connection runs `script` and is closed when it returns.
    pub fn script(script: impl Fn(&mut Conn) + Send + Sync + 'static) -> Origin {
        Origin::script_at("127.0.0.1:0".parse().expect("an address"), script)
    }

    /// As `script`, by TLS. What the script does not end with `close_notify` ends without.
    pub fn script_tls(config: Arc<ServerConfig>, script: impl Fn(&mut Conn) + Send + Sync + 'static) -> Origin {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port to listen on");
        let place = Place::Tcp(listener.local_addr().expect("an own address"));
        Origin::listen(Listener::Tls(listener, config), place, Arc::new(script))
    }

    /// As `answering`, by TLS.
    pub fn answering_tls(config: Arc<ServerConfig>, response: impl AsRef<[u8]>) -> Origin {
        let response = response.as_ref().to_owned();
        Origin::script_tls(config, move |conn| while conn.read_request().is_some() && conn.send(&response) {})
    }

    /// As `script`, on an address of the test's choice (IPv6, or one that was in use before).
    pub fn script_at(addr: SocketAddr, script: impl Fn(&mut Conn) + Send + Sync + 'static) -> Origin {
        let listener = TcpListener::bind(addr).expect("a port to listen on");
        let place = Place::Tcp(listener.local_addr().expect("an own address"));
        Origin::listen(Listener::Tcp(listener), place, Arc::new(script))
    }

    /// As `script`, on a unix socket.
    pub fn script_unix(path: impl AsRef<Path>, script: impl Fn(&mut Conn) + Send + Sync + 'static) -> Origin {
        let path = path.as_ref().to_owned();
        let listener = UnixListener::bind(&path).expect("a unix socket to listen on");
        Origin::listen(Listener::Unix(listener), Place::Unix(path), Arc::new(script))
    }

    /// Answers every request with these bytes.
    pub fn answering(response: impl AsRef<[u8]>) -> Origin {
        let response = response.as_ref().to_owned();
        Origin::start(move |_| response.clone())
    }

    /// Answers every request with a plain dump of it: request line, fields, an empty line, the body.
    pub fn echo() -> Origin {
        Origin::start(|request| ok(request.dump()))
    }

    /// Accepts, reads and never answers.
    pub fn silent() -> Origin {
        Origin::script(|conn| while conn.read_request().is_some() {})
    }

    /// An address that refuses connections.
    pub fn absent() -> Absent {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
        let addr: SocketAddr = "127.0.0.1:0".parse().expect("an address");
        socket.bind(&addr.into()).expect("a port to keep");
        Absent { socket }
    }

    fn listen(listener: Listener, place: Place, script: Arc<Script>) -> Origin {
        let seen = Arc::new(Seen::default());
        let theirs = seen.clone();
        let accepting = std::thread::spawn(move || accept(&listener, &theirs, &script));
        Origin { seen, place, accepting: Some(accepting) }
    }

    /// Where it listens. TCP only.
    #[track_caller]
    pub fn addr(&self) -> SocketAddr {
        match &self.place {
            Place::Tcp(addr) => *addr,
            Place::Unix(path) => panic!("{} is not a TCP address", path.display()),
        }
    }

    /// Where it listens, as an endpoint is written in the configuration.
    pub fn endpoint(&self) -> String {
        match &self.place {
            Place::Tcp(addr) => addr.to_string(),
            Place::Unix(path) => format!("unix:{}", path.display()),
        }
    }

    /// How many connections were accepted so far.
    pub fn connections(&self) -> usize {
        self.seen.lock().accepted
    }

    /// How many connections are open now.
    pub fn open_connections(&self) -> usize {
        self.seen.lock().open
    }

    /// How many requests ended before their end.
    pub fn cut_short(&self) -> usize {
        self.seen.lock().cut_short
    }

    /// How many requests began so far.
    pub fn request_count(&self) -> usize {
        self.seen.lock().requests.len()
    }

    /// Every request so far, finished or not. Fails when one of them was ambiguous.
    #[track_caller]
    pub fn requests(&self) -> Vec<Request> {
        let record = self.seen.lock();
        record.check();
        record.requests.clone()
    }

    /// Waits for the nth request (from 0), body and all.
    #[track_caller]
    pub fn request(&self, nth: usize) -> Request {
        self.wait(&format!("request {nth} (from 0)"), |record| record.requests.get(nth).is_some_and(|r| r.complete));
        self.requests().swap_remove(nth)
    }

    /// Waits for the nth head (from 0), whatever became of its body.
    #[track_caller]
    pub fn head(&self, nth: usize) -> Request {
        self.wait(&format!("head {nth} (from 0)"), |record| record.requests.len() > nth);
        self.requests().swap_remove(nth)
    }

    /// Waits until so many connections were accepted in all.
    #[track_caller]
    pub fn wait_for_connections(&self, accepted: usize) {
        self.wait(&format!("connection number {accepted}"), |record| record.accepted >= accepted);
    }

    /// Waits until only so many connections are open.
    #[track_caller]
    pub fn wait_for_open(&self, open: usize) {
        self.wait(&format!("{open} open connections"), |record| record.open == open);
    }

    /// Waits until so many requests were cut short.
    #[track_caller]
    pub fn wait_for_cut_short(&self, requests: usize) {
        self.wait(&format!("{requests} requests cut short"), |record| record.cut_short >= requests);
    }

    /// Fields that came and that no test expects, as `name: value`: nothing leaks to an origin unnoticed.
    pub fn unexpected_fields(&self, also_expected: &[&str]) -> Vec<String> {
        let known = |name: &str| {
            let name = name.to_ascii_lowercase();
            name.starts_with("x-test") || ORDINARY.contains(&&*name) || also_expected.contains(&&*name)
        };
        let requests = self.requests();
        let fields = requests.iter().flat_map(|request| &request.fields);
        fields.filter(|(name, _)| !known(name)).map(|(name, value)| format!("{name}: {value}")).collect()
    }

    #[track_caller]
    fn wait(&self, awaited: &str, ready: impl Fn(&Record) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        let mut record = self.seen.lock();
        loop {
            record.check();
            if ready(&record) {
                return;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left == Duration::ZERO {
                let heads: Vec<String> = record.requests.iter().map(|request| show(&request.raw_head)).collect();
                let (accepted, open) = (record.accepted, record.open);
                drop(record);
                panic!(
                    "the origin waits for {awaited}; {accepted} connections, {open} open, heads: {}",
                    heads.concat()
                );
            }
            record = self.seen.changed.wait_timeout(record, left).expect("an unpoisoned record").0;
        }
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.seen.lock().ending = true;
        match &self.place {
            Place::Tcp(addr) => drop(TcpStream::connect_timeout(addr, PATIENCE)),
            Place::Unix(path) => drop(UnixStream::connect(path)),
        }
        let _told_by_its_fault = self.accepting.take().map(JoinHandle::join);
        let (sockets, scripts) = {
            let mut record = self.seen.lock();
            (std::mem::take(&mut record.sockets), std::mem::take(&mut record.scripts))
        };
        sockets.iter().for_each(|(_, socket)| socket.shutdown(Shutdown::Both));
        for script in scripts {
            let _told_by_its_fault = script.join();
        }
        if !std::thread::panicking() {
            self.seen.lock().check();
        }
    }
}

fn accept(listener: &Listener, seen: &Arc<Seen>, script: &Arc<Script>) {
    loop {
        let socket = match listener {
            Listener::Tcp(listener) => listener.accept().map(|(socket, _)| Socket::Tcp(socket)),
            Listener::Unix(listener) => listener.accept().map(|(socket, _)| Socket::Unix(socket)),
            Listener::Tls(listener, config) => {
                listener.accept().map(|(socket, _)| Socket::Tls(Box::new(TlsSocket::server(socket, config))))
            }
        };
        let mut record = seen.lock();
        if record.ending {
            return;
        }
        let socket = match socket {
            Ok(socket) => socket,
            Err(error) => return record.faults.push(format!("the origin cannot accept: {error}")),
        };
        let number = record.accepted;
        record.accepted += 1;
        record.open += 1;
        record.sockets.push((number, socket.again()));
        let conn = Conn { wire: Wire::new(socket), seen: seen.clone(), number, reading: None };
        let (seen_there, script) = (seen.clone(), script.clone());
        record.scripts.push(std::thread::spawn(move || run(conn, &seen_there, &*script)));
        seen.changed.notify_all();
    }
}

fn run(mut conn: Conn, seen: &Arc<Seen>, script: &Script) {
    let number = conn.number;
    let outcome = catch_unwind(AssertUnwindSafe(|| script(&mut conn)));
    let mut record = seen.lock();
    record.sockets.retain(|(other, _)| *other != number);
    record.open -= 1;
    if let Err(panic) = outcome {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        record.faults.push(format!("the origin's script panicked: {}", text.unwrap_or_default()));
    }
    drop(conn);
    seen.changed.notify_all();
}

/// A plain 200 with this body.
pub fn ok(body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    [format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).as_bytes(), body].concat()
}

// === impl Conn ===

impl Conn {
    /// Reads the next request to its end; none when the connection ended instead.
    pub fn read_request(&mut self) -> Option<Request> {
        let head = self.read_head()?;
        self.read_body(&head)
    }

    /// Reads the next head, and leaves its body unread.
    pub fn read_head(&mut self) -> Option<Request> {
        match strict::read_head(&mut self.wire) {
            Ok(raw) => {
                let shown = show(&raw);
                match strict::request_head(raw) {
                    Ok(head) => Some(self.begin(head)),
                    Err(why) => self.fault(format!("{why}, in{shown}")),
                }
            }
            Err(cut) => self.end(cut),
        }
    }

    /// Reads the body that belongs to a head; none when it was cut short.
    pub fn read_body(&mut self, request: &Request) -> Option<Request> {
        match strict::read_body(&mut self.wire, request.framing) {
            Ok(body) => Some(self.complete(body)),
            Err(cut) => self.end(cut),
        }
    }

    /// Sends bytes as they are; false when the other side has gone.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.wire.send(bytes.as_ref()).is_ok()
    }

    /// Reads so many raw bytes; none when the connection ends before.
    pub fn read_exactly(&mut self, bytes: usize) -> Option<Vec<u8>> {
        self.wire.take(bytes).ok()
    }

    /// Reads what is there, waiting for the first byte; none when the connection ended.
    pub fn read_some(&mut self) -> Option<Vec<u8>> {
        self.wire.take_some().ok()
    }

    /// Reads raw bytes until the connection ends, and says how it did.
    pub fn read_to_end(&mut self) -> (Vec<u8>, Cut) {
        self.wire.take_to_end()
    }

    /// Waits until the other side ends the connection, in order or not.
    pub fn wait_for_end(&mut self) -> Cut {
        self.wire.take_to_end().1
    }

    /// Reads nothing, and waits until the other side has reset the connection or closed it.
    pub fn wait_for_reset(&self) {
        self.wire.wait_for_reset();
    }

    /// The number of this connection, counted from 0.
    pub fn number(&self) -> usize {
        self.number
    }

    /// How long one read or write may wait from now on.
    pub fn wait_for(&self, limit: Duration) {
        self.wire.wait_for(limit);
    }

    /// TLS only: what this side has settled with the other.
    pub fn settled(&mut self) -> &mut TlsSocket {
        self.wire.tls().expect("a connection by TLS")
    }

    /// Ends our half; what the other side still sends can be read.
    pub fn half_close(&self) {
        self.wire.half_close();
    }

    /// Closes both halves now. Returning from the script closes too.
    pub fn close(&self) {
        self.wire.handle().shutdown(Shutdown::Both);
    }

    /// Resets the connection as soon as the script returns.
    pub fn reset(&self) {
        self.seen.lock().sockets.retain(|(other, _)| *other != self.number);
        self.wire.reset_when_dropped();
    }

    fn begin(&mut self, head: RequestHead) -> Request {
        let request = Request {
            connection: self.number,
            raw_head: head.raw,
            method: head.method,
            target: head.target,
            version: head.version,
            fields: head.fields,
            framing: head.framing,
            body: Vec::new(),
            trailers: Vec::new(),
            chunks: Vec::new(),
            complete: false,
        };
        let mut record = self.seen.lock();
        self.reading = Some(record.requests.len());
        record.requests.push(request.clone());
        self.seen.changed.notify_all();
        request
    }

    fn complete(&mut self, body: Body) -> Request {
        let at = self.reading.take().expect("a head before its body");
        let mut record = self.seen.lock();
        let request = &mut record.requests[at];
        (request.body, request.trailers, request.chunks) = (body.bytes, body.trailers, body.chunks);
        request.complete = true;
        self.seen.changed.notify_all();
        request.clone()
    }

    /// The connection ended where a request was read. Between requests that is in order.
    fn end<T>(&mut self, cut: Cut) -> Option<T> {
        let inside = self.reading.take().is_some() || !self.wire.unread().is_empty();
        match cut {
            Cut::Malformed(why) => return self.fault(why),
            Cut::Stalled if inside => return self.fault("a request stalled".to_owned()),
            _ if inside => self.seen.lock().cut_short += 1,
            _ => {}
        }
        self.seen.changed.notify_all();
        None
    }

    fn fault<T>(&self, why: String) -> Option<T> {
        let mut record = self.seen.lock();
        if !record.ending {
            record.faults.push(why);
        }
        self.seen.changed.notify_all();
        None
    }
}

// === impl Request ===

impl Request {
    /// The value of a field, which may be there once at most.
    #[track_caller]
    pub fn field(&self, name: &str) -> Option<&str> {
        super::single(&self.fields, name)
    }

    /// Every value of a field.
    pub fn all(&self, name: &str) -> Vec<&str> {
        super::all(&self.fields, name).collect()
    }

    /// Request line, fields, an empty line, the body, the trailers: one a line.
    pub fn dump(&self) -> Vec<u8> {
        let mut dump = format!("{} {} {}\n", self.method, self.target, self.version).into_bytes();
        let line = |(name, value): &(String, String)| format!("{name}: {value}\n").into_bytes();
        dump.extend(self.fields.iter().flat_map(line));
        dump.push(b'\n');
        dump.extend(&self.body);
        dump.extend(self.trailers.iter().flat_map(line));
        dump
    }
}

// === impl Absent ===

impl Absent {
    /// The address that refuses.
    pub fn addr(&self) -> SocketAddr {
        self.socket.local_addr().expect("an own address").as_socket().expect("a TCP address")
    }
}

// === impl Seen and Record ===

impl Seen {
    fn lock(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Record {
    #[track_caller]
    fn check(&self) {
        assert!(self.faults.is_empty(), "what reached the origin is not unambiguous HTTP:\n{}", self.faults.join("\n"));
    }
}
