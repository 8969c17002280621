//! From a source to a running generation: load, check, compile, prepare on every worker, commit. Any mistake on the way
//! and the running generation goes on as if nothing had happened.

use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use super::Source;
use super::watch::Watch;
use crate::config::plan::{AccessLog, Plan};
use crate::config::{self, source::Sources};
use crate::listen::bind::{self, BindError, Listening};
use crate::observe::access_log::LogSink;
use crate::observe::metrics::Metrics;
use crate::policy::BuiltIns;
use crate::snapshot::Snapshot;
use crate::snapshot::compile::{self, Ids};
use crate::upstream::directory::Directory;
use crate::upstream::resolve;
use crate::wire::Address;
use crate::worker::{self, Birth, DoorPlan, Furnish, Mailbox, Message};

/// Everything the control thread owns.
pub struct Control {
    source: Source,
    ids: Ids,
    pub metrics: Arc<Metrics>,
    log: Arc<LogSink>,
    log_target: AccessLog,
    workers: Vec<Mailbox>,
    bound: HashMap<Address, Bound>,
    current: Option<Arc<Snapshot>>,
    generation: u64,
    watch: Option<Watch>,
    /// Dropped to end the resolver of the generation before.
    resolver: Option<tokio::sync::oneshot::Sender<()>>,
    shared: Rc<std::cell::RefCell<Shared>>,
}

/// What the admin listener may look at.
#[derive(Default)]
pub struct Shared {
    pub snapshot: Option<Arc<Snapshot>>,
    pub draining: bool,
    /// The diagnostics of the last reload, if it was refused.
    pub refused: Option<String>,
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
}

// === impl Control ===

impl Control {
    /// Starts workers and the first generation.
    pub async fn start(source: Source, workers: Option<usize>, furnish: Option<Furnish>) -> Result<Self, Refusal> {
        let plan = load(&source)?;
        let cores = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let count = workers.or(plan.workers).unwrap_or_else(cores).max(1);
        let metrics = Metrics::new(count);
        let log = LogSink::start(plan.access_log.file.as_deref(), &metrics);
        let directory = Directory::new();
        let mut mailboxes = Vec::new();
        for number in 0..count {
            let birth = Birth {
                number,
                workers: count,
                directory: directory.clone(),
                metrics: metrics.clone(),
                log: log.clone(),
                furnish: furnish.clone(),
            };
            mailboxes.push(worker::start(birth).map_err(|error| Refusal::Worker(error.to_string()))?);
        }
        let mut control = Self {
            source,
            ids: Ids::new(directory),
            metrics,
            log,
            log_target: plan.access_log.clone(),
            workers: mailboxes,
            bound: HashMap::new(),
            current: None,
            generation: 0,
            watch: None,
            resolver: None,
            shared: Rc::default(),
        };
        control.install(plan).await?;
        Ok(control)
    }

    #[must_use]
    pub fn source(&self) -> &Source {
        &self.source
    }

    #[must_use]
    pub fn shared(&self) -> Rc<std::cell::RefCell<Shared>> {
        self.shared.clone()
    }

    /// The address a listener was really bound to.
    #[must_use]
    pub fn address(&self, listener: &str) -> Option<Address> {
        let plan = &self.current.as_ref()?.plan;
        let listener = plan.listeners.iter().find(|one| one.name == listener)?;
        self.bound.get(&listener.bind).map(|bound| bound.real.clone())
    }

    /// Generations alive, over all workers.
    #[must_use]
    pub fn living_generations(&self) -> usize {
        self.ids.living()
    }

    /// Replaces the running generation by what `source` says; returns its number.
    pub async fn reload(&mut self, source: &Source) -> Result<u64, Refusal> {
        let outcome = match load(source) {
            Ok(plan) => self.install(plan).await,
            Err(refusal) => Err(refusal),
        };
        self.metrics.reloaded(outcome.as_ref().ok().copied());
        self.shared.borrow_mut().refused = outcome.as_ref().err().map(ToString::to_string);
        if outcome.is_ok() {
            self.source = source.clone();
        }
        outcome
    }

    /// Replaces the running generation by a plan that has been checked.
    pub async fn install(&mut self, plan: Arc<Plan>) -> Result<u64, Refusal> {
        let number = self.generation + 1;
        let snapshot = compile::compile(plan.clone(), number, &mut self.ids)
            .map_err(|found| Refusal::Config(config::render(&found)))?;
        let mut sockets = self.bind(&plan)?;
        if let Err(refusal) = self.prepare(&snapshot).await {
            for worker in &self.workers {
                worker.send(Message::Discard).await;
            }
            return Err(refusal);
        }
        self.ids.directory.apply(&plan.upstreams);
        self.resolve(&plan).await;
        self.count(&plan);
        self.commit(&snapshot, &mut sockets).await;
        self.bound.retain(|address, _| plan.listeners.iter().any(|listener| listener.bind == *address));
        if self.log_target.file != plan.access_log.file {
            self.log.retarget(plan.access_log.file.as_deref());
        }
        self.log_target = plan.access_log.clone();
        self.generation = number;
        self.metrics.started(number);
        self.shared.borrow_mut().snapshot = Some(snapshot.clone());
        self.current = Some(snapshot);
        if matches!(self.source, Source::File(_)) {
            match &mut self.watch {
                Some(watch) => watch.replace(plan.inputs.clone()),
                None => self.watch = Some(Watch::new(plan.inputs.clone())),
            }
        }
        Ok(number)
    }

    /// Waits until an input file has changed.
    pub async fn changed(&mut self) {
        match &mut self.watch {
            Some(watch) => drop(watch.changed().await),
            None => std::future::pending().await,
        }
    }

    pub fn reopen_logs(&self) {
        self.log.reopen();
    }

    /// Tells every worker to finish.
    pub async fn drain(&self) {
        self.shared.borrow_mut().draining = true;
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
    pub fn finish(&self) {
        self.log.finish();
    }

    /// Opens what the plan listens on and is not open yet, for every worker.
    fn bind(&mut self, plan: &Plan) -> Result<HashMap<Address, Vec<Listening>>, Refusal> {
        let mut opened = HashMap::new();
        let mut real = Vec::new();
        for listener in plan.listeners.iter().filter(|listener| !self.bound.contains_key(&listener.bind)) {
            let (sockets, address) = bind::bind(&listener.bind, self.workers.len()).map_err(Refusal::Bind)?;
            opened.insert(listener.bind.clone(), sockets);
            real.push((listener.bind.clone(), Bound { real: address, open: Arc::default() }));
        }
        self.bound.extend(real);
        Ok(opened)
    }

    async fn prepare(&self, snapshot: &Arc<Snapshot>) -> Result<(), Refusal> {
        let mut answers = Vec::new();
        for worker in &self.workers {
            answers.push(worker.prepare(snapshot.clone()).await);
        }
        for answer in answers {
            let Some(answer) = answer else { return Err(Refusal::Worker("a worker has ended".into())) };
            match answer.await {
                Ok(Ok(())) => {}
                Ok(Err(diagnostic)) => return Err(Refusal::Config(config::render(&[diagnostic]))),
                Err(_) => return Err(Refusal::Worker("a worker has ended".into())),
            }
        }
        Ok(())
    }

    async fn commit(&self, snapshot: &Arc<Snapshot>, sockets: &mut HashMap<Address, Vec<Listening>>) {
        let mut answers = Vec::new();
        for worker in &self.workers {
            let doors = snapshot.plan.listeners.iter().map(|listener| DoorPlan {
                name: listener.name.as_str().into(),
                address: listener.bind.clone(),
                listening: sockets.get_mut(&listener.bind).and_then(Vec::pop),
                open: self.bound.get(&listener.bind).map(|bound| bound.open.clone()).unwrap_or_default(),
            });
            answers.push(worker.commit(snapshot.number, doors.collect()).await);
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

    fn count(&self, plan: &Plan) {
        self.metrics.ensure_routes(self.ids.routes());
        let upstreams: Vec<Arc<str>> = self.ids.directory.figures().into_iter().map(|one| one.name).collect();
        self.metrics.ensure_upstreams(&upstreams);
        let listeners: Vec<Arc<str>> = plan.listeners.iter().map(|one| one.name.as_str().into()).collect();
        self.metrics.ensure_listeners(&listeners);
    }
}

/// Reads and checks a source. Warnings go to the log.
pub fn load(source: &Source) -> Result<Arc<Plan>, Refusal> {
    let sources = match source {
        Source::File(path) => Sources::load(path),
        Source::Text { name, text } => Sources::from_text(name, text),
    };
    match config::check(&sources, &BuiltIns) {
        Ok((plan, warnings)) => {
            for warning in &warnings {
                tracing::warn!("{}", config::render::render(warning, &sources, false));
            }
            Ok(Arc::new(plan))
        }
        Err(found) => Err(Refusal::Config(config::render::render_all(&found, &sources, false))),
    }
}

// === impl Refusal ===

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(rendered) => f.write_str(rendered),
            Self::Bind(error) => write!(f, "error: {error}"),
            Self::Worker(why) => write!(f, "error: {why}"),
        }
    }
}

impl std::error::Error for Refusal {}
