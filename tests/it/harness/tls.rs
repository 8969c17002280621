//! TLS for both ends: a test's own authority, what it vouches for, and sockets that speak it. Independent of the code
//! under test but for rustls.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, PKCS_ECDSA_P256_SHA256,
    PKCS_RSA_SHA256, SanType,
};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{
    ClientConfig, ClientConnection, HandshakeKind, RootCertStore, ServerConfig, ServerConnection, Stream,
    SupportedProtocolVersion,
};

pub use rustls::version::{TLS12, TLS13};

/// Somebody who vouches for names.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, as PEM.
#[derive(Clone)]
pub struct Issued {
    pub chain: String,
    pub key: String,
}

/// What a test's client is like.
#[derive(Default, Clone)]
pub struct Wishes<'a> {
    pub versions: Option<&'static SupportedProtocolVersion>,
    pub shown: Option<&'a Issued>,
    pub protocols: &'a [&'a str],
    /// Only verifies RSA.
    pub rsa_only: bool,
}

/// A TCP socket with TLS on it.
pub struct TlsSocket {
    side: Side,
    pub tcp: TcpStream,
}

enum Side {
    Client(ClientConnection),
    Server(ServerConnection),
}

// === impl Authority ===

impl Authority {
    pub fn new(name: &str) -> Authority {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key");
        Authority(CertifiedIssuer::self_signed(params, key).expect("an authority"))
    }

    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// An ECDSA certificate for these names.
    pub fn issue(&self, names: &[&str]) -> Issued {
        self.issue_with(names, &PKCS_ECDSA_P256_SHA256, |_| {})
    }

    /// An RSA certificate for these names.
    pub fn issue_rsa(&self, names: &[&str]) -> Issued {
        self.issue_with(names, &PKCS_RSA_SHA256, |_| {})
    }

    pub fn issue_with(
        &self,
        names: &[&str],
        kind: &'static rcgen::SignatureAlgorithm,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Issued {
        let names = names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let mut params = CertificateParams::new(names).expect("parameters");
        change(&mut params);
        let key = KeyPair::generate_for(kind).expect("a key");
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        Issued { chain: certificate.pem(), key: key.serialize_pem() }
    }

    /// A client's certificate.
    pub fn client(&self, name: &str) -> Issued {
        self.issue_with(&[], &PKCS_ECDSA_P256_SHA256, |params| {
            params.distinguished_name.push(DnType::CommonName, name);
            let uri = format!("spiffe://test/{name}");
            params.subject_alt_names.push(SanType::URI(uri.as_str().try_into().expect("a URI")));
        })
    }

    /// A client that believes this authority.
    pub fn trusting(&self) -> Arc<ClientConfig> {
        self.trusting_with(&Wishes::default())
    }

    pub fn trusting_with(&self, wishes: &Wishes<'_>) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).expect("an authority");
        let mut provider = default_provider();
        if wishes.rsa_only {
            let algorithms = &mut provider.signature_verification_algorithms;
            algorithms.mapping = Box::leak(
                algorithms
                    .mapping
                    .iter()
                    .copied()
                    .filter(|(scheme, _)| format!("{scheme:?}").starts_with("RSA"))
                    .collect(),
            );
        }
        let versions = wishes.versions.map_or(vec![&TLS13, &TLS12], |one| vec![one]);
        let builder = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&versions)
            .expect("versions")
            .with_root_certificates(roots);
        let mut config = match wishes.shown {
            Some(shown) => builder.with_client_auth_cert(shown.der(), shown.key_der()).expect("a certificate to show"),
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = wishes.protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        Arc::new(config)
    }
}

// === impl Issued ===

impl Issued {
    /// Writes `name.pem` and `name.key` and says how a configuration names them.
    pub fn put(&self, folder: &Path, name: &str) -> String {
        let (chain, key) = (folder.join(format!("{name}.pem")), folder.join(format!("{name}.key")));
        std::fs::write(&chain, &self.chain).expect("a file");
        std::fs::write(&key, &self.key).expect("a file");
        format!("certificate: {}, key: {}", chain.display(), key.display())
    }

    pub fn der(&self) -> Vec<CertificateDer<'static>> {
        CertificateDer::pem_slice_iter(self.chain.as_bytes()).collect::<Result<_, _>>().expect("a chain")
    }

    pub fn key_der(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::from_pem_slice(self.key.as_bytes()).expect("a key")
    }

    /// An origin that shows this certificate.
    pub fn serving(&self) -> Arc<ServerConfig> {
        Arc::new(self.serving_with(&[&TLS13, &TLS12]))
    }

    /// As `serving`, to clients for whom this authority vouches.
    pub fn serving_only(&self, clients: &Authority) -> Arc<ServerConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(clients.0.der().clone()).expect("an authority");
        let provider = Arc::new(default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build();
        let builder = ServerConfig::builder_with_provider(provider).with_protocol_versions(&[&TLS13, &TLS12]);
        let builder = builder.expect("versions").with_client_cert_verifier(verifier.expect("an authority"));
        Arc::new(builder.with_single_cert(self.der(), self.key_der()).expect("a certificate to show"))
    }

    pub fn serving_with(&self, versions: &[&'static SupportedProtocolVersion]) -> ServerConfig {
        ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(versions)
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(self.der(), self.key_der())
            .expect("a certificate to show")
    }
}

// === impl TlsSocket ===

impl TlsSocket {
    /// Shakes hands as a client.
    pub fn client(mut tcp: TcpStream, config: &Arc<ClientConfig>, name: &str) -> io::Result<TlsSocket> {
        let name = ServerName::try_from(name.to_owned()).expect("a name");
        let mut connection = ClientConnection::new(config.clone(), name).map_err(io::Error::other)?;
        while connection.is_handshaking() {
            connection.complete_io(&mut tcp)?;
        }
        Ok(TlsSocket { side: Side::Client(connection), tcp })
    }

    /// The server's side; hands are shaken with the first read.
    pub fn server(tcp: TcpStream, config: &Arc<ServerConfig>) -> TlsSocket {
        let connection = ServerConnection::new(config.clone()).expect("a configuration");
        TlsSocket { side: Side::Server(connection), tcp }
    }

    pub fn resumed(&self) -> bool {
        let kind = match &self.side {
            Side::Client(client) => client.handshake_kind(),
            Side::Server(server) => server.handshake_kind(),
        };
        kind == Some(HandshakeKind::Resumed)
    }

    /// What the other side has shown.
    pub fn shown(&self) -> Option<CertificateDer<'static>> {
        let chain = match &self.side {
            Side::Client(client) => client.peer_certificates(),
            Side::Server(server) => server.peer_certificates(),
        };
        chain?.first().map(|der| der.clone().into_owned())
    }

    /// The name that the client asked for; for the server's side.
    pub fn asked_for(&self) -> Option<String> {
        if let Side::Server(server) = &self.side { server.server_name().map(str::to_owned) } else { None }
    }

    pub fn agreed(&self) -> Option<String> {
        let protocol = match &self.side {
            Side::Client(client) => client.alpn_protocol(),
            Side::Server(server) => server.alpn_protocol(),
        };
        protocol.map(|protocol| String::from_utf8_lossy(protocol).into_owned())
    }

    /// The group by which keys were exchanged.
    pub fn group(&self) -> String {
        let group = match &self.side {
            Side::Client(client) => client.negotiated_key_exchange_group(),
            Side::Server(server) => server.negotiated_key_exchange_group(),
        };
        group.map(|group| format!("{:?}", group.name())).unwrap_or_default()
    }

    /// Sends a record that is no data, as a late ticket is.
    pub fn new_keys(&mut self) {
        match &mut self.side {
            Side::Client(client) => client.refresh_traffic_keys(),
            Side::Server(server) => server.refresh_traffic_keys(),
        }
        .expect("TLS 1.3");
        self.flush().expect("room for a record");
    }

    /// Says that no more comes. The socket stays open.
    pub fn close_notify(&mut self) {
        match &mut self.side {
            Side::Client(client) => client.send_close_notify(),
            Side::Server(server) => server.send_close_notify(),
        }
        self.flush().expect("room for an alert");
    }
}

impl Read for TlsSocket {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match &mut self.side {
            Side::Client(client) => Stream::new(client, &mut self.tcp).read(into),
            Side::Server(server) => Stream::new(server, &mut self.tcp).read(into),
        }
    }
}

impl Write for TlsSocket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.side {
            Side::Client(client) => Stream::new(client, &mut self.tcp).write(bytes),
            Side::Server(server) => Stream::new(server, &mut self.tcp).write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.side {
            Side::Client(client) => Stream::new(client, &mut self.tcp).flush(),
            Side::Server(server) => Stream::new(server, &mut self.tcp).flush(),
        }
    }
}
