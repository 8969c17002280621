//! From a source to a checked plan; and which one a start begins with.

use std::path::PathBuf;
use std::sync::Arc;

use super::Source;
use super::history::History;
use super::reload::Refusal;
use super::switches::Switches;
use crate::config::check::check_naming;
use crate::config::files::{Files, Inputs};
use crate::config::plan::Plan;
use crate::config::render::{render, render_all};
use crate::config::scalar::Environment;
use crate::config::source::Sources;
use crate::config::state_dir::state_dir;
use crate::policy::catalogue::BuiltIns;

/// A configuration that was read and checked.
#[derive(Clone)]
pub struct Loaded {
    pub plan: Arc<Plan>,
    /// What it was read from, to show mistakes that only compiling finds.
    pub sources: Arc<Sources>,
    /// Every file of it, as it was read.
    pub inputs: Arc<Inputs>,
}

/// What a start begins with.
pub(super) struct Begin {
    pub loaded: Loaded,
    pub history: History,
    pub switches: Switches,
    /// Every file that the configuration on the disk names.
    pub named: Vec<PathBuf>,
}

/// Reads and checks a source. Warnings go to the log.
pub fn load(source: &Source) -> Result<Loaded, Refusal> {
    load_naming(source, &mut Vec::new())
}

pub(super) fn load_naming(source: &Source, inputs: &mut Vec<PathBuf>) -> Result<Loaded, Refusal> {
    checked(read(source), inputs)
}

/// Loads what was kept of a generation.
pub(super) fn load_kept(inputs: Inputs) -> Result<Loaded, Refusal> {
    let main = inputs.main.clone();
    let sources = Sources::load_from(&main, Environment::process(), Files::kept(inputs));
    checked(sources, &mut Vec::new())
}

/// What the disk holds now, good or not.
pub(super) fn on_disk(source: &Source) -> Inputs {
    let mut sources = read(source);
    let _good_or_not = check_naming(&mut sources, &BuiltIns, &mut Vec::new());
    sources.kept()
}

/// The pinned generation, if there is one; else what the source says.
pub(super) fn begin(source: &Source) -> Result<Begin, Refusal> {
    let mut named = Vec::new();
    let sources = read(source);
    let read = checked(sources.clone(), &mut named);
    let folder = match &read {
        Ok(loaded) => loaded.plan.state_dir.clone(),
        Err(_) => state_dir(&sources),
    };
    let Some(folder) = folder else {
        return Ok(Begin { loaded: read?, history: History::default(), switches: Switches::default(), named });
    };
    let history = History::open(&folder);
    let switches = history.switches().map(|value| Switches::from_json(&value)).unwrap_or_default();
    for (policy, switch) in switches.iter() {
        tracing::warn!(policy, switch = %switch.told(), by = switch.by.as_deref(), "switched before this start");
    }
    let Some(number) = history.pinned() else {
        return Ok(Begin { loaded: read?, history, switches, named });
    };
    let lost = |why: String| {
        let note = folder.join("pinned");
        Refusal::Steered(format!(
            "error: generation {number} is pinned and cannot be loaded: {}\n  = help: mend that, or remove {} to start \
             with the files as they are",
            why.trim_end(),
            note.display()
        ))
    };
    let inputs = history.inputs(number).map_err(&lost)?;
    let mut loaded = load_kept(inputs).map_err(|refusal| lost(refusal.to_string()))?;
    if let Ok(read) = &read {
        loaded.keep_doors(&read.plan);
    }
    let files = match &read {
        Ok(_) => "they are good".to_owned(),
        Err(refusal) => format!("they would be refused\n{refusal}"),
    };
    tracing::warn!(generation = number, "PINNED: it runs, whatever the files say, until `gatewright unpin`; {files}");
    Ok(Begin { loaded, history, switches, named })
}

fn read(source: &Source) -> Sources {
    match source {
        Source::File(path) => Sources::load(path),
        Source::Text { name, text } => Sources::from_text(name, text),
    }
}

fn checked(mut sources: Sources, inputs: &mut Vec<PathBuf>) -> Result<Loaded, Refusal> {
    match check_naming(&mut sources, &BuiltIns, inputs) {
        Ok((plan, warnings)) => {
            for warning in &warnings {
                tracing::warn!("{}", render(warning, &sources, false));
            }
            let inputs = Arc::new(sources.kept());
            Ok(Loaded { plan: Arc::new(plan), sources: Arc::new(sources), inputs })
        }
        Err(found) => Err(Refusal::Config(render_all(&found, &sources, false))),
    }
}

// === impl Loaded ===

impl Loaded {
    /// An earlier generation takes over the admin listeners as they are: the way back must not be shut by going.
    pub(super) fn keep_doors(&mut self, running: &Plan) {
        Arc::make_mut(&mut self.plan).admin = running.admin.clone();
    }
}
