//! One byte stream, whatever it runs over. Reads and writes are polls; nothing here waits or buffers.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use super::buffer::Buffer;
use super::memory;

/// A byte stream.
#[derive(Debug)]
pub enum Wire {
    Tcp(TcpStream),
    Unix(UnixStream),
    Memory(memory::End),
}

// === impl Wire ===

impl Wire {
    /// Reads once into the buffer's room. `Ok(0)`: the other side has closed its half.
    pub fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut Buffer) -> Poll<io::Result<usize>> {
        let room = buffer.room();
        let read = match self {
            Self::Memory(end) => end.poll_read(cx, room),
            Self::Tcp(stream) => poll_read(Pin::new(stream), cx, room),
            Self::Unix(stream) => poll_read(Pin::new(stream), cx, room),
        };
        if let Poll::Ready(Ok(count)) = read {
            buffer.filled(count);
        }
        read
    }

    /// Writes what the other side takes now.
    pub fn poll_write(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        match (self, slices) {
            (Self::Tcp(stream), [one]) => Pin::new(stream).poll_write(cx, one),
            (Self::Tcp(stream), _) => Pin::new(stream).poll_write_vectored(cx, slices),
            (Self::Unix(stream), _) => Pin::new(stream).poll_write_vectored(cx, slices),
            (Self::Memory(end), _) => match slices.iter().find(|slice| !slice.is_empty()) {
                Some(slice) => end.poll_write(cx, slice),
                None => Poll::Ready(Ok(0)),
            },
        }
    }

    /// Whether a read would not wait, as far as the event loop has heard: no system call.
    pub fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Tcp(stream) => stream.poll_read_ready(cx).map(drop),
            Self::Unix(stream) => UnixStream::poll_read_ready(stream, cx).map(drop),
            Self::Memory(end) => end.poll_readable(cx),
        }
    }

    /// Asks the kernel whether an idle connection is still quiet: no byte, no end, no error. One system call.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        let mut byte = [std::mem::MaybeUninit::uninit(); 1];
        let peeked = match self {
            Self::Tcp(stream) => socket2::SockRef::from(stream).peek(&mut byte),
            Self::Unix(stream) => socket2::SockRef::from(stream).peek(&mut byte),
            Self::Memory(end) => return end.poll_readable(&Context::from_waker(std::task::Waker::noop())).is_pending(),
        };
        matches!(peeked, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Closes our half.
    pub fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Memory(end) => {
                end.shutdown();
                Poll::Ready(Ok(()))
            }
        }
    }

    /// Makes the drop a reset: the other side must not take what it got for a whole message.
    pub fn reset_on_drop(&self) {
        if let Self::Tcp(stream) = self {
            let _best_effort = socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO));
        }
    }
}

fn poll_read<S: AsyncRead>(stream: Pin<&mut S>, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
    let mut buffer = ReadBuf::new(room);
    stream.poll_read(cx, &mut buffer).map_ok(|()| buffer.filled().len())
}
