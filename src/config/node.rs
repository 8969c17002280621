//! What the YAML says, before anybody asks what it means: scalars, lists and tables, each with its exact place.

use std::fmt;

use super::diagnostic::Span;

/// A value with its place.
#[derive(Clone, PartialEq)]
pub struct Node {
    pub span: Span,
    pub value: Value,
    /// Part of it came from the environment: it is never printed.
    pub expanded: bool,
}

/// A value of YAML's core schema.
#[derive(Clone, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    Integer(i64),
    Float(f64),
    String(String),
    List(Vec<Node>),
    Table(Vec<Entry>),
}

/// One line of a table.
#[derive(Clone, PartialEq)]
pub struct Entry {
    pub key: String,
    pub key_span: Span,
    pub value: Node,
}

// === impl Node ===

impl Node {
    /// A node that was not expanded from the environment.
    #[must_use]
    pub fn new(span: Span, value: Value) -> Self {
        Self { span, value, expanded: false }
    }

    /// The entry under `key`, where this is a table that has one.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Entry> {
        match &self.value {
            Value::Table(entries) => entries.iter().find(|entry| entry.key == key),
            _ => None,
        }
    }

    /// Every `{ secret: NAME }` in it.
    pub fn each_secret<'a>(&'a self, see: &mut dyn FnMut(&'a str)) {
        match &self.value {
            Value::Table(entries) => match entries.as_slice() {
                [Entry { key, value: Self { value: Value::String(name), .. }, .. }] if key == "secret" => see(name),
                entries => entries.iter().for_each(|entry| entry.value.each_secret(see)),
            },
            Value::List(items) => items.iter().for_each(|item| item.each_secret(see)),
            _ => {}
        }
    }

    /// Whether it is a table, or nothing at all, which is an empty one.
    #[must_use]
    pub fn is_table(&self) -> bool {
        matches!(self.value, Value::Table(_) | Value::Null)
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match &self.value {
            Value::Null => true,
            Value::List(items) => items.is_empty(),
            Value::Table(entries) => entries.is_empty(),
            _ => false,
        }
    }

    /// What it is, for a message: `a string`, `the number 5`. Says no value that came from the environment.
    #[must_use]
    pub fn describe(&self) -> String {
        match &self.value {
            Value::Null => "nothing".into(),
            Value::Bool(_) | Value::Integer(_) | Value::Float(_) if self.expanded => "an expanded value".into(),
            Value::Bool(value) => format!("`{value}`"),
            Value::Integer(value) => format!("the number {value}"),
            Value::Float(value) => format!("the number {value}"),
            Value::String(_) => "a string".into(),
            Value::List(_) => "a list".into(),
            Value::Table(_) => "a table".into(),
        }
    }

    /// Calls `sink` with every non-empty text that came from the environment.
    pub(super) fn each_expanded<'a>(&'a self, sink: &mut impl FnMut(&'a Self, &'a str)) {
        match &self.value {
            Value::String(text) if self.expanded && !text.is_empty() => sink(self, text),
            Value::List(items) => items.iter().for_each(|item| item.each_expanded(sink)),
            Value::Table(entries) => entries.iter().for_each(|entry| entry.value.each_expanded(sink)),
            _ => {}
        }
    }

    /// Feeds everything but the places to `sink`, in an order that does not depend on how keys were written.
    pub(super) fn digest(&self, sink: &mut impl FnMut(&[u8])) {
        match &self.value {
            Value::Null => sink(b"n"),
            Value::Bool(value) => sink(&[b'b', u8::from(*value)]),
            Value::Integer(value) => {
                sink(b"i");
                sink(&value.to_le_bytes());
            }
            Value::Float(value) => {
                sink(b"f");
                sink(&value.to_bits().to_le_bytes());
            }
            Value::String(value) => {
                sink(b"s");
                sink(&value.len().to_le_bytes());
                sink(value.as_bytes());
            }
            Value::List(items) => {
                sink(b"l");
                sink(&items.len().to_le_bytes());
                items.iter().for_each(|item| item.digest(sink));
            }
            Value::Table(entries) => {
                sink(b"t");
                sink(&entries.len().to_le_bytes());
                let mut sorted: Vec<&Entry> = entries.iter().collect();
                sorted.sort_by(|a, b| a.key.cmp(&b.key));
                for entry in sorted {
                    sink(&entry.key.len().to_le_bytes());
                    sink(entry.key.as_bytes());
                    entry.value.digest(sink);
                }
            }
        }
    }
}

/// As JSON without places; what came from the environment shows as `…`.
impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Value::List(items) => f.debug_list().entries(items).finish(),
            Value::Table(entries) => f.debug_map().entries(entries.iter().map(|e| (&e.key, &e.value))).finish(),
            _ if self.expanded => f.write_str("\"…\""),
            Value::Null => f.write_str("null"),
            Value::Bool(value) => write!(f, "{value}"),
            Value::Integer(value) => write!(f, "{value}"),
            Value::Float(value) => write!(f, "{value:?}"),
            Value::String(value) => write!(f, "{value:?}"),
        }
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:?}", self.key, self.value)
    }
}

/// A text as plain data, without places: for tests and tools. `None` where it is not YAML.
#[doc(hidden)]
#[must_use]
pub fn plain(text: &str, environment: &super::scalar::Environment) -> Option<serde_json::Value> {
    let node = super::yaml::parse(&"text".into(), text, environment).ok()?;
    super::read::read(&node).ok()
}
