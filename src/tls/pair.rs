//! A certificate chain with its key, and bundles of authorities: from PEM, with every way in which they can be wrong.

use std::sync::Arc;

use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys, RootCertStore};

use super::certificate::{Certificate, Key};
use super::{Digest, Mistake};
use crate::limits::RSA_BITS_MIN;

/// A certificate with its key, ready to be shown.
#[derive(Debug)]
pub struct Pair {
    /// What the first certificate of the chain says.
    pub certificate: Certificate,
    pub(super) certified: Arc<CertifiedKey>,
    /// Of the chain: another chain may not go on with this one's tickets.
    pub digest: Digest,
}

/// Which of a pair's files is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Certificate,
    Key,
    Ocsp,
    /// Each is well by itself.
    Both,
}

/// Certificates that vouch for others.
#[derive(Debug, Clone)]
pub struct Authorities {
    pub(super) roots: Arc<RootCertStore>,
    pub digest: Digest,
}

// === impl Pair ===

impl Pair {
    /// From the content of the files: a chain as PEM, the server's own certificate first; its key as PEM; what OCSP says
    /// of it, as DER.
    pub fn new(chain: &[u8], key: &[u8], ocsp: Option<Vec<u8>>) -> Result<Self, (Part, Mistake)> {
        let chain = certificates(chain).map_err(|mistake| (Part::Certificate, mistake))?;
        let first = chain.first().map(|der| der.as_ref()).unwrap_or_default();
        let certificate = Certificate::parse(first).map_err(|mistake| (Part::Certificate, mistake))?;
        if let Key::Rsa { bits } = certificate.key
            && bits < RSA_BITS_MIN
        {
            let what = format!("its RSA key of {bits} bits is too weak");
            return Err((Part::Certificate, Mistake::new(what, "make an ECDSA key (P-256), or RSA of 2048 bits")));
        }
        let key = private_key(key).map_err(|mistake| (Part::Key, mistake))?;
        let unusable = |_| {
            (
                Part::Key,
                Mistake::new(
                    "its kind of key cannot be used",
                    "use ECDSA (P-256, P-384), Ed25519 or RSA of 2048 bits and more",
                ),
            )
        };
        let signing = any_supported_type(&key).map_err(unusable)?;
        let digest = Digest::of(chain.iter().map(AsRef::as_ref));
        let mut certified = CertifiedKey::new(chain, signing);
        if matches!(certified.keys_match(), Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch))) {
            let mistake =
                Mistake::new("the key does not belong to the certificate", "one of the two files is of another pair");
            return Err((Part::Both, mistake));
        }
        if let Some(ocsp) = &ocsp {
            check_ocsp(ocsp).map_err(|mistake| (Part::Ocsp, mistake))?;
        }
        certified.ocsp = ocsp;
        Ok(Self { certificate, certified: Arc::new(certified), digest })
    }

    /// The chain, its own certificate first.
    #[must_use]
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.certified.cert
    }
}

/// Reads every certificate of a PEM file; at least one.
fn certificates(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, Mistake> {
    let list = CertificateDer::pem_slice_iter(text).collect::<Result<Vec<_>, _>>().map_err(|error| bad_pem(&error))?;
    if list.is_empty() {
        return Err(Mistake::new(
            "there is no certificate in it",
            "a certificate begins with -----BEGIN CERTIFICATE-----",
        ));
    }
    Ok(list)
}

fn private_key(text: &[u8]) -> Result<PrivateKeyDer<'static>, Mistake> {
    if memchr::memmem::find(text, b"BEGIN ENCRYPTED PRIVATE KEY").is_some()
        || memchr::memmem::find(text, b"Proc-Type: 4,ENCRYPTED").is_some()
    {
        return Err(Mistake::new(
            "the key is encrypted",
            "`openssl pkey -in KEY -out PLAIN` writes it without its password",
        ));
    }
    PrivateKeyDer::from_pem_slice(text).map_err(|error| match error {
        pem::Error::NoItemsFound => {
            Mistake::new("there is no private key in it", "a key begins with -----BEGIN PRIVATE KEY-----")
        }
        error => bad_pem(&error),
    })
}

fn bad_pem(error: &pem::Error) -> Mistake {
    Mistake::new(
        format!("it is not PEM: {error}"),
        "PEM is text between -----BEGIN …----- and -----END …-----; DER is not read",
    )
}

/// RFC 6960: a sequence that begins with the status `successful`.
fn check_ocsp(der: &[u8]) -> Result<(), Mistake> {
    let skip = match der {
        [0x30, length, ..] if *length < 0x80 => 2,
        [0x30, length, ..] => 2 + usize::from(length & 0x7f),
        _ => 0,
    };
    if skip > 0 && der.get(skip..skip + 3) == Some(&[0x0a, 1, 0]) {
        return Ok(());
    }
    Err(Mistake::new("it is not a good OCSP response", "`openssl ocsp … -respout FILE` writes one, as DER"))
}

// === impl Authorities ===

impl Authorities {
    /// From a PEM bundle. `strictly`: every certificate in it must be understood, as in a file of the operator's own; the
    /// system's bundle may hold some that are older than any rule.
    pub fn new(bundle: &[u8], strictly: bool) -> Result<Self, Mistake> {
        let list = certificates(bundle)?;
        let digest = Digest::of(list.iter().map(AsRef::as_ref));
        let mut roots = RootCertStore::empty();
        let (used, ignored) = roots.add_parsable_certificates(list);
        if used == 0 || (strictly && ignored > 0) {
            let what = format!("{ignored} of its certificates cannot be used as an authority");
            return Err(Mistake::new(what, "take them out of the file"));
        }
        Ok(Self { roots: Arc::new(roots), digest })
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.roots.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.roots.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{KeyPair, generate_simple_self_signed};

    #[test]
    fn what_is_wrong_is_said() {
        let made = generate_simple_self_signed(["a.test".to_owned()]).unwrap();
        let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        let pair = Pair::new(chain.as_bytes(), key.as_bytes(), None).unwrap();
        assert_eq!(pair.certificate.names, ["a.test".into()]);
        let wrong = |chain: &str, key: &str, ocsp: Option<&[u8]>| {
            let (part, mistake) = Pair::new(chain.as_bytes(), key.as_bytes(), ocsp.map(<[u8]>::to_vec)).unwrap_err();
            (part, mistake.what)
        };
        let other = KeyPair::generate().unwrap().serialize_pem();
        assert_eq!(wrong(&chain, &other, None).0, Part::Both);
        assert_eq!(wrong("", &key, None), (Part::Certificate, "there is no certificate in it".into()));
        assert_eq!(wrong(&chain, &chain, None), (Part::Key, "there is no private key in it".into()));
        assert_eq!(wrong(&chain, "-----BEGIN ENCRYPTED PRIVATE KEY-----\n", None).1, "the key is encrypted");
        assert!(wrong("-----BEGIN CERTIFICATE-----\n?\n-----END CERTIFICATE-----\n", &key, None).1.contains("PEM"));
        assert_eq!(wrong(&chain, &key, Some(b"x")).0, Part::Ocsp);
        assert!(Pair::new(chain.as_bytes(), key.as_bytes(), Some(vec![0x30, 3, 0x0a, 1, 0])).is_ok());
        assert_eq!(Authorities::new(chain.as_bytes(), true).unwrap().len(), 1);
        assert!(Authorities::new(b"", false).is_err());
    }
}
