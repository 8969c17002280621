//! Query parameters as routing and placeholders read them: the first of a name counts, `+` and `%XX` are decoded before
//! anything is compared. Nothing here writes a query.

/// The first value of a parameter as it stands in the query, still encoded; `name=` and `name` give the empty text.
#[must_use]
pub(super) fn first<'a>(query: Option<&'a str>, name: &str) -> Option<&'a str> {
    query?.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        decoded(key).eq(name.bytes()).then_some(value)
    })
}

/// The bytes a name or value stands for. A `%` without two digits behind it stands for itself.
pub(super) fn decoded(raw: &str) -> impl Iterator<Item = u8> {
    let mut rest = raw.as_bytes();
    std::iter::from_fn(move || {
        let (&byte, behind) = rest.split_first()?;
        rest = behind;
        match byte {
            b'+' => Some(b' '),
            b'%' => match escaped(behind) {
                Some(byte) => {
                    rest = behind.get(2..).unwrap_or_default();
                    Some(byte)
                }
                None => Some(b'%'),
            },
            _ => Some(byte),
        }
    })
}

/// The text a value stands for; what is no UTF-8 in it is replaced.
#[must_use]
pub fn text(raw: &str) -> String {
    let bytes: Vec<u8> = decoded(raw).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The byte that the two hexadecimal digits in front stand for.
#[must_use]
pub(super) fn escaped(digits: &[u8]) -> Option<u8> {
    let digit = |at: usize| digits.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    u8::try_from(digit(0)? * 16 + digit(1)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_a_name_counts() {
        assert_eq!(first(Some("a=1&b=2&a=3"), "a"), Some("1"));
        assert_eq!(first(Some("a=1&b=2"), "b"), Some("2"));
        assert_eq!(first(Some("a&b="), "a"), Some(""));
        assert_eq!(first(Some("a&b="), "b"), Some(""));
        assert_eq!(first(Some("%61=x=y"), "a"), Some("x=y"));
        assert_eq!(first(Some("ab=1"), "a"), None);
        assert_eq!(first(None, "a"), None);
    }

    #[test]
    fn values_are_decoded_once() {
        assert_eq!(text("a+b%20c"), "a b c");
        assert_eq!(text("%2541"), "%41");
        assert_eq!(text("100%"), "100%");
        assert_eq!(text("%4"), "%4");
        assert_eq!(text("%zz"), "%zz");
    }
}
