//! Bodies that are held where `buffer` asks for it: a request's before an endpoint is asked, a response's ahead of its
//! client. What is held counts against the worker's bound, and is free when its exchange ends at the latest.

use std::cell::Cell;
use std::collections::VecDeque;
use std::task::{Context, Poll};

use bytes::Bytes;

use super::flow::{Event, Flows, ResponseFlow, no_body};
use super::{Exchange, deliver, grpc};
use crate::failure::{Failure, Reason};
use crate::http::h1::trailers::Trailers;
use crate::http::h1::write::Length;
use crate::http::name::Known;
use crate::limits::{BODIES_HELD_BYTES_MAX, BUFFER_BYTES};
use crate::wire::http1::Piece;
use crate::wire::{Buffer, Chunk};

thread_local! {
    /// Bytes of the blocks that this worker holds.
    static HELD: Cell<usize> = const { Cell::new(0) };
}

/// A body, or what there is of it, in blocks of one size: small pieces must not hold a read buffer each.
#[derive(Debug)]
pub(super) struct Gathered {
    /// Blocks to which nothing is added.
    blocks: VecDeque<Bytes>,
    tail: Option<Buffer>,
    bytes: u64,
    max: u64,
    /// The block that is passed on next, where they are kept.
    next: usize,
    end: End,
    /// The end has been passed on too.
    passed: bool,
}

/// How a body that is held ends.
#[derive(Debug)]
enum End {
    /// More may come.
    Open,
    /// Nothing more comes, and what there is, is not the whole.
    Cut,
    Whole(Option<Box<Trailers>>),
}

/// Reads a request's body before an endpoint is asked. A whole one is kept, so that it may be sent again; of one that is
/// too long, what was read is passed on first.
pub(super) async fn request(exchange: &mut Exchange) -> Result<(), Failure> {
    let max = exchange.flows.limits.gather_max;
    let admitted = exchange.admitted.as_ref().ok_or(Reason::Broken)?;
    let too_long = matches!(admitted.length, Length::Exactly(bytes) if bytes > max);
    // By gRPC the rest of a body may wait for the answer to its beginning.
    if exchange.flows.request.gathered.is_some() {
        return Ok(()); // a policy has asked for it
    }
    if exchange.flows.request.read || admitted.upgrade || too_long || grpc::is_streamed(&exchange.request) {
        return Ok(());
    }
    deliver::say_continue(exchange);
    exchange.request.remove_known(Known::Expect); // it is met
    exchange.flows.request.gathered = Some(Box::new(Gathered::new(max)));
    while exchange.flows.request.gathered.as_ref().is_some_and(|gathered| gathered.wants_more()) {
        if let Event::RequestPiece(piece) = exchange.flows.event(&mut exchange.response).await?
            && let Some(gathered) = &mut exchange.flows.request.gathered
        {
            gathered.push(piece);
        }
    }
    if let (Some(gathered), Some(admitted)) = (&mut exchange.flows.request.gathered, &mut exchange.admitted) {
        gathered.seal();
        if matches!(gathered.end, End::Whole(None)) {
            admitted.length = Length::Exactly(gathered.bytes);
        }
    }
    Ok(())
}

// === impl Flows ===

impl Flows {
    /// The response's body goes to the client from now on; nobody will be asked again.
    pub(super) fn settle(&mut self, chunked: bool) {
        self.response = ResponseFlow::Body { chunked };
        if self.request.is_passed() {
            self.request.gathered = None;
        }
        if self.limits.ahead_max > 0 && self.ahead.is_none() {
            self.ahead = Some(Box::new(Gathered::new(self.limits.ahead_max)));
        }
    }

    /// Nothing more of the response's body comes: what there is goes to the client without an end.
    pub(super) fn cut_down(&mut self) {
        match &mut self.ahead {
            Some(ahead) if !ahead.is_empty() => ahead.end = End::Cut,
            _ => self.response = ResponseFlow::Ended,
        }
    }

    /// Queues upstream what was gathered, as far as there is room.
    pub(super) fn feed(&mut self) {
        let (Some(gathered), Some(upstream)) = (&mut self.request.gathered, &mut self.upstream) else { return };
        if gathered.passed || self.request.refused {
            return;
        }
        let (chunked, whole) = (self.request.chunked, matches!(gathered.end, End::Whole(_)));
        while !gathered.is_empty() {
            if !upstream.http.has_room() {
                self.skipped = true;
                return;
            }
            if let Some(bytes) = if whole { gathered.again() } else { gathered.take() } {
                self.request.begun |= !whole;
                upstream.http.queue_chunk(Chunk::Shared(bytes), chunked);
            }
        }
        match &gathered.end {
            End::Whole(trailers) => {
                upstream.http.queue_end(chunked, trailers.as_deref());
                gathered.passed = true;
            }
            _ => self.request.gathered = None,
        }
    }

    /// Queues for the client what was read ahead, as far as there is room.
    pub(super) fn pour(&mut self) {
        let (Some(ahead), ResponseFlow::Body { chunked }) = (&mut self.ahead, self.response) else { return };
        while !ahead.is_empty() {
            if !self.client.http.has_room() {
                self.skipped = true;
                return;
            }
            if ahead.blocks.is_empty() {
                ahead.seal();
            }
            if let Some(bytes) = ahead.take() {
                self.client.http.queue_chunk(Chunk::Shared(bytes), chunked);
            }
        }
        match &ahead.end {
            End::Open => return,
            End::Cut => {}
            End::Whole(trailers) => self.client.http.queue_end(chunked, trailers.as_deref()),
        }
        self.response = ResponseFlow::Ended;
    }

    /// Reads more of the response than the client has room for.
    pub(super) fn poll_ahead(&mut self, cx: &mut Context<'_>) -> Poll<Result<Event, Failure>> {
        match (&self.ahead, self.response, &mut self.upstream) {
            (Some(ahead), ResponseFlow::Body { .. }, Some(upstream)) if ahead.has_room() => {
                upstream.http.poll_piece(cx).map(|read| read.map(Event::ResponsePiece).map_err(no_body))
            }
            _ => Poll::Pending,
        }
    }
}

// === impl Gathered ===

impl Gathered {
    pub(super) fn new(max: u64) -> Self {
        let (blocks, tail, end) = (VecDeque::new(), None, End::Open);
        Self { blocks, tail, bytes: 0, max, next: 0, end, passed: false }
    }

    /// A whole one of these bytes.
    pub(super) fn whole(bytes: &[u8]) -> Self {
        let mut gathered = Self::new(bytes.len() as u64);
        gathered.push(Piece::Chunk(Chunk::Shared(Bytes::copy_from_slice(bytes))));
        gathered.end = End::Whole(None);
        gathered.seal();
        gathered
    }

    /// Lets it grow to at least so many bytes.
    pub(super) fn raise(&mut self, max: u64) {
        self.max = self.max.max(max);
    }

    /// Why it may not grow: it is too long, or the worker holds too much.
    pub(super) fn over(&self, too_long: impl FnOnce() -> Failure) -> Failure {
        if self.bytes > self.max { too_long() } else { Failure::new(Reason::BodiesExceeded) }
    }

    /// Its bytes, if it is whole and no trailers follow.
    pub(super) fn plain_len(&self) -> Option<u64> {
        matches!(self.end, End::Whole(None)).then_some(self.bytes)
    }

    /// All that is there, in one piece.
    pub(super) fn to_vec(&self) -> Vec<u8> {
        let mut all = Vec::with_capacity(self.bytes as usize);
        for block in &self.blocks {
            all.extend_from_slice(block);
        }
        all.extend_from_slice(self.tail.as_ref().map_or(&[], Buffer::bytes));
        all
    }

    /// All that is there, piece by piece, and the end if it is there.
    pub(super) fn into_pieces(mut self: Box<Self>) -> impl Iterator<Item = Piece> {
        self.seal();
        let end = match std::mem::replace(&mut self.end, End::Open) {
            End::Whole(trailers) => Some(Piece::End(trailers)),
            End::Open | End::Cut => None,
        };
        std::iter::from_fn(move || self.take().map(|block| Piece::Chunk(Chunk::Shared(block)))).chain(end)
    }

    /// Whether there is nothing left to pass on but its end.
    pub(super) fn is_empty(&self) -> bool {
        self.next == self.blocks.len() && self.tail.is_none()
    }

    /// Whether all of it is here.
    pub(super) fn is_whole(&self) -> bool {
        matches!(self.end, End::Whole(_))
    }

    /// Whether all of it has been passed on, its end included.
    pub(super) fn is_passed(&self) -> bool {
        self.passed
    }

    /// Whether it grows while nobody has been asked. A body of just the size that is allowed ends with the next piece.
    pub(super) fn wants_more(&self) -> bool {
        matches!(self.end, End::Open) && self.bytes <= self.max && HELD.get() < BODIES_HELD_BYTES_MAX
    }

    pub(super) fn has_room(&self) -> bool {
        matches!(self.end, End::Open) && self.bytes < self.max && HELD.get() < BODIES_HELD_BYTES_MAX
    }

    /// It is passed on from its beginning once more.
    pub(super) fn rewind(&mut self) {
        (self.next, self.passed) = (0, false);
    }

    pub(super) fn push(&mut self, piece: Piece) {
        let chunk = match piece {
            Piece::Chunk(chunk) => chunk,
            Piece::End(trailers) => return self.end = End::Whole(trailers),
        };
        let mut bytes = chunk.bytes();
        self.bytes += bytes.len() as u64;
        while !bytes.is_empty() {
            let tail = self.tail.get_or_insert_with(|| {
                HELD.set(HELD.get() + BUFFER_BYTES);
                Buffer::take()
            });
            let count = bytes.len().min(tail.room().len());
            tail.append(&bytes[..count]);
            bytes = &bytes[count..];
            if !tail.has_room() {
                self.seal();
            }
        }
    }

    /// Makes a block of what was added last.
    pub(super) fn seal(&mut self) {
        self.blocks.extend(self.tail.take().map(Bytes::from_owner));
    }

    /// The next block, which is kept.
    fn again(&mut self) -> Option<Bytes> {
        let block = self.blocks.get(self.next)?;
        self.next += 1;
        Some(block.clone())
    }

    /// The first block, which is given away.
    fn take(&mut self) -> Option<Bytes> {
        let block = self.blocks.pop_front()?;
        self.bytes -= block.len() as u64;
        HELD.set(HELD.get() - BUFFER_BYTES);
        Some(block)
    }
}

impl Drop for Gathered {
    fn drop(&mut self) {
        let blocks = self.blocks.len() + usize::from(self.tail.is_some());
        HELD.set(HELD.get() - blocks * BUFFER_BYTES);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(bytes: &[u8]) -> Piece {
        Piece::Chunk(Chunk::from_vec(bytes.to_vec()))
    }

    #[test]
    fn small_pieces_share_a_block_and_every_block_is_given_back() {
        let mut gathered = Gathered::new(100_000);
        for _ in 0..BUFFER_BYTES {
            gathered.push(chunk(b"x"));
        }
        assert_eq!(HELD.get(), BUFFER_BYTES);
        gathered.push(chunk(&vec![b'y'; BUFFER_BYTES + 1]));
        assert_eq!((HELD.get(), gathered.bytes), (3 * BUFFER_BYTES, 2 * BUFFER_BYTES as u64 + 1));
        assert_eq!(gathered.take().map(|block| block.len()), Some(BUFFER_BYTES));
        assert_eq!((HELD.get(), gathered.bytes), (2 * BUFFER_BYTES, BUFFER_BYTES as u64 + 1));
        drop(gathered);
        assert_eq!(HELD.get(), 0);
    }

    #[test]
    fn a_body_wants_more_until_it_is_whole_or_too_long() {
        let mut gathered = Gathered::new(3);
        gathered.push(chunk(b"abc"));
        assert!(gathered.wants_more() && !gathered.has_room());
        gathered.push(Piece::End(None));
        assert!(gathered.is_whole() && !gathered.wants_more());
        gathered.seal();
        for _ in 0..2 {
            gathered.rewind();
            assert_eq!(gathered.again().as_deref(), Some(&b"abc"[..]));
            assert!(gathered.is_empty() && gathered.again().is_none());
        }
        let mut long = Gathered::new(3);
        long.push(chunk(b"abcd"));
        assert!(!long.wants_more() && !long.is_whole());
    }

    #[test]
    fn a_worker_holds_no_more_than_its_bound() {
        HELD.set(BODIES_HELD_BYTES_MAX);
        let gathered = Gathered::new(3);
        assert!(!gathered.wants_more() && !gathered.has_room());
        HELD.set(0);
    }
}
