//! Parts of a URL (RFC 3986): escaping, paths, queries, and a URL taken to pieces.

use super::TooLarge;
use super::hex::digit;
use crate::limits::{LIBRARY_BYTES_MAX, QUERY_PAIRS_MAX};

/// A URL in parts, as written: nothing is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Url<'a> {
    /// Without the colon; empty for a relative reference.
    pub scheme: &'a [u8],
    /// Before the `@`.
    pub user: Option<&'a [u8]>,
    /// Brackets included; none: there is no authority.
    pub host: Option<&'a [u8]>,
    pub port: Option<u16>,
    pub path: &'a [u8],
    pub query: Option<&'a [u8]>,
    pub fragment: Option<&'a [u8]>,
}

/// Why something is no part of a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    #[error("a `%` that is not followed by two hexadecimal digits, at byte {0}")]
    Escape(usize),
    #[error("a character that no URL can hold, at byte {0}; escape it")]
    Character(usize),
    #[error("the port is not a number up to 65535")]
    Port,
    #[error("the host is malformed")]
    Host,
    #[error("`.` and `..` are no names of segments: they would lead out of the path")]
    Dots,
    #[error("more than {QUERY_PAIRS_MAX} parameters")]
    TooManyPairs,
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
}

/// One parameter of a query, decoded.
pub type Pair = (Vec<u8>, Vec<u8>);

/// Escapes everything but letters, digits and `-._~`: fit for a segment of a path, a key or a value.
pub fn encode(bytes: &[u8]) -> Result<String, TooLarge> {
    let mut out = String::with_capacity(bytes.len());
    push(&mut out, bytes)?;
    Ok(out)
}

fn push(out: &mut String, bytes: &[u8]) -> Result<(), TooLarge> {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    if out.len().saturating_add(bytes.len().saturating_mul(3)) > LIBRARY_BYTES_MAX {
        return Err(TooLarge(LIBRARY_BYTES_MAX));
    }
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) {
            out.push(char::from(*byte));
        } else {
            let digits = [b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]];
            out.extend(digits.map(char::from));
        }
    }
    Ok(())
}

/// Undoes [`encode`]; `+` stays a plus.
pub fn decode(text: &[u8]) -> Result<Vec<u8>, UrlError> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        if *byte != b'%' {
            out.push(*byte);
            at += 1;
            continue;
        }
        let half = |at: usize| text.get(at).copied().and_then(digit);
        match (half(at + 1), half(at + 2)) {
            (Some(high), Some(low)) => out.push(high << 4 | low),
            _ => return Err(UrlError::Escape(at + 1)),
        }
        at += 3;
    }
    Ok(out)
}

/// `/u/a%2Fb` from `u` and `a/b`: a segment never becomes two. One of dots is refused, for escaped dots are dots still.
pub fn path<'a>(segments: impl IntoIterator<Item = &'a [u8]>) -> Result<String, UrlError> {
    let mut out = String::new();
    for segment in segments {
        if matches!(segment, b"." | b"..") {
            return Err(UrlError::Dots);
        }
        out.push('/');
        push(&mut out, segment)?;
    }
    if out.is_empty() {
        out.push('/');
    }
    Ok(out)
}

/// `a=1&b=x%20y`
pub fn query<'a>(pairs: impl IntoIterator<Item = (&'a [u8], &'a [u8])>) -> Result<String, TooLarge> {
    let mut out = String::new();
    for (key, value) in pairs {
        if !out.is_empty() {
            out.push('&');
        }
        push(&mut out, key)?;
        out.push('=');
        push(&mut out, value)?;
    }
    Ok(out)
}

/// The parameters of a query or a form, in order; `+` is a space. A `%` that begins no escape stands for itself, as in
/// browsers.
pub fn parse_query(text: &[u8]) -> Result<Vec<Pair>, UrlError> {
    let mut pairs = Vec::new();
    for part in text.split(|byte| *byte == b'&').filter(|part| !part.is_empty()) {
        if pairs.len() == QUERY_PAIRS_MAX {
            return Err(UrlError::TooManyPairs);
        }
        let (key, value) = match memchr::memchr(b'=', part) {
            Some(at) => (&part[..at], &part[at + 1..]),
            None => (part, &b""[..]),
        };
        pairs.push((form(key), form(value)));
    }
    Ok(pairs)
}

fn form(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        let half = |at: usize| text.get(at).copied().and_then(digit);
        match (byte, half(at + 1), half(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push(high << 4 | low);
                at += 2;
            }
            (b'+', ..) => out.push(b' '),
            _ => out.push(*byte),
        }
        at += 1;
    }
    out
}

// === impl Url ===

impl<'a> Url<'a> {
    /// Takes a URL, or a reference relative to one, to pieces.
    pub fn parse(text: &'a [u8]) -> Result<Self, UrlError> {
        if let Some(at) = text.iter().position(|b| !b.is_ascii_graphic() || b"\"<>\\^`{|}".contains(b)) {
            return Err(UrlError::Character(at + 1));
        }
        let (rest, fragment) = cut(text, b'#');
        let (rest, query) = cut(rest, b'?');
        let (scheme, rest) = match memchr::memchr2(b':', b'/', rest) {
            Some(at) if rest[at] == b':' && is_scheme(&rest[..at]) => (&rest[..at], &rest[at + 1..]),
            _ => (&b""[..], rest),
        };
        let mut url = Self { scheme, user: None, host: None, port: None, path: rest, query, fragment };
        if let Some(rest) = rest.strip_prefix(b"//") {
            let end = memchr::memchr(b'/', rest).unwrap_or(rest.len());
            url.path = &rest[end..];
            url.authority(&rest[..end])?;
        }
        Ok(url)
    }

    fn authority(&mut self, text: &'a [u8]) -> Result<(), UrlError> {
        let (user, rest) = match memchr::memrchr(b'@', text) {
            Some(at) => (Some(&text[..at]), &text[at + 1..]),
            None => (None, text),
        };
        let end = match rest.first() {
            Some(b'[') => memchr::memchr(b']', rest).ok_or(UrlError::Host)? + 1,
            _ => memchr::memchr(b':', rest).unwrap_or(rest.len()),
        };
        let (host, port) = rest.split_at(end);
        let inner = host.strip_prefix(b"[").and_then(|host| host.strip_suffix(b"]"));
        let fits = match inner {
            Some(inner) => std::str::from_utf8(inner).is_ok_and(|ip| ip.parse::<std::net::Ipv6Addr>().is_ok()),
            None => !host.iter().any(|byte| b"[]@".contains(byte)),
        };
        if !fits {
            return Err(UrlError::Host);
        }
        self.port = match port {
            b"" | b":" => None,
            _ => {
                let digits = port.strip_prefix(b":").filter(|port| port.iter().all(u8::is_ascii_digit));
                let number = digits.and_then(|port| std::str::from_utf8(port).ok()?.parse().ok());
                Some(number.ok_or(UrlError::Port)?)
            }
        };
        (self.user, self.host) = (user, Some(host));
        Ok(())
    }
}

fn is_scheme(text: &[u8]) -> bool {
    text.first().is_some_and(u8::is_ascii_alphabetic)
        && text.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte))
}

fn cut(text: &[u8], at: u8) -> (&[u8], Option<&[u8]>) {
    match memchr::memchr(at, text) {
        Some(place) => (&text[..place], Some(&text[place + 1..])),
        None => (text, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn escapes() {
        assert_eq!(encode(b"a b/c?\xc3\xa9~").unwrap(), "a%20b%2Fc%3F%C3%A9~");
        assert_eq!(decode(b"a%20b%2fc+").unwrap(), b"a b/c+");
        for text in ["%", "%1", "%g0", "a%0g"] {
            assert!(matches!(decode(text.as_bytes()), Err(UrlError::Escape(_))), "{text}");
        }
    }

    #[test]
    fn paths_cannot_be_left() {
        assert_eq!(path([&b"u"[..], b"a/b", b"\xff"]).unwrap(), "/u/a%2Fb/%FF");
        assert_eq!(path([&b"..."[..]]).unwrap(), "/...");
        assert!([&b".."[..], b"."].iter().all(|dots| path([&b"u"[..], dots]) == Err(UrlError::Dots)));
        assert_eq!(path([]).unwrap(), "/");
    }

    #[test]
    fn queries() {
        assert_eq!(query([(&b"a"[..], &b"1"[..]), (b"b c", b"&=")]).unwrap(), "a=1&b%20c=%26%3D");
        let pairs = parse_query(b"a=1&&b+c=%26%&d&=e").unwrap();
        let pairs: Vec<(&[u8], &[u8])> = pairs.iter().map(|(key, value)| (&key[..], &value[..])).collect();
        assert_eq!(pairs, [(&b"a"[..], &b"1"[..]), (b"b c", b"&%"), (b"d", b""), (b"", b"e")]);
        assert_eq!(parse_query(&b"a&".repeat(QUERY_PAIRS_MAX + 1)), Err(UrlError::TooManyPairs));
    }

    #[test]
    fn urls_of_rfc_3986() {
        let url = Url::parse(b"https://user:pw@[2001:db8::7]:8443/a/b?x=1#top").unwrap();
        assert_eq!(
            (url.scheme, url.user, url.host),
            (&b"https"[..], Some(&b"user:pw"[..]), Some(&b"[2001:db8::7]"[..]))
        );
        assert_eq!((url.port, url.path), (Some(8443), &b"/a/b"[..]));
        assert_eq!((url.query, url.fragment), (Some(&b"x=1"[..]), Some(&b"top"[..])));
        let url = Url::parse(b"/a:b?q").unwrap();
        assert_eq!((url.scheme, url.host, url.path, url.query), (&b""[..], None, &b"/a:b"[..], Some(&b"q"[..])));
        let url = Url::parse(b"mailto:a@b.c").unwrap();
        assert_eq!((url.scheme, url.host, url.path), (&b"mailto"[..], None, &b"a@b.c"[..]));
        assert_eq!(Url::parse(b"//host:/x").unwrap().port, None);
        assert_eq!(Url::parse(b"http://h:99999/"), Err(UrlError::Port));
        assert_eq!(Url::parse(b"http://h:+1/"), Err(UrlError::Port));
        assert_eq!(Url::parse(b"http://[::g]/"), Err(UrlError::Host));
        assert_eq!(Url::parse(b"http://[::1/"), Err(UrlError::Host));
        assert_eq!(Url::parse(b"http://a b/"), Err(UrlError::Character(9)));
        assert_eq!(Url::parse(b"http://a\\b/"), Err(UrlError::Character(9)));
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            prop_assert_eq!(decode(encode(&bytes).unwrap().as_bytes()).unwrap(), &bytes[..]);
            let pairs = parse_query(query([(&bytes[..], &bytes[..])]).unwrap().as_bytes()).unwrap();
            prop_assert_eq!(pairs, vec![(bytes.clone(), bytes.clone())]);
            let _ = Url::parse(&bytes);
        }
    }
}
