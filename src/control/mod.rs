//! What happens to the process: it starts, reloads, drains and ends. One thread, a closed set of events, one match.

pub mod embed;
pub mod history;
mod load;
pub mod reload;
pub mod steer;
pub mod switches;
pub mod told;
pub mod watch;

use std::path::PathBuf;

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::clock;
use crate::config::plan::Plan;
use crate::limits::EVENTS_MAX;
use crate::listen::bind::BindError;
use history::Cause;
use reload::{Control, Loaded, Refusal};
use steer::Action;

/// Where the configuration comes from.
#[derive(Debug, Clone)]
pub enum Source {
    File(PathBuf),
    /// A text of the program's own, for the demo and `proxy`.
    Text {
        name: String,
        text: String,
    },
}

/// What may happen to the process.
pub enum Event {
    /// Input files have changed.
    Changed(Vec<PathBuf>),
    /// The time of a switch is over.
    Due,
    /// An operator steers, and waits for what is said.
    Act { action: Action, by: Option<String>, reply: oneshot::Sender<Result<String, String>> },
    /// Somebody asks for a reload and waits for the outcome.
    Reload(Option<Source>, oneshot::Sender<Result<u64, String>>),
    /// Something checked already is to be installed.
    Install(Loaded, oneshot::Sender<Result<u64, String>>),
    /// Somebody wants to look.
    Ask(Box<dyn FnOnce(&Control) + Send>),
    /// SIGHUP.
    HangUp,
    /// SIGUSR1: log files were moved.
    ReopenLogs,
    /// The first SIGTERM or SIGINT.
    Stop,
    /// The second of them.
    Now,
}

/// How the process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Everything that was begun was finished.
    Clean,
    /// The drain limit was over, or somebody was in a hurry.
    Forced,
}

/// What follows the plan beside the workers, on the control thread: the admin listener.
pub trait Follower {
    /// Opens what the plan wants and is not open yet. `before`: the plan that runs. Called again, it forgets what it
    /// opened and was never committed.
    fn prepare(&mut self, plan: &Plan, before: Option<&Plan>) -> Result<(), BindError>;

    /// Makes what was prepared the running one; returns what ends when the sockets that are gone are closed.
    fn commit(&mut self) -> Vec<JoinHandle<()>>;
}

/// Sends events to the control thread.
#[derive(Clone)]
pub struct Handle(mpsc::Sender<Event>);

/// The events of a process, in order.
pub struct Events(mpsc::Receiver<Event>);

/// A handle and what it speaks to.
#[must_use]
pub fn events() -> (Handle, Events) {
    let (sender, receiver) = mpsc::channel(EVENTS_MAX);
    (Handle(sender), Events(receiver))
}

/// Runs until told to stop. `control` has started: the first generation serves.
pub async fn run(mut control: Control, mut events: Events) -> Ended {
    loop {
        let event = tokio::select! {
            event = events.0.recv() => event,
            event = control.happened() => Some(event),
        };
        match event {
            Some(Event::Changed(paths)) => follow(&mut control, steer::changed(&paths)).await,
            Some(Event::HangUp) => follow(&mut control, Cause::of("SIGHUP")).await,
            Some(Event::Due) => control.switch_back().await,
            Some(Event::Act { action, by, reply }) => {
                let outcome = control.act(action, by.as_deref()).await;
                let _nobody_waits = reply.send(outcome);
            }
            Some(Event::Reload(source, reply)) => {
                let source = source.unwrap_or_else(|| control.source().clone());
                let outcome = control.reload(&source, Cause::of("reload")).await;
                let _nobody_waits = reply.send(outcome.as_ref().map(|done| *done).map_err(ToString::to_string));
                announce(outcome);
            }
            Some(Event::Install(loaded, reply)) => {
                let outcome = control.put_live(&loaded, Cause::of("install"), None).await;
                let _nobody_waits = reply.send(outcome.map_err(|refusal| refusal.to_string()));
            }
            Some(Event::Ask(question)) => question(&control),
            Some(Event::ReopenLogs) => control.reopen_logs(),
            Some(Event::Stop) | None => break,
            Some(Event::Now) => return force(control).await,
        }
    }
    drain(control, events).await
}

/// Lets everything finish that was begun, up to the limit.
async fn drain(control: Control, mut events: Events) -> Ended {
    let limit_ms = control.drain_limit_ms();
    tracing::info!(limit_ms, "draining");
    control.drain().await;
    let until = clock::refresh() + limit_ms;
    while !control.has_ended() {
        clock::refresh();
        if clock::now() >= until {
            tracing::warn!("the drain limit is over");
            return force(control).await;
        }
        let pause = clock::sleep(Duration::from_millis(20));
        tokio::select! {
            () = pause => {}
            event = events.0.recv() => match event {
                Some(Event::Now) => return force(control).await,
                Some(Event::Ask(question)) => question(&control),
                _ => {}
            },
        }
    }
    control.finish();
    Ended::Clean
}

async fn force(control: Control) -> Ended {
    control.cut().await;
    for _ in 0..50 {
        if control.has_ended() {
            break;
        }
        clock::sleep(Duration::from_millis(20)).await;
    }
    control.finish();
    Ended::Forced
}

async fn follow(control: &mut Control, cause: Cause) {
    let source = control.source().clone();
    announce(control.reload(&source, cause).await);
}

/// What took effect, and what was held back, has said so.
fn announce(outcome: Result<u64, Refusal>) {
    match outcome {
        Ok(_) | Err(Refusal::Steered(_)) => {}
        Err(refusal) => tracing::error!("reload refused, the running generation goes on\n{refusal}"),
    }
}

/// Turns the process's signals into events.
pub fn listen_to_signals(handle: Handle) -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let (mut hup, mut usr1) = (signal(SignalKind::hangup())?, signal(SignalKind::user_defined1())?);
    tokio::task::spawn_local(async move {
        let mut told = false;
        let mut stop = || if std::mem::replace(&mut told, true) { Event::Now } else { Event::Stop };
        loop {
            let event = tokio::select! {
                _ = term.recv() => stop(),
                _ = int.recv() => stop(),
                _ = hup.recv() => Event::HangUp,
                _ = usr1.recv() => Event::ReopenLogs,
            };
            if !handle.send(event).await {
                return;
            }
        }
    });
    Ok(())
}

// === impl Handle ===

impl Handle {
    /// Sends an event; `false`: the control thread has ended.
    pub async fn send(&self, event: Event) -> bool {
        self.0.send(event).await.is_ok()
    }

    /// Looks at what the control thread owns; `None`: it has ended.
    pub async fn look<T: Send + 'static>(&self, question: impl FnOnce(&Control) -> T + Send + 'static) -> Option<T> {
        let (told, answer) = oneshot::channel();
        let ask = Event::Ask(Box::new(move |control| {
            let _nobody_waits = told.send(question(control));
        }));
        if !self.send(ask).await {
            return None;
        }
        answer.await.ok()
    }

    /// Steers, and waits for what is said of it.
    pub async fn act(&self, action: Action, by: Option<String>) -> Result<String, String> {
        let (reply, outcome) = oneshot::channel();
        if !self.send(Event::Act { action, by, reply }).await {
            return Err("the process is ending".into());
        }
        outcome.await.unwrap_or_else(|_| Err("the process is ending".into()))
    }
}
