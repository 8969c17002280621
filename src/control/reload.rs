//! From a source to a running generation: load, check, compile, prepare on every worker, commit. Any mistake on the way
//! and the running generation goes on as if nothing had happened.

use std::cell::Cell;
use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use super::history::{Cause, History};
use super::load::{Begin, begin, load_naming};
pub use super::load::{Loaded, load};
use super::steer::Held;
use super::switches::Switches;
use super::watch::Watch;
use super::{Event, Follower, Source};
use crate::clock;
use crate::config::diagnostic::Diagnostic;
use crate::config::plan::{AccessLog, LogFormat, Place, Plan};
use crate::config::render::render_all;
use crate::limits::DRAIN_LIMIT_MS;
use crate::listen::bind::{self, BindError, Listening};
use crate::observe::access_log::Format;
use crate::observe::log_sink::{LogSink, Target};
use crate::observe::metrics::{CertificateGauge, Metrics, UpstreamGauges};
use crate::observe::steering::Steering;
use crate::share::addresses::Addresses;
use crate::snapshot::Snapshot;
use crate::snapshot::compile::{self, Ids};
use crate::snapshot::shared::Shared;
use crate::upstream::directory::Directory;
use crate::upstream::resolve;
use crate::wire::Address;
use crate::worker::{self, Birth, DoorPlan, Furnish, LogPlan, Mailbox, Message};

/// Everything the control thread owns.
pub struct Control {
    pub(super) source: Source,
    ids: Ids,
    pub metrics: Arc<Metrics>,
    /// The writer of the access log, and what the plan that started it said.
    log: Option<LogSink>,
    log_plan: Option<AccessLog>,
    workers: Vec<Mailbox>,
    bound: HashMap<Place, Bound>,
    current: Option<Arc<Snapshot>>,
    /// What `current` was made of, before any policy was switched.
    pub(super) loaded: Option<Loaded>,
    pub(super) generation: u64,
    pub(super) history: History,
    pub(super) switches: Switches,
    pub(super) held: Held,
    pub(super) watch: Option<Watch>,
    /// Dropped to end the resolver of the generation before.
    resolver: Option<tokio::sync::oneshot::Sender<()>>,
    /// The program's own doors.
    follower: Option<Box<dyn Follower>>,
    draining: Cell<bool>,
    drain_limit_ms: Cell<u64>,
}

/// A listener's sockets are open.
struct Bound {
    /// What was really bound (port 0).
    real: Address,
    open: Arc<AtomicUsize>,
}

/// Why a reload, or the start, did not happen.
#[derive(Debug)]
pub enum Refusal {
    /// The configuration is wrong: the rendered diagnostics.
    Config(String),
    /// An address cannot be bound.
    Bind(BindError),
    /// A worker could not be started or has died.
    Worker(String),
    /// What an operator asked for cannot be done: a generation is pinned, or is not there.
    Steered(String),
}

// === impl Control ===

impl Control {
    /// Starts workers and the first generation.
    pub async fn start(source: Source, workers: Option<usize>, furnish: Option<Furnish>) -> Result<Self, Refusal> {
        let Begin { loaded, history, switches, named } = begin(&source)?;
        let plan = &loaded.plan;
        let cores = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let count = workers.or(plan.workers).unwrap_or_else(cores).max(1);
        let metrics = Metrics::new(count);
        let (directory, addresses) = (Directory::new(), Addresses::new());
        let mut mailboxes = Vec::new();
        for number in 0..count {
            let birth = Birth {
                number,
                workers: count,
                directory: directory.clone(),
                metrics: metrics.clone(),
                addresses: addresses.clone(),
                furnish: furnish.clone(),
            };
            mailboxes.push(worker::start(birth).map_err(|error| Refusal::Worker(error.to_string()))?);
        }
        let mut ids = Ids::new(directory);
        ids.scripted = metrics.scripted();
        let mut control = Self {
            source,
            ids,
            metrics,
            log: None,
            log_plan: None,
            workers: mailboxes,
            bound: HashMap::new(),
            current: None,
            loaded: None,
            // The files of the last time are its generation, going on.
            generation: history.number_of(&loaded.inputs) - 1,
            history,
            switches,
            held: Held::default(),
            watch: None,
            resolver: None,
            follower: None,
            draining: Cell::new(false),
            drain_limit_ms: Cell::new(DRAIN_LIMIT_MS),
        };
        control.put_live(&loaded, Cause::of("start"), None).await?;
        control.watch(&loaded.plan.inputs);
        if let Some(watch) = &mut control.watch {
            watch.add(named);
        }
        Ok(control)
    }

    /// Lets something follow the plan that runs, and every later one.
    pub fn follow(&mut self, mut follower: Box<dyn Follower>) -> Result<(), BindError> {
        if let Some(plan) = self.plan() {
            follower.prepare(plan, None)?;
            follower.commit();
        }
        self.follower = Some(follower);
        Ok(())
    }

    #[must_use]
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Whether requests are served, and further ones wanted.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.current.is_some() && !self.draining.get()
    }

    /// The plan that runs.
    #[must_use]
    pub fn plan(&self) -> Option<&Arc<Plan>> {
        self.current.as_ref().map(|snapshot| &snapshot.plan)
    }

    /// The dictionaries and tables of the snapshot that runs.
    #[must_use]
    pub fn shared(&self) -> Option<&Shared> {
        self.current.as_ref().map(|snapshot| &snapshot.shared)
    }

    /// The address a listener was really bound to.
    #[must_use]
    pub fn address(&self, listener: &str) -> Option<Address> {
        let plan = &self.current.as_ref()?.plan;
        let listener = plan.listeners.iter().find(|one| one.name == listener)?;
        self.bound.get(&listener.place()).map(|bound| bound.real.clone())
    }

    /// Generations alive, over all workers.
    #[must_use]
    pub fn living_generations(&self) -> usize {
        self.ids.living()
    }

    /// Replaces the running generation by what `source` says; returns its number. Where one is pinned, it goes on.
    pub async fn reload(&mut self, source: &Source, cause: Cause) -> Result<u64, Refusal> {
        if let Some(number) = self.history.pinned() {
            return Err(self.hold(number, cause));
        }
        let mut named = Vec::new();
        let outcome = match load_naming(source, &mut named) {
            Ok(loaded) => self.follow_files(&loaded, cause).await,
            Err(refusal) => Err(refusal),
        };
        self.metrics.reloaded(outcome.as_ref().ok().copied());
        if outcome.is_ok() {
            self.source = source.clone();
            let inputs = self.plan().map(|plan| plan.inputs.clone()).unwrap_or_default();
            self.watch(&inputs);
        } else if let Some(watch) = &mut self.watch {
            // Whichever of them is mended, it is tried again.
            watch.add(named);
        }
        outcome
    }

    /// Watches what a file's configuration was made of; a text of the program's own is not watched.
    fn watch(&mut self, inputs: &[PathBuf]) {
        match (&self.source, &mut self.watch) {
            (Source::Text { .. }, watch) => *watch = None,
            (Source::File(_), Some(watch)) => watch.replace(inputs.to_vec()),
            (Source::File(_), watch) => *watch = Some(Watch::new(inputs.to_vec())),
        }
    }

    /// Once no generation lives but the current one, upstreams that it does not know are done with.
    fn forget(&self) {
        if let Some(current) = &self.current
            && self.ids.living() <= self.workers.len()
        {
            self.ids.directory.forget(&current.plan.upstreams);
        }
    }

    /// Replaces the running generation by a plan that has been checked.
    pub async fn install(&mut self, loaded: &Loaded) -> Result<u64, Refusal> {
        let plan = &self.switches.applied(&loaded.plan);
        self.forget();
        let number = self.generation + 1;
        let show = |found: &[Diagnostic]| Refusal::Config(render_all(found, &loaded.sources, false));
        let snapshot = compile::compile(plan.clone(), number, &mut self.ids).map_err(|found| show(&found))?;
        let mut sockets = self.bind(plan)?;
        let prepared = match self.prepare(&snapshot, &show).await {
            Ok(()) => self.open_log(&plan.access_log),
            Err(refusal) => Err(refusal),
        };
        let before = self.plan().cloned();
        let prepared = prepared.and_then(|log| match &mut self.follower {
            Some(follower) => follower.prepare(plan, before.as_deref()).map(|()| log).map_err(Refusal::Bind),
            None => Ok(log),
        });
        let log = match prepared {
            Ok(log) => log,
            Err(refusal) => {
                self.bound.retain(|place, _| !sockets.contains_key(place));
                for worker in &self.workers {
                    worker.send(Message::Discard).await;
                }
                return Err(refusal);
            }
        };
        let (log, sink) = log;
        self.resolve(plan).await;
        self.ids.directory.apply(&plan.upstreams);
        snapshot.shared.resize(plan);
        self.count(plan);
        self.commit(&snapshot, &mut sockets, &log).await;
        if let LogPlan::Replace(_) = &log {
            // The writer before ends now: every worker has handed it its last lines.
            self.log = sink;
            self.log_plan = Some(plan.access_log.clone());
        }
        if let Some(follower) = &mut self.follower {
            for closing in follower.commit() {
                let _panicked = closing.await;
            }
        }
        self.bound.retain(|place, _| plan.listeners.iter().any(|listener| listener.place() == *place));
        self.generation = number;
        self.metrics.started(number);
        self.current = Some(snapshot);
        self.loaded = Some(loaded.clone());
        Ok(number)
    }

    /// Waits until something happens by itself: an input file has changed, or the time of a switch is over.
    pub async fn happened(&mut self) -> Event {
        let due = self.switches.due_ms().map(|at| Duration::from_millis(at.saturating_sub(clock::refresh())));
        let changed = async {
            match &mut self.watch {
                Some(watch) => watch.changed().await,
                None => std::future::pending().await,
            }
        };
        let due = async {
            match due {
                Some(left) => clock::sleep(left).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            paths = changed => Event::Changed(paths),
            () = due => Event::Due,
        }
    }

    /// The metrics as OpenMetrics text.
    #[must_use]
    pub fn render_metrics(&self) -> String {
        self.forget();
        self.metrics.living(self.ids.living() as u64);
        let figures = self.ids.directory.figures();
        let gauges: Vec<UpstreamGauges> = figures
            .into_iter()
            .map(|one| UpstreamGauges {
                name: one.name,
                in_flight: one.in_flight as u64,
                connections: one.connections as u64,
            })
            .collect();
        let mut certificates = Vec::new();
        for listener in self.plan().iter().flat_map(|plan| &plan.listeners) {
            for (pair, file) in listener.tls.iter().flat_map(|tls| tls.pairs.iter().zip(&tls.files)) {
                let not_after = pair.certificate.not_after;
                certificates.push(CertificateGauge { listener: &listener.name, file, not_after });
            }
        }
        let steering = Steering {
            pinned: self.history.pinned().is_some(),
            held: self.held.count,
            history_failures: self.history.failures(),
            switches: self.switches.iter().map(|(name, switch)| (name, switch.position.word())).collect(),
        };
        self.metrics.render(&gauges, &certificates, &steering)
    }

    pub fn reopen_logs(&self) {
        if let Some(log) = &self.log {
            log.reopen();
        }
    }

    /// How long what was begun may take once the process drains.
    #[must_use]
    pub fn drain_limit_ms(&self) -> u64 {
        self.drain_limit_ms.get()
    }

    /// Sets [`Control::drain_limit_ms`].
    pub fn limit_drain(&self, ms: u64) {
        self.drain_limit_ms.set(ms);
    }

    /// Tells every worker to finish.
    pub async fn drain(&self) {
        self.draining.set(true);
        for worker in &self.workers {
            worker.send(Message::Drain).await;
        }
    }

    /// Tells every worker to end now.
    pub async fn cut(&self) {
        for worker in &self.workers {
            worker.send(Message::Cut).await;
        }
    }

    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.workers.iter().all(Mailbox::has_ended)
    }

    /// The last lines of the log reach the disk.
    pub fn finish(self) {
        drop(self.log);
    }

    /// Starts the writer that the plan asks for, if the one that runs is another.
    fn open_log(&self, wanted: &AccessLog) -> Result<(LogPlan, Option<LogSink>), Refusal> {
        if self.log_plan.as_ref() == Some(wanted) {
            return Ok((LogPlan::Keep, None));
        }
        let format = match wanted.format {
            LogFormat::Off => return Ok((LogPlan::Replace(None), None)),
            LogFormat::Json => Format::Json,
            LogFormat::Combined => Format::Combined,
        };
        let target = wanted.file.clone().map_or(Target::Stdout, Target::File);
        let sink = LogSink::start(target, self.metrics.clone())
            .map_err(|error| Refusal::Config(format!("error: cannot open the access log: {error}\n")))?;
        let sender = sink.sender();
        Ok((LogPlan::Replace(Some((format, sender))), Some(sink)))
    }

    /// Opens what the plan listens on and is not open yet, for every worker.
    fn bind(&mut self, plan: &Plan) -> Result<HashMap<Place, Vec<Listening>>, Refusal> {
        let mut opened = HashMap::new();
        let mut real = Vec::new();
        let admin = self.plan().and_then(|plan| plan.admin.bind).map(Address::Ip);
        for listener in plan.listeners.iter().filter(|listener| !self.bound.contains_key(&listener.place())) {
            let mut ours = self.bound.keys().map(|place| &place.address).chain(&admin);
            let beside = ours.any(|ours| ours.overlaps(&listener.bind));
            let (sockets, address) = bind::bind(&listener.bind, self.workers.len(), beside).map_err(Refusal::Bind)?;
            opened.insert(listener.place(), sockets);
            real.push((listener.place(), Bound { real: address, open: Arc::default() }));
        }
        self.bound.extend(real);
        Ok(opened)
    }

    async fn prepare(&self, snapshot: &Arc<Snapshot>, show: &dyn Fn(&[Diagnostic]) -> Refusal) -> Result<(), Refusal> {
        let mut answers = Vec::new();
        for worker in &self.workers {
            answers.push(worker.prepare(snapshot.clone()).await);
        }
        for answer in answers {
            let Some(answer) = answer else { return Err(Refusal::Worker("a worker has ended".into())) };
            match answer.await {
                Ok(Ok(())) => {}
                Ok(Err(diagnostic)) => return Err(show(&[diagnostic])),
                Err(_) => return Err(Refusal::Worker("a worker has ended".into())),
            }
        }
        Ok(())
    }

    async fn commit(&self, snapshot: &Arc<Snapshot>, sockets: &mut HashMap<Place, Vec<Listening>>, log: &LogPlan) {
        let mut answers = Vec::new();
        for worker in &self.workers {
            let doors = snapshot.plan.listeners.iter().map(|listener| DoorPlan {
                id: self.ids.listener(&listener.name),
                place: listener.place(),
                listening: sockets.get_mut(&listener.place()).and_then(Vec::pop),
                open: self.bound.get(&listener.place()).map(|bound| bound.open.clone()).unwrap_or_default(),
            });
            answers.push(worker.commit(snapshot.number, doors.collect(), log.clone()).await);
        }
        for answer in answers.into_iter().flatten() {
            let _worker_ended = answer.await;
        }
    }

    /// The first answers of DNS are waited for, within a bound; then a task keeps them fresh.
    async fn resolve(&mut self, plan: &Arc<Plan>) {
        for (host, why) in resolve::resolve_once(&self.ids.directory, &plan.upstreams, &plan.nameservers).await {
            tracing::warn!(%host, why, "not resolved yet");
        }
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let (directory, plan) = (self.ids.directory.clone(), plan.clone());
        tokio::task::spawn_local(async move {
            let ended = async {
                let _sender_dropped = stopped.await;
            };
            resolve::keep_resolving(directory, &plan.upstreams, &plan.nameservers, ended).await;
        });
        self.resolver = Some(stop);
    }

    fn count(&mut self, plan: &Plan) {
        for listener in &plan.listeners {
            self.ids.intern_listener(&listener.name);
        }
        self.metrics.ensure_routes(self.ids.routes());
        self.metrics.ensure_listeners(self.ids.listeners());
        self.metrics.ensure_upstreams(&self.ids.directory.names());
    }
}

// === impl Refusal ===

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(rendered) => f.write_str(rendered),
            Self::Bind(error) => write!(f, "error: {error}"),
            Self::Worker(why) => write!(f, "error: {why}"),
            Self::Steered(said) => f.write_str(said),
        }
    }
}

impl std::error::Error for Refusal {}
