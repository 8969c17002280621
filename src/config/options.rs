//! A policy's options as written: a spanned table that the policy's own file reads into its own type.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error};

use super::diagnostic::{Diagnostic, Span};
use super::node::{Entry, Node, Value};
use super::read::read;

/// What stands below a policy's kind, or in a `with`. `Debug` shows nothing that came from the environment.
#[derive(Clone, PartialEq)]
pub struct Options {
    table: Node,
}

// === impl Options ===

impl Options {
    /// No options, written (or rather not written) at `span`.
    #[must_use]
    pub fn empty(span: Span) -> Self {
        Self { table: Node::new(span, Value::Table(Vec::new())) }
    }

    /// The options that a table holds; nothing at all is an empty table.
    pub(super) fn new(node: Node) -> Self {
        match node.value {
            Value::Null => Self::empty(node.span),
            _ => Self { table: node },
        }
    }

    /// The options of a test.
    #[cfg(test)]
    pub(crate) fn of(node: Node) -> Self {
        Self::new(node)
    }

    /// Reads them into a policy's own type, which denies unknown fields and may use
    /// [`Spanned`](super::spanned::Spanned).
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Diagnostic> {
        read(&self.table)
    }

    /// These with `over` laid on top, key by key, deep where both hold a table. Each value keeps its own place.
    #[must_use]
    pub fn merged(&self, over: &Self) -> Self {
        Self { table: merge(&self.table, &over.table) }
    }

    /// Where they stand.
    #[must_use]
    pub fn span(&self) -> &Span {
        &self.table.span
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        matches!(&self.table.value, Value::Table(entries) if entries.is_empty())
    }

    /// The values with their places.
    #[must_use]
    pub fn node(&self) -> &Node {
        &self.table
    }

    /// The secrets that they name as `{ secret: NAME }`, however deep, each with the place of its name.
    #[must_use]
    pub fn secrets(&self) -> Vec<(&str, &Span)> {
        let named = self.secret_nodes().into_iter();
        named
            .filter_map(|node| if let Value::String(name) = &node.value { Some((&**name, &node.span)) } else { None })
            .collect()
    }

    /// The values of every table whose one key is `secret`.
    pub(super) fn secret_nodes(&self) -> Vec<&Node> {
        let mut named = Vec::new();
        secrets_in(&self.table, &mut named);
        named
    }

    /// A hash of the content alone: equal for equal options, wherever and in whatever order they are written
    /// (FNV-1a, the same in every build and on every machine).
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        self.table.digest(&mut |bytes| {
            for byte in bytes {
                hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
            }
        });
        hash
    }
}

fn secrets_in<'a>(node: &'a Node, named: &mut Vec<&'a Node>) {
    match &node.value {
        Value::Table(entries) => match entries.as_slice() {
            [one] if one.key == "secret" => named.push(&one.value),
            entries => entries.iter().for_each(|entry| secrets_in(&entry.value, named)),
        },
        Value::List(items) => items.iter().for_each(|item| secrets_in(item, named)),
        _ => {}
    }
}

fn merge(base: &Node, over: &Node) -> Node {
    let (Value::Table(below), Value::Table(above)) = (&base.value, &over.value) else { return over.clone() };
    let mut entries: Vec<Entry> = below.clone();
    for entry in above {
        match entries.iter_mut().find(|known| known.key == entry.key) {
            Some(known) => {
                known.value = merge(&known.value, &entry.value);
                known.key_span = entry.key_span.clone();
            }
            None => entries.push(entry.clone()),
        }
    }
    let span = if above.is_empty() { &base.span } else { &over.span };
    Node::new(span.clone(), Value::Table(entries))
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.table.fmt(f)
    }
}

impl<'de> Deserialize<'de> for Options {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let node = Node::deserialize(deserializer)?;
        match node.value {
            Value::Null | Value::Table(_) => Ok(Self::new(node)),
            _ => Err(D::Error::custom(format!("options are a table, found {}", node.describe()))),
        }
    }
}

impl JsonSchema for Options {
    fn schema_name() -> Cow<'static, str> {
        "Options".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["object", "null"], "description": "The policy's own options." })
    }
}
