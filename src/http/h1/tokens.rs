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
#[inline(always)]
pub(super) fn line(bytes: &[u8], at: usize) -> Result<Line, Reason> {
    let rest = bytes.get(at..).unwrap_or_default();
    let name_len = name_end(rest);
    if rest.get(name_len) != Some(&b':') || name_len == 0 {
        return no_field(rest, name_len, at);
    }
    let mut value = name_len + 1;
    while let Some(b' ' | b'\t') = rest.get(value) {
        value += 1;
    }
    let end = text_end(rest, value);
    match rest.get(end..end + 2) {
        Some(b"\r\n") => {}
        Some([b'\r', _] | [b'\n', _]) => return Err(Reason::BareLineEnd),
        Some(_) => return Err(Reason::BadField),
        None => return unended(rest.get(end)),
    }
    let mut value_end = end;
    while value_end > value && matches!(rest[value_end - 1], b' ' | b'\t') {
        value_end -= 1;
    }
    let tokens = Tokens { name_at: at, name_len, value_at: at + value, value_len: value_end - value };
    Ok(Line::Field(tokens, at + end + 2))
}

/// What begins with no name and colon.
#[cold]
fn no_field(rest: &[u8], name_len: usize, at: usize) -> Result<Line, Reason> {
    match rest.get(name_len) {
        Some(b'\r') if name_len == 0 => match rest.get(1) {
            Some(b'\n') => Ok(Line::End(at + 2)),
            Some(_) => Err(Reason::BareLineEnd),
            None => Ok(Line::Partial),
        },
        Some(b' ' | b'\t') if name_len == 0 => Err(Reason::FoldedField),
        Some(b'\n') => Err(Reason::BareLineEnd),
        Some(_) => Err(Reason::BadField),
        None => Ok(Line::Partial),
    }
}

/// The end of the name that `bytes` begin with. Names of letters and hyphens, which nearly all are, eight bytes at once.
#[inline]
fn name_end(bytes: &[u8]) -> usize {
    let mut at = 0;
    let (eights, _) = bytes.as_chunks::<8>();
    for eight in eights {
        let word = u64::from_le_bytes(*eight);
        let colon = below_one(word ^ 0x3a3a_3a3a_3a3a_3a3a);
        let first = colon & colon.wrapping_neg();
        // All bits of the bytes before the colon; all bits if there is none.
        let before = (first >> 7).wrapping_sub(1);
        if !(letters(word) | zeroes(word ^ 0x2d2d_2d2d_2d2d_2d2d)) & 0x8080_8080_8080_8080 & before != 0 {
            break;
        }
        if colon != 0 {
            return at + first.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    token_end(bytes, at)
}

/// The high bit of each byte that is 0, of every one exactly: no borrow runs from byte to byte.
const fn zeroes(word: u64) -> u64 {
    !(((word & 0x7f7f_7f7f_7f7f_7f7f) + 0x7f7f_7f7f_7f7f_7f7f) | word) & 0x8080_8080_8080_8080
}

/// The high bit of each byte that is a letter; of ASCII only, each byte by itself.
const fn letters(word: u64) -> u64 {
    let low = (word | 0x2020_2020_2020_2020) & 0x7f7f_7f7f_7f7f_7f7f;
    let from_a = low + 0x1f1f_1f1f_1f1f_1f1f;
    let beyond_z = low + 0x0505_0505_0505_0505;
    from_a & !beyond_z & !word & 0x8080_8080_8080_8080
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
#[inline]
pub(super) fn text_end(bytes: &[u8], mut at: usize) -> usize {
    'tabs: loop {
        // A byte's high bit is set where it is below SP, or DEL.
        let (eights, _) = bytes.get(at..).unwrap_or_default().as_chunks::<8>();
        for eight in eights {
            let word = u64::from_le_bytes(*eight);
            let controls = below_space(word) | below_one(word ^ 0x7f7f_7f7f_7f7f_7f7f);
            if controls == 0 {
                at += 8;
                continue;
            }
            at += controls.trailing_zeros() as usize / 8;
            if bytes.get(at) != Some(&b'\t') {
                return at;
            }
            at += 1;
            continue 'tabs;
        }
        while let Some(b'\t' | 0x20..=0x7e | 0x80..=0xff) = bytes.get(at) {
            at += 1;
        }
        return at;
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
