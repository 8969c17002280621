//! What TLS is told, for both sides: certificates and their keys, which of them a name gets, whom to believe, and what is
//! remembered beyond a reload. Bytes in, the settings of `rustls` out: no file and no socket is touched here.

pub mod certificate;
pub mod client;
pub mod names;
pub mod pair;
pub mod server;

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use aws_lc_rs::digest;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{self as provider, cipher_suite as suite};
use rustls::server::ProducesTickets;
use rustls::{CipherSuite, ProtocolVersion, SupportedCipherSuite, SupportedProtocolVersion};

pub use names::Names;
pub use pair::Pair;

/// Two things with the same digest are the same for TLS: what one has settled, the other may go on with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; 32]);

/// What lives as long as somebody uses it, whatever is reloaded: the keys of tickets, and the terms on which endpoints
/// are met, with the tickets that they gave.
#[derive(Default)]
pub struct Kept {
    tickets: HashMap<Digest, Weak<dyn ProducesTickets>>,
    dials: HashMap<Digest, Weak<client::Dial>>,
}

/// The lowest version of the protocol that is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum MinVersion {
    #[default]
    Tls12,
    Tls13,
}

/// Why something cannot be used, and how to mend it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    pub what: String,
    pub help: &'static str,
}

/// Ours, in the order in which we prefer them: with AES in hardware, 128 bits cost a quarter less than 256.
pub static SUITES: [SupportedCipherSuite; 9] = [
    suite::TLS13_AES_128_GCM_SHA256,
    suite::TLS13_AES_256_GCM_SHA384,
    suite::TLS13_CHACHA20_POLY1305_SHA256,
    suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
];

/// What does the arithmetic: X25519MLKEM768 is offered before X25519, and our order of suites holds.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider { cipher_suites: SUITES.to_vec(), ..provider::default_provider() })
}

/// The name of a version, as OpenSSL and nginx write it.
#[must_use]
pub fn version_name(version: Option<ProtocolVersion>) -> &'static str {
    if version == Some(ProtocolVersion::TLSv1_3) { "TLSv1.3" } else { "TLSv1.2" }
}

/// The name of a suite, as the IANA registry has it.
#[must_use]
pub fn suite_name(suite: CipherSuite) -> &'static str {
    match suite {
        CipherSuite::TLS13_AES_128_GCM_SHA256 => "TLS_AES_128_GCM_SHA256",
        CipherSuite::TLS13_AES_256_GCM_SHA384 => "TLS_AES_256_GCM_SHA384",
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 => "TLS_CHACHA20_POLY1305_SHA256",
        other => other.as_str().unwrap_or("unknown"),
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _to_memory = write!(text, "{byte:02x}");
        text
    })
}

// === impl Digest ===

impl Digest {
    /// Of several parts, each with its length, so that no two lists of parts look alike.
    #[must_use]
    pub fn of<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut digest = digest::Context::new(&digest::SHA256);
        for part in parts {
            digest.update(&(part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        Self::finish(digest)
    }

    /// Of these bytes alone: what the world calls a fingerprint.
    #[must_use]
    pub fn plain(bytes: &[u8]) -> Self {
        let mut digest = digest::Context::new(&digest::SHA256);
        digest.update(bytes);
        Self::finish(digest)
    }

    fn finish(digest: digest::Context) -> Self {
        let mut out = [0; 32];
        out.copy_from_slice(digest.finish().as_ref());
        Self(out)
    }

    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    #[must_use]
    pub fn hex(&self) -> String {
        hex(&self.0)
    }
}

// === impl MinVersion ===

impl MinVersion {
    fn versions(self) -> &'static [&'static SupportedProtocolVersion] {
        static FROM_12: [&SupportedProtocolVersion; 2] = [&rustls::version::TLS13, &rustls::version::TLS12];
        match self {
            Self::Tls12 => &FROM_12,
            Self::Tls13 => &FROM_12[..1],
        }
    }
}

// === impl Mistake ===

impl Mistake {
    fn new(what: impl Into<String>, help: &'static str) -> Self {
        Self { what: what.into(), help }
    }
}

// === impl Kept ===

impl Kept {
    /// The ticket keys of whatever has this digest: made once, rotated by themselves, shared by all workers.
    fn tickets(&mut self, digest: Digest) -> Result<Arc<dyn ProducesTickets>, Mistake> {
        self.tickets.retain(|_, tickets| tickets.strong_count() > 0);
        if let Some(known) = self.tickets.get(&digest).and_then(Weak::upgrade) {
            return Ok(known);
        }
        let made = provider::Ticketer::new()
            .map_err(|error| Mistake::new(format!("no ticket keys: {error}"), "the system gives no random bytes"))?;
        self.tickets.insert(digest, Arc::downgrade(&made));
        Ok(made)
    }
}
