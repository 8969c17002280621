//! Sixteen bytes looked at together: where the first one stands that is not of a kind.

use wide::u8x16;

/// How many bytes are looked at.
pub(super) const LANES: usize = 16;

/// The first byte of `bytes` from `at` on that is no letter and no hyphen, as a distance from `at`; `LANES` if there is
/// none among the next `LANES`. The end of `bytes` is such a byte.
#[inline(always)]
pub(super) fn letters(bytes: &[u8], at: usize) -> usize {
    let lanes = sixteen(bytes, at);
    first(!(is_letter(lanes) | is(lanes, b'-')))
}

/// As [`letters`], but the first that is no letter, digit, hyphen or dot.
#[inline(always)]
pub(super) fn host_characters(bytes: &[u8], at: usize) -> usize {
    let lanes = sixteen(bytes, at);
    first(!(is_letter(lanes) | is_within(lanes, b'0', b'9') | is_within(lanes, b'-', b'.')))
}

/// As [`letters`], but the first that is below `least`, or DEL.
#[inline(always)]
pub(super) fn printable(bytes: &[u8], at: usize, least: u8) -> usize {
    let lanes = sixteen(bytes, at);
    first(is_within(lanes, 0, least - 1) | is(lanes, 0x7f))
}

#[inline(always)]
fn is(lanes: u8x16, byte: u8) -> u8x16 {
    lanes.simd_eq(u8x16::splat(byte))
}

#[inline(always)]
fn is_within(lanes: u8x16, from: u8, to: u8) -> u8x16 {
    let distance = lanes - u8x16::splat(from);
    distance.min(u8x16::splat(to - from)).simd_eq(distance)
}

#[inline(always)]
fn is_letter(lanes: u8x16) -> u8x16 {
    is_within(lanes | u8x16::splat(0x20), b'a', b'z')
}

/// The first lane that is set.
#[inline(always)]
fn first(lanes: u8x16) -> usize {
    (lanes.to_bitmask() | 1 << LANES).trailing_zeros() as usize
}

/// What lies at `at`, and zeroes behind the end.
#[inline(always)]
fn sixteen(bytes: &[u8], at: usize) -> u8x16 {
    match bytes.get(at..).and_then(<[u8]>::first_chunk::<LANES>) {
        Some(whole) => u8x16::new(*whole),
        None => u8x16::new(last(bytes, at).to_le_bytes()),
    }
}

/// [`sixteen`], where less than that is left.
#[inline(never)]
fn last(bytes: &[u8], at: usize) -> u128 {
    let left = bytes.len().saturating_sub(at);
    match bytes.last_chunk::<LANES>() {
        Some(whole) if left > 0 => u128::from_le_bytes(*whole) >> ((LANES - left) * 8),
        Some(_) => 0,
        None => {
            let rest = bytes.get(at..).unwrap_or_default();
            let mut whole = [0; LANES];
            whole[..rest.len()].copy_from_slice(rest);
            u128::from_le_bytes(whole)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_host_character(byte: u8) -> bool {
        byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.')
    }

    #[test]
    fn every_byte_is_judged_in_every_lane() {
        for byte in 0..=255u8 {
            for at in 0..LANES {
                let mut bytes = [b'a'; LANES];
                bytes[at] = byte;
                let (letter, host) = (byte.is_ascii_alphabetic() || byte == b'-', is_host_character(byte));
                let place = |good: bool| if good { LANES } else { at };
                assert_eq!(letters(&bytes, 0), place(letter));
                assert_eq!(host_characters(&bytes, 0), place(host));
                assert_eq!(printable(&bytes, 0, b' '), place(byte >= b' ' && byte != 0x7f));
                assert_eq!(printable(&bytes, 0, b'!'), place(byte > b' ' && byte != 0x7f));
            }
        }
    }

    #[test]
    fn the_end_stops_every_look() {
        for len in 0..40 {
            let bytes = vec![b'a'; len];
            for at in 0..=len + 1 {
                let left = len.saturating_sub(at).min(LANES);
                assert_eq!(letters(&bytes, at), left);
                assert_eq!(host_characters(&bytes, at), left);
                assert_eq!(printable(&bytes, at, b' '), left);
            }
        }
    }
}
