//! The name of an exchange in every log line, on both sides: ours, or one that a trusted neighbour gave it.

use smallvec::SmallVec;

use crate::http::head::Head;
use crate::http::name::{FieldName, Known};
use crate::limits::REQUEST_ID_BYTES_MAX;

/// 32 hexadecimal digits, or what a trusted neighbour sent.
#[derive(Debug, Default, Clone)]
pub(super) struct RequestId(SmallVec<[u8; 32]>);

// === impl RequestId ===

impl RequestId {
    /// Takes a trusted neighbour's id or makes one, and leaves it in the head for the origin.
    pub(super) fn settle(head: &mut Head, trusted: bool) -> Self {
        if let Some(given) = head.known(Known::XRequestId) {
            let alone = head.all_known(Known::XRequestId).nth(1).is_none();
            if trusted && alone && is_acceptable(given) {
                return Self(SmallVec::from_slice(given));
            }
            let made = Self::make();
            head.set(&FieldName::from(Known::XRequestId), &made.0);
            return made;
        }
        let made = Self::make();
        head.add_known(Known::XRequestId, &made.0);
        made
    }

    /// An id of our own.
    pub(super) fn make() -> Self {
        let mut digits = [0; 32];
        let (eights, _) = digits.as_chunks_mut::<8>();
        let number = fastrand::u128(..);
        for (at, eight) in eights.iter_mut().enumerate() {
            *eight = hexadecimal((number >> (at * 32)) as u32);
        }
        Self(SmallVec::from_buf(digits))
    }

    pub(super) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// Eight digits at once: a nibble to each byte, then the letters' distance where it is over 9.
fn hexadecimal(number: u32) -> [u8; 8] {
    let mut spread = u64::from(number);
    spread = (spread | spread << 16) & 0x0000_ffff_0000_ffff;
    spread = (spread | spread << 8) & 0x00ff_00ff_00ff_00ff;
    spread = (spread | spread << 4) & 0x0f0f_0f0f_0f0f_0f0f;
    let over = ((spread + 0x0606_0606_0606_0606) >> 4) & 0x0101_0101_0101_0101;
    (spread + 0x3030_3030_3030_3030 + over * 0x27).to_be_bytes()
}

/// What may stand as it is in a field, a page and a log line: nothing that ends a string or begins markup.
fn is_acceptable(id: &[u8]) -> bool {
    let fit = |byte: &u8| byte.is_ascii_graphic() && !b"\"'\\<>&`".contains(byte);
    !id.is_empty() && id.len() <= REQUEST_ID_BYTES_MAX && id.iter().all(fit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_hexadecimal() {
        for number in [0, 1, 0x9abc_def0, u32::MAX, 0x1234_5678] {
            assert_eq!(std::str::from_utf8(&hexadecimal(number)).unwrap(), format!("{number:08x}"));
        }
    }
}
