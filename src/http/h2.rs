//! Heads and trailers between our form and that of HTTP/2 (RFC 9113 section 8): what h2's frames carry, and nothing that
//! HTTP/1.1 would read in another way.

use ::http::header::{CONTENT_LENGTH, COOKIE, HeaderMap, HeaderName, HeaderValue, TE};
use ::http::uri::{Authority, PathAndQuery, Scheme};
use ::http::{Method, Request, Response, StatusCode, Uri, request};
use base64::Engine as _;
use bytes::Bytes;

use super::h1::trailers::Trailers;
use super::h1::write::Length;
use super::head::{Head, Version};
use super::name::{FieldName, Known};
use crate::failure::Reason;

const WEBSOCKET_KEY: &str = "sec-websocket-key";

/// A request's head as it came by HTTP/2. `ended`: no body follows.
pub fn request_head(
    parts: &request::Parts,
    ended: bool,
    head_bytes_max: usize,
    fields_max: usize,
) -> Result<Head, Reason> {
    let target = target(parts)?;
    let mut head = Head::request(parts.method.as_str(), target);
    (head.version, head.ended) = (Version::Http2, ended);
    let authority = parts.uri.authority().map(Authority::as_str);
    if let Some(authority) = authority {
        head.add_known(Known::Host, authority.as_bytes());
    }
    //= rfc9113#section-8.3.1
    //# A server SHOULD treat a request as malformed if it contains a Host header field that identifies an entity that
    //# differs from the entity in the ":authority" pseudo-header field.
    let (mut hosts, mut differs, mut crumbs) = (0, false, false);
    fields(&mut head, &parts.headers, fields_max, |known, name, value| match (known, authority) {
        (Known::Host, Some(authority)) => {
            hosts += 1;
            differs |= !value.as_bytes().eq_ignore_ascii_case(authority.as_bytes());
            true
        }
        (Known::Other, _) if name == COOKIE => {
            crumbs = true;
            true
        }
        _ => false,
    })?;
    if differs || hosts > 1 {
        return Err(if differs { Reason::BadHost } else { Reason::RepeatedHost });
    }
    if crumbs {
        cookie(&mut head, &parts.headers);
    }
    if head.bytes.len() > head_bytes_max {
        return Err(Reason::HeadTooLarge);
    }
    Ok(head)
}

/// Makes of an extended CONNECT for a WebSocket the request by which HTTP/1.1 asks for one (RFC 8441 section 5). `key`:
/// 16 random bytes.
pub fn as_upgrade(head: &mut Head, key: u128) -> Result<(), Reason> {
    if head.has(Known::ContentLength) {
        return Err(Reason::BadLength); // the origin would take the tunnel's first bytes for a body
    }
    let key = base64::engine::general_purpose::STANDARD.encode(key.to_be_bytes());
    if let Ok(name) = FieldName::new(WEBSOCKET_KEY) {
        head.remove(&name);
    }
    head.add_known(Known::Connection, b"upgrade");
    head.add_known(Known::Upgrade, b"websocket");
    head.add_line(WEBSOCKET_KEY, Known::Other, key.as_bytes());
    head.ended = true; // what follows is the tunnel's, no body
    Ok(())
}

/// Whether the origin has read the key that [`as_upgrade`] made, and answers a WebSocket's handshake. By HTTP/1.1 the
/// client would look.
//= rfc6455#section-4.1
//# If the response lacks a |Sec-WebSocket-Accept| header field or the |Sec-WebSocket-Accept| contains a value other than
//# the base64-encoded SHA-1 of the concatenation of the |Sec-WebSocket-Key| [...] with the string
//# "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" but ignoring any leading and trailing whitespace, the client MUST _Fail the
//# WebSocket Connection_.
#[must_use]
pub fn is_accepted(request: &Head, response: &Head) -> bool {
    let Some(key) = request.find(WEBSOCKET_KEY) else { return false };
    let whole = [key, b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"].concat();
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, &whole);
    let expected = base64::engine::general_purpose::STANDARD.encode(digest.as_ref());
    response.find("sec-websocket-accept").is_some_and(|accept| accept == expected.as_bytes())
}

/// A response's head as it came by HTTP/2.
pub fn response_head(
    status: StatusCode,
    map: &HeaderMap,
    ended: bool,
    fields_max: usize,
    head: &mut Head,
) -> Result<(), Reason> {
    *head = Head::response(status.as_u16());
    (head.version, head.ended) = (Version::Http2, ended);
    fields(head, map, fields_max, |_, _, _| false)
}

/// A response's head as HTTP/2 carries it.
#[must_use]
pub fn response(head: &Head, length: Length) -> Response<()> {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::from_u16(head.status()).unwrap_or(StatusCode::BAD_GATEWAY);
    *response.headers_mut() = map(head, length, true);
    response
}

/// A request's head as HTTP/2 carries it. `None`: its target or host cannot be said there.
#[must_use]
pub fn request(head: &Head, length: Length, trailers_welcome: bool, secure: bool) -> Option<Request<()>> {
    let host = head.known(Known::Host).unwrap_or_default();
    let mut uri = ::http::uri::Parts::default();
    uri.scheme = Some(if secure { Scheme::HTTPS } else { Scheme::HTTP });
    uri.authority = Some(Authority::try_from(host).ok()?);
    uri.path_and_query = Some(PathAndQuery::try_from(head.target_bytes()).ok()?);
    let mut request = Request::new(());
    *request.method_mut() = Method::from_bytes(head.method().as_bytes()).ok()?;
    *request.uri_mut() = Uri::from_parts(uri).ok()?;
    *request.version_mut() = ::http::Version::HTTP_2;
    let mut fields = map(head, length, false);
    if trailers_welcome {
        fields.insert(TE, HeaderValue::from_static("trailers"));
    }
    *request.headers_mut() = fields;
    Some(request)
}

/// A trailer section as HTTP/2 carries it.
#[must_use]
pub fn trailers(trailers: &Trailers) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in trailers.iter() {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
            map.append(name, value);
        }
    }
    map
}

/// A trailer section as it came by HTTP/2.
pub fn read_trailers(map: &HeaderMap) -> Result<Option<Box<Trailers>>, Reason> {
    if map.is_empty() {
        return Ok(None);
    }
    let mut trailers = Trailers::default();
    for (name, value) in map {
        check_value(value)?;
        trailers.add(name.as_str(), value.as_bytes())?;
    }
    Ok(Some(Box::new(trailers)))
}

/// The path, in origin form: nothing else is a `:path`, and an absolute one would name another host than `:authority`.
//= rfc9113#section-8.3.1
//# This pseudo-header field MUST NOT be empty for "http" or "https" URIs; "http" or "https" URIs that do not contain a path
//# component MUST include a value of '/'. [...] OPTIONS requests for an "http" or "https" URI that do not include a path
//# component [...] MUST include a ":path" pseudo-header field with a value of '*'
fn target(parts: &request::Parts) -> Result<&str, Reason> {
    if parts.uri.scheme().is_some_and(|scheme| *scheme != Scheme::HTTP && *scheme != Scheme::HTTPS) {
        return Err(Reason::BadTarget);
    }
    match parts.uri.path_and_query().map(PathAndQuery::as_str) {
        Some(path) if path.starts_with('/') => Ok(path),
        Some("*") if parts.method == Method::OPTIONS => Ok("*"),
        None if parts.method == Method::CONNECT => Ok("*"),
        _ => Err(Reason::BadTarget),
    }
}

/// Adds every field that is not `skipped`.
fn fields(
    head: &mut Head,
    map: &HeaderMap,
    fields_max: usize,
    mut skipped: impl FnMut(Known, &HeaderName, &HeaderValue) -> bool,
) -> Result<(), Reason> {
    // Crumbs of a cookie are one field in the end; what they weigh has its own limit.
    let over = map.len() > fields_max;
    if over && map.len() - map.get_all(COOKIE).iter().skip(1).count() > fields_max {
        return Err(Reason::TooManyFields);
    }
    for (name, value) in map {
        check_value(value)?;
        let known = Known::of(name.as_str().as_bytes());
        //= rfc9113#section-8.2.2
        //# An endpoint MUST NOT generate an HTTP/2 message containing connection-specific header fields.
        if known.is_framing() && !matches!(known, Known::ContentLength | Known::Te | Known::Trailer) {
            return Err(Reason::BadField);
        }
        if !skipped(known, name, value) {
            head.add_line(name.as_str(), known, value.as_bytes());
        }
    }
    Ok(())
}

/// One Cookie field of all its crumbs.
//= rfc9113#section-8.2.3
//# If there are multiple Cookie header fields after decompression, these MUST be concatenated into a single octet string
//# using the two-octet delimiter of 0x3b, 0x20 (the ASCII string "; ") before being passed into a non-HTTP/2 context
fn cookie(head: &mut Head, map: &HeaderMap) {
    let mut crumbs = map.get_all(COOKIE).iter();
    let Some(first) = crumbs.next() else { return };
    let Some(second) = crumbs.next() else {
        head.add_line("cookie", Known::Other, first.as_bytes());
        return;
    };
    let mut whole = first.as_bytes().to_vec();
    for crumb in std::iter::once(second).chain(crumbs) {
        whole.extend_from_slice(b"; ");
        whole.extend_from_slice(crumb.as_bytes());
    }
    head.add_line("cookie", Known::Other, &whole);
}

//= rfc9113#section-8.2.1
//# A field value MUST NOT start or end with an ASCII whitespace character (ASCII SP or HTAB, 0x20 or 0x09).
fn check_value(value: &HeaderValue) -> Result<(), Reason> {
    let bytes = value.as_bytes();
    let is_space = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    if is_space(bytes.first()) || is_space(bytes.last()) { Err(Reason::BadField) } else { Ok(()) }
}

/// The fields as a map. Values are ranges of one copy of the arena.
fn map(head: &Head, length: Length, keep_host: bool) -> HeaderMap {
    let arena = Bytes::copy_from_slice(&head.bytes);
    let mut map = HeaderMap::with_capacity(head.fields.len() + 1);
    for field in head.live() {
        let skipped = match field.known {
            Known::Host => !keep_host,
            Known::ContentLength => matches!(length, Length::Chunked | Length::Close),
            Known::Trailer => false,
            known => known.is_framing(),
        };
        if skipped {
            continue;
        }
        let (at, len) = (field.value_at as usize, field.value_len as usize);
        let value = HeaderValue::from_maybe_shared(arena.slice(at..at + len));
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(head.name(field)), value) {
            map.append(name, value);
        }
    }
    if let Length::Exactly(bytes) = length
        && bytes > 0
        && !head.has(Known::ContentLength)
    {
        map.insert(CONTENT_LENGTH, bytes.into());
    }
    map
}
