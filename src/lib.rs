//! Gatewright: the proxy you program. A reverse proxy and load balancer whose every decision is a hook.
//!
//! These are the notes for whoever works on it. How it is used stands in `README.md` and `docs/reference.md`.
//!
//! # Bird's eye
//!
//! A request's whole life is one function in one file, `proxy/lifecycle.rs`. It knows *when* to ask and never *what* to
//! answer: every answer is a [`Verdict`](hook::Verdict) of a [`Policy`](hook::Policy), and the default behaviour is
//! simply the last policy of the [chain](hook::chain). One [table](hook::table::TABLE) says what may be read, written
//! and decided at each [`Hook`](hook::Hook). Mechanism (pools, sockets) and policy (routing, balancing) never import
//! each other: they meet in that one function, by verdicts.
//!
//! Configuration is four nouns in a row: [`Document`](config::document::Document) (as written, places kept) →
//! [`Plan`](config::plan::Plan) (checked; every mistake told together) → [`Snapshot`](snapshot::Snapshot) (compiled,
//! immutable, shared) → [`Generation`](snapshot::generation::Generation) (alive on one worker). `check`, `explain` and
//! `run` are this one row, stopped at three places. A reload prepares a generation on every worker beside the one that
//! serves, and commits all or none.
//!
//! Each [worker] is one thread with an event loop, listeners, a connection pool and a generation of its own. A plain
//! request takes no lock, spawns no task and sets no timer.
//!
//! # Floors
//!
//! A file imports only from floors below its own; rooms on one floor do not import each other. `tests/tidy.rs` holds the
//! same table and fails on an import that goes up.
//!
//! | floor | rooms | what lives there |
//! |---|---|---|
//! | 12 | `main`, [`cli`] | flags, commands, exit codes |
//! | 11 | [`admin`] | metrics, health and actions over HTTP |
//! | 10 | [`control`] | start, watch, reload, signals |
//! | 9 | [`worker`] | one thread: event loop, listeners, mailbox |
//! | 8 | [`proxy`] | the life of an exchange |
//! | 7 | [`snapshot`] | the plan compiled; a generation |
//! | 6 | [`upstream`], [`listen`], [`relay`] | mechanism: endpoints and pools, doors, bytes both ways |
//! | 5 | [`policy`] | the built-in policies |
//! | 4 | [`hook`] | when policies speak, what they see, what they may say |
//! | 3 | [`config`] | what was written, and what it means |
//! | 2 | [`wire`], [`share`] | TCP, unix sockets, memory, TLS; buffers; HTTP/1.1 and HTTP/2 over them, for both sides; what all workers share |
//! | 1 | [`http`], [`library`], [`observe`] | the RFCs' rules as pure functions; what scripts may call; logs and metrics |
//! | 0 | [`failure`], [`clock`], [`drain`], [`tls`], and below them [`limits`] | what goes wrong, when, until when; certificates, and what TLS is told |
//!
//! # Where to begin reading
//!
//! - what a request goes through: `proxy/lifecycle.rs`, then `proxy/attempt.rs` and `proxy/deliver.rs`
//! - what policies may do: [`hook::table`], [`hook::view`]; a whole one: [`policy::traffic::redirect`]
//! - what is refused on the wire: [`http::admit`], [`http::h1`], [`http::target`]
//! - what the file may hold: [`config::document`]; what is wrong with it: [`config::check`]
//! - what a reload does: [`control::reload`]; how it is undone: [`control::steer`], [`control::history`]
//! - what a policy may wait for: [`hook::Awaited`]; its own requests: [`proxy::fetch`]
//! - what a failure costs the client: [`failure::Reason`] and [`proxy::answer::status`]
//! - every bound there is: [`limits`]
//!
//! # The life of a request
//!
//! 1. [`listen::accept`] takes the connection; the policies that speak at `connection` are asked
//!    ([`proxy::connection`]), then comes the TLS handshake. [`listen::h1`] reads one head by [`wire`]'s codec and
//!    [`http::h1`]; by HTTP/2 each stream brings one, and [`http::h2`] makes it the same [`Head`](http::head::Head).
//! 2. [`worker`] pairs it with its current generation and calls the one function.
//! 3. [`http::admit`] passes it or gives a [`Reason`](failure::Reason); no hook comes before, none can turn it off.
//! 4. `route` is asked: the policies of file and listener, at last the [route table](policy::routing::table).
//! 5. `request` is edited: rewriting, redirects, headers, at last the [split](policy::routing::split).
//! 6. An attempt: `balance` names an endpoint; hop-by-hop fields go, [forwarded](http::forwarded) fields come;
//!    [`upstream::pool`] has an idle connection, [`upstream::h2`] a stream of one, or [`upstream::connect`] dials. A
//!    failure asks `upstream_failure`, and [`upstream::repeat`] says what may be sent again.
//! 7. `upstream_response`, then `response` are edited; a failure or an answer without a body gets its
//!    [page](proxy::answer) and `failure_page`.
//! 8. The four flows are polled in one place until the last byte: a source is read only while its sink has room. Where
//!    policies speak at body hooks each portion passes them on its way (`proxy/filter.rs`); a whole body that a hook of
//!    the head asks for is read before anything goes on (`proxy/body.rs`).
//! 9. `log` looks; one line of the [access log](observe::access_log); the client goes back to its door.
//!
//! # Words
//!
//! | word | means |
//! |---|---|
//! | exchange | one request and its response |
//! | attempt | one try to get a response from one endpoint |
//! | client, upstream, endpoint | who asks; a named group; one address in it |
//! | hook | a moment at which policies may speak |
//! | policy, recipe | what speaks at hooks; the same, compiled and not yet alive |
//! | chain, seat, row | the ordered policies of a route; a place in it; a hook's line in the table |
//! | verdict | what a policy decides |
//! | failure, diagnostic | an exchange went wrong; the operator wrote something wrong |
//! | value | named data on an exchange |
//! | door, flow | the protocol by which a side is met; the bytes of one direction on one side |
//! | room, floor | a folder of `src`; what it may import |
//!
//! # Invariants
//!
//! - One exchange, one generation. No global current configuration is reachable from a request.
//! - [`http`] has no I/O, clock or configuration; [`upstream::repeat`] is pure.
//! - A [`Failure`](failure::Failure) carries a reason, never a status; only [`proxy::answer`] turns one into a status;
//!   only [`snapshot::compile`] turns names into ids.
//! - Only [`config`] and policy options derive `Deserialize`.
//! - No blocking call and no unbounded queue on the request path; no lock is held across a policy's call or an await.
//!   The few files with a lock are listed in `tests/tidy.rs`. Every bound is in [`limits`].
//! - Every wait goes through [`clock`].
//! - A policy can slow or refuse its own exchange; it cannot stop a worker or see another exchange.
//! - `unsafe` is denied; a file that needs it is listed in `tests/tidy.rs`, each block with its invariant.
//! - No file knows of which kind a policy is, except the one that makes it.
//! - What we forward re-parses, by any RFC 9112 parser, to the one message we understood.

pub mod admin;
pub mod cli;
pub mod clock;
pub mod config;
pub mod control;
pub mod drain;
pub mod failure;
pub mod hook;
pub mod http;
pub mod lab;
pub mod library;
pub mod limits;
pub mod listen;
pub mod lua;
pub mod observe;
pub mod policy;
pub mod proxy;
pub mod relay;
pub mod share;
pub mod snapshot;
pub mod tls;
pub mod upstream;
pub mod wire;
pub mod worker;
