//! A head from bytes: httparse tokenises, the strictness above it is ours.
//!
//! What is stricter than httparse: every line ends with CRLF, the head is bounded in bytes and lines, and a higher minor
//! version of HTTP/1 is read as 1.1 (RFC 9110 section 2.5).

use std::mem::MaybeUninit;

use httparse::{Error, Header};

use crate::failure::Reason;
use crate::http::head::{Field, Head, Range, Start, State, Verb, Version};
use crate::http::name::Known;
use crate::limits::FIELDS_CEILING;

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

/// Parses a whole request head, as [`find_end`] cut it.
pub fn request(bytes: &[u8], fields_max: usize, head: &mut Head) -> Result<(), Reason> {
    head.clear();
    head.bytes.extend_from_slice(bytes);
    match tokenise_request(&head.bytes, fields_max, &mut head.fields, &mut head.present) {
        Err(Reason::BadVersion) => lower_minor_version(&mut head.bytes)?,
        Err(reason) => return Err(reason),
        Ok((start, version)) => {
            (head.start, head.version) = (start, version);
            drop_empty_line(head);
            return Ok(());
        }
    }
    head.fields.clear();
    let (start, version) = tokenise_request(&head.bytes, fields_max, &mut head.fields, &mut head.present)?;
    (head.start, head.version) = (start, version);
    drop_empty_line(head);
    Ok(())
}

/// Parses a whole response head. Every defect is [`Reason::BadResponse`] with the true one in the log.
pub fn response(bytes: &[u8], fields_max: usize, head: &mut Head) -> Result<(), Reason> {
    head.clear();
    head.bytes.extend_from_slice(bytes);
    let mut table = [const { MaybeUninit::<Header<'_>>::uninit() }; FIELDS_CEILING];
    let table = table.get_mut(..fields_max.min(FIELDS_CEILING)).unwrap_or_default();
    let mut parsed = httparse::Response::new(&mut []);
    let config = httparse::ParserConfig::default();
    let end = config.parse_response_with_uninit_headers(&mut parsed, &head.bytes, table).map_err(reason_of)?;
    if end != httparse::Status::Complete(head.bytes.len()) {
        return Err(Reason::BadResponse);
    }
    let base = head.bytes.as_ptr() as usize;
    head.version = version_of(parsed.version);
    let reason = parsed.reason.map_or(Range::default(), |text| range(base, text.as_bytes()));
    let status = parsed.code.unwrap_or(0);
    if !(100..=599).contains(&status) {
        return Err(Reason::BadResponse);
    }
    head.start = Start::Response { status, reason };
    collect(base, parsed.headers, &mut head.fields, &mut head.present);
    drop_empty_line(head);
    Ok(())
}

/// The line that ended the head goes, so that lines which are added stand right behind those that arrived.
fn drop_empty_line(head: &mut Head) {
    head.bytes.truncate(head.bytes.len().saturating_sub(2));
}

fn tokenise_request(
    bytes: &[u8],
    fields_max: usize,
    fields: &mut Vec<Field>,
    present: &mut u32,
) -> Result<(Start, Version), Reason> {
    let mut table = [const { MaybeUninit::<Header<'_>>::uninit() }; FIELDS_CEILING];
    let table = table.get_mut(..fields_max.min(FIELDS_CEILING)).unwrap_or_default();
    let mut parsed = httparse::Request::new(&mut []);
    let end = parsed.parse_with_uninit_headers(bytes, table).map_err(reason_of)?;
    if end != httparse::Status::Complete(bytes.len()) {
        return Err(Reason::BadRequestLine);
    }
    let (method, target) = (parsed.method.unwrap_or_default(), parsed.path.unwrap_or_default());
    let base = bytes.as_ptr() as usize;
    let verb = Verb::of(method.as_bytes());
    let (method, target) = (range(base, method.as_bytes()), range(base, target.as_bytes()));
    collect(base, parsed.headers, fields, present);
    Ok((Start::Request { method, verb, target, path_len: target.len }, version_of(parsed.version)))
}

fn collect(base: usize, headers: &[Header<'_>], fields: &mut Vec<Field>, present: &mut u32) {
    fields.reserve(headers.len() + 8);
    for header in headers {
        let (name, value) = (range(base, header.name.as_bytes()), range(base, header.value));
        let known = Known::of(header.name.as_bytes());
        *present |= known.bit();
        fields.push(Field {
            name_at: name.at,
            value_at: value.at,
            value_len: value.len,
            name_len: name.len as u16,
            known,
            state: State::Line,
        });
    }
}

/// HTTP/1.2 to HTTP/1.9 are processed as 1.1; another major version is not for us.
fn lower_minor_version(bytes: &mut [u8]) -> Result<(), Reason> {
    let line = memchr::memchr(b'\r', bytes).unwrap_or(0);
    let Some(version) = bytes.get_mut(line.saturating_sub(9)..line) else { return Err(Reason::BadRequestLine) };
    match version {
        [b' ', b'H', b'T', b'T', b'P', b'/', b'1', b'.', minor @ b'2'..=b'9'] => {
            *minor = b'1';
            Ok(())
        }
        [b' ', b'H', b'T', b'T', b'P', b'/', b'0' | b'2'..=b'9', b'.', b'0'..=b'9'] => Err(Reason::VersionUnsupported),
        _ => Err(Reason::BadVersion),
    }
}

fn version_of(minor: Option<u8>) -> Version {
    if minor == Some(0) { Version::Http10 } else { Version::Http11 }
}

fn reason_of(error: Error) -> Reason {
    match error {
        Error::HeaderName | Error::HeaderValue => Reason::BadField,
        Error::NewLine => Reason::BareLineEnd,
        Error::TooManyHeaders => Reason::TooManyFields,
        Error::Version => Reason::BadVersion,
        Error::Token | Error::Status => Reason::BadRequestLine,
    }
}

fn range(base: usize, part: &[u8]) -> Range {
    Range { at: (part.as_ptr() as usize).saturating_sub(base) as u32, len: part.len() as u32 }
}
