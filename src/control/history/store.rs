//! The folder that history is kept in (`state_dir`): `blobs/` by hash, `generations/` by number, `pinned`, `switches`.
//!
//! Every file is written beside its place, synced and renamed, so that a crash leaves the old one or the new one. Folders
//! are 0700 and files 0600, whatever the umask says.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::made::{Hash, Made};
use crate::limits::{HISTORY_BYTES_MAX, HISTORY_MANIFEST_BYTES_MAX};

/// A folder of history.
#[derive(Debug, Clone)]
pub(super) struct Store {
    folder: PathBuf,
}

const BLOBS: &str = "blobs";
const GENERATIONS: &str = "generations";
/// What is being written and not in its place yet.
const UNFINISHED: &str = ".new";

// === impl Store ===

impl Store {
    /// Nothing is made or read yet.
    pub(super) fn new(folder: &Path) -> Self {
        Self { folder: std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned()) }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Every generation that can be read, oldest first.
    pub(super) fn read(&self) -> io::Result<Vec<Made>> {
        let mut all = Vec::new();
        for name in names(&self.folder.join(GENERATIONS))? {
            let path = self.folder.join(GENERATIONS).join(&name);
            if name.ends_with(UNFINISHED) {
                continue;
            }
            match json(&path)?.as_ref().and_then(Made::from_json) {
                Some(made) => all.push(made),
                None => tracing::warn!(path = %path.display(), "no manifest of ours; it is left alone"),
            }
        }
        all.sort_by_key(|made| made.number);
        Ok(all)
    }

    /// Writes a generation: its blobs first, so that a manifest never names what is not there.
    pub(super) fn write(&self, made: &Made, blobs: &[(Hash, std::sync::Arc<[u8]>)]) -> io::Result<()> {
        self.prepare()?;
        for (hash, bytes) in blobs {
            let path = self.blob(hash);
            if fs::metadata(&path).map_or(true, |there| there.len() != bytes.len() as u64) {
                put(&path, bytes)?;
            }
        }
        put(&self.manifest(made.number), format!("{:#}\n", made.to_json()).as_bytes())
    }

    /// A blob, if it is what its name says.
    pub(super) fn blob_bytes(&self, hash: &Hash) -> io::Result<Vec<u8>> {
        let bytes = limited(&self.blob(hash), HISTORY_BYTES_MAX)?;
        if Hash::of(&bytes) == *hash { Ok(bytes) } else { Err(io::Error::other("it is damaged")) }
    }

    /// Removes a generation.
    pub(super) fn remove(&self, number: u64) -> io::Result<()> {
        fs::remove_file(self.manifest(number))
    }

    /// Removes the blobs that nobody names, and what was never finished.
    pub(super) fn sweep(&self, named: &BTreeSet<&Hash>) -> io::Result<()> {
        let blobs = self.folder.join(BLOBS);
        for name in names(&blobs)? {
            if Hash::parse(&name).is_none_or(|hash| !named.contains(&hash)) {
                fs::remove_file(blobs.join(name))?;
            }
        }
        Ok(())
    }

    /// A small file of its own: `pinned`, `switches`.
    pub(super) fn note(&self, name: &str) -> io::Result<Option<Value>> {
        json(&self.folder.join(name))
    }

    /// Writes such a file; `None` removes it.
    pub(super) fn put_note(&self, name: &str, value: Option<&Value>) -> io::Result<()> {
        let path = self.folder.join(name);
        match value {
            Some(value) => {
                self.prepare()?;
                put(&path, format!("{value:#}\n").as_bytes())
            }
            None => match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => sync(&self.folder).or(Ok(())),
            },
        }
    }

    /// Makes the folders that are missing. An outermost one that is there already stays as it is: it may be anybody's.
    fn prepare(&self) -> io::Result<()> {
        for folder in [self.folder.clone(), self.folder.join(BLOBS), self.folder.join(GENERATIONS)] {
            let ours = folder != self.folder || !folder.is_dir();
            DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
            if ours && fs::metadata(&folder)?.permissions().mode() & 0o777 != 0o700 {
                fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))?;
            }
        }
        Ok(())
    }

    fn blob(&self, hash: &Hash) -> PathBuf {
        self.folder.join(BLOBS).join(hash.as_str())
    }

    fn manifest(&self, number: u64) -> PathBuf {
        self.folder.join(GENERATIONS).join(format!("{number}.json"))
    }
}

fn names(folder: &Path) -> io::Result<Vec<String>> {
    let listing = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        listing => listing?,
    };
    let mut names = Vec::new();
    for entry in listing {
        names.extend(entry?.file_name().into_string().ok());
    }
    Ok(names)
}

/// `None` where there is no such file, and where it is no JSON.
fn json(path: &Path) -> io::Result<Option<Value>> {
    match limited(path, HISTORY_MANIFEST_BYTES_MAX) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn limited(path: &Path, most: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(most as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > most { Err(io::Error::other(format!("larger than {most} bytes"))) } else { Ok(bytes) }
}

fn put(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(UNFINISHED);
    let beside = path.with_file_name(name);
    let written = write_new(&beside, bytes).and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        let _never_made = fs::remove_file(&beside);
    }
    written?;
    path.parent().map_or(Ok(()), sync)
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // One that a crash has left may have other rights.
    let _none = fs::remove_file(path);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
