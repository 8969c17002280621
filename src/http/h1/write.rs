//! A head as bytes. Runs of untouched lines leave in one copy; everything else is written from the table.

use crate::http::head::{Head, State};
use crate::http::name::Known;

/// How the body that follows is delimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// There is none and nothing says so (GET, 204, 304, an answer to HEAD with its fields as they are).
    None,
    Exactly(u64),
    Chunked,
    /// By the end of the connection (to HTTP/1.0 clients).
    Close,
}

/// What the `Connection` field says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Persistence {
    /// The version's default; nothing is written.
    Default,
    /// `Connection: close`
    Close,
    /// `Connection: keep-alive`, for HTTP/1.0 clients that asked for it.
    KeepAlive,
    /// `Connection: upgrade`, with the Upgrade field kept.
    Upgrade,
}

/// Appends a request head. Framing and connection fields must have been removed (`hop_by_hop`), but for a
/// Content-Length that agrees with `length`.
pub fn request(head: &Head, length: Length, persistence: Persistence, trailers_welcome: bool, out: &mut Vec<u8>) {
    if !as_it_came(head, length, out) {
        out.extend_from_slice(head.method().as_bytes());
        out.push(b' ');
        out.extend_from_slice(head.target_bytes());
        out.extend_from_slice(b" HTTP/1.1\r\n");
        fields(head, length, out);
    }
    framing(head, length, out);
    match (persistence, trailers_welcome) {
        (Persistence::Upgrade, _) => out.extend_from_slice(b"connection: upgrade\r\n"),
        (Persistence::Close, _) => out.extend_from_slice(b"connection: close\r\n"),
        (_, true) => out.extend_from_slice(b"te: trailers\r\nconnection: te\r\n"),
        _ => {}
    }
    out.extend_from_slice(b"\r\n");
}

/// Appends a response head, final or interim.
pub fn response(head: &Head, length: Length, persistence: Persistence, out: &mut Vec<u8>) {
    if !as_it_came(head, length, out) {
        let mut line = *b"HTTP/1.1 000 ";
        let status = head.status();
        for (digit, unit) in line[9..12].iter_mut().zip([100, 10, 1]) {
            *digit += (status / unit % 10) as u8;
        }
        out.extend_from_slice(&line);
        let reason = head.reason();
        out.extend_from_slice(if reason.is_empty() { reason_phrase(status).as_bytes() } else { reason });
        out.extend_from_slice(b"\r\n");
        fields(head, length, out);
    }
    framing(head, length, out);
    out.extend_from_slice(match persistence {
        Persistence::Default => b"\r\n".as_slice(),
        Persistence::Close => b"connection: close\r\n\r\n",
        Persistence::KeepAlive => b"connection: keep-alive\r\n\r\n",
        Persistence::Upgrade => b"connection: upgrade\r\n\r\n",
    });
}

fn framing(head: &Head, length: Length, out: &mut Vec<u8>) {
    match length {
        Length::Exactly(bytes) if !head.has(Known::ContentLength) => {
            out.extend_from_slice(b"content-length: ");
            out.extend_from_slice(itoa::Buffer::new().format(bytes).as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        Length::Chunked => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        _ => {}
    }
}

/// Copies a head that nobody has touched but to add lines; says whether it was one.
fn as_it_came(head: &Head, length: Length, out: &mut Vec<u8>) -> bool {
    let whole = head.start_kept && head.untouched && !drops_length(head, length);
    if whole {
        out.extend_from_slice(&head.bytes);
    }
    whole
}

fn drops_length(head: &Head, length: Length) -> bool {
    matches!(length, Length::Chunked | Length::Close) && head.has(Known::ContentLength)
}

fn fields(head: &Head, length: Length, out: &mut Vec<u8>) {
    let drop_length = drops_length(head, length);
    if head.untouched && !drop_length {
        let lines = head.fields.first().and_then(|first| head.bytes.get(first.name_at as usize..));
        return out.extend_from_slice(lines.unwrap_or_default());
    }
    let mut run = (0, 0); // bytes of the arena: from the first name to the last value, lines between them whole
    for field in &head.fields {
        let begin = field.name_at as usize;
        if field.state == State::Line && !(drop_length && field.known == Known::ContentLength) {
            let end = (field.value_at + field.value_len) as usize;
            // Nothing but CRLF and white space between two lines: they were written behind each other.
            let follows = run.1 > 0 && (begin == run.1 + 2 || begin > run.1 && is_gap(head.bytes.get(run.1..begin)));
            if !follows {
                copy(head, run, out);
                run.0 = begin;
            }
            run.1 = end;
            continue;
        }
        copy(head, run, out);
        run = (0, 0);
        if field.state == State::Set {
            out.extend_from_slice(head.name(field));
            out.extend_from_slice(b": ");
            out.extend_from_slice(head.value(field));
            out.extend_from_slice(b"\r\n");
        }
    }
    copy(head, run, out);
}

fn copy(head: &Head, (from, to): (usize, usize), out: &mut Vec<u8>) {
    if to > 0 {
        out.extend_from_slice(head.bytes.get(from..to).unwrap_or_default());
        out.extend_from_slice(b"\r\n");
    }
}

/// White space and one line end: the second line begins right behind the first. An empty line is no gap: it ends a head.
fn is_gap(between: Option<&[u8]>) -> bool {
    let Some(space) = between.and_then(|between| between.strip_suffix(b"\r\n")) else { return false };
    space.iter().all(|byte| matches!(byte, b' ' | b'\t'))
}

/// The phrase RFC 9110 section 15 gives a status.
#[must_use]
pub fn reason_phrase(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        101 => "Switching Protocols",
        103 => "Early Hints",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Range Not Satisfiable",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        422 => "Unprocessable Content",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        508 => "Loop Detected",
        _ => "",
    }
}
