//! Digests and checksums.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, SHA384, SHA512, digest};

/// A cryptographic digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Digest {
    /// Broken: for old formats alone.
    Md5,
    /// Broken for signatures; an HMAC with it still holds.
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

// === impl Digest ===

impl Digest {
    pub const ALL: &[Self] = &[Self::Md5, Self::Sha1, Self::Sha256, Self::Sha384, Self::Sha512];

    /// As scripts call it.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Md5 => "md5",
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
        }
    }

    /// Of these bytes.
    #[must_use]
    pub fn of(self, bytes: &[u8]) -> Vec<u8> {
        let algorithm = match self {
            Self::Md5 => return <md5::Md5 as md5::Digest>::digest(bytes).to_vec(),
            Self::Sha1 => &SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => &SHA256,
            Self::Sha384 => &SHA384,
            Self::Sha512 => &SHA512,
        };
        digest(algorithm, bytes).as_ref().to_vec()
    }
}

/// The checksum of zip, gzip and Ethernet.
#[must_use]
pub fn crc32(bytes: &[u8]) -> u32 {
    crc32fast::hash(bytes)
}

/// Fast, and the same in every version, process and machine (XXH3): for shares and balancing. It is no secret, and whoever
/// chooses the bytes can choose the outcome; a seed of one's own keeps two uses apart.
#[must_use]
pub fn fast(bytes: &[u8], seed: u64) -> u64 {
    xxhash_rust::xxh3::xxh3_64_with_seed(bytes, seed)
}

/// [`fast`] as a number from 0 up to 1: below 0.05 lie five of a hundred, always the same ones.
#[must_use]
pub fn share(bytes: &[u8], seed: u64) -> f64 {
    const STEPS: f64 = (1_u64 << 53) as f64;
    (fast(bytes, seed) >> 11) as f64 / STEPS
}

#[cfg(test)]
mod tests {
    use super::super::hex;
    use super::*;

    #[test]
    fn vectors() {
        for (digest, text) in [
            (Digest::Md5, "900150983cd24fb0d6963f7d28e17f72"),
            (Digest::Sha1, "a9993e364706816aba3e25717850c26c9cd0d89d"),
            (Digest::Sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (
                Digest::Sha384,
                "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
            ),
            (
                Digest::Sha512,
                "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
                 2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
            ),
        ] {
            assert_eq!(hex::encode(&digest.of(b"abc")), text, "{}", digest.label());
        }
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn the_fast_one_stays_as_it_is() {
        assert_eq!(fast(b"", 0), 0x2d06_8005_38d3_94c2);
        assert_ne!(fast(b"a", 0), fast(b"a", 1));
        let below = (0..10_000_u32).filter(|n| share(&n.to_le_bytes(), 7) < 0.05).count();
        assert!((400..600).contains(&below), "{below}");
    }
}
