//! One side of an exchange: a head and a body in, a head and a body out, whichever version of HTTP carries them.

use std::io;
use std::task::{Context, Poll};

use super::buffer::{Buffer, Chunk};
use super::http1::{Expect, Http1, Piece, ReadError};
use super::http2::Http2;
use super::stream::Wire;
use crate::failure::Reason;
use crate::http::h1::framing::Framing;
use crate::http::h1::trailers::Trailers;
use crate::http::h1::write::{self, Length, Persistence};
use crate::http::head::Head;

/// A connection by HTTP/1.1, or one stream of a connection by HTTP/2.
#[expect(clippy::large_enum_variant, reason = "one of many clients: HTTP/1.1 pays for no pointer")]
pub enum Http {
    One(Http1),
    Two(Box<Http2>),
}

// === impl Http ===

impl Http {
    /// Whether it ends with its exchange: a stream, not a connection that may serve again.
    #[must_use]
    pub fn is_stream(&self) -> bool {
        matches!(self, Self::Two(_))
    }

    /// Bytes read and written over its life; by HTTP/2 without what frames and compression make of them.
    #[must_use]
    pub fn bytes(&self) -> (u64, u64) {
        match self {
            Self::One(one) => one.bytes(),
            Self::Two(two) => two.bytes(),
        }
    }

    /// Whether bytes lie there that no head or body has claimed.
    #[must_use]
    pub fn has_unread(&self) -> bool {
        matches!(self, Self::One(one) if one.has_unread())
    }

    /// Whether the other side has closed its half.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        matches!(self, Self::One(one) if one.has_ended())
    }

    /// Whether an idle connection is still what it was when it was left.
    #[must_use]
    pub fn is_quiet(&mut self, certain: bool) -> bool {
        if let Self::One(one) = self { one.is_quiet(certain) } else { false }
    }

    /// Whether the other side says that it has done nothing for what was asked.
    #[must_use]
    pub fn was_refused(&self) -> bool {
        matches!(self, Self::Two(two) if two.was_refused())
    }

    /// Reads the next head.
    pub fn poll_head(&mut self, cx: &mut Context<'_>, expect: Expect, head: &mut Head) -> Poll<Result<(), ReadError>> {
        match self {
            Self::One(one) => one.poll_head(cx, expect, head),
            Self::Two(two) => two.poll_head(cx, expect, head),
        }
    }

    /// Says which body follows the head that was read.
    pub fn expect_body(&mut self, framing: Framing) {
        match self {
            Self::One(one) => one.expect_body(framing),
            Self::Two(two) => two.expect_body(&framing),
        }
    }

    /// Whether the body that was announced has been read to its end.
    #[must_use]
    pub fn is_body_done(&self) -> bool {
        match self {
            Self::One(one) => one.is_body_done(),
            Self::Two(two) => two.is_body_done(),
        }
    }

    /// Reads the next part of the body.
    pub fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Piece, ReadError>> {
        match self {
            Self::One(one) => one.poll_piece(cx),
            Self::Two(two) => two.poll_piece(cx),
        }
    }

    /// Watches for an end and for a reset while the owner waits for something else ([`Http1::poll_watch`]).
    pub fn poll_watch(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        match self {
            Self::One(one) => one.poll_watch(cx),
            Self::Two(two) => two.poll_watch(cx),
        }
    }

    /// Queues a request's head.
    pub fn send_request(
        &mut self,
        head: &Head,
        length: Length,
        persistence: Persistence,
        trailers_welcome: bool,
    ) -> Result<(), Reason> {
        match self {
            Self::One(one) => {
                write::request(head, length, persistence, trailers_welcome, one.out());
                Ok(())
            }
            Self::Two(two) => two.send_request(head, length, trailers_welcome),
        }
    }

    /// Queues a response's final head.
    pub fn send_response(&mut self, head: &Head, length: Length, persistence: Persistence) {
        match self {
            Self::One(one) => write::response(head, length, persistence, one.out()),
            Self::Two(two) => two.send_response(head, length),
        }
    }

    /// Queues an interim response.
    pub fn send_interim(&mut self, head: &Head) {
        match self {
            Self::One(one) => write::response(head, Length::None, Persistence::Default, one.out()),
            Self::Two(two) => two.send_interim(head),
        }
    }

    /// Whether more may be queued.
    #[must_use]
    pub fn has_room(&self) -> bool {
        match self {
            Self::One(one) => one.has_room(),
            Self::Two(two) => two.has_room(),
        }
    }

    /// Whether all that was queued has left.
    #[must_use]
    pub fn is_flushed(&self) -> bool {
        match self {
            Self::One(one) => one.is_flushed(),
            Self::Two(two) => two.is_flushed(),
        }
    }

    /// Queues a part of a body; only while there is room. `chunked`: how HTTP/1.1 frames it.
    pub fn queue_chunk(&mut self, chunk: Chunk, chunked: bool) {
        match self {
            Self::One(one) => one.queue_chunk(chunk, chunked),
            Self::Two(two) => two.queue_chunk(chunk),
        }
    }

    /// Queues the end of a body.
    pub fn queue_end(&mut self, chunked: bool, trailers: Option<&Trailers>) {
        match self {
            Self::One(one) => one.queue_end(chunked, trailers),
            Self::Two(two) => two.queue_end(trailers),
        }
    }

    /// Writes what is queued.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::One(one) => one.poll_flush(cx),
            Self::Two(two) => two.poll_flush(cx),
        }
    }

    /// Closes our half once all is written.
    pub fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::One(one) => one.poll_shutdown(cx),
            Self::Two(two) => two.poll_shutdown(cx),
        }
    }

    /// Makes the end a reset: the other side must not take what it got for the whole. `code`: why, by HTTP/2 (RFC 9113
    /// section 7).
    pub fn reset(&mut self, code: Option<u32>) {
        match self {
            Self::One(one) => one.wire().reset_on_drop(),
            Self::Two(two) => two.reset(code),
        }
    }

    /// The code with which the other side has reset its stream.
    #[must_use]
    pub fn reset_code(&self) -> Option<u32> {
        if let Self::Two(two) = self { two.reset_code() } else { None }
    }

    /// The bytes behind the last head, as a stream, and those of them that were read: what a tunnel goes on with.
    pub fn tunnel(&mut self) -> Option<(&mut Wire, &mut Option<Buffer>)> {
        if let Self::Two(two) = self {
            let bytes = two.bytes();
            let stream = std::mem::replace(&mut **two, Http2::spent()).into_tunnel();
            *self = Self::One(Http1::after(Wire::Stream(Box::new(stream)), bytes));
        }
        if let Self::One(one) = self { Some(one.parts()) } else { None }
    }
}
