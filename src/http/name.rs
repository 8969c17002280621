//! Field names that the proxy itself has to know, told apart once, when a head is parsed.

/// A field the proxy knows; everything else is [`Known::Other`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Known {
    Other,
    Host,
    Connection,
    ContentLength,
    TransferEncoding,
    Te,
    Trailer,
    Upgrade,
    KeepAlive,
    ProxyConnection,
    Expect,
    Via,
    Forwarded,
    XForwardedFor,
    XForwardedProto,
    XForwardedHost,
    XRequestId,
    MaxForwards,
    Date,
    Server,
    Accept,
    ContentType,
    Location,
    UserAgent,
    Referer,
}

/// Every known field's name, in lower case, in the order of the enum.
const NAMES: &[(&str, Known)] = &[
    ("host", Known::Host),
    ("connection", Known::Connection),
    ("content-length", Known::ContentLength),
    ("transfer-encoding", Known::TransferEncoding),
    ("te", Known::Te),
    ("trailer", Known::Trailer),
    ("upgrade", Known::Upgrade),
    ("keep-alive", Known::KeepAlive),
    ("proxy-connection", Known::ProxyConnection),
    ("expect", Known::Expect),
    ("via", Known::Via),
    ("forwarded", Known::Forwarded),
    ("x-forwarded-for", Known::XForwardedFor),
    ("x-forwarded-proto", Known::XForwardedProto),
    ("x-forwarded-host", Known::XForwardedHost),
    ("x-request-id", Known::XRequestId),
    ("max-forwards", Known::MaxForwards),
    ("date", Known::Date),
    ("server", Known::Server),
    ("accept", Known::Accept),
    ("content-type", Known::ContentType),
    ("location", Known::Location),
    ("user-agent", Known::UserAgent),
    ("referer", Known::Referer),
];

/// A field name prepared once, so that a look-up costs a length and a compare.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FieldName {
    lower: Box<str>,
    known: Known,
}

/// Why a text is no field name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a field name: expected letters, digits and !#$%&'*+-.^_`|~")]
pub struct BadName;

// === impl Known ===

impl Known {
    /// Which known field `name` is, whatever its case.
    #[must_use]
    pub fn of(name: &[u8]) -> Self {
        let candidates: &[(&str, Self)] = match (name.len(), name.first().map(u8::to_ascii_lowercase)) {
            (2, Some(b't')) => &NAMES[4..5],
            (3, Some(b'v')) => &NAMES[10..11],
            (4, Some(b'h')) => &NAMES[0..1],
            (4, Some(b'd')) => &NAMES[17..18],
            (6, Some(b'e')) => &NAMES[9..10],
            (6, Some(b's')) => &NAMES[18..19],
            (6, Some(b'a')) => &NAMES[19..20],
            (7, Some(b't')) => &NAMES[5..6],
            (7, Some(b'u')) => &NAMES[6..7],
            (7, Some(b'r')) => &NAMES[23..24],
            (8, Some(b'l')) => &NAMES[21..22],
            (9, Some(b'f')) => &NAMES[11..12],
            (10, Some(b'c')) => &NAMES[1..2],
            (10, Some(b'k')) => &NAMES[7..8],
            (10, Some(b'u')) => &NAMES[22..23],
            (12, Some(b'x')) => &NAMES[15..16],
            (12, Some(b'm')) => &NAMES[16..17],
            (12, Some(b'c')) => &NAMES[20..21],
            (14, Some(b'c')) => &NAMES[2..3],
            (15, Some(b'x')) => &NAMES[12..13],
            (16, Some(b'p')) => &NAMES[8..9],
            (16, Some(b'x')) => &NAMES[14..15],
            (17, Some(b't')) => &NAMES[3..4],
            (17, Some(b'x')) => &NAMES[13..14],
            _ => return Self::Other,
        };
        candidates.iter().find(|(text, _)| name.eq_ignore_ascii_case(text.as_bytes())).map_or(Self::Other, |(_, k)| *k)
    }

    /// Its name in lower case; empty for `Other`.
    #[must_use]
    pub fn name(self) -> &'static str {
        NAMES.get((self as usize).wrapping_sub(1)).map_or("", |(name, _)| name)
    }

    /// Framing and connection management: the proxy's own, never a policy's.
    #[must_use]
    pub fn is_framing(self) -> bool {
        use Known::{Connection, ContentLength, KeepAlive, ProxyConnection, Te, Trailer, TransferEncoding, Upgrade};
        matches!(
            self,
            Connection | ContentLength | TransferEncoding | Te | Trailer | Upgrade | KeepAlive | ProxyConnection
        )
    }

    pub(super) const fn bit(self) -> u32 {
        1 << self as u32
    }
}

// === impl FieldName ===

impl FieldName {
    /// Checks and lower-cases a name (RFC 9110 section 5.1: a token).
    pub fn new(name: &str) -> Result<Self, BadName> {
        if name.is_empty() || !name.bytes().all(is_token) {
            return Err(BadName);
        }
        Ok(Self { lower: name.to_ascii_lowercase().into(), known: Known::of(name.as_bytes()) })
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.lower
    }

    #[must_use]
    pub fn known(&self) -> Known {
        self.known
    }
}

impl From<Known> for FieldName {
    fn from(known: Known) -> Self {
        Self { lower: known.name().into(), known }
    }
}

/// A character of a token, RFC 9110 section 5.6.2.
#[must_use]
pub const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
        )
}

/// Whether a value may stand in a field line: no control characters but HTAB, no space at either end.
#[must_use]
pub fn is_field_value(value: &[u8]) -> bool {
    let plain = |b: &u8| matches!(b, b'\t' | 0x20..=0x7e | 0x80..=0xff);
    let edge = |b: Option<&u8>| matches!(b, Some(b' ' | b'\t'));
    value.iter().all(plain) && !edge(value.first()) && !edge(value.last())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_name_is_found_in_any_case() {
        for (name, known) in NAMES {
            assert_eq!(Known::of(name.as_bytes()), *known);
            assert_eq!(Known::of(name.to_ascii_uppercase().as_bytes()), *known);
            assert_eq!(known.name(), *name);
            assert_eq!(Known::of(&name.as_bytes()[1..]), Known::Other);
        }
        assert_eq!(Known::of(b""), Known::Other);
    }
}
