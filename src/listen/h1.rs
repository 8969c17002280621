//! One client connection that speaks HTTP/1.1: heads are read, each is handed to the server, and the client comes back.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::h2;
use super::pace::Pace;
use crate::clock::{self, Alarm};
use crate::config::plan::{Buffer, ListenerLimits, ListenerTimeouts};
use crate::drain::{Guard, Level};
use crate::failure::Reason;
use crate::hook::ClientFacts;
use crate::http::forwarded::{self, Asker, Lines};
use crate::http::head::Head;
use crate::http::{Rules, client_cert};
use crate::limits::{DRAIN_IDLE_GRACE_MS, LINGER_BYTES_MAX, LINGER_MS};
use crate::tls::server::Terms;
use crate::wire::http1::{Expect, Piece, ReadError};
use crate::wire::{Http, Http1, Wire};

/// A client and its connection. Whoever holds it may read and write; nobody else does.
pub struct Client {
    pub http: Http,
    pub facts: Rc<ClientFacts>,
    /// One deadline per connection, moved from wait to wait.
    pub alarm: Alarm,
    pub guard: Guard,
    /// What holds for the listener now; a reload replaces it between two requests.
    pub settings: Rc<RefCell<Rc<Settings>>>,
    /// Bytes of this connection, read and written, that metrics and log have counted.
    pub counted: (u64, u64),
    /// The request at hand is the last that the connection may make.
    pub last: bool,
}

/// What holds for every connection of a listener.
#[derive(Debug)]
pub struct Settings {
    pub name: Arc<str>,
    /// The listener's number in the metrics.
    pub id: u32,
    /// Connections it may hold, process-wide.
    pub open_max: usize,
    pub limits: ListenerLimits,
    pub buffer: Buffer,
    /// The listener's place in the plan that runs.
    pub index: usize,
    pub rules: Arc<Rules>,
    /// What every request of a client over plain TCP tells its origin.
    pub lines: Lines,
    pub timeouts: ListenerTimeouts,
    pub trusted: Vec<ipnet::IpNet>,
    /// Clients may speak HTTP/2.
    pub http2: bool,
    /// Trusted neighbours say in a PROXY header whom they speak for.
    pub proxy_protocol: bool,
    /// An upstream is told in a PROXY header whom we speak for, or a policy is.
    pub announces: bool,
    /// A policy speaks at `connection`.
    pub greets: bool,
    /// `None`: plain HTTP.
    pub tls: Option<Arc<Terms>>,
}

/// Serves one request, or answers a head that could not be read; gives the client back if its connection may go on.
pub type Serve = Rc<dyn Fn(Box<Client>, Result<Head, Reason>) -> Served>;

/// The exchange as a future.
pub type Served = Pin<Box<dyn Future<Output = Option<Box<Client>>>>>;

enum Next {
    Head(Head),
    Bad(Reason),
    Gone,
}

/// Serves a connection until one side has had enough.
pub async fn run(mut client: Box<Client>, serve: Serve) {
    let mut first = true;
    let mut pace = Pace::default();
    loop {
        let mut head = match next(&mut client, first).await {
            Next::Head(head) => Ok(head),
            Next::Bad(Reason::VersionUnsupported) if first && client.speaks_http2() => {
                return Box::pin(h2::run(*client, serve)).await;
            }
            Next::Bad(reason) => Err(reason),
            Next::Gone => return end(&mut client).await,
        };
        first = false;
        let limits = client.settings.borrow().limits;
        if limits.counts_requests() {
            head = pace.count(&limits).and(head);
            client.last = pace.is_last(&limits);
        }
        match serve(client, head).await {
            Some(back) => client = back,
            None => return,
        }
    }
}

/// Says by TLS that no more comes: a body that ends with its connection would count as cut off without it. By TCP alone
/// the close says it.
pub async fn end(client: &mut Client) {
    if !client.facts.secure {
        return;
    }
    let until = clock::now() + LINGER_MS;
    let said = std::future::poll_fn(|cx| {
        if client.alarm.poll(cx, until) || client.guard.poll_level(cx) == Level::Cut {
            return Poll::Ready(());
        }
        client.http.poll_shutdown(cx).map(drop)
    });
    said.await;
}

/// Closes without a reset: says that no more comes, and reads for a while what was on its way, so that the client gets
/// to read our last answer (RFC 9112 section 9.6).
pub async fn close(mut client: Box<Client>) {
    let until = clock::now() + LINGER_MS;
    let mut left = LINGER_BYTES_MAX;
    let shut = std::future::poll_fn(|cx| {
        if client.alarm.poll(cx, until) || client.guard.poll_level(cx) == Level::Cut {
            return Poll::Ready(false);
        }
        client.http.poll_shutdown(cx).map(|shut| shut.is_ok())
    });
    if !shut.await {
        return;
    }
    client.http.expect_body(crate::http::h1::framing::Framing::Close);
    std::future::poll_fn(|cx| {
        loop {
            if client.alarm.poll(cx, until) || client.guard.poll_level(cx) == Level::Cut {
                return Poll::Ready(());
            }
            match client.http.poll_piece(cx) {
                Poll::Ready(Ok(Piece::Chunk(chunk))) => left = left.saturating_sub(chunk.bytes().len()),
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
            if left == 0 {
                return Poll::Ready(());
            }
        }
    })
    .await;
}

async fn next(client: &mut Client, first: bool) -> Next {
    let settings = client.settings.borrow().clone();
    let began = clock::now();
    let mut head_began = first.then_some(began);
    let mut drain_until = None;
    std::future::poll_fn(|cx| {
        let polled = poll_next(client, &settings, cx);
        if polled.is_ready() {
            return polled;
        }
        if client.http.has_unread() && head_began.is_none() {
            head_began = Some(clock::now());
        }
        let mut deadline = match head_began {
            Some(at) => at + clock::millis(settings.timeouts.head),
            None => began + clock::millis(settings.timeouts.idle),
        };
        match client.guard.poll_level(cx) {
            Level::Running => {}
            Level::Draining if client.http.has_unread() => {}
            Level::Draining => {
                let until = *drain_until.get_or_insert_with(|| clock::now() + DRAIN_IDLE_GRACE_MS);
                deadline = deadline.min(until);
            }
            Level::Cut => return Poll::Ready(Next::Gone),
        }
        if !client.alarm.poll(cx, deadline) {
            return Poll::Pending;
        }
        Poll::Ready(if client.http.has_unread() { Next::Bad(Reason::HeadTimeout) } else { Next::Gone })
    })
    .await
}

fn poll_next(client: &mut Client, settings: &Settings, cx: &mut Context<'_>) -> Poll<Next> {
    let rules = &settings.rules;
    let expect = Expect { request: true, head_bytes_max: rules.head_bytes_max, fields_max: rules.fields_max };
    let mut head = Head::new();
    client.http.poll_head(cx, expect, &mut head).map(|read| match read {
        Ok(()) => Next::Head(head),
        Err(ReadError::Bad(reason)) => Next::Bad(reason),
        Err(_) => Next::Gone,
    })
}

// === impl Client ===

impl Client {
    /// Tells an origin about this client, in the head of its request.
    pub fn introduce(&self, head: &mut Head, settings: &Settings) {
        let facts = &self.facts;
        let asker = Asker {
            address: facts.address(),
            address_text: &facts.address_text,
            secure: facts.secure,
            trusted: facts.trusted,
        };
        forwarded::apply(head, &settings.rules.forwarded, &asker, &settings.lines);
        let shown = facts.tls.as_ref().filter(|tls| tls.told).and_then(|tls| tls.certificate.as_ref());
        let proof = shown.map(|shown| client_cert::Proof {
            encoded: &shown.encoded,
            subject: &shown.subject,
            names: &shown.names,
            fingerprint: &shown.fingerprint,
        });
        client_cert::apply(head, proof.as_ref(), facts.trusted);
    }

    /// Whether its first line is that of HTTP/2 (RFC 9113 section 3.3: prior knowledge).
    fn speaks_http2(&self) -> bool {
        let allowed = self.settings.borrow().http2;
        allowed && matches!(&self.http, Http::One(one) if one.unread().starts_with(&h2::PREFACE[..h2::PREFACE_LINE]))
    }

    #[must_use]
    pub fn new(wire: Wire, facts: ClientFacts, guard: Guard, settings: Rc<RefCell<Rc<Settings>>>) -> Box<Self> {
        Box::new(Self {
            http: Http::One(Http1::new(wire)),
            facts: Rc::new(facts),
            alarm: Alarm::new(),
            guard,
            settings,
            counted: (0, 0),
            last: false,
        })
    }
}
