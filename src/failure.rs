//! An exchange went wrong: whose fault, for what reason, and what the log is told.
//!
//! A failure carries a reason, never a status: `proxy/answer.rs` alone turns one into a status and a page.

use std::fmt;

/// Why an exchange failed, with what only the log may know. One word wide, because every outcome of a hook carries it.
pub struct Failure(Box<Inner>);

struct Inner {
    reason: Reason,
    detail: Option<Box<str>>,
}

/// Whose fault it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    Client,
    Upstream,
    Policy,
    Proxy,
}

macro_rules! reasons {
    ($($(#[doc = $doc:literal])* $name:ident = $label:literal, $fault:ident, $public:literal;)+) => {
        /// Why, as data: logs, metrics and tests share the label.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Reason { $($(#[doc = $doc])* #[doc = $public] $name,)+ }

        impl Reason {
            /// Every reason there is.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The word that logs and metrics show.
            #[must_use]
            pub const fn label(self) -> &'static str { match self { $(Self::$name => $label,)+ } }

            /// Whose fault it is.
            #[must_use]
            pub const fn fault(self) -> Fault { match self { $(Self::$name => Fault::$fault,)+ } }

            /// What the client may be told.
            #[must_use]
            pub const fn public(self) -> &'static str { match self { $(Self::$name => $public,)+ } }
        }
    };
}

reasons! {
    // The request line.
    BadRequestLine = "bad_request_line", Client, "The request line is malformed.";
    BadMethod = "bad_method", Client, "The method is not a token.";
    BadTarget = "bad_target", Client, "The request target is malformed.";
    BadVersion = "bad_version", Client, "The HTTP version is malformed.";
    VersionUnsupported = "version_unsupported", Client, "This HTTP version is not supported.";
    MethodRefused = "method_refused", Client, "This method is not forwarded.";
    TargetTooLong = "target_too_long", Client, "The request target is too long.";
    // Fields.
    BareLineEnd = "bare_line_end", Client, "A line ends with a lone CR or LF.";
    BadField = "bad_field", Client, "A field line is malformed.";
    FoldedField = "folded_field", Client, "A field line is folded.";
    HeadTooLarge = "head_too_large", Client, "The request head is too large.";
    TooManyFields = "too_many_fields", Client, "The request has too many fields.";
    MissingHost = "missing_host", Client, "The Host field is missing.";
    RepeatedHost = "repeated_host", Client, "There is more than one Host field.";
    BadHost = "bad_host", Client, "The Host field is malformed.";
    /// For another connection: this one's certificate covers another host.
    Misdirected = "misdirected", Client, "This connection is for another host.";
    // Framing.
    AmbiguousLength = "ambiguous_length", Client, "The length of the body is ambiguous.";
    BadLength = "bad_length", Client, "The Content-Length is malformed.";
    BadTransferEncoding = "bad_transfer_encoding", Client, "The Transfer-Encoding is malformed.";
    TransferCodingUnknown = "transfer_coding_unknown", Client, "This transfer coding is not supported.";
    BadChunk = "bad_chunk", Client, "The chunked body is malformed.";
    ExpectationUnknown = "expectation_unknown", Client, "This expectation is not supported.";
    /// A coded request body that is not what its head says.
    BadCoding = "bad_coding", Client, "The request body is not in the coding that it claims.";
    BodyTooLarge = "body_too_large", Client, "The request body is too large.";
    // The client's conduct.
    HeadTimeout = "head_timeout", Client, "The request head did not arrive in time.";
    BodyTimeout = "body_timeout", Client, "The request body did not arrive in time.";
    /// The client does not read.
    ClientStalled = "client_stalled", Client, "The response was not read in time.";
    /// It moves fewer bytes a second than it must.
    ClientSlow = "client_slow", Client, "The client is too slow.";
    /// More requests a second than a connection may make.
    RequestRate = "request_rate", Client, "There are too many requests.";
    ClientClosed = "client_closed", Client, "The client closed the connection.";
    // Before the first request: the connection is closed without a word.
    /// The listener holds as many as it may.
    ListenerConnections = "listener_connections", Client, "There are too many connections.";
    /// Its address holds as many connections as it may.
    AddressConnections = "address_connections", Client, "There are too many connections.";
    /// A trusted neighbour sends no PROXY header, or a malformed one.
    BadProxyHeader = "bad_proxy_header", Client, "The PROXY header is malformed.";
    // Routing.
    NoRoute = "no_route", Client, "Nothing is found at this address.";
    NoUpstream = "no_upstream", Proxy, "This route leads nowhere.";
    // The upstream.
    NoEndpoint = "no_endpoint", Upstream, "No server is available.";
    ResolveFailed = "resolve_failed", Upstream, "No server is available.";
    ConnectFailed = "connect_failed", Upstream, "The server cannot be reached.";
    ConnectTimeout = "connect_timeout", Upstream, "The server cannot be reached.";
    TlsFailed = "tls_failed", Upstream, "The server cannot be reached.";
    FirstByteTimeout = "first_byte_timeout", Upstream, "The server did not answer in time.";
    UpstreamIdleTimeout = "upstream_idle_timeout", Upstream, "The server stopped answering.";
    TotalTimeout = "total_timeout", Upstream, "The request took too long.";
    /// Before the first byte of a response.
    UpstreamClosed = "upstream_closed", Upstream, "The server closed the connection.";
    /// Inside the body of a response.
    UpstreamTruncated = "upstream_truncated", Upstream, "The response was cut short.";
    BadResponse = "bad_response", Upstream, "The server sent a malformed response.";
    ConnectionsExceeded = "connections_exceeded", Upstream, "The server is too busy.";
    RequestsExceeded = "requests_exceeded", Upstream, "The server is too busy.";
    // Policies and us.
    PolicyFailed = "policy_failed", Policy, "The request could not be processed.";
    PolicyRefused = "policy_refused", Policy, "The request was refused.";
    MayNotWait = "may_not_wait", Policy, "The request could not be processed.";
    /// A response body larger than a policy takes it.
    ResponseTooLarge = "response_too_large", Proxy, "The response is too large.";
    /// The worker holds as many bytes of bodies as it may.
    BodiesExceeded = "bodies_exceeded", Proxy, "The server is too busy.";
    LoopDetected = "loop_detected", Client, "The request loops.";
    Draining = "draining", Proxy, "The server is going away.";
    Broken = "broken", Proxy, "The request could not be processed.";
}

// === impl Failure ===

impl Failure {
    /// A failure whose reason says all.
    #[must_use]
    pub fn new(reason: Reason) -> Self {
        Self(Box::new(Inner { reason, detail: None }))
    }

    /// A failure with a private message for the log.
    #[must_use]
    pub fn with(reason: Reason, detail: impl fmt::Display) -> Self {
        Self(Box::new(Inner { reason, detail: Some(detail.to_string().into()) }))
    }

    #[must_use]
    pub fn reason(&self) -> Reason {
        self.0.reason
    }

    /// What the log may be told and the client may not.
    #[must_use]
    pub fn detail(&self) -> Option<&str> {
        self.0.detail.as_deref()
    }
}

impl From<Reason> for Failure {
    fn from(reason: Reason) -> Self {
        Self::new(reason)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.reason.label())?;
        match &self.0.detail {
            Some(detail) => write!(f, ": {detail}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Failure({self})")
    }
}

impl std::error::Error for Failure {}
