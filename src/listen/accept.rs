//! Accepting: one task per listener and worker.
//!
//! When the listener closes, what the kernel has queued is accepted first: closing a SO_REUSEPORT socket drops its queue.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use super::bind::Listening;
use super::h1::{self, Client, Serve, Settings};
use crate::clock;
use crate::drain::{Drain, Level};
use crate::hook::{ClientFacts, Peer};
use crate::limits::{ACCEPT_BACKOFF_MS, ACCEPTS_PER_TURN};
use crate::wire::{Wire, memory};

/// A listener alive on one worker.
pub struct Door {
    pub settings: Rc<RefCell<Rc<Settings>>>,
    pub serve: Serve,
    /// Stops accepting and drains its connections when this does.
    pub drain: Drain,
    /// Connections of this listener, process-wide, and their limit.
    pub open: Arc<AtomicUsize>,
    pub open_max: usize,
    /// Told `true` when a connection begins, `false` when it has ended.
    pub count: Rc<dyn Fn(bool)>,
}

/// One connection in the process-wide count.
struct Open(Rc<Door>);

enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// Accepts until the door drains.
pub async fn run(listening: Listening, name: Arc<str>, door: Rc<Door>) {
    let socket = match listening {
        Listening::Tcp(socket) => TcpListener::from_std(socket).map(Socket::Tcp),
        Listening::Unix(socket) => UnixListener::from_std(socket).map(Socket::Unix),
        Listening::Memory => {
            let guard = door.drain.guard();
            memory::listen(name.clone(), move |end| begin(Wire::Memory(end), Peer::Memory, &door));
            std::future::poll_fn(|cx| match guard.poll_level(cx) {
                Level::Running => Poll::Pending,
                Level::Draining | Level::Cut => Poll::Ready(()),
            })
            .await;
            // It holds the door, for which the drain would wait.
            return memory::close(&name);
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
    loop {
        let accepted = std::future::poll_fn(|cx| {
            if guard.poll_level(cx) != Level::Running {
                return Poll::Ready(None);
            }
            socket.poll_accept(cx).map(Some)
        });
        match accepted.await {
            None => break,
            Some(Ok((wire, peer))) => begin(wire, peer, door),
            Some(Err(error)) => {
                // EMFILE and its like: the connection stays in the queue, so trying at once would spin.
                tracing::error!(%error, "cannot accept; trying again");
                clock::sleep(Duration::from_millis(ACCEPT_BACKOFF_MS)).await;
            }
        }
        turn += 1;
        if turn % ACCEPTS_PER_TURN == 0 {
            tokio::task::yield_now().await;
        }
    }
    // The last ones in the queue: they get one answer each, which says `Connection: close`.
    while let Some(Ok((wire, peer))) = socket.try_accept() {
        begin(wire, peer, door);
    }
}

fn begin(wire: Wire, peer: Peer, door: &Rc<Door>) {
    if door.open.fetch_add(1, Ordering::Relaxed) >= door.open_max {
        door.open.fetch_sub(1, Ordering::Relaxed);
        tracing::debug!(listener = %door.settings.borrow().name, "over the connection limit");
        return;
    }
    let open = Open(door.clone());
    (door.count)(true);
    let facts = {
        let settings = door.settings.borrow();
        let mut facts = ClientFacts {
            peer,
            address_text: Box::from(""),
            trusted: false,
            secure: false,
            listener: settings.name.clone(),
        };
        let address = facts.address();
        facts.address_text = address.to_string().into();
        facts.trusted = settings.trusted.iter().any(|net| net.contains(&address));
        facts
    };
    let client = Client::new(wire, facts, door.drain.guard(), door.settings.clone());
    let serve = door.serve.clone();
    tokio::task::spawn_local(async move {
        let _open = open;
        h1::run(client, serve).await;
    });
}

// === impl Socket ===

impl Socket {
    fn poll_accept(&self, cx: &mut std::task::Context<'_>) -> Poll<io::Result<(Wire, Peer)>> {
        match self {
            Self::Tcp(socket) => socket.poll_accept(cx).map_ok(tcp),
            Self::Unix(socket) => socket.poll_accept(cx).map_ok(|(stream, _)| unix(stream)),
        }
    }

    fn try_accept(&self) -> Option<io::Result<(Wire, Peer)>> {
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        match self.poll_accept(&mut cx) {
            Poll::Ready(accepted) => Some(accepted),
            Poll::Pending => None,
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
        (self.0.count)(false);
    }
}

fn tcp((stream, peer): (TcpStream, SocketAddr)) -> (Wire, Peer) {
    (Wire::Tcp(stream), Peer::Ip(peer))
}

fn unix(stream: UnixStream) -> (Wire, Peer) {
    (Wire::Unix(stream), Peer::Unix)
}
