//! What is logged on the lab's thread while a test runs: lines of scripts, and why policies failed.

use std::cell::RefCell;
use std::fmt;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use crate::hook::Plain;

/// A line.
#[derive(Debug, Clone, Default)]
pub(super) struct Line {
    level: &'static str,
    /// A script said it, not the proxy.
    by_script: bool,
    message: String,
    /// What else the event holds, by name.
    fields: Vec<(&'static str, String)>,
}

thread_local! {
    static LINES: RefCell<Vec<Line>> = const { RefCell::new(Vec::new()) };
}

/// Hears instead of the log, on the thread that sets it.
pub(super) struct Ear;

/// What was heard since the last time.
pub(super) fn take() -> Vec<Line> {
    LINES.take()
}

impl Subscriber for Ear {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::WARN || metadata.target() == "policy"
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let level = match *event.metadata().level() {
            Level::ERROR => "error",
            Level::WARN => "warn",
            Level::INFO => "info",
            _ => "debug",
        };
        let mut line = Line { level, by_script: event.metadata().target() == "policy", ..Line::default() };
        event.record(&mut line);
        LINES.with_borrow_mut(|lines| lines.push(line));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            "message" => self.message = format!("{value:?}"),
            name => self.fields.push((name, format!("{value:?}"))),
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.fields.push((field.name(), value.to_owned()));
    }
}

// === impl Line ===

impl Line {
    /// A script's own, as tests see it; `None`: the proxy said it.
    pub(super) fn of_script(&self) -> Option<Plain> {
        let mut entries = vec![entry("level", self.level), entry("message", &self.message)];
        for (name, value) in &self.fields {
            let data = (*name == "fields").then(|| Plain::from_json_text(value.as_bytes()).ok()).flatten();
            entries.push(match data {
                Some(data) => (b"fields"[..].into(), data),
                None => entry(name, value),
            });
        }
        self.by_script.then_some(Plain::Map(entries))
    }

    /// Why a policy failed, and what else the proxy warned of.
    pub(super) fn warning(&self) -> Option<String> {
        let fields: Vec<&str> =
            self.fields.iter().filter(|(name, _)| *name != "policy").map(|(_, value)| value.as_str()).collect();
        (!self.by_script).then(|| format!("{}: {}", self.message, fields.join(": ")))
    }
}

fn entry(name: &str, value: &str) -> (Box<[u8]>, Plain) {
    (name.as_bytes().into(), value.into())
}
