//! One test: its file's VM, the configuration it asks for, and time.

use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use super::ask::{ask, get, question, text};
use super::heard::{self, Ear, Line};
use super::setup::Setup;
use super::world::World;
use super::{File, pace};
use crate::clock;
use crate::config::plan::Script;
use crate::hook::Plain;
use crate::limits::LAB_WAIT_MS;
use crate::lua::author::{Bench, Paused};

/// When every test begins: seconds since 1970 of 2026-01-01T00:00:00Z.
const BEGIN: u64 = 1_767_225_600;

/// What came of a test.
#[derive(Debug, Default)]
pub struct Outcome {
    pub name: String,
    pub line: usize,
    pub took: Duration,
    /// `None`: it passed.
    pub why: Option<Wrong>,
    /// What it printed, and what the proxy warned of.
    pub said: Vec<String>,
    /// Files that it was made of, besides its own.
    pub inputs: Vec<PathBuf>,
    /// Scripts that ran.
    pub scripts: Vec<Arc<Script>>,
}

/// Why a test did not pass.
#[derive(Debug, Default)]
pub struct Wrong {
    pub message: String,
    pub trace: String,
}

/// Runs the test with this number, from 0, of a file.
pub(super) fn run(file: &File, index: usize, seed: u64) -> Outcome {
    let begun = clock::precise();
    let mut outcome = Outcome { name: file.cases[index].0.clone(), line: file.cases[index].1, ..Outcome::default() };
    let _heard_before = heard::take();
    let ear = tracing::subscriber::set_default(Ear);
    clock::freeze_at(UNIX_EPOCH + Duration::from_secs(BEGIN));
    fastrand::seed(seed.wrapping_add(index as u64));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .on_thread_park(pace::idle)
        .build_local(tokio::runtime::LocalOptions::default());
    match runtime {
        Ok(runtime) => runtime.block_on(live(file, index, &mut outcome)),
        Err(why) => outcome.why = Some(Wrong { message: why.to_string(), trace: String::new() }),
    }
    drop(ear);
    outcome.took = begun.elapsed();
    outcome
}

async fn live(file: &File, index: usize, outcome: &mut Outcome) {
    let mut stage = match Bench::new(&file.code) {
        Ok(bench) => Stage { file, bench, world: None, lines: Vec::new() },
        Err(message) => return outcome.why = Some(Wrong { message, trace: String::new() }),
    };
    let mut task = stage.bench.call("__run");
    let mut paused = task.go_on(&[Plain::Number(index as f64 + 1.0)], true);
    let wrong = loop {
        match paused {
            Paused::Asks(asked) => {
                let answer = match stage.obey(&asked).await {
                    Ok(value) => entry("value", value),
                    Err(why) => entry("error", why.trim_end().into()),
                };
                paused = task.go_on(&[Plain::Map(vec![answer])], false);
            }
            Paused::Returned(_) => break None,
            Paused::Failed(message, trace) => break Some(Wrong { message: placed(message, &trace), trace }),
        }
    };
    drop(task);
    stage.lines.extend(heard::take());
    let told = match stage.bench.call("__outcome").go_on(&[], true) {
        Paused::Returned(told) => told,
        Paused::Asks(_) | Paused::Failed(..) => Plain::Nil,
    };
    outcome.why = wrong.or_else(|| Some(Wrong { message: text(&told, "why")?, trace: String::new() }));
    if let Some(Plain::List(said)) = get(&told, "said") {
        outcome.said.extend(said.iter().filter_map(Plain::text).map(|text| String::from_utf8_lossy(text).into_owned()));
    }
    outcome.said.extend(stage.lines.iter().filter_map(Line::warning));
    if let Some(world) = stage.world.take() {
        outcome.inputs.clone_from(&world.inputs);
        outcome.scripts.clone_from(&world.scripts);
        world.close().await;
    }
}

/// What ended in our own text is told where the test had called it.
fn placed(message: String, trace: &str) -> String {
    let rest = message.strip_prefix("lab:").and_then(|rest| rest.split_once(": "));
    let caller = trace.lines().map(str::trim).find(|line| !line.starts_with("lab:") && !line.starts_with("[C]"));
    match (rest, caller.and_then(|line| line.split(' ').next())) {
        (Some((_, rest)), Some(place)) if !place.is_empty() => format!("{place}: {rest}"),
        _ => message,
    }
}

/// A test while it runs.
struct Stage<'a> {
    file: &'a File,
    bench: Rc<Bench>,
    world: Option<World>,
    lines: Vec<Line>,
}

// === impl Stage ===

impl Stage<'_> {
    async fn obey(&mut self, asked: &Plain) -> Result<Plain, String> {
        match text(asked, "ask").as_deref() {
            Some("open") => {
                let setup = Setup::read(asked, &self.file.policy)?;
                self.world = Some(World::open(&setup, &self.bench).await?);
                Ok(Plain::Nil)
            }
            Some("request") => {
                let world = self.world.as_ref().ok_or("there is no configuration")?;
                let at = world.listener(text(asked, "listener").as_deref())?.clone();
                let answer = pace::hurry(LAB_WAIT_MS, ask(&at, question(asked)?)).await;
                let answer =
                    answer.ok_or_else(|| format!("no response came in {} virtual seconds", LAB_WAIT_MS / 1000));
                // `log` and what is detached have their turn.
                pace::settle().await;
                Ok(answer??.into_plain())
            }
            Some("advance") => match get(asked, "seconds") {
                Some(Plain::Number(seconds)) if (0.0..1e9).contains(seconds) => {
                    pace::advance((seconds * 1000.0) as u64).await;
                    Ok(Plain::Nil)
                }
                _ => Err("`t:advance` takes seconds".to_owned()),
            },
            Some("logs") => {
                self.lines.extend(heard::take());
                Ok(Plain::List(self.lines.iter().filter_map(Line::of_script).collect()))
            }
            _ => Err("a test cannot yield".to_owned()),
        }
    }
}

fn entry(name: &str, value: Plain) -> (Box<[u8]>, Plain) {
    (name.as_bytes().into(), value)
}
