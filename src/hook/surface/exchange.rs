//! The exchange and what hangs on it.

use super::{Member, Noun};
use crate::hook::table::may::{
    CLIENT, ENDPOINT, ENDPOINTS, FAILURE, IDENTITY, REQUEST, REQUEST_BODY, RESPONSE, RESPONSE_BODY, ROUTE, UPSTREAM,
};

pub(super) const NOUNS: &[&Noun] = &[
    &EXCHANGE,
    &REQUEST_NOUN,
    &RESPONSE_NOUN,
    &HEADERS,
    &CLIENT_NOUN,
    &ROUTE_NOUN,
    &ENDPOINTS_NOUN,
    &ENDPOINT_NOUN,
    &FETCHED,
    &CHUNK,
];

static EXCHANGE: Noun = Noun {
    name: "Exchange",
    at: "exchange",
    about: "One request and its response. It always means the exchange of the call that runs.",
    members: &[
        Member::field("id", "string")
            .reads(REQUEST)
            .about("The request's id, as logs and the `x-request-id` field have it.", "local _ = exchange.id"),
        Member::field("hook", "string").about("The hook that runs.", "local _ = exchange.hook"),
        Member::field("request", "Request").about("The request.", "local _ = exchange.request"),
        Member::field("response", "Response").about("The response.", "local _ = exchange.response"),
        Member::field("client", "Client").about("Who asks.", "local _ = exchange.client"),
        Member::field("route", "Route?")
            .reads(ROUTE)
            .about("The route that was chosen.", "local _ = exchange.route"),
        Member::assignable("upstream", "string?")
            .reads(UPSTREAM)
            .about(
                "The upstream's name. At `route` and `request` it may be assigned: one of the route's `to`, or of the \
                 policy's grants.",
                "local _ = exchange.upstream",
            ),
        Member::field("endpoint", "Endpoint?")
            .reads(ENDPOINT)
            .about("The endpoint of this attempt.", "local _ = exchange.endpoint"),
        Member::field("failure", "string?")
            .reads(FAILURE)
            .about("Why the attempt, or the exchange, failed: a reason as logs have it.", "local _ = exchange.failure"),
        Member::field("mine", "{ [any]: any }").reads(REQUEST).about(
            "A table that only this policy sees, for this exchange, from its first hook until after `log`.",
            "exchange.mine.seen = true",
        ),
        Member::assignable("identity", "Identity?").reads(IDENTITY).about(
            "Who the client has proved to be: { subject, scopes, claims, by }. Assigned by policies that check it.",
            "local _ = exchange.identity",
        ),
        Member::method("fetch", "(upstream: string, request: FetchRequest?)", "(Fetched?, string?)").waits().about(
            "A request of the policy's own to an upstream that it is granted: { method, path, query, host, headers, body, \
             timeout }. Nil and a reason where it failed.",
            "local _ = exchange:fetch('origin')",
        ),
        Member::method("fetch_all", "(requests: { FetchRequest })", "{ Fetched | false }").waits().about(
            "Several at once, each with its `upstream`; false in the place of one that failed.",
            "local _ = exchange:fetch_all({ { upstream = 'origin' } })",
        ),
        Member::field("values", "{ [string]: any }")
            .about("Named data that every policy and placeholder may read; see `values`.", "local _ = exchange.values"),
    ],
};

static REQUEST_NOUN: Noun = Noun {
    name: "Request",
    at: "exchange.request",
    about: "The request, as the policies before have left it.",
    members: &[
        Member::assignable("method", "string")
            .reads(REQUEST)
            .about("The method. Assignable where the request may be written.", "local _ = exchange.request.method"),
        Member::assignable("path", "string").reads(REQUEST).about(
            "The normalised path, without the query. Assigning keeps the query.",
            "local _ = exchange.request.path",
        ),
        Member::assignable("query", "string?")
            .reads(REQUEST)
            .about("The query without `?`; nil: there is none.", "local _ = exchange.request.query"),
        Member::assignable("target", "string")
            .reads(REQUEST)
            .about("Path and query.", "local _ = exchange.request.target"),
        Member::assignable("host", "string?")
            .reads(REQUEST)
            .about("The host the client named, with its port.", "local _ = exchange.request.host"),
        Member::field("scheme", "string")
            .reads(CLIENT | REQUEST)
            .about("`http` or `https`.", "local _ = exchange.request.scheme"),
        Member::field("version", "string")
            .reads(REQUEST)
            .about("`1.0`, `1.1` or `2`.", "local _ = exchange.request.version"),
        Member::field("headers", "Headers").about("Its fields.", "local _ = exchange.request.headers"),
        Member::method("body", "()", "string").reads(REQUEST_BODY).waits().about(
            "Waits for the whole body, without its content coding; beyond `limits.body` the request is refused with 413.",
            "local _ = exchange.request:body()",
        ),
        Member::method("set_body", "(body: string)", "()").writes(REQUEST).reads(REQUEST_BODY).about(
            "Puts another body in its place; length, coding and validators are mended.",
            "exchange.request:set_body('x')",
        ),
        Member::method("cookie", "(name: string)", "string?")
            .reads(REQUEST)
            .about("The value of a cookie.", "local _ = exchange.request:cookie('a')"),
        Member::method("argument", "(name: string)", "string?")
            .reads(REQUEST)
            .about("A parameter of the query, decoded; the first of that name.", "local _ = exchange.request:argument('a')"),
    ],
};

static RESPONSE_NOUN: Noun = Noun {
    name: "Response",
    at: "exchange.response",
    about: "The response, as the policies before have left it.",
    members: &[
        Member::assignable("status", "number")
            .reads(RESPONSE)
            .about("The status. Assignable where the response may be written.", "local _ = exchange.response.status"),
        Member::field("media_type", "string?").reads(RESPONSE).about(
            "The media type without its parameters, in lower case: `text/html`.",
            "local _ = exchange.response.media_type",
        ),
        Member::method("body", "()", "string").reads(RESPONSE_BODY).waits().about(
            "Waits for the whole body, without its content coding; beyond `limits.body` the exchange fails with 502.",
            "local _ = exchange.response:body()",
        ),
        Member::method("set_body", "(body: string)", "()").writes(RESPONSE).about(
            "Puts another body in its place; length, coding and validators are mended.",
            "exchange.response:set_body('x')",
        ),
        Member::field("headers", "Headers").about("Its fields.", "local _ = exchange.response.headers"),
    ],
};

static HEADERS: Noun = Noun {
    name: "Headers",
    at: "exchange.request.headers",
    about: "The fields of a message. `headers[name]` is the first value, in any case of the name; assigning sets the one \
            value, nil removes. `for name, value in headers do` walks them all.",
    members: &[
        Member::keyed("name", "(name: string)", "string?")
            .reads(REQUEST)
            .about("The first value of that name, or nil.", "local _ = exchange.request.headers['x-a']"),
        Member::method("all", "(name: string)", "{ string }")
            .reads(REQUEST)
            .about("Every value of that name.", "local _ = exchange.request.headers:all('x-a')"),
        Member::method("add", "(name: string, value: string)", "()")
            .reads(REQUEST)
            .writes(REQUEST)
            .about("Adds a value and leaves the others.", "exchange.request.headers:add('x-a', '1')"),
        Member::method("names", "()", "{ string }")
            .reads(REQUEST)
            .about("Every name, in lower case, each once.", "local _ = exchange.request.headers:names()"),
    ],
};

static CLIENT_NOUN: Noun = Noun {
    name: "Client",
    at: "exchange.client",
    about: "Who asks, and by which door.",
    members: &[
        Member::field("address", "string")
            .reads(CLIENT)
            .about("Its address, without a port.", "local _ = exchange.client.address"),
        Member::field("port", "number?").reads(CLIENT).about("Its port.", "local _ = exchange.client.port"),
        Member::field("trusted", "boolean")
            .reads(CLIENT)
            .about("It is one of the listener's trusted neighbours.", "local _ = exchange.client.trusted"),
        Member::field("listener", "string")
            .reads(CLIENT)
            .about("The listener's name.", "local _ = exchange.client.listener"),
        Member::field("tls", "Tls?").reads(CLIENT).about(
            "What TLS settled: `version`, `cipher`, `server_name`, `resumed`, and of a verified client certificate \
             `subject`, `names`, `fingerprint`.",
            "local _ = exchange.client.tls",
        ),
    ],
};

static ROUTE_NOUN: Noun = Noun {
    name: "Route",
    at: "exchange.route",
    about: "The route that was chosen.",
    members: &[
        Member::field("name", "string")
            .reads(ROUTE)
            .about("Its name.", "local _ = exchange.route and exchange.route.name"),
        Member::field("params", "{ [string]: string }").reads(ROUTE).about(
            "What the `{parameters}` of its path stood for.",
            "local _ = exchange.route and exchange.route.params",
        ),
        Member::field("upstreams", "{ string }")
            .reads(ROUTE)
            .about("The names of its `to`.", "local _ = exchange.route and exchange.route.upstreams"),
    ],
};

static ENDPOINTS_NOUN: Noun = Noun {
    name: "Endpoints",
    at: "endpoints",
    about: "What there is to choose from at `balance`: those that this exchange has not tried, unless all were. \
            `#endpoints`, `endpoints[1]` and `for _, one in endpoints do` work.",
    members: &[
        Member::field("mean_in_flight", "number").reads(ENDPOINTS).about(
            "Exchanges in flight per endpoint, on average.",
            "local _ = endpoints.mean_in_flight",
        ),
        Member::method("hash", "(key: string)", "Endpoint?").reads(ENDPOINTS).about(
            "The endpoint that a key belongs to (rendezvous hashing by weight: a change of the list moves only what it must).",
            "local _ = endpoints:hash('a')",
        ),
        Member::method("least_request", "()", "Endpoint?").reads(ENDPOINTS).about(
            "The one with the fewest exchanges in flight for its weight.",
            "local _ = endpoints:least_request()",
        ),
        Member::method("random", "()", "Endpoint?")
            .reads(ENDPOINTS)
            .about("Any, by weight.", "local _ = endpoints:random()"),
    ],
};

static ENDPOINT_NOUN: Noun = Noun {
    name: "Endpoint",
    at: "exchange.endpoint",
    about: "One address of an upstream.",
    members: &[
        Member::field("address", "string")
            .reads(ENDPOINT)
            .about("The address as logs show it.", "local _ = exchange.endpoint and exchange.endpoint.address"),
        Member::field("host", "string?")
            .reads(ENDPOINT)
            .about("The DNS name that led to it.", "local _ = exchange.endpoint and exchange.endpoint.host"),
        Member::field("weight", "number")
            .reads(ENDPOINT)
            .about("Its weight.", "local _ = exchange.endpoint and exchange.endpoint.weight"),
        Member::field("in_flight", "number").reads(ENDPOINT).about(
            "Exchanges that wait for it or are answered by it, process-wide.",
            "local _ = exchange.endpoint and exchange.endpoint.in_flight",
        ),
    ],
};

static FETCHED: Noun = Noun {
    name: "Fetched",
    at: "fetched",
    about: "What came back from a fetch.",
    members: &[
        Member::field("status", "number").about("Its status.", "local _ = fetched and fetched.status"),
        Member::field("body", "string")
            .about("Its body, without its content coding.", "local _ = fetched and fetched.body"),
        Member::method("header", "(name: string)", "string?")
            .about("The first value of a field, in any case of its name.", "local _ = fetched and fetched:header('a')"),
        Member::field("headers", "{ [string]: string }").about(
            "The fields by lower-case name; several values are joined by commas.",
            "local _ = fetched and fetched.headers",
        ),
        Member::method("json", "()", "(any, string?)").about(
            "The body read as JSON; nil and the reason where it is none.",
            "local _ = fetched and fetched.status == 200 and fetched:json()",
        ),
    ],
};

static CHUNK: Noun = Noun {
    name: "Chunk",
    at: "chunk",
    about: "The piece of a body at hand: the second parameter of `request_body`, `response_body` and \
            `upstream_response_body`.",
    members: &[
        Member::assignable("bytes", "string")
            .about("Its bytes; assign others, or none to hold it back.", "local _ = chunk and chunk.bytes"),
        Member::field("last", "boolean").about("It ends the body; it may be empty.", "local _ = chunk and chunk.last"),
    ],
};
