//! Failure pages: which status, which file, and its content.

use std::sync::Arc;

use super::super::codes;
use super::super::diagnostic::{Diagnostic, Span};
use super::super::document::Pages;
use super::super::plan::{FailurePage, StatusPattern};
use super::Check;
use crate::limits;

// === impl Check ===

impl Check<'_> {
    pub(super) fn pages(&mut self, written: &Pages) -> Vec<FailurePage> {
        let mut pages = Vec::new();
        let mut seen: Vec<(StatusPattern, &Span)> = Vec::new();
        for (key, file) in &written.0 {
            let Some(status) = status(&key.value) else {
                let message = format!("`{}` is not a status that fails", key.value);
                self.bad_value(&key.span, message, "as in `404`, or `5xx` for all of a class (`4xx` and `5xx`)");
                continue;
            };
            if let Some((_, first)) = seen.iter().find(|(known, _)| *known == status) {
                let twice = Diagnostic::error(codes::DEFINED_TWICE, format!("`{}` has two pages", key.value));
                self.report(twice.at(&key.span, "second time").at(first, "first time").help("keep one of them"));
                continue;
            }
            seen.push((status, &key.span));
            let path = self.path(file);
            self.plan.inputs.push(path.clone());
            match self.sources.reading().text(&path, limits::FAILURE_PAGE_BYTES_MAX) {
                Ok(body) => pages.push(FailurePage { status, file: path, body: Arc::from(body) }),
                Err(why) => {
                    let unreadable = format!("cannot read the page `{}`: {why}", path.display());
                    let help = "paths are relative to the file that names them";
                    self.report(Diagnostic::error(codes::UNREADABLE, unreadable).at(&file.span, "").help(help));
                }
            }
        }
        pages
    }
}

fn status(text: &str) -> Option<StatusPattern> {
    match text {
        "4xx" => Some(StatusPattern::Class(4)),
        "5xx" => Some(StatusPattern::Class(5)),
        _ if text.len() == 3 => {
            text.parse().ok().filter(|status| (400..=599).contains(status)).map(StatusPattern::Exact)
        }
        _ => None,
    }
}
