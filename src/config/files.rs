//! Where the configuration's files are read from: the disk, or what was kept of an earlier generation. What was read is
//! remembered as it was read, so that a generation can be kept exactly as it was loaded.
//!
//! Secrets and keys are read by [`Files::private`]: always from the disk, and remembered by name alone.

#![expect(clippy::disallowed_types, reason = "one thread loads a configuration; no request comes by")]

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// What stands in every PEM file that holds a key, of whatever kind.
const KEY_MARK: &[u8] = b"PRIVATE KEY-----";

/// A place to read from, and what was read there. Clones share both.
#[derive(Clone, Default)]
pub struct Files(Arc<Shared>);

#[derive(Default)]
struct Shared {
    /// `None`: the disk.
    kept: Option<Inputs>,
    read: Mutex<BTreeMap<PathBuf, Content>>,
}

/// Every file of one configuration, by its path as written.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Inputs {
    /// The main file.
    pub main: PathBuf,
    pub files: BTreeMap<PathBuf, Content>,
}

/// A file's content.
#[derive(Clone, PartialEq, Eq)]
pub enum Content {
    Bytes(Arc<[u8]>),
    /// A secret or a key, or the system's own: only where it is.
    Reference(PathBuf),
}

// === impl Files ===

impl Files {
    /// What was kept, instead of the disk. What was never kept, and references, still come from the disk.
    #[must_use]
    pub fn kept(inputs: Inputs) -> Self {
        Self(Arc::new(Shared { kept: Some(inputs), read: Mutex::default() }))
    }

    /// Whether an earlier generation is read, not the disk.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.0.kept.is_some()
    }

    /// At most `most` bytes; more is a mistake, and never read. Read twice, a file is the same both times.
    pub fn bytes(&self, path: &Path, most: usize) -> Result<Vec<u8>, String> {
        let known = self.with(|read| read.get(path).cloned());
        if let Some(Content::Bytes(bytes)) = known {
            return if bytes.len() > most { Err(too_large(most)) } else { Ok(bytes.to_vec()) };
        }
        let bytes = match self.content(path) {
            Some(Content::Bytes(bytes)) if bytes.len() > most => return Err(too_large(most)),
            Some(Content::Bytes(bytes)) => bytes.to_vec(),
            Some(Content::Reference(there)) => {
                let there = there.clone();
                self.with(|read| read.insert(path.to_owned(), Content::Reference(there.clone())));
                return from_disk(&there, most);
            }
            None => from_disk(path, most)?,
        };
        self.remember(path, &bytes);
        Ok(bytes)
    }

    /// A text of at most `most` bytes.
    pub fn text(&self, path: &Path, most: usize) -> Result<String, String> {
        String::from_utf8(self.bytes(path, most)?).map_err(|_| "it is not UTF-8".to_owned())
    }

    /// A secret or a key, or what is the system's and not the operator's: from the disk, and never kept.
    pub fn private(&self, path: &Path, most: usize) -> Result<Vec<u8>, String> {
        let there = match self.content(path) {
            Some(Content::Reference(there)) => there.clone(),
            _ => std::path::absolute(path).unwrap_or_else(|_| path.to_owned()),
        };
        self.with(|read| read.insert(path.to_owned(), Content::Reference(there.clone())));
        from_disk(if path.exists() { path } else { &there }, most)
    }

    /// Where an earlier generation is read: what the disk has at that path now.
    #[must_use]
    pub fn renewed(&self, path: &Path, most: usize) -> Option<Vec<u8>> {
        self.is_kept().then(|| from_disk(path, most).ok()).flatten()
    }

    /// Whether there is such a file.
    #[must_use]
    pub fn is_file(&self, path: &Path) -> bool {
        self.0.kept.as_ref().map_or_else(|| path.is_file(), |kept| kept.files.contains_key(path))
    }

    /// Whether there is such a folder. That an earlier generation found it is not asked again.
    #[must_use]
    pub fn is_folder(&self, path: &Path) -> bool {
        self.is_kept() || path.is_dir()
    }

    /// Whether a file is really below a folder, wherever links lead. Of what was kept this was so.
    #[must_use]
    pub fn is_below(&self, path: &Path, folder: &Path) -> bool {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let real = || Some(path.canonicalize().ok()?.starts_with(folder.canonicalize().ok()?));
        self.is_kept() || real().unwrap_or(false)
    }

    /// The names of the files in a folder.
    pub fn names(&self, folder: &Path) -> Result<Vec<String>, String> {
        if let Some(kept) = &self.0.kept {
            let folder = if folder == Path::new(".") { Path::new("") } else { folder };
            let here = kept.files.keys().filter(|path| path.parent() == Some(folder));
            return Ok(here.filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect());
        }
        let mut names = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(reason)? {
            let entry = entry.map_err(reason)?;
            if let Ok(name) = entry.file_name().into_string()
                && entry.path().is_file()
            {
                names.push(name);
            }
        }
        Ok(names)
    }

    /// A text that is no file takes part under this name.
    pub(super) fn remember(&self, path: &Path, bytes: &[u8]) {
        let content = if bytes.windows(KEY_MARK.len()).any(|window| window == KEY_MARK) {
            Content::Reference(std::path::absolute(path).unwrap_or_else(|_| path.to_owned()))
        } else {
            Content::Bytes(bytes.into())
        };
        // What was once read as a secret stays one.
        self.with(|read| {
            read.entry(path.to_owned()).or_insert(content);
        });
    }

    /// What was read so far, `main` being the main file. A path that leads to the same file as a secret's is kept as
    /// little as that one.
    #[must_use]
    pub fn inputs(&self, main: &Path) -> Inputs {
        let mut files = self.with(|read| read.clone());
        let real = |path: &Path| std::fs::canonicalize(path).ok();
        let secrets: Vec<PathBuf> = files.values().filter_map(|content| real(content.reference()?)).collect();
        for (path, content) in &mut files {
            let there = if secrets.is_empty() || self.is_kept() { None } else { real(path) };
            if let Some(there) = there.filter(|there| secrets.contains(there)) {
                *content = Content::Reference(there);
            }
        }
        Inputs { main: main.to_owned(), files }
    }

    fn content(&self, path: &Path) -> Option<&Content> {
        self.0.kept.as_ref()?.files.get(path)
    }

    fn with<T>(&self, look: impl FnOnce(&mut BTreeMap<PathBuf, Content>) -> T) -> T {
        look(&mut self.0.read.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

// === impl Content ===

impl Content {
    fn reference(&self) -> Option<&Path> {
        if let Self::Reference(there) = self { Some(there) } else { None }
    }
}

fn from_disk(path: &Path, most: usize) -> Result<Vec<u8>, String> {
    use std::io::Read;
    // Opening a pipe would wait for its writer.
    let kind = std::fs::metadata(path).map_err(reason)?;
    if !kind.is_file() {
        return Err("it is not a file".into());
    }
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(reason)?;
    file.take(most as u64 + 1).read_to_end(&mut bytes).map_err(reason)?;
    if bytes.len() > most { Err(too_large(most)) } else { Ok(bytes) }
}

fn too_large(most: usize) -> String {
    format!("it is larger than {most} bytes")
}

/// The operating system's reason, in one form on every system.
#[allow(clippy::needless_pass_by_value, reason = "it stands in `map_err`")]
fn reason(error: std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "no such file or folder".into(),
        std::io::ErrorKind::PermissionDenied => "permission denied".into(),
        _ => error.to_string(),
    }
}

impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_kept() { "Files(kept)" } else { "Files(disk)" })
    }
}

impl fmt::Debug for Inputs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Inputs({}, {} files)", self.main.display(), self.files.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(inputs: &Inputs, path: &Path) -> Option<Vec<u8>> {
        match inputs.files.get(path)? {
            Content::Bytes(bytes) => Some(bytes.to_vec()),
            Content::Reference(_) => None,
        }
    }

    #[test]
    fn what_was_read_is_remembered_and_read_again_from_there() {
        let folder = tempfile::tempdir().unwrap();
        let page = folder.path().join("page.html");
        std::fs::write(&page, "old").unwrap();
        let files = Files::default();
        assert_eq!(files.bytes(&page, 10).unwrap(), b"old");
        std::fs::write(&page, "new").unwrap();
        assert_eq!(files.bytes(&page, 10).unwrap(), b"old", "one configuration sees a file once");
        let kept = Files::kept(files.inputs(&page));
        assert_eq!(kept.bytes(&page, 10).unwrap(), b"old");
        assert_eq!(kept.renewed(&page, 10).unwrap(), b"new");
        assert!(kept.bytes(&page, 2).unwrap_err().contains("larger"));
        assert_eq!(kept.names(folder.path()).unwrap(), ["page.html"]);
    }

    #[test]
    fn secrets_and_keys_are_kept_by_name_alone() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let (secret, key) = (write("secret", "hush"), write("both.pem", "-----BEGIN EC PRIVATE KEY-----\nx"));
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&secret, &link).unwrap();
        let files = Files::default();
        for path in [&link, &key] {
            files.bytes(path, 100).unwrap();
        }
        assert_eq!(files.private(&secret, 100).unwrap(), b"hush");
        let inputs = files.inputs(&secret);
        assert_eq!(inputs.files.len(), 3);
        for path in [&link, &key, &secret] {
            assert_eq!(bytes(&inputs, path), None, "{}", path.display());
        }
        std::fs::write(&secret, "anew").unwrap();
        assert_eq!(Files::kept(inputs).private(&secret, 100).unwrap(), b"anew");
    }
}
