//! Signed tokens (JWT, RFC 7519; JWS, RFC 7515): verified against a [`Key`] that was prepared once, and signed.
//!
//! Which algorithm a token may claim follows from the key, never from the token alone: a public key can never become an
//! HMAC secret, and `none` is no algorithm at all.

mod key;
mod sign;

use super::base64::{self, Alphabet};
use super::plain::Plain;
use super::time;
use crate::limits::{JWKS_KEYS_MAX, JWT_BYTES_MAX, JWT_LEEWAY_S};

pub use key::{Key, KeyError};
pub use sign::sign;

/// How a token is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    Hs256,
    Hs384,
    Hs512,
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    EdDsa,
}

/// What is asked of a token beside its signature.
#[derive(Debug, Clone)]
pub struct Checks {
    /// Empty: all that the key can verify.
    pub algorithms: Vec<Algorithm>,
    /// `aud` must name one of these; empty: it is not looked at.
    pub audiences: Vec<Box<[u8]>>,
    /// `iss` must be one of these; empty: it is not looked at.
    pub issuers: Vec<Box<[u8]>>,
    /// Seconds that two clocks may differ.
    pub leeway: f64,
    /// Whether a token without `exp` is refused.
    pub expires: bool,
}

/// What a good token says.
#[derive(Debug, Clone, PartialEq)]
pub struct Verified {
    pub header: Plain,
    pub claims: Plain,
}

/// Why a token is refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum JwtError {
    #[error("there is no token")]
    Missing,
    #[error("a token of more than {JWT_BYTES_MAX} bytes")]
    TooLong,
    #[error("not a signed token: expected three parts of base64url with dots in between")]
    Form,
    #[error("the token's {0} is not a JSON object")]
    NotJson(&'static str),
    #[error("the token is not signed (algorithm `none`)")]
    Unsigned,
    #[error("the token's algorithm `{0}` is unknown")]
    UnknownAlgorithm(String),
    #[error("the token's algorithm {0} does not fit the key or is not allowed")]
    Algorithm(&'static str),
    #[error("the token asks for extensions (`crit`) that are not known")]
    Critical,
    #[error("the key set has no key `{0}`")]
    NoSuchKey(String),
    #[error("the signature is wrong")]
    Signature,
    #[error("the token's `{0}` is not a number")]
    NotATime(&'static str),
    #[error("the token has expired {0} s ago")]
    Expired(u64),
    #[error("the token is not valid for another {0} s")]
    NotYet(u64),
    #[error("the token was issued {0} s in the future")]
    Future(u64),
    #[error("the token has no `exp`")]
    NeverExpires,
    #[error("the token is for another audience")]
    Audience,
    #[error("the token is from another issuer")]
    Issuer,
    #[error("this key cannot sign by {0}")]
    CannotSign(&'static str),
    #[error("the claims cannot be signed: {0}")]
    Claims(String),
}

/// Verifies a token; `Bearer` before it is skipped.
pub fn verify(token: &[u8], key: &Key, checks: &Checks) -> Result<Verified, JwtError> {
    verify_at(token, key, checks, time::now())
}

/// What a token says of itself, whoever has made it: for choosing a key, or for logs.
pub fn unverified(token: &[u8]) -> Result<Verified, JwtError> {
    let [head, body, _] = parts(bare(token))?;
    Ok(Verified { header: object(head, "header")?, claims: object(body, "payload")? })
}

fn parts(token: &[u8]) -> Result<[&[u8]; 3], JwtError> {
    if token.is_empty() {
        return Err(JwtError::Missing);
    }
    if token.len() > JWT_BYTES_MAX {
        return Err(JwtError::TooLong);
    }
    let mut parts = token.split(|byte| *byte == b'.');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(head), Some(body), Some(signature), None) => Ok([head, body, signature]),
        _ => Err(JwtError::Form),
    }
}

fn verify_at(token: &[u8], key: &Key, checks: &Checks, now: f64) -> Result<Verified, JwtError> {
    let token = bare(token);
    let [head, body, signature] = parts(token)?;
    let header = object(head, "header")?;
    let algorithm = algorithm(&header)?;
    if !checks.algorithms.is_empty() && !checks.algorithms.contains(&algorithm) {
        return Err(JwtError::Algorithm(algorithm.label()));
    }
    let signature = base64::decode(signature, Some(Alphabet::UrlSafe)).map_err(|_| JwtError::Form)?;
    let signed = &token[..head.len() + 1 + body.len()];
    let id = match header.get(b"kid") {
        Some(Plain::Text(id)) => Some(&**id),
        _ => None,
    };
    key.verify(algorithm, id, signed, &signature)?;
    let claims = object(body, "payload")?;
    times(&claims, checks, now)?;
    parties(&claims, checks)?;
    Ok(Verified { header, claims })
}

fn bare(token: &[u8]) -> &[u8] {
    let token = token.trim_ascii();
    match token.split_at_checked(7) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case(b"bearer ") => rest.trim_ascii(),
        _ => token,
    }
}

fn object(part: &[u8], which: &'static str) -> Result<Plain, JwtError> {
    let text = base64::decode(part, Some(Alphabet::UrlSafe)).map_err(|_| JwtError::Form)?;
    match Plain::from_json_text(&text) {
        Ok(object @ Plain::Map(_)) => Ok(object),
        _ => Err(JwtError::NotJson(which)),
    }
}

fn algorithm(header: &Plain) -> Result<Algorithm, JwtError> {
    // The only extension there is (`b64`) changes what is signed.
    if header.get(b"crit").is_some() || header.get(b"b64").is_some() {
        return Err(JwtError::Critical);
    }
    let Some(Plain::Text(name)) = header.get(b"alg") else { return Err(JwtError::UnknownAlgorithm(String::new())) };
    if name.eq_ignore_ascii_case(b"none") {
        return Err(JwtError::Unsigned);
    }
    Algorithm::parse(name)
        .ok_or_else(|| JwtError::UnknownAlgorithm(String::from_utf8_lossy(name).chars().take(32).collect()))
}

fn times(claims: &Plain, checks: &Checks, now: f64) -> Result<(), JwtError> {
    let at = |name: &'static str| match claims.get(name.as_bytes()) {
        Some(Plain::Number(at)) => Ok(Some(*at)),
        None => Ok(None),
        Some(_) => Err(JwtError::NotATime(name)),
    };
    let leeway = checks.leeway.max(0.0);
    match at("exp")? {
        Some(end) if now >= end + leeway => return Err(JwtError::Expired((now - end) as u64)),
        None if checks.expires => return Err(JwtError::NeverExpires),
        _ => {}
    }
    if let Some(begin) = at("nbf")?.filter(|begin| now < begin - leeway) {
        return Err(JwtError::NotYet((begin - now).ceil() as u64));
    }
    if let Some(issued) = at("iat")?.filter(|issued| now < issued - leeway) {
        return Err(JwtError::Future((issued - now).ceil() as u64));
    }
    Ok(())
}

fn parties(claims: &Plain, checks: &Checks) -> Result<(), JwtError> {
    let wanted = |wanted: &[Box<[u8]>], said: &Plain| match said {
        Plain::Text(one) => wanted.contains(one),
        _ => false,
    };
    if !checks.issuers.is_empty() && !claims.get(b"iss").is_some_and(|issuer| wanted(&checks.issuers, issuer)) {
        return Err(JwtError::Issuer);
    }
    let for_us = |audience: &Plain| match audience {
        Plain::List(several) => several.iter().any(|one| wanted(&checks.audiences, one)),
        one => wanted(&checks.audiences, one),
    };
    if !checks.audiences.is_empty() && !claims.get(b"aud").is_some_and(for_us) {
        return Err(JwtError::Audience);
    }
    Ok(())
}

// === impl Algorithm ===

impl Algorithm {
    pub const ALL: &[Self] = &[
        Self::Hs256,
        Self::Hs384,
        Self::Hs512,
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::EdDsa,
    ];

    /// As tokens name it.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Hs384 => "HS384",
            Self::Hs512 => "HS512",
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
        }
    }

    /// By its name; letter case counts, as the standard says.
    #[must_use]
    pub fn parse(name: &[u8]) -> Option<Self> {
        // RFC 9864 gives the one curve of EdDSA that is used a name of its own.
        let known = Self::ALL.iter().find(|known| known.label().as_bytes() == name).copied();
        known.or((name == b"Ed25519").then_some(Self::EdDsa))
    }
}

// === impl Checks ===

impl Default for Checks {
    fn default() -> Self {
        Self {
            algorithms: Vec::new(),
            audiences: Vec::new(),
            issuers: Vec::new(),
            leeway: JWT_LEEWAY_S,
            expires: false,
        }
    }
}

#[cfg(test)]
mod tests;
