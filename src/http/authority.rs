//! Hosts and ports: the value of Host and the authority of a target (RFC 9110 sections 4.2.3 and 7.2, RFC 3986 3.2).
//!
//! The grammar of a reg-name is wider than any name that is ever looked up. We take its unreserved characters and
//! sub-delims, and refuse what two readers could take for two hosts: percent escapes (decoded by some, not by others),
//! commas (a list to some), userinfo, zone identifiers and IPvFuture.

use std::net::Ipv6Addr;

use super::lanes;
use crate::failure::Reason;

/// A port has at most five digits; more are leading zeros that some readers cut and others do not.
const PORT_DIGITS: usize = 5;

/// Which bytes a name or an IPv4 address may hold: unreserved and sub-delims without the comma.
const NAME: [bool; 256] = {
    let mut table = [false; 256];
    let allowed = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~!$&'()*+;=";
    let mut at = 0;
    while at < allowed.len() {
        table[allowed[at] as usize] = true;
        at += 1;
    }
    table
};

/// Checks the value of a Host field, or an authority without userinfo: `uri-host [":" port]`.
///
/// `host:` with an empty port is allowed, as RFC 3986 section 3.2.3 has it.
///
/// # Errors
/// `BadHost` for everything else, the empty value included (see [`is_empty`]).
//= rfc9112#section-3.2
//# A server MUST respond with a 400 (Bad Request) status code [...] to any request message that contains more than one
//# Host header field line or a Host header field with an invalid field value.
pub fn check_host(value: &[u8]) -> Result<(), Reason> {
    let host = host_len(value).ok_or(Reason::BadHost)?;
    match value.get(host..) {
        None | Some([]) => Ok(()),
        Some([b':', port @ ..]) if port.is_empty() || port_number(port).is_some() => Ok(()),
        Some(_) => Err(Reason::BadHost),
    }
}

/// Whether a Host value names no host at all; legal only where the target has no authority (RFC 9112 section 3.2).
#[must_use]
pub fn is_empty(value: &[u8]) -> bool {
    value.is_empty()
}

/// Splits `host[:port]`; an empty or impossible port is `None`. The brackets of an IPv6 literal stay with the host.
///
/// Meant for values that [`check_host`] passed; for others it gives some split, and never panics.
#[must_use]
pub fn split_port(value: &[u8]) -> (&[u8], Option<u16>) {
    let after_literal = match value.first() {
        Some(b'[') => value.iter().position(|&byte| byte == b']').map_or(value.len(), |at| at + 1),
        _ => 0,
    };
    let colon = value.iter().skip(after_literal).position(|&byte| byte == b':').map(|at| at + after_literal);
    match colon.and_then(|at| value.split_at_checked(at)) {
        Some((host, port)) => (host, port_number(port.get(1..).unwrap_or_default())),
        None => (value, None),
    }
}

/// Whether two authorities are the same bytes, letter case aside (RFC 9110 section 4.2.3).
///
/// Default ports are not filled in: without a scheme nobody knows them.
#[must_use]
pub fn same(one: &[u8], other: &[u8]) -> bool {
    one.eq_ignore_ascii_case(other)
}

/// Bytes of the host at the start of `value`, brackets included; `None` if no valid host stands there.
fn host_len(value: &[u8]) -> Option<usize> {
    if value.first() == Some(&b'[') {
        let end = value.iter().position(|&byte| byte == b']')?;
        // Neither a zone (`%eth0`, RFC 6874) nor IPvFuture passes here: no two parsers agree on them.
        let literal = std::str::from_utf8(value.get(1..end)?).ok()?;
        return literal.parse::<Ipv6Addr>().ok().map(|_| end + 1);
    }
    let mut len = lanes::host_characters(value, 0);
    if value.get(len).is_some_and(|byte| *byte != b':') {
        let rest = value.get(len..).unwrap_or_default();
        len += rest.iter().position(|&byte| !NAME[byte as usize]).unwrap_or(rest.len());
    }
    (len > 0).then_some(len)
}

/// A port of one to five digits, at most 65535.
fn port_number(digits: &[u8]) -> Option<u16> {
    if digits.is_empty() || digits.len() > PORT_DIGITS {
        return None;
    }
    let mut port = 0u32;
    for &digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        port = port * 10 + u32::from(digit - b'0');
    }
    u16::try_from(port).ok()
}

/// Any bytes: no panic, and what passes splits into parts that pass.
#[doc(hidden)]
pub fn fuzz_authority(data: &[u8]) {
    let (host, port) = split_port(data);
    if check_host(data).is_ok() {
        assert!(check_host(host).is_ok(), "a host of a good authority is good");
        assert!(data.starts_with(host) && same(data, &data.to_ascii_uppercase()));
        if let Some(port) = port {
            let joined = [host, b":", port.to_string().as_bytes()].concat();
            assert_eq!(split_port(&joined), (host, Some(port)));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hosts_that_pass() {
        for good in [
            "example.com",
            "EXAMPLE.com",
            "a",
            "a_b.c",
            "xn--bcher-kva.example",
            "example.com.",
            "127.0.0.1",
            "host:80",
            "host:",
            "host:0",
            "host:65535",
            "[::1]",
            "[::1]:8080",
            "[::ffff:1.2.3.4]:",
            "sub-delims!$&'()*+;=~",
        ] {
            assert_eq!(check_host(good.as_bytes()), Ok(()), "{good}");
        }
    }

    #[test]
    fn defect_host_bad() {
        for bad in [
            &b""[..],
            b" ",
            b"a b",
            b" a",
            b"a ",
            b"a\tb",
            b"a/b",
            b"a?b",
            b"a#b",
            b"user@a",
            b"a\\b",
            b"a\0",
            b"a\x7f",
            b"a\r",
            b"b\xc3\xbccher",
            b"a,b",
            b"a%41",
            b"a%",
            b"http://a",
            b"a:b",
            b"a:80:80",
            b"a:65536",
            b"a:99999",
            b"a:+80",
            b"a:-1",
            b"a:000080",
            b"a: 80",
            b"a:80 ",
            b":80",
            b":",
            b"::1",
            b"[",
            b"[]",
            b"[]:80",
            b"[::1",
            b"::1]",
            b"[::1]x",
            b"[::1]80",
            b"[::1]]",
            b"[[::1]]",
            b"[::g]",
            b"[1.2.3.4]",
            b"[fe80::1%eth0]",
            b"[fe80::1%25eth0]",
            b"[v1.x]",
            b"[1:2:3:4:5:6:7:8:9]",
            b"[::1]:65536",
            b"a[",
            b"a]",
            b"<a>",
            b"a\"",
            b"a|b",
            b"a^b",
            b"{a}",
            b"`a`",
        ] {
            assert_eq!(check_host(bad), Err(Reason::BadHost), "{}", bad.escape_ascii());
        }
    }

    #[test]
    fn ports_split_off() {
        for (value, host, port) in [
            ("a", "a", None),
            ("a:", "a", None),
            ("a:80", "a", Some(80)),
            ("[::1]", "[::1]", None),
            ("[::1]:443", "[::1]", Some(443)),
            ("a:x", "a", None),
            ("", "", None),
            ("[::1", "[::1", None),
        ] {
            assert_eq!(split_port(value.as_bytes()), (host.as_bytes(), port), "{value}");
        }
        assert!(same(b"Example.COM:80", b"example.com:80") && !same(b"a", b"a:80") && is_empty(b""));
    }

    proptest! {
        #[test]
        fn never_panics(data in proptest::collection::vec(any::<u8>(), 0..40)) { fuzz_authority(&data); }

        #[test]
        fn near_misses(data in "[a\\[\\]:0-9.f%@,-]{0,24}") { fuzz_authority(data.as_bytes()); }
    }
}
