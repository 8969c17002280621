//! Watches the files that the configuration was made of, and says when their content has changed.
//!
//! Directories are watched, never files: editors rename a new file over the old one, and a ConfigMap swaps a symbolic
//! link beside it. An event only says "look": what counts is the hash of each input, and a look now and then finds what
//! no event told (a directory renamed further up, a network file system). An input that is a directory stands for the
//! names in it (the files of an `include` pattern).

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;

use crate::clock;
use crate::limits::{WATCH_LINKS_MAX, WATCH_POLL_MS, WATCH_QUIET_MS, WATCH_RESTLESS_MS};

/// The inputs, as they were at the last look.
pub struct Watch {
    inputs: BTreeMap<PathBuf, Content>,
    /// Directories that are watched.
    watched: BTreeSet<PathBuf>,
    /// `None`: the kernel gives no events; the look now and then has to do.
    watcher: Option<RecommendedWatcher>,
    events: mpsc::Receiver<()>,
    /// When the first event since the last look came.
    restless_since: Option<u64>,
    quiet_at: u64,
    poll_at: u64,
}

/// What a path holds, as far as a change of it must be noticed; `None`: nothing that can be read.
type Content = Option<u64>;

// === impl Watch ===

impl Watch {
    /// Begins to watch; what the inputs hold now counts as known. Make it before they are read.
    #[must_use]
    pub fn new(inputs: Vec<PathBuf>) -> Self {
        // One is enough: it says "look", not at what.
        let (told, events) = mpsc::channel(1);
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // Reading is no change, and we read ourselves.
            if !matches!(event, Ok(notify::Event { kind: EventKind::Access(_), .. })) {
                let _told_already = told.try_send(());
            }
        });
        let watcher = watcher
            .inspect_err(|why| tracing::warn!(%why, "no file events; changes are noticed within {WATCH_POLL_MS} ms"));
        let mut watch = Self {
            inputs: BTreeMap::new(),
            watched: BTreeSet::new(),
            watcher: watcher.ok(),
            events,
            restless_since: None,
            quiet_at: clock::NEVER,
            poll_at: clock::refresh() + WATCH_POLL_MS,
        };
        watch.replace(inputs);
        watch
    }

    /// Watches these from now on. A path that was watched already keeps what was known of it, so that a change between
    /// its reading and this call is not lost.
    pub fn replace(&mut self, inputs: Vec<PathBuf>) {
        let old = std::mem::take(&mut self.inputs);
        for input in inputs {
            let path = std::path::absolute(&input).unwrap_or(input);
            self.inputs.insert(path, None);
        }
        self.follow();
        for (path, known) in &mut self.inputs {
            *known = old.get(path).copied().unwrap_or_else(|| content(path));
        }
    }

    /// Watches these too: what a refused configuration named.
    pub fn add(&mut self, inputs: Vec<PathBuf>) {
        let all = self.inputs.keys().cloned().chain(inputs).collect();
        self.replace(all);
    }

    /// Waits until inputs have changed, and says which. Dropping the future loses nothing.
    pub async fn changed(&mut self) -> Vec<PathBuf> {
        loop {
            let now = clock::refresh();
            let at = self.quiet_at.min(self.poll_at);
            if now >= at {
                let changed = self.look();
                if !changed.is_empty() {
                    return changed;
                }
                continue;
            }
            tokio::select! {
                told = self.events.recv(), if self.watcher.is_some() => match told {
                    Some(()) => self.disturbed(),
                    None => self.watcher = None,
                },
                () = clock::sleep(Duration::from_millis(at - now)) => {}
            }
        }
    }

    fn disturbed(&mut self) {
        let now = clock::refresh();
        let since = *self.restless_since.get_or_insert(now);
        self.quiet_at = (now + WATCH_QUIET_MS).min(since + WATCH_RESTLESS_MS);
    }

    fn look(&mut self) -> Vec<PathBuf> {
        self.restless_since = None;
        self.quiet_at = clock::NEVER;
        self.poll_at = clock::refresh() + WATCH_POLL_MS;
        // Watch first, read then: what changes in between is told.
        self.follow();
        let mut changed = Vec::new();
        for (path, known) in &mut self.inputs {
            let now = content(path);
            if now != *known {
                *known = now;
                changed.push(path.clone());
            }
        }
        changed
    }

    /// Watches what the inputs' paths lead through now. All of it anew: a directory that was removed and made again
    /// has the old name, may have the old inode, and is not watched.
    fn follow(&mut self) {
        let Some(watcher) = &mut self.watcher else { return };
        for path in std::mem::take(&mut self.watched) {
            // Gone with its directory, perhaps.
            let _gone = watcher.unwatch(&path);
        }
        let mut wanted = BTreeSet::new();
        self.inputs.keys().for_each(|path| directories(path, &mut wanted));
        for path in wanted {
            match watcher.watch(&path, RecursiveMode::NonRecursive) {
                Ok(()) => drop(self.watched.insert(path)),
                Err(why) => tracing::debug!(path = %path.display(), %why, "directory cannot be watched"),
            }
        }
    }
}

/// Hashes what a change would change: a file's bytes, a directory's names. Pipes and devices are not read.
fn content(path: &Path) -> Content {
    let metadata = fs::metadata(path).ok()?;
    let mut hasher = DefaultHasher::new();
    if metadata.is_file() {
        fs::read(path).ok()?.hash(&mut hasher);
    } else if metadata.is_dir() {
        let names: BTreeSet<OsString> =
            fs::read_dir(path).ok()?.filter_map(|entry| Some(entry.ok()?.file_name())).collect();
        names.hash(&mut hasher);
    }
    Some(hasher.finish())
}

/// Every directory in which a change can make `path` lead elsewhere: the one it stands in, and that of each symbolic
/// link on the way. Where something is missing, the last directory there is.
fn directories(path: &Path, into: &mut BTreeSet<PathBuf>) {
    let mut rest: Vec<OsString> = names(path);
    let mut at = PathBuf::from("/");
    let mut links = 0;
    while let Some(name) = rest.pop() {
        if name == ".." {
            at.pop();
            continue;
        }
        let here = at.join(&name);
        if let Ok(target) = fs::read_link(&here)
            && links < WATCH_LINKS_MAX
        {
            links += 1;
            into.insert(at.clone());
            if target.is_absolute() {
                at = PathBuf::from("/");
            }
            rest.extend(names(&target));
            continue;
        }
        let Ok(metadata) = fs::symlink_metadata(&here) else {
            into.insert(at);
            return;
        };
        if rest.is_empty() {
            into.insert(at);
            if metadata.is_dir() {
                into.insert(here);
            }
            return;
        }
        at = here;
    }
}

/// The names of a path, the last one first.
fn names(path: &Path) -> Vec<OsString> {
    let named = path.components().filter(|part| matches!(part, Component::Normal(_) | Component::ParentDir));
    named.rev().map(|part| part.as_os_str().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn run(test: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            tokio::select! { () = clock::drive() => {}, () = test => {} }
        });
    }

    /// Waits for a change by an event, well before the look now and then.
    async fn soon(watch: &mut Watch) -> Vec<String> {
        let start = clock::precise();
        let changed = watch.changed().await;
        assert!(start.elapsed() < Duration::from_millis(WATCH_POLL_MS / 2), "only the poll saw it");
        changed.iter().map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect()
    }

    async fn nothing(watch: &mut Watch) {
        clock::refresh();
        tokio::select! {
            changed = watch.changed() => panic!("{changed:?}"),
            () = clock::sleep(Duration::from_millis(3 * WATCH_QUIET_MS)) => {}
        }
    }

    #[test]
    fn writes_renames_and_deletions_are_seen_and_noise_is_not() {
        run(async {
            let dir = tempfile::tempdir().unwrap();
            let (main, page) = (dir.path().join("gatewright.yaml"), dir.path().join("page.html"));
            fs::write(&main, "one").unwrap();
            fs::write(&page, "page").unwrap();
            let mut watch = Watch::new(vec![main.clone(), page.clone()]);
            fs::write(dir.path().join("access.log"), "noise").unwrap();
            fs::write(&main, "one").unwrap();
            nothing(&mut watch).await;
            fs::write(&main, "two").unwrap();
            assert_eq!(soon(&mut watch).await, ["gatewright.yaml"]);
            let draft = dir.path().join("draft");
            fs::write(&draft, "three").unwrap();
            fs::rename(&draft, &main).unwrap();
            fs::write(&page, "other").unwrap();
            assert_eq!(soon(&mut watch).await, ["gatewright.yaml", "page.html"], "one event for both");
            fs::remove_file(&main).unwrap();
            assert_eq!(soon(&mut watch).await, ["gatewright.yaml"]);
            fs::write(&main, "three").unwrap();
            assert_eq!(soon(&mut watch).await, ["gatewright.yaml"]);
            watch.replace(vec![page.clone()]);
            fs::write(&main, "four").unwrap();
            nothing(&mut watch).await;
            watch.add(vec![dir.path().to_owned()]);
            fs::write(dir.path().join("new.yaml"), "x").unwrap();
            assert_eq!(soon(&mut watch).await, [dir.path().file_name().unwrap().to_str().unwrap()]);
        });
    }

    #[test]
    fn a_config_map_swap_is_seen() {
        run(async {
            let dir = tempfile::tempdir().unwrap();
            let at = |name: &str| dir.path().join(name);
            for (version, text) in [("..1", "one"), ("..2", "two"), ("..3", "three")] {
                fs::create_dir(at(version)).unwrap();
                fs::write(at(version).join("gatewright.yaml"), text).unwrap();
            }
            symlink("..1", at("..data")).unwrap();
            symlink("..data/gatewright.yaml", at("gatewright.yaml")).unwrap();
            let mut watch = Watch::new(vec![at("gatewright.yaml")]);
            for next in ["..2", "..3"] {
                symlink(next, at("..data_tmp")).unwrap();
                fs::rename(at("..data_tmp"), at("..data")).unwrap();
                assert_eq!(soon(&mut watch).await, ["gatewright.yaml"]);
            }
            fs::remove_dir_all(at("..1")).unwrap();
            nothing(&mut watch).await;
            fs::write(at("..3").join("gatewright.yaml"), "in place").unwrap();
            assert_eq!(soon(&mut watch).await, ["gatewright.yaml"]);
        });
    }

    #[test]
    fn a_directory_made_anew_is_watched_anew() {
        run(async {
            let root = tempfile::tempdir().unwrap();
            let dir = root.path().join("conf/d");
            let main = dir.join("gatewright.yaml");
            let make = |text: &str| {
                fs::create_dir_all(&dir).unwrap();
                fs::write(&main, text).unwrap();
            };
            make("one");
            let mut watch = Watch::new(vec![main.clone()]);
            fs::remove_dir_all(root.path().join("conf")).unwrap();
            assert_eq!(soon(&mut watch).await, ["gatewright.yaml"]);
            make("two");
            assert_eq!(soon(&mut watch).await, ["gatewright.yaml"]);
            fs::remove_dir_all(&dir).unwrap();
            make("three");
            assert_eq!(soon(&mut watch).await, ["gatewright.yaml"]);
            fs::rename(&dir, root.path().join("old")).unwrap();
            make("four");
            assert_eq!(soon(&mut watch).await, ["gatewright.yaml"]);
            fs::write(&main, "five").unwrap();
            assert_eq!(soon(&mut watch).await, ["gatewright.yaml"]);
        });
    }
}
