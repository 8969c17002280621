//! Dictionaries and tables: sizes, and files read into memory.

use std::sync::Arc;

use super::super::codes;
use super::super::diagnostic::Diagnostic;
use super::super::document::TableKind;
use super::Check;
use crate::limits::{DICTIONARY_BYTES, DICTIONARY_BYTES_MIN, TABLE_BYTES_MAX};
use crate::share::table::{Kind, Table};

// === impl Check ===

impl Check<'_> {
    pub(super) fn dictionaries(&mut self) {
        for (name, written) in &self.document.dictionaries.0 {
            let size = written.size.as_ref().map_or(DICTIONARY_BYTES, |size| size.value.0);
            if let Some(small) = written.size.as_ref().filter(|size| size.value.0 < DICTIONARY_BYTES_MIN) {
                let help =
                    format!("at least {} KiB, or leave the key out for the default", DICTIONARY_BYTES_MIN / 1024);
                self.bad_value(&small.span, "a dictionary of this size holds next to nothing", &help);
            }
            self.plan.dictionaries.push((name.value.clone(), size));
        }
    }

    pub(super) fn tables(&mut self) {
        for (name, written) in &self.document.tables.0 {
            let path = self.path(&written.file);
            self.plan.inputs.push(path.clone());
            let shown = path.display();
            let kind = match written.kind {
                TableKind::Csv => Kind::Csv,
                TableKind::Cidr => Kind::Cidr,
                TableKind::Json => Kind::Json,
            };
            let content = match self.sources.reading().bytes(&path, TABLE_BYTES_MAX) {
                Ok(content) => content,
                Err(why) => {
                    let unreadable = format!("cannot read the table `{shown}`: {why}");
                    let help = "paths are relative to the file that names them";
                    self.report(Diagnostic::error(codes::UNREADABLE, unreadable).at(&written.file.span, "").help(help));
                    continue;
                }
            };
            match Table::parse(kind, &content) {
                Ok(table) => self.plan.tables.push((name.value.clone(), Arc::new(table))),
                Err(bad) => {
                    let place = bad.line.map_or_else(|| shown.to_string(), |line| format!("{shown}:{line}"));
                    let found = Diagnostic::error(codes::BAD_TABLE, format!("{place}: {}", bad.what));
                    self.report(found.at(&written.file.span, format!("read as `{}`", kind.label())));
                }
            }
        }
    }
}
