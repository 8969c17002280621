//! Start lines and field lines taken apart, in one pass over the bytes.
//!
//! Stricter than any parser that must also read what is sent in the wild: one space between the parts of a request
//! line, CRLF and nothing else at the end of a line, no folding, no white space before a colon. `parse_tests.rs` holds
//! it against httparse: what we accept, httparse accepts and reads alike.

use crate::failure::Reason;

/// Where a field stands: bytes from the head's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tokens {
    pub(super) name_at: usize,
    pub(super) name_len: usize,
    pub(super) value_at: usize,
    /// Without white space at its ends.
    pub(super) value_len: usize,
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
pub(super) fn target_end(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().position(|byte| *byte <= b' ' || *byte == 0x7f).unwrap_or(rest.len())
}

/// Reads the line that begins at `at`.
pub(super) fn line(bytes: &[u8], at: usize) -> Result<Line, Reason> {
    let colon = token_end(bytes, at);
    match bytes.get(colon) {
        Some(b':') if colon > at => {}
        Some(b'\r') if colon == at => return empty_line(bytes, at),
        Some(b' ' | b'\t') if colon == at => return Err(Reason::FoldedField),
        Some(b'\n') => return Err(Reason::BareLineEnd),
        Some(_) => return Err(Reason::BadField),
        None => return Ok(Line::Partial),
    }
    let mut value_at = colon + 1;
    while matches!(bytes.get(value_at), Some(b' ' | b'\t')) {
        value_at += 1;
    }
    let end = text_end(bytes, value_at);
    match (bytes.get(end), bytes.get(end + 1)) {
        (Some(b'\r'), Some(b'\n')) => {}
        (Some(b'\r'), Some(_)) | (Some(b'\n'), _) => return Err(Reason::BareLineEnd),
        (Some(b'\r') | None, None) => return Ok(Line::Partial),
        _ => return Err(Reason::BadField),
    }
    let mut value_end = end;
    while value_end > value_at && matches!(bytes[value_end - 1], b' ' | b'\t') {
        value_end -= 1;
    }
    let tokens = Tokens { name_at: at, name_len: colon - at, value_at, value_len: value_end - value_at };
    Ok(Line::Field(tokens, end + 2))
}

/// The first byte from `at` on that may not stand in text: a control character other than HTAB.
pub(super) fn text_end(bytes: &[u8], mut at: usize) -> usize {
    loop {
        // Eight bytes at once: a byte's high bit is set where it is below SP, or DEL.
        while let Some(eight) = bytes.get(at..at + 8).and_then(|eight| <[u8; 8]>::try_from(eight).ok()) {
            let word = u64::from_le_bytes(eight);
            let controls = below_space(word) | below_one(word ^ 0x7f7f_7f7f_7f7f_7f7f);
            if controls != 0 {
                at += controls.trailing_zeros() as usize / 8;
                break;
            }
            at += 8;
        }
        match bytes.get(at) {
            Some(b'\t' | 0x20..=0x7e | 0x80..=0xff) => at += 1,
            _ => return at,
        }
    }
}

/// The lowest set bit marks the first byte below 0x20; higher ones may be wrong.
const fn below_space(word: u64) -> u64 {
    word.wrapping_sub(0x2020_2020_2020_2020) & !word & 0x8080_8080_8080_8080
}

/// The lowest set bit marks the first byte that is 0; higher ones may be wrong.
const fn below_one(word: u64) -> u64 {
    word.wrapping_sub(0x0101_0101_0101_0101) & !word & 0x8080_8080_8080_8080
}

fn empty_line(bytes: &[u8], at: usize) -> Result<Line, Reason> {
    match bytes.get(at + 1) {
        Some(b'\n') => Ok(Line::End(at + 2)),
        Some(_) => Err(Reason::BareLineEnd),
        None => Ok(Line::Partial),
    }
}
