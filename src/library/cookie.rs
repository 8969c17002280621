//! Cookies (RFC 6265): what a client sends, and what it is told to keep.

use std::fmt::Write;

use super::time;
use crate::limits::{COOKIE_BYTES_MAX, COOKIES_MAX};

/// What is said about a cookie beside its value.
#[derive(Debug, Clone, Default)]
pub struct Attributes {
    pub path: Option<String>,
    pub domain: Option<String>,
    /// Seconds; 0 or less removes it.
    pub max_age: Option<i64>,
    /// Seconds since 1970.
    pub expires: Option<f64>,
    pub secure: bool,
    pub http_only: bool,
    pub same_site: Option<SameSite>,
    pub partitioned: bool,
}

/// Which requests of other sites it goes with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SameSite {
    Strict,
    Lax,
    None,
}

/// Why a cookie cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CookieError {
    #[error("a cookie's name is a token: letters, digits and some of the punctuation, not `{0}`")]
    Name(String),
    #[error(
        "a cookie's value cannot hold white space, quotes, commas, semicolons, backslashes or other than ASCII; encode it"
    )]
    Value,
    #[error("a cookie's {0} cannot hold semicolons, control characters or other than ASCII")]
    Attribute(&'static str),
    #[error("a cookie of more than {COOKIE_BYTES_MAX} bytes: no browser keeps it")]
    TooLong,
    #[error("a cookie whose name begins with `{0}` must {1}")]
    Prefix(&'static str, &'static str),
    #[error("`same_site` none needs `secure`: browsers refuse the cookie otherwise")]
    Insecure,
    #[error(transparent)]
    Expires(#[from] time::TimeError),
}

/// The pairs of a Cookie field, in order, as sent; quotes around a value go. What has no `=` is left out, as is what comes
/// after the first `COOKIES_MAX`.
pub fn parse(field: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    field.split(|byte| *byte == b';').filter_map(pair).take(COOKIES_MAX)
}

fn pair(part: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = memchr::memchr(b'=', part)?;
    let (name, value) = (part[..at].trim_ascii(), part[at + 1..].trim_ascii());
    let value = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value);
    (!name.is_empty()).then_some((name, value))
}

/// The first cookie of that name.
#[must_use]
pub fn find<'a>(field: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    parse(field).find(|(known, _)| *known == name).map(|(_, value)| value)
}

/// The value of a Set-Cookie field.
pub fn set(name: &[u8], value: &[u8], attributes: &Attributes) -> Result<String, CookieError> {
    let token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    let octet = |byte: &u8| matches!(byte, 0x21 | 0x23..=0x2b | 0x2d..=0x3a | 0x3c..=0x5b | 0x5d..=0x7e);
    if name.is_empty() || !name.iter().all(token) {
        return Err(CookieError::Name(String::from_utf8_lossy(name).chars().take(64).collect()));
    }
    if !value.iter().all(octet) {
        return Err(CookieError::Value);
    }
    if name.len() + value.len() > COOKIE_BYTES_MAX {
        return Err(CookieError::TooLong);
    }
    prefixes(name, attributes)?;
    let mut out = format!("{}={}", String::from_utf8_lossy(name), String::from_utf8_lossy(value));
    let texts = [("Path", "path", &attributes.path), ("Domain", "domain", &attributes.domain)];
    for (label, key, text) in texts {
        let Some(text) = text else { continue };
        if text.len() > COOKIE_BYTES_MAX || !text.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b';') {
            return Err(CookieError::Attribute(key));
        }
        let _always = write!(out, "; {label}={text}");
    }
    if let Some(seconds) = attributes.max_age {
        let _always = write!(out, "; Max-Age={seconds}");
    }
    if let Some(at) = attributes.expires {
        let _always = write!(out, "; Expires={}", time::http(at)?);
    }
    for (wanted, label) in [
        (attributes.secure, "; Secure"),
        (attributes.http_only, "; HttpOnly"),
        (attributes.partitioned, "; Partitioned"),
        (attributes.same_site == Some(SameSite::Strict), "; SameSite=Strict"),
        (attributes.same_site == Some(SameSite::Lax), "; SameSite=Lax"),
        (attributes.same_site == Some(SameSite::None), "; SameSite=None"),
    ] {
        if wanted {
            out.push_str(label);
        }
    }
    Ok(out)
}

/// What browsers ask of certain names and attributes: better told here than missed there.
fn prefixes(name: &[u8], attributes: &Attributes) -> Result<(), CookieError> {
    let begins = |prefix: &str| name.get(..prefix.len()).is_some_and(|b| b.eq_ignore_ascii_case(prefix.as_bytes()));
    if begins("__secure-") && !attributes.secure {
        return Err(CookieError::Prefix("__Secure-", "be `secure`"));
    }
    if begins("__host-") {
        let rooted = attributes.path.as_deref() == Some("/");
        if !attributes.secure || !rooted || attributes.domain.is_some() {
            return Err(CookieError::Prefix("__Host-", "be `secure`, have the path `/` and no domain"));
        }
    }
    if attributes.same_site == Some(SameSite::None) && !attributes.secure {
        return Err(CookieError::Insecure);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_clients_send() {
        let pairs: Vec<_> = parse(b"SID=31d4; lang=en-US;q=\"a b\" ;; flag; =x; e=;a=1=2").collect();
        let expected: [(&[u8], &[u8]); 5] =
            [(b"SID", b"31d4"), (b"lang", b"en-US"), (b"q", b"a b"), (b"e", b""), (b"a", b"1=2")];
        assert_eq!(pairs, expected);
        assert_eq!(find(b"a=1; a=2", b"a"), Some(&b"1"[..]));
        assert_eq!(parse(&b"a=1;".repeat(COOKIES_MAX + 5)).count(), COOKIES_MAX);
    }

    #[test]
    fn writes_the_examples_of_rfc_6265() {
        let plain = Attributes::default();
        assert_eq!(set(b"SID", b"31d4", &plain).unwrap(), "SID=31d4");
        let all = Attributes {
            path: Some("/".into()),
            domain: Some("example.com".into()),
            max_age: Some(3600),
            expires: Some(784_111_777.0),
            secure: true,
            http_only: true,
            same_site: Some(SameSite::Lax),
            partitioned: false,
        };
        assert_eq!(
            set(b"SID", b"31d4", &all).unwrap(),
            "SID=31d4; Path=/; Domain=example.com; Max-Age=3600; Expires=Sun, 06 Nov 1994 08:49:37 GMT; Secure; HttpOnly; \
             SameSite=Lax"
        );
    }

    #[test]
    fn refuses_what_would_be_read_as_something_else() {
        let plain = Attributes::default();
        for (name, value) in
            [("", "x"), ("a b", "x"), ("a=", "x"), ("a", "x;y"), ("a", "x\r\n"), ("a", "é"), ("a", "x y")]
        {
            assert!(set(name.as_bytes(), value.as_bytes(), &plain).is_err(), "{name}={value}");
        }
        let path = Attributes { path: Some("/; Domain=evil".into()), ..Attributes::default() };
        assert_eq!(set(b"a", b"b", &path), Err(CookieError::Attribute("path")));
        let none = Attributes { same_site: Some(SameSite::None), ..Attributes::default() };
        assert_eq!(set(b"a", b"b", &none), Err(CookieError::Insecure));
        assert!(matches!(set(b"__Host-a", b"b", &plain), Err(CookieError::Prefix(..))));
        assert_eq!(set(b"a", &[b'x'; COOKIE_BYTES_MAX], &plain), Err(CookieError::TooLong));
    }
}
