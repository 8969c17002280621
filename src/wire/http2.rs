//! One stream of an HTTP/2 connection, either side: one head and one body each way. The connection's own frames are
//! moved by whoever drives it (`listen/h2.rs`, `upstream/h2.rs`).

use std::io;
use std::task::{Context, Poll, ready};

use ::http::HeaderMap;
use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::server::SendResponse;
use h2::{Reason as Code, RecvStream, SendStream};

use super::buffer::Chunk;
use super::cork::Cork;
use super::http1::{Expect, Piece, ReadError};
use crate::failure::Reason;
use crate::http::h1::framing::Framing;
use crate::http::h1::trailers::Trailers;
use crate::http::h1::write::Length;
use crate::http::h2 as form;
use crate::http::head::Head;

/// A stream, and what waits to be sent on it.
pub struct Http2 {
    heads: Heads,
    secure: bool,
    receive: Option<RecvStream>,
    send: Option<SendStream<Bytes>>,
    /// Nothing more is read: the body has ended, or none is wanted.
    ended: bool,
    /// A response's head that waits to know whether a body follows.
    head: Option<::http::Response<()>>,
    chunk: Option<Bytes>,
    end: End,
    bytes_in: u64,
    bytes_out: u64,
    /// The other side did not begin with this stream, so that it may be repeated.
    refused: bool,
    /// Why the other side has reset it.
    code: Option<u32>,
    /// The connection to an upstream, and the stream's number on it.
    cork: Option<Cork>,
    number: u32,
    /// Read by a tunnel in part.
    unread: Bytes,
}

/// Whose turn it is to send a head.
enum Heads {
    /// A client's stream that we have not answered.
    Answer(SendResponse<Bytes>),
    /// A connection to an upstream on which a stream may be opened.
    Ask(SendRequest<Bytes>),
    /// The response is awaited.
    Await(ResponseFuture),
    Done,
}

/// How far the end of what we send has come.
enum End {
    Open,
    /// To be sent behind all that is queued, with these trailers.
    Queued(Option<HeaderMap>),
    Sent,
}

// === impl Http2 ===

impl Http2 {
    /// A client's request, whose head has been read.
    #[must_use]
    pub fn answering(respond: SendResponse<Bytes>, receive: RecvStream, secure: bool) -> Self {
        Self::new(Heads::Answer(respond), Some(receive), secure)
    }

    /// A place for one request on a connection to an upstream.
    #[must_use]
    pub fn asking(connection: SendRequest<Bytes>, cork: Cork, secure: bool) -> Self {
        Self { cork: Some(cork), ..Self::new(Heads::Ask(connection), None, secure) }
    }

    /// A stream of which nothing is left.
    pub(super) fn spent() -> Self {
        Self::new(Heads::Done, None, false)
    }

    /// What comes from now on is bytes, although the request that asked for them had no body.
    pub(super) fn into_tunnel(mut self) -> Self {
        self.ended = self.receive.as_ref().is_none_or(RecvStream::is_end_stream);
        self
    }

    fn new(heads: Heads, receive: Option<RecvStream>, secure: bool) -> Self {
        Self {
            heads,
            secure,
            receive,
            send: None,
            ended: false,
            head: None,
            chunk: None,
            end: End::Open,
            bytes_in: 0,
            bytes_out: 0,
            refused: false,
            code: None,
            cork: None,
            number: 0,
            unread: Bytes::new(),
        }
    }

    /// Bytes of heads, roughly, and of bodies, read and written.
    #[must_use]
    pub fn bytes(&self) -> (u64, u64) {
        (self.bytes_in, self.bytes_out)
    }

    /// Whether the other side says that it has done nothing for this stream.
    #[must_use]
    pub fn was_refused(&self) -> bool {
        self.refused
    }

    /// The code with which the other side has reset the stream.
    #[must_use]
    pub fn reset_code(&self) -> Option<u32> {
        self.code
    }

    /// Reads a response's head, final or interim.
    pub fn poll_head(&mut self, cx: &mut Context<'_>, expect: Expect, head: &mut Head) -> Poll<Result<(), ReadError>> {
        let Heads::Await(future) = &mut self.heads else { return Poll::Ready(Err(ReadError::Closed)) };
        if let Poll::Ready(Some(Ok(interim))) = future.poll_informational(cx) {
            let read = form::response_head(interim.status(), interim.headers(), false, expect.fields_max, head);
            return Poll::Ready(read.map_err(ReadError::Bad));
        }
        let response = match ready!(std::pin::Pin::new(future).poll(cx)) {
            Ok(response) => response,
            Err(error) => return Poll::Ready(Err(self.broken(error))),
        };
        let (parts, receive) = response.into_parts();
        self.heads = Heads::Done;
        self.ended = receive.is_end_stream();
        self.receive = Some(receive);
        let read = form::response_head(parts.status, &parts.headers, self.ended, expect.fields_max, head);
        self.bytes_in += head.size();
        Poll::Ready(read.map_err(ReadError::Bad))
    }

    /// Says whether the body is wanted: the stream itself says where it ends.
    pub fn expect_body(&mut self, framing: &Framing) {
        self.ended = framing.is_done();
    }

    /// Whether the body has been read to its end.
    #[must_use]
    pub fn is_body_done(&self) -> bool {
        self.ended
    }

    /// Reads the next part of the body; the other side may then send as much again.
    pub fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Piece, ReadError>> {
        loop {
            let Some(receive) = self.receive.as_mut().filter(|_| !self.ended) else {
                return Poll::Ready(Ok(Piece::End(None)));
            };
            match ready!(receive.poll_data(cx)) {
                Some(Ok(bytes)) => {
                    let _gone = receive.flow_control().release_capacity(bytes.len());
                    if !bytes.is_empty() {
                        self.bytes_in += bytes.len() as u64;
                        return Poll::Ready(Ok(Piece::Chunk(Chunk::Shared(bytes))));
                    }
                }
                Some(Err(error)) => return Poll::Ready(Err(self.broken(error))),
                None => break,
            }
        }
        let Some(receive) = &mut self.receive else { return Poll::Ready(Ok(Piece::End(None))) };
        let trailers = match ready!(receive.poll_trailers(cx)) {
            Ok(None) => None,
            Ok(Some(map)) => match form::read_trailers(&map) {
                Ok(trailers) => trailers,
                Err(reason) => return Poll::Ready(Err(ReadError::Bad(reason))),
            },
            Err(error) => return Poll::Ready(Err(self.broken(error))),
        };
        self.ended = true;
        Poll::Ready(Ok(Piece::End(trailers)))
    }

    /// Watches for a reset while the owner waits for something else.
    pub fn poll_watch(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let reset = match (&mut self.send, &mut self.heads) {
            (Some(send), _) => send.poll_reset(cx),
            (None, Heads::Answer(respond)) => respond.poll_reset(cx),
            _ => return Poll::Pending,
        };
        reset.map(|reset| match reset {
            Ok(code) => io::Error::new(io::ErrorKind::ConnectionReset, format!("the stream was reset: {code}")),
            Err(error) => io::Error::other(error),
        })
    }

    /// Opens the stream with a request's head.
    pub fn send_request(&mut self, head: &Head, length: Length, trailers_welcome: bool) -> Result<(), Reason> {
        let request = form::request(head, length, trailers_welcome, self.secure).ok_or(Reason::BadTarget)?;
        let Heads::Ask(connection) = &mut self.heads else { return Err(Reason::Broken) };
        let ended = matches!(length, Length::None | Length::Exactly(0));
        self.bytes_out += head.size();
        match connection.send_request(request, ended) {
            Ok((future, send)) => {
                self.number = future.stream_id().as_u32();
                (self.heads, self.send) = (Heads::Await(future), Some(send));
                if ended {
                    self.end = End::Sent;
                }
                Ok(())
            }
            Err(error) => {
                tracing::debug!(%error, "no stream could be opened");
                self.refused = true;
                self.bytes_out = 0;
                self.heads = Heads::Done;
                Ok(()) // `poll_head` tells
            }
        }
    }

    /// Queues a response's final head.
    pub fn send_response(&mut self, head: &Head, length: Length) {
        let mut response = form::response(head, length);
        if head.status() == 101 {
            //= rfc8441#section-5
            //# Implementations using this extended CONNECT to bootstrap WebSockets do not do the processing of the
            //# Sec-WebSocket-Key and Sec-WebSocket-Accept header fields of RFC6455 as that functionality has been
            //# superseded by the :protocol pseudo-header field.
            *response.status_mut() = ::http::StatusCode::OK;
            response.headers_mut().remove(::http::header::SEC_WEBSOCKET_ACCEPT);
        }
        self.bytes_out += head.size();
        self.head = Some(response);
    }

    /// Sends an interim response.
    pub fn send_interim(&mut self, head: &Head) {
        if let Heads::Answer(respond) = &mut self.heads {
            let _gone = respond.send_informational(form::response(head, Length::None));
        }
    }

    #[must_use]
    pub fn has_room(&self) -> bool {
        self.chunk.is_none()
    }

    #[must_use]
    pub fn is_flushed(&self) -> bool {
        self.head.is_none() && self.chunk.is_none() && !matches!(self.end, End::Queued(_))
    }

    /// Queues a part of the body; only while there is room.
    pub fn queue_chunk(&mut self, chunk: Chunk) {
        let bytes = chunk.into_shared();
        if !bytes.is_empty() {
            self.chunk = Some(bytes);
        }
    }

    /// Queues the end of the body. Once it is queued it stays.
    pub fn queue_end(&mut self, trailers: Option<&Trailers>) {
        if matches!(self.end, End::Open) {
            self.end = End::Queued(trailers.map(form::trailers).filter(|map| !map.is_empty()));
        }
    }

    /// Hands what is queued to the connection, as far as the other side has room for it.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.flush_head()?;
        while let Some(chunk) = &mut self.chunk {
            let Some(send) = &mut self.send else { return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())) };
            send.reserve_capacity(chunk.len());
            let capacity = match send.capacity() {
                0 => match ready!(send.poll_capacity(cx)) {
                    Some(capacity) => capacity.map_err(io::Error::other)?,
                    None => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
                },
                capacity => capacity,
            };
            let part = chunk.split_to(capacity.min(chunk.len()));
            let whole = chunk.is_empty();
            let last = whole && matches!(self.end, End::Queued(None));
            self.bytes_out += part.len() as u64;
            send.send_data(part, last).map_err(io::Error::other)?;
            if whole {
                self.chunk = None;
            }
            if last {
                self.end = End::Sent;
            }
        }
        self.flush_end()?;
        Poll::Ready(Ok(()))
    }

    /// Ends what we send.
    pub fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.queue_end(None);
        self.poll_flush(cx)
    }

    /// Resets the stream: the other side must not take what it got for the whole.
    pub fn reset(&mut self, code: Option<u32>) {
        let code = code.map_or(Code::INTERNAL_ERROR, Code::from);
        match (&mut self.send, &mut self.heads) {
            (Some(send), _) => send.send_reset(code),
            (None, Heads::Answer(respond)) => respond.send_reset(code),
            _ => {}
        }
    }

    /// Reads as a stream of bytes does: what a tunnel needs.
    pub fn poll_read(&mut self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        while self.unread.is_empty() {
            match ready!(self.poll_piece(cx)) {
                Ok(Piece::Chunk(chunk)) => self.unread = chunk.into_shared(),
                Ok(Piece::End(_)) => return Poll::Ready(Ok(0)),
                Err(ReadError::Io(error)) => return Poll::Ready(Err(error)),
                Err(_) => return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
            }
        }
        let part = self.unread.split_to(room.len().min(self.unread.len()));
        room[..part.len()].copy_from_slice(&part);
        Poll::Ready(Ok(part.len()))
    }

    /// Writes as a stream of bytes does.
    pub fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_flush(cx))?;
        self.queue_chunk(Chunk::Shared(Bytes::copy_from_slice(bytes)));
        let _sent_later = self.poll_flush(cx)?;
        Poll::Ready(Ok(bytes.len()))
    }

    fn flush_head(&mut self) -> io::Result<()> {
        let Some(head) = self.head.take() else { return Ok(()) };
        let Heads::Answer(respond) = &mut self.heads else { return Ok(()) };
        let last = self.chunk.is_none() && matches!(self.end, End::Queued(None));
        let sent = respond.send_response(head, last);
        self.heads = Heads::Done;
        self.send = Some(sent.map_err(io::Error::other)?);
        if last {
            self.end = End::Sent;
        }
        Ok(())
    }

    fn flush_end(&mut self) -> io::Result<()> {
        let (End::Queued(trailers), Some(send)) = (&mut self.end, &mut self.send) else { return Ok(()) };
        let sent = match trailers.take() {
            Some(trailers) => send.send_trailers(trailers),
            None => send.send_data(Bytes::new(), true),
        };
        self.end = End::Sent;
        sent.map_err(io::Error::other)
    }

    fn broken(&mut self, error: h2::Error) -> ReadError {
        //= rfc9113#section-8.7
        //# Requests that have not been processed have not failed; clients MAY automatically retry them, even those with
        //# non-idempotent methods.
        let beyond = self.cork.as_ref().is_some_and(|cork| self.number > cork.last_stream());
        if error.is_reset() && error.is_remote() {
            self.code = error.reason().map(u32::from);
        }
        self.refused |= beyond || error.reason() == Some(Code::REFUSED_STREAM);
        ReadError::Io(io::Error::other(error.to_string()))
    }
}
