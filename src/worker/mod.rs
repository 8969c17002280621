//! One worker: a thread with its own event loop, listeners, pool and generation. It takes no lock and shares no socket
//! with other workers; what it is told arrives in its mailbox.

mod mailbox;

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use tokio::runtime::{Builder, LocalOptions};
use tokio::task::JoinHandle;

pub use mailbox::{DoorPlan, LogPlan, Mailbox, Message};

use crate::clock;
use crate::config::plan::{self, Place};
use crate::drain::{Drain, Level};
use crate::hook::{Hook, Seat, WorkerParts};
use crate::http::forwarded::Lines;
use crate::limits::{DRAIN_LIMIT_MS, LISTENER_CONNECTIONS_MAX, POOL_SWEEP_MS, WORKER_STACK_BYTES};
use crate::listen::accept::{self, Counted, Door};
use crate::listen::{Ask, Serve, Settings};
use crate::observe::access_log::AccessLog;
use crate::observe::metrics::Metrics;
use crate::proxy::fetch::Outbound;
use crate::proxy::{Exchange, Parts, connection, lifecycle};
use crate::share::addresses::Addresses;
use crate::snapshot::{Generation, Lane, Snapshot};
use crate::tls::server::Terms;
use crate::upstream::Pool;
use crate::upstream::directory::{Directory, Seen};
use crate::wire::Address;

/// What a worker is born with.
pub struct Birth {
    pub number: usize,
    pub workers: usize,
    pub directory: Arc<Directory>,
    pub metrics: Arc<Metrics>,
    /// Connections by client address, process-wide.
    pub addresses: Arc<Addresses>,
    /// Runs once on the worker's thread, before its first message: in-memory listeners of the demo and of tests.
    pub furnish: Option<Furnish>,
}

/// Something to set up on every worker's thread. The policies that it gives, the embedding program's own, stand before those
/// of the file, in every generation.
pub type Furnish = Arc<dyn Fn(&Drain) -> Vec<Seat> + Send + Sync>;

/// What a worker's thread owns.
struct Worker {
    facts: WorkerParts,
    own: Vec<Seat>,
    parts: Rc<Parts>,
    prepared: RefCell<Option<Rc<Generation>>>,
    doors: RefCell<HashMap<Place, OpenDoor>>,
    drain: Drain,
    addresses: Arc<Addresses>,
}

struct OpenDoor {
    drain: Drain,
    settings: Rc<RefCell<Rc<Settings>>>,
    standing: Rc<RefCell<Standing>>,
    /// Ends when the listening socket is closed.
    accepting: Option<JoinHandle<()>>,
}

/// Which generation serves what comes by a door.
enum Standing {
    /// The running one.
    Open,
    /// The listener is gone: the last that knew it.
    Gone(Rc<Generation>),
    /// It has been gone for longer than anything may take.
    Over,
}

/// Starts a worker's thread.
pub fn start(birth: Birth) -> std::io::Result<Mailbox> {
    let (mailbox, messages) = mailbox::new();
    let name = format!("worker-{}", birth.number);
    let body = move || {
        if let Err(error) = live(birth, messages) {
            tracing::error!(%error, "worker ended");
        }
    };
    let thread = std::thread::Builder::new().name(name).stack_size(WORKER_STACK_BYTES).spawn(body)?;
    Ok(mailbox.of(thread))
}

/// A worker in the event loop of the calling thread, whose clock is the caller's: for the lab.
#[must_use]
pub fn start_here(birth: Birth) -> Mailbox {
    let (mailbox, messages) = mailbox::new();
    tokio::task::spawn_local(inhabit(birth, messages));
    mailbox
}

fn live(birth: Birth, messages: mailbox::Messages) -> std::io::Result<()> {
    let looks = || {
        clock::refresh();
    };
    let runtime =
        Builder::new_current_thread().enable_all().on_thread_unpark(looks).build_local(LocalOptions::default())?;
    runtime.block_on(async move {
        clock::refresh();
        tokio::task::spawn_local(clock::drive());
        inhabit(birth, messages).await;
    });
    Ok(())
}

async fn inhabit(birth: Birth, messages: mailbox::Messages) {
    let worker = Worker::new(birth);
    let pool = worker.parts.pool.clone();
    let parts = worker.parts.clone();
    tokio::task::spawn_local(async move {
        loop {
            clock::sleep(Duration::from_millis(POOL_SWEEP_MS)).await;
            pool.sweep();
            if let Some(log) = parts.log.borrow_mut().as_mut()
                && log.due_ms() <= clock::now()
            {
                log.flush();
            }
        }
    });
    worker.obey(messages).await;
}

// === impl Worker ===

impl Worker {
    fn new(birth: Birth) -> Rc<Self> {
        let parts = Parts {
            number: birth.number,
            pool: Pool::new(),
            seen: RefCell::new(Seen::new(birth.directory)),
            metrics: birth.metrics.worker(birth.number),
            log: RefCell::new(None),
            current: RefCell::new(None),
            loading: RefCell::new(None),
            looking: Rc::new(()),
        };
        let (parts, drain) = (Rc::new(parts), Drain::new());
        let reach = Rc::new(Outbound::new(parts.clone(), drain.clone()));
        let own = birth.furnish.map(|furnish| furnish(&drain)).unwrap_or_default();
        Rc::new(Self {
            facts: WorkerParts { number: birth.number, workers: birth.workers, reach },
            own,
            parts,
            prepared: RefCell::default(),
            doors: RefCell::default(),
            drain,
            addresses: birth.addresses,
        })
    }

    /// Does what the mailbox says until all is drained.
    async fn obey(self: Rc<Self>, mut messages: mailbox::Messages) {
        loop {
            let draining = self.drain.level() != Level::Running;
            let message = tokio::select! {
                message = messages.next() => message,
                () = self.drain.ended(), if draining => None,
            };
            match message {
                Some(Message::Prepare(snapshot, reply)) => reply.send(self.prepare(&snapshot).await),
                Some(Message::Commit(number, doors, log, reply)) => {
                    self.switch_log(log);
                    self.clone().commit(number, doors).await;
                    reply.send(());
                }
                Some(Message::Discard) => drop(self.prepared.take()),
                Some(Message::Drain) => self.stop(Level::Draining),
                Some(Message::Cut) => self.stop(Level::Cut),
                None => break,
            }
        }
        drop(self.parts.log.take());
        drop(self.parts.current.take());
    }

    /// Stops what is below, and lets go of the doors: they would be waited for.
    fn stop(&self, level: Level) {
        self.drain.stop(level);
        for place in self.doors.take().into_keys() {
            close_memory(&place.address);
        }
    }

    fn switch_log(&self, log: LogPlan) {
        if let LogPlan::Replace(log) = log {
            *self.parts.log.borrow_mut() = log.map(|(format, sender)| AccessLog::new(format, sender));
        }
    }

    async fn prepare(&self, snapshot: &Arc<Snapshot>) -> Result<(), crate::config::diagnostic::Diagnostic> {
        let generation = Generation::new(snapshot, &self.facts, &self.own)?;
        *self.parts.loading.borrow_mut() = Some(generation.clone());
        let loaded = generation.load().await;
        drop(self.parts.loading.take());
        loaded?;
        *self.prepared.borrow_mut() = Some(generation);
        Ok(())
    }

    /// Swaps the generation and opens, keeps or closes doors. From here on new requests see the new generation; those
    /// under way keep theirs. Returns when the sockets of listeners that are gone are closed: the next plan may want
    /// their addresses.
    async fn commit(self: Rc<Self>, number: u64, plans: Vec<DoorPlan>) {
        let Some(generation) = self.prepared.take().filter(|prepared| prepared.number() == number) else { return };
        generation.committed();
        let before = self.parts.current.replace(Some(generation.clone()));
        let mut kept = HashMap::new();
        let mut doors = self.doors.take();
        for (index, (plan, listener)) in plans.into_iter().zip(&generation.snapshot.plan.listeners).enumerate() {
            let settings = Rc::new(settings(index, listener, plan.id, &generation));
            let mut open = match doors.remove(&plan.place) {
                Some(open) => {
                    *open.settings.borrow_mut() = settings;
                    open
                }
                None => OpenDoor {
                    drain: self.drain.child(),
                    settings: Rc::new(RefCell::new(settings)),
                    standing: Rc::new(RefCell::new(Standing::Open)),
                    accepting: None,
                },
            };
            if let Some(listening) = plan.listening {
                let door = Rc::new(self.door(&open, plan.open));
                let accepting = accept::run(listening, memory_name(&plan.place.address), door);
                open.accepting = Some(tokio::task::spawn_local(accepting));
            }
            kept.insert(plan.place, open);
        }
        *self.doors.borrow_mut() = kept;
        let mut closing = Vec::new();
        for (place, gone) in doors {
            close_memory(&place.address);
            *gone.standing.borrow_mut() = before.clone().map_or(Standing::Over, Standing::Gone);
            gone.drain.stop(Level::Draining);
            closing.extend(gone.accepting);
            tokio::task::spawn_local(async move {
                tokio::select! {
                    () = gone.drain.ended() => {}
                    () = clock::sleep(Duration::from_millis(DRAIN_LIMIT_MS)) => {}
                }
                *gone.standing.borrow_mut() = Standing::Over;
            });
        }
        drop((before, generation));
        for accepting in closing {
            let _panicked = accepting.await;
        }
    }

    /// The generation that serves what comes by a door.
    fn standing(&self, standing: &RefCell<Standing>) -> Option<Rc<Generation>> {
        match &*standing.borrow() {
            Standing::Open => self.parts.current.borrow().clone(),
            Standing::Gone(last) => Some(last.clone()),
            Standing::Over => None,
        }
    }

    fn door(self: &Rc<Self>, open: &OpenDoor, count: Arc<AtomicUsize>) -> Door {
        let (worker, standing) = (self.clone(), open.standing.clone());
        let serve: Serve = Rc::new(move |client, head| {
            let Some(generation) = worker.standing(&standing) else { return Box::pin(async { None }) };
            Box::pin(lifecycle::serve(Exchange::new(worker.parts.clone(), generation, client, head)))
        });
        let (worker, standing, settings) = (self.clone(), open.standing.clone(), open.settings.clone());
        let ask: Ask = Rc::new(move |hook, facts, hello| {
            let generation = worker.standing(&standing)?;
            let lane = generation.entry(settings.borrow().index).filter(|lane| connection::speaks(lane, hook))?;
            let hello = (hook == Hook::ClientHello).then(hello);
            let (metrics, reach) = (worker.parts.metrics.clone(), worker.facts.reach.clone());
            Some(Box::pin(connection::ask(lane.clone(), metrics, hook, facts.clone(), hello, reach)))
        });
        let (metrics, counted) = (self.parts.metrics.clone(), self.parts.metrics.clone());
        Door {
            ask,
            shaken: Rc::new(move |id, outcome| counted.handshake(id, outcome)),
            settings: open.settings.clone(),
            serve,
            drain: open.drain.clone(),
            open: count,
            addresses: self.addresses.clone(),
            count: Rc::new(move |id, counted| match counted {
                Counted::Accepted => metrics.accepted(id),
                Counted::Closed => metrics.closed(id),
                Counted::Refused(reason) => metrics.refused(id, reason),
            }),
        }
    }
}

/// An in-memory listener has no task that sees the drain: it is told.
fn close_memory(address: &Address) {
    if let Address::Memory(name) = address {
        crate::wire::memory::close(name);
    }
}

/// What an in-memory listener is called.
fn memory_name(address: &Address) -> Arc<str> {
    if let Address::Memory(name) = address { name.clone() } else { "".into() }
}

fn settings(index: usize, listener: &plan::Listener, id: u32, generation: &Generation) -> Settings {
    let greets = |lane: &Rc<Lane>| connection::speaks(lane, Hook::Connection);
    let tls: Option<Arc<Terms>> = generation.snapshot.tls.get(index).cloned().flatten();
    Settings {
        http2: listener.http2,
        proxy_protocol: listener.proxy_protocol,
        announces: generation.snapshot.plan.upstreams.iter().any(|upstream| upstream.proxy_protocol.is_some()),
        greets: generation.entry(index).is_some_and(greets),
        index,
        id,
        open_max: listener.limits.connections.unwrap_or(LISTENER_CONNECTIONS_MAX),
        limits: listener.limits,
        buffer: listener.buffer,
        name: listener.name.as_str().into(),
        rules: listener.rules.clone(),
        lines: Lines::new(&listener.rules.forwarded, listener.tls.is_some()),
        timeouts: listener.timeouts,
        trusted: listener.trusted.clone(),
        tls,
    }
}
