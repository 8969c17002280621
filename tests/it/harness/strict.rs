//! RFC 9112 read a second time, and in the narrowest way: a message passes only if no parser could read it differently.
//!
//! Written from the RFC and not from our codec. What a lenient recipient may accept (bare LF, lists of equal lengths, a
//! transfer coding besides `chunked`, folded lines) is refused here, because the proxy must never emit it.

use super::wire::{Cut, Wire};

const HEAD_BYTES_MAX: usize = 1024 * 1024;
const LINE_BYTES_MAX: usize = 16 * 1024;

/// Fields in order, names as sent, values one `char` per byte.
pub type Fields = Vec<(String, String)>;

/// Where a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// There is none.
    None,
    /// After so many bytes.
    Length(usize),
    /// At the last chunk and its trailers.
    Chunked,
    /// With the connection.
    Close,
}

/// A request's head.
#[derive(Debug, Clone)]
pub struct RequestHead {
    /// The bytes, with the empty line.
    pub raw: Vec<u8>,
    /// As sent; case matters.
    pub method: String,
    /// As sent.
    pub target: String,
    /// `HTTP/1.1` or `HTTP/1.0`.
    pub version: String,
    /// In order.
    pub fields: Fields,
    /// Where the body ends.
    pub framing: Framing,
}

/// A response's head.
#[derive(Debug, Clone)]
pub struct ResponseHead {
    /// The bytes, with the empty line.
    pub raw: Vec<u8>,
    /// `HTTP/1.1` or `HTTP/1.0`.
    pub version: String,
    /// Three digits.
    pub status: u16,
    /// May be empty.
    pub reason: String,
    /// In order.
    pub fields: Fields,
    /// Where the body ends, given the method it answers.
    pub framing: Framing,
}

/// A body and what followed it.
#[derive(Debug, Clone, Default)]
pub struct Body {
    /// The bytes, without framing.
    pub bytes: Vec<u8>,
    /// The fields after the last chunk.
    pub trailers: Fields,
    /// The size of every chunk, the last (0) left out; empty when not chunked.
    pub chunks: Vec<usize>,
}

/// Reads a head up to its empty line, and not a byte more. `Cut::Closed` means that not even one byte came.
pub fn read_head(wire: &mut Wire) -> Result<Vec<u8>, Cut> {
    while !wire.unread().windows(4).any(|four| four == b"\r\n\r\n") {
        if wire.unread().windows(2).any(|two| two == b"\n\n") {
            return malformed("an empty line that ends in a bare LF");
        }
        let begun = !wire.unread().is_empty();
        match wire.fill() {
            Err(Cut::Closed) if begun => return Err(Cut::Short),
            other => other?,
        }
        if wire.unread().len() > HEAD_BYTES_MAX && !wire.unread().windows(4).any(|four| four == b"\r\n\r\n") {
            return malformed("a head without an end");
        }
    }
    wire.take_until(b"\r\n\r\n", HEAD_BYTES_MAX)
}

/// Parses a request head with its empty line.
pub fn request_head(raw: Vec<u8>) -> Result<RequestHead, String> {
    let lines = lines(&raw)?;
    let line = latin(lines[0]);
    let parts: Vec<&str> = line.split(' ').collect();
    let [method, target, version] = parts[..] else {
        return Err(format!("a request line of {} parts: `{line}`", parts.len()));
    };
    if !is_token(method.as_bytes()) {
        return Err(format!("not a method: `{method}`"));
    }
    check_version(version)?;
    check_target(method, target)?;
    let (method, target, version) = (method.to_owned(), target.to_owned(), version.to_owned());
    let fields = fields(&lines[1..])?;
    check_host(&version, &fields)?;
    let framing = match declared(&version, &fields)? {
        Framing::Close => Framing::None,
        framing => framing,
    };
    Ok(RequestHead { raw, method, target, version, fields, framing })
}

/// Parses a response head with its empty line, as the answer to `method`.
pub fn response_head(raw: Vec<u8>, method: &str) -> Result<ResponseHead, String> {
    let lines = lines(&raw)?;
    let line = latin(lines[0]);
    let mut parts = line.splitn(3, ' ');
    let version = parts.next().unwrap_or_default().to_owned();
    check_version(&version)?;
    let code = parts.next().unwrap_or_default();
    if code.len() != 3 || !code.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("not a status: `{line}`"));
    }
    let status: u16 = code.parse().map_err(|_| format!("not a status: `{code}`"))?;
    if !(100..600).contains(&status) {
        return Err(format!("no such class of status: {status}"));
    }
    let reason = parts.next().ok_or_else(|| format!("no space after the status: `{line}`"))?.to_owned();
    let fields = fields(&lines[1..])?;
    let declared = declared(&version, &fields)?;
    let silent = (100..200).contains(&status) || status == 204;
    if silent && declared != Framing::Close {
        return Err(format!("a {status} must not say how long its body is"));
    }
    let tunnel = method == "CONNECT" && (200..300).contains(&status);
    let framing = match declared {
        _ if silent || tunnel || status == 304 || method == "HEAD" => Framing::None,
        declared => declared,
    };
    Ok(ResponseHead { raw, version, status, reason, fields, framing })
}

/// Reads the body that follows a head. `Cut::Short` when the connection ends before the body does.
pub fn read_body(wire: &mut Wire, framing: Framing) -> Result<Body, Cut> {
    let body = match framing {
        Framing::None => Ok(Body::default()),
        Framing::Length(bytes) => wire.take(bytes).map(|bytes| Body { bytes, ..Body::default() }),
        Framing::Chunked => read_chunks(wire),
        Framing::Close => match wire.take_to_end() {
            (bytes, Cut::Closed) => Ok(Body { bytes, ..Body::default() }),
            (_, cut) => Err(cut),
        },
    };
    body.map_err(|cut| if cut == Cut::Closed { Cut::Short } else { cut })
}

fn read_chunks(wire: &mut Wire) -> Result<Body, Cut> {
    let mut body = Body::default();
    loop {
        let size = chunk_size(&read_line(wire)?).map_err(Cut::Malformed)?;
        if size == 0 {
            break;
        }
        body.bytes.extend(wire.take(size)?);
        body.chunks.push(size);
        if wire.take(2)? != b"\r\n" {
            return malformed("a chunk that is longer or shorter than its size says");
        }
    }
    let mut trailers = Vec::new();
    loop {
        let line = read_line(wire)?;
        if line.is_empty() {
            break;
        }
        trailers.push(line);
    }
    let trailers: Vec<&[u8]> = trailers.iter().map(Vec::as_slice).collect();
    body.trailers = fields(&trailers).map_err(Cut::Malformed)?;
    for forbidden in ["transfer-encoding", "content-length", "host", "trailer", "connection"] {
        if super::all(&body.trailers, forbidden).next().is_some() {
            return malformed(format!("`{forbidden}` as a trailer"));
        }
    }
    Ok(body)
}

fn read_line(wire: &mut Wire) -> Result<Vec<u8>, Cut> {
    let mut line = wire.take_until(b"\r\n", LINE_BYTES_MAX)?;
    line.truncate(line.len() - 2);
    if line.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
        return malformed(format!("a bare CR, LF or NUL in `{}`", line.escape_ascii()));
    }
    Ok(line)
}

fn chunk_size(line: &[u8]) -> Result<usize, String> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let (size, rest) = line.split_at(digits);
    let extension = rest.is_empty() || (rest[0] == b';' && rest.iter().all(|byte| matches!(byte, b'\t' | 0x20..=0x7e)));
    if !(1..=15).contains(&digits) || !extension {
        return Err(format!("not a chunk size: `{}`", line.escape_ascii()));
    }
    usize::from_str_radix(&latin(size), 16).map_err(|error| error.to_string())
}

fn lines(raw: &[u8]) -> Result<Vec<&[u8]>, String> {
    let text = raw.strip_suffix(b"\r\n\r\n").ok_or("a head without an empty line")?;
    let mut lines = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.windows(2).position(|two| two == b"\r\n") {
        lines.push(&rest[..at]);
        rest = &rest[at + 2..];
    }
    lines.push(rest);
    for line in &lines {
        if line.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
            return Err(format!("a bare CR, LF or NUL in `{}`", line.escape_ascii()));
        }
    }
    Ok(lines)
}

fn fields(lines: &[&[u8]]) -> Result<Fields, String> {
    lines
        .iter()
        .map(|line| {
            if line.starts_with(b" ") || line.starts_with(b"\t") {
                return Err(format!("a folded line: `{}`", line.escape_ascii()));
            }
            let colon = line.iter().position(|byte| *byte == b':');
            let colon = colon.ok_or_else(|| format!("a field without a colon: `{}`", line.escape_ascii()))?;
            let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
            if !is_token(name) {
                return Err(format!("not a field name: `{}`", name.escape_ascii()));
            }
            if !value.iter().all(|byte| matches!(byte, b'\t' | 0x20..=0x7e | 0x80..=0xff)) {
                return Err(format!("a control byte in `{}`", line.escape_ascii()));
            }
            Ok((latin(name), latin(value)))
        })
        .collect()
}

/// What the fields alone say of the body; `Close` when they say nothing.
fn declared(version: &str, fields: &Fields) -> Result<Framing, String> {
    let codings: Vec<&str> = super::all(fields, "transfer-encoding").collect();
    let lengths: Vec<&str> = super::all(fields, "content-length").collect();
    match (&codings[..], &lengths[..]) {
        ([], []) => Ok(Framing::Close),
        ([], [length]) => {
            if length.is_empty() || length.len() > 18 || !length.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(format!("not a Content-Length: `{length}`"));
            }
            length.parse().map(Framing::Length).map_err(|error| error.to_string())
        }
        ([], several) => Err(format!("several Content-Length: {several:?}")),
        ([coding], []) if version == "HTTP/1.1" && coding.eq_ignore_ascii_case("chunked") => Ok(Framing::Chunked),
        (codings, []) => Err(format!("{version} with Transfer-Encoding {codings:?}: not every parser reads that")),
        (codings, lengths) => Err(format!("Transfer-Encoding {codings:?} and Content-Length {lengths:?}")),
    }
}

fn check_version(version: &str) -> Result<(), String> {
    match version {
        "HTTP/1.1" | "HTTP/1.0" => Ok(()),
        _ => Err(format!("not a version: `{version}`")),
    }
}

fn check_target(method: &str, target: &str) -> Result<(), String> {
    let visible = target.bytes().all(|byte| matches!(byte, 0x21..=0x7e));
    let formed = match method {
        "CONNECT" => target.contains(':') && !target.contains('/'),
        _ if target == "*" => method == "OPTIONS",
        _ => target.starts_with('/') || target.starts_with("http://") || target.starts_with("https://"),
    };
    if visible && formed && !target.contains('#') {
        Ok(())
    } else {
        Err(format!("not a target of {method}: `{target}`"))
    }
}

fn check_host(version: &str, fields: &Fields) -> Result<(), String> {
    let hosts: Vec<&str> = super::all(fields, "host").collect();
    match hosts[..] {
        [] if version == "HTTP/1.0" => Ok(()),
        [host] if !host.contains([' ', '\t', ',', '/', '@', '?', '#', '\\']) => Ok(()),
        _ => Err(format!("{version} with Host {hosts:?}")),
    }
}

fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte))
}

fn latin(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

fn malformed<T>(why: impl Into<String>) -> Result<T, Cut> {
    Err(Cut::Malformed(why.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_two_parsers_may_read_differently_is_refused() {
        for (head, why) in [
            ("GET / HTTP/1.1\r\n\r\n", "no host"),
            ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", "two hosts"),
            ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", "two spaces"),
            ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", "space before the colon"),
            ("GET / HTTP/1.1\nHost: a\r\n\r\n", "bare LF"),
            ("GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", "folded"),
            ("GET / HTTP/1.1\r\nHost: a\r\nX: \x01\r\n\r\n", "control byte"),
            ("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", "space in the target"),
            ("GET / HTTP/1.2\r\nHost: a\r\n\r\n", "unknown version"),
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n", "signed length"),
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\n", "list of lengths"),
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", "two lengths"),
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "both"),
            ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n", "chunked twice"),
            ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n", "unknown coding"),
            ("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", "chunked in 1.0"),
        ] {
            assert!(request_head(head.as_bytes().to_vec()).is_err(), "{why} went through");
        }
    }

    #[test]
    fn a_response_is_framed_by_what_it_answers() {
        let framing = |head: &str, method| response_head(head.as_bytes().to_vec(), method).map(|head| head.framing);
        let long = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
        assert_eq!(framing(long, "GET"), Ok(Framing::Length(5)));
        assert_eq!(framing(long, "HEAD"), Ok(Framing::None));
        assert_eq!(framing("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", "GET"), Ok(Framing::None));
        assert_eq!(framing("HTTP/1.1 200 \r\n\r\n", "GET"), Ok(Framing::Close));
        assert_eq!(framing("HTTP/1.1 101 Switching Protocols\r\n\r\n", "GET"), Ok(Framing::None));
        assert!(framing("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", "GET").is_err());
        assert!(framing("HTTP/1.1 2000 OK\r\n\r\n", "GET").is_err());
    }

    #[test]
    fn a_chunk_size_is_hexadecimal_digits_and_nothing_else() {
        assert_eq!(chunk_size(b"1a"), Ok(26));
        assert_eq!(chunk_size(b"0;name=\"value\""), Ok(0));
        for bad in [&b""[..], b" 1", b"1 ", b"0x1", b"-1", b"g", b"1\t;a", b"fffffffffffffffff", b"1;a\x01"] {
            assert!(chunk_size(bad).is_err(), "{} went through", bad.escape_ascii());
        }
    }
}
