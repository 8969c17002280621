//! What a policy reaches beyond its exchange and its upstreams: dictionaries, tables, metrics. Resolved when its script is
//! compiled, so that a call looks up a name among its own few.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::raw::Raise;
use crate::config::plan;
use crate::limits::POLICY_DICTIONARY_BYTES;
use crate::observe::scripted::Scripted;
use crate::share::dictionary::{Dictionaries, Dictionary};
use crate::share::table::Table;

/// What there is, of which policies are granted their part.
pub struct Shelf<'a> {
    pub secrets: &'a super::Secrets,
    pub dictionaries: &'a BTreeMap<Arc<str>, Arc<Dictionary>>,
    pub tables: &'a BTreeMap<Arc<str>, Arc<Table>>,
    /// Where policies' own dictionaries are opened.
    pub registry: &'a Dictionaries,
    pub scripted: &'a Arc<Scripted>,
}

/// One policy's part.
pub(super) struct Reached {
    /// Its own dictionary, which outlives it while a policy of its name lives.
    own: Arc<Dictionary>,
    dictionaries: BTreeMap<Arc<str>, Arc<Dictionary>>,
    tables: BTreeMap<Arc<str>, Arc<Table>>,
    pub(super) scripted: Arc<Scripted>,
}

// === impl Reached ===

impl Reached {
    pub(super) fn new(policy: &str, grants: &plan::Grants, shelf: &Shelf<'_>) -> Self {
        let (dictionaries, tables) = (&grants.dictionaries, &grants.tables);
        Self {
            // A space: no dictionary of the file has such a name.
            own: shelf.registry.open(&format!("policy {policy}"), POLICY_DICTIONARY_BYTES),
            dictionaries: granted(dictionaries, shelf.dictionaries),
            tables: granted(tables, shelf.tables),
            scripted: shelf.scripted.clone(),
        }
    }

    /// What makes a program another one: other tables, or dictionaries that are not the same ones.
    pub(super) fn tell(&self, part: &mut dyn FnMut(&[u8])) {
        for (name, table) in &self.tables {
            part(name.as_bytes());
            part(&table.fingerprint().to_le_bytes());
        }
        for dictionary in self.dictionaries.values().chain([&self.own]) {
            part(dictionary.name().as_bytes());
            part(&(Arc::as_ptr(dictionary) as usize).to_le_bytes());
        }
    }

    /// A dictionary by name; without one its own.
    pub(super) fn dictionary(&self, name: Option<&str>) -> Result<Arc<Dictionary>, Raise> {
        match name {
            None => Ok(self.own.clone()),
            Some(name) => {
                self.dictionaries.get(name).cloned().ok_or_else(|| refused("dictionary", "dictionaries", name))
            }
        }
    }

    pub(super) fn table(&self, name: &str) -> Result<Arc<Table>, Raise> {
        self.tables.get(name).cloned().ok_or_else(|| refused("table", "tables", name))
    }
}

fn granted<T: Clone>(names: &[Arc<str>], all: &BTreeMap<Arc<str>, T>) -> BTreeMap<Arc<str>, T> {
    names.iter().filter_map(|name| Some((name.clone(), all.get(name)?.clone()))).collect()
}

fn refused(what: &str, key: &str, name: &str) -> Raise {
    Raise(format!("the policy may not reach the {what} `{name}`: grant it by `may: {{ {key}: [{name}] }}`"))
}
