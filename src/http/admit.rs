//! Every rule of RFC 9110 and 9112 about a head that no policy can turn off, in order.

use std::borrow::Cow;

use super::authority::check_host;
use super::h1::framing::Framing;
use super::h1::transfer_coding::{TransferCoding, content_length, transfer_encoding};
use super::h1::write::Length;
use super::head::{Head, Version};
use super::hop_by_hop::{self, Options};
use super::name::{FieldName, Known};
use super::start::Verb;
use super::{Rules, target};
use crate::failure::Reason;

/// What a request's head says about its connection and its body, once it has been found to say one thing only.
#[derive(Debug)]
pub struct Admitted {
    pub framing: Framing,
    /// How the body goes on upstream.
    pub length: Length,
    /// The client may send another request on this connection.
    pub persistent: bool,
    /// HTTP/1.0 with `Connection: keep-alive`: it wants to hear it.
    pub says_keep_alive: bool,
    pub upgrade: bool,
    /// It waits for 100 (Continue) before it sends the body.
    pub expects_continue: bool,
    pub trailers_welcome: bool,
    /// `OPTIONS` with `Max-Forwards: 0`: we are the last to be asked.
    pub ends_here: bool,
}

/// What a response's head says about its body and its connection.
#[derive(Debug)]
pub struct Received {
    pub framing: Framing,
    /// How the body goes on to an HTTP/1.1 client.
    pub length: Length,
    pub persistent: bool,
    pub upgrade: bool,
}

/// Checks and normalises a request's head, and takes its connection fields away.
pub fn request(head: &mut Head, rules: &Rules) -> Result<Admitted, Reason> {
    if head.verb() == Verb::Other && matches!(head.method(), "CONNECT" | "TRACE") {
        return Err(Reason::MethodRefused);
    }
    let host = host(head)?;
    settle_target(head, rules, host)?;
    let ends_here = max_forwards(head)?;
    let old = head.version() == Version::Http10;
    let (framing, length) = request_body(head, old)?;
    let expects_continue = expectation(head, old)?;
    let options = hop_by_hop::strip(head);
    let persistent = if old { options.keep_alive && !options.close } else { !options.close };
    let upgrade = options.upgrade && !old && framing.is_done();
    if !upgrade {
        head.remove_known(Known::Upgrade);
    }
    Ok(Admitted {
        expects_continue: expects_continue && !framing.is_done(),
        upgrade,
        framing,
        length,
        persistent,
        says_keep_alive: old && persistent,
        trailers_welcome: options.trailers,
        ends_here,
    })
}

/// Checks a response's head, and takes its connection fields away. `method` is the request's.
pub fn response(head: &mut Head, method: &str, asked_upgrade: bool) -> Result<Received, Reason> {
    let old = head.version() == Version::Http10;
    let coding = transfer_encoding(head.all_known(Known::TransferEncoding), old)?;
    let bytes = content_length(head.all_known(Known::ContentLength))?;
    let status = head.status();
    let options: Options = hop_by_hop::strip(head);
    let persistent = if old { options.keep_alive && !options.close } else { !options.close };
    if status == 101 && !(asked_upgrade && options.upgrade) {
        return Err(Reason::BadResponse);
    }
    if status < 200 || status == 204 {
        //= rfc9112#section-6.3
        //# any response with a 1xx (Informational), 204 (No Content), or 304 (Not Modified) status code is always
        //# terminated by the first empty line after the header fields
        head.remove_known(Known::ContentLength);
        return Ok(Received { framing: Framing::None, length: Length::None, persistent, upgrade: status == 101 });
    }
    if coding.is_some() && bytes.is_some() {
        return Err(Reason::AmbiguousLength);
    }
    head.remove_known(Known::Upgrade);
    let (framing, length) = match (coding, bytes) {
        _ if method == "HEAD" || status == 304 => (Framing::None, Length::None),
        _ if head.version() == Version::Http2 => framed_by_streams(head, bytes, Length::Exactly(0)),
        (Some(TransferCoding::Chunked), _) => (Framing::chunked(), Length::Chunked),
        (None, Some(bytes)) => (Framing::length(bytes), Length::Exactly(bytes)),
        (None, None) => (Framing::Close, Length::Chunked),
    };
    Ok(Received { framing, length, persistent, upgrade: false })
}

fn host(head: &Head) -> Result<bool, Reason> {
    let mut values = head.all_known(Known::Host);
    let (first, second) = (values.next(), values.next());
    match (first, second) {
        //= rfc9112#section-3.2
        //# A server MUST respond with a 400 (Bad Request) status code to any HTTP/1.1 request message that lacks a
        //# Host header field and to any request message that contains more than one Host header field line or a
        //# Host header field with an invalid field value.
        (_, Some(_)) => Err(Reason::RepeatedHost),
        (None, _) if head.version() != Version::Http10 => Err(Reason::MissingHost),
        (None, _) => Ok(false),
        (Some(value), None) => check_host(value).map(|()| true),
    }
}

fn settle_target(head: &mut Head, rules: &Rules, has_host: bool) -> Result<(), Reason> {
    let target = target::parse(head.method().as_bytes(), head.target_bytes(), &rules.normalise)?;
    let path_len = target.path_len;
    //= rfc9112#section-3.2.2
    //# When a proxy receives a request with an absolute-form of request-target, the proxy MUST ignore the received
    //# Host header field (if any) and instead replace it with the host information of the request-target.
    let authority = target.authority.map(<[u8]>::to_vec);
    let rewritten = match target.path_and_query {
        Cow::Borrowed(same) if same.len() == head.target_bytes().len() => None,
        other => Some(String::from_utf8_lossy(&other).into_owned()),
    };
    if let Some(rewritten) = rewritten {
        head.set_target(&rewritten);
    }
    head.set_path_len(path_len);
    if let Some(authority) = authority {
        head.set(&FieldName::from(Known::Host), &authority);
    } else if !has_host {
        head.remove_known(Known::Host);
    }
    Ok(())
}

/// Obeys Max-Forwards for OPTIONS (RFC 9110 section 7.6.2).
fn max_forwards(head: &mut Head) -> Result<bool, Reason> {
    if head.verb() != Verb::Options || !head.has(Known::MaxForwards) {
        return Ok(false);
    }
    let digits = |value: &&[u8]| value.iter().all(u8::is_ascii_digit); // `parse` would take a sign
    let value = head.known(Known::MaxForwards).filter(digits).and_then(|value| std::str::from_utf8(value).ok());
    let hops: u32 = value.and_then(|value| value.parse().ok()).ok_or(Reason::BadField)?;
    if hops > 0 {
        head.set(&FieldName::from(Known::MaxForwards), (hops - 1).to_string().as_bytes());
    }
    Ok(hops == 0)
}

fn request_body(head: &Head, old: bool) -> Result<(Framing, Length), Reason> {
    if head.version() == Version::Http2 {
        return Ok(framed_by_streams(head, content_length(head.all_known(Known::ContentLength))?, Length::None));
    }
    if !head.has(Known::ContentLength) && !head.has(Known::TransferEncoding) {
        return Ok((Framing::None, Length::None));
    }
    let coding = transfer_encoding(head.all_known(Known::TransferEncoding), old)?;
    let bytes = content_length(head.all_known(Known::ContentLength))?;
    match (coding, bytes) {
        //= rfc9112#section-6.1
        //# A server MAY reject a request that contains both Content-Length and Transfer-Encoding
        (Some(_), Some(_)) => Err(Reason::AmbiguousLength),
        (Some(TransferCoding::Chunked), None) => Ok((Framing::chunked(), Length::Chunked)),
        (None, Some(bytes)) => Ok((Framing::length(bytes), Length::Exactly(bytes))),
        (None, None) => Ok((Framing::None, Length::None)),
    }
}

/// HTTP/2 frames its messages itself, and the door holds Content-Length against what came.
fn framed_by_streams(head: &Head, bytes: Option<u64>, empty: Length) -> (Framing, Length) {
    match bytes {
        _ if head.ended => (Framing::None, bytes.map_or(empty, |_| Length::Exactly(0))),
        Some(bytes) => (Framing::Close, Length::Exactly(bytes)),
        None => (Framing::Close, Length::Chunked),
    }
}

fn expectation(head: &mut Head, old: bool) -> Result<bool, Reason> {
    if !head.has(Known::Expect) {
        return Ok(false);
    }
    let known = head.all_known(Known::Expect).all(|value| value.eq_ignore_ascii_case(b"100-continue"));
    //= rfc9110#section-10.1.1
    //# A server that receives a 100-continue expectation in an HTTP/1.0 request MUST ignore that expectation.
    if old {
        head.remove_known(Known::Expect);
        return Ok(false);
    }
    if known { Ok(true) } else { Err(Reason::ExpectationUnknown) }
}
