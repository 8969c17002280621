//! Accepting: one task per listener and worker.
//!
//! Closing a listening socket resets whoever is in its queue. So before it closes, the kernel is told to let nobody in
//! any more, and those who are in, or half in, are accepted: a client is served or refused, and never reset.

use std::cell::RefCell;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use smallvec::SmallVec;
use socket2::{SockFilter, SockRef};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use super::bind::Listening;
use super::enter::{self, Entered, Protocol};
use super::h1::{self, Client, Serve, Settings};
use super::h2;
use crate::clock::{self, Alarm};
use crate::drain::{Drain, Guard, Level};
use crate::failure::{Failure, Reason};
use crate::hook::{ClientFacts, HelloFacts, Hook, Peer, Verdict};
use crate::limits::{ACCEPT_BACKOFF_MS, ACCEPTS_PER_TURN, LISTEN_CLOSE_MS};
use crate::observe::handshake::{Shaken, Unshaken};
use crate::share::addresses::{Addresses, Held};
use crate::wire::{Wire, memory};

/// A listener alive on one worker.
pub struct Door {
    pub settings: Rc<RefCell<Rc<Settings>>>,
    pub serve: Serve,
    /// Stops accepting and drains its connections when this does.
    pub drain: Drain,
    /// Connections of this listener, process-wide, and their limit.
    pub open: Arc<AtomicUsize>,
    /// Connections by client address, process-wide.
    pub addresses: Arc<Addresses>,
    /// Told what becomes of connections, with the listener's number.
    pub count: Rc<dyn Fn(u32, Counted)>,
    /// Asks the policies of the listener before there is a request.
    pub ask: Ask,
    /// Told how a TLS handshake ended, with the listener's number.
    pub shaken: Rc<dyn Fn(u32, Result<Shaken, Unshaken>)>,
}

/// What becomes of a connection, for the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    Accepted,
    Closed,
    /// Closed before its first request, and why.
    Refused(Reason),
}

/// Asks policies at a hook of a connection; `None`: nobody speaks there. What the client announced by TLS is made only for
/// those who ask.
pub type Ask = Rc<dyn Fn(Hook, &ClientFacts, &dyn Fn() -> HelloFacts) -> Option<Asking>>;

/// What policies say, as a future.
pub type Asking = Pin<Box<dyn Future<Output = Result<Verdict, Failure>>>>;

/// One connection in the process-wide count.
struct Open {
    door: Rc<Door>,
    id: u32,
    /// The same of its client's address, where that is limited.
    held: Option<Box<Held>>,
}

enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// Of the TCP header that begins a packet: if SYN is set and ACK is not, take nothing of it, else all.
const DROP_SYN: [SockFilter; 5] = [
    SockFilter::new(0x30, 0, 0, 13),   // load the byte of the flags
    SockFilter::new(0x54, 0, 0, 0x12), // keep SYN and ACK
    SockFilter::new(0x15, 0, 1, 0x02), // SYN alone?
    SockFilter::new(0x06, 0, 0, 0),
    SockFilter::new(0x06, 0, 0, u32::MAX),
];

/// Accepts until the door drains.
pub async fn run(listening: Listening, name: Arc<str>, door: Rc<Door>) {
    let socket = match listening {
        Listening::Tcp(socket) => TcpListener::from_std(socket).map(Socket::Tcp),
        Listening::Unix(socket) => UnixListener::from_std(socket).map(Socket::Unix),
        Listening::Memory => {
            let guard = door.drain.guard();
            memory::listen(name.clone(), move |end| {
                let peer = end.from().map_or(Peer::Memory, Peer::Ip);
                begin(Wire::Memory(end), peer, &door);
            });
            std::future::poll_fn(|cx| match guard.poll_level(cx) {
                Level::Running => Poll::Pending,
                _ => Poll::Ready(()),
            })
            .await;
            // It holds the door, and with it the drain that would wait for it.
            memory::close(&name);
            return;
        }
    };
    match socket {
        Ok(socket) => accept(socket, &door).await,
        Err(error) => tracing::error!(%error, listener = %name, "cannot listen"),
    }
}

async fn accept(socket: Socket, door: &Rc<Door>) {
    let guard = door.drain.guard();
    let mut turn = 0;
    let mut failing = false;
    loop {
        let accepted = std::future::poll_fn(|cx| {
            if guard.poll_level(cx) != Level::Running {
                return Poll::Ready(None);
            }
            socket.poll_accept(cx).map(Some)
        });
        match accepted.await {
            None => break,
            Some(Ok((wire, peer))) => {
                if std::mem::take(&mut failing) {
                    tracing::info!(listener = %door.settings.borrow().name, "accepting again");
                }
                begin(wire, peer, door);
            }
            Some(Err(error)) => {
                // EMFILE and its like: the connection stays in the queue, so trying at once would spin.
                if !std::mem::replace(&mut failing, true) {
                    let listener = door.settings.borrow().name.clone();
                    tracing::error!(%error, %listener, "cannot accept; trying again until it works");
                }
                pause(&guard).await;
            }
        }
        turn += 1;
        if turn % ACCEPTS_PER_TURN == 0 {
            tokio::task::yield_now().await;
        }
    }
    // The last ones in the queue: they get one answer each, which says `Connection: close`.
    let wait = if socket.let_nobody_in() { LISTEN_CLOSE_MS } else { 0 };
    let until = clock::refresh() + wait;
    let alarm = Alarm::new();
    loop {
        let accepted = std::future::poll_fn(|cx| match socket.poll_accept(cx) {
            Poll::Ready(accepted) => Poll::Ready(accepted.ok()),
            Poll::Pending if guard.poll_level(cx) == Level::Cut || alarm.poll(cx, until) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        });
        match accepted.await {
            Some((wire, peer)) => begin(wire, peer, door),
            None => return,
        }
    }
}

/// Waits before accepting is tried again; not once the door drains.
async fn pause(guard: &Guard) {
    let until = clock::refresh() + ACCEPT_BACKOFF_MS;
    let alarm = Alarm::new();
    std::future::poll_fn(|cx| {
        if guard.poll_level(cx) != Level::Running || alarm.poll(cx, until) {
            return Poll::Ready(());
        }
        Poll::Pending
    })
    .await;
}

fn begin(wire: Wire, peer: Peer, door: &Rc<Door>) {
    let settings = door.settings.borrow().clone();
    let mut facts = facts(peer, &settings);
    if settings.announces {
        facts.local = wire.local_addr();
    }
    let open = match Open::new(door, &settings, &facts) {
        Ok(open) => open,
        Err(reason) => {
            tracing::debug!(listener = %settings.name, client = %facts.address_text, reason = reason.label(), "closed");
            (door.count)(settings.id, Counted::Refused(reason));
            return;
        }
    };
    drop(settings);
    let door = door.clone();
    tokio::task::spawn_local(async move {
        let mut open = open;
        // Boxed: what a handshake needs is not what an idle connection should carry.
        let entered = if door.is_open() {
            Some(Entered { wire, facts, protocol: Protocol::Http1 })
        } else {
            Box::pin(enter::enter(wire, facts, &door, &mut open.held)).await
        };
        let Some(Entered { wire, facts, protocol }) = entered else { return };
        let client = Client::new(wire, facts, door.drain.guard(), door.settings.clone());
        let serve = door.serve.clone();
        drop(door);
        match protocol {
            Protocol::Http1 => h1::run(client, serve).await,
            Protocol::Http2 => Box::pin(h2::run(*client, serve)).await,
        }
    });
}

/// What is known of a client before it has said anything.
pub(super) fn facts(peer: Peer, settings: &Settings) -> ClientFacts {
    let mut facts = ClientFacts {
        peer,
        address_text: Box::from(""),
        trusted: false,
        local: None,
        secure: false,
        listener: settings.name.clone(),
        tls: None,
    };
    let address = facts.address();
    facts.address_text = text(address);
    facts.trusted = settings.trusted.iter().any(|net| net.contains(&address));
    facts
}

/// As it is displayed, without the machinery of that: every connection pays for it.
fn text(address: IpAddr) -> Box<str> {
    let IpAddr::V4(four) = address else { return address.to_string().into() };
    let mut text = SmallVec::<[u8; 16]>::new();
    for octet in four.octets() {
        if !text.is_empty() {
            text.push(b'.');
        }
        text.extend_from_slice(itoa::Buffer::new().format(octet).as_bytes());
    }
    std::str::from_utf8(&text).unwrap_or_default().into()
}

// === impl Socket ===

impl Socket {
    fn poll_accept(&self, cx: &mut std::task::Context<'_>) -> Poll<io::Result<(Wire, Peer)>> {
        match self {
            Self::Tcp(socket) => socket.poll_accept(cx).map_ok(tcp),
            Self::Unix(socket) => socket.poll_accept(cx).map_ok(|(stream, _)| unix(stream)),
        }
    }

    /// From here on nobody joins the queue. Says whether some may still be half in: by TCP the handshake may be under
    /// way, so SYNs are dropped (whoever sends one tries again, and is refused once the socket is closed).
    fn let_nobody_in(&self) -> bool {
        match self {
            Self::Tcp(socket) => match SockRef::from(socket).attach_filter(&DROP_SYN) {
                Ok(()) => true,
                Err(why) => {
                    tracing::debug!(%why, "no filter; who connects while the listener closes may be reset");
                    false
                }
            },
            Self::Unix(socket) => {
                let address = socket.local_addr();
                if let Some(path) = address.as_ref().ok().and_then(|address| address.as_pathname()) {
                    // Another worker may have been first.
                    let _gone_already = std::fs::remove_file(path);
                }
                false
            }
        }
    }
}

// === impl Open ===

impl Open {
    /// Counts a connection in, or says which limit it is over.
    fn new(door: &Rc<Door>, settings: &Settings, facts: &ClientFacts) -> Result<Self, Reason> {
        if door.open.fetch_add(1, Ordering::Relaxed) >= settings.open_max {
            door.open.fetch_sub(1, Ordering::Relaxed);
            return Err(Reason::ListenerConnections);
        }
        // A neighbour that speaks for others is not their address.
        let speaks_for_others = settings.proxy_protocol && facts.trusted;
        let held = if speaks_for_others { Ok(None) } else { door.hold(settings, facts) };
        if held.is_err() {
            door.open.fetch_sub(1, Ordering::Relaxed);
        }
        let open = Self { held: held?, door: door.clone(), id: settings.id };
        (door.count)(settings.id, Counted::Accepted);
        Ok(open)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.door.open.fetch_sub(1, Ordering::Relaxed);
        (self.door.count)(self.id, Counted::Closed);
    }
}

fn tcp((stream, peer): (TcpStream, SocketAddr)) -> (Wire, Peer) {
    (Wire::Tcp(stream), Peer::Ip(peer))
}

fn unix(stream: UnixStream) -> (Wire, Peer) {
    (Wire::Unix(stream), Peer::Unix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_reads_as_it_is_displayed() {
        for address in ["0.0.0.0", "127.0.0.1", "255.255.255.255", "10.20.3.104", "::1", "2001:db8::7"] {
            let parsed: IpAddr = address.parse().unwrap();
            assert_eq!(&*text(parsed), parsed.to_string());
        }
    }
}
