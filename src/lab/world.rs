//! A configuration alive on the test's own thread: the real worker, with listeners and endpoints in memory.

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::origin::{self, Endpoint};
use super::pace;
use super::setup::Setup;
use crate::config::check::check;
use crate::config::files::{Content, Files, Inputs};
use crate::config::plan::{Plan, Script, Secret};
use crate::config::render::render_all;
use crate::config::scalar::Environment;
use crate::config::source::Sources;
use crate::drain::Drain;
use crate::lua::author::Bench;
use crate::observe::metrics::Metrics;
use crate::policy::catalogue::BuiltIns;
use crate::share::addresses::Addresses;
use crate::snapshot::compile::{self, Ids};
use crate::upstream::directory::Directory;
use crate::wire::Address;
use crate::worker::{self, Birth, DoorPlan, LogPlan, Mailbox};

/// The configuration, alive.
pub(super) struct World {
    mailbox: Mailbox,
    /// Where each listener is met.
    listeners: Vec<(String, Arc<str>)>,
    endpoints: Vec<Arc<str>>,
    /// The scripts in it.
    pub(super) scripts: Vec<Arc<Script>>,
    /// The files that it was made of.
    pub(super) inputs: Vec<PathBuf>,
}

// === impl World ===

impl World {
    /// Reads, checks, compiles and starts what a test has set up; an error as `check` would print it.
    pub(super) async fn open(setup: &Setup, bench: &Rc<Bench>) -> Result<Self, String> {
        let mut sources = sources(setup)?;
        let checked = check(&mut sources, &BuiltIns);
        let show = |found: &[_]| render_all(found, &sources, false);
        let (mut plan, _) = checked.map_err(|found| show(&found))?;
        let listeners = listeners(&mut plan);
        let ends = endpoints(&mut plan);
        for (name, value) in &setup.secrets {
            plan.secrets.insert(name.clone(), Secret(value.as_slice().into()));
        }
        let (plan, inputs) = (Arc::new(plan), plan_inputs(&sources));
        let directory = Directory::new();
        let mut ids = Ids::new(directory.clone());
        let snapshot = compile::compile(plan.clone(), 1, &mut ids).map_err(|found| show(&found))?;
        let drain = Drain::new();
        let places = ends.iter().map(|end| end.at.clone()).collect();
        for end in ends {
            origin::open(end, bench, &drain);
        }
        let birth = Birth {
            number: 0,
            workers: 1,
            directory: directory.clone(),
            metrics: Metrics::new(1),
            addresses: Addresses::new(),
            furnish: None,
        };
        let mailbox = worker::start_here(birth);
        let gone = || "the worker has ended".to_owned();
        let ready = mailbox.prepare(snapshot.clone()).await.ok_or_else(gone)?;
        ready.await.map_err(|_| gone())?.map_err(|diagnostic| show(&[diagnostic]))?;
        directory.apply(&plan.upstreams);
        let doors = plan.listeners.iter().map(|listener| DoorPlan {
            id: ids.intern_listener(&listener.name),
            place: listener.place(),
            listening: Some(crate::listen::bind::Listening::Memory),
            open: Arc::default(),
        });
        let done = mailbox.commit(1, doors.collect(), LogPlan::Replace(None)).await.ok_or_else(gone)?;
        done.await.map_err(|_| gone())?;
        pace::settle().await;
        Ok(Self { mailbox, listeners, endpoints: places, scripts: plan.scripts(), inputs })
    }

    /// Where a listener is met; the first if none is named.
    pub(super) fn listener(&self, name: Option<&str>) -> Result<&Arc<str>, String> {
        let found = self.listeners.iter().find(|(known, _)| name.is_none_or(|name| name == known));
        found.map(|(_, at)| at).ok_or_else(|| format!("there is no listener `{}`", name.unwrap_or_default()))
    }

    /// Ends it: what was begun is finished first.
    pub(super) async fn close(self) {
        self.mailbox.send(worker::Message::Drain).await;
        let over = pace::hurry(Duration::from_secs(60).as_millis() as u64, std::future::pending::<()>());
        let _time_is_over = over.await;
        for at in self.listeners.iter().map(|(_, at)| at).chain(&self.endpoints) {
            crate::wire::memory::close(at);
        }
    }
}

/// What the test's configuration is read from: the text it has written, or the file it names.
fn sources(setup: &Setup) -> Result<Sources, String> {
    let environment = {
        let secrets = setup.secrets.clone();
        Environment::of(move |name| match name.strip_prefix("LAB_SECRET_") {
            Some(name) => {
                let found = secrets.iter().find(|(known, _)| known == name)?;
                Some(String::from_utf8_lossy(&found.1).into_owned())
            }
            None => std::env::var(name).ok(),
        })
    };
    let mut inputs = Inputs { main: setup.main.clone(), ..Inputs::default() };
    let mut put = |path: &Path, text: &str| {
        inputs.files.insert(path.to_owned(), Content::Bytes(text.as_bytes().into()));
    };
    match &setup.text {
        Some(text) => put(&setup.main, text),
        None => {
            let text =
                std::fs::read_to_string(&setup.main).map_err(|why| format!("{}: {why}", setup.main.display()))?;
            put(&setup.main, &text);
        }
    }
    for (name, text) in &setup.files {
        put(&setup.folder().join(name), text);
    }
    Ok(Sources::load_from(&setup.main, environment, Files::kept(inputs)))
}

fn plan_inputs(sources: &Sources) -> Vec<PathBuf> {
    sources.inputs().to_vec()
}

/// Puts the listeners into memory.
fn listeners(plan: &mut Plan) -> Vec<(String, Arc<str>)> {
    let mut places = Vec::new();
    for listener in &mut plan.listeners {
        let at: Arc<str> = format!("lab listener {}", listener.name).into();
        listener.bind = Address::Memory(at.clone());
        listener.tls = None;
        listener.proxy_protocol = false;
        places.push((listener.name.clone(), at));
    }
    places
}

/// Puts the endpoints into memory.
fn endpoints(plan: &mut Plan) -> Vec<Endpoint> {
    let mut places = Vec::new();
    for upstream in &mut plan.upstreams {
        upstream.tls = None;
        upstream.proxy_protocol = None;
        for (index, endpoint) in upstream.endpoints.iter_mut().enumerate() {
            let written: Arc<str> = endpoint.address.to_string().into();
            let at: Arc<str> = format!("lab {} {written}", upstream.name).into();
            endpoint.address = Address::Memory(at.clone());
            places.push(Endpoint { upstream: upstream.name.as_str().into(), written, place: index + 1, at });
        }
    }
    places
}
