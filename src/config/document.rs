//! The configuration as written: the nouns of the file, one type each, with the places kept.
//!
//! Only this room's types and policy options derive `Deserialize`. Nothing is resolved here: names are strings, and a
//! mistake in one entry leaves the others readable, so that all mistakes are told together.

mod buffer;
mod data;
mod policy;
mod tls;

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use super::options::Options;
use super::shapes::{AccessLog, Balance, Bind, Condition, Endpoint, Later, Texts, To, UpstreamTls, Use, Via, Whole};
use super::spanned::{Entries, Spanned};
use super::units::{Period, Size};
use crate::limits;

pub use buffer::Buffer;
pub use data::{DictionaryTable, TableFile, TableKind};
pub use policy::{Lua, May, OnFailure, Policy, ScriptLimits, Terms, Trip};
pub use tls::{CertificateFiles, ClientCertificate, Demand, ListenerTls, UpstreamTlsTable};

/// A Gatewright configuration.
#[derive(Debug, Default, JsonSchema)]
#[schemars(deny_unknown_fields, title = "gatewright.yaml", rename = "Document")]
pub struct Document {
    /// The version of this file's format: always 1.
    pub version: Version,
    /// More files of the same shape, relative to this one; `*` and `?` may stand in the last part of a path.
    #[serde(default)]
    pub include: Option<Spanned<Texts>>,
    /// Worker threads. Default: one per core.
    #[serde(default)]
    pub workers: Option<Spanned<Whole<1, { limits::WORKERS_MAX as u64 }>>>,
    /// One line per exchange. Default: JSON on standard output.
    #[serde(default)]
    pub access_log: Option<Spanned<AccessLog>>,
    /// Where the process is looked at and steered.
    #[serde(default)]
    pub admin: Option<Spanned<Admin>>,
    /// Where good generations are kept, so that `history`, `diff` and `rollback` work after a restart; secrets and keys
    /// never are. Default: none; history lasts as long as the process.
    #[serde(default)]
    pub state_dir: Option<Spanned<String>>,
    /// Policies of every exchange, outermost.
    #[serde(default, rename = "use")]
    pub uses: Vec<Spanned<Use>>,
    /// Name resolution.
    #[serde(default)]
    pub resolve: Option<Spanned<Resolve>>,
    /// Listening addresses by name.
    #[serde(default)]
    pub listeners: Entries<Listener>,
    /// Groups of endpoints by name.
    #[serde(default)]
    pub upstreams: Entries<Upstream>,
    /// Secrets by name, kept by reference only.
    #[serde(default)]
    pub secrets: Entries<SecretTable>,
    /// Dictionaries by name: what policies keep, shared by workers.
    #[serde(default)]
    pub dictionaries: Entries<DictionaryTable>,
    /// Tables by name: read-only data that policies look up.
    #[serde(default)]
    pub tables: Entries<TableFile>,
    /// Policies by name; one key says which kind.
    #[serde(default)]
    pub policies: Entries<Policy>,
    /// What holds for every policy that runs a script, wherever it says nothing else itself: key by key.
    #[serde(default)]
    pub defaults: Option<Spanned<Terms>>,
    /// Where requests go. The most specific match wins; the order never matters.
    #[serde(default)]
    pub routes: Vec<Spanned<Route>>,
    /// What to send instead of the plain page, by status or class of statuses.
    #[serde(default)]
    pub failure_pages: Pages,
    /// Names that were written, well or not: a broken definition is reported once, not at every use.
    #[schemars(skip)]
    pub(super) declared: Vec<(Noun, Spanned<String>)>,
}

/// Which table a name stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Noun {
    Listener,
    Upstream,
    Policy,
    Secret,
    Dictionary,
    Table,
}

/// The version of the file format: there is one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Version;

/// Files by status (`404`) or class (`5xx`).
pub type Pages = Entries<Spanned<String>>;

/// `access_log:` as a table.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AccessLogTable {
    /// Default: json.
    pub format: Option<LogFormat>,
    /// `stdout`, or a path. Default: stdout.
    pub file: Option<Spanned<String>>,
}

/// How a line of the access log looks.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum LogFormat {
    Json,
    Combined,
}

/// `admin:`
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Admin {
    /// Address of metrics and health; read only. Keep it on loopback.
    pub bind: Option<Spanned<Bind>>,
    /// Unix socket by which every action goes.
    pub socket: Option<Spanned<String>>,
}

/// `resolve:`
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Resolve {
    /// DNS servers to ask. Default: the system's.
    #[serde(default)]
    pub nameservers: Vec<Spanned<String>>,
}

/// A listening address and what holds for everything that arrives there.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Listener {
    /// A port (on all IPv4 addresses), `"address:port"` or `unix:/path`.
    pub bind: Spanned<Bind>,
    /// Neighbours (addresses or networks) whose X-Forwarded-*, Forwarded and X-Request-Id are believed.
    #[serde(default)]
    pub trusted: Vec<Spanned<String>>,
    /// Which fields tell the origin about the client.
    pub forwarded: Option<Forwarded>,
    /// The Server field of responses: `true` leaves the origin's, `false` removes it, a name takes its place, in our own
    /// responses too. None of them tells a version of ours. Default: true.
    pub server: Option<Spanned<Via>>,
    /// How paths are normalised before routes see them.
    pub normalise: Option<Normalise>,
    /// How long a client may take.
    pub timeouts: Option<ListenerTimeouts>,
    /// How much a client may send.
    pub limits: Option<ListenerLimits>,
    /// Which bodies are held, and how much of them.
    pub buffer: Option<Buffer>,
    /// Policies of this listener.
    #[serde(default, rename = "use")]
    pub uses: Vec<Spanned<Use>>,
    /// Failure pages of this listener.
    #[serde(default)]
    pub failure_pages: Pages,
    /// TLS: certificates, and what is asked of clients. Without it the listener speaks plain HTTP.
    pub tls: Option<Spanned<ListenerTls>>,
    /// Clients may speak HTTP/2: by TLS where they choose it (ALPN), else where they begin with it (prior knowledge).
    /// `false`: HTTP/1.1 alone. Default: true.
    pub http2: Option<bool>,
    /// Trusted neighbours begin with a PROXY header (version 1 or 2), which says who the client is; one that does not is
    /// closed. Others are clients as usual, and a header of theirs is garbage. Default: false.
    pub proxy_protocol: Option<Spanned<bool>>,
}

/// `forwarded:` of a listener.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Forwarded {
    /// X-Forwarded-For, -Proto and -Host. Default: true.
    pub x_forwarded: Option<bool>,
    /// Forwarded (RFC 7239). Default: false.
    pub forwarded: Option<bool>,
    /// Via on requests: our name there, or false for none. Default: gatewright.
    pub via: Option<Spanned<Via>>,
    /// Via on responses too. Default: false.
    pub via_response: Option<bool>,
}

/// `normalise:` of a listener.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Normalise {
    /// Resolve `.` and `..` segments. Default: true.
    pub dot_segments: Option<bool>,
    /// Decode percent-encoded unreserved characters. Default: true.
    pub unreserved: Option<bool>,
    /// Collapse `//` to `/`. Default: false.
    pub merge_slashes: Option<bool>,
    /// What becomes of `%2F`: it is kept as it is, or refused with 400. Default: keep.
    pub encoded_slash: Option<EncodedSlash>,
}

/// What becomes of `%2F`.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum EncodedSlash {
    Keep,
    Refuse,
}

/// `timeouts:` of a listener.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListenerTimeouts {
    /// For a whole head; before it, for a whole TLS handshake. Default: 10s.
    pub head: Option<Spanned<Period>>,
    /// Between two requests. Default: 75s.
    pub idle: Option<Spanned<Period>>,
    /// Longest silence inside a body. Default: 30s.
    pub body: Option<Spanned<Period>>,
}

/// `limits:` of a listener.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListenerLimits {
    /// Bytes of a head. Default: 16KiB.
    pub head_bytes: Option<Spanned<Size>>,
    /// Field lines of a head. Default: 100.
    pub fields: Option<Whole<1, { limits::FIELDS_CEILING as u64 }>>,
    /// Bytes of a request's body; over it: 413, at once where a length is told, else as soon as it is passed. Default:
    /// none, for bodies are not held.
    pub body: Option<Spanned<Size>>,
    /// Connections at once; what comes beyond them is closed. Default: 65536.
    pub connections: Option<Whole<1, { u32::MAX as u64 }>>,
    /// Connections at once of one client address, IPv6 by /64; what comes beyond them is closed. Default: none.
    pub connections_per_address: Option<Whole<1, { u32::MAX as u64 }>>,
    /// Requests a second that one connection may make, a second's worth at once; over it: 429. Default: none.
    pub requests_per_second: Option<Whole<1, { limits::REQUEST_RATE_CEILING }>>,
    /// Requests that one connection may make before it is closed in good order. Default: none.
    pub requests_per_connection: Option<Whole<1, { u32::MAX as u64 }>>,
    /// Bytes a second that a client must move while it is waited for, over ten seconds, either way; 0: no such limit.
    /// Else 408, or the connection is closed. Requests that speak gRPC are free of it. Default: 240.
    pub min_rate: Option<Size>,
}

/// `limits:` of a route, which go before the listener's.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RouteLimits {
    /// Bytes of a request's body; over it: 413. Default: the listener's.
    pub body: Option<Spanned<Size>>,
}

/// A named group of endpoints.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Upstream {
    /// Where it runs: `"address:port"`, `"name:port"` or `unix:/path`, alone or with a weight.
    pub endpoints: Spanned<Vec<Spanned<Endpoint>>>,
    /// Who chooses an endpoint. Default: round_robin.
    pub balance: Option<Spanned<Balance>>,
    /// What it speaks. Default: http1.
    pub protocol: Option<Spanned<Protocol>>,
    /// How long it may take.
    pub timeouts: Option<Timeouts>,
    /// How much it is asked at once.
    pub limits: Option<UpstreamLimits>,
    /// Policies of every attempt at this upstream.
    #[serde(default, rename = "use")]
    pub uses: Vec<Spanned<Use>>,
    /// TLS with the endpoints: `true`, or a table. Without it they are met in plain.
    pub tls: Option<Spanned<UpstreamTls>>,
    /// Begin each connection with a PROXY header that says who the client is. Such a connection serves one request: it
    /// belongs to one client. Default: none.
    pub proxy_protocol: Option<Spanned<ProxyVersion>>,
    #[schemars(skip)]
    pub(super) health: Option<Later>,
}

/// Which version of the PROXY protocol is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum ProxyVersion {
    /// A line of text.
    V1,
    /// Binary.
    V2,
}

/// What an upstream speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Protocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2 by TLS.
    H2,
    /// HTTP/2 by plain TCP, with prior knowledge.
    H2c,
    /// By TLS whichever of the two the endpoint chooses, else HTTP/1.1.
    Auto,
}

/// An endpoint with a weight.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EndpointTable {
    pub address: String,
    /// Its share of the requests. Default: 1.
    pub weight: Option<super::shapes::Weight>,
}

/// `timeouts:` of an upstream or a route; a route's go first.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Timeouts {
    /// To reach an endpoint. Default: 5s.
    pub connect: Option<Spanned<Period>>,
    /// From the request to the response's head. Default: 60s.
    pub first_byte: Option<Spanned<Period>>,
    /// Longest silence inside a response. Default: 60s.
    pub idle: Option<Spanned<Period>>,
    /// The whole exchange, repeated attempts included. Default: none.
    pub total: Option<Spanned<Period>>,
}

/// `limits:` of an upstream.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UpstreamLimits {
    /// Connections at once; over it: 503.
    pub connections: Option<Whole<1, { u32::MAX as u64 }>>,
    /// Requests at once; over it: 503.
    pub requests: Option<Whole<1, { u32::MAX as u64 }>>,
}

/// Where a secret is.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SecretTable {
    /// In a file; one line end at its end does not count.
    File(Spanned<String>),
    /// In the environment variable of this name.
    Env(Spanned<String>),
}

/// A policy where it stands.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UseTable {
    /// A name in `policies:`, or a built-in kind.
    pub policy: Spanned<String>,
    /// Options, laid key by key over the policy's own.
    pub with: Option<Options>,
    /// Only for requests that match.
    pub when: Option<Spanned<Match>>,
    /// Default: true.
    pub enabled: Option<bool>,
    /// Whether its verdicts are obeyed, or only counted. Default: enforce.
    pub mode: Option<Mode>,
}

/// Whether verdicts are obeyed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Mode {
    Enforce,
    Observe,
}

/// Which requests go where.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// Its name in logs, metrics and verdicts. Default: made from the match.
    pub name: Option<Spanned<String>>,
    /// What it asks of a request; nothing at all matches everything.
    #[serde(rename = "match")]
    pub matching: Option<Spanned<Match>>,
    /// Policies of this route, innermost.
    #[serde(default, rename = "use")]
    pub uses: Vec<Spanned<Use>>,
    /// An upstream, or several with weights. May be left out where a policy always answers.
    pub to: Option<Spanned<To>>,
    /// Instead of the upstream's.
    pub timeouts: Option<Timeouts>,
    /// How much a client may send.
    pub limits: Option<RouteLimits>,
    /// Which bodies are held, and how much of them.
    pub buffer: Option<Buffer>,
    /// Plain data for logs and policies.
    #[serde(default)]
    pub metadata: Entries<String>,
    /// Failure pages of this route.
    #[serde(default)]
    pub failure_pages: Pages,
    #[schemars(skip)]
    pub(super) intercept: Option<Later>,
}

/// What a route or a `when` asks of a request; all of it must hold.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Match {
    /// `shop.example.com`, or `*.example.com` for any name below it.
    pub host: Option<Spanned<Texts>>,
    /// `/cart` exactly, `/static/*` and everything below, `/cart/{id}` with a parameter.
    pub path: Option<Spanned<String>>,
    /// A regular expression that the whole path must match.
    pub path_regex: Option<Spanned<String>>,
    /// One of these methods.
    pub method: Option<Spanned<Texts>>,
    /// Fields by name: a text that must be equal, or a condition.
    #[serde(default)]
    pub headers: Entries<Spanned<Condition>>,
    /// Query parameters by name: a text that must be equal, or a condition.
    #[serde(default)]
    pub query: Entries<Spanned<Condition>>,
}

// === impl Noun ===

impl Noun {
    /// As a word in a sentence.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Listener => "listener",
            Self::Upstream => "upstream",
            Self::Policy => "policy",
            Self::Secret => "secret",
            Self::Dictionary => "dictionary",
            Self::Table => "table",
        }
    }
}

// === impl Version ===

impl JsonSchema for Version {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Version".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "const": 1 })
    }
}
