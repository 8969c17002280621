//! The lab: tests of policies, offline. `x_test.lua` stands beside `x.lua` and runs on the real engine, the real route
//! table and the real lifecycle: one worker on the test's own thread, listeners and endpoints in memory, virtual time.

mod ask;
mod case;
mod heard;
mod origin;
mod pace;
pub mod report;
mod setup;
mod world;

use std::path::{Path, PathBuf};

use crate::hook::Plain;
use crate::lua::author::{self, Bench, Code, Covered, Paused};

pub use case::{Outcome, Wrong};

/// What stands in test files.
const PRELUDE: &str = include_str!("prelude.luau");
/// How the name of a test file ends.
const SUFFIXES: [&str; 2] = ["_test.lua", "_test.luau"];

/// Which tests run, and how.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Folders and files; empty: here.
    pub places: Vec<PathBuf>,
    /// Only tests whose name holds this.
    pub filter: Option<String>,
    /// What chance begins with.
    pub seed: u64,
    /// Count which lines of the policies run.
    pub coverage: bool,
}

/// A test file, compiled.
pub struct File {
    pub path: PathBuf,
    /// The script beside it.
    policy: PathBuf,
    code: [Code; 2],
    /// Name and line.
    cases: Vec<(String, usize)>,
}

/// A test file that ran.
#[derive(Debug)]
pub struct Ran {
    pub path: PathBuf,
    /// `Err`: it could not even be read.
    pub outcomes: Result<Vec<Outcome>, String>,
}

/// All that ran.
#[derive(Debug, Default)]
pub struct Tested {
    pub files: Vec<Ran>,
    pub covered: Covered,
}

/// Runs what is wanted; each file is handed to `told` when it is done.
pub fn run(wanted: &Wanted, mut told: impl FnMut(&Ran)) -> Result<Tested, String> {
    let mut tested = Tested::default();
    if wanted.coverage {
        author::cover();
    }
    for path in find(&wanted.places)? {
        let outcomes = File::read(&path).map(|file| {
            let picked = |name: &str| wanted.filter.as_ref().is_none_or(|filter| name.contains(filter.as_str()));
            let indices = (0..file.cases.len()).filter(|index| picked(&file.cases[*index].0));
            indices.map(|index| case::run(&file, index, wanted.seed)).collect()
        });
        let ran = Ran { path, outcomes };
        told(&ran);
        tested.files.push(ran);
    }
    tested.covered = author::covered();
    Ok(tested)
}

/// The test files in these places, in order.
pub fn find(places: &[PathBuf]) -> Result<Vec<PathBuf>, String> {
    let here = [PathBuf::from(".")];
    let places = if places.is_empty() { &here[..] } else { places };
    let mut found = Vec::new();
    for place in places {
        if place.is_dir() {
            walk(place, &mut found).map_err(|why| format!("{}: {why}", place.display()))?;
        } else if is_test(place) {
            found.push(place.clone());
        } else {
            return Err(format!("{} is neither a folder nor a file that ends in _test.lua", place.display()));
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

fn is_test(path: &Path) -> bool {
    path.file_name().and_then(|name| name.to_str()).is_some_and(|name| SUFFIXES.iter().any(|end| name.ends_with(end)))
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let hidden = entry.file_name().to_string_lossy().starts_with('.') || entry.file_name() == "target";
        let kind = entry.file_type()?;
        let path = entry.path();
        if kind.is_dir() && !hidden {
            walk(&path, found)?;
        } else if kind.is_file() && is_test(&path) {
            found.push(path.strip_prefix("./").map(Path::to_owned).unwrap_or(path));
        }
    }
    Ok(())
}

// === impl File ===

impl File {
    fn read(path: &Path) -> Result<Self, String> {
        let shown = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|why| format!("{shown}: {why}"))?;
        let code = [Code::new("lab", PRELUDE)?, Code::new(&shown, &text)?];
        let bench = Bench::new(&code)?;
        let cases = match bench.call("__cases").go_on(&[], true) {
            Paused::Returned(Plain::List(cases)) => cases,
            Paused::Returned(_) => Vec::new(),
            Paused::Asks(_) => return Err(format!("{shown}: it waits outside of a test")),
            Paused::Failed(why, _) => return Err(why),
        };
        let read = |case: &Plain| {
            let line = match ask::get(case, "line") {
                Some(Plain::Number(line)) => *line as usize,
                _ => 1,
            };
            (ask::text(case, "name").unwrap_or_default(), line)
        };
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().replacen("_test.", ".", 1);
        Ok(Self {
            path: path.to_owned(),
            policy: path.with_file_name(name),
            code,
            cases: cases.iter().map(read).collect(),
        })
    }
}
