//! Requests of policies' own: an exchange without a client, to an upstream that is declared. It goes the way of every
//! attempt (balance, pool, retries, limits), and what goes wrong with it goes wrong for nobody else.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use super::gather::Gathered;
use super::{Exchange, Parts, attempt, deliver};
use crate::clock;
use crate::config::plan::{self, ListenerLimits, ListenerTimeouts};
use crate::drain::Drain;
use crate::failure::{Failure, Reason};
use crate::hook::{ClientFacts, Fetch, Fetched, Form, Local, Peer, Reach, Refused, Side, UpstreamId};
use crate::http::admit::Admitted;
use crate::http::authority::check_host;
use crate::http::forwarded::{self, Lines};
use crate::http::h1::framing::Framing;
use crate::http::h1::write::Length;
use crate::http::head::Head;
use crate::http::name::{FieldName, Known, is_field_value, is_token};
use crate::http::{Rules, target};
use crate::limits::{CLIENT_BODY_TIMEOUT_MS, FETCH_DEPTH_MAX};
use crate::listen::{Client, Settings};
use crate::snapshot::Generation;
use crate::wire::{Wire, memory};

/// The way to declared upstreams from one worker.
pub struct Outbound {
    parts: Rc<Parts>,
    /// `None`: the one that runs.
    generation: Option<Rc<Generation>>,
    drain: Drain,
    /// How many fetches have led to each other.
    depth: u8,
}

// === impl Outbound ===

impl Outbound {
    /// By whichever generation runs on the worker.
    #[must_use]
    pub fn new(parts: Rc<Parts>, drain: Drain) -> Self {
        Self { parts, generation: None, drain, depth: 0 }
    }

    /// By which it may go, the first that knows the upstream.
    fn generations(&self) -> [Option<Rc<Generation>>; 2] {
        match &self.generation {
            Some(generation) => [Some(generation.clone()), None],
            None => [self.parts.current.borrow().clone(), self.parts.loading.borrow().clone()],
        }
    }

    /// For an exchange, which stays with its generation.
    pub(super) fn of(exchange: &Exchange) -> Self {
        Self {
            parts: exchange.parts.clone(),
            generation: exchange.generation.clone(),
            drain: exchange.flows.client.guard.node(),
            depth: exchange.rare.as_ref().map_or(0, |rare| rare.depth),
        }
    }
}

impl Reach for Outbound {
    fn fetch(&self, fetch: Box<Fetch>) -> Local<Result<Fetched, Failure>> {
        if self.depth >= FETCH_DEPTH_MAX {
            return failed(Failure::with(Reason::LoopDetected, "fetches that lead to each other"));
        }
        let knows = |generation: &Rc<Generation>| generation.upstream(fetch.upstream).is_some();
        let Some(generation) = self.generations().into_iter().flatten().find(knows) else {
            return failed(Failure::new(Reason::NoUpstream));
        };
        match begin(&self.parts, generation, &self.drain, &fetch) {
            Ok((mut exchange, _other_end)) => {
                exchange.rare_mut().depth = self.depth + 1;
                Box::pin(async move {
                    let _other_end = _other_end; // nobody reads or writes there, but it is no client that has gone
                    let fetched = run(&mut exchange, fetch.body_max).await;
                    exchange.count_upstream();
                    fetched
                })
            }
            Err(failure) => failed(failure),
        }
    }

    fn find(&self, name: &str) -> Option<UpstreamId> {
        self.generations().into_iter().flatten().find_map(|generation| generation.snapshot.find_upstream(name))
    }
}

fn failed(failure: Failure) -> Local<Result<Fetched, Failure>> {
    Box::pin(std::future::ready(Err(failure)))
}

async fn run(exchange: &mut Exchange, body_max: usize) -> Result<Fetched, Failure> {
    attempt::run(exchange).await?;
    let body = std::future::poll_fn(|cx| exchange.poll_body(Side::Response, body_max, Form::Decoded, cx)).await?;
    deliver::give_back_upstream(exchange);
    let head = std::mem::take(&mut exchange.response);
    Ok(Fetched { head, body: body.bytes.to_vec(), coded: body.coded })
}

/// The exchange of a fetch, its request ready to be sent.
fn begin(
    parts: &Rc<Parts>,
    generation: Rc<Generation>,
    drain: &Drain,
    fetch: &Fetch,
) -> Result<(Box<Exchange>, memory::End), Failure> {
    let mut head = head(fetch)?;
    let listeners = &generation.snapshot.plan.listeners;
    if let Some(pseudonym) = listeners.iter().find_map(|listener| listener.rules.forwarded.via.as_ref()) {
        forwarded::via(&mut head, pseudonym);
    }
    let (here, there) = memory::pair();
    let settings = Rc::new(RefCell::new(settings()));
    let client = Client::new(Wire::Memory(here), nobody(), drain.guard(), settings);
    let mut exchange = Exchange::begun(parts.clone(), generation, client, Ok(head));
    let length = match (fetch.body.is_empty(), &*fetch.method) {
        (true, "POST" | "PUT" | "PATCH") => Length::Exactly(0),
        (true, _) => Length::None,
        (false, _) => Length::Exactly(fetch.body.len() as u64),
    };
    if !fetch.body.is_empty() {
        exchange.flows.request.gathered = Some(Box::new(Gathered::whole(&fetch.body)));
    }
    exchange.flows.request.read = true;
    exchange.chosen = Some(fetch.upstream);
    if let Some(timeout) = fetch.timeout {
        exchange.flows.limits.total_at = exchange.record.began_ms.saturating_add(clock::millis(timeout));
    }
    exchange.admitted = Some(Admitted {
        framing: Framing::None,
        length,
        persistent: false,
        says_keep_alive: false,
        upgrade: false,
        expects_continue: false,
        trailers_welcome: false,
        ends_here: false,
    });
    Ok((exchange, there))
}

/// The request's head, held to the rules that hold for everybody's.
fn head(fetch: &Fetch) -> Result<Head, Failure> {
    let method = &*fetch.method;
    if method.is_empty() || !method.bytes().all(is_token) || matches!(method, "CONNECT" | "TRACE") {
        return Err(Refused::BadValue.into());
    }
    let parsed = target::parse(b"GET", fetch.target.as_bytes(), &target::Normalise::default());
    let parsed = parsed.ok().filter(|parsed| parsed.form == target::Form::Origin).ok_or(Refused::BadTarget)?;
    let path_and_query = std::str::from_utf8(&parsed.path_and_query).map_err(|_| Refused::BadTarget)?;
    let mut head = Head::request(method, path_and_query);
    if let Some(host) = &fetch.host {
        check_host(host.as_bytes()).map_err(|_| Refused::BadHost)?;
        head.set(&FieldName::from(Known::Host), host.as_bytes());
    }
    for (name, value) in &fetch.fields {
        let name = FieldName::new(name).map_err(|_| Refused::BadValue)?;
        if name.known().is_framing() || name.known() == Known::Host {
            return Err(Refused::Framing.into());
        }
        if !is_field_value(value) {
            return Err(Refused::BadValue.into());
        }
        head.add(&name, value);
    }
    Ok(head)
}

/// Who asks: we do.
fn nobody() -> ClientFacts {
    ClientFacts {
        peer: Peer::Memory,
        address_text: "127.0.0.1".into(),
        trusted: true,
        local: None,
        secure: false,
        listener: "".into(),
        tls: None,
    }
}

/// No listener's: what is asked for here came by none.
fn settings() -> Rc<Settings> {
    let rules = Rules::default();
    let body = Duration::from_millis(CLIENT_BODY_TIMEOUT_MS);
    Rc::new(Settings {
        name: "".into(),
        id: u32::MAX,
        open_max: 0,
        limits: ListenerLimits { min_rate: 0, ..ListenerLimits::default() },
        buffer: plan::Buffer::default(),
        index: usize::MAX,
        lines: Lines::new(&rules.forwarded, false),
        rules: rules.into(),
        timeouts: ListenerTimeouts { head: body, idle: body, body },
        trusted: Vec::new(),
        http2: false,
        proxy_protocol: false,
        announces: false,
        greets: false,
        tls: None,
    })
}
