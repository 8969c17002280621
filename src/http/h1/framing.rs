//! The body of an HTTP/1.1 message: none, counted, chunked, or all until the connection closes (RFC 9112 section 6.3).
//!
//! Sans I/O: [`Framing::advance`] is shown the unread bytes and tells which of them are the body. Chunked data is
//! compacted in place, so that one read gives one range whatever the sender's chunks were; state survives a cut at any
//! byte. What we write is chunked anew: no extension, no size line of a sender ever reaches the other side.

use std::ops::Range;

use super::trailers::{self, Trailers};
use crate::failure::Reason;
use crate::limits::{CHUNK_LINE_BYTES_MAX, CHUNK_OVERHEAD_BYTES_FREE, CHUNK_OVERHEAD_BYTES_MAX, TRAILER_BYTES_MAX};

/// The last chunk and an empty trailer section.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// A chunk-size has at most 16 digits, leading zeros included: what a `u64` holds.
const SIZE_DIGITS_MAX: u16 = 16;

/// Where a body ends, and how much of it is still to come.
#[derive(Debug)]
pub enum Framing {
    /// There is no body, whatever the fields say: HEAD, 1xx, 204, 304, a request without a length.
    None,
    /// Bytes still to come, at least 1 (see [`Framing::length`]).
    Length(u64),
    Chunked(Chunked),
    /// All until the connection closes; responses only.
    Close,
    /// A counted body whose last byte was read.
    Done,
}

/// The decoder of a chunked body.
#[derive(Debug, Default)]
pub struct Chunked {
    /// Bytes of this chunk's data still to come.
    left: u64,
    trailers: Option<Box<Trailers>>,
    /// Framing bytes beyond what chunks have free and data has paid for.
    overhead: u32,
    /// Bytes of the size line so far, digits first.
    line: u16,
    state: State,
}

/// What is expected next; one byte, so that `Framing` stays small.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Size,
    ExtensionName,
    ExtensionNameRest,
    ExtensionValue,
    ExtensionToken,
    Quoted,
    QuotedPair,
    AfterQuoted,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    /// At the start of a trailer line, or of the empty line that ends them.
    Trailer,
    TrailerRest,
    LastLf,
    End,
    /// Malformed before; it stays so.
    Bad,
}

/// What one [`Framing::advance`] found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Progress {
    /// Body data, contiguous, now at `bytes[data]`.
    pub data: Range<usize>,
    /// Bytes of input that are used up, data included; the rest belongs to the next message.
    pub consumed: usize,
    /// The body is complete.
    pub end: bool,
}

/// How a body stands when its connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    Complete,
    /// Bytes are missing: what was sent on must not look whole.
    Truncated,
}

// === impl Framing ===

impl Framing {
    /// A body of `bytes` bytes; of 0 bytes it is done at once.
    #[must_use]
    pub fn length(bytes: u64) -> Self {
        if bytes == 0 { Self::Done } else { Self::Length(bytes) }
    }

    #[must_use]
    pub fn chunked() -> Self {
        Self::Chunked(Chunked::default())
    }

    /// Whether no byte of this body is to come.
    #[must_use]
    pub fn is_done(&self) -> bool {
        match self {
            Self::None | Self::Done | Self::Length(0) => true,
            Self::Chunked(chunked) => chunked.state == State::End,
            Self::Length(_) | Self::Close => false,
        }
    }

    /// Takes the body's part of the unread `bytes`: all of them, unless the body ends before.
    ///
    /// Chunk data that stands behind other chunk data is moved down to it; bytes from `consumed` on are never touched.
    ///
    /// # Errors
    /// `BadChunk`, now and at every later call; whatever data this call would have given is lost, as the message is.
    pub fn advance(&mut self, bytes: &mut [u8]) -> Result<Progress, Reason> {
        match self {
            Self::None | Self::Done => Ok(Progress { end: true, ..Progress::default() }),
            Self::Length(left) => {
                // More than `usize` holds is more than `bytes` holds.
                let take = usize::try_from(*left).map_or(bytes.len(), |left| left.min(bytes.len()));
                *left -= take as u64;
                let end = *left == 0;
                if end {
                    *self = Self::Done;
                }
                Ok(Progress { data: 0..take, consumed: take, end })
            }
            Self::Chunked(chunked) => chunked.advance(bytes),
            Self::Close => Ok(Progress { data: 0..bytes.len(), consumed: bytes.len(), end: false }),
        }
    }

    /// The connection ended: was that the end of the body too? Afterwards nothing more is expected.
    //= rfc9112#section-8
    //# A message body that uses the chunked transfer coding is incomplete if the zero-sized chunk that terminates the
    //# encoding has not been received.
    pub fn finish(&mut self) -> Ending {
        let complete = self.is_done() || matches!(self, Self::Close);
        *self = Self::Done;
        if complete { Ending::Complete } else { Ending::Truncated }
    }

    /// The trailer section of a chunked body, once it is complete; `None` if it was empty.
    pub fn take_trailers(&mut self) -> Option<Box<Trailers>> {
        match self {
            Self::Chunked(chunked) if chunked.state == State::End => chunked.trailers.take(),
            _ => None,
        }
    }
}

// === impl Chunked ===

impl Chunked {
    fn advance(&mut self, bytes: &mut [u8]) -> Result<Progress, Reason> {
        let result = self.read(bytes);
        if result.is_err() {
            self.state = State::Bad;
        }
        result
    }

    fn read(&mut self, bytes: &mut [u8]) -> Result<Progress, Reason> {
        let mut data = 0..0;
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            match self.state {
                State::Data => {
                    let rest = bytes.len() - at;
                    let take = usize::try_from(self.left).map_or(rest, |left| left.min(rest));
                    if data.is_empty() {
                        data = at..at;
                    } else {
                        bytes.copy_within(at..at + take, data.end);
                    }
                    data.end += take;
                    at += take;
                    self.left -= take as u64;
                    if self.left == 0 {
                        self.state = State::DataCr;
                    }
                }
                State::TrailerRest => at += self.trailer_rest(&bytes[at..])?,
                // The one state that looks at a byte without using it up: it may begin a trailer line.
                State::Trailer if byte != b'\r' => self.state = State::TrailerRest,
                State::End => break,
                _ => match self.leap(&bytes[at..])? {
                    0 => {
                        self.state = self.step(byte)?;
                        at += 1;
                    }
                    taken => at += taken,
                },
            }
        }
        Ok(Progress { data, consumed: at, end: self.state == State::End })
    }

    /// Takes the framing that nearly every sender writes, if it lies there whole: a size line without an extension, the
    /// line end behind the data. Gives its bytes, or 0; then [`Self::step`] decides, and it knows nothing of this.
    fn leap(&mut self, bytes: &[u8]) -> Result<usize, Reason> {
        match self.state {
            State::DataCr if bytes.starts_with(b"\r\n") => {
                (self.line, self.left, self.state) = (0, 0, State::Size);
                Ok(2)
            }
            State::Size if self.line == 0 => {
                let mut size = 0;
                for (digits, &byte) in (0u16..SIZE_DIGITS_MAX).zip(bytes) {
                    if let Some(digit) = (byte as char).to_digit(16) {
                        size = size << 4 | u64::from(digit);
                    } else if digits > 0 && bytes[usize::from(digits)..].starts_with(b"\r\n") {
                        (self.line, self.left) = (digits + 1, size);
                        self.state = self.size_known()?;
                        return Ok(usize::from(digits) + 2);
                    } else {
                        return Ok(0);
                    }
                }
                Ok(0)
            }
            _ => Ok(0),
        }
    }

    /// One byte of framing. Every line ends with CRLF and nothing else.
    //= rfc9112#section-7.1
    //# chunk = chunk-size [ chunk-ext ] CRLF chunk-data CRLF
    fn step(&mut self, byte: u8) -> Result<State, Reason> {
        match (self.state, byte) {
            (State::DataCr, b'\r') => Ok(State::DataLf),
            (State::DataLf, b'\n') => {
                (self.line, self.left) = (0, 0);
                Ok(State::Size)
            }
            (State::SizeLf, b'\n') => self.size_known(),
            (State::Trailer, b'\r') => Ok(State::LastLf),
            (State::LastLf, b'\n') => Ok(State::End),
            (State::DataCr | State::DataLf | State::SizeLf | State::Trailer | State::LastLf | State::Bad, _) => {
                Err(Reason::BadChunk)
            }
            _ => self.size_line(byte),
        }
    }

    /// One byte of a size line.
    //= rfc9112#section-7.1.1
    //# recipient MUST ignore unrecognized chunk extensions. A server ought to limit the total length of chunk extensions
    fn size_line(&mut self, byte: u8) -> Result<State, Reason> {
        let digits = self.line;
        self.line += 1;
        // The CR comes by here; a byte is kept for the LF.
        if self.line > CHUNK_LINE_BYTES_MAX - 1 {
            return Err(Reason::BadChunk);
        }
        match (self.state, byte) {
            (State::Size, _) => match (byte as char).to_digit(16) {
                Some(digit) if digits < SIZE_DIGITS_MAX => {
                    self.left = self.left << 4 | u64::from(digit);
                    Ok(State::Size)
                }
                // White space before `;` or CRLF is not in the grammar: some readers stop at it, others skip it.
                None if digits > 0 => after_item(byte),
                _ => Err(Reason::BadChunk),
            },
            (State::ExtensionName, _) if trailers::is_token(byte) => Ok(State::ExtensionNameRest),
            (State::ExtensionNameRest, _) if trailers::is_token(byte) => Ok(State::ExtensionNameRest),
            (State::ExtensionNameRest, b'=') => Ok(State::ExtensionValue),
            (State::ExtensionValue, b'"') => Ok(State::Quoted),
            (State::ExtensionValue | State::ExtensionToken, _) if trailers::is_token(byte) => Ok(State::ExtensionToken),
            (State::Quoted, b'"') => Ok(State::AfterQuoted),
            (State::Quoted, b'\\') => Ok(State::QuotedPair),
            (State::Quoted | State::QuotedPair, _) if trailers::is_text(byte) => Ok(State::Quoted),
            (State::ExtensionNameRest | State::ExtensionToken | State::AfterQuoted, _) => after_item(byte),
            _ => Err(Reason::BadChunk),
        }
    }

    /// The size line is complete. Its bytes, those beyond what a chunk has free, must be paid for by its data, two
    /// bytes of framing for each byte; what is owed adds up over the body and is bounded. So a body of any length with
    /// the tiniest chunks passes, and one that is mostly extensions does not (Go's net/http counts alike).
    fn size_known(&mut self) -> Result<State, Reason> {
        let paid = self.left.saturating_mul(2).saturating_add(u64::from(CHUNK_OVERHEAD_BYTES_FREE));
        // The line without its LF, then LF and the CRLF behind the data.
        let owed = u64::from(self.overhead) + u64::from(self.line) + 3;
        let overhead = owed.saturating_sub(paid);
        self.overhead = u32::try_from(overhead).unwrap_or(u32::MAX);
        if self.overhead > CHUNK_OVERHEAD_BYTES_MAX {
            return Err(Reason::BadChunk);
        }
        Ok(if self.left == 0 { State::Trailer } else { State::Data })
    }

    /// Takes bytes of a trailer line that has begun; gives how many.
    fn trailer_rest(&mut self, bytes: &[u8]) -> Result<usize, Reason> {
        let (taken, complete) = self.trailers.get_or_insert_default().push(bytes)?;
        if complete {
            self.state = State::Trailer;
        }
        Ok(taken)
    }
}

/// Behind a chunk-size, an extension's name or its value: another extension or the end of the line.
fn after_item(byte: u8) -> Result<State, Reason> {
    match byte {
        b';' => Ok(State::ExtensionName),
        b'\r' => Ok(State::SizeLf),
        _ => Err(Reason::BadChunk),
    }
}

/// Appends what stands before `bytes` bytes of chunk data; behind the data goes CRLF. `bytes` is at least 1, since a
/// chunk of 0 ends the body (see [`last_chunk`]).
pub fn chunk_head(bytes: usize, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let digits = (usize::BITS - bytes.leading_zeros()).div_ceil(4).max(1);
    for digit in (0..digits).rev() {
        out.push(HEX[bytes >> (digit * 4) & 15]);
    }
    out.extend_from_slice(b"\r\n");
}

/// Appends the end of a chunked body, with those trailers that may be forwarded.
pub fn last_chunk(trailers: Option<&Trailers>, out: &mut Vec<u8>) {
    let Some(trailers) = trailers else { return out.extend_from_slice(LAST_CHUNK) };
    out.extend_from_slice(b"0\r\n");
    for (name, value) in trailers.iter() {
        for part in [name, b": ", value, b"\r\n"] {
            out.extend_from_slice(part);
        }
    }
    out.extend_from_slice(b"\r\n");
}

/// Any bytes: no panic, and reading them whole, byte by byte or in odd parts gives one result.
#[doc(hidden)]
pub fn fuzz_chunked(data: &[u8]) {
    let whole = decode(data, data.len().max(1));
    for part in [1, 2, 3, 7] {
        assert_eq!(whole, decode(data, part), "the same in parts of {part}");
    }
    if let Ok((body, trailers, true, _)) = whole {
        let mut again = Vec::new();
        if !body.is_empty() {
            chunk_head(body.len(), &mut again);
            again.extend_from_slice(&body);
            again.extend_from_slice(b"\r\n");
        }
        last_chunk(trailers.as_ref(), &mut again);
        let reread = decode(&again, again.len()).map(|(body, _, end, left)| (body, end, left));
        // `a:b` is written `a: b`, which may be a byte too many for us, though not for who it is written to.
        let expected = Ok((body, true, 0));
        assert!(reread == expected || data.len() > TRAILER_BYTES_MAX, "what we write reads as what we understood");
    }
}

/// Body, trailers, whether it ended, and how many bytes were left.
type Decoded = (Vec<u8>, Option<Trailers>, bool, usize);

/// Decodes as a connection would: `part` new bytes at a time.
fn decode(data: &[u8], part: usize) -> Result<Decoded, Reason> {
    let mut framing = Framing::chunked();
    let (mut body, mut read) = (Vec::new(), 0);
    for part in data.chunks(part) {
        let mut bytes = part.to_vec();
        let progress = framing.advance(&mut bytes)?;
        body.extend_from_slice(bytes.get(progress.data).unwrap_or_default());
        assert_eq!(&bytes[progress.consumed..], &part[progress.consumed..], "what is unread is untouched");
        read += progress.consumed;
        assert!(progress.end == framing.is_done() && (progress.end || progress.consumed == part.len()));
        if progress.end {
            break;
        }
    }
    let trailers = framing.take_trailers().map(|boxed| *boxed);
    Ok((body, trailers, framing.is_done(), data.len() - read))
}

#[cfg(test)]
#[path = "framing_tests.rs"]
mod tests;
