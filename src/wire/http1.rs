//! One HTTP/1.1 connection, either side: heads and bodies in, heads and bodies out. Polls only; the order in which they
//! are made belongs to whoever owns the connection.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::task::{Context, Poll, ready};

use super::buffer::{Buffer, Chunk};
use super::stream::Wire;
use crate::failure::Reason;
use crate::http::h1::framing::{self, Ending, Framing};
use crate::http::h1::parse;
use crate::http::h1::trailers::Trailers;
use crate::http::head::Head;
use crate::limits::{BODY_LONG_BYTES, CHUNK_COPIED_BYTES_MAX, HEAD_KEPT_BYTES_MAX, HEADS_KEPT, QUEUE_BYTES_MAX};

/// A connection that speaks HTTP/1.1. Holds no buffer while idle.
pub struct Http1 {
    wire: Wire,
    inbox: Option<Buffer>,
    /// Bytes of the inbox in which no end of a head was found.
    scanned: usize,
    /// The body that is being read.
    framing: Framing,
    /// Bytes of this body so far.
    body_bytes: u64,
    queue: Queue,
    /// The last read took all there was, and nobody has waited for more since.
    drained: bool,
    ended: bool,
    bytes_in: u64,
    bytes_out: u64,
}

/// What waits to be written, in order. One chunk at a time: that is the back-pressure.
#[derive(Debug, Default)]
struct Queue {
    before: Vec<u8>,
    chunk: Option<Chunk>,
    after: Vec<u8>,
    /// Bytes of the three that have left.
    sent: usize,
}

/// A part of a body.
#[derive(Debug)]
pub enum Piece {
    Chunk(Chunk),
    End(Option<Box<Trailers>>),
}

/// Why no head or no further part of a body came.
#[derive(Debug)]
pub enum ReadError {
    /// The other side closed, before the first byte of a head.
    Closed,
    /// The other side closed in the middle.
    Truncated,
    Io(io::Error),
    Bad(Reason),
}

/// Which kind of head is expected, with its limits.
#[derive(Debug, Clone, Copy)]
pub struct Expect {
    pub request: bool,
    pub head_bytes_max: usize,
    pub fields_max: usize,
}

thread_local! {
    static OUT: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

// === impl Http1 ===

impl Http1 {
    #[must_use]
    pub fn new(wire: Wire) -> Self {
        Self {
            wire,
            inbox: None,
            scanned: 0,
            framing: Framing::None,
            body_bytes: 0,
            queue: Queue::default(),
            drained: false,
            ended: false,
            bytes_in: 0,
            bytes_out: 0,
        }
    }

    /// A connection that has carried `bytes` in another form already.
    pub(super) fn after(wire: Wire, bytes: (u64, u64)) -> Self {
        Self { bytes_in: bytes.0, bytes_out: bytes.1, ..Self::new(wire) }
    }

    #[must_use]
    pub fn wire(&self) -> &Wire {
        &self.wire
    }

    /// The bytes that no head or body has claimed.
    #[must_use]
    pub fn unread(&self) -> &[u8] {
        self.inbox.as_ref().map_or(&[], Buffer::bytes)
    }

    /// The stream and those bytes, for another version of HTTP.
    #[must_use]
    pub fn into_parts(self) -> (Wire, Option<Buffer>) {
        (self.wire, self.inbox)
    }

    /// The stream, and the bytes that were read from it and belong to nobody yet: what a tunnel goes on with.
    pub fn parts(&mut self) -> (&mut Wire, &mut Option<Buffer>) {
        (&mut self.wire, &mut self.inbox)
    }

    /// Bytes read and written over this connection's life.
    #[must_use]
    pub fn bytes(&self) -> (u64, u64) {
        (self.bytes_in, self.bytes_out)
    }

    /// Whether bytes lie there that no head or body has claimed.
    #[must_use]
    pub fn has_unread(&self) -> bool {
        self.inbox.is_some()
    }

    /// Whether an idle connection is still what it was when it was left ([`Wire::is_quiet`]).
    #[must_use]
    pub fn is_quiet(&mut self, certain: bool) -> bool {
        !self.has_unread() && !self.ended && self.wire.is_quiet(certain)
    }

    /// Whether the other side has closed its half.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Reads the next head.
    pub fn poll_head(&mut self, cx: &mut Context<'_>, expect: Expect, head: &mut Head) -> Poll<Result<(), ReadError>> {
        loop {
            if let Some(outcome) = self.parse_head(expect, head) {
                return Poll::Ready(outcome);
            }
            match ready!(self.poll_fill(cx)) {
                Ok(0) if self.inbox.is_none() => return Poll::Ready(Err(ReadError::Closed)),
                Ok(0) => return Poll::Ready(Err(ReadError::Truncated)),
                Ok(_) => {}
                Err(error) => return Poll::Ready(Err(ReadError::Io(error))),
            }
        }
    }

    /// Says which body follows the head that was read.
    pub fn expect_body(&mut self, framing: Framing) {
        self.framing = framing;
        self.body_bytes = 0;
    }

    /// Whether the body that was announced has been read to its end.
    #[must_use]
    pub fn is_body_done(&self) -> bool {
        self.framing.is_done()
    }

    /// Reads the next part of the body.
    pub fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Piece, ReadError>> {
        loop {
            if self.framing.is_done() {
                return Poll::Ready(Ok(Piece::End(self.framing.take_trailers())));
            }
            if let Some(mut buffer) = self.inbox.take() {
                let progress = match self.framing.advance(buffer.bytes_mut()) {
                    Ok(progress) => progress,
                    Err(reason) => return Poll::Ready(Err(ReadError::Bad(reason))),
                };
                if progress.data.is_empty() {
                    buffer.consume(progress.consumed);
                    self.inbox = (!buffer.is_empty()).then_some(buffer);
                    if self.framing.is_done() {
                        continue;
                    }
                } else {
                    let (chunk, rest) = buffer.split(progress.data, progress.consumed);
                    self.inbox = rest;
                    self.body_bytes += chunk.bytes().len() as u64;
                    return Poll::Ready(Ok(Piece::Chunk(chunk)));
                }
            }
            match ready!(self.poll_fill(cx)) {
                Ok(0) => match self.framing.finish() {
                    Ending::Complete => self.framing = Framing::Done,
                    _ => return Poll::Ready(Err(ReadError::Truncated)),
                },
                Ok(_) => {}
                Err(error) => return Poll::Ready(Err(ReadError::Io(error))),
            }
        }
    }

    /// Reads what comes, without taking it for anything: watches for the end and for a reset while the owner waits for
    /// something else. Ready when it failed; pending for good at its end, or once a buffer is full of unclaimed bytes.
    pub fn poll_watch(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        while !self.ended && self.inbox.as_mut().is_none_or(|buffer| !buffer.room().is_empty()) {
            ready!(self.wire.poll_readable(cx));
            if let Err(error) = ready!(self.poll_fill(cx)) {
                return Poll::Ready(error);
            }
        }
        Poll::Pending
    }

    /// Where the head of the next message is written to.
    pub fn out(&mut self) -> &mut Vec<u8> {
        if self.queue.chunk.is_some() {
            return &mut self.queue.after;
        }
        if self.queue.before.capacity() == 0 {
            self.queue.before = OUT.with_borrow_mut(Vec::pop).unwrap_or_default();
        }
        &mut self.queue.before
    }

    /// Whether more may be queued.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.queue.chunk.is_none() && self.queue.before.len() < QUEUE_BYTES_MAX
    }

    /// Whether all that was queued has left.
    #[must_use]
    pub fn is_flushed(&self) -> bool {
        self.queue.before.is_empty() && self.queue.chunk.is_none()
    }

    /// Queues a part of a body; only while there is room.
    pub fn queue_chunk(&mut self, chunk: Chunk, chunked: bool) {
        let bytes = chunk.bytes();
        if bytes.is_empty() {
            return;
        }
        if chunked {
            framing::chunk_head(bytes.len(), self.out());
        }
        if bytes.len() <= CHUNK_COPIED_BYTES_MAX || self.queue.chunk.is_some() {
            self.out().extend_from_slice(bytes);
        } else {
            self.queue.chunk = Some(chunk);
        }
        if chunked {
            self.out().extend_from_slice(b"\r\n");
        }
    }

    /// Queues the end of a chunked body; other framings need none.
    pub fn queue_end(&mut self, chunked: bool, trailers: Option<&Trailers>) {
        if chunked {
            framing::last_chunk(trailers, self.out());
        }
    }

    /// Writes what is queued.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(written) = self.queue.poll_write(&mut self.wire, cx) {
            let written = ready!(written)?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.bytes_out += written as u64;
            self.queue.sent += written;
        }
        ready!(self.wire.poll_flush(cx))?;
        self.queue.reset();
        Poll::Ready(Ok(()))
    }

    /// Closes our half once all is written.
    pub fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_flush(cx))?;
        self.wire.poll_shutdown(cx)
    }

    fn parse_head(&mut self, expect: Expect, head: &mut Head) -> Option<Result<(), ReadError>> {
        let outcome = self.try_head(expect, head).transpose()?;
        self.scanned = 0;
        Some(outcome.map_err(ReadError::Bad))
    }

    fn try_head(&mut self, expect: Expect, head: &mut Head) -> Result<Option<()>, Reason> {
        let Some(buffer) = &mut self.inbox else { return Ok(None) };
        if expect.request && self.scanned == 0 {
            buffer.consume(parse::leading_lines(buffer.bytes())?);
            if buffer.is_empty() {
                self.inbox = None;
                return Ok(None);
            }
            if buffer.bytes() == b"\r" {
                return Ok(None); // the other half of an empty line may be on its way
            }
        }
        let bytes = buffer.bytes();
        // What is known to be no whole head is only looked at for its end, so that a slow sender costs no more than
        // its bytes.
        let whole = self.scanned == 0 || parse::find_end(bytes, self.scanned)?.is_some();
        let parse = if expect.request { parse::request } else { parse::response };
        let parsed = if whole { parse(bytes, expect.fields_max, head)? } else { None };
        let Some(length) = parsed else {
            parse::find_end(bytes, self.scanned)?;
            self.scanned = bytes.len();
            if bytes.len() < expect.head_bytes_max {
                return Ok(None);
            }
            return Err(too_large(bytes, expect));
        };
        if length > expect.head_bytes_max {
            return Err(too_large(bytes, expect));
        }
        buffer.consume(length);
        if buffer.is_empty() {
            self.inbox = None;
        }
        Ok(Some(()))
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.ended {
            return Poll::Ready(Ok(0));
        }
        if self.inbox.is_none() && std::mem::take(&mut self.drained) {
            ready!(self.wire.poll_readable(cx)); // nothing, nearly always: to hear so takes no buffer
        }
        let mut buffer = match self.inbox.take() {
            Some(buffer) => buffer,
            None if self.is_long() => Buffer::take_large(),
            None => Buffer::take(),
        };
        let read = self.wire.poll_read(cx, &mut buffer);
        self.drained = read.is_ready() && buffer.has_room();
        self.inbox = (!buffer.is_empty()).then_some(buffer);
        match read {
            Poll::Ready(Ok(0)) => self.ended = true,
            Poll::Ready(Ok(count)) => self.bytes_in += count as u64,
            _ => {}
        }
        read
    }

    fn is_long(&self) -> bool {
        let left = if let Framing::Length(left) = self.framing { left } else { 0 };
        left > BODY_LONG_BYTES || (self.body_bytes > BODY_LONG_BYTES && !self.framing.is_done())
    }
}

// === impl Queue ===

impl Queue {
    /// Writes once; `None`: nothing is left.
    fn poll_write(&self, wire: &mut Wire, cx: &mut Context<'_>) -> Option<Poll<io::Result<usize>>> {
        if self.chunk.is_none() && self.after.is_empty() {
            let rest = self.before.get(self.sent..).filter(|rest| !rest.is_empty())?;
            return Some(wire.poll_write(cx, &[IoSlice::new(rest)]));
        }
        let chunk = self.chunk.as_ref().map_or(&[][..], Chunk::bytes);
        let parts = [self.before.as_slice(), chunk, self.after.as_slice()];
        let mut slices = [IoSlice::new(&[]), IoSlice::new(&[]), IoSlice::new(&[])];
        let (mut skip, mut count) = (self.sent, 0);
        for part in parts {
            let Some(rest) = part.get(skip.min(part.len())..) else { continue };
            skip -= part.len() - rest.len();
            if !rest.is_empty() {
                slices[count] = IoSlice::new(rest);
                count += 1;
            }
        }
        (count > 0).then(|| wire.poll_write(cx, &slices[..count]))
    }

    fn reset(&mut self) {
        self.sent = 0;
        self.chunk = None;
        keep(&mut self.before);
        keep(&mut self.after);
    }
}

/// Which part of a head that passes its limit is at fault.
fn too_large(bytes: &[u8], expect: Expect) -> Reason {
    let within = bytes.get(..expect.head_bytes_max).unwrap_or(bytes);
    if memchr::memchr(b'\n', within).is_some() { Reason::HeadTooLarge } else { Reason::TargetTooLong }
}

fn keep(used: &mut Vec<u8>) {
    if used.capacity() == 0 {
        return;
    }
    let mut used = std::mem::take(used);
    if used.capacity() > HEAD_KEPT_BYTES_MAX {
        return;
    }
    used.clear();
    OUT.with_borrow_mut(|pool| {
        if pool.len() < HEADS_KEPT {
            pool.push(used);
        }
    });
}
