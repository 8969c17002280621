//! The PROXY protocol, versions 1 and 2: who a connection comes from, told by whoever passes it on. Pure functions over
//! bytes; who may be believed is decided elsewhere.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::limits::{PROXY_V1_BYTES_MAX, PROXY_V2_BYTES_MAX};

/// Which of the two is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    V1,
    V2,
}

/// What a header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// From where, to where.
    Ip { from: SocketAddr, to: SocketAddr },
    /// By a unix socket.
    Unix,
    /// Nothing about it: the neighbour speaks for itself (`LOCAL`, a health check), or says `UNKNOWN`.
    Unsaid,
}

/// A header that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    pub origin: Origin,
    /// The client had come by TLS, which the neighbour has taken off (version 2, `PP2_TYPE_SSL`).
    pub secure: bool,
    /// Its length in bytes.
    pub length: usize,
}

/// What bytes that may be a header are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Read {
    Whole(Header),
    /// The beginning of one, and how many bytes more belong to it at least.
    Part(usize),
}

/// Bytes that are no header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadHeader(pub &'static str);

/// What version 2 begins with.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// The signature, version and command, family, length.
const FIXED: usize = 16;
/// Bytes of the shortest lines, by what they begin with.
const LINES: [(&[u8], usize); 3] = [(b"PROXY TCP4", 32), (b"PROXY TCP6", 22), (b"PROXY ", 15)];
/// The TLV that tells of TLS, and the bit that says the client came by it.
const TLV_SSL: u8 = 0x20;
const CLIENT_SSL: u8 = 1;

/// Reads a header of either version.
pub fn read(bytes: &[u8]) -> Result<Read, BadHeader> {
    let begins = |with: &[u8]| bytes.iter().zip(with).all(|(one, other)| one == other);
    if begins(SIGNATURE) {
        return read_v2(bytes);
    }
    if begins(b"PROXY ") {
        return read_v1(bytes);
    }
    Err(BadHeader("no PROXY header, where a trusted neighbour must send one"))
}

/// Appends a header for a client at `from` that came to `to`; `None`: by no IP address.
pub fn write(version: Version, ends: Option<(SocketAddr, SocketAddr)>, out: &mut Vec<u8>) {
    let ends = ends.map(|(from, to)| alike(from, to));
    match (version, ends) {
        (Version::V1, None) => out.extend_from_slice(b"PROXY UNKNOWN\r\n"),
        (Version::V1, Some((from, to))) => {
            let family = if from.is_ipv4() { "TCP4" } else { "TCP6" };
            let line = format!("PROXY {family} {} {} {} {}\r\n", from.ip(), to.ip(), from.port(), to.port());
            out.extend_from_slice(line.as_bytes());
        }
        (Version::V2, ends) => write_v2(ends, out),
    }
}

fn read_v1(bytes: &[u8]) -> Result<Read, BadHeader> {
    let within = bytes.get(..PROXY_V1_BYTES_MAX).unwrap_or(bytes);
    let Some(end) = memchr::memchr(b'\n', within) else {
        if bytes.len() >= PROXY_V1_BYTES_MAX {
            return Err(BadHeader("a PROXY line of more than 107 bytes"));
        }
        let shortest = LINES.iter().find(|(begin, _)| bytes.starts_with(begin)).map_or(15, |(_, shortest)| *shortest);
        let line_end = if bytes.ends_with(b"\r") { 1 } else { 2 };
        return Ok(Read::Part(shortest.saturating_sub(bytes.len()).max(line_end)));
    };
    let line = within.get(..end).and_then(|line| line.strip_suffix(b"\r"));
    let line = line.and_then(|line| std::str::from_utf8(line).ok()).ok_or(BadHeader("a PROXY line without CRLF"))?;
    let words: Vec<&str> = line.split(' ').collect();
    let origin = match words.as_slice() {
        ["PROXY", "UNKNOWN", ..] => Origin::Unsaid,
        ["PROXY", family @ ("TCP4" | "TCP6"), from, to, from_port, to_port] => {
            let ip = |text: &str| {
                let ip = text.parse::<IpAddr>().ok().filter(|ip| ip.is_ipv4() == (*family == "TCP4"));
                ip.ok_or(BadHeader("a PROXY line with a malformed address"))
            };
            let port = |text: &str| {
                let digits = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
                let port = digits.then(|| text.parse::<u16>().ok()).flatten();
                port.ok_or(BadHeader("a PROXY line with a malformed port"))
            };
            let from = SocketAddr::new(ip(from)?, port(from_port)?);
            Origin::Ip { from, to: SocketAddr::new(ip(to)?, port(to_port)?) }
        }
        _ => return Err(BadHeader("a malformed PROXY line")),
    };
    Ok(Read::Whole(Header { origin, secure: false, length: end + 1 }))
}

fn read_v2(bytes: &[u8]) -> Result<Read, BadHeader> {
    let Some((fixed, rest)) = bytes.split_first_chunk::<FIXED>() else {
        // The shortest line of version 1 is shorter: it may still be one.
        return Ok(Read::Part(if bytes.is_empty() { 15 } else { FIXED - bytes.len() }));
    };
    let [.., command, family, high, low] = *fixed;
    let length = usize::from(u16::from_be_bytes([high, low]));
    if FIXED + length > PROXY_V2_BYTES_MAX {
        return Err(BadHeader("a PROXY header that is too long"));
    }
    let local = match command {
        0x20 => true,
        0x21 => false,
        _ => return Err(BadHeader("a PROXY header of an unknown version or command")),
    };
    let Some(said) = rest.get(..length) else { return Ok(Read::Part(length - rest.len())) };
    let (origin, more) = match (local, family) {
        (false, 0x11) => ends::<4>(said, |ip| Ipv4Addr::from(ip).into())?,
        (false, 0x21) => ends::<16>(said, |ip| Ipv6Addr::from(ip).into())?,
        (false, 0x31) => (Origin::Unix, said.get(216..).ok_or(BadHeader("a PROXY header that is too short"))?),
        // The spec: what is not known is not an error, it is as if nothing were said.
        _ => (Origin::Unsaid, &[][..]),
    };
    Ok(Read::Whole(Header { origin, secure: tells_tls(more)?, length: FIXED + length }))
}

/// Two addresses, two ports; and what follows them.
fn ends<const N: usize>(said: &[u8], ip: fn([u8; N]) -> IpAddr) -> Result<(Origin, &[u8]), BadHeader> {
    let short = BadHeader("a PROXY header that is too short");
    let (from, rest) = said.split_first_chunk::<N>().ok_or(short)?;
    let (to, rest) = rest.split_first_chunk::<N>().ok_or(short)?;
    let ([a, b, c, d], rest) = rest.split_first_chunk::<4>().ok_or(short)?;
    let at = |address: &[u8; N], port: [u8; 2]| SocketAddr::new(ip(*address), u16::from_be_bytes(port));
    Ok((Origin::Ip { from: at(from, [*a, *b]), to: at(to, [*c, *d]) }, rest))
}

/// Walks the TLVs; only the one about TLS means anything to us.
fn tells_tls(mut more: &[u8]) -> Result<bool, BadHeader> {
    let mut secure = false;
    while let Some(([kind, high, low], rest)) = more.split_first_chunk::<3>() {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let (value, after) = rest.split_at_checked(length).ok_or(BadHeader("a PROXY header with a broken TLV"))?;
        secure |= *kind == TLV_SSL && value.first().is_some_and(|client| client & CLIENT_SSL != 0);
        more = after;
    }
    if more.is_empty() { Ok(secure) } else { Err(BadHeader("a PROXY header with a broken TLV")) }
}

fn write_v2(ends: Option<(SocketAddr, SocketAddr)>, out: &mut Vec<u8>) {
    out.extend_from_slice(SIGNATURE);
    out.push(0x21);
    match ends {
        None => out.extend_from_slice(&[0, 0, 0]),
        Some((from, to)) => {
            let four = from.is_ipv4();
            out.extend_from_slice(if four { &[0x11, 0, 12] } else { &[0x21, 0, 36] });
            for end in [from, to] {
                match end.ip() {
                    IpAddr::V4(ip) => out.extend_from_slice(&ip.octets()),
                    IpAddr::V6(ip) => out.extend_from_slice(&ip.octets()),
                }
            }
            out.extend_from_slice(&from.port().to_be_bytes());
            out.extend_from_slice(&to.port().to_be_bytes());
        }
    }
}

/// Both of one family: IPv4 where both can be, else IPv6.
fn alike(from: SocketAddr, to: SocketAddr) -> (SocketAddr, SocketAddr) {
    let plain = |end: SocketAddr| SocketAddr::new(end.ip().to_canonical(), end.port());
    let (from, to) = (plain(from), plain(to));
    let six = |end: SocketAddr| match end.ip() {
        IpAddr::V4(ip) => SocketAddr::new(ip.to_ipv6_mapped().into(), end.port()),
        IpAddr::V6(_) => end,
    };
    if from.is_ipv4() == to.is_ipv4() { (from, to) } else { (six(from), six(to)) }
}

#[doc(hidden)]
/// Fuzz target: what is read as a header is one whatever follows it, none of its beginnings is one, and what we would
/// write of it reads back.
pub fn fuzz_proxy_header(bytes: &[u8]) {
    let Ok(Read::Whole(header)) = read(bytes) else { return };
    assert!(header.length <= bytes.len().min(PROXY_V2_BYTES_MAX));
    let (own, _) = bytes.split_at(header.length);
    assert_eq!(read(own), Ok(Read::Whole(header)));
    for length in 0..own.len() {
        let part = own.get(..length).map(read);
        let Some(Ok(Read::Part(more))) = part else { unreachable!("{length} of {header:?}: {part:?}") };
        assert!(more > 0 && length + more <= own.len(), "{length} and {more} of {header:?}");
    }
    let Origin::Ip { from, to } = header.origin else { return };
    for version in [Version::V1, Version::V2] {
        let mut out = Vec::new();
        write(version, Some((from, to)), &mut out);
        let (from, to) = alike(from, to);
        let again = Header { origin: Origin::Ip { from, to }, secure: false, length: out.len() };
        assert_eq!(read(&out), Ok(Read::Whole(again)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v2(command: u8, family: u8, said: &[u8]) -> Vec<u8> {
        [SIGNATURE.as_slice(), &[command, family], &(said.len() as u16).to_be_bytes(), said].concat()
    }

    fn origin(bytes: &[u8]) -> Option<Origin> {
        match read(bytes) {
            Ok(Read::Whole(header)) => Some(header.origin),
            _ => None,
        }
    }

    fn ip(from: &str, to: &str) -> Option<Origin> {
        Some(Origin::Ip { from: from.parse().unwrap(), to: to.parse().unwrap() })
    }

    #[test]
    fn lines_are_read_strictly() {
        let four = ip("192.0.2.1:1000", "192.0.2.2:80");
        assert_eq!(origin(b"PROXY TCP4 192.0.2.1 192.0.2.2 1000 80\r\nGET / HTTP/1.1\r\n"), four);
        assert_eq!(origin(b"PROXY TCP6 2001:db8::1 ::1 1 0\r\n"), ip("[2001:db8::1]:1", "[::1]:0"));
        assert_eq!(origin(b"PROXY UNKNOWN\r\n"), Some(Origin::Unsaid));
        assert_eq!(origin(b"PROXY UNKNOWN ffff::1 whatever\r\n"), Some(Origin::Unsaid));
        let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(100));
        for bad in [
            "PROXY TCP4 192.0.2.1 192.0.2.2 1000 80\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 1000\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 1000 80 \r\n",
            "PROXY  TCP4 192.0.2.1 192.0.2.2 1000 80\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 01000 80\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 +1000 80\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 65536 80\r\n",
            "PROXY TCP4 192.0.2.01 192.0.2.2 1 80\r\n",
            "PROXY TCP4 ::1 ::1 1 80\r\n",
            "PROXY TCP6 192.0.2.1 192.0.2.2 1 80\r\n",
            "PROXY UDP4 192.0.2.1 192.0.2.2 1 80\r\n",
            "proxy TCP4 192.0.2.1 192.0.2.2 1 80\r\n",
            "GET / HTTP/1.1\r\n",
            long.as_str(),
        ] {
            assert!(read(bad.as_bytes()).is_err(), "{bad}");
        }
        assert_eq!(read(b""), Ok(Read::Part(15)));
        assert_eq!(read(b"PROXY TCP4 192.0.2.1 192.0.2.2 1000 80\r"), Ok(Read::Part(1)));
    }

    #[test]
    fn version_two_is_read_with_what_it_says_of_tls() {
        let four = [192, 0, 2, 1, 192, 0, 2, 2, 3, 232, 0, 80];
        let expected = ip("192.0.2.1:1000", "192.0.2.2:80");
        assert_eq!(origin(&v2(0x21, 0x11, &four)), expected);
        assert_eq!(origin(&v2(0x20, 0x11, &four)), Some(Origin::Unsaid), "LOCAL");
        assert_eq!(origin(&v2(0x20, 0x00, &[])), Some(Origin::Unsaid));
        assert_eq!(origin(&v2(0x21, 0x12, &four)), Some(Origin::Unsaid), "a datagram");
        assert_eq!(origin(&v2(0x21, 0x31, &[0; 216])), Some(Origin::Unix));
        let tlvs = |tlvs: &[u8]| v2(0x21, 0x11, &[&four[..], tlvs].concat());
        let secure = |bytes: &[u8]| matches!(read(bytes), Ok(Read::Whole(Header { secure: true, .. })));
        assert!(secure(&tlvs(&[0x04, 0, 1, 0, 0x20, 0, 5, 1, 0, 0, 0, 0])));
        assert!(!secure(&tlvs(&[0x20, 0, 5, 2, 0, 0, 0, 0])));
        for bad in [
            v2(0x21, 0x11, &four[..11]),
            v2(0x21, 0x21, &four),
            v2(0x21, 0x31, &[0; 215]),
            v2(0x11, 0x11, &four),
            v2(0x22, 0x11, &four),
            v2(0x20, 0x00, &[0; PROXY_V2_BYTES_MAX]),
            tlvs(&[1]),
            tlvs(&[1, 0, 2, 0]),
        ] {
            assert!(read(&bad).is_err(), "{}", bad.escape_ascii());
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        for (from, to, said) in [
            ("192.0.2.1:1", "192.0.2.2:65535", ip("192.0.2.1:1", "192.0.2.2:65535")),
            ("[2001:db8::1]:1", "[::1]:2", ip("[2001:db8::1]:1", "[::1]:2")),
            ("[::ffff:192.0.2.1]:1", "192.0.2.2:2", ip("192.0.2.1:1", "192.0.2.2:2")),
            ("192.0.2.1:1", "[::1]:2", ip("[::ffff:192.0.2.1]:1", "[::1]:2")),
        ] {
            for version in [Version::V1, Version::V2] {
                let mut out = Vec::new();
                write(version, Some((from.parse().unwrap(), to.parse().unwrap())), &mut out);
                assert_eq!(origin(&out), said, "{version:?}");
                fuzz_proxy_header(&out);
                out.clear();
                write(version, None, &mut out);
                assert_eq!(origin(&out), Some(Origin::Unsaid));
            }
        }
    }
}
