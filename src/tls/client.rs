//! The terms on which endpoints are met: whom we believe, under which name, and who we say we are.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};

use super::pair::Authorities;
use super::{Digest, Kept, MinVersion, Mistake, Pair};

/// HTTP/1.1, as ALPN calls it.
pub const H1: &[u8] = b"http/1.1";

/// HTTP/2 over TLS, as ALPN calls it.
pub const H2: &[u8] = b"h2";

/// How the endpoints of an upstream are met by TLS.
pub struct Dial {
    /// What was settled on these terms is never used on others: a connection's key in the pool.
    pub number: u64,
    config: Arc<ClientConfig>,
    /// The same, for HTTP/1.1 alone.
    config_h1: Arc<ClientConfig>,
    /// The name to ask for and to verify; `None`: that of the endpoint.
    name: Option<ServerName<'static>>,
}

/// What such terms are made of.
#[derive(Debug)]
pub struct Wanted<'a> {
    pub name: Option<&'a str>,
    /// `None`: nobody is verified.
    pub authorities: Option<&'a Authorities>,
    /// Who we say we are.
    pub pair: Option<&'a Pair>,
    /// Protocols by ALPN, the preferred one first.
    pub protocols: &'a [&'a [u8]],
}

/// Believes everybody. Signatures are checked all the same: whoever answers has the key that it shows.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

// === impl Dial ===

impl Dial {
    pub fn new(wanted: &Wanted<'_>, kept: &mut Kept) -> Result<Arc<Self>, Mistake> {
        static NUMBERS: AtomicU64 = AtomicU64::new(1);
        kept.dials.retain(|_, dial| dial.strong_count() > 0);
        let digest = wanted.digest();
        if let Some(known) = kept.dials.get(&digest).and_then(std::sync::Weak::upgrade) {
            return Ok(known);
        }
        let broken = |error: Error| Mistake::new(format!("TLS cannot be set up: {error}"), "");
        let provider = super::provider();
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(MinVersion::Tls12.versions())
            .map_err(broken)?;
        let builder = match wanted.authorities {
            Some(authorities) => builder.with_root_certificates(authorities.roots.clone()),
            None => builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody(provider))),
        };
        let mut config = match wanted.pair {
            Some(pair) => {
                let shown = SingleCertAndKey::from((*pair.certified).clone());
                builder.with_client_cert_resolver(Arc::new(shown))
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = wanted.protocols.iter().map(|protocol| protocol.to_vec()).collect();
        let name = wanted.name.map(server_name).transpose()?;
        let mut config_h1 = config.clone();
        config_h1.alpn_protocols = vec![H1.to_vec()];
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        let dial = Arc::new(Self { number, config: Arc::new(config), config_h1: Arc::new(config_h1), name });
        kept.dials.insert(digest, Arc::downgrade(&dial));
        Ok(dial)
    }

    /// What to shake hands with; `h1`: offer no other protocol.
    #[must_use]
    pub fn config(&self, h1: bool) -> Arc<ClientConfig> {
        if h1 { self.config_h1.clone() } else { self.config.clone() }
    }

    /// The name to ask an endpoint for: the one that was written, the DNS name that led to it, at last its address.
    #[must_use]
    pub fn name(&self, host: Option<&str>, address: Option<IpAddr>) -> Option<ServerName<'static>> {
        if let Some(name) = &self.name {
            return Some(name.clone());
        }
        match host {
            Some(host) => server_name(host).ok(),
            None => Some(ServerName::IpAddress(address?.into())),
        }
    }
}

impl fmt::Debug for Dial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dial({}, {:?})", self.number, self.name)
    }
}

/// A name that TLS can ask for.
pub fn server_name(text: &str) -> Result<ServerName<'static>, Mistake> {
    let bad = |_| {
        Mistake::new(format!("`{text}` is no name that TLS can ask for"), "a DNS name or an IP address, without a port")
    };
    ServerName::try_from(text.to_owned()).map_err(bad)
}

// === impl Wanted ===

impl Wanted<'_> {
    fn digest(&self) -> Digest {
        let none = Digest::of([]);
        let name = self.name.map(|name| name.as_bytes());
        let flags = [u8::from(name.is_some()), u8::from(self.authorities.is_some())];
        let authorities = self.authorities.map_or(none, |authorities| authorities.digest);
        let pair = self.pair.map_or(none, |pair| pair.digest);
        let protocols = self.protocols.iter().copied();
        let parts = [&flags, name.unwrap_or_default(), authorities.bytes(), pair.bytes()];
        Digest::of(parts.into_iter().chain(protocols))
    }
}

// === impl Anybody ===

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
