//! Comparing what must not be guessed byte by byte.

/// Whether both are the same, in a time that tells nothing but their lengths.
#[must_use]
pub fn equal(one: &[u8], other: &[u8]) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(one, other).is_ok()
}

#[cfg(test)]
mod tests {
    use super::equal;

    #[test]
    fn compares() {
        assert!(equal(b"", b"") && equal(b"secret", b"secret"));
        assert!(!equal(b"secret", b"secreT") && !equal(b"secret", b"secre"));
    }
}
