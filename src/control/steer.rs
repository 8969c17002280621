//! What an operator does to the running process: reload, roll back, unpin, switch a policy. Each makes a generation or
//! changes nothing, and is logged with who, what, and what ran before and runs now.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::history::{Cause, New};
use super::load::{Loaded, load_kept, load_naming};
use super::reload::{Control, Refusal};
use super::switches::{self, Position, Switches};
use super::{Source, announce};
use crate::clock;

/// What may be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    Reload,
    /// To a generation, or to the one before.
    Rollback(Option<u64>),
    Unpin,
    Switch {
        policy: String,
        to: Position,
        /// `None`: until it is switched again.
        lasting: Option<Duration>,
    },
}

/// What came while a generation was pinned, and was not applied.
#[derive(Debug, Clone, Default)]
pub struct Held {
    /// Over the life of the process.
    pub count: u64,
    /// The last of them since the generation was pinned.
    pub last: Option<(SystemTime, Cause)>,
}

/// Names of changed files that a cause tells.
const NAMED_MAX: usize = 3;

/// Why files that have changed make a generation.
pub(super) fn changed(paths: &[PathBuf]) -> Cause {
    let here = std::env::current_dir().unwrap_or_default();
    let name = |path: &PathBuf| path.strip_prefix(&here).unwrap_or(path).display().to_string();
    let mut names: Vec<String> = paths.iter().take(NAMED_MAX).map(name).collect();
    if paths.len() > NAMED_MAX {
        names.push(format!("{} more", paths.len() - NAMED_MAX));
    }
    Cause::of(format!("file change: {}", names.join(", ")))
}

// === impl Control ===

impl Control {
    /// Does what an operator asks for; says what came of it.
    pub(super) async fn act(&mut self, action: Action, by: Option<&str>) -> Result<String, String> {
        let asked = format!("{action:?}");
        let outcome = match action {
            Action::Reload => {
                let source = self.source.clone();
                let reloaded = self.reload(&source, Cause::of("reload").by(by)).await;
                reloaded.map(|number| format!("generation {number} serves"))
            }
            Action::Rollback(to) => self.rollback(to, by).await,
            Action::Unpin => self.unpin(by).await,
            Action::Switch { policy, to, lasting } => self.switch(&policy, to, lasting, by).await,
        };
        outcome.map_err(|refusal| {
            let said = refusal.to_string();
            tracing::warn!(asked, by, generation = self.generation, "refused");
            announce(Err(refusal));
            said
        })
    }

    /// Installs, keeps and tells a generation.
    pub async fn put_live(&mut self, loaded: &Loaded, cause: Cause, origin: Option<u64>) -> Result<u64, Refusal> {
        let first = self.loaded.is_none();
        let before = self.history.find(self.generation).map(|made| made.hash.short().to_owned());
        let number = self.install(loaded).await?;
        let (what, by) = (cause.what.clone(), cause.by.clone());
        let made = self.history.record(New { number, cause, inputs: &loaded.inputs, origin });
        if !first {
            let (by, before) = (by.as_deref(), before.as_deref());
            tracing::info!(generation = number, cause = what, by, before, after = made.hash.short(), "reloaded");
        }
        Ok(number)
    }

    /// Makes what the files say the running generation, and history go where they want it.
    pub(super) async fn follow_files(&mut self, loaded: &Loaded, cause: Cause) -> Result<u64, Refusal> {
        let before = self.history.folder().map(ToOwned::to_owned);
        self.history.move_to(loaded.plan.state_dir.as_deref());
        let running = self.generation;
        self.generation = running.max(self.history.last_number());
        let done = self.put_live(loaded, cause, None).await;
        if done.is_err() {
            self.generation = running;
            self.history.move_to(before.as_deref());
        } else if before.as_deref() != self.history.folder() {
            self.history.keep_switches(self.switches.to_json().as_ref());
        }
        done
    }

    /// A generation is pinned: what the files say is looked at, told and not applied.
    pub(super) fn hold(&mut self, pinned: u64, cause: Cause) -> Refusal {
        let mut named = Vec::new();
        let files = match load_naming(&self.source, &mut named) {
            Ok(_) => "the files are good".to_owned(),
            Err(refusal) => format!("the files would be refused\n{refusal}"),
        };
        if let Some(watch) = &mut self.watch {
            watch.add(named);
        }
        let (what, by) = (&cause.what, cause.by.as_deref());
        tracing::warn!(
            generation = pinned,
            cause = what,
            by,
            "not applied: it is pinned until `gatewright unpin`; {files}"
        );
        self.held.count += 1;
        self.held.last = Some((clock::wall(), cause));
        let files = files.trim_end();
        Refusal::Steered(format!(
            "error: generation {pinned} is pinned, so nothing was loaded; {files}\n  = help: `gatewright unpin` loads the \
             files as they are"
        ))
    }

    async fn rollback(&mut self, to: Option<u64>, by: Option<&str>) -> Result<String, Refusal> {
        let target = match to {
            Some(number) => number,
            None => self
                .history
                .before(self.generation)
                .map(|made| made.number)
                .ok_or_else(|| Refusal::Steered("error: there is no generation before with other files".into()))?,
        };
        let inputs = self.history.inputs(target).map_err(|why| Refusal::Steered(format!("error: {why}")))?;
        let origin = self.history.find(target).map(|made| made.origin);
        let mut loaded = load_kept(inputs)?;
        if let Some(running) = &self.loaded {
            loaded.keep_doors(&running.plan);
        }
        let cause = Cause::of(format!("rollback to generation {target}")).by(by);
        let number = self.put_live(&loaded, cause, origin).await?;
        self.metrics.reloaded(Some(number));
        self.history.pin(Some(number));
        self.held.last = None;
        if let (Source::File(_), Some(watch)) = (&self.source, &mut self.watch) {
            watch.add(loaded.plan.inputs.clone());
        }
        Ok(format!(
            "generation {number} serves, with the files of generation {target}; it is pinned until `gatewright unpin`"
        ))
    }

    async fn unpin(&mut self, by: Option<&str>) -> Result<String, Refusal> {
        let Some(pinned) = self.history.pinned() else {
            return Ok(format!("nothing is pinned: generation {} runs what the files say", self.generation));
        };
        let mut named = Vec::new();
        let outcome = match load_naming(&self.source, &mut named) {
            Ok(loaded) => self.follow_files(&loaded, Cause::of("unpin").by(by)).await,
            Err(refusal) => Err(refusal),
        };
        self.metrics.reloaded(outcome.as_ref().ok().copied());
        if let Some(watch) = &mut self.watch {
            watch.add(named.clone());
        }
        let number = outcome.map_err(|refusal| {
            let said = refusal.to_string();
            let said = said.trim_end();
            Refusal::Steered(format!("{said}\ngeneration {pinned} goes on, and stays pinned"))
        })?;
        self.history.pin(None);
        self.held.last = None;
        if let (Source::File(_), Some(watch)) = (&self.source, &mut self.watch) {
            watch.replace(named);
        }
        Ok(format!("generation {number} serves, from the files as they are"))
    }

    async fn switch(
        &mut self,
        policy: &str,
        to: Position,
        lasting: Option<Duration>,
        by: Option<&str>,
    ) -> Result<String, Refusal> {
        let Some(loaded) = &self.loaded else { return Err(Refusal::Steered("error: nothing runs yet".into())) };
        let next = self.switches.with(&loaded.plan, policy, to, lasting, by).map_err(Refusal::Steered)?;
        let told = next.iter().find(|(name, _)| *name == policy).map_or_else(|| "on".into(), |(_, one)| one.told());
        let number = self.apply(next, switches::cause(policy, to, lasting).by(by)).await?;
        Ok(format!("generation {number} serves: {policy} is {told}"))
    }

    /// Switches whose time is over go back to what the file says.
    pub(super) async fn switch_back(&mut self) {
        let (still, over) = self.switches.still();
        if over.is_empty() {
            return;
        }
        let cause = Cause::of(format!("policy on {}: its time is over", over.join(", ")));
        if let Err(refusal) = self.apply(still, cause).await {
            self.switches.put_off();
            tracing::error!("a switch cannot end yet\n{refusal}");
        }
    }

    /// Makes a generation of what runs, with other switches.
    async fn apply(&mut self, next: Switches, cause: Cause) -> Result<u64, Refusal> {
        let Some(loaded) = self.loaded.clone() else { return Err(Refusal::Steered("error: nothing runs yet".into())) };
        let origin = self.history.find(self.generation).map(|made| made.origin);
        let before = std::mem::replace(&mut self.switches, next);
        match self.put_live(&loaded, cause, origin).await {
            Ok(number) => {
                self.history.keep_switches(self.switches.to_json().as_ref());
                if self.history.pinned().is_some() {
                    self.history.pin(Some(number));
                }
                Ok(number)
            }
            Err(refusal) => {
                self.switches = before;
                Err(refusal)
            }
        }
    }
}
