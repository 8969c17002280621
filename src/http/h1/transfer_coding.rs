//! Content-Length and Transfer-Encoding: how long a body is, or that nobody can say (RFC 9112 sections 6.1 to 6.3).
//!
//! A message with both is ambiguous too; whoever reads the whole head says so.

use super::trailers::is_token;
use crate::failure::Reason;

/// A length must fit `i64`: where we would still count, many origins have overflowed.
const LENGTH_MAX: u64 = i64::MAX as u64;

/// Digits of a length: those of `LENGTH_MAX`, and no longer run of leading zeros.
const LENGTH_DIGITS_MAX: usize = 19;

/// The transfer codings that we undo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransferCoding {
    Chunked,
}

/// The length that Content-Length gives, in bytes. `values`: one for each field line, without white space around it.
///
/// # Errors
/// `AmbiguousLength` for a second field line or a list, alike or not: RFC 9110 section 8.6 lets us collapse or refuse
/// them, and only a broken or hostile sender makes them. `BadLength` for everything that is not 1*DIGIT or too large.
//= rfc9112#section-6.3
//# If a message is received without Transfer-Encoding and with an invalid Content-Length header field, then the message
//# framing is invalid and the recipient MUST treat it as an unrecoverable error
pub fn content_length<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Result<Option<u64>, Reason> {
    let mut values = values.into_iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Reason::AmbiguousLength);
    }
    match number(value) {
        Some(length) => Ok(Some(length)),
        None if value.contains(&b',') => Err(Reason::AmbiguousLength),
        None => Err(Reason::BadLength),
    }
}

/// 1*DIGIT, not too large.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > LENGTH_DIGITS_MAX {
        return None;
    }
    // 19 digits cannot overflow a `u64`.
    let mut number = 0u64;
    for digit in digits {
        let value = digit.wrapping_sub(b'0');
        if value > 9 {
            return None;
        }
        number = number * 10 + u64::from(value);
    }
    (number <= LENGTH_MAX).then_some(number)
}

/// The coding that Transfer-Encoding names: `chunked` once and nothing else. `values`: one for each field line.
///
/// # Errors
/// `TransferCodingUnknown` for other codings with `chunked` last: well-formed, but we do not undo them.
/// `BadTransferEncoding` for `chunked` twice or not last, an empty element, a parameter, what is no token, and the
/// field itself in HTTP/1.0, where its sender and the next reader may not know it.
//= rfc9112#section-6.1
//# A server or client that receives an HTTP/1.0 message containing a Transfer-Encoding header field MUST treat the
//# message as if the framing is faulty
//= rfc9112#section-6.3
//# If a Transfer-Encoding header field is present in a request and the chunked transfer coding is not the final encoding,
//# the message body length cannot be determined reliably; the server MUST respond with the 400 (Bad Request) status code
pub fn transfer_encoding<'a>(
    values: impl IntoIterator<Item = &'a [u8]>,
    version_10: bool,
) -> Result<Option<TransferCoding>, Reason> {
    let (mut chunked, mut others) = (false, false);
    for coding in values.into_iter().flat_map(|value| value.split(|&byte| byte == b',')) {
        let coding = trim(coding);
        // Nothing may stand behind `chunked`, another `chunked` included.
        if version_10 || chunked || coding.is_empty() || !coding.iter().all(|&byte| is_token(byte)) {
            return Err(Reason::BadTransferEncoding);
        }
        if coding.eq_ignore_ascii_case(b"chunked") { chunked = true } else { others = true }
    }
    match (chunked, others) {
        (false, false) => Ok(None),
        (true, false) => Ok(Some(TransferCoding::Chunked)),
        (true, true) => Err(Reason::TransferCodingUnknown),
        (false, true) => Err(Reason::BadTransferEncoding),
    }
}

/// Without the spaces and tabs around it, and no other bytes: a vertical tab is no white space here.
fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn length(values: &[&str]) -> Result<Option<u64>, Reason> {
        content_length(values.iter().map(|value| value.as_bytes()))
    }

    fn coding(values: &[&str]) -> Result<Option<TransferCoding>, Reason> {
        transfer_encoding(values.iter().map(|value| value.as_bytes()), false)
    }

    #[test]
    fn lengths_that_pass() {
        assert_eq!(length(&[]), Ok(None));
        for (value, expected) in [("0", 0), ("5", 5), ("0005", 5), ("9223372036854775807", i64::MAX as u64)] {
            assert_eq!(length(&[value]), Ok(Some(expected)));
        }
    }

    #[test]
    fn defects_cl_bad_and_overflow() {
        for value in [
            "",
            " 5",
            "5 ",
            "+5",
            "-5",
            "-0",
            "5 5",
            "0x5",
            "5a",
            "5.0",
            "5;",
            "٥",
            "\u{b}5",
            "5\0",
            "1_000",
            "Infinity",
            "9223372036854775808",
            "18446744073709551616",
            "99999999999999999999999999",
            "00000000000000000005",
        ] {
            assert_eq!(length(&[value]), Err(Reason::BadLength), "{value:?}");
        }
    }

    #[test]
    fn defects_cl_differ_and_dup() {
        for values in [&["5", "6"][..], &["5", "5"], &["5, 5"], &["5,6"], &["5,"], &[",5"], &["", ""]] {
            assert_eq!(length(values), Err(Reason::AmbiguousLength), "{values:?}");
        }
    }

    #[test]
    fn codings_that_pass() {
        assert_eq!(coding(&[]), Ok(None));
        for value in ["chunked", "Chunked", "CHUNKED", " chunked\t"] {
            assert_eq!(coding(&[value]), Ok(Some(TransferCoding::Chunked)));
        }
    }

    #[test]
    fn defect_te_unknown() {
        for values in [&["gzip, chunked"][..], &["gzip", "chunked"], &["identity, chunked"], &["x, y ,chunked"]] {
            assert_eq!(coding(values), Err(Reason::TransferCodingUnknown), "{values:?}");
        }
    }

    #[test]
    fn defects_te_final_bad_twice_empty_param() {
        for values in [
            &["gzip"][..],
            &["identity"],
            &["chunked, gzip"],
            &["chunked", "gzip"],
            &["chunked, identity"],
            &["chunke"],
            &["chunked, chunked"],
            &["chunked", "chunked"],
            &[""],
            &[","],
            &["chunked,"],
            &[",chunked"],
            &["gzip,,chunked"],
            &["chunked", ""],
            &["chunked;q=1"],
            &["gzip;x=1, chunked"],
            &["chun ked"],
            &["\"chunked\""],
            &["chunked\0"],
            &["\u{b}chunked"],
            &["chunked\u{c}"],
            &["chunked;"],
            &["=chunked"],
        ] {
            assert_eq!(coding(values), Err(Reason::BadTransferEncoding), "{values:?}");
        }
    }

    #[test]
    fn defect_te_10() {
        assert_eq!(transfer_encoding([&b"chunked"[..]], true), Err(Reason::BadTransferEncoding));
        assert_eq!(transfer_encoding(None, true), Ok(None));
    }

    proptest! {
        #[test]
        fn any_bytes(value in proptest::collection::vec(any::<u8>(), 0..32), old in any::<bool>()) {
            let _ = transfer_encoding([&value[..]], old);
            let parsed = std::str::from_utf8(&value).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
            let parsed = parsed.and_then(|text| text.parse::<u64>().ok());
            if let Ok(length) = content_length([&value[..]]) { prop_assert_eq!(length, parsed); }
        }

        #[test]
        fn every_length(length in 0..=LENGTH_MAX) {
            prop_assert_eq!(content_length([length.to_string().as_bytes()]), Ok(Some(length)));
        }
    }
}
