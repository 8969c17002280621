//! The trailer section of a chunked body (RFC 9112 section 7.1.2): kept raw, checked line by line, forwarded in part.

use crate::failure::Reason;
use crate::limits::{TRAILER_BYTES_MAX, TRAILER_FIELDS_MAX};

/// Token characters (RFC 9110 section 5.6.2): of field names, methods and chunk extensions.
const TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let allowed = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-.^_`|~";
    let mut at = 0;
    while at < allowed.len() {
        table[allowed[at] as usize] = true;
        at += 1;
    }
    table
};

/// What must not arrive after the body, in lower case: it would change a decision that was made on the head.
//= rfc9110#section-6.5.1
//# Many fields cannot be processed outside the header section because their evaluation is necessary prior to receiving
//# the content, such as those that describe message framing, routing, authentication, request modifiers, response
//# controls, or content format.
const FORBIDDEN: &[&str] = &[
    // Framing and the connection.
    "connection",
    "http2-settings",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    // Routing, and who the client is.
    "forwarded",
    "host",
    "max-forwards",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-real-ip",
    "x-request-id",
    // Authentication and cookies.
    "authorization",
    "cookie",
    "proxy-authenticate",
    "proxy-authorization",
    "set-cookie",
    "www-authenticate",
    // Request modifiers.
    "cache-control",
    "expect",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "pragma",
    "range",
    // Response controls; ETag may stand here (RFC 9110 section 8.8.3).
    "age",
    "date",
    "expires",
    "last-modified",
    "location",
    "retry-after",
    "vary",
    "warning",
];

/// A trailer section: raw field lines, each checked, each with its CRLF.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Trailers {
    raw: Vec<u8>,
    /// Where the line that is being read begins.
    line: usize,
    fields: usize,
}

// === impl Trailers ===

impl Trailers {
    /// The fields that may be forwarded, in order, values without the white space around them.
    ///
    /// Fields of RFC 9110 section 6.5.1 are left out. What Connection names must be left out by the caller, who has
    /// the head.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let lines = self.raw.get(..self.line).unwrap_or_default().split_inclusive(|&byte| byte == b'\n');
        lines.filter_map(|line| field(line.strip_suffix(b"\r\n")?)).filter(|(name, _)| may_trail(name))
    }

    /// Adds a field that did not come as a line.
    ///
    /// # Errors
    /// `BadChunk`: not a field, or too many or too long.
    pub fn add(&mut self, name: &str, value: &[u8]) -> Result<(), Reason> {
        let line = [name.as_bytes(), b": ", value, b"\r\n"].concat();
        match self.push(&line)? {
            (taken, true) if taken == line.len() => Ok(()),
            _ => Err(Reason::BadChunk),
        }
    }

    /// Takes bytes up to the end of the current line; gives how many, and whether the line is complete.
    ///
    /// # Errors
    /// `BadChunk`: not a field line, or too many or too long.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(usize, bool), Reason> {
        let line_end = memchr::memchr(b'\n', bytes);
        let take = line_end.map_or(bytes.len(), |at| at + 1);
        if take > TRAILER_BYTES_MAX.saturating_sub(self.raw.len()) {
            return Err(Reason::BadChunk);
        }
        self.raw.extend_from_slice(bytes.get(..take).unwrap_or_default());
        if line_end.is_some() {
            let line = self.raw.get(self.line..).and_then(|line| line.strip_suffix(b"\r\n"));
            line.and_then(field).ok_or(Reason::BadChunk)?;
            self.line = self.raw.len();
            self.fields += 1;
            if self.fields > TRAILER_FIELDS_MAX {
                return Err(Reason::BadChunk);
            }
        }
        Ok((take, line_end.is_some()))
    }
}

/// A byte of a token.
pub(super) const fn is_token(byte: u8) -> bool {
    TOKEN[byte as usize]
}

/// A byte of a field value or a quoted string: no control character but the tab.
pub(super) const fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

/// Name and value of a field line without its CRLF.
//= rfc9112#section-5
//# field-line = field-name ":" OWS field-value OWS
fn field(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = line.iter().position(|&byte| !is_token(byte))?;
    let (name, value) = line.split_at_checked(colon)?;
    let value = value.strip_prefix(b":")?;
    let good = !name.is_empty() && value.iter().all(|&byte| is_text(byte));
    good.then(|| (name, value.trim_ascii()))
}

/// Whether a field of this name may be forwarded as a trailer.
///
/// Of `content-*` only the digest, which is made to stand behind what it is the digest of (RFC 9530 section 6).
#[must_use]
pub fn may_trail(name: &[u8]) -> bool {
    let content = name.get(..8).is_some_and(|prefix| prefix.eq_ignore_ascii_case(b"content-"));
    if content {
        return name.eq_ignore_ascii_case(b"content-digest");
    }
    !FORBIDDEN.iter().any(|forbidden| name.eq_ignore_ascii_case(forbidden.as_bytes()))
}
