//! Connections without a socket: two byte pipes with a bound. A door beside TCP for the demo's origin and for tests.

use std::cell::RefCell;
use std::collections::HashMap;
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crate::limits::MEMORY_PIPE_BYTES;

/// One end of an in-memory connection.
#[derive(Debug)]
pub struct End {
    reads: Rc<RefCell<Pipe>>,
    writes: Rc<RefCell<Pipe>>,
    /// Whom the other end says it is, for tests.
    from: Option<SocketAddr>,
}

#[derive(Debug, Default)]
struct Pipe {
    bytes: VecDeque<u8>,
    /// The writing end has said that no more comes.
    closed: bool,
    /// The reading end is gone.
    broken: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

type Acceptor = Rc<dyn Fn(End)>;

thread_local! {
    static LISTENING: RefCell<HashMap<Arc<str>, Acceptor>> = RefCell::new(HashMap::new());
}

/// Accepts in-memory connections to `name` on this thread, until the same name is taken anew.
pub fn listen(name: Arc<str>, accept: impl Fn(End) + 'static) {
    LISTENING.with_borrow_mut(|all| all.insert(name, Rc::new(accept)));
}

/// Refuses further connections to `name`.
pub fn close(name: &str) {
    LISTENING.with_borrow_mut(|all| all.remove(name));
}

/// Connects to whoever listens as `name` on this thread.
pub fn connect(name: &str) -> io::Result<End> {
    connect_as(name, None)
}

fn connect_as(name: &str, from: Option<SocketAddr>) -> io::Result<End> {
    let acceptor = LISTENING.with_borrow(|all| all.get(name).cloned());
    let accept = acceptor.ok_or_else(|| io::Error::from(io::ErrorKind::ConnectionRefused))?;
    let (here, mut there) = pair();
    there.from = from;
    accept(there);
    Ok(here)
}

/// The same, as if from an address of the network.
pub fn connect_from(name: &str, from: SocketAddr) -> io::Result<End> {
    connect_as(name, Some(from))
}

/// The two ends of a connection.
#[must_use]
pub fn pair() -> (End, End) {
    let (one, other) = (Rc::new(RefCell::new(Pipe::default())), Rc::new(RefCell::new(Pipe::default())));
    (End { reads: one.clone(), writes: other.clone(), from: None }, End { reads: other, writes: one, from: None })
}

// === impl End ===

impl End {
    /// Whom the other end says it is.
    #[must_use]
    pub fn from(&self) -> Option<SocketAddr> {
        self.from
    }

    /// Whether a read would not wait.
    pub fn poll_readable(&self, cx: &Context<'_>) -> Poll<()> {
        let mut pipe = self.reads.borrow_mut();
        if !pipe.bytes.is_empty() || pipe.closed {
            return Poll::Ready(());
        }
        pipe.reader = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Reads into `room`; 0 at the end.
    pub fn poll_read(&self, cx: &Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        if self.poll_readable(cx).is_pending() {
            return Poll::Pending;
        }
        let mut pipe = self.reads.borrow_mut();
        let count = room.len().min(pipe.bytes.len());
        for (to, from) in room.iter_mut().zip(pipe.bytes.drain(..count)) {
            *to = from;
        }
        if let Some(writer) = pipe.writer.take() {
            writer.wake();
        }
        Poll::Ready(Ok(count))
    }

    /// Writes what there is room for.
    pub fn poll_write(&self, cx: &Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut pipe = self.writes.borrow_mut();
        if pipe.broken || pipe.closed {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let count = bytes.len().min(MEMORY_PIPE_BYTES - pipe.bytes.len());
        if count == 0 && !bytes.is_empty() {
            pipe.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        pipe.bytes.extend(&bytes[..count]);
        if let Some(reader) = pipe.reader.take() {
            reader.wake();
        }
        Poll::Ready(Ok(count))
    }

    /// Says that no more comes.
    pub fn shutdown(&self) {
        self.writes.borrow_mut().close();
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.writes.borrow_mut().close();
        let mut reads = self.reads.borrow_mut();
        reads.broken = true;
        if let Some(writer) = reads.writer.take() {
            writer.wake();
        }
    }
}

// === impl Pipe ===

impl Pipe {
    fn close(&mut self) {
        self.closed = true;
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}
