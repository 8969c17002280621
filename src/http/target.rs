//! Request targets: the four forms of RFC 9112 section 3.2, and one stated normalisation that routes and origin see alike.
//!
//! Which characters pass: those of RFC 3986, in path and query alike, and `{ } | ^ [ ]` with the backquote, which
//! browsers and templates send as they are and which every parser reads as themselves. Never `"`, `<`, `>`, `\`, `#`,
//! white space, control characters or bytes above 0x7F: a backslash is a slash to some, the others end a target, a line
//! or a log field to some. An escape is `%` and two hex digits; `%00` is refused in a path, where C strings end at it.
//! Of the escapes in a path none ever becomes a separator: `%2F` and `%5C` stay escapes. The query is never changed.

use std::borrow::Cow;

use super::authority;
use crate::failure::Reason;

/// How a path is normalised before the route table sees it; the origin is sent the same bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Normalise {
    /// Resolve `.` and `..` segments (RFC 3986 section 5.2.4).
    pub dot_segments: bool,
    /// Decode percent-encoded unreserved characters (RFC 3986 section 6.2.2.2) and write the other escapes in upper case.
    pub unreserved: bool,
    /// Collapse `//` to `/`.
    pub merge_slashes: bool,
    /// What becomes of `%2F`.
    pub encoded_slash: EncodedSlash,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EncodedSlash {
    /// It stays `%2F`: a character of its segment, never a separator.
    Keep,
    /// 400.
    Refuse,
}

/// Which of the four forms a target came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `/path?query`
    Origin,
    /// `http://host/path?query`
    Absolute,
    /// `host:port`, CONNECT only
    Authority,
    /// `*`, OPTIONS only
    Asterisk,
}

/// A request target, understood; borrows from the request wherever nothing had to change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target<'a> {
    pub form: Form,
    /// `http` or `https` in the case it was sent in; absolute form only.
    pub scheme: Option<&'a [u8]>,
    /// Host and port as sent, checked, without userinfo; absolute and authority form only.
    pub authority: Option<&'a [u8]>,
    /// The path, normalised, and the query as sent with its `?`: what the origin gets. `*` for the whole server (an
    /// absolute form with OPTIONS may mean that too), empty in authority form.
    pub path_and_query: Cow<'a, [u8]>,
    /// Bytes of the path in `path_and_query`.
    pub path_len: usize,
}

/// What a byte means inside a path or a query.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Plain,
    Slash,
    Question,
    Escape,
    Bad,
}

const CLASS: [Class; 256] = {
    let mut table = [Class::Bad; 256];
    let plain = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~!$&'()*+,;=:@{}|^[]`";
    let mut at = 0;
    while at < plain.len() {
        table[plain[at] as usize] = Class::Plain;
        at += 1;
    }
    table[b'/' as usize] = Class::Slash;
    table[b'?' as usize] = Class::Question;
    table[b'%' as usize] = Class::Escape;
    table
};

/// What must be looked at more closely, as bits: the bytes of a plain target give none, or dots and a `?`.
const LOOK: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match CLASS[byte] {
            _ if byte == b'.' as usize => LOOK_DOT,
            Class::Plain | Class::Slash => 0,
            Class::Question => LOOK_QUESTION,
            Class::Escape | Class::Bad => LOOK_OTHER,
        };
        byte += 1;
    }
    table
};
const LOOK_DOT: u8 = 1;
const LOOK_QUESTION: u8 = 2;
const LOOK_OTHER: u8 = 4;

/// What one look at a path found.
struct Scan {
    /// Bytes before the `?` or the end.
    path_len: usize,
    /// Normalising would change nothing.
    clean: bool,
}

/// Takes a request target apart and normalises its path.
///
/// # Errors
/// `BadTarget` for everything that is none of the four forms, a form that the method may not have, or a character or
/// escape that may not be forwarded.
//= rfc9112#section-3.2
//# request-target = origin-form / absolute-form / authority-form / asterisk-form
pub fn parse<'a>(method: &[u8], target: &'a [u8], rules: &Normalise) -> Result<Target<'a>, Reason> {
    if method == b"CONNECT" {
        return authority_form(target);
    }
    match target {
        [b'/', ..] => {
            let (path_and_query, path_len) = path_and_query(target, rules)?;
            Ok(Target { form: Form::Origin, scheme: None, authority: None, path_and_query, path_len })
        }
        //= rfc9112#section-3.2.4
        //# The "asterisk-form" of request-target is only used for a server-wide OPTIONS request.
        b"*" if method == b"OPTIONS" => Ok(Target {
            form: Form::Asterisk,
            scheme: None,
            authority: None,
            path_and_query: Cow::Borrowed(b"*"),
            path_len: 1,
        }),
        _ => absolute_form(method, target, rules),
    }
}

//= rfc9112#section-3.2.3
//# authority-form = uri-host ":" port
fn authority_form(target: &[u8]) -> Result<Target<'_>, Reason> {
    authority::check_host(target).map_err(|_| Reason::BadTarget)?;
    if authority::split_port(target).1.is_none() {
        return Err(Reason::BadTarget);
    }
    let path_and_query = Cow::Borrowed(&b""[..]);
    Ok(Target { form: Form::Authority, scheme: None, authority: Some(target), path_and_query, path_len: 0 })
}

//= rfc9112#section-3.2.2
//# a server MUST accept the absolute-form in requests
#[cold]
fn absolute_form<'a>(method: &[u8], target: &'a [u8], rules: &Normalise) -> Result<Target<'a>, Reason> {
    let colon = target.iter().position(|&byte| byte == b':').ok_or(Reason::BadTarget)?;
    let (scheme, rest) = target.split_at(colon);
    if !scheme.eq_ignore_ascii_case(b"http") && !scheme.eq_ignore_ascii_case(b"https") {
        return Err(Reason::BadTarget);
    }
    let rest = rest.strip_prefix(b"://").ok_or(Reason::BadTarget)?;
    let authority_len = rest.iter().position(|&byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(authority_len);
    // Userinfo ends here too: `@` is no character of a host.
    authority::check_host(authority).map_err(|_| Reason::BadTarget)?;

    let (path_and_query, path_len) = match rest {
        //= rfc9112#section-3.2.4
        //# If a proxy receives an OPTIONS request with an absolute-form of request-target in which the URI has an empty
        //# path and no query component, then the last proxy on the request chain MUST send a request-target of "*"
        [] if method == b"OPTIONS" => (Cow::Borrowed(&b"*"[..]), 1),
        [] => (Cow::Borrowed(&b"/"[..]), 1),
        [b'?', query @ ..] => {
            check_query(query)?;
            (Cow::Owned([b"/", rest].concat()), 1)
        }
        _ => path_and_query(rest, rules)?,
    };
    Ok(Target { form: Form::Absolute, scheme: Some(scheme), authority: Some(authority), path_and_query, path_len })
}

/// Checks and normalises what begins with `/`; also gives the length of the path in it.
fn path_and_query<'a>(bytes: &'a [u8], rules: &Normalise) -> Result<(Cow<'a, [u8]>, usize), Reason> {
    if let Some(path_len) = plain(bytes, rules) {
        return Ok((Cow::Borrowed(bytes), path_len));
    }
    let Scan { path_len, clean } = scan_path(bytes, rules)?;
    if let Some(query) = bytes.get(path_len + 1..) {
        check_query(query)?;
    }
    if clean {
        return Ok((Cow::Borrowed(bytes), path_len));
    }
    let (path, query) = bytes.split_at_checked(path_len).unwrap_or((bytes, b""));
    let mut out = Vec::with_capacity(bytes.len());
    normalise(path, rules, &mut out);
    let path_len = out.len();
    out.extend_from_slice(query);
    Ok((Cow::Owned(out), path_len))
}

/// The fast path: the length of the path if this target is beyond doubt to be forwarded as it is.
///
/// One load and one OR for each byte; everything that needs a decision is left to [`scan_path`].
fn plain(bytes: &[u8], rules: &Normalise) -> Option<usize> {
    let (fours, rest) = bytes.as_chunks::<4>();
    let mut look = rest.iter().fold(0, |look, &byte| look | LOOK[byte as usize]);
    for [a, b, c, d] in fours {
        look |= LOOK[*a as usize] | LOOK[*b as usize] | LOOK[*c as usize] | LOOK[*d as usize];
    }
    if look & LOOK_OTHER != 0 || rules.merge_slashes {
        return None;
    }
    let query = if look & LOOK_QUESTION == 0 { None } else { memchr::memchr(b'?', bytes) };
    let path = bytes.get(..query.unwrap_or(bytes.len()))?;
    let hidden = |dot: usize| dot.checked_sub(1).and_then(|before| path.get(before)) == Some(&b'/');
    if look & LOOK_DOT != 0 && rules.dot_segments && memchr::memchr_iter(b'.', path).any(hidden) {
        return None;
    }
    Some(path.len())
}

/// Reads a path up to its `?` or end, once: is every byte allowed, and would normalising change any?
fn scan_path(bytes: &[u8], rules: &Normalise) -> Result<Scan, Reason> {
    let mut clean = true;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match CLASS[byte as usize] {
            Class::Plain => {}
            Class::Slash => match bytes.get(at + 1) {
                Some(b'.') if rules.dot_segments => clean &= !begins_with_dot_segment(&bytes[at + 1..]),
                Some(b'/') if rules.merge_slashes => clean = false,
                _ => {}
            },
            Class::Escape => {
                let code = escape(bytes, at).ok_or(Reason::BadTarget)?;
                if code == 0 || (code == b'/' && rules.encoded_slash == EncodedSlash::Refuse) {
                    return Err(Reason::BadTarget);
                }
                let lower = bytes[at + 1].is_ascii_lowercase() || bytes[at + 2].is_ascii_lowercase();
                clean &= !(rules.unreserved && (lower || is_unreserved(code)) || rules.dot_segments && code == b'.');
                at += 2;
            }
            Class::Question => break,
            Class::Bad => return Err(Reason::BadTarget),
        }
        at += 1;
    }
    Ok(Scan { path_len: at, clean })
}

/// Whether a query, without its `?`, may be forwarded as it is.
fn check_query(query: &[u8]) -> Result<(), Reason> {
    for (at, &byte) in query.iter().enumerate() {
        match CLASS[byte as usize] {
            Class::Plain | Class::Slash | Class::Question => {}
            // `%00` passes: in a query it is data that no parser ends at (info_hash, keys, cursors).
            Class::Escape if escape(query, at).is_some() => {}
            Class::Escape | Class::Bad => return Err(Reason::BadTarget),
        }
    }
    Ok(())
}

/// Appends a scanned path, normalised: per segment, so that no decoded byte can ever separate segments.
//= rfc3986#section-5.2.4
fn normalise(path: &[u8], rules: &Normalise, out: &mut Vec<u8>) {
    let mut segments = path.get(1..).unwrap_or_default().split(|&byte| byte == b'/').peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        if rules.merge_slashes && segment.is_empty() && !last {
            continue;
        }
        let start = out.len();
        out.push(b'/');
        push_segment(segment, rules, out);
        // Escaped dots count as dots even where they are not decoded: whoever decodes later must find nothing to climb.
        let dots = if rules.dot_segments { dot_segment(&out[start + 1..]) } else { 0 };
        if dots > 0 {
            out.truncate(start);
            if dots == 2 {
                let parent = out.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
                out.truncate(parent);
            }
            if last {
                out.push(b'/');
            }
        }
    }
}

/// Appends one segment, its escapes decoded or written in upper case as the rules say.
fn push_segment(segment: &[u8], rules: &Normalise, out: &mut Vec<u8>) {
    let mut at = 0;
    while let Some(&byte) = segment.get(at) {
        match escape(segment, at) {
            Some(code) if rules.unreserved => {
                if is_unreserved(code) {
                    out.push(code);
                } else {
                    out.push(b'%');
                    out.extend(segment[at + 1..at + 3].iter().map(u8::to_ascii_uppercase));
                }
                at += 3;
            }
            _ => {
                out.push(byte);
                at += 1;
            }
        }
    }
}

/// Whether the segment that begins here is written `.` or `..`; escapes are the scan's own concern.
fn begins_with_dot_segment(bytes: &[u8]) -> bool {
    let rest = match bytes {
        [b'.', b'.', rest @ ..] | [b'.', rest @ ..] => rest,
        _ => return false,
    };
    matches!(rest.first(), None | Some(b'/' | b'?'))
}

/// How many dots, escaped or not, a segment consists of, if it is one or two and nothing else; otherwise 0.
fn dot_segment(mut segment: &[u8]) -> usize {
    let mut dots = 0;
    while let [b'.', rest @ ..] | [b'%', b'2', b'e' | b'E', rest @ ..] = segment {
        segment = rest;
        dots += 1;
    }
    if segment.is_empty() && dots <= 2 { dots } else { 0 }
}

/// The byte that `%XY` at `at` stands for; `None` if none stands there.
fn escape(bytes: &[u8], at: usize) -> Option<u8> {
    match bytes.get(at..at + 3) {
        Some(&[b'%', high, low]) => {
            let (high, low) = ((high as char).to_digit(16)?, (low as char).to_digit(16)?);
            u8::try_from(high * 16 + low).ok()
        }
        _ => None,
    }
}

const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// Any bytes: no panic; what passes is normalised to what passes, is not changed by a second turn, and cannot climb.
#[doc(hidden)]
#[expect(clippy::expect_used, reason = "a fuzz case fails by a panic")]
pub fn fuzz_target(data: &[u8]) {
    let Some((&flags, target)) = data.split_first() else { return };
    let rules = Normalise {
        dot_segments: flags & 1 == 0,
        unreserved: flags & 2 == 0,
        merge_slashes: flags & 4 != 0,
        encoded_slash: if flags & 8 == 0 { EncodedSlash::Keep } else { EncodedSlash::Refuse },
    };
    let method: &[u8] = [&b"GET"[..], b"OPTIONS", b"CONNECT", b"get"][usize::from(flags >> 4 & 3)];
    let Ok(first) = parse(method, target, &rules) else { return };
    assert!(first.path_len <= first.path_and_query.len());
    if let Some(path_len) = plain(&first.path_and_query, &rules) {
        let scan = scan_path(&first.path_and_query, &rules).map(|scan| (scan.path_len, scan.clean));
        assert_eq!(scan, Ok((path_len, true)), "the fast path is the slow path");
    }
    if first.form == Form::Authority {
        return;
    }
    let again = parse(method, &first.path_and_query, &rules).expect("what we forward parses");
    assert_eq!(first.path_and_query, again.path_and_query, "normalising twice changes nothing");
    assert_eq!(first.path_len, again.path_len);
    assert!(
        matches!(again.path_and_query, Cow::Borrowed(_)) || !rules.unreserved,
        "what is normal takes the fast path"
    );
    let path = &first.path_and_query[..first.path_len];
    assert!(!rules.dot_segments || path.split(|&byte| byte == b'/').all(|segment| dot_segment(segment) == 0));
}

// === impl Normalise ===

impl Default for Normalise {
    fn default() -> Self {
        Self { dot_segments: true, unreserved: true, merge_slashes: false, encoded_slash: EncodedSlash::Keep }
    }
}

#[cfg(test)]
#[path = "target_tests.rs"]
mod tests;
