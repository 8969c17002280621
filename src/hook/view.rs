//! What a policy may touch of an exchange. Every access is checked against the row of the hook that runs.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::table::{Bits, Row};
use super::{RouteId, UpstreamId};
use crate::failure::{Failure, Reason};
use crate::http::head::Head;
use crate::http::name::FieldName;
use crate::tls::Names;
use crate::wire::Address;

/// What a policy may touch. `Exchange` implements all of it; what has no request implements less, and the rest is "not
/// here".
pub trait View {
    /// Called before each policy: the row that holds from here on, and the policy's seat.
    fn enter(&mut self, row: &'static Row, seat: u16);

    /// Whether the policy that runs is only observed: its edits will be undone.
    fn observe(&mut self, observed: bool) {
        let _ = observed;
    }

    /// A policy that is only observed would have decided this, or failed: counted.
    fn would(&mut self, policy: &Arc<str>, verdict: &'static str) {
        let _ = (policy, verdict);
    }

    /// Puts the head back as it was before the policy that runs.
    fn undo(&mut self) {}

    fn client(&self) -> Result<&ClientFacts, Refused>;

    /// What the client announces before a certificate is chosen.
    fn hello(&self) -> Result<&HelloFacts, Refused> {
        Err(Refused::NotHere)
    }

    /// The request's head, as the policies before have left it.
    fn request(&self) -> Result<&Head, Refused> {
        Err(Refused::NotHere)
    }

    fn response(&self) -> Result<&Head, Refused> {
        Err(Refused::NotHere)
    }

    /// Changes a head. Framing and connection fields are refused.
    fn edit(&mut self, side: Side, edit: Edit<'_>) -> Result<(), Refused> {
        let _ = (side, edit);
        Err(Refused::NotHere)
    }

    /// The request's id: 32 hexadecimal digits, or what a trusted neighbour sent.
    fn request_id(&self) -> &str {
        ""
    }

    fn route(&self) -> Result<Option<&RouteFacts>, Refused> {
        Err(Refused::NotHere)
    }

    fn upstream(&self) -> Result<Option<UpstreamId>, Refused> {
        Err(Refused::NotHere)
    }

    /// The name of the upstream that was chosen; empty while none is.
    fn upstream_name(&self) -> &str {
        ""
    }

    /// Chooses the upstream: one of the route's `to`, or of the policy's grants.
    fn choose_upstream(&mut self, id: UpstreamId) -> Result<(), Refused> {
        let _ = id;
        Err(Refused::NotHere)
    }

    /// What there is to choose from in this attempt.
    fn endpoints(&self) -> Result<&Endpoints, Refused> {
        Err(Refused::NotHere)
    }

    /// The endpoint of this attempt.
    fn endpoint(&self) -> Result<Option<&Arc<Endpoint>>, Refused> {
        Err(Refused::NotHere)
    }

    /// Why the attempt, or the exchange, failed.
    fn failure(&self) -> Result<Option<&Failure>, Refused> {
        Err(Refused::NotHere)
    }

    /// Whether repeating the request after this failure cannot do anything twice, and attempts are left.
    fn may_retry(&self) -> bool {
        false
    }

    /// A value on the exchange.
    fn value(&self, key: &str) -> Result<Option<&str>, Refused> {
        let _ = key;
        Err(Refused::NotHere)
    }

    /// Sets a value, readable by every policy and placeholder.
    fn set_value(&mut self, key: &str, value: &str) -> Result<(), Refused> {
        let _ = (key, value);
        Err(Refused::NotHere)
    }
}

/// Which message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Request,
    Response,
}

/// One change of a head.
#[derive(Debug, Clone, Copy)]
pub enum Edit<'a> {
    Set(&'a FieldName, &'a [u8]),
    Add(&'a FieldName, &'a [u8]),
    Remove(&'a FieldName),
    /// Path and query; normalised again before they are used.
    Target(&'a str),
    Host(&'a str),
    Method(&'a str),
    Status(u16),
}

/// Why an access was refused; scripts raise it as an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("this is not available at this hook")]
    NotHere,
    #[error("this may not be written at this hook")]
    ReadOnly,
    #[error("framing and connection fields belong to the proxy")]
    Framing,
    #[error("not a valid value: control characters and spaces at the ends are not allowed")]
    BadValue,
    #[error("not a valid request target")]
    BadTarget,
    #[error("not a valid host")]
    BadHost,
    #[error("the policy may not reach this upstream")]
    NotGranted,
}

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

// === impl Refused ===

impl Refused {
    /// `Ok` if `bits` of the row allow `what`.
    pub fn unless(allowed: Bits, what: Bits, otherwise: Self) -> Result<(), Self> {
        if allowed & what == what { Ok(()) } else { Err(otherwise) }
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        Self::with(Reason::PolicyFailed, refused)
    }
}
