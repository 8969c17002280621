//! Keys, signatures, base64 and time, as Envoy's handle has them.

use std::time::UNIX_EPOCH;

use aws_lc_rs::signature::{self, UnparsedPublicKey, VerificationAlgorithm};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use x509_parser::prelude::FromDer as _;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

use super::super::raw::{Frame, Hosted, Kind, Raise, Returned};
use super::{Method, Object, methods, push_held, text};
use crate::clock;

pub(super) const KEY: &[Method] = methods![
    c"get" => key,
];

/// A public key as it was imported: DER.
struct Imported(Vec<u8>);

/// A text's first `length` bytes.
fn cut<'a>(frame: &Frame<'_>, bytes: &'a [u8], at: i32, method: &str) -> Result<&'a [u8], Raise> {
    let wrong = || super::bad_argument(frame, at, method, "number");
    let length = frame.number(at).filter(|length| *length >= 0.0).ok_or_else(wrong)?;
    bytes.get(..length as usize).ok_or_else(|| Raise(format!("{method}: a length beyond the end of its text")))
}

/// `handle:importPublicKey(der, length)`
pub(super) fn import(frame: &Frame<'_>) -> Hosted {
    let der = text(frame, 2, "importPublicKey")?;
    let der = cut(frame, &der, 3, "importPublicKey")?.to_vec();
    push_held(frame, Object::PublicKey, Imported(der))
}

/// `key:get()`
fn key(frame: &Frame<'_>) -> Hosted {
    let held = frame.thing(1, Object::PublicKey as u8).and_then(|thing| thing.held.as_ref());
    match held.and_then(|held| held.downcast_ref::<Imported>()) {
        Some(Imported(der)) if SubjectPublicKeyInfo::from_der(der).is_ok() => frame.push_text(der),
        _ => frame.push_nil(),
    }
    Ok(Returned::Values(1))
}

/// `handle:verifySignature(hash, key, signature, length, data, length)`
pub(super) fn verify(frame: &Frame<'_>) -> Hosted {
    const METHOD: &str = "verifySignature";
    let hash = String::from_utf8_lossy(&text(frame, 2, METHOD)?).to_ascii_lowercase();
    let (key, signature, data) = (text(frame, 3, METHOD)?, text(frame, 4, METHOD)?, text(frame, 6, METHOD)?);
    let (signature, data) = (cut(frame, &signature, 5, METHOD)?, cut(frame, &data, 7, METHOD)?);
    let wrong = match algorithm(&hash, &key) {
        Ok(algorithm) => {
            let verified = UnparsedPublicKey::new(algorithm, &*key).verify(data, signature);
            verified.err().map(|_| "Failed to verify digest. Error code: 0".to_owned())
        }
        Err(wrong) => Some(wrong),
    };
    frame.push_bool(wrong.is_none());
    let Some(wrong) = wrong else { return Ok(Returned::Values(1)) };
    frame.push_text(wrong.as_bytes());
    Ok(Returned::Values(2))
}

/// How a key of this kind signs with this hash.
fn algorithm(hash: &str, key: &[u8]) -> Result<&'static dyn VerificationAlgorithm, String> {
    if !matches!(hash, "sha1" | "sha224" | "sha256" | "sha384" | "sha512") {
        return Err(format!("{hash} is not supported."));
    }
    let (_, info) =
        SubjectPublicKeyInfo::from_der(key).map_err(|_| "Failed to initialize digest verify.".to_owned())?;
    Ok(match (info.parsed(), hash) {
        (Ok(PublicKey::RSA(_)), "sha1") => &signature::RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
        (Ok(PublicKey::RSA(_)), "sha256") => &signature::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
        (Ok(PublicKey::RSA(_)), "sha384") => &signature::RSA_PKCS1_2048_8192_SHA384,
        (Ok(PublicKey::RSA(_)), "sha512") => &signature::RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
        (Ok(PublicKey::EC(point)), hash) => match (point.key_size(), hash) {
            (256, "sha256") => &signature::ECDSA_P256_SHA256_ASN1,
            (256, "sha384") => &signature::ECDSA_P256_SHA384_ASN1,
            (384, "sha256") => &signature::ECDSA_P384_SHA256_ASN1,
            (384, "sha384") => &signature::ECDSA_P384_SHA384_ASN1,
            (521 | 528, "sha512") => &signature::ECDSA_P521_SHA512_ASN1,
            _ => return Err(format!("verifySignature: {hash} with this curve is not supported here.")),
        },
        _ => return Err(format!("verifySignature: {hash} with this kind of key is not supported here.")),
    })
}

/// `handle:base64Escape(text)`
pub(super) fn base64_escape(frame: &Frame<'_>) -> Hosted {
    frame.push_text(STANDARD.encode(&*text(frame, 2, "base64Escape")?).as_bytes());
    Ok(Returned::Values(1))
}

/// `handle:base64Decode(text)`
pub(super) fn base64_decode(frame: &Frame<'_>) -> Hosted {
    match STANDARD.decode(&*text(frame, 2, "base64Decode")?) {
        Ok(decoded) => frame.push_text(&decoded),
        Err(_) => frame.push_nil(),
    }
    Ok(Returned::Values(1))
}

/// What `EnvoyTimestampResolution` says, if it is said.
fn resolution(frame: &Frame<'_>) -> Option<f64> {
    if frame.kind(2) == Kind::Nil { Some(0.0) } else { frame.number(2) }
}

/// `handle:timestamp(resolution)`
pub(super) fn timestamp(frame: &Frame<'_>) -> Hosted {
    if resolution(frame) != Some(0.0) {
        return Err(Raise("timestamp format must be MILLISECOND.".to_owned()));
    }
    let since = clock::wall().duration_since(UNIX_EPOCH).unwrap_or_default();
    frame.push_number(since.as_millis() as f64);
    Ok(Returned::Values(1))
}

/// `handle:timestampString(resolution)`
pub(super) fn timestamp_string(frame: &Frame<'_>) -> Hosted {
    let since = clock::wall().duration_since(UNIX_EPOCH).unwrap_or_default();
    let count = match resolution(frame) {
        Some(0.0) => since.as_millis(),
        Some(1.0) => since.as_micros(),
        _ => return Err(Raise("timestamp format must be MILLISECOND or MICROSECOND.".to_owned())),
    };
    frame.push_text(count.to_string().as_bytes());
    Ok(Returned::Values(1))
}
