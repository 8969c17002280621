//! Plain work on texts, without patterns. Every function is linear in what it is given, also for hostile needles.

use memchr::memmem;

use super::TooLarge;

/// Every `needle` replaced, from left to right; at most `times` of them. An empty needle is never found.
pub fn replace(text: &[u8], needle: &[u8], with: &[u8], times: usize, most: usize) -> Result<Vec<u8>, TooLarge> {
    let mut out = Vec::with_capacity(text.len().min(most));
    let mut kept = 0;
    let add = |out: &mut Vec<u8>, part: &[u8]| {
        if out.len() + part.len() > most {
            return Err(TooLarge(most));
        }
        out.extend_from_slice(part);
        Ok(())
    };
    if !needle.is_empty() {
        for at in memmem::find_iter(text, needle).take(times) {
            add(&mut out, &text[kept..at])?;
            add(&mut out, with)?;
            kept = at + needle.len();
        }
    }
    add(&mut out, &text[kept..])?;
    Ok(out)
}

/// Where `needle` stands first, from `from` on.
#[must_use]
pub fn find(text: &[u8], needle: &[u8], from: usize) -> Option<usize> {
    memmem::find(text.get(from..)?, needle).map(|at| from + at)
}

/// The parts between separators, at most `most` of them: the last one holds the rest. An empty separator separates
/// nothing.
pub fn split<'a>(text: &'a [u8], separator: &[u8], most: usize) -> Vec<&'a [u8]> {
    let mut parts = Vec::new();
    let mut kept = 0;
    if !separator.is_empty() {
        for at in memmem::find_iter(text, separator).take(most.saturating_sub(1)) {
            parts.push(&text[kept..at]);
            kept = at + separator.len();
        }
    }
    parts.push(&text[kept..]);
    parts
}

/// Without the ASCII white space around it.
#[must_use]
pub fn trim(text: &[u8]) -> &[u8] {
    text.trim_ascii()
}

#[must_use]
pub fn starts_with(text: &[u8], prefix: &[u8]) -> bool {
    text.starts_with(prefix)
}

#[must_use]
pub fn ends_with(text: &[u8], suffix: &[u8]) -> bool {
    text.ends_with(suffix)
}

/// Harmless between tags and inside quoted attributes.
pub fn escape_html(text: &[u8], most: usize) -> Result<Vec<u8>, TooLarge> {
    let mut out = Vec::with_capacity(text.len().min(most));
    for byte in text {
        match byte {
            b'&' => out.extend_from_slice(b"&amp;"),
            b'<' => out.extend_from_slice(b"&lt;"),
            b'>' => out.extend_from_slice(b"&gt;"),
            b'"' => out.extend_from_slice(b"&quot;"),
            b'\'' => out.extend_from_slice(b"&#39;"),
            plain => out.push(*plain),
        }
        if out.len() > most {
            return Err(TooLarge(most));
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces() {
        let done = |text: &str, needle: &str, with: &str| {
            String::from_utf8(replace(text.as_bytes(), needle.as_bytes(), with.as_bytes(), 9, 99).unwrap()).unwrap()
        };
        assert_eq!(done("a.b.c", ".", "--"), "a--b--c");
        assert_eq!(done("aaa", "aa", "b"), "ba");
        assert_eq!(done("abc", "", "x"), "abc");
        assert_eq!(done("abc", "abc", ""), "");
        assert_eq!(replace(b"a.b.c", b".", b"", 1, 99).unwrap(), b"ab.c");
        assert_eq!(replace(b"aaaa", b"a", b"bbb", 9, 10), Err(TooLarge(10)));
    }

    #[test]
    fn finds_splits_and_trims() {
        assert_eq!(find(b"abcabc", b"bc", 2), Some(4));
        assert_eq!(find(b"abc", b"x", 0), None);
        assert_eq!(find(b"abc", b"a", 9), None);
        assert_eq!(split(b"a, b,, c", b", ", 9), [&b"a"[..], b"b,", b"c"]);
        assert_eq!(split(b"a,b,c", b",", 2), [&b"a"[..], b"b,c"]);
        assert_eq!(split(b"a,b", b"", 9), [&b"a,b"[..]]);
        assert_eq!(split(b"", b",", 9), [&b""[..]]);
        assert_eq!(trim(b" \ta b\r\n"), b"a b");
        assert!(starts_with(b"abc", b"ab") && ends_with(b"abc", b"bc"));
    }

    #[test]
    fn markup_is_escaped() {
        assert_eq!(
            escape_html(b"<a href=\"x\">'&'</a>", 99).unwrap(),
            b"&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;&lt;/a&gt;"
        );
        assert_eq!(escape_html(b"<<<", 8), Err(TooLarge(8)));
    }
}
