//! The exchange and what hangs on it.

use super::{Member, Noun};
use crate::hook::table::may::{
    CLIENT, ENDPOINT, ENDPOINTS, FAILURE, REQUEST, RESPONSE, ROUTE, UPSTREAM, VALUES,
};

pub(super) const NOUNS: &[&Noun] =
    &[&EXCHANGE, &REQUEST_NOUN, &RESPONSE_NOUN, &HEADERS, &CLIENT_NOUN, &ROUTE_NOUN, &ENDPOINTS_NOUN, &ENDPOINT_NOUN];

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
        Member::field("mine", "{ [any]: any }").about(
            "A table that only this policy sees, for this exchange, from its first hook until after `log`.",
            "exchange.mine.seen = true",
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
        Member::field("headers", "Headers")
            .reads(REQUEST)
            .about("Its fields.", "local _ = exchange.request.headers"),
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
        Member::field("headers", "Headers")
            .reads(RESPONSE)
            .about("Its fields.", "local _ = exchange.response.headers"),
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
        Member::field("name", "string").reads(ROUTE).about("Its name.", "local _ = exchange.route and exchange.route.name"),
        Member::field("params", "{ [string]: string }").reads(ROUTE).about(
            "What the `{parameters}` of its path stood for.",
            "local _ = exchange.route and exchange.route.params",
        ),
        Member::field("upstreams", "{ string }").reads(ROUTE).about(
            "The names of its `to`.",
            "local _ = exchange.route and exchange.route.upstreams",
        ),
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

const _: u32 = VALUES;
