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
    ClientCert,
    ClientCertChain,
    XClientCertificateSubject,
    XClientCertificateNames,
    XClientCertificateFingerprint,
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
    ("client-cert", Known::ClientCert),
    ("client-cert-chain", Known::ClientCertChain),
    ("x-client-certificate-subject", Known::XClientCertificateSubject),
    ("x-client-certificate-names", Known::XClientCertificateNames),
    ("x-client-certificate-fingerprint", Known::XClientCertificateFingerprint),
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
    /// Which known field `name`, a token, is, whatever its case.
    #[must_use]
    #[inline(always)]
    pub fn of(name: &[u8]) -> Self {
        match name.len() {
            2 => one(name, b"te", Self::Te),
            3 => one(name, b"via", Self::Via),
            4 => one(name, b"host", Self::Host),
            6 => one(name, b"expect", Self::Expect),
            7 => one(name, b"trailer", Self::Trailer).or(name, b"upgrade", Self::Upgrade),
            9 => one(name, b"forwarded", Self::Forwarded),
            10 => one(name, b"connection", Self::Connection).or(name, b"keep-alive", Self::KeepAlive),
            11 => one(name, b"client-cert", Self::ClientCert),
            12 => one(name, b"x-request-id", Self::XRequestId).or(name, b"max-forwards", Self::MaxForwards),
            14 => one(name, b"content-length", Self::ContentLength),
            15 => one(name, b"x-forwarded-for", Self::XForwardedFor),
            16 => one(name, b"proxy-connection", Self::ProxyConnection).or(
                name,
                b"x-forwarded-host",
                Self::XForwardedHost,
            ),
            17 => one(name, b"transfer-encoding", Self::TransferEncoding)
                .or(name, b"x-forwarded-proto", Self::XForwardedProto)
                .or(name, b"client-cert-chain", Self::ClientCertChain),
            26 => one(name, b"x-client-certificate-names", Self::XClientCertificateNames),
            28 => one(name, b"x-client-certificate-subject", Self::XClientCertificateSubject),
            32 => one(name, b"x-client-certificate-fingerprint", Self::XClientCertificateFingerprint),
            _ => Self::Other,
        }
    }

    fn or<const N: usize>(self, name: &[u8], lower: &[u8; N], known: Self) -> Self {
        if self == Self::Other { one(name, lower, known) } else { self }
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

/// `known` if the token `name` is `lower` but for its case. Setting the bit that tells the cases apart maps no other
/// token character onto a letter or a hyphen, so that a few wide compares do.
#[inline]
fn one<const N: usize>(name: &[u8], lower: &[u8; N], known: Known) -> Known {
    let Ok(name) = <&[u8; N]>::try_from(name) else { return Known::Other };
    let differ = name.iter().zip(lower).fold(0, |differ, (a, b)| differ | ((a | 0x20) ^ b));
    if differ == 0 { known } else { Known::Other }
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
