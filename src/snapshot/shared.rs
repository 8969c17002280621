//! The dictionaries and tables of a snapshot, by name: what a recipe of a script resolves its grants with.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::plan::Plan;
use crate::share::dictionary::{Dictionaries, Dictionary};
use crate::share::table::Table;

/// What the policies of a snapshot may share and look up. A dictionary lives as long as a snapshot holds it.
#[derive(Debug, Default, Clone)]
pub struct Shared {
    pub dictionaries: BTreeMap<Arc<str>, Arc<Dictionary>>,
    pub tables: BTreeMap<Arc<str>, Arc<Table>>,
}

// === impl Shared ===

impl Shared {
    /// Opens what the plan names. Those that another snapshot uses are the same ones, in their old size for now.
    #[must_use]
    pub fn open(plan: &Plan, known: &Dictionaries) -> Self {
        let opened = |(name, size): &(String, usize)| (Arc::from(name.as_str()), known.open(name, *size));
        Self {
            dictionaries: plan.dictionaries.iter().map(opened).collect(),
            tables: plan.tables.iter().map(|(name, table)| (Arc::from(name.as_str()), table.clone())).collect(),
        }
    }

    /// Gives each dictionary the size that the plan says. Done at the commit: a refused reload takes nothing away.
    pub fn resize(&self, plan: &Plan) {
        for (name, size) in &plan.dictionaries {
            if let Some(dictionary) = self.dictionaries.get(name.as_str()) {
                dictionary.resize(*size);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(dictionaries: &[(&str, usize)]) -> Plan {
        let dictionaries = dictionaries.iter().map(|(name, size)| ((*name).to_owned(), *size)).collect();
        Plan { dictionaries, ..Plan::default() }
    }

    #[test]
    fn what_two_snapshots_name_is_the_same_and_the_rest_goes() {
        let known = Dictionaries::new();
        let (one, two) = (plan(&[("a", 1 << 20), ("b", 1 << 20)]), plan(&[("a", 2 << 20)]));
        let first = Shared::open(&one, &known);
        first.dictionaries["a"].set(b"key", "kept".into(), None).unwrap();
        let second = Shared::open(&two, &known);
        assert_eq!(second.dictionaries["a"].size(), 1 << 20, "nothing is resized before the commit");
        second.resize(&two);
        drop(first);
        assert_eq!(known.living().len(), 1);
        assert_eq!(second.dictionaries["a"].size(), 2 << 20);
        assert_eq!(second.dictionaries["a"].get(b"key"), Some("kept".into()));
    }
}
