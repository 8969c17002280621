//! Nodes into one document: every file is read, entry by entry, and merged.

use serde::de::DeserializeOwned;

use super::codes;
use super::diagnostic::{Diagnostic, Span};
use super::document::{Document, Noun, Pages};
use super::node::{Entry, Node, Value};
use super::read::{read, read_entry};
use super::similar::nearest;
use super::source::Sources;
use super::spanned::{Entries, Spanned};

/// Every key a document may have.
const KEYS: &[&str] = &[
    "version",
    "include",
    "workers",
    "access_log",
    "admin",
    "state_dir",
    "use",
    "resolve",
    "listeners",
    "upstreams",
    "secrets",
    "dictionaries",
    "tables",
    "policies",
    "defaults",
    "routes",
    "failure_pages",
];

// === impl Document ===

impl Document {
    /// Reads and merges every file. What cannot be read is left out and reported.
    #[must_use]
    pub fn read(sources: &Sources) -> (Self, Vec<Diagnostic>) {
        let mut document = Self::default();
        let mut found = Vec::new();
        for (index, node) in sources.files().iter().filter_map(|file| file.node.as_ref()).enumerate() {
            document.file(node, index == 0, &mut found);
        }
        (document, found)
    }

    fn file(&mut self, node: &Node, main: bool, found: &mut Vec<Diagnostic>) {
        let entries = match &node.value {
            Value::Table(entries) => entries.as_slice(),
            Value::Null => &[],
            _ => {
                let message = format!("expected a table of keys, found {}", node.describe());
                found.push(Diagnostic::error(codes::WRONG_SHAPE, message).at(&node.span, ""));
                return;
            }
        };
        if main && node.get("version").is_none() {
            let missing = Diagnostic::error(codes::MISSING_KEY, "`version` is missing").at(&node.span, "");
            found.push(missing.help("begin the file with `version: 1`"));
        }
        for entry in entries {
            self.entry(entry, found);
        }
    }

    fn entry(&mut self, entry: &Entry, found: &mut Vec<Diagnostic>) {
        let declared = &mut self.declared;
        match entry.key.as_str() {
            "version" => version(entry, found),
            "include" => self.include = keep(read_entry(entry), found),
            "workers" => single(&mut self.workers, entry, found),
            "access_log" => single(&mut self.access_log, entry, found),
            "admin" => single(&mut self.admin, entry, found),
            "state_dir" => single(&mut self.state_dir, entry, found),
            "defaults" => single(&mut self.defaults, entry, found),
            "resolve" => single(&mut self.resolve, entry, found),
            "use" => list(&mut self.uses, entry, found),
            "routes" => list(&mut self.routes, entry, found),
            "listeners" => names(&mut self.listeners, Noun::Listener, declared, entry, found),
            "upstreams" => names(&mut self.upstreams, Noun::Upstream, declared, entry, found),
            "policies" => names(&mut self.policies, Noun::Policy, declared, entry, found),
            "secrets" => names(&mut self.secrets, Noun::Secret, declared, entry, found),
            "dictionaries" => names(&mut self.dictionaries, Noun::Dictionary, declared, entry, found),
            "tables" => names(&mut self.tables, Noun::Table, declared, entry, found),
            "failure_pages" => {
                let pages: Option<Pages> = keep(read_entry(entry), found);
                self.failure_pages.0.extend(pages.into_iter().flat_map(|pages| pages.0));
            }
            key => found.push(unknown(key, entry)),
        }
    }

    /// Where a name was written, in whatever state its definition is.
    pub(super) fn declared(&self, noun: Noun, name: &str) -> Option<&Spanned<String>> {
        self.declared.iter().find(|(kind, known)| *kind == noun && known.value == name).map(|(_, known)| known)
    }

    /// All names of that table.
    pub(super) fn declarations(&self, noun: Noun) -> impl Iterator<Item = &str> {
        self.declared.iter().filter(move |(kind, _)| *kind == noun).map(|(_, known)| known.value.as_str())
    }
}

fn unknown(key: &str, entry: &Entry) -> Diagnostic {
    let near = nearest(key, KEYS.iter().copied());
    let label = near.map_or_else(|| "unknown key".to_owned(), |near| format!("did you mean `{near}`?"));
    Diagnostic::error(codes::UNKNOWN_KEY, format!("there is no key `{key}` here"))
        .at(&entry.key_span, label)
        .help(format!("known here: {}", KEYS.join(", ")))
}

fn version(entry: &Entry, found: &mut Vec<Diagnostic>) {
    match entry.value.value {
        Value::Integer(1) => {}
        _ => found.push(
            Diagnostic::error(codes::BAD_VALUE, "this is not a version of the file format that is known here")
                .at(&entry.value.span, "expected 1"),
        ),
    }
}

fn keep<T>(read: Result<T, Diagnostic>, found: &mut Vec<Diagnostic>) -> Option<T> {
    read.map_err(|diagnostic| found.push(diagnostic)).ok()
}

/// A key that one file alone may set. Its place is the key's.
fn single<T: DeserializeOwned>(slot: &mut Option<Spanned<T>>, entry: &Entry, found: &mut Vec<Diagnostic>) {
    if let Some(first) = slot {
        found.push(twice(&format!("`{}` is set", entry.key), &entry.key_span, &first.span));
    } else if let Some(value) = keep(read_entry(entry), found) {
        *slot = Some(Spanned { span: entry.key_span.clone(), value });
    }
}

/// A list whose items are read one by one; those of several files follow each other.
fn list<T: DeserializeOwned>(items: &mut Vec<Spanned<T>>, entry: &Entry, found: &mut Vec<Diagnostic>) {
    match &entry.value.value {
        Value::Null => {}
        Value::List(nodes) => items.extend(nodes.iter().filter_map(|node| keep(read(node), found))),
        _ => {
            let message = format!("expected a list, found {}", entry.value.describe());
            let wrong = Diagnostic::error(codes::WRONG_SHAPE, message).at(&entry.value.span, "");
            found.push(wrong.help("each item begins with a dash"));
        }
    }
}

/// A table whose entries are read one by one; a name may stand in one file only.
fn names<T: DeserializeOwned>(
    slot: &mut Entries<T>,
    noun: Noun,
    declared: &mut Vec<(Noun, Spanned<String>)>,
    entry: &Entry,
    found: &mut Vec<Diagnostic>,
) {
    let entries = match &entry.value.value {
        Value::Table(entries) => entries.as_slice(),
        Value::Null => &[],
        _ => {
            let message = format!("expected a table of names, found {}", entry.value.describe());
            found.push(Diagnostic::error(codes::WRONG_SHAPE, message).at(&entry.value.span, ""));
            return;
        }
    };
    for entry in entries {
        let name = Spanned { span: entry.key_span.clone(), value: entry.key.clone() };
        if let Some((_, first)) = declared.iter().find(|(kind, known)| *kind == noun && known.value == name.value) {
            found.push(twice(&format!("`{}` is defined", name.value), &name.span, &first.span));
            continue;
        }
        if !good_name(&name.value) {
            let bad = Diagnostic::error(codes::BAD_VALUE, format!("`{}` is not a name", name.value));
            found
                .push(bad.at(&name.span, "").help("a name has letters, digits, `-`, `_` and `.`, at most 128 of them"));
        }
        declared.push((noun, name.clone()));
        if let Some(value) = keep(read_entry(entry), found) {
            slot.0.push((name, value));
        }
    }
}

fn twice(what: &str, second: &Span, first: &Span) -> Diagnostic {
    Diagnostic::error(codes::DEFINED_TWICE, format!("{what} twice"))
        .at(second, "second time")
        .at(first, "first time")
        .help("keep one of them")
}

/// Names appear in logs, metrics and commands: no spaces, no surprises.
pub(super) fn good_name(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    !name.is_empty() && name.len() <= 128 && name.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_knows_the_keys_that_are_read() {
        let schema = schemars::schema_for!(Document);
        let properties = schema.get("properties").and_then(|p| p.as_object()).unwrap();
        let mut known: Vec<&str> = properties.keys().map(String::as_str).collect();
        let mut keys = KEYS.to_vec();
        known.sort_unstable();
        keys.sort_unstable();
        assert_eq!(known, keys);
    }
}
