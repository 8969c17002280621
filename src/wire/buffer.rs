//! Pooled read buffers, one pool per thread. A connection holds one only while bytes are in it.

use std::cell::RefCell;
use std::ops::Range;

use bytes::Bytes;

use crate::limits::{BUFFER_BYTES, BUFFER_LARGE_BYTES, BUFFERS_KEPT, BUFFERS_LARGE_KEPT, CHUNK_SHARED_BYTES_MIN};

/// Bytes that were read: `start..end` of a pooled block.
#[derive(Debug)]
pub struct Buffer {
    block: Box<[u8]>,
    start: usize,
    end: usize,
}

/// A part of a body on its way.
#[derive(Debug)]
pub enum Chunk {
    /// A buffer whose bytes are all of it.
    Pooled(Buffer),
    /// As HTTP/2 gives and takes it.
    Shared(Bytes),
}

struct Pool {
    usual: Vec<Box<[u8]>>,
    large: Vec<Box<[u8]>>,
}

thread_local! {
    static POOL: RefCell<Pool> = const { RefCell::new(Pool { usual: Vec::new(), large: Vec::new() }) };
}

// === impl Buffer ===

impl Buffer {
    /// An empty buffer of [`BUFFER_BYTES`].
    #[must_use]
    pub fn take() -> Self {
        let block = POOL.with_borrow_mut(|pool| pool.usual.pop());
        Self { block: block.unwrap_or_else(|| vec![0; BUFFER_BYTES].into_boxed_slice()), start: 0, end: 0 }
    }

    /// An empty buffer of [`BUFFER_LARGE_BYTES`], for a long body while it runs.
    #[must_use]
    pub fn take_large() -> Self {
        let block = POOL.with_borrow_mut(|pool| pool.large.pop());
        Self { block: block.unwrap_or_else(|| vec![0; BUFFER_LARGE_BYTES].into_boxed_slice()), start: 0, end: 0 }
    }

    /// Bytes that a policy made.
    #[must_use]
    pub fn from_vec(bytes: Vec<u8>) -> Self {
        let end = bytes.len();
        Self { block: bytes.into_boxed_slice(), start: 0, end }
    }

    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.block.get(self.start..self.end).unwrap_or_default()
    }

    pub fn bytes_mut(&mut self) -> &mut [u8] {
        self.block.get_mut(self.start..self.end).unwrap_or_default()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Forgets the first `count` bytes.
    pub fn consume(&mut self, count: usize) {
        self.start = (self.start + count).min(self.end);
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }

    /// Room behind the bytes; moves them to the front when there is none.
    pub fn room(&mut self) -> &mut [u8] {
        if self.end == self.block.len() && self.start > 0 {
            self.block.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        self.block.get_mut(self.end..).unwrap_or_default()
    }

    /// Whether there is room behind the bytes as they lie.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.end < self.block.len()
    }

    /// Says that `count` bytes of [`Buffer::room`] were filled.
    pub fn filled(&mut self, count: usize) {
        self.end = (self.end + count).min(self.block.len());
    }

    /// Appends as much of `bytes` as there is room for.
    pub fn append(&mut self, bytes: &[u8]) {
        let room = self.room();
        let count = bytes.len().min(room.len());
        room[..count].copy_from_slice(&bytes[..count]);
        self.filled(count);
    }

    /// Takes `data` out as a chunk and leaves what follows `consumed`. Copies the smaller of the two, nothing if the
    /// chunk is all there is: what a stream of small pieces costs stays linear.
    pub fn split(mut self, data: Range<usize>, consumed: usize) -> (Chunk, Option<Self>) {
        let rest = self.end - self.start - consumed;
        if rest == 0 {
            (self.start, self.end) = (self.start + data.start, self.start + data.end);
            return (Chunk::Pooled(self), None);
        }
        if data.len() <= rest {
            let mut copy = if data.len() > BUFFER_BYTES { Self::take_large() } else { Self::take() };
            copy.append(self.bytes().get(data).unwrap_or_default());
            self.consume(consumed);
            return (Chunk::Pooled(copy), Some(self));
        }
        let mut copy = if rest > BUFFER_BYTES { Self::take_large() } else { Self::take() };
        copy.append(self.bytes().get(consumed..).unwrap_or_default());
        (self.start, self.end) = (self.start + data.start, self.start + data.end);
        (Chunk::Pooled(self), Some(copy))
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let block = std::mem::take(&mut self.block);
        let _thread_ends = POOL.try_with(|pool| {
            let mut pool = pool.borrow_mut();
            match block.len() {
                BUFFER_BYTES if pool.usual.len() < BUFFERS_KEPT => pool.usual.push(block),
                BUFFER_LARGE_BYTES if pool.large.len() < BUFFERS_LARGE_KEPT => pool.large.push(block),
                _ => {}
            }
        });
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        self.bytes()
    }
}

// === impl Chunk ===

impl Chunk {
    /// A chunk of a policy's own making.
    #[must_use]
    pub fn from_vec(bytes: Vec<u8>) -> Self {
        Self::Pooled(Buffer::from_vec(bytes))
    }

    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Pooled(buffer) => buffer.bytes(),
            Self::Shared(bytes) => bytes,
        }
    }

    /// The chunk as HTTP/2 takes it. A small one is copied: it must not keep a whole buffer from the pool.
    #[must_use]
    pub fn into_shared(self) -> Bytes {
        match self {
            Self::Shared(bytes) => bytes,
            Self::Pooled(buffer) if buffer.bytes().len() <= CHUNK_SHARED_BYTES_MIN => {
                Bytes::copy_from_slice(buffer.bytes())
            }
            Self::Pooled(buffer) => Bytes::from_owner(buffer),
        }
    }
}
