//! A blocking socket, TCP or unix, with what was read and not yet taken.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use socket2::SockRef;

use super::PATIENCE;
use super::tls::TlsSocket;

/// Why bytes that were awaited did not come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cut {
    /// The other side ended its half in order.
    Closed,
    /// The other side ended its half inside a message.
    Short,
    /// The other side reset the connection.
    Reset,
    /// Nothing came for as long as the wire waits.
    Stalled,
    /// What came is not what was allowed to come.
    Malformed(String),
}

/// Either kind of socket.
pub enum Socket {
    /// TCP over IPv4 or IPv6.
    Tcp(TcpStream),
    /// A unix stream socket.
    Unix(UnixStream),
    /// TLS over TCP, either side.
    Tls(Box<TlsSocket>),
}

/// A socket and its unread bytes.
pub struct Wire {
    socket: Socket,
    unread: Vec<u8>,
}

// === impl Socket ===

impl Socket {
    /// A second handle to the same socket.
    pub fn again(&self) -> Socket {
        match self {
            Socket::Tcp(socket) => Socket::Tcp(socket.try_clone().expect("a second handle")),
            // What lies below TLS: enough to end it.
            Socket::Tls(socket) => Socket::Tcp(socket.tcp.try_clone().expect("a second handle")),
            Socket::Unix(socket) => Socket::Unix(socket.try_clone().expect("a second handle")),
        }
    }

    /// Ends one half or both; a socket that is already gone is no failure.
    pub fn shutdown(&self, half: Shutdown) {
        let _gone_already = match self {
            Socket::Tcp(socket) => socket.shutdown(half),
            Socket::Tls(socket) => socket.tcp.shutdown(half),
            Socket::Unix(socket) => socket.shutdown(half),
        };
    }

    fn as_ref(&self) -> SockRef<'_> {
        match self {
            Socket::Tcp(socket) => SockRef::from(socket),
            Socket::Tls(socket) => SockRef::from(&socket.tcp),
            Socket::Unix(socket) => SockRef::from(socket),
        }
    }
}

impl Read for Socket {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Socket::Tcp(socket) => socket.read(into),
            Socket::Tls(socket) => socket.read(into),
            Socket::Unix(socket) => socket.read(into),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Socket::Tcp(socket) => socket.write(bytes),
            Socket::Tls(socket) => socket.write(bytes),
            Socket::Unix(socket) => socket.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

// === impl Wire ===

impl Wire {
    /// Takes a socket over; reads and writes wait for `PATIENCE`.
    pub fn new(socket: Socket) -> Wire {
        let wire = Wire { socket, unread: Vec::new() };
        wire.wait_for(PATIENCE);
        if let Socket::Tls(socket) = &wire.socket {
            socket.tcp.set_nodelay(true).expect("TCP_NODELAY");
        }
        if let Socket::Tcp(socket) = &wire.socket {
            socket.set_nodelay(true).expect("TCP_NODELAY");
        }
        wire
    }

    /// How long one read or write may wait from now on.
    pub fn wait_for(&self, limit: Duration) {
        self.socket.as_ref().set_read_timeout(Some(limit)).expect("a read limit");
        self.socket.as_ref().set_write_timeout(Some(limit)).expect("a write limit");
    }

    /// A second handle to the socket, to end it from another thread.
    pub fn handle(&self) -> Socket {
        self.socket.again()
    }

    /// What has arrived and was not taken.
    pub fn unread(&self) -> &[u8] {
        &self.unread
    }

    /// Sends everything.
    pub fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.socket.write_all(bytes)
    }

    /// TLS only: what this side has settled with the other.
    pub fn tls(&mut self) -> Option<&mut TlsSocket> {
        if let Socket::Tls(socket) = &mut self.socket { Some(socket) } else { None }
    }

    /// Ends our half: the other side reads end of file.
    pub fn half_close(&self) {
        self.socket.shutdown(Shutdown::Write);
    }

    /// Makes the close, which the last handle's drop is, a reset. TCP only: a unix socket just closes.
    pub fn reset_when_dropped(&self) {
        self.socket.as_ref().set_linger(Some(Duration::ZERO)).expect("SO_LINGER 0");
    }

    /// Reads nothing, and waits until the other side has gone for good. TCP only.
    pub fn wait_for_reset(&self) {
        let deadline = std::time::Instant::now() + PATIENCE;
        loop {
            let gone = match &self.socket {
                Socket::Tcp(socket) => {
                    use rustix::event::{PollFd, PollFlags, Timespec, poll};
                    let mut polled = [PollFd::new(socket, PollFlags::RDHUP)];
                    let wait = Timespec { tv_sec: 1, tv_nsec: 0 };
                    poll(&mut polled, Some(&wait)).is_ok_and(|ready| ready > 0)
                }
                Socket::Unix(_) | Socket::Tls(_) => panic!("TCP only"),
            };
            if gone {
                return;
            }
            assert!(std::time::Instant::now() < deadline, "the other side never went");
        }
    }

    /// Waits for at least one more byte.
    pub fn fill(&mut self) -> Result<(), Cut> {
        let mut chunk = [0; 16 * 1024];
        loop {
            match self.socket.read(&mut chunk) {
                Ok(0) => return Err(Cut::Closed),
                Ok(n) => {
                    self.unread.extend_from_slice(&chunk[..n]);
                    return Ok(());
                }
                Err(error) => match error.kind() {
                    ErrorKind::Interrupted => {}
                    ErrorKind::WouldBlock | ErrorKind::TimedOut => return Err(Cut::Stalled),
                    // TLS: the stream ended, and nobody had said that it would.
                    ErrorKind::UnexpectedEof => return Err(Cut::Short),
                    _ => return Err(Cut::Reset),
                },
            }
        }
    }

    /// Takes everything up to and including `end`.
    pub fn take_until(&mut self, end: &[u8], bytes_max: usize) -> Result<Vec<u8>, Cut> {
        loop {
            if let Some(at) = self.unread.windows(end.len()).position(|window| window == end) {
                return Ok(self.unread.drain(..at + end.len()).collect());
            }
            if self.unread.len() > bytes_max {
                return Err(Cut::Malformed(format!("no {} in {bytes_max} bytes", end.escape_ascii())));
            }
            self.fill()?;
        }
    }

    /// Takes exactly so many bytes.
    pub fn take(&mut self, bytes: usize) -> Result<Vec<u8>, Cut> {
        while self.unread.len() < bytes {
            self.fill()?;
        }
        Ok(self.unread.drain(..bytes).collect())
    }

    /// Takes what is there, waiting only when nothing is.
    pub fn take_some(&mut self) -> Result<Vec<u8>, Cut> {
        if self.unread.is_empty() {
            self.fill()?;
        }
        Ok(std::mem::take(&mut self.unread))
    }

    /// Takes everything until the other side ends, and says how it ended.
    pub fn take_to_end(&mut self) -> (Vec<u8>, Cut) {
        loop {
            if let Err(end) = self.fill() {
                return (std::mem::take(&mut self.unread), end);
            }
        }
    }
}
