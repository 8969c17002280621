//! Every hook, and what may be read, written and decided there. The reference, the bindings and the checks come from here.

/// A moment in an exchange's life at which policies may speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Hook {
    Connection,
    ClientHello,
    Route,
    Request,
    RequestBody,
    CacheKey,
    CacheHit,
    Balance,
    UpstreamRequest,
    UpstreamFailure,
    UpstreamResponse,
    UpstreamResponseBody,
    Store,
    Response,
    ResponseBody,
    FailurePage,
    Log,
    Load,
    HandOver,
    Unload,
    StreamOpen,
    StreamData,
    StreamClose,
}

/// How a hook treats the policies that speak there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The first verdict wins; the built-in default is the last to be asked.
    Ask,
    /// All run, in order, until one answers.
    Edit,
    /// All run and have no say.
    Look,
    /// The life of the policy itself.
    Life,
}

/// What becomes of an exchange whose policy failed at this hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// The exchange fails.
    Closed,
    /// The message breaks off.
    Abort,
    /// As if the policy had said so.
    Bypass,
    Skip,
    /// The built-in default decides.
    Default,
    /// The head goes on as it was before the policy touched it.
    SendAsIs,
    /// The plain page is sent.
    PlainPage,
    Ignore,
    /// The generation does not come alive.
    RefuseGeneration,
}

/// May a policy wait here (for a fetch, a body, a timer)?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    Yes,
    No,
    /// It may, but nobody waits for it.
    Detached,
}

/// A set of hooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HookSet(u32);

/// A set of things a policy may touch, or of verdicts: one bit each.
pub type Bits = u32;

/// One row of the table.
#[derive(Debug)]
pub struct Row {
    pub hook: Hook,
    /// As scripts, logs and the reference call it.
    pub name: &'static str,
    pub kind: Kind,
    pub reads: Bits,
    pub writes: Bits,
    pub verdicts: &'static [&'static str],
    /// The same, a bit each: [`verdict_bit`].
    pub verdict_bits: Bits,
    pub wait: Wait,
    pub on_failure: OnFailure,
    /// On the way out policies run in reverse order, so that they nest.
    pub outward: bool,
    pub when: &'static str,
}

/// What of an exchange a policy may touch.
pub mod may {
    use super::Bits;

    pub const CLIENT: Bits = 1;
    pub const HELLO: Bits = 1 << 1;
    pub const REQUEST: Bits = 1 << 2;
    pub const REQUEST_BODY: Bits = 1 << 3;
    pub const ROUTE: Bits = 1 << 4;
    pub const UPSTREAM: Bits = 1 << 5;
    pub const ENDPOINTS: Bits = 1 << 6;
    pub const ENDPOINT: Bits = 1 << 7;
    pub const RESPONSE: Bits = 1 << 8;
    pub const RESPONSE_BODY: Bits = 1 << 9;
    pub const ENTRY: Bits = 1 << 10;
    pub const FAILURE: Bits = 1 << 11;
    pub const RECORD: Bits = 1 << 12;
    pub const VALUES: Bits = 1 << 13;
    pub const IDENTITY: Bits = 1 << 14;
    pub const STREAM: Bits = 1 << 15;
    pub const CERTIFICATE: Bits = 1 << 16;

    /// The names the reference prints.
    pub const NAMES: &[(Bits, &str)] = &[
        (CLIENT, "client"),
        (HELLO, "hello"),
        (REQUEST, "request"),
        (REQUEST_BODY, "request body"),
        (ROUTE, "route"),
        (UPSTREAM, "upstream"),
        (ENDPOINTS, "endpoints"),
        (ENDPOINT, "endpoint"),
        (RESPONSE, "response"),
        (RESPONSE_BODY, "response body"),
        (ENTRY, "cache entry"),
        (FAILURE, "failure"),
        (RECORD, "record"),
        (VALUES, "values"),
        (IDENTITY, "identity"),
        (STREAM, "stream"),
        (CERTIFICATE, "certificate"),
    ];
}

use Hook::{
    Balance, CacheHit, CacheKey, ClientHello, Connection, FailurePage, HandOver, Load, Log, Request, RequestBody,
    Response, ResponseBody, Route, Store, StreamClose, StreamData, StreamOpen, Unload, UpstreamFailure,
    UpstreamRequest, UpstreamResponse, UpstreamResponseBody,
};
use may::{
    CERTIFICATE, CLIENT, ENDPOINT, ENDPOINTS, ENTRY, FAILURE, HELLO, IDENTITY, RECORD, REQUEST, REQUEST_BODY, RESPONSE,
    RESPONSE_BODY, ROUTE, STREAM, UPSTREAM, VALUES,
};

/// What every hook of an exchange may read.
const FACTS: Bits = CLIENT | REQUEST | VALUES | IDENTITY;
const ROUTED: Bits = FACTS | ROUTE | UPSTREAM;
const ANSWERED: Bits = ROUTED | ENDPOINT | RESPONSE | FAILURE;

macro_rules! table {
    ($($hook:ident $name:literal $kind:ident, $reads:expr, $writes:expr, [$($verdict:literal)*], $wait:ident, $failure:ident, $way:literal, $when:literal;)+) => {
        /// The hook table: one row per hook, in the order of an exchange's life.
        pub static TABLE: &[Row] = &[$(Row {
            hook: $hook, name: $name, kind: Kind::$kind, reads: $reads, writes: $writes, verdicts: &[$($verdict),*], verdict_bits: 0 $(| verdict_bit($verdict))*,
            wait: Wait::$wait, on_failure: OnFailure::$failure, outward: matches!($way.as_bytes(), b"out"), when: $when,
        }),+];
    };
}

table! {
    Connection "connection" Ask, CLIENT, 0, ["Allow" "Close"], Yes, Closed, "in", "accepted, before TLS";
    ClientHello "client_hello" Ask, CLIENT | HELLO, CERTIFICATE, ["Allow" "Close" "Certificate"], Yes, Closed, "in", "SNI and ALPN are known";
    Route "route" Ask, FACTS | REQUEST_BODY, REQUEST | REQUEST_BODY | VALUES | IDENTITY | UPSTREAM, ["Route" "Answer"], Yes, Closed, "in", "the head is checked and normalised";
    Request "request" Edit, ROUTED | REQUEST_BODY, REQUEST | REQUEST_BODY | VALUES | IDENTITY | UPSTREAM, ["Answer"], Yes, Closed, "in", "the route is known";
    RequestBody "request_body" Edit, ROUTED | REQUEST_BODY, REQUEST | REQUEST_BODY | VALUES, ["Answer"], Yes, Abort, "in", "each chunk, or once when buffered";
    CacheKey "cache_key" Ask, ROUTED, VALUES, ["Key" "Bypass"], No, Bypass, "in", "before the cache is consulted";
    CacheHit "cache_hit" Ask, ROUTED | ENTRY, VALUES, ["Serve" "Revalidate" "Bypass"], No, Default, "in", "an entry was found, fresh or stale";
    Balance "balance" Ask, ROUTED | ENDPOINTS, VALUES, ["Endpoint" "Answer"], No, Default, "in", "each attempt";
    UpstreamRequest "upstream_request" Edit, ROUTED | ENDPOINT, REQUEST | VALUES, ["Answer"], Yes, Closed, "in", "each attempt, the endpoint is known";
    UpstreamFailure "upstream_failure" Ask, ROUTED | ENDPOINT | FAILURE, VALUES, ["Retry" "Answer" "Fail"], Yes, Default, "in", "an attempt failed";
    UpstreamResponse "upstream_response" Edit, ANSWERED | RESPONSE_BODY, RESPONSE | RESPONSE_BODY | VALUES, ["Retry" "Answer"], Yes, Closed, "out", "each attempt, the head arrived; before the cache";
    UpstreamResponseBody "upstream_response_body" Edit, ANSWERED | RESPONSE_BODY, RESPONSE | RESPONSE_BODY | VALUES, [], Yes, Abort, "out", "the same body on its way into the cache";
    Store "store" Ask, ANSWERED, VALUES, ["Store" "Skip"], No, Skip, "in", "the response could be kept";
    Response "response" Edit, ANSWERED | RESPONSE_BODY, RESPONSE | RESPONSE_BODY | VALUES, ["Answer"], Yes, SendAsIs, "out", "before the first byte to the client; hit or miss";
    ResponseBody "response_body" Edit, ANSWERED | RESPONSE_BODY, RESPONSE | RESPONSE_BODY | VALUES, ["Answer"], Yes, Abort, "out", "each chunk, or once when buffered";
    FailurePage "failure_page" Edit, ANSWERED | RESPONSE_BODY, RESPONSE | RESPONSE_BODY | VALUES, ["Answer"], Yes, PlainPage, "out", "the answer is ours and has no body";
    Log "log" Look, ANSWERED | RECORD, VALUES, [], Detached, Ignore, "in", "after the last byte; every exchange gets here";
    Load "load" Life, 0, 0, [], Yes, RefuseGeneration, "in", "a generation is prepared";
    HandOver "hand_over" Life, 0, 0, ["State"], Yes, RefuseGeneration, "in", "the next generation asks for this one's state";
    Unload "unload" Life, 0, 0, [], Yes, Ignore, "in", "the generation has ended for good";
    StreamOpen "stream_open" Ask, CLIENT | STREAM, VALUES, ["Upstream" "Close"], Yes, Closed, "in", "a TCP or UDP stream begins";
    StreamData "stream_data" Edit, CLIENT | STREAM, STREAM | VALUES, ["Close"], Yes, Closed, "in", "bytes of a stream";
    StreamClose "stream_close" Look, CLIENT | STREAM | RECORD, VALUES, [], Yes, Closed, "in", "a stream has ended";
}

/// Every verdict there is, by name.
const VERDICTS: [&str; 16] = [
    "Allow",
    "Close",
    "Certificate",
    "Route",
    "Answer",
    "Key",
    "Bypass",
    "Serve",
    "Revalidate",
    "Endpoint",
    "Retry",
    "Fail",
    "Store",
    "Skip",
    "State",
    "Upstream",
];

/// The bit of a verdict's name; 0 for what is none.
#[must_use]
pub const fn verdict_bit(name: &str) -> Bits {
    let mut at = 0;
    while at < VERDICTS.len() {
        if same(VERDICTS[at].as_bytes(), name.as_bytes()) {
            return 1 << at;
        }
        at += 1;
    }
    0
}

const fn same(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    let mut at = 0;
    while at < one.len() {
        if one[at] != other[at] {
            return false;
        }
        at += 1;
    }
    true
}

/// How many hooks there are.
pub const HOOKS: usize = 23;

// === impl Hook ===

impl Hook {
    /// This hook's row.
    #[must_use]
    pub fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }

    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().name
    }
}

// === impl HookSet ===

impl HookSet {
    pub const EMPTY: Self = Self(0);

    #[must_use]
    pub const fn of(hooks: &[Hook]) -> Self {
        let (mut bits, mut at) = (0, 0);
        while at < hooks.len() {
            bits |= 1 << hooks[at] as u32;
            at += 1;
        }
        Self(bits)
    }

    #[must_use]
    pub const fn has(self, hook: Hook) -> bool {
        self.0 & (1 << hook as u32) != 0
    }

    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether the two share a hook.
    #[must_use]
    pub const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub fn iter(self) -> impl Iterator<Item = Hook> {
        TABLE.iter().map(|row| row.hook).filter(move |hook| self.has(*hook))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_in_the_order_of_the_enum() {
        assert_eq!(TABLE.len(), HOOKS);
        for (index, row) in TABLE.iter().enumerate() {
            assert_eq!(row.hook as usize, index, "{}", row.name);
            assert_eq!(row.verdict_bits.count_ones() as usize, row.verdicts.len(), "{}", row.name);
        }
    }
}
