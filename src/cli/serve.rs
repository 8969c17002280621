//! The commands that serve: `run`, `proxy` and the demo are one function with three sources.

use std::io::Write;
use std::path::PathBuf;

use super::exit::Exit;
use super::{demo, demo_origin, open_files};
use crate::admin::Doors;
use crate::control::embed::on_event_loop;
use crate::control::reload::{Control, Refusal};
use crate::control::{Ended, Source, events, listen_to_signals, run};
use crate::drain::{Drain, Level};
use crate::worker::Furnish;

/// Serves until a signal ends it.
pub fn serve(source: Source, workers: Option<usize>, furnish: Option<Furnish>, greeting: Option<String>) -> Exit {
    let open_files = open_files::raise();
    let ended = on_event_loop(async move || {
        let (handle, events) = events();
        if let Err(error) = listen_to_signals(handle.clone()) {
            tracing::error!(%error, "cannot listen to signals");
            return Exit::Start;
        }
        let mut control = match Control::start(source, workers, furnish).await {
            Ok(control) => control,
            Err(refusal) => return refuse(&refusal),
        };
        let drain = Drain::new();
        if let Err(error) = control.follow(Doors::new(handle, &drain, |at| tracing::info!(%at, "admin"))) {
            return refuse(&Refusal::Bind(error));
        }
        if let Some(plan) = control.plan() {
            let connections: usize = plan.listeners.iter().filter_map(|listener| listener.limits.connections).sum();
            // The demo is there to be looked at, not to be loaded.
            if let (None, Some(warning)) = (&greeting, open_files::warning(open_files, connections as u64)) {
                tracing::warn!("{warning}");
            }
            for listener in &plan.listeners {
                if let Some(at) = control.address(&listener.name) {
                    tracing::info!(listener = %listener.name, %at, "listening");
                }
            }
        }
        if let Some(greeting) = greeting {
            let _closed = std::io::stdout().write_all(greeting.as_bytes());
        }
        let ended = run(control, events).await;
        drain.stop(Level::Cut);
        match ended {
            Ended::Clean => Exit::Ok,
            Ended::Forced => Exit::Forced,
        }
    });
    ended.unwrap_or_else(|error| {
        tracing::error!(%error, "cannot start");
        Exit::Start
    })
}

/// The demo: a listener on loopback and an origin in this process.
pub fn demo() -> Exit {
    let Some(port) = demo::free_port() else {
        tracing::error!("every port from {} to {} is taken", demo::PORTS.start(), demo::PORTS.end());
        return Exit::Start;
    };
    let source = Source::Text { name: "demo.yaml".into(), text: demo::text(port) };
    let name = demo::ORIGIN.trim_start_matches("memory:");
    let furnish: Furnish = std::sync::Arc::new(move |drain| {
        demo_origin::furnish(name, drain);
        Vec::new()
    });
    serve(source, Some(1), Some(furnish), Some(demo::lines(port)))
}

/// A source from a file that was found.
#[must_use]
pub fn file(path: PathBuf) -> Source {
    Source::File(path)
}

fn refuse(refusal: &Refusal) -> Exit {
    let _closed = writeln!(std::io::stderr(), "{}", refusal.to_string().trim_end());
    match refusal {
        Refusal::Config(_) | Refusal::Steered(_) => Exit::Invalid,
        Refusal::Bind(_) | Refusal::Worker(_) => Exit::Start,
    }
}
