//! Path patterns: exact, prefix, template; and whether a normalised path can ever match one.

use super::super::plan::{PathPattern, Segment};
use crate::http::target::{EncodedSlash, Normalise};

/// Reads a pattern as written. An error says what was expected.
pub(super) fn parse(text: &str) -> Result<PathPattern, String> {
    if !text.starts_with('/') {
        return Err("a path begins with `/`".into());
    }
    if text.contains(['?', '#']) {
        return Err("a path has no query and no fragment; match `query` instead".into());
    }
    if text.contains('\\') || text.chars().any(char::is_control) {
        return Err("backslashes and control characters are refused in requests, so this could never match".into());
    }
    let (body, open) = match text.strip_suffix("/*") {
        Some(body) => (body, true),
        None => (text, false),
    };
    let segments = segments(body)?;
    if segments.iter().any(|segment| matches!(segment, Segment::Parameter(_))) {
        return Ok(PathPattern::Template { segments, open });
    }
    Ok(if open { PathPattern::Prefix(body.to_owned()) } else { PathPattern::Exact(text.to_owned()) })
}

fn segments(body: &str) -> Result<Vec<Segment>, String> {
    let mut segments = Vec::new();
    for text in body.split('/').skip(1) {
        let segment = match text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) {
            Some(name) => Segment::Parameter(parameter(name, &segments)?),
            None if text.contains('*') => {
                return Err("`*` may only be the last segment, as in `/static/*`".into());
            }
            None if text.contains(['{', '}']) => {
                return Err("a parameter is a whole segment, as in `/cart/{id}`".into());
            }
            None => Segment::Literal(text.to_owned()),
        };
        segments.push(segment);
    }
    Ok(segments)
}

fn parameter(name: &str, before: &[Segment]) -> Result<String, String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    if name.is_empty() || !name.bytes().all(plain) {
        return Err("a parameter's name has letters, digits, `_` and `-`, as in `{id}`".into());
    }
    if before.iter().any(|segment| matches!(segment, Segment::Parameter(known) if known == name)) {
        return Err(format!("the parameter `{name}` stands twice"));
    }
    Ok(name.to_owned())
}

/// As it is written in the file.
pub(super) fn display(pattern: &PathPattern) -> String {
    match pattern {
        PathPattern::Exact(path) => path.clone(),
        PathPattern::Prefix(path) => format!("{path}/*"),
        PathPattern::Template { segments, open } => render(segments, *open),
        PathPattern::Regex(regex) => format!("~{regex}"),
    }
}

fn render(segments: &[Segment], open: bool) -> String {
    let mut out = String::new();
    for segment in segments {
        match segment {
            Segment::Literal(text) => out.extend(["/", text]),
            Segment::Parameter(name) => out.extend(["/{", name, "}"]),
        }
    }
    out.push_str(if open { "/*" } else { "" });
    out
}

/// Why no request can have this path, with the form that one could have.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Never {
    /// Requests are normalised to this before routes see them.
    Rewritten(String),
    /// Such requests are refused.
    Refused(&'static str),
}

/// Whether a pattern as written can match what `rules` let through.
pub(super) fn never(text: &str, rules: Normalise) -> Option<Never> {
    let (body, open) = text.strip_suffix("/*").map_or((text, false), |body| (body, true));
    let mut out: Vec<String> = Vec::new();
    let written: Vec<&str> = body.split('/').skip(1).collect();
    for (index, segment) in written.iter().enumerate() {
        let last = index + 1 == written.len() && !open;
        let one = match one_segment(segment, rules) {
            Ok(one) => one,
            Err(why) => return Some(Never::Refused(why)),
        };
        match one.as_str() {
            "." | ".." if rules.dot_segments => {
                if one == ".." {
                    out.pop();
                }
                if last {
                    out.push(String::new());
                }
            }
            "" if rules.merge_slashes && !last => {}
            _ => out.push(one),
        }
    }
    let mut normal: String = out.iter().map(|segment| format!("/{segment}")).collect();
    normal.push_str(if open { "/*" } else { "" });
    if normal.is_empty() {
        normal.push('/');
    }
    (normal != text).then_some(Never::Rewritten(normal))
}

fn one_segment(segment: &str, rules: Normalise) -> Result<String, &'static str> {
    if segment.starts_with('{') && segment.ends_with('}') {
        return Ok(segment.to_owned());
    }
    let bytes = segment.as_bytes();
    let mut out = String::new();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        if byte != b'%' {
            if plain(byte) {
                out.push(char::from(byte));
            } else {
                out.push_str(&format!("%{byte:02X}"));
            }
            continue;
        }
        let escape = segment.get(at..at + 2).filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()));
        let Some(value) = escape.and_then(|hex| u8::from_str_radix(hex, 16).ok()) else {
            return Err("`%` must be followed by two hexadecimal digits");
        };
        at += 2;
        match value {
            0 => return Err("`%00` is refused in requests"),
            b'/' if rules.encoded_slash == EncodedSlash::Refuse => return Err("`%2F` is refused by every listener"),
            _ if rules.unreserved && unreserved(value) => out.push(char::from(value)),
            _ if rules.unreserved => out.push_str(&format!("%{value:02X}")),
            _ => out.push_str(segment.get(at - 3..at).unwrap_or_default()),
        }
    }
    Ok(out)
}

/// RFC 3986 section 2.3.
fn unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// What may stand in a segment as it is: RFC 3986's pchar.
fn plain(byte: u8) -> bool {
    unreserved(byte)
        || matches!(byte, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' | b':' | b'@')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_read() {
        let literal = |text: &str| Segment::Literal(text.into());
        let id = Segment::Parameter("id".into());
        for (text, expected) in [
            ("/", PathPattern::Exact("/".into())),
            ("/*", PathPattern::Prefix(String::new())),
            ("/static/*", PathPattern::Prefix("/static".into())),
            ("/cart", PathPattern::Exact("/cart".into())),
            ("/cart/{id}", PathPattern::Template { segments: vec![literal("cart"), id.clone()], open: false }),
            ("/{id}/*", PathPattern::Template { segments: vec![id.clone()], open: true }),
            ("/{id}/", PathPattern::Template { segments: vec![id, literal("")], open: false }),
        ] {
            let read = parse(text);
            assert_eq!(read, Ok(expected), "{text}");
            assert_eq!(read.map(|pattern| display(&pattern)).as_deref(), Ok(text));
        }
        for text in ["", "cart", "/a?b", "/a#b", "/a*", "/*/a", "/a{b}", "/{}", "/{a}/{a}", "/a\\b", "/{a b}"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn unnormal_patterns_are_found() {
        let rewritten = |text: &str| Some(Never::Rewritten(text.to_owned()));
        for (text, expected) in [
            ("/", None),
            ("/*", None),
            ("/a/b/", None),
            ("/a//b", None),
            ("/a%2Fb", None),
            ("/{id}/*", None),
            ("/a/../b", rewritten("/b")),
            ("/a/./b", rewritten("/a/b")),
            ("/a/..", rewritten("/")),
            ("/a/../*", rewritten("/*")),
            ("/%61", rewritten("/a")),
            ("/a%2fb", rewritten("/a%2Fb")),
            ("/é", rewritten("/%C3%A9")),
            ("/a b", rewritten("/a%20b")),
            ("/%zz", Some(Never::Refused("`%` must be followed by two hexadecimal digits"))),
            ("/%é", Some(Never::Refused("`%` must be followed by two hexadecimal digits"))),
        ] {
            assert_eq!(never(text, Normalise::default()), expected, "{text}");
        }
        let merging = Normalise { merge_slashes: true, ..Normalise::default() };
        assert_eq!(never("/a//b/", merging), rewritten("/a/b/"));
    }
}
