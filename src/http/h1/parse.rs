//! A head from bytes. Every line ends with CRLF, the head is bounded in lines by who asks and in bytes by who reads, and
//! a higher minor version of HTTP/1 is read as 1.1 (RFC 9110 section 2.5).

use super::tokens::{self, Line, Tokens};
use crate::failure::Reason;
use crate::http::head::{Field, Head, Range, Start, State};
use crate::http::name::Known;
use crate::http::start::{Verb, Version};

/// Looks for the empty line that ends a head, from byte `from` of `bytes` on (what was looked at before need not be
/// again). Returns the length of the head with that line.
///
/// A line that ends with a lone LF is refused: RFC 9112 section 2.2 lets us, and what two parsers may read in two ways
/// is not forwarded.
pub fn find_end(bytes: &[u8], from: usize) -> Result<Option<usize>, Reason> {
    // The LF of the line before may lie just before `from`.
    let from = from.saturating_sub(3);
    for at in memchr::memchr_iter(b'\n', bytes.get(from..).unwrap_or_default()) {
        let at = from + at;
        if at == 0 || bytes[at - 1] != b'\r' {
            return Err(Reason::BareLineEnd);
        }
        match bytes.get(at + 1..at + 3) {
            Some(b"\r\n") => return Ok(Some(at + 3)),
            _ if bytes.get(at + 1) == Some(&b'\n') => return Err(Reason::BareLineEnd),
            _ => {}
        }
    }
    Ok(None)
}

/// How many bytes of empty lines stand before a request line (RFC 9112 section 2.2: ignore them).
pub fn leading_lines(bytes: &[u8]) -> Result<usize, Reason> {
    let mut at = 0;
    while bytes.get(at..at + 2) == Some(b"\r\n") {
        at += 2;
    }
    match bytes.get(at) {
        Some(b'\n') => Err(Reason::BareLineEnd),
        Some(b'\r') if bytes.len() > at + 1 => Err(Reason::BareLineEnd),
        Some(byte) if *byte != b'\r' && !crate::http::name::is_token(*byte) => Err(Reason::BadRequestLine),
        _ => Ok(at),
    }
}

/// Parses a request head at the start of `bytes`. `Ok(Some(n))`: it was `n` bytes long; `Ok(None)`: it is not all there.
//= rfc9112#section-3
//# request-line = method SP request-target SP HTTP-version
pub fn request(bytes: &[u8], fields_max: usize, head: &mut Head) -> Result<Option<usize>, Reason> {
    head.clear();
    let method_end = tokens::token_end(bytes, 0);
    match bytes.get(method_end) {
        Some(b' ') if method_end > 0 => {}
        Some(_) => return Err(Reason::BadRequestLine),
        None => return Ok(None),
    }
    let target_at = method_end + 1;
    let target_end = tokens::target_end(bytes, target_at);
    match bytes.get(target_end) {
        Some(b' ') if target_end > target_at => {}
        Some(b' ' | b'\r' | b'\n' | b'\t') => return Err(Reason::BadRequestLine),
        Some(_) => return Err(Reason::BadTarget),
        None => return Ok(None),
    }
    let Some((version, fields_at)) = version(bytes, target_end + 1)? else { return Ok(None) };
    head.start_kept = bytes.get(fields_at - 3) == Some(&b'1'); // of HTTP/1.1
    let method = Range { at: 0, len: method_end as u32 };
    let target = Range { at: target_at as u32, len: (target_end - target_at) as u32 };
    let verb = Verb::of(bytes.get(..method_end).unwrap_or_default());
    head.version = version;
    head.start = Start::Request { method, verb, target, path_len: target.len };
    fields(bytes, fields_at, fields_max, head)
}

/// Parses a response head at the start of `bytes`, as [`request`] does.
//= rfc9112#section-4
//# status-line = HTTP-version SP status-code SP [ reason-phrase ]
pub fn response(bytes: &[u8], fields_max: usize, head: &mut Head) -> Result<Option<usize>, Reason> {
    head.clear();
    let known = bytes.len().min(7);
    if bytes.get(..known) != b"HTTP/1.".get(..known) {
        return Err(Reason::BadResponse);
    }
    let Some(line) = bytes.first_chunk::<13>() else { return Ok(None) };
    let [.., minor @ b'0'..=b'9', b' ', a @ b'1'..=b'5', b @ b'0'..=b'9', c @ b'0'..=b'9', _] = *line else {
        return Err(Reason::BadResponse);
    };
    let status = u16::from(a - b'0') * 100 + u16::from(b - b'0') * 10 + u16::from(c - b'0');
    // Origins that have no reason to give often forget the space before it.
    let reason_at = if line[12] == b' ' { 13 } else { 12 };
    let reason_end = tokens::text_end(bytes, reason_at);
    match (bytes.get(reason_end), bytes.get(reason_end + 1)) {
        (Some(b'\r'), Some(b'\n')) if reason_at == 13 || reason_end == 12 => {}
        (None | Some(b'\r'), None) => return Ok(None),
        _ => return Err(Reason::BadResponse),
    }
    head.version = if minor == b'0' { Version::Http10 } else { Version::Http11 };
    head.start_kept = minor == b'1' && reason_end > 13;
    let reason = Range { at: reason_at as u32, len: (reason_end - reason_at) as u32 };
    head.start = Start::Response { status, reason };
    fields(bytes, reason_end + 2, fields_max, head)
}

/// The version and the line end behind it; `None`: they are not all there.
fn version(bytes: &[u8], at: usize) -> Result<Option<(Version, usize)>, Reason> {
    let rest = bytes.get(at..).unwrap_or_default();
    let Some(line) = rest.first_chunk::<10>() else {
        let known = rest.len().min(5);
        return if rest.get(..known) == b"HTTP/".get(..known) { Ok(None) } else { Err(Reason::BadVersion) };
    };
    let version = match line {
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', minor @ b'0'..=b'9', ..] => {
            if *minor == b'0' {
                Version::Http10
            } else {
                Version::Http11
            }
        }
        [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9', b'\r', b'\n'] => {
            return Err(Reason::VersionUnsupported);
        }
        _ => return Err(Reason::BadVersion),
    };
    match line[8..] {
        [b'\r', b'\n'] => Ok(Some((version, at + 10))),
        [b'\n', _] => Err(Reason::BareLineEnd),
        _ => Err(Reason::BadRequestLine),
    }
}

/// Reads field lines up to the empty one, and copies the head into its arena without that.
fn fields(bytes: &[u8], mut at: usize, fields_max: usize, head: &mut Head) -> Result<Option<usize>, Reason> {
    let mut present = 0;
    loop {
        match tokens::line(bytes, at)? {
            Line::Field(tokens, next) => {
                if head.fields.len() == fields_max {
                    return Err(Reason::TooManyFields);
                }
                let field = field(bytes, &tokens);
                present |= field.known.bit();
                head.fields.push(field);
                at = next;
            }
            Line::End(end) => {
                head.bytes.extend_from_slice(bytes.get(..at).unwrap_or_default());
                head.present = present;
                return Ok(Some(end));
            }
            Line::Partial => return Ok(None),
        }
    }
}

#[inline(always)]
fn field(bytes: &[u8], Tokens { name, value }: &Tokens) -> Field {
    Field {
        name_at: name.start as u32,
        value_at: value.start as u32,
        value_len: (value.end - value.start) as u32,
        name_len: (name.end - name.start) as u16,
        known: Known::of(bytes.get(name.clone()).unwrap_or_default()),
        state: State::Line,
    }
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod parse_tests;
