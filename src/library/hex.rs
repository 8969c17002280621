//! Bytes as hexadecimal digits, and back.

/// Why a text is not hexadecimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotHex {
    #[error("not hexadecimal: byte {0} is no digit")]
    Digit(usize),
    #[error("not hexadecimal: an odd number of digits")]
    Odd,
}

/// Lower case, two digits a byte.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|half| char::from(DIGITS[usize::from(half)])).collect()
}

/// Either case.
pub fn decode(text: &[u8]) -> Result<Vec<u8>, NotHex> {
    if !text.len().is_multiple_of(2) {
        return Err(NotHex::Odd);
    }
    let half = |at: usize| digit(text[at]).ok_or(NotHex::Digit(at + 1));
    (0..text.len()).step_by(2).map(|at| Ok(half(at)? << 4 | half(at + 1)?)).collect()
}

/// What one digit stands for.
#[must_use]
pub fn digit(byte: u8) -> Option<u8> {
    (byte as char).to_digit(16).map(|value| value as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        assert_eq!(encode(b"\x00\x7f\xff"), "007fff");
        assert_eq!(decode(b"007fFF").unwrap(), b"\x00\x7f\xff");
        assert_eq!(decode(b"0"), Err(NotHex::Odd));
        assert_eq!(decode(b"0g").unwrap_err().to_string(), "not hexadecimal: byte 2 is no digit");
        assert_eq!(decode("é".as_bytes()), Err(NotHex::Digit(1)));
    }
}
