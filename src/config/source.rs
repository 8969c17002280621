//! The files: the main one, what it includes, and their texts, kept for diagnostics.
//!
//! Reading happens off the workers, so plain blocking reads are right here. Nothing fails: what cannot be read or
//! parsed is a diagnostic that [`check`](super::check::check) hands on with its own.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::codes;
use super::diagnostic::{Diagnostic, Span};
use super::files::{Files, Inputs};
use super::node::{Node, Value};
use super::scalar::Environment;
use super::yaml;
use crate::limits;

/// Everything that was read, in the order it was read: the main file first.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    files: Vec<SourceFile>,
    found: Vec<Diagnostic>,
    inputs: Vec<PathBuf>,
    environment: Environment,
    reading: Files,
    main: PathBuf,
}

/// One file (or text) and what it says.
#[derive(Debug, Clone)]
pub struct SourceFile {
    /// As named on the command line or by the include.
    pub name: Arc<str>,
    /// As read.
    pub text: String,
    /// Relative paths inside it start here.
    pub folder: PathBuf,
    /// `None` where it could not be parsed.
    pub(super) node: Option<Node>,
}

struct Loader {
    sources: Sources,
}

// === impl Sources ===

impl Sources {
    /// Reads the main file and what it includes, with the process's environment.
    #[must_use]
    pub fn load(path: &Path) -> Self {
        Self::load_with(path, Environment::process())
    }

    /// As [`load`](Self::load), with an environment of the caller's.
    #[must_use]
    pub fn load_with(path: &Path, environment: Environment) -> Self {
        Self::load_from(path, environment, Files::default())
    }

    /// As [`load_with`](Self::load_with), from somewhere else than the disk.
    #[must_use]
    pub fn load_from(path: &Path, environment: Environment, reading: Files) -> Self {
        let mut loader = Loader { sources: Self { environment, reading, main: path.into(), ..Self::default() } };
        loader.file(path, None, 0);
        loader.sources
    }

    /// A text instead of a file: for the demo, for `proxy`, for tests. Relative paths start at the working directory.
    #[must_use]
    pub fn from_text(name: &str, text: &str) -> Self {
        Self::from_text_with(name, text, Environment::process())
    }

    /// As [`from_text`](Self::from_text), with an environment of the caller's.
    #[must_use]
    pub fn from_text_with(name: &str, text: &str, environment: Environment) -> Self {
        let mut loader = Loader { sources: Self { environment, main: name.into(), ..Self::default() } };
        loader.sources.reading.remember(Path::new(name), text.as_bytes());
        loader.text(name.into(), text.to_owned(), PathBuf::new(), 0);
        loader.sources
    }

    /// Adds a text that diagnostics may point into: a script, for instance. It is no part of the configuration.
    pub fn remember(&mut self, name: &str, text: String) {
        if self.find(name).is_none() {
            self.files.push(SourceFile { name: name.into(), text, folder: PathBuf::new(), node: None });
        }
    }

    /// The file of that name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&SourceFile> {
        self.files.iter().find(|file| &*file.name == name)
    }

    /// Every file that took part so far, and each folder that an include looks into: what to watch, even where the
    /// configuration is no good.
    #[must_use]
    pub fn inputs(&self) -> &[PathBuf] {
        &self.inputs
    }

    /// Where every file of the configuration is read.
    #[must_use]
    pub fn reading(&self) -> &Files {
        &self.reading
    }

    /// Everything that was read so far, as it was.
    #[must_use]
    pub fn kept(&self) -> Inputs {
        self.reading.inputs(&self.main)
    }

    /// What reading and parsing found.
    #[must_use]
    pub fn found(&self) -> &[Diagnostic] {
        &self.found
    }

    /// Where `env:` secrets look.
    pub(super) fn environment(&self) -> &Environment {
        &self.environment
    }

    pub(super) fn files(&self) -> &[SourceFile] {
        &self.files
    }

    /// A path as written at `span`: relative ones start at the folder of the file that names them.
    pub(super) fn resolve(&self, span: &Span, path: &str) -> PathBuf {
        self.find(&span.file).map_or_else(|| PathBuf::from(path), |file| file.folder.join(path))
    }
}

// === impl Loader ===

impl Loader {
    /// Reads a file, asked for at `from` (the main file by nobody).
    fn file(&mut self, path: &Path, from: Option<&Span>, depth: usize) {
        let name = path.display().to_string();
        self.sources.inputs.push(path.to_owned());
        let text = match self.sources.reading.text(path, limits::CONFIG_BYTES_MAX) {
            Ok(text) => text,
            Err(why) => {
                let mut unreadable = Diagnostic::error(codes::UNREADABLE, format!("cannot read `{name}`: {why}"));
                unreadable.labels.extend(
                    from.map(|span| super::diagnostic::Label { span: span.clone(), text: "included here".into() }),
                );
                self.sources.found.push(unreadable);
                return;
            }
        };
        let folder = path.parent().map(Path::to_owned).unwrap_or_default();
        self.text(name.into(), text, folder, depth);
    }

    fn text(&mut self, name: Arc<str>, text: String, folder: PathBuf, depth: usize) {
        let node = match yaml::parse(&name, &text, &self.sources.environment) {
            Ok(node) => Some(node),
            Err(found) => {
                self.sources.found.extend(found);
                None
            }
        };
        let include = node.as_ref().and_then(|node| node.get("include")).map(|entry| entry.value.clone());
        self.sources.files.push(SourceFile { name, text, folder: folder.clone(), node });
        if let Some(include) = include {
            self.include(&include, &folder, depth + 1);
        }
    }

    fn include(&mut self, include: &Node, folder: &Path, depth: usize) {
        let patterns: &[Node] = match &include.value {
            Value::List(patterns) => patterns,
            Value::Null => &[],
            _ => std::slice::from_ref(include),
        };
        if depth > limits::CONFIG_INCLUDE_DEPTH_MAX {
            let message = format!("includes nested deeper than {} files", limits::CONFIG_INCLUDE_DEPTH_MAX);
            self.sources.found.push(Diagnostic::error(codes::TOO_LARGE, message).at(&include.span, ""));
            return;
        }
        for pattern in patterns {
            let Value::String(text) = &pattern.value else {
                let message = format!("expected a file name or pattern, found {}", pattern.describe());
                self.sources.found.push(Diagnostic::error(codes::WRONG_SHAPE, message).at(&pattern.span, ""));
                continue;
            };
            match self.expand(&folder.join(text)) {
                Ok(paths) => paths.iter().for_each(|path| self.included(path, &pattern.span, depth)),
                Err(why) => {
                    let message = format!("cannot include `{text}`: {why}");
                    self.sources.found.push(Diagnostic::error(codes::UNREADABLE, message).at(&pattern.span, ""));
                }
            }
        }
    }

    fn included(&mut self, path: &Path, span: &Span, depth: usize) {
        if self.sources.inputs.iter().any(|known| known == path) {
            let message = format!("`{}` is included twice", path.display());
            let twice = Diagnostic::error(codes::DEFINED_TWICE, message).at(span, "second time");
            self.sources.found.push(twice.help("each file takes part once; patterns must not overlap or come back"));
        } else if self.sources.files.len() >= limits::CONFIG_FILES_MAX {
            let message = format!("more than {} files", limits::CONFIG_FILES_MAX);
            let many = Diagnostic::error(codes::TOO_LARGE, message).at(span, "");
            if !self.sources.found.iter().any(|known| known.message == many.message) {
                self.sources.found.push(many);
            }
        } else {
            self.file(path, Some(span), depth);
        }
    }

    /// The files that a path stands for: itself, or all that match the `*` and `?` of its last part, sorted. Hidden
    /// files match only a pattern that begins with a dot.
    fn expand(&mut self, pattern: &Path) -> Result<Vec<PathBuf>, String> {
        let wild = |text: &str| text.contains(['*', '?']);
        let last = pattern.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let folder = pattern.parent().unwrap_or(Path::new(""));
        if wild(&folder.to_string_lossy()) {
            return Err("`*` and `?` may stand only in the last part of a path".into());
        }
        if !wild(last) {
            return Ok(vec![pattern.to_owned()]);
        }
        let open = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        self.sources.inputs.push(open.to_owned());
        let mut paths = Vec::new();
        for name in self.sources.reading.names(open)? {
            let hidden = name.starts_with('.') && !last.starts_with('.');
            if !hidden && matches(last.as_bytes(), name.as_bytes()) {
                paths.push(folder.join(name));
            }
        }
        paths.sort();
        Ok(paths)
    }
}

/// Whether a name matches a pattern of `*` and `?`, in linear time per star.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(&byte) if byte == b'?' || byte == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match star {
                Some((at, taken)) => {
                    star = Some((at, taken + 1));
                    p = at + 1;
                    n = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern.get(p..).is_some_and(|rest| rest.iter().all(|byte| *byte == b'*'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_names() {
        for (pattern, name, expected) in [
            ("*.yaml", "a.yaml", true),
            ("*.yaml", "a.yml", false),
            ("a?c*", "abcdef", true),
            ("*a*b", "xxaxxb", true),
            ("*a*b", "xxbxxa", false),
            ("", "", true),
        ] {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn a_file_that_includes_itself_ends() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.yaml");
        std::fs::write(&path, "include: [\"*.yaml\"]\n").unwrap();
        let sources = Sources::load(&path);
        assert_eq!(sources.found().len(), 1);
        assert!(sources.found()[0].message.contains("included twice"), "{:?}", sources.found());
    }

    #[test]
    fn a_missing_main_file_is_a_diagnostic_without_a_place() {
        let sources = Sources::load(Path::new("/nowhere/gatewright.yaml"));
        assert_eq!(sources.found()[0].message, "cannot read `/nowhere/gatewright.yaml`: no such file or folder");
        assert_eq!(sources.found()[0].span(), None);
    }
}
