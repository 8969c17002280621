//! Making a token. The algorithm follows from the key; of a secret it may be chosen.

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::RSA_PKCS1_SHA256;

use super::super::base64::{self, Alphabet};
use super::super::plain::Plain;
use super::key::Signer;
use super::{Algorithm, JwtError, Key};
use crate::limits::JWT_BYTES_MAX;

/// Signs the claims. Without an algorithm it is HS256, RS256, ES256, ES384 or EdDSA, as the key is.
/// `more` goes into the header; `alg` is always what is used.
pub fn sign(claims: &Plain, key: &Key, algorithm: Option<Algorithm>, more: &Plain) -> Result<String, JwtError> {
    let own = match key.signer() {
        Some((Signer::Rsa(_), _)) => Algorithm::Rs256,
        Some((Signer::Ecdsa(own, _), _)) => *own,
        Some((Signer::Ed25519(_), _)) => Algorithm::EdDsa,
        None => Algorithm::Hs256,
    };
    let algorithm = algorithm.unwrap_or(own);
    let cannot = || JwtError::CannotSign(algorithm.label());
    if let Some((signer, id)) = key.signer().filter(|_| algorithm == own) {
        let token = unsigned(claims, algorithm, id, more)?;
        let signature = private(signer, token.as_bytes()).ok_or_else(cannot)?;
        return finish(token, &signature);
    }
    let (secret, id) = key.mac(algorithm).ok_or_else(cannot)?;
    let token = unsigned(claims, algorithm, id, more)?;
    let tag = hmac::sign(secret, token.as_bytes());
    finish(token, tag.as_ref())
}

fn private(signer: &Signer, token: &[u8]) -> Option<Vec<u8>> {
    let random = SystemRandom::new();
    match signer {
        Signer::Rsa(pair) => {
            let mut signature = vec![0; pair.public_modulus_len()];
            pair.sign(&RSA_PKCS1_SHA256, &random, token, &mut signature).ok()?;
            Some(signature)
        }
        Signer::Ecdsa(_, pair) => pair.sign(&random, token).ok().map(|signature| signature.as_ref().to_vec()),
        Signer::Ed25519(pair) => Some(pair.sign(token).as_ref().to_vec()),
    }
}

fn unsigned(claims: &Plain, algorithm: Algorithm, id: Option<&[u8]>, more: &Plain) -> Result<String, JwtError> {
    if !matches!(claims, Plain::Map(_)) {
        return Err(JwtError::Claims("they are not a table of names".into()));
    }
    let entry = |name: &str, text: &[u8]| (name.as_bytes().into(), Plain::from(text));
    let mut header = vec![entry("alg", algorithm.label().as_bytes()), entry("typ", b"JWT")];
    header.extend(id.map(|id| entry("kid", id)));
    if let Plain::Map(more) = more {
        for (name, value) in more.iter().filter(|(name, _)| **name != *b"alg") {
            header.retain(|(known, _)| known != name);
            header.push((name.clone(), value.clone()));
        }
    }
    let part = |plain: &Plain| {
        let json = plain.to_json_text().map_err(|why| JwtError::Claims(why.to_string()))?;
        encoded(&json)
    };
    Ok(format!("{}.{}", part(&Plain::Map(header))?, part(claims)?))
}

fn finish(token: String, signature: &[u8]) -> Result<String, JwtError> {
    let token = format!("{token}.{}", encoded(signature)?);
    if token.len() > JWT_BYTES_MAX { Err(JwtError::TooLong) } else { Ok(token) }
}

fn encoded(bytes: &[u8]) -> Result<String, JwtError> {
    base64::encode(bytes, Alphabet::UrlSafe, false).map_err(|why| JwtError::Claims(why.to_string()))
}
