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
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let mut digits = [0; 32];
        let bytes = fastrand::u128(..).to_ne_bytes();
        for (pair, byte) in digits.chunks_exact_mut(2).zip(bytes) {
            pair[0] = HEX[usize::from(byte >> 4)];
            pair[1] = HEX[usize::from(byte & 15)];
        }
        Self(SmallVec::from_buf(digits))
    }

    pub(super) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

fn is_acceptable(id: &[u8]) -> bool {
    !id.is_empty() && id.len() <= REQUEST_ID_BYTES_MAX && id.iter().all(u8::is_ascii_graphic)
}
