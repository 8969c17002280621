//! A generation as history knows it: when, by whom and from what it was made. And how that is written down.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest;
use serde_json::{Map, Value, json};

use crate::config::files::{Content, Inputs};

/// Why a generation was made, and who asked for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    pub what: String,
    /// `None`: nobody that could be told.
    pub by: Option<String>,
}

/// How a generation came to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    pub number: u64,
    pub at: SystemTime,
    pub cause: Cause,
    /// What ran before.
    pub before: Option<Hash>,
    pub hash: Hash,
    /// Whose files it runs: its own number, unless it was rolled back.
    pub origin: u64,
    pub main: PathBuf,
    pub files: BTreeMap<PathBuf, Held>,
}

/// A file of a generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Held {
    Blob {
        hash: Hash,
        bytes: u64,
    },
    /// Kept by reference only, so that its content stays where it is.
    Reference(PathBuf),
}

/// SHA-256 in hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash(Arc<str>);

/// Hexadecimal digits that are shown.
const SHORT: usize = 12;

// === impl Made ===

impl Made {
    /// Bytes of what it keeps.
    pub(super) fn blobs(&self) -> impl Iterator<Item = (&Hash, u64)> {
        self.files.values().filter_map(|held| match held {
            Held::Blob { hash, bytes } => Some((hash, *bytes)),
            Held::Reference(_) => None,
        })
    }

    /// As it is written to the disk.
    pub(super) fn to_json(&self) -> Value {
        let files: Map<String, Value> = self.files.iter().map(|(path, held)| (text(path), held.to_json())).collect();
        json!({
            "generation": self.number,
            "at_ms": millis(self.at),
            "cause": self.cause.what,
            "by": self.cause.by,
            "hash": self.hash.as_str(),
            "before": self.before.as_ref().map(Hash::as_str),
            "origin": self.origin,
            "main": text(&self.main),
            "files": files,
        })
    }

    /// From the disk; `None`: it is none of ours.
    pub(super) fn from_json(value: &Value) -> Option<Self> {
        let word = |key: &str| value.get(key)?.as_str().map(str::to_owned);
        let mut files = BTreeMap::new();
        for (path, held) in value.get("files")?.as_object()? {
            files.insert(PathBuf::from(path), Held::from_json(held)?);
        }
        Some(Self {
            number: value.get("generation")?.as_u64()?,
            at: UNIX_EPOCH + Duration::from_millis(value.get("at_ms")?.as_u64()?),
            cause: Cause { what: word("cause")?, by: word("by") },
            before: word("before").and_then(|hash| Hash::parse(&hash)),
            hash: Hash::parse(&word("hash")?)?,
            origin: value.get("origin")?.as_u64()?,
            main: word("main")?.into(),
            files,
        })
    }
}

/// What becomes of inputs.
pub(super) struct Sealed {
    pub(super) files: BTreeMap<PathBuf, Held>,
    /// Of all of them.
    pub(super) hash: Hash,
    pub(super) blobs: Vec<(Hash, Arc<[u8]>)>,
}

/// Hashes inputs, one by one and all together.
pub(super) fn sealed(inputs: &Inputs) -> Sealed {
    let (mut files, mut blobs) = (BTreeMap::new(), Vec::new());
    let mut all = digest::Context::new(&digest::SHA256);
    all.update(inputs.main.as_os_str().as_encoded_bytes());
    for (path, content) in &inputs.files {
        all.update(b"\0");
        all.update(path.as_os_str().as_encoded_bytes());
        all.update(b"\0");
        let held = match content {
            Content::Bytes(bytes) => {
                let hash = Hash::of(bytes);
                all.update(hash.as_str().as_bytes());
                blobs.push((hash.clone(), bytes.clone()));
                Held::Blob { hash, bytes: bytes.len() as u64 }
            }
            Content::Reference(there) => Held::Reference(there.clone()),
        };
        files.insert(path.clone(), held);
    }
    Sealed { files, hash: Hash::hex(all.finish().as_ref()), blobs }
}

pub(super) fn millis(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// A path as text. What is no UTF-8 is not found again; YAML could not have named it.
fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

// === impl Held ===

impl Held {
    fn to_json(&self) -> Value {
        match self {
            Self::Blob { hash, bytes } => json!({ "sha256": hash.as_str(), "bytes": bytes }),
            Self::Reference(there) => json!({ "reference": text(there) }),
        }
    }

    fn from_json(value: &Value) -> Option<Self> {
        if let Some(there) = value.get("reference") {
            return Some(Self::Reference(there.as_str()?.into()));
        }
        let hash = Hash::parse(value.get("sha256")?.as_str()?)?;
        Some(Self::Blob { hash, bytes: value.get("bytes")?.as_u64()? })
    }
}

// === impl Hash ===

impl Hash {
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self::hex(digest::digest(&digest::SHA256, bytes).as_ref())
    }

    fn hex(bytes: &[u8]) -> Self {
        Self(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into())
    }

    /// 64 digits, and nothing that could lead elsewhere as a file's name.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        (text.len() == 64 && text.bytes().all(digit)).then(|| Self(text.into()))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What people compare.
    #[must_use]
    pub fn short(&self) -> &str {
        self.0.get(..SHORT).unwrap_or(&self.0)
    }
}

// === impl Cause ===

impl Cause {
    #[must_use]
    pub fn of(what: impl Into<String>) -> Self {
        Self { what: what.into(), by: None }
    }

    /// The same, with who asked.
    #[must_use]
    pub fn by(mut self, who: Option<&str>) -> Self {
        self.by = who.map(str::to_owned);
        self
    }
}
