//! The terms on which clients are met: one `rustls` configuration per listener, shared by all workers.

use std::fmt;
use std::sync::Arc;

use rustls::server::{ClientHello, NoServerSessionStorage, ProducesTickets, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, SignatureAlgorithm};

use super::pair::Authorities;
use super::{Digest, Kept, MinVersion, Mistake, Names, Pair};

/// What holds for the clients of a listener.
pub struct Terms {
    config: Arc<ServerConfig>,
    keys: Arc<[Arc<CertifiedKey>]>,
    /// Of whoever gets no ticket.
    no_tickets: Arc<dyn ProducesTickets>,
    pub names: Arc<Names>,
    /// What each certificate covers, in the order written: what a policy chooses from.
    pub covered: Arc<[Vec<Box<str>>]>,
    /// Who a client is, is told to origins.
    pub headers: bool,
}

/// What terms are made of.
#[derive(Debug)]
pub struct Wanted<'a> {
    pub pairs: &'a [Arc<Pair>],
    pub min_version: MinVersion,
    pub clients: Option<(&'a Authorities, Demand)>,
    pub headers: bool,
    /// Protocols by ALPN, the preferred one first.
    pub protocols: &'a [&'a [u8]],
}

/// Whether a client must prove who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Demand {
    Required,
    Optional,
}

/// Chooses by the name a client asks for, and by what it can verify.
#[derive(Debug)]
struct ByName {
    keys: Arc<[Arc<CertifiedKey>]>,
    names: Arc<Names>,
}

/// A policy has chosen.
#[derive(Debug)]
struct Chosen(Arc<CertifiedKey>);

// === impl Terms ===

impl Terms {
    pub fn new(wanted: &Wanted<'_>, kept: &mut Kept) -> Result<Arc<Self>, Mistake> {
        let broken = |error: &dyn fmt::Display| Mistake::new(format!("TLS cannot be set up: {error}"), "");
        let provider = super::provider();
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(wanted.min_version.versions())
            .map_err(|error| broken(&error))?;
        let builder = match wanted.clients {
            None => builder.with_no_client_auth(),
            Some((authorities, demand)) => {
                let verifier = WebPkiClientVerifier::builder_with_provider(authorities.roots.clone(), provider);
                let verifier = if demand == Demand::Optional { verifier.allow_unauthenticated() } else { verifier };
                builder.with_client_cert_verifier(verifier.build().map_err(|error| broken(&error))?)
            }
        };
        let keys: Arc<[_]> = wanted.pairs.iter().map(|pair| pair.certified.clone()).collect();
        let names = Arc::new(Names::new(wanted.pairs.iter().map(|pair| &*pair.certificate.names)));
        let mut config = builder.with_cert_resolver(Arc::new(ByName { keys: keys.clone(), names: names.clone() }));
        config.alpn_protocols = wanted.protocols.iter().map(|protocol| protocol.to_vec()).collect();
        config.ignore_client_order = true;
        // Resumption is by tickets alone: nothing is stored per client. Early data stays off: it can be replayed.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.max_early_data_size = 0;
        let no_tickets = std::mem::replace(&mut config.ticketer, kept.tickets(wanted.digest())?);
        let covered = wanted.pairs.iter().map(|pair| pair.certificate.names.clone()).collect();
        Ok(Arc::new(Self { config: Arc::new(config), keys, no_tickets, names, covered, headers: wanted.headers }))
    }

    /// For a client whose certificate is chosen by its name.
    #[must_use]
    pub fn by_name(&self) -> Arc<ServerConfig> {
        self.config.clone()
    }

    /// For a client to whom a policy shows the certificate at this place; it gets no ticket, so that the policy is
    /// obeyed the next time too.
    #[must_use]
    pub fn chosen(&self, place: usize) -> Option<Arc<ServerConfig>> {
        let mut config = (*self.config).clone();
        config.cert_resolver = Arc::new(Chosen(self.keys.get(place)?.clone()));
        config.ticketer = self.no_tickets.clone();
        config.send_tls13_tickets = 0;
        Some(Arc::new(config))
    }
}

impl fmt::Debug for Terms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Terms").field("names", &self.names).finish_non_exhaustive()
    }
}

// === impl Wanted ===

impl Wanted<'_> {
    /// Tickets of terms with another digest are not taken: `rustls` would resume a client that was met on the terms of
    /// another listener, without asking for the certificate that this one wants.
    fn digest(&self) -> Digest {
        let clients = match self.clients {
            None => [0].as_slice(),
            Some((_, Demand::Optional)) => &[1],
            Some((_, Demand::Required)) => &[2],
        };
        let version = [self.min_version as u8];
        let authorities = self.clients.map(|(authorities, _)| authorities.digest);
        let pairs = self.pairs.iter().map(|pair| pair.digest.bytes());
        Digest::of([clients, &version].into_iter().chain(authorities.iter().map(Digest::bytes)).chain(pairs))
    }
}

// === impl ByName ===

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let places = self.names.of(hello.server_name().unwrap_or_default());
        let schemes = hello.signature_schemes();
        let usable = places.iter().filter_map(|place| self.keys.get(usize::from(*place)));
        let usable = usable.filter(|certified| certified.key.choose_scheme(schemes).is_some());
        // The cheapest that the client can verify: ECDSA signs at a tenth of the cost of RSA. Of equals, the first.
        usable.min_by_key(|certified| certified.key.algorithm() == SignatureAlgorithm::RSA).cloned()
    }
}

// === impl Chosen ===

impl ResolvesServerCert for Chosen {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }
}
