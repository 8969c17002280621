//! What the process says of its history and its switches.

use std::fmt::Write;

use super::history::diff::diff;
use super::load::on_disk;
use super::reload::Control;
use super::switches::{Switches, moment};
use crate::config::files::Inputs;

/// Which two states are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sides {
    /// The generation before, and the running one.
    Last,
    /// A generation, and the running one.
    From(u64),
    Both(u64, u64),
    /// The running generation, and the files on the disk.
    Disk,
}

// === impl Control ===

impl Control {
    /// Every generation that is kept, newest first, and what holds now.
    #[must_use]
    pub fn told_history(&self) -> String {
        let mut out = String::new();
        let running = self.generation;
        let _infallible = match self.history.pinned() {
            Some(_) => writeln!(
                out,
                "generation {running} runs, PINNED: changed files are not applied until `gatewright unpin`"
            ),
            None => writeln!(out, "generation {running} runs what the files say"),
        };
        if let (Some(_), Some((at, cause))) = (self.history.pinned(), &self.held.last) {
            let _infallible = writeln!(out, "not applied: {}, at {}", cause.what, moment(*at));
        }
        let _infallible = match self.history.folder() {
            Some(folder) => writeln!(out, "kept in {}", folder.display()),
            None => writeln!(out, "kept in memory, until this process ends: `state_dir` keeps it beyond that"),
        };
        if let Some(trouble) = self.history.trouble() {
            let _infallible = writeln!(out, "TROUBLE: {trouble}");
        }
        for (name, switch) in self.switches.iter() {
            let by = switch.by.as_deref().map(|by| format!(", by {by}")).unwrap_or_default();
            let _infallible = writeln!(out, "switched: {name} {}{by}", switch.told());
        }
        let _infallible = writeln!(out, "\n   {:<10} {:<20} {:<12} CAUSE", "GENERATION", "SINCE", "FILES");
        for made in self.history.made().iter().rev() {
            let sign = match (made.number == running, self.history.pinned() == Some(made.number)) {
                (_, true) => "=>",
                (true, false) => "->",
                (false, false) => "  ",
            };
            let by = made.cause.by.as_deref().map(|by| format!(", by {by}")).unwrap_or_default();
            let (number, at, what) = (made.number, moment(made.at), &made.cause.what);
            let _infallible = writeln!(out, "{sign} {number:<10} {at:<20} {:<12} {what}{by}", made.hash.short());
        }
        out
    }

    /// In which files two states differ.
    pub fn told_diff(&self, sides: Sides) -> Result<String, String> {
        let running = self.generation;
        let (from, to) = match sides {
            Sides::Last => match self.history.before(running) {
                Some(before) => (before.number, running),
                None => return Err("error: there is no generation before with other files".into()),
            },
            Sides::From(from) => (from, running),
            Sides::Both(from, to) => (from, to),
            Sides::Disk => {
                let now = self.kept(running)?;
                let found = diff((&format!("generation {running}"), &now), ("disk", &on_disk(&self.source)));
                return Ok(same(found));
            }
        };
        let (old, new) = (self.kept(from)?, self.kept(to)?);
        Ok(same(diff((&format!("generation {from}"), &old), (&format!("generation {to}"), &new))))
    }

    /// Policies that are used, with kind, place and switch.
    #[must_use]
    pub fn told_policies(&self) -> String {
        let switches: &Switches = &self.switches;
        self.loaded.as_ref().map(|loaded| switches.list(&loaded.plan)).unwrap_or_default()
    }

    fn kept(&self, number: u64) -> Result<Inputs, String> {
        match &self.loaded {
            Some(loaded) if number == self.generation => Ok((*loaded.inputs).clone()),
            _ => self.history.inputs(number).map_err(|why| format!("error: {why}")),
        }
    }
}

fn same(diff: String) -> String {
    if diff.is_empty() { "no difference\n".into() } else { diff }
}
