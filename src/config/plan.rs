//! What the document means: checked, resolved, every name an index, every default filled in.
//!
//! Nothing here derives `Deserialize` (that is `document.rs`) and nothing here is opened, bound or dialled. The plan is
//! what `snapshot/compile.rs` compiles, what golden tests print, and what `check` has when it says all is well.

mod script;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use script::{Grants, OnFailure, PolicyLimits, Program, Script, Source, Trip};

use super::diagnostic::Span;
use super::options::Options;
use crate::http;
use crate::limits::CLIENT_RATE_MIN;
use crate::share::table::Table;
use crate::tls;
use crate::wire::{Address, proxy_header};

/// The whole configuration, resolved.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// Worker threads; `None`: one per core.
    pub workers: Option<usize>,
    pub access_log: AccessLog,
    pub admin: Admin,
    pub state_dir: Option<PathBuf>,
    /// DNS servers to ask; empty: the system's.
    pub nameservers: Vec<SocketAddr>,
    pub listeners: Vec<Listener>,
    pub upstreams: Vec<Upstream>,
    pub routes: Vec<Route>,
    /// `use:` at file level: policies of every exchange, outermost.
    pub chain: Vec<Use>,
    pub failure_pages: Vec<FailurePage>,
    /// Secrets by name, already read. Their `Debug` is redacted.
    pub secrets: BTreeMap<String, Secret>,
    /// Dictionaries by name, with their bytes.
    pub dictionaries: Vec<(String, usize)>,
    /// Tables by name, read and indexed.
    pub tables: Vec<(String, Arc<Table>)>,
    /// Every file that took part: the main file, includes, failure pages, secrets, tables. Watched for changes.
    pub inputs: Vec<PathBuf>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessLog {
    pub format: LogFormat,
    /// `None`: standard output.
    pub file: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    Off,
    Json,
    Combined,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Admin {
    /// Read-only HTTP: metrics, health, explain.
    pub bind: Option<SocketAddr>,
    /// Unix socket by which every action goes (`gatewright reload`).
    pub socket: Option<PathBuf>,
}

/// A listening address and what holds for everything that arrives there.
#[derive(Debug, Clone)]
pub struct Listener {
    pub name: String,
    pub span: Span,
    /// `Ip` or `Unix` (`Memory` in the demo and in tests); never a DNS name.
    pub bind: Address,
    /// Neighbours whose X-Forwarded-*, Forwarded and X-Request-Id are believed.
    pub trusted: Vec<ipnet::IpNet>,
    /// Head limits, path normalisation, forwarding fields: plain data for `http::admit` and the two heads we write.
    pub rules: Arc<http::Rules>,
    pub timeouts: ListenerTimeouts,
    pub limits: ListenerLimits,
    pub buffer: Buffer,
    /// Trusted neighbours begin with a PROXY header.
    pub http2: bool,
    pub proxy_protocol: bool,
    pub chain: Vec<Use>,
    pub failure_pages: Vec<FailurePage>,
    pub tls: Option<Tls>,
}

/// What a listener's sockets are known by over reloads: its address as written. For port 0 the system picks one for each
/// listener, so that its name belongs to it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Place {
    pub address: Address,
    name: Option<Arc<str>>,
}

/// How a listener speaks TLS: files read, certificates and keys found to fit.
#[derive(Debug, Clone)]
pub struct Tls {
    /// At least one; the first is for clients that ask for no name that another covers.
    pub pairs: Vec<Arc<tls::Pair>>,
    /// The file of each one's certificate, as written.
    pub files: Vec<String>,
    pub min_version: tls::MinVersion,
    pub clients: Option<ClientCertificates>,
}

/// What a listener asks of its clients' certificates.
#[derive(Debug, Clone)]
pub struct ClientCertificates {
    pub demand: tls::server::Demand,
    pub authorities: tls::pair::Authorities,
    /// Tell origins, in fields of the request.
    pub headers: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListenerTimeouts {
    /// From the first byte of a head (or the accept) to its last.
    pub head: Duration,
    /// Keep-alive: between two requests.
    pub idle: Duration,
    /// Longest silence while a body is being received from, or sent to, the client.
    pub body: Duration,
}

/// How much a client may take of us. `None`: as much as it likes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListenerLimits {
    /// Bytes of a request's body.
    pub body: Option<u64>,
    /// Connections at once; `None`: the default, which asks for no certain number of open files.
    pub connections: Option<usize>,
    pub connections_per_address: Option<u32>,
    pub requests_per_second: Option<u32>,
    pub requests_per_connection: Option<u32>,
    /// Bytes a second; 0: no such limit.
    pub min_rate: usize,
}

/// Bytes of bodies that are held; `None`: as the outer one says, at last none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Buffer {
    /// Before an endpoint is asked.
    pub request: Option<u64>,
    /// Before the client has room for them.
    pub response: Option<u64>,
}

/// A named group of endpoints.
#[derive(Debug, Clone)]
pub struct Upstream {
    pub name: String,
    pub span: Span,
    pub endpoints: Vec<Endpoint>,
    pub balance: Balance,
    pub chain: Vec<Use>,
    pub timeouts: Timeouts,
    /// Open connections, process-wide; over it: 503 at once.
    pub connections_max: Option<usize>,
    /// Requests in flight, process-wide; over it: 503 at once.
    pub requests_max: Option<usize>,
    /// The PROXY header that begins each connection.
    pub proxy_protocol: Option<proxy_header::Version>,
    pub tls: Option<UpstreamTls>,
    pub protocol: Protocol,
}

/// How an upstream's endpoints are met by TLS.
#[derive(Debug, Clone)]
pub struct UpstreamTls {
    /// `None`: the endpoint's own.
    pub name: Option<String>,
    /// `None`: nobody is verified.
    pub authorities: Option<tls::pair::Authorities>,
    /// Who we say we are.
    pub pair: Option<Arc<tls::Pair>>,
}

/// What an upstream speaks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Protocol {
    #[default]
    Http1,
    /// With prior knowledge, or because TLS has settled on nothing else.
    Http2,
    /// As TLS settles it.
    Auto,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    pub address: Address,
    pub weight: u32,
}

#[derive(Debug, Clone)]
pub enum Balance {
    RoundRobin,
    LeastRequest,
    /// `balance: { policy: x }`: the last entry of the upstream's chain, before the default.
    Policy(Box<Use>),
}

/// Timeouts of one attempt or exchange; `None`: the outer one's, at last the default of `limits.rs`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timeouts {
    pub connect: Option<Duration>,
    /// From the request's last byte (or head, if it streams) to the response's head.
    pub first_byte: Option<Duration>,
    /// Longest silence of the upstream inside a response.
    pub idle: Option<Duration>,
    /// The whole exchange, retries included.
    pub total: Option<Duration>,
}

#[derive(Debug, Clone)]
pub struct Route {
    /// Written, or made from the match.
    pub name: String,
    pub span: Span,
    pub matching: Match,
    pub chain: Vec<Use>,
    /// Empty where a policy always answers.
    pub to: Vec<Target>,
    pub timeouts: Timeouts,
    /// Bytes of a request's body; `None`: the listener's limit.
    pub body_max: Option<u64>,
    /// `None`: the listener's.
    pub buffer: Buffer,
    pub failure_pages: Vec<FailurePage>,
    pub metadata: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// Index into [`Plan::upstreams`].
    pub upstream: usize,
    pub weight: u32,
}

/// What a route, or a `when`, asks of a request. An empty list or `None` asks nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Match {
    pub hosts: Vec<HostPattern>,
    pub path: Option<PathPattern>,
    pub methods: Vec<String>,
    /// Field names in lower case.
    pub headers: Vec<(String, ValuePattern)>,
    pub query: Vec<(String, ValuePattern)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum HostPattern {
    /// `shop.example.com`, lower case, no port.
    Exact(String),
    /// `*.example.com`, kept as `.example.com`: one or more labels in front.
    Suffix(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathPattern {
    /// `/cart`: this path alone.
    Exact(String),
    /// `/static/*`, kept as `/static`: that path and everything below it, by whole segments (Gateway API PathPrefix).
    /// `/*` is kept as the empty string.
    Prefix(String),
    /// `/cart/{id}` or `/cart/{id}/*`: parameters match one non-empty segment each.
    Template { segments: Vec<Segment>, open: bool },
    /// `path_regex`: the whole path must match.
    Regex(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    Literal(String),
    Parameter(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ValuePattern {
    Exact(String),
    Prefix(String),
    Regex(String),
    Present(bool),
}

/// A policy where it stands, options merged.
#[derive(Debug, Clone)]
pub struct Use {
    /// Its name in `policies:`, or the built-in's own where it was used directly.
    pub policy: String,
    /// Which kind: `redirect`, `headers`, … (a key of the catalogue).
    pub kind: String,
    /// The policy's own options with the use's `with` merged over them.
    pub options: Options,
    pub when: Option<Match>,
    /// `mode: observe`: run it and count its would-be verdicts, obey none.
    pub observe: bool,
    /// What a policy of somebody's own is made of; `None`: it is built in.
    pub program: Option<Arc<Program>>,
    pub span: Span,
}

/// What to send instead of the plain page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailurePage {
    pub status: StatusPattern,
    pub file: PathBuf,
    /// The file's content, read at check time.
    pub body: Arc<str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusPattern {
    /// `404`
    Exact(u16),
    /// `5xx`, kept as 5
    Class(u8),
}

/// A secret's bytes; never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub Arc<[u8]>);

// === impl Plan ===

impl Plan {
    /// Every policy, everywhere it stands.
    pub fn uses(&self) -> impl Iterator<Item = &Use> {
        let listeners = self.listeners.iter().flat_map(|listener| &listener.chain);
        let routes = self.routes.iter().flat_map(|route| &route.chain);
        let upstreams = self.upstreams.iter().flat_map(|upstream| {
            let balance = if let Balance::Policy(one) = &upstream.balance { Some(&**one) } else { None };
            upstream.chain.iter().chain(balance)
        });
        self.chain.iter().chain(listeners).chain(routes).chain(upstreams)
    }

    /// Every script that stands somewhere, once.
    #[must_use]
    pub fn scripts(&self) -> Vec<Arc<Script>> {
        let mut found: Vec<Arc<Script>> = Vec::new();
        for script in self.uses().filter_map(|one| Some(&one.program.as_ref()?.script)) {
            if !found.iter().any(|known| known.main == script.main) {
                found.push(script.clone());
            }
        }
        found
    }
}

// === impl Listener ===

impl Listener {
    #[must_use]
    pub fn place(&self) -> Place {
        let any_port = matches!(&self.bind, Address::Ip(at) if at.port() == 0);
        Place { address: self.bind.clone(), name: any_port.then(|| self.name.as_str().into()) }
    }
}

// === impl ListenerLimits ===

impl ListenerLimits {
    /// Whether requests have to be counted.
    #[must_use]
    pub const fn counts_requests(&self) -> bool {
        self.requests_per_second.is_some() || self.requests_per_connection.is_some()
    }
}

impl Default for ListenerLimits {
    fn default() -> Self {
        Self {
            body: None,
            connections: None,
            connections_per_address: None,
            requests_per_second: None,
            requests_per_connection: None,
            min_rate: CLIENT_RATE_MIN,
        }
    }
}

// === impl AccessLog ===

impl Default for AccessLog {
    fn default() -> Self {
        Self { format: LogFormat::Json, file: None }
    }
}

// === impl Secret ===

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}
