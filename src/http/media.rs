//! Which kind of page a client is shown where the answer is ours: Accept (RFC 9110 section 12.5.1).

/// The kinds of page that we write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Page {
    /// `text/html`
    Html,
    /// `application/problem+json`, RFC 9457
    Json,
    /// `text/plain`, for whoever did not ask
    Plain,
}

/// The page for a client that sent these values of Accept, one for each field line; `None` and `[]` are no such field.
///
/// Only types that are named count: a range such as `*/*` says what a program can survive, not what it wants, so curl
/// and fetch get plain text. Of those named the highest `q` wins, of equals the first.
#[must_use]
pub fn page<'a>(accept: impl IntoIterator<Item = &'a [u8]>) -> Page {
    let (mut best, mut best_quality) = (Page::Plain, 0);
    for range in accept.into_iter().flat_map(|value| value.split(|&byte| byte == b',')) {
        let mut parts = range.split(|&byte| byte == b';').map(<[u8]>::trim_ascii);
        let Some(page) = parts.next().and_then(named) else { continue };
        let quality = parts.find_map(quality).unwrap_or(1000);
        if quality > best_quality {
            (best, best_quality) = (page, quality);
        }
    }
    best
}

/// The page whose media type this is.
fn named(media_type: &[u8]) -> Option<Page> {
    let is = |name: &str| media_type.eq_ignore_ascii_case(name.as_bytes());
    if is("text/html") || is("application/xhtml+xml") {
        Some(Page::Html)
    } else if is("application/json") || is("application/problem+json") {
        Some(Page::Json)
    } else if is("text/plain") {
        Some(Page::Plain)
    } else {
        None
    }
}

/// The thousandths of a `q=` parameter, 0 if it is malformed; `None` if it is another parameter.
//= rfc9110#section-12.4.2
//# qvalue = ( "0" [ "." 0*3DIGIT ] ) / ( "1" [ "." 0*3("0") ] )
fn quality(parameter: &[u8]) -> Option<u16> {
    let [b'q' | b'Q', b'=', value @ ..] = parameter else { return None };
    let (whole, digits) = match value {
        [whole] => (whole, &b""[..]),
        [whole, b'.', digits @ ..] => (whole, digits),
        _ => return Some(0),
    };
    if digits.len() > 3 || !digits.iter().all(u8::is_ascii_digit) {
        return Some(0);
    }
    let fraction = [100, 10, 1].iter().zip(digits).map(|(weight, digit)| weight * u16::from(digit - b'0')).sum();
    match (whole, fraction) {
        (b'0', fraction) => Some(fraction),
        (b'1', 0) => Some(1000),
        _ => Some(0),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pages() {
        for (accept, expected) in [
            ("", Page::Plain),
            ("*/*", Page::Plain),
            ("text/*, application/*", Page::Plain),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8", Page::Html),
            ("application/json, text/plain, */*", Page::Json),
            ("application/problem+json", Page::Json),
            ("TEXT/HTML ; level=1 ; Q=0.4, application/JSON;q=0.5", Page::Json),
            ("application/json;q=0.5, text/html;q=0.50", Page::Json),
            ("application/json;q=0, text/html;q=0.001", Page::Html),
            ("text/html;q=0", Page::Plain),
            ("text/html;q=0.2, text/plain;q=0.3", Page::Plain),
            ("text/html;q=2, application/json;q=0.1", Page::Json),
            ("text/html;q=1.001, application/json;q=0.1", Page::Json),
            ("text/html;q=0.1234, application/json;q=0.1", Page::Json),
            ("text/html;q=x, text/html;q=", Page::Plain),
            ("text/htmlx, xtext/html, html", Page::Plain),
            (",,;,=;q, text/html", Page::Html),
        ] {
            assert_eq!(page([accept.as_bytes()]), expected, "{accept}");
        }
        assert_eq!(page(None), Page::Plain);
        assert_eq!(page([&b"text/html;q=0.1"[..], b"application/json"]), Page::Json);
    }

    proptest! {
        #[test]
        fn any_bytes(value in "(text/html|application/json|;q=|[01.,; ]|\\PC)*") { let _ = page([value.as_bytes()]); }
    }
}
