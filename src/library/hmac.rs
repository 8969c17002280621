//! Keyed digests (RFC 2104): who knows the key made this.

use aws_lc_rs::hmac::{
    Algorithm, HMAC_SHA1_FOR_LEGACY_USE_ONLY, HMAC_SHA256, HMAC_SHA384, HMAC_SHA512, Key, sign as tag_of,
    verify as fits,
};

use super::hash::Digest;

/// There is no HMAC of this digest here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("hmac knows sha1, sha256, sha384 and sha512, not {0}")]
pub struct NoSuchHmac(&'static str);

/// The tag of a message.
pub fn sign(digest: Digest, key: &[u8], message: &[u8]) -> Result<Vec<u8>, NoSuchHmac> {
    Ok(tag_of(&Key::new(algorithm(digest)?, key), message).as_ref().to_vec())
}

/// Whether the tag is the message's, in a time that tells nothing.
pub fn verify(digest: Digest, key: &[u8], message: &[u8], tag: &[u8]) -> Result<bool, NoSuchHmac> {
    Ok(fits(&Key::new(algorithm(digest)?, key), message, tag).is_ok())
}

fn algorithm(digest: Digest) -> Result<Algorithm, NoSuchHmac> {
    match digest {
        Digest::Sha1 => Ok(HMAC_SHA1_FOR_LEGACY_USE_ONLY),
        Digest::Sha256 => Ok(HMAC_SHA256),
        Digest::Sha384 => Ok(HMAC_SHA384),
        Digest::Sha512 => Ok(HMAC_SHA512),
        Digest::Md5 => Err(NoSuchHmac(digest.label())),
    }
}

#[cfg(test)]
mod tests {
    use super::super::hex;
    use super::*;

    #[test]
    fn vectors_of_rfc_2202_and_4231() {
        let (key, message) = (b"Jefe", b"what do ya want for nothing?");
        for (digest, text) in [
            (Digest::Sha1, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
            (Digest::Sha256, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
            (
                Digest::Sha384,
                "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649",
            ),
            (
                Digest::Sha512,
                "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554\
                 9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
            ),
        ] {
            let tag = sign(digest, key, message).unwrap();
            assert_eq!(hex::encode(&tag), text);
            assert_eq!(verify(digest, key, message, &tag), Ok(true));
            assert_eq!(verify(digest, key, message, &tag[1..]), Ok(false));
            assert_eq!(verify(digest, b"other", message, &tag), Ok(false));
        }
        assert!(sign(Digest::Md5, key, message).is_err());
    }
}
