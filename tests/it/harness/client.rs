//! The client: one connection, raw bytes out, strictly read messages in.

use std::fmt;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;

use super::strict::{self, Body, Fields, Framing, ResponseHead};
use super::tls::TlsSocket;
use super::wire::{Cut, Socket, Wire};
use super::{PATIENCE, show};

/// A connection from a client's side.
pub struct Client {
    wire: Wire,
}

/// A whole response.
#[derive(Debug, Clone)]
pub struct Response {
    /// The 1xx responses that came before it.
    pub interim: Vec<ResponseHead>,
    /// `HTTP/1.1` or `HTTP/1.0`.
    pub version: String,
    /// Three digits.
    pub status: u16,
    /// May be empty.
    pub reason: String,
    /// In order, names as sent.
    pub fields: Fields,
    /// Without framing.
    pub body: Vec<u8>,
    /// What followed the last chunk.
    pub trailers: Fields,
    /// The size of every chunk.
    pub chunks: Vec<usize>,
    /// How the body's end was told.
    pub framing: Framing,
    /// The bytes of the head.
    pub raw_head: Vec<u8>,
}

/// Sends one request over a connection of its own and reads the answer.
#[track_caller]
pub fn get(addr: SocketAddr, target: &str) -> Response {
    let mut client = Client::connect(addr);
    client.send_request("GET", target, &[("Connection", "close")], b"");
    let response = client.read_response();
    client.expect_closed();
    response
}

/// Sends raw bytes over a connection of its own and reads the answer (to a GET).
#[track_caller]
pub fn exchange(addr: SocketAddr, request: impl AsRef<[u8]>) -> Response {
    let mut client = Client::connect(addr);
    client.send(request);
    client.read_response()
}

// === impl Client ===

impl Client {
    /// Opens a TCP connection.
    #[track_caller]
    pub fn connect(addr: SocketAddr) -> Client {
        match TcpStream::connect_timeout(&addr, PATIENCE) {
            Ok(socket) => Client { wire: Wire::new(Socket::Tcp(socket)) },
            Err(error) => panic!("no connection to {addr}: {error}"),
        }
    }

    /// Opens a connection by TLS, asking for this name; fails as the handshake does.
    pub fn try_tls(addr: SocketAddr, config: &Arc<ClientConfig>, name: &str) -> Result<Client, String> {
        Client::try_tls_after(b"", addr, config, name)
    }

    /// As `try_tls`, after these bytes.
    pub fn try_tls_after(
        first: &[u8],
        addr: SocketAddr,
        config: &Arc<ClientConfig>,
        name: &str,
    ) -> Result<Client, String> {
        let mut tcp = TcpStream::connect_timeout(&addr, PATIENCE).map_err(|error| error.to_string())?;
        std::io::Write::write_all(&mut tcp, first).map_err(|error| error.to_string())?;
        tcp.set_read_timeout(Some(PATIENCE)).expect("a read limit");
        let socket = TlsSocket::client(tcp, config, name).map_err(|error| error.to_string())?;
        Ok(Client { wire: Wire::new(Socket::Tls(Box::new(socket))) })
    }

    /// Opens a connection by TLS, asking for this name.
    #[track_caller]
    pub fn tls(addr: SocketAddr, config: &Arc<ClientConfig>, name: &str) -> Client {
        Client::try_tls(addr, config, name).unwrap_or_else(|error| panic!("no TLS with {addr} as {name}: {error}"))
    }

    /// What TLS has settled.
    #[track_caller]
    pub fn settled(&mut self) -> &mut TlsSocket {
        self.wire.tls().expect("a connection by TLS")
    }

    /// Takes a connection over.
    pub fn over(socket: TcpStream) -> Client {
        Client { wire: Wire::new(Socket::Tcp(socket)) }
    }

    /// Opens a connection to a unix socket.
    #[track_caller]
    pub fn connect_unix(path: impl AsRef<Path>) -> Client {
        match UnixStream::connect(path.as_ref()) {
            Ok(socket) => Client { wire: Wire::new(Socket::Unix(socket)) },
            Err(error) => panic!("no connection to {}: {error}", path.as_ref().display()),
        }
    }

    /// A second handle to the same connection, to send on one while the other reads.
    pub fn again(&self) -> Client {
        Client { wire: Wire::new(self.wire.handle()) }
    }

    /// Whether anybody accepts connections there.
    pub fn is_listening(addr: SocketAddr) -> bool {
        TcpStream::connect_timeout(&addr, PATIENCE).is_ok()
    }

    /// How long one read or write may wait from now on.
    pub fn wait_for(&self, limit: Duration) {
        self.wire.wait_for(limit);
    }

    /// The client's own address, as the proxy sees it. TCP only.
    #[track_caller]
    pub fn local_addr(&self) -> SocketAddr {
        match self.wire.handle() {
            Socket::Tcp(socket) => socket.local_addr().expect("an own address"),
            Socket::Tls(_) => unreachable!("a handle is never TLS"),
            Socket::Unix(_) => panic!("a unix socket has no such address"),
        }
    }

    /// Sends bytes as they are.
    #[track_caller]
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        if let Err(error) = self.wire.send(bytes.as_ref()) {
            panic!("could not send{}: {error}", show(bytes.as_ref()));
        }
    }

    /// Sends bytes to a side that may already have turned away; false when it had.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.wire.send(bytes.as_ref()).is_ok()
    }

    /// Sends an HTTP/1.1 request; adds `Host: test` and `Content-Length` where they are needed and not given.
    #[track_caller]
    pub fn send_request(&mut self, method: &str, target: &str, fields: &[(&str, &str)], body: &[u8]) {
        let given = |name: &str| fields.iter().any(|(given, _)| given.eq_ignore_ascii_case(name));
        let mut head = format!("{method} {target} HTTP/1.1\r\n");
        if !given("host") {
            head.push_str("Host: test\r\n");
        }
        for (name, value) in fields {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() && !given("content-length") && !given("transfer-encoding") {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        self.send([head.as_bytes(), b"\r\n", body].concat());
    }

    /// Sends one chunk of a chunked body; an empty one is the last.
    #[track_caller]
    pub fn send_chunk(&mut self, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        self.send([format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat());
    }

    /// Reads the response to a request that is neither HEAD nor CONNECT.
    #[track_caller]
    pub fn read_response(&mut self) -> Response {
        self.read_response_to("GET")
    }

    /// Reads the response to a request of this method, 1xx (except 101) set apart.
    #[track_caller]
    pub fn read_response_to(&mut self, method: &str) -> Response {
        match self.try_read_response_to(method) {
            Ok(response) => response,
            Err(cut) => self.fail("a response", &cut),
        }
    }

    /// As `read_response_to`, for tests in which the connection may end.
    pub fn try_read_response_to(&mut self, method: &str) -> Result<Response, Cut> {
        let mut interim = Vec::new();
        loop {
            let head = self.try_read_head_to(method)?;
            if (100..200).contains(&head.status) && head.status != 101 {
                interim.push(head);
                continue;
            }
            let body = strict::read_body(&mut self.wire, head.framing)?;
            return Ok(Response::new(interim, head, body));
        }
    }

    /// Reads one head, 1xx or not, and leaves its body unread.
    #[track_caller]
    pub fn read_head(&mut self) -> ResponseHead {
        match self.try_read_head_to("GET") {
            Ok(head) => head,
            Err(cut) => self.fail("a response head", &cut),
        }
    }

    /// Reads the rest of a body after `read_head`.
    #[track_caller]
    pub fn read_body(&mut self, framing: Framing) -> Body {
        match self.try_read_body(framing) {
            Ok(body) => body,
            Err(cut) => self.fail("a response body", &cut),
        }
    }

    /// As `read_body`, for tests in which the connection may end.
    pub fn try_read_body(&mut self, framing: Framing) -> Result<Body, Cut> {
        strict::read_body(&mut self.wire, framing)
    }

    /// Reads so many raw bytes.
    #[track_caller]
    pub fn read_exactly(&mut self, bytes: usize) -> Vec<u8> {
        match self.wire.take(bytes) {
            Ok(taken) => taken,
            Err(cut) => self.fail(&format!("{bytes} bytes"), &cut),
        }
    }

    /// Reads raw bytes until the other side ends in order.
    #[track_caller]
    pub fn read_until_close(&mut self) -> Vec<u8> {
        match self.wire.take_to_end() {
            (bytes, Cut::Closed) => bytes,
            (bytes, cut) => panic!("the connection was to be closed, but: {cut:?}; came:{}", show(&bytes)),
        }
    }

    /// Reads raw bytes until the connection ends, in order or by a reset, and says which.
    pub fn read_to_end(&mut self) -> (Vec<u8>, Cut) {
        self.wire.take_to_end()
    }

    /// Waits until the other side ends (close or reset) and checks that no byte comes before.
    #[track_caller]
    pub fn expect_closed(&mut self) {
        let (bytes, cut) = self.wire.take_to_end();
        assert!(bytes.is_empty(), "bytes came where the connection was to end:{}", show(&bytes));
        assert_ne!(cut, Cut::Stalled, "the connection was to be closed and stays open");
    }

    /// Waits until the other side resets the connection, whatever comes before.
    #[track_caller]
    pub fn expect_reset(&mut self) {
        let (bytes, cut) = self.wire.take_to_end();
        assert_eq!(cut, Cut::Reset, "the connection was to be reset; came:{}", show(&bytes));
    }

    /// Ends our half; what the other side still sends can be read.
    pub fn half_close(&self) {
        self.wire.half_close();
    }

    /// Resets the connection.
    pub fn reset(self) {
        self.wire.reset_when_dropped();
    }

    fn try_read_head_to(&mut self, method: &str) -> Result<ResponseHead, Cut> {
        let raw = strict::read_head(&mut self.wire)?;
        let shown = show(&raw);
        strict::response_head(raw, method).map_err(|why| Cut::Malformed(format!("{why}, in{shown}")))
    }

    #[track_caller]
    fn fail(&self, awaited: &str, cut: &Cut) -> ! {
        panic!("{awaited} was awaited, but: {cut}; unread:{}", show(self.wire.unread()))
    }
}

// === impl Response ===

impl Response {
    fn new(interim: Vec<ResponseHead>, head: ResponseHead, body: Body) -> Response {
        Response {
            interim,
            version: head.version,
            status: head.status,
            reason: head.reason,
            fields: head.fields,
            body: body.bytes,
            trailers: body.trailers,
            chunks: body.chunks,
            framing: head.framing,
            raw_head: head.raw,
        }
    }

    /// The value of a field, which may be there once at most.
    #[track_caller]
    pub fn field(&self, name: &str) -> Option<&str> {
        super::single(&self.fields, name)
    }

    /// Every value of a field.
    pub fn all(&self, name: &str) -> Vec<&str> {
        super::all(&self.fields, name).collect()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

// === impl Cut ===

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cut::Closed => f.write_str("the other side closed"),
            Cut::Short => f.write_str("the other side closed inside a message"),
            Cut::Reset => f.write_str("the other side reset the connection"),
            Cut::Stalled => f.write_str("nothing came in time"),
            Cut::Malformed(why) => f.write_str(why),
        }
    }
}
