//! Base64 (RFC 4648), both alphabets. What is written is padded or not as asked; what is read may be either, and of either
//! alphabet where nobody says which.

use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, Engine, GeneralPurpose, GeneralPurposeConfig};

use super::TooLarge;
use crate::limits::LIBRARY_BYTES_MAX;

/// Which 64 letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alphabet {
    /// With `+` and `/`.
    Standard,
    /// With `-` and `_`, as tokens and URLs want it.
    UrlSafe,
}

/// Why a text is not base64.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not base64: {0}")]
pub struct NotBase64(#[from] base64::DecodeError);

const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const PLAIN: GeneralPurpose = GeneralPurpose::new(&STANDARD, LENIENT);
const PLAIN_BARE: GeneralPurpose = GeneralPurpose::new(&STANDARD, LENIENT.with_encode_padding(false));
const URL: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, LENIENT);
const URL_BARE: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, LENIENT.with_encode_padding(false));

/// Writes bytes as text.
pub fn encode(bytes: &[u8], alphabet: Alphabet, padded: bool) -> Result<String, TooLarge> {
    if bytes.len() > LIBRARY_BYTES_MAX / 4 * 3 {
        return Err(TooLarge(LIBRARY_BYTES_MAX));
    }
    Ok(match (alphabet, padded) {
        (Alphabet::Standard, true) => PLAIN.encode(bytes),
        (Alphabet::Standard, false) => PLAIN_BARE.encode(bytes),
        (Alphabet::UrlSafe, true) => URL.encode(bytes),
        (Alphabet::UrlSafe, false) => URL_BARE.encode(bytes),
    })
}

/// Reads text of that alphabet, padded or not. Without one: url-safe if it has a `-` or `_`.
pub fn decode(text: &[u8], alphabet: Option<Alphabet>) -> Result<Vec<u8>, NotBase64> {
    let url = alphabet
        .map_or_else(|| text.iter().any(|byte| matches!(byte, b'-' | b'_')), |alphabet| alphabet == Alphabet::UrlSafe);
    Ok(if url { URL.decode(text)? } else { PLAIN.decode(text)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_of_rfc_4648() {
        let cases = [("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("", "")];
        for (bytes, text) in cases {
            assert_eq!(encode(bytes.as_bytes(), Alphabet::Standard, true).unwrap(), text);
            let bare = text.trim_end_matches('=');
            assert_eq!(encode(bytes.as_bytes(), Alphabet::UrlSafe, false).unwrap(), bare);
            for text in [text, bare] {
                assert_eq!(decode(text.as_bytes(), None).unwrap(), bytes.as_bytes());
            }
        }
        assert_eq!(encode(b"\xfb\xff", Alphabet::Standard, true).unwrap(), "+/8=");
        assert_eq!(encode(b"\xfb\xff", Alphabet::UrlSafe, true).unwrap(), "-_8=");
        assert_eq!(decode(b"-_8", None).unwrap(), b"\xfb\xff");
        assert!(decode(b"-_8", Some(Alphabet::Standard)).is_err());
    }

    #[test]
    fn what_is_none_is_told() {
        for text in ["Z", "Zg=a", "Zm 9v", "Zm9v\n", "Zh=="] {
            assert!(decode(text.as_bytes(), None).unwrap_err().to_string().starts_with("not base64: "), "{text}");
        }
    }
}
