//! TLS: with clients (`server`), with origins (`upstream`), and what passes between the two (`through`).

mod server;
mod through;
mod upstream;

use std::path::Path;

use tempfile::TempDir;

use crate::harness::tls::{Authority, Issued};

/// A folder of certificates and an authority for them.
pub struct Folder {
    dir: TempDir,
    pub ca: Authority,
}

impl Folder {
    pub fn new() -> Folder {
        Folder { dir: tempfile::tempdir().unwrap(), ca: Authority::new("test authority") }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Writes a pair and says how a configuration names it.
    pub fn put(&self, name: &str, issued: &Issued) -> String {
        format!("{{ {} }}", issued.put(self.path(), name))
    }

    pub fn write(&self, name: &str, content: &str) -> String {
        let path = self.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    }
}
