//! A key as written (a secret, PEM, a JWK or a set of them), prepared for use. Its kind decides what it can verify.

use aws_lc_rs::hmac;
use aws_lc_rs::rsa::KeyPair as RsaKeyPair;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED, ECDSA_P384_SHA384_FIXED_SIGNING,
    ED25519, EcdsaKeyPair, Ed25519KeyPair, KeyPair, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384,
    RSA_PSS_2048_8192_SHA512, RsaParameters, RsaPublicKeyComponents, VerificationAlgorithm,
};
use rustls_pki_types::pem::{PemObject, SectionKind};
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::x509::SubjectPublicKeyInfo;

use super::super::base64::{self, Alphabet};
use super::super::plain::Plain;
use super::{Algorithm, JWKS_KEYS_MAX, JwtError};
use crate::limits::RSA_BITS_MIN;

/// What verifies tokens, and signs them where it is a secret or a private key. Prepared once, used by many.
pub struct Key {
    keys: Vec<One>,
    /// A set: tokens say which of its keys they mean.
    set: bool,
}

struct One {
    id: Option<Box<[u8]>>,
    /// The only algorithm that its JWK allows.
    only: Option<Algorithm>,
    verifier: Verifier,
    signer: Option<Signer>,
}

enum Verifier {
    /// With each of the three digests.
    Hmac(Box<[hmac::Key; 3]>),
    /// For each of the six algorithms.
    Rsa(Vec<(Algorithm, ParsedPublicKey)>),
    One(Algorithm, ParsedPublicKey),
}

pub(super) enum Signer {
    Rsa(Box<RsaKeyPair>),
    Ecdsa(Algorithm, EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

/// Why there is no key to be had from a text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("the key is empty")]
    Empty,
    #[error("not PEM: {0}")]
    Pem(String),
    #[error("no key or certificate in the PEM text")]
    Nothing,
    #[error("a key of a kind that no token here is signed with (known: RSA, P-256, P-384, Ed25519)")]
    Unknown,
    #[error("the key is damaged: {0}")]
    Damaged(&'static str),
    #[error("an RSA key of {0} bits; at least {RSA_BITS_MIN} are needed")]
    Weak(usize),
    #[error("not a JWK or a set of them: {0}")]
    Jwk(String),
    #[error("a key set of more than {JWKS_KEYS_MAX} keys")]
    TooMany,
}

const RSA: [(Algorithm, &RsaParameters); 6] = [
    (Algorithm::Rs256, &RSA_PKCS1_2048_8192_SHA256),
    (Algorithm::Rs384, &RSA_PKCS1_2048_8192_SHA384),
    (Algorithm::Rs512, &RSA_PKCS1_2048_8192_SHA512),
    (Algorithm::Ps256, &RSA_PSS_2048_8192_SHA256),
    (Algorithm::Ps384, &RSA_PSS_2048_8192_SHA384),
    (Algorithm::Ps512, &RSA_PSS_2048_8192_SHA512),
];

// === impl Key ===

impl Key {
    /// From a text of whatever kind: PEM (a public key, a certificate, a private key), a JWK or a set of them, the DER of
    /// a public key or certificate; anything else is a secret.
    pub fn parse(text: &[u8]) -> Result<Self, KeyError> {
        let trimmed = text.trim_ascii();
        if memchr::memmem::find(text, b"-----BEGIN").is_some() {
            return Ok(Self { keys: vec![from_pem(text)?], set: false });
        }
        if trimmed.first() == Some(&b'{') {
            return from_jwks(trimmed);
        }
        // Were it taken for a secret, whoever knows the public key could sign.
        if let Some(public) = from_der(text) {
            return Ok(Self { keys: vec![public?], set: false });
        }
        Self::secret(text)
    }

    /// A secret, whatever it looks like.
    pub fn secret(secret: &[u8]) -> Result<Self, KeyError> {
        Ok(Self { keys: vec![One::new(hmac_key(secret)?)], set: false })
    }

    pub(super) fn verify(
        &self,
        algorithm: Algorithm,
        id: Option<&[u8]>,
        signed: &[u8],
        signature: &[u8],
    ) -> Result<(), JwtError> {
        let mut outcome = match id {
            Some(id) if self.set => JwtError::NoSuchKey(String::from_utf8_lossy(id).chars().take(64).collect()),
            _ => JwtError::Algorithm(algorithm.label()),
        };
        for key in &self.keys {
            if self.set && id.is_some() && key.id.as_deref() != id {
                continue;
            }
            match key.verify(algorithm, signed, signature) {
                Ok(()) => return Ok(()),
                // A wrong signature says more than a key of another kind.
                Err(why) if outcome != JwtError::Signature => outcome = why,
                Err(_) => {}
            }
        }
        Err(outcome)
    }

    /// The key that signs: the first that can.
    pub(super) fn signer(&self) -> Option<(&Signer, Option<&[u8]>)> {
        self.keys.iter().find_map(|key| Some((key.signer.as_ref()?, key.id.as_deref())))
    }

    /// The secret that signs, for that algorithm.
    pub(super) fn mac(&self, algorithm: Algorithm) -> Option<(&hmac::Key, Option<&[u8]>)> {
        self.keys.iter().find_map(|key| match &key.verifier {
            Verifier::Hmac(keys) => Some((&keys[digest(algorithm)?], key.id.as_deref())),
            _ => None,
        })
    }

    /// What it can verify.
    #[must_use]
    pub fn algorithms(&self) -> Vec<Algorithm> {
        let fits = |algorithm: &Algorithm| self.keys.iter().any(|key| key.fits(*algorithm));
        Algorithm::ALL.iter().copied().filter(fits).collect()
    }
}

/// Nothing of it is shown.
impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key({} of them)", self.keys.len())
    }
}

// === impl One ===

impl One {
    fn new(verifier: Verifier) -> Self {
        Self { id: None, only: None, verifier, signer: None }
    }

    fn fits(&self, algorithm: Algorithm) -> bool {
        let kind = match &self.verifier {
            Verifier::Hmac(_) => digest(algorithm).is_some(),
            Verifier::Rsa(keys) => keys.iter().any(|(known, _)| *known == algorithm),
            Verifier::One(known, _) => *known == algorithm,
        };
        kind && self.only.is_none_or(|only| only == algorithm)
    }

    fn verify(&self, algorithm: Algorithm, signed: &[u8], signature: &[u8]) -> Result<(), JwtError> {
        if !self.fits(algorithm) {
            return Err(JwtError::Algorithm(algorithm.label()));
        }
        let verified = match &self.verifier {
            Verifier::Hmac(keys) => {
                digest(algorithm).is_some_and(|at| hmac::verify(&keys[at], signed, signature).is_ok())
            }
            Verifier::Rsa(keys) => {
                let key = keys.iter().find(|(known, _)| *known == algorithm);
                key.is_some_and(|(_, key)| key.verify_sig(signed, signature).is_ok())
            }
            Verifier::One(_, key) => key.verify_sig(signed, signature).is_ok(),
        };
        if verified { Ok(()) } else { Err(JwtError::Signature) }
    }
}

fn digest(algorithm: Algorithm) -> Option<usize> {
    [Algorithm::Hs256, Algorithm::Hs384, Algorithm::Hs512].iter().position(|known| *known == algorithm)
}

fn hmac_key(secret: &[u8]) -> Result<Verifier, KeyError> {
    if secret.is_empty() {
        return Err(KeyError::Empty);
    }
    let digests = [hmac::HMAC_SHA256, hmac::HMAC_SHA384, hmac::HMAC_SHA512];
    Ok(Verifier::Hmac(Box::new(digests.map(|digest| hmac::Key::new(digest, secret)))))
}

fn single(algorithm: Algorithm, kind: &'static dyn VerificationAlgorithm, bytes: &[u8]) -> Result<Verifier, KeyError> {
    let parsed = ParsedPublicKey::new(kind, bytes).map_err(|_| KeyError::Damaged("its point is not on the curve"))?;
    Ok(Verifier::One(algorithm, parsed))
}

fn strong(bits: usize) -> Result<(), KeyError> {
    if bits < RSA_BITS_MIN { Err(KeyError::Weak(bits)) } else { Ok(()) }
}

// === PEM and DER ===

fn from_pem(text: &[u8]) -> Result<One, KeyError> {
    for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(text) {
        let (kind, der) = section.map_err(|why| KeyError::Pem(why.to_string()))?;
        match kind {
            SectionKind::PublicKey | SectionKind::Certificate => {
                return from_der(&der).unwrap_or(Err(KeyError::Unknown));
            }
            SectionKind::PrivateKey | SectionKind::RsaPrivateKey | SectionKind::EcPrivateKey => return private(&der),
            _ => {}
        }
    }
    Err(KeyError::Nothing)
}

/// The key in a certificate or public key; none if it is neither.
fn from_der(der: &[u8]) -> Option<Result<One, KeyError>> {
    if let Ok((_, certificate)) = X509Certificate::from_der(der) {
        return Some(public(certificate.public_key()));
    }
    let (_, info) = SubjectPublicKeyInfo::from_der(der).ok()?;
    Some(public(&info))
}

fn public(info: &SubjectPublicKeyInfo<'_>) -> Result<One, KeyError> {
    use x509_parser::public_key::PublicKey;
    let bits: &[u8] = &info.subject_public_key.data;
    let verifier = match info.parsed() {
        Ok(PublicKey::RSA(key)) => rsa(key.modulus, key.exponent)?,
        Ok(PublicKey::EC(point)) if point.key_size() == 256 => {
            single(Algorithm::Es256, &ECDSA_P256_SHA256_FIXED, bits)?
        }
        Ok(PublicKey::EC(point)) if point.key_size() == 384 => {
            single(Algorithm::Es384, &ECDSA_P384_SHA384_FIXED, bits)?
        }
        _ if info.algorithm.algorithm == x509_parser::oid_registry::OID_SIG_ED25519 => {
            single(Algorithm::EdDsa, &ED25519, bits)?
        }
        _ => return Err(KeyError::Unknown),
    };
    Ok(One::new(verifier))
}

fn rsa(modulus: &[u8], exponent: &[u8]) -> Result<Verifier, KeyError> {
    let components = RsaPublicKeyComponents { n: number(modulus), e: number(exponent) };
    strong(components.n.len() * 8)?;
    let parsed = |(algorithm, parameters)| {
        let key = components.to_parsed_public_key(parameters);
        key.map(|key| (algorithm, key)).map_err(|_| KeyError::Damaged("modulus and exponent do not fit"))
    };
    Ok(Verifier::Rsa(RSA.into_iter().map(parsed).collect::<Result<_, _>>()?))
}

fn private(der: &[u8]) -> Result<One, KeyError> {
    if let Ok(pair) = RsaKeyPair::from_pkcs8(der).or_else(|_| RsaKeyPair::from_der(der)) {
        strong(pair.public_modulus_len() * 8)?;
        let parsed = |(algorithm, parameters): (Algorithm, &'static RsaParameters)| {
            let key = ParsedPublicKey::new(parameters, pair.public_key().as_ref());
            key.map(|key| (algorithm, key)).map_err(|_| KeyError::Damaged("its public half cannot be read"))
        };
        let keys = RSA.into_iter().map(parsed).collect::<Result<_, _>>()?;
        return Ok(One { signer: Some(Signer::Rsa(Box::new(pair))), ..One::new(Verifier::Rsa(keys)) });
    }
    if let Ok(pair) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der) {
        let verifier = single(Algorithm::EdDsa, &ED25519, pair.public_key().as_ref())?;
        return Ok(One { signer: Some(Signer::Ed25519(pair)), ..One::new(verifier) });
    }
    let curves: [(_, _, &'static dyn VerificationAlgorithm); 2] = [
        (Algorithm::Es256, &ECDSA_P256_SHA256_FIXED_SIGNING, &ECDSA_P256_SHA256_FIXED),
        (Algorithm::Es384, &ECDSA_P384_SHA384_FIXED_SIGNING, &ECDSA_P384_SHA384_FIXED),
    ];
    for (algorithm, signing, verifying) in curves {
        if let Ok(pair) = EcdsaKeyPair::from_private_key_der(signing, der) {
            let verifier = single(algorithm, verifying, pair.public_key().as_ref())?;
            return Ok(One { signer: Some(Signer::Ecdsa(algorithm, pair)), ..One::new(verifier) });
        }
    }
    Err(KeyError::Unknown)
}

// === JWK (RFC 7517) ===

fn from_jwks(text: &[u8]) -> Result<Key, KeyError> {
    let json = Plain::from_json_text(text).map_err(|why| KeyError::Jwk(why.to_string()))?;
    let (keys, set) = match json.get(b"keys") {
        Some(Plain::List(keys)) => (keys.as_slice(), true),
        Some(_) => return Err(KeyError::Jwk("`keys` is not a list".into())),
        None => (std::slice::from_ref(&json), false),
    };
    if keys.len() > JWKS_KEYS_MAX {
        return Err(KeyError::TooMany);
    }
    let mut usable = Vec::new();
    for key in keys {
        match jwk(key) {
            // A set may hold keys for others; alone, it is a mistake.
            Err(KeyError::Unknown) if set => {}
            key => usable.push(key?),
        }
    }
    if usable.is_empty() { Err(KeyError::Unknown) } else { Ok(Key { keys: usable, set }) }
}

fn jwk(json: &Plain) -> Result<One, KeyError> {
    let text = |name: &str| match json.get(name.as_bytes()) {
        Some(Plain::Text(text)) => Some(&**text),
        _ => None,
    };
    let bytes = |name: &'static str| {
        let text = text(name).ok_or_else(|| KeyError::Jwk(format!("`{name}` is missing")))?;
        base64::decode(text, Some(Alphabet::UrlSafe)).map_err(|why| KeyError::Jwk(format!("`{name}`: {why}")))
    };
    if text("use").is_some_and(|usage| usage != b"sig") {
        return Err(KeyError::Unknown);
    }
    let only = match text("alg") {
        Some(name) => Some(Algorithm::parse(name).ok_or(KeyError::Unknown)?),
        None => None,
    };
    let point = |length: usize| {
        let (x, y) = (bytes("x")?, bytes("y")?);
        let fits = x.len() == length && y.len() == length;
        if fits { Ok([&[4], &x[..], &y[..]].concat()) } else { Err(KeyError::Damaged("`x` or `y` has a wrong length")) }
    };
    let verifier = match (text("kty"), text("crv")) {
        (Some(b"RSA"), _) => {
            let (n, e) = (bytes("n")?, bytes("e")?);
            rsa(&n, &e)?
        }
        (Some(b"EC"), Some(b"P-256")) => single(Algorithm::Es256, &ECDSA_P256_SHA256_FIXED, &point(32)?)?,
        (Some(b"EC"), Some(b"P-384")) => single(Algorithm::Es384, &ECDSA_P384_SHA384_FIXED, &point(48)?)?,
        (Some(b"OKP"), Some(b"Ed25519")) => single(Algorithm::EdDsa, &ED25519, &bytes("x")?)?,
        (Some(b"oct"), _) => hmac_key(&bytes("k")?)?,
        (None, _) => return Err(KeyError::Jwk("`kty` is missing".into())),
        _ => return Err(KeyError::Unknown),
    };
    let key = One { id: text("kid").map(Into::into), only, ..One::new(verifier) };
    match only {
        Some(only) if !key.fits(only) => Err(KeyError::Jwk(format!("`alg` {} does not fit `kty`", only.label()))),
        _ => Ok(key),
    }
}

/// Numbers without the zeros that DER and some JWKs put before them.
fn number(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    &bytes[zeros..]
}
