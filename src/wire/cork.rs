//! What stands between an HTTP/2 connection and its bytes: frames written in one poll leave in one write, and the frames
//! that come are counted. The h2 crate alone would write at every DATA frame.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::buffer::Buffer;
use super::frames::Frames;
use super::stream::Wire;
use crate::clock;

/// The connection's hold on its bytes, kept beside what h2 holds.
#[derive(Clone)]
pub struct Cork(Rc<RefCell<Bytes>>);

struct Bytes {
    wire: Wire,
    /// Read by somebody else already: the next to be read.
    unread: Option<Buffer>,
    /// Frames that wait to be written.
    out: Option<Buffer>,
    frames: Frames,
    read: u64,
    written: u64,
}

// === impl Cork ===

impl Cork {
    /// `preface`: bytes before the first frame.
    #[must_use]
    pub fn new(wire: Wire, unread: Option<Buffer>, preface: usize) -> Self {
        let frames = Frames::new(preface);
        Self(Rc::new(RefCell::new(Bytes { wire, unread, out: None, frames, read: 0, written: 0 })))
    }

    /// Writes what was collected.
    pub fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.borrow_mut().poll_flush(cx)
    }

    /// Bytes read and written.
    #[must_use]
    pub fn bytes(&self) -> (u64, u64) {
        let bytes = self.0.borrow();
        (bytes.read, bytes.written)
    }

    /// Whether collected bytes wait for the other side to take them.
    #[must_use]
    pub fn is_stuck(&self) -> bool {
        self.0.borrow().out.is_some()
    }

    /// Whether more frames came than anybody needs.
    #[must_use]
    pub fn is_flooded(&self) -> bool {
        self.0.borrow().frames.is_flooded()
    }

    /// Whether the first frame was not the one that has to be.
    #[must_use]
    pub fn is_unsettled(&self) -> bool {
        self.0.borrow().frames.is_unsettled()
    }

    /// Since when a header block has been under way.
    #[must_use]
    pub fn block_since(&self) -> Option<u64> {
        self.0.borrow().frames.block_since()
    }

    /// The last stream that the other side will serve.
    #[must_use]
    pub fn last_stream(&self) -> u32 {
        self.0.borrow().frames.last_stream()
    }
}

impl AsyncRead for Cork {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let bytes = &mut *self.0.borrow_mut();
        let before = buffer.filled().len();
        if let Some(unread) = &mut bytes.unread {
            let count = unread.bytes().len().min(buffer.remaining());
            buffer.put_slice(unread.bytes().get(..count).unwrap_or_default());
            unread.consume(count);
            if unread.is_empty() {
                bytes.unread = None;
            }
        } else {
            ready!(Pin::new(&mut bytes.wire).poll_read(cx, buffer))?;
        }
        let read = buffer.filled().get(before..).unwrap_or_default();
        bytes.read += read.len() as u64;
        bytes.frames.read(read, clock::now());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Cork {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, slice: &[u8]) -> Poll<io::Result<usize>> {
        self.0.borrow_mut().collect(cx, &[IoSlice::new(slice)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.0.borrow_mut().collect(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Not yet: the owner flushes once h2 has said all it has to say.
    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let bytes = &mut *self.0.borrow_mut();
        ready!(bytes.poll_flush(cx))?;
        bytes.wire.poll_shutdown(cx)
    }
}

// === impl Bytes ===

impl Bytes {
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(out) = &mut self.out {
            let written = ready!(self.wire.poll_write(cx, &[IoSlice::new(out.bytes())]))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written += written as u64;
            self.frames.sent(written);
            out.consume(written);
            if out.is_empty() {
                self.out = None;
            }
        }
        self.wire.poll_flush(cx)
    }

    /// Takes as much as there is room for; writes when there is none.
    fn collect(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        if self.out.as_mut().is_some_and(|out| out.room().is_empty()) {
            ready!(self.poll_flush(cx))?;
        }
        let out = self.out.get_or_insert_with(Buffer::take);
        let mut taken = 0;
        for slice in slices {
            let room = out.room().len();
            out.append(slice);
            taken += slice.len().min(room);
            if slice.len() >= room {
                break;
            }
        }
        if out.is_empty() {
            self.out = None;
        }
        Poll::Ready(Ok(taken))
    }
}
