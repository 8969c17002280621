//! Good generations, to go back to: in memory, and in `state_dir` where there is one.
//!
//! A disk that is full or cannot be written never stops a reload: what was to be kept stays in memory, is told loudly
//! and counted, and is tried again with the next generation.

pub mod diff;
mod made;
mod store;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Value, json};

pub use made::{Cause, Hash, Held, Made};
use made::{Sealed, millis, sealed};
use store::Store;

use crate::clock;
use crate::config::files::{Content, Inputs};
use crate::limits::{HISTORY_BYTES_MAX, HISTORY_GENERATIONS_MAX};

/// The generations of a process, and of those before it where they are kept.
#[derive(Default)]
pub struct History {
    made: Vec<Made>,
    /// What no disk holds.
    blobs: BTreeMap<Hash, Arc<[u8]>>,
    /// Numbers of generations that no disk holds.
    unwritten: BTreeSet<u64>,
    store: Option<Store>,
    /// Why the disk does not hold what it should.
    trouble: Option<String>,
    failures: u64,
    pinned: Option<u64>,
}

/// What a new generation is.
pub struct New<'a> {
    pub number: u64,
    pub cause: Cause,
    pub inputs: &'a Inputs,
    /// Whose files it runs, if not its own.
    pub origin: Option<u64>,
}

const PINNED: &str = "pinned";
const SWITCHES: &str = "switches";

// === impl History ===

impl History {
    /// What a folder holds; it need not be there yet.
    #[must_use]
    pub fn open(folder: &Path) -> Self {
        let store = Store::new(folder);
        let mut history = Self::default();
        match store.read() {
            Ok(made) => history.made = made,
            Err(error) => history.fail("read", &error, store.folder()),
        }
        match store.note(PINNED) {
            Ok(note) => history.pinned = note.as_ref().and_then(|note| note.get("generation")?.as_u64()),
            Err(error) => history.fail("read", &error, store.folder()),
        }
        history.store = Some(store);
        history
    }

    /// Goes on in another folder, or in none. A folder that holds no history yet gets this one.
    pub fn move_to(&mut self, folder: Option<&Path>) {
        let wanted = folder.map(Store::new);
        if wanted.as_ref().map(Store::folder) == self.store.as_ref().map(Store::folder) {
            return;
        }
        let Some(folder) = folder else {
            self.store = None;
            return;
        };
        let there = Self::open(folder);
        if there.made.is_empty() {
            self.unwritten = self.made.iter().map(|made| made.number).collect();
            for (hash, _) in self.made.iter().flat_map(Made::blobs) {
                if !self.blobs.contains_key(hash)
                    && let Some(Ok(bytes)) = self.store.as_ref().map(|store| store.blob_bytes(hash))
                {
                    self.blobs.insert(hash.clone(), bytes.into());
                }
            }
            self.store = wanted;
        } else {
            *self = Self { failures: self.failures + there.failures, ..there };
        }
    }

    /// The number of the newest generation; 0: there is none.
    #[must_use]
    pub fn last_number(&self) -> u64 {
        self.made.last().map_or(0, |made| made.number)
    }

    /// The number of a generation that a process begins with: that of the last one, where its files are the same.
    #[must_use]
    pub fn number_of(&self, inputs: &Inputs) -> u64 {
        let same = self.made.last().filter(|made| made.hash == sealed(inputs).hash);
        same.map_or(self.last_number() + 1, |made| made.number)
    }

    /// Keeps a generation that has begun to run. The same files once more at a start are no new one.
    pub fn record(&mut self, new: New<'_>) -> Made {
        let Sealed { files, hash, blobs } = sealed(new.inputs);
        if let Some(known) = self.made.iter().find(|made| made.number == new.number && made.hash == hash) {
            return known.clone();
        }
        let before = self.made.last().map(|made| made.hash.clone());
        let New { number, cause, .. } = new;
        // To the millisecond, as it is written down.
        let at = UNIX_EPOCH + Duration::from_millis(millis(clock::wall()));
        let main = new.inputs.main.clone();
        let made = Made { number, at, cause, before, hash, origin: new.origin.unwrap_or(number), main, files };
        if made.blobs().map(|(_, bytes)| bytes).sum::<u64>() > HISTORY_BYTES_MAX as u64 {
            self.failures += 1;
            self.trouble =
                Some(format!("generation {number} is larger than {HISTORY_BYTES_MAX} bytes: it is not kept"));
            tracing::warn!(generation = number, "too large to be kept in history");
            return made;
        }
        self.blobs.extend(blobs);
        self.unwritten.insert(number);
        self.made.push(made.clone());
        self.prune();
        self.write();
        self.forget();
        made
    }

    /// Every generation that is kept, oldest first.
    #[must_use]
    pub fn made(&self) -> &[Made] {
        &self.made
    }

    #[must_use]
    pub fn find(&self, number: u64) -> Option<&Made> {
        self.made.iter().find(|made| made.number == number)
    }

    /// Where one goes back to from `number`: the newest generation before it with other files. From one that was rolled
    /// back it goes on backwards, so that going back twice never leads where one came from.
    #[must_use]
    pub fn before(&self, number: u64) -> Option<&Made> {
        let Some(now) = self.find(number) else { return self.made.last() };
        self.made.iter().rev().find(|made| made.number < now.origin && made.hash != now.hash)
    }

    /// The files of a generation, to be loaded again.
    pub fn inputs(&self, number: u64) -> Result<Inputs, String> {
        let made = self.find(number).ok_or_else(|| self.unknown(number))?;
        let mut files = BTreeMap::new();
        for (path, held) in &made.files {
            let content = match held {
                Held::Reference(there) => Content::Reference(there.clone()),
                Held::Blob { hash, .. } => Content::Bytes(self.blob(hash).map_err(|error| {
                    format!("`{}` of generation {number} is not kept any more: {error}", path.display())
                })?),
            };
            files.insert(path.clone(), content);
        }
        Ok(Inputs { main: made.main.clone(), files })
    }

    fn blob(&self, hash: &Hash) -> io::Result<Arc<[u8]>> {
        match (self.blobs.get(hash), &self.store) {
            (Some(bytes), _) => Ok(bytes.clone()),
            (None, Some(store)) => store.blob_bytes(hash).map(Into::into),
            (None, None) => Err(io::Error::from(io::ErrorKind::NotFound)),
        }
    }

    fn unknown(&self, number: u64) -> String {
        match (self.made.first(), self.made.last()) {
            (Some(first), Some(last)) => {
                format!("there is no generation {number}; kept are {} to {}", first.number, last.number)
            }
            _ => format!("there is no generation {number}; none is kept"),
        }
    }

    /// The generation that goes on whatever the files say.
    #[must_use]
    pub fn pinned(&self) -> Option<u64> {
        self.pinned
    }

    /// Pins a generation, or nothing.
    pub fn pin(&mut self, number: Option<u64>) {
        self.pinned = number;
        let note = number.map(|number| json!({ "generation": number, "at_ms": millis(clock::wall()) }));
        self.put_note(PINNED, note.as_ref());
    }

    /// What was written by [`History::keep_switches`].
    #[must_use]
    pub fn switches(&self) -> Option<Value> {
        self.store.as_ref()?.note(SWITCHES).ok()?
    }

    pub fn keep_switches(&mut self, switches: Option<&Value>) {
        self.put_note(SWITCHES, switches);
    }

    /// Where it is kept; `None`: in memory.
    #[must_use]
    pub fn folder(&self) -> Option<&Path> {
        self.store.as_ref().map(Store::folder)
    }

    /// Why the disk does not hold all of it.
    #[must_use]
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// How often something could not be kept.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.failures
    }

    fn put_note(&mut self, name: &str, value: Option<&Value>) {
        let Some(store) = self.store.clone() else { return };
        if let Err(error) = store.put_note(name, value) {
            self.fail("written", &error, store.folder());
        }
    }

    fn fail(&mut self, what: &str, error: &io::Error, folder: &Path) {
        self.failures += 1;
        let folder = folder.display();
        self.trouble = Some(format!("{folder} cannot be {what}: {error}"));
        tracing::error!(%folder, %error, "history cannot be {what}: it is in memory only, and ends with this process");
    }

    /// Drops what is over the bounds: first what a newer one repeats, then the oldest. What runs and what is pinned stay.
    fn prune(&mut self) {
        let last = self.last_number();
        while self.made.len() > HISTORY_GENERATIONS_MAX || self.bytes() > HISTORY_BYTES_MAX as u64 {
            let may_go = |made: &Made| made.number != last && Some(made.number) != self.pinned;
            let again = |at: usize| self.made[at + 1..].iter().any(|later| later.hash == self.made[at].hash);
            let places = || (0..self.made.len()).filter(|at| may_go(&self.made[*at]));
            // A repeated one frees no bytes, so it only helps where there are too many.
            let many = self.made.len() > HISTORY_GENERATIONS_MAX;
            let repeated = if many { places().find(|at| again(*at)) } else { None };
            let Some(at) = repeated.or_else(|| places().next()) else { return };
            let gone = self.made.remove(at);
            if !self.unwritten.remove(&gone.number)
                && let Some(store) = self.store.clone()
                && let Err(error) = store.remove(gone.number)
                && error.kind() != io::ErrorKind::NotFound
            {
                self.fail("written", &error, store.folder());
            }
        }
    }

    /// Bytes of every blob, each counted once.
    fn bytes(&self) -> u64 {
        let blobs: BTreeMap<&Hash, u64> = self.made.iter().flat_map(Made::blobs).collect();
        blobs.values().sum()
    }

    /// Writes what is not written yet.
    fn write(&mut self) {
        let Some(store) = self.store.clone() else { return };
        for made in self.made.iter().filter(|made| self.unwritten.contains(&made.number)) {
            let blobs = made.blobs().filter_map(|(hash, _)| Some((hash.clone(), self.blobs.get(hash)?.clone())));
            let blobs: Vec<_> = blobs.collect();
            if let Err(error) = store.write(made, &blobs) {
                return self.fail("written", &error, store.folder());
            }
        }
        self.unwritten.clear();
        self.blobs.clear();
        self.trouble = None;
        if let Err(error) = store.sweep(&self.made.iter().flat_map(Made::blobs).map(|(hash, _)| hash).collect()) {
            self.fail("written", &error, store.folder());
        }
    }

    /// Blobs in memory that nobody names.
    fn forget(&mut self) {
        let named: BTreeSet<&Hash> = self.made.iter().flat_map(Made::blobs).map(|(hash, _)| hash).collect();
        self.blobs.retain(|hash, _| named.contains(hash));
    }
}

#[cfg(test)]
mod tests;
