//! A whole Gatewright inside another program: for tests, and for whoever embeds it. Nothing in it is a stand-in: the
//! control thread, the workers and the sockets are those of the real process.

use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;

use tokio::runtime::{Builder, LocalOptions};

use super::reload::{Control, Loaded, Refusal};
use super::{Ended, Event, Handle, Source, events, run};
use crate::clock;
use crate::wire::Address;
use crate::worker::Furnish;

/// A running Gatewright.
pub struct Embedded {
    handle: Handle,
    thread: Option<JoinHandle<Ended>>,
}

/// Runs `body` on a thread of its own kind: an event loop whose waits go through `clock`.
pub fn on_event_loop<T>(body: impl AsyncFnOnce() -> T) -> std::io::Result<T> {
    let look = || {
        clock::refresh();
    };
    let mut runtime = Builder::new_current_thread();
    let runtime = runtime.enable_all().on_thread_unpark(look).build_local(LocalOptions::default())?;
    Ok(runtime.block_on(async move {
        tokio::task::spawn_local(clock::drive());
        body().await
    }))
}

// === impl Embedded ===

impl Embedded {
    /// Starts with a configuration; returns once it serves.
    pub fn start(source: Source, workers: Option<usize>, furnish: Option<Furnish>) -> Result<Self, String> {
        let (told, started) = sync_channel(1);
        let (handle, events) = events();
        let body = move || {
            let lived = on_event_loop(async move || match Control::start(source, workers, furnish).await {
                Ok(control) => {
                    let _listening = told.send(Ok(()));
                    run(control, events).await
                }
                Err(refusal) => {
                    let _listening = told.send(Err(refusal.to_string()));
                    Ended::Forced
                }
            });
            lived.unwrap_or(Ended::Forced)
        };
        let thread =
            std::thread::Builder::new().name("control".into()).spawn(body).map_err(|error| error.to_string())?;
        started.recv().unwrap_or_else(|_| Err("the control thread has ended".into()))?;
        Ok(Self { handle, thread: Some(thread) })
    }

    /// The address a listener was really bound to.
    #[must_use]
    pub fn address(&self, listener: &str) -> Option<Address> {
        let listener = listener.to_owned();
        self.ask(move |control| control.address(&listener)).flatten()
    }

    /// Generations alive, over all workers.
    #[must_use]
    pub fn living_generations(&self) -> usize {
        self.ask(|control| control.living_generations()).unwrap_or(0)
    }

    /// The metrics, as a scrape would show them.
    #[must_use]
    pub fn metrics(&self) -> String {
        self.ask(Control::render_metrics).unwrap_or_default()
    }

    /// Reloads; the new generation's number, or the rendered diagnostics.
    pub fn reload(&self, source: Source) -> Result<u64, String> {
        let (reply, outcome) = tokio::sync::oneshot::channel();
        self.send(Event::Reload(Some(source), reply));
        outcome.blocking_recv().unwrap_or_else(|_| Err("the process is ending".into()))
    }

    /// Installs what was read and checked already: what a reload is without its reading.
    pub fn install(&self, loaded: &Loaded) -> Result<u64, String> {
        let (reply, outcome) = tokio::sync::oneshot::channel();
        self.send(Event::Install(loaded.clone(), reply));
        outcome.blocking_recv().unwrap_or_else(|_| Err("the process is ending".into()))
    }

    /// Sends an event, as a signal would.
    pub fn send(&self, event: Event) {
        let _ending_already = self.handle.0.blocking_send(event);
    }

    /// How long what was begun may take once it drains.
    pub fn limit_drain(&self, ms: u64) {
        let _ended = self.ask(move |control| control.limit_drain(ms));
    }

    /// Waits for the end; something must have told it to end.
    pub fn wait(mut self) -> Ended {
        self.thread.take().and_then(|thread| thread.join().ok()).unwrap_or(Ended::Forced)
    }

    /// Drains and ends.
    pub fn stop(mut self) -> Ended {
        self.send(Event::Stop);
        self.thread.take().and_then(|thread| thread.join().ok()).unwrap_or(Ended::Forced)
    }

    fn ask<T: Send + 'static>(&self, question: impl FnOnce(&Control) -> T + Send + 'static) -> Option<T> {
        let (told, answer) = sync_channel(1);
        self.send(Event::Ask(Box::new(move |control| {
            let _listening = told.send(question(control));
        })));
        answer.recv().ok()
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.send(Event::Now);
            let _panicked = thread.join();
        }
    }
}

/// What a refusal says, for callers that only print it.
impl From<Refusal> for String {
    fn from(refusal: Refusal) -> Self {
        refusal.to_string()
    }
}
