//! What there is to know of a client, a route, an upstream's endpoints and a finished exchange.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::{RouteId, UpstreamId};
use crate::tls::Names;
use crate::wire::Address;

/// Who asks, and by which door.
#[derive(Debug, Clone)]
pub struct ClientFacts {
    pub peer: Peer,
    /// The client's address as text, made once per connection.
    pub address_text: Box<str>,
    /// The neighbour is on the listener's `trusted` list.
    pub trusted: bool,
    /// Where it came to, if somebody wants to be told.
    pub local: Option<SocketAddr>,
    pub secure: bool,
    pub listener: Arc<str>,
    /// What TLS settled, on a listener that speaks it.
    pub tls: Option<Box<TlsFacts>>,
}

/// What a client and its listener settled in their TLS handshake.
#[derive(Debug, Clone)]
pub struct TlsFacts {
    /// As OpenSSL and nginx call it: `TLSv1.3`.
    pub version: &'static str,
    /// As the IANA registry calls it: `TLS_AES_128_GCM_SHA256`.
    pub cipher: &'static str,
    /// The name the client asked for, lower case.
    pub server_name: Option<Box<str>>,
    /// A ticket was taken: no certificate was shown.
    pub resumed: bool,
    /// The client's certificate, verified. One that could not be verified ends the handshake.
    pub certificate: Option<Arc<ClientCertificate>>,
    /// Origins are told who the client is.
    pub told: bool,
    /// What the listener's certificates cover: whether this connection may carry requests to a host.
    pub names: Arc<Names>,
}

/// Who a client has proved to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// RFC 4514: `CN=alice,O=Example`.
    pub subject: Box<str>,
    /// Its alternative names: `DNS:a.example.com, URI:spiffe://example/a`.
    pub names: Box<str>,
    /// SHA-256, hexadecimal.
    pub fingerprint: Box<str>,
    /// The whole, base64.
    pub encoded: Box<str>,
}

/// What a client announces in the first message of its TLS handshake.
#[derive(Debug, Clone, Default)]
pub struct HelloFacts {
    /// The name it asks for, lower case.
    pub server_name: Option<Box<str>>,
    /// The protocols it offers by ALPN, the preferred one first.
    pub protocols: Vec<Box<[u8]>>,
    /// What each of the listener's certificates covers, in the order written: what there is to choose from.
    pub certificates: Arc<[Vec<Box<str>>]>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    Ip(SocketAddr),
    Unix,
    Memory,
}

/// What is known of the route once it is chosen.
#[derive(Debug, Clone)]
pub struct RouteFacts {
    pub id: RouteId,
    pub name: Arc<str>,
    /// What the path's `{param}`s stood for.
    pub params: Vec<(Arc<str>, String)>,
    /// The route's `to`, with weights.
    pub to: Arc<[(UpstreamId, u32)]>,
}

/// One address of an upstream, with what balancing wants to know.
#[derive(Debug)]
pub struct Endpoint {
    /// Its number in this process: the same for an address of an upstream, as long as the process can remember.
    pub number: u64,
    /// Resolved: never a DNS name.
    pub address: Address,
    /// The DNS name that led to it.
    pub host: Option<Arc<str>>,
    /// The address as logs show it.
    pub name: Arc<str>,
    pub weight: u32,
    /// Exchanges that wait for it or are answered by it, process-wide.
    pub in_flight: AtomicU32,
}

/// What an attempt balances over.
#[derive(Debug, Clone)]
pub struct Endpoints {
    pub upstream: UpstreamId,
    /// Changes whenever the list does.
    pub version: u64,
    pub list: Arc<[Arc<Endpoint>]>,
    /// One bit for each of the first 64 that this exchange has tried.
    pub tried: u64,
}

/// What is known of an exchange that is over.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecordFacts {
    pub status: u16,
    /// Bytes from the client and to it, heads included.
    pub bytes_in: u64,
    pub bytes_out: u64,
    /// Microseconds.
    pub total_us: u64,
    pub connect_us: Option<u64>,
    pub first_byte_us: Option<u64>,
    pub attempts: u32,
    pub retries: u32,
    /// Who ended it: `complete`, `policy`, `client`, `upstream` or `proxy`.
    pub end: &'static str,
    /// Why it failed, as logs call it; empty: it did not.
    pub reason: &'static str,
    /// The policy that answered.
    pub policy: Option<Arc<str>>,
}

// === impl Endpoint ===

impl Endpoint {
    /// An endpoint that nobody has asked yet.
    #[must_use]
    pub fn new(address: Address, host: Option<Arc<str>>, weight: u32) -> Self {
        static NUMBERS: AtomicU64 = AtomicU64::new(0);
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        Self { number, host, name: address.to_string().into(), address, weight, in_flight: AtomicU32::new(0) }
    }
}

// === impl Endpoints ===

impl Endpoints {
    /// Whether this exchange has tried the endpoint at `index`.
    #[must_use]
    pub fn is_tried(&self, index: usize) -> bool {
        index < 64 && self.tried & (1 << index) != 0
    }
}

// === impl TlsFacts ===

impl TlsFacts {
    /// Whether a request to `host` belongs on this connection. Whoever asked for no name was shown what everybody is shown.
    #[must_use]
    pub fn covers(&self, host: &[u8]) -> bool {
        let Some(name) = &self.server_name else { return true };
        host.is_empty() || std::str::from_utf8(host).is_ok_and(|host| self.names.covers(name, host))
    }
}

// === impl ClientFacts ===

impl ClientFacts {
    /// Where it came from and to, for a PROXY header; `None`: it came by no IP address.
    #[must_use]
    pub fn ends(&self) -> Option<(SocketAddr, SocketAddr)> {
        let Peer::Ip(from) = self.peer else { return None };
        let unknown = if from.is_ipv4() { IpAddr::V4(Ipv4Addr::UNSPECIFIED) } else { Ipv6Addr::UNSPECIFIED.into() };
        Some((from, self.local.unwrap_or(SocketAddr::new(unknown, 0))))
    }

    /// The client's address; loopback for unix sockets and in-memory connections.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        match self.peer {
            Peer::Ip(address) => address.ip().to_canonical(),
            Peer::Unix | Peer::Memory => IpAddr::V4(Ipv4Addr::LOCALHOST),
        }
    }
}
