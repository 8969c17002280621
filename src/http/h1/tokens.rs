//! Start lines and field lines taken apart, in one pass over the bytes.
//!
//! Stricter than any parser that must also read what is sent in the wild: one space between the parts of a request
//! line, CRLF and nothing else at the end of a line, no folding, no white space before a colon. `parse_tests.rs` holds
//! it against httparse: what we accept, httparse accepts and reads alike.

use std::ops::Range;

use crate::failure::Reason;
use crate::http::lanes::{self, LANES};

/// Where a field stands: bytes from the head's start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tokens {
    pub(super) name: Range<usize>,
    /// Without white space at its ends.
    pub(super) value: Range<usize>,
}

/// What stands at a place where a field line may begin.
pub(super) enum Line {
    Field(Tokens, usize),
    /// The empty line; the head ends at this byte.
    End(usize),
    /// It is not all there.
    Partial,
}

const TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = crate::http::name::is_token(byte as u8);
        byte += 1;
    }
    table
};

/// The end of the token that begins at `at`: the first byte that belongs to none.
pub(super) fn token_end(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().position(|byte| !TOKEN[usize::from(*byte)]).unwrap_or(rest.len())
}

/// The end of what may stand in a target: printable, or beyond ASCII (which `target.rs` refuses with a better word).
pub(super) fn target_end(bytes: &[u8], mut at: usize) -> usize {
    loop {
        let more = lanes::printable(bytes, at, b'!');
        at += more;
        if more < LANES {
            return at;
        }
    }
}

/// Reads the line that begins at `at`.
#[inline(always)]
pub(super) fn line(bytes: &[u8], at: usize) -> Result<Line, Reason> {
    let name_end = name_end(bytes, at);
    if bytes.get(name_end) != Some(&b':') || name_end == at {
        return no_field(bytes, name_end, at);
    }
    let mut value_at = name_end + 1;
    while let Some(b' ' | b'\t') = bytes.get(value_at) {
        value_at += 1;
    }
    let end = text_end(bytes, value_at);
    match (bytes.get(end), bytes.get(end + 1)) {
        (Some(b'\r'), Some(b'\n')) => {}
        (Some(b'\r' | b'\n'), Some(_)) => return Err(Reason::BareLineEnd),
        (Some(_), Some(_)) => return Err(Reason::BadField),
        (last, _) => return unended(last),
    }
    let mut value_end = end;
    while value_end > value_at && matches!(bytes[value_end - 1], b' ' | b'\t') {
        value_end -= 1;
    }
    Ok(Line::Field(Tokens { name: at..name_end, value: value_at..value_end }, end + 2))
}

/// What begins with no name and colon.
#[cold]
fn no_field(bytes: &[u8], name_end: usize, at: usize) -> Result<Line, Reason> {
    match bytes.get(name_end) {
        Some(b'\r') if name_end == at => match bytes.get(at + 1) {
            Some(b'\n') => Ok(Line::End(at + 2)),
            Some(_) => Err(Reason::BareLineEnd),
            None => Ok(Line::Partial),
        },
        Some(b' ' | b'\t') if name_end == at => Err(Reason::FoldedField),
        Some(b'\n') => Err(Reason::BareLineEnd),
        Some(_) => Err(Reason::BadField),
        None => Ok(Line::Partial),
    }
}

/// The end of the name that begins at `at`. Names of letters and hyphens, which nearly all are, many bytes at once.
#[inline(always)]
fn name_end(bytes: &[u8], mut at: usize) -> usize {
    loop {
        let more = lanes::letters(bytes, at);
        at += more;
        if more < LANES {
            return if bytes.get(at) == Some(&b':') { at } else { token_end(bytes, at) };
        }
    }
}

/// A value that is not followed by two more bytes.
#[cold]
fn unended(last: Option<&u8>) -> Result<Line, Reason> {
    match last {
        None | Some(b'\r') => Ok(Line::Partial),
        Some(b'\n') => Err(Reason::BareLineEnd),
        Some(_) => Err(Reason::BadField),
    }
}

/// The first byte from `at` on that may not stand in text: a control character other than HTAB.
#[inline(always)]
pub(super) fn text_end(bytes: &[u8], mut at: usize) -> usize {
    loop {
        let more = lanes::printable(bytes, at, b' ');
        at += more;
        if more < LANES {
            if bytes.get(at) != Some(&b'\t') {
                return at;
            }
            at += 1;
        }
    }
}
