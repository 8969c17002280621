//! One byte stream, whatever it runs over. Reads and writes are polls; nothing here waits or buffers.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::net::{RecvFlags, SendFlags};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::coop;
use tokio_rustls::TlsStream;

use super::buffer::Buffer;
use super::http2::Http2;
use super::memory;

/// Bytes for which there is nearly always room in the kernel.
const SMALL_BYTES_MAX: usize = 16 * 1024;

/// A byte stream.
pub enum Wire {
    Tcp(TcpStream),
    Unix(UnixStream),
    Memory(memory::End),
    /// TLS over one of the others, handshake done.
    Tls(Box<TlsStream<Wire>>),
    /// A stream of HTTP/2 that has become a tunnel.
    Stream(Box<Http2>),
}

// === impl Wire ===

impl Wire {
    /// Reads once into the buffer's room. `Ok(0)`: the other side has closed its half.
    pub fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut Buffer) -> Poll<io::Result<usize>> {
        let room = buffer.room();
        let read = match self {
            Self::Memory(end) => end.poll_read(cx, room),
            Self::Tcp(stream) => poll_recv(stream, cx, room),
            Self::Unix(stream) => poll_read(Pin::new(stream), cx, room),
            Self::Tls(stream) => poll_read(Pin::new(&mut **stream), cx, room),
            Self::Stream(stream) => stream.poll_read(cx, room),
        };
        if let Poll::Ready(Ok(count)) = read {
            buffer.filled(count);
        }
        read
    }

    /// Reads once into `room`.
    pub fn poll_take(&mut self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        poll_read(Pin::new(self), cx, room)
    }

    /// The address at which the other side has met us.
    #[must_use]
    pub fn local_addr(&self) -> Option<std::net::SocketAddr> {
        match self {
            Self::Tcp(stream) => stream.local_addr().ok(),
            Self::Tls(stream) => stream.get_ref().0.local_addr(),
            Self::Unix(_) | Self::Memory(_) | Self::Stream(_) => None,
        }
    }

    /// Who the other side of a unix socket is, as the kernel says: user, group, process.
    #[must_use]
    pub fn peer(&self) -> Option<(u32, u32, Option<i32>)> {
        let Self::Unix(stream) = self else { return None };
        stream.peer_cred().ok().map(|peer| (peer.uid(), peer.gid(), peer.pid()))
    }

    /// Writes what the other side takes now. What TLS has taken may still have to be flushed.
    pub fn poll_write(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        match (self, slices) {
            (Self::Tcp(stream), [one]) if one.len() <= SMALL_BYTES_MAX => poll_write_small(stream, cx, one),
            (Self::Tcp(stream), [one]) => Pin::new(stream).poll_write(cx, one),
            (Self::Tcp(stream), _) => Pin::new(stream).poll_write_vectored(cx, slices),
            (Self::Unix(stream), _) => Pin::new(stream).poll_write_vectored(cx, slices),
            (Self::Tls(stream), [one]) => Pin::new(&mut **stream).poll_write(cx, one),
            (Self::Tls(stream), _) => Pin::new(&mut **stream).poll_write_vectored(cx, slices),
            (Self::Memory(end), _) => first(slices).map_or(Poll::Ready(Ok(0)), |slice| end.poll_write(cx, slice)),
            (Self::Stream(stream), _) => first(slices).map_or(Poll::Ready(Ok(0)), |slice| stream.poll_write(cx, slice)),
        }
    }

    /// Sees to it that all that was written has left for the kernel. Only TLS keeps anything back.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tls(stream) => Pin::new(&mut **stream).poll_flush(cx),
            Self::Stream(stream) => stream.poll_flush(cx),
            Self::Tcp(_) | Self::Unix(_) | Self::Memory(_) => Poll::Ready(Ok(())),
        }
    }

    /// Whether a read would not wait, as far as the event loop has heard: no system call. By TLS something was heard
    /// that may turn out to be no data.
    pub fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Tcp(stream) => stream.poll_read_ready(cx).map(drop),
            Self::Unix(stream) => UnixStream::poll_read_ready(stream, cx).map(drop),
            Self::Memory(end) => end.poll_readable(cx),
            Self::Tls(_) | Self::Stream(_) => Poll::Ready(()),
        }
    }

    /// Whether an idle connection is still quiet: no byte, no end, no error. As far as the event loop has heard, or, to
    /// be `certain`, as the kernel says: one system call. A session ticket by TLS is no byte.
    #[must_use]
    pub fn is_quiet(&mut self, certain: bool) -> bool {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let mut byte = [std::mem::MaybeUninit::uninit(); 1];
        let peeked = match self {
            Self::Tls(stream) => {
                let socket = stream.get_ref().0;
                let heard = certain || socket.poll_readable(&mut cx).is_ready();
                return !heard || poll_read(Pin::new(&mut **stream), &mut cx, &mut [0]).is_pending();
            }
            Self::Memory(end) => return end.poll_readable(&cx).is_pending(),
            Self::Tcp(stream) if certain => socket2::SockRef::from(&*stream).peek(&mut byte),
            Self::Unix(stream) if certain => socket2::SockRef::from(&*stream).peek(&mut byte),
            Self::Stream(_) => return false,
            Self::Tcp(stream) => return stream.try_io(Interest::READABLE, || Ok(())).is_err(),
            Self::Unix(stream) => return stream.try_io(Interest::READABLE, || Ok(())).is_err(),
        };
        matches!(peeked, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Watches for a reset that is told without a read; only HTTP/2 tells.
    pub fn poll_reset(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        if let Self::Stream(stream) = self { stream.poll_watch(cx) } else { Poll::Pending }
    }

    /// What ALPN has settled on.
    #[must_use]
    pub fn agreed(&self) -> Option<&[u8]> {
        if let Self::Tls(stream) = self { stream.get_ref().1.alpn_protocol() } else { None }
    }

    /// Closes our half.
    pub fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_shutdown(cx),
            Self::Stream(stream) => stream.poll_shutdown(cx),
            Self::Memory(end) => {
                end.shutdown();
                Poll::Ready(Ok(()))
            }
        }
    }

    /// Makes the drop a reset: the other side must not take what it got for a whole message.
    pub fn reset_on_drop(&self) {
        match self {
            Self::Tcp(stream) => {
                let _best_effort = socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO));
            }
            Self::Tls(stream) => stream.get_ref().0.reset_on_drop(),
            Self::Unix(_) | Self::Memory(_) | Self::Stream(_) => {}
        }
    }
}

/// What TLS and HTTP/2 stand on.
impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_read(cx, buffer),
            Self::Memory(end) => {
                let polled = end.poll_read(cx, buffer.initialize_unfilled());
                polled.map_ok(|count| buffer.advance(count))
            }
            Self::Stream(stream) => {
                let polled = stream.poll_read(cx, buffer.initialize_unfilled());
                polled.map_ok(|count| buffer.advance(count))
            }
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Self::poll_write(self.get_mut(), cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Self::poll_write(self.get_mut(), cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Self::poll_flush(self.get_mut(), cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Self::poll_shutdown(self.get_mut(), cx)
    }
}

fn first<'a>(slices: &'a [IoSlice<'_>]) -> Option<&'a [u8]> {
    slices.iter().map(|slice| &**slice).find(|slice| !slice.is_empty())
}

/// Reads what is there, and prepares to wait only if it is nothing. A short read tells the event loop that nothing is
/// left, as tokio's own does: the next look costs no system call.
fn poll_recv(stream: &TcpStream, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
    let turn = ready!(coop::poll_proceed(cx));
    loop {
        let mut taken = None;
        let read = stream.try_io(Interest::READABLE, || {
            let (_, count) = rustix::net::recv(stream, &mut *room, RecvFlags::empty())?;
            taken = Some(count);
            let all = 0 < count && count < room.len();
            if all { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(count) }
        });
        match (taken, read) {
            (None, Err(nothing)) if nothing.kind() == io::ErrorKind::WouldBlock => ready!(stream.poll_read_ready(cx))?,
            (taken, read) => {
                turn.made_progress();
                return Poll::Ready(taken.map_or(read, Ok));
            }
        }
    }
}

/// Writes without being prepared to wait, which costs less, and waits if there was no room.
fn poll_write_small(stream: &mut TcpStream, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
    let send = || Ok(rustix::net::send(&*stream, bytes, SendFlags::NOSIGNAL)?);
    match stream.try_io(Interest::WRITABLE, send) {
        Err(full) if full.kind() == io::ErrorKind::WouldBlock => Pin::new(stream).poll_write(cx, bytes),
        written => Poll::Ready(written),
    }
}

fn poll_read<S: AsyncRead>(stream: Pin<&mut S>, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
    let mut buffer = ReadBuf::new(room);
    stream.poll_read(cx, &mut buffer).map_ok(|()| buffer.filled().len())
}
