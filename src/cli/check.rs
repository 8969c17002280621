//! `gatewright check`: everything short of binding. The file is read and checked, its policies are compiled.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use super::exit::Exit;
use super::{ReportFormat, grants};
use crate::config::check::check;
use crate::config::diagnostic::Diagnostic;
use crate::config::render::{render_all, render_github, render_json};
use crate::config::source::Sources;
use crate::policy::catalogue::BuiltIns;
use crate::snapshot::Snapshot;
use crate::snapshot::compile::{Ids, compile};
use crate::upstream::directory::Directory;

/// A file with all that was found in it, and what it means if nothing is wrong.
pub struct Checked {
    pub sources: Sources,
    pub found: Vec<Diagnostic>,
    pub snapshot: Option<Arc<Snapshot>>,
}

/// Reads, checks and compiles a file.
#[must_use]
pub fn load(path: &Path) -> Checked {
    let mut sources = Sources::load(path);
    let (plan, mut found) = match check(&mut sources, &BuiltIns) {
        Ok((plan, warnings)) => (Some(plan), warnings),
        Err(found) => (None, found),
    };
    let compiled = plan.map(|plan| compile(Arc::new(plan), 1, &mut Ids::new(Directory::new())));
    let snapshot = match compiled {
        Some(Ok(snapshot)) => Some(snapshot),
        Some(Err(mut mistakes)) => {
            found.append(&mut mistakes);
            None
        }
        None => None,
    };
    Checked { sources, found, snapshot }
}

/// Prints what was found in `path`, and what its scripts may reach if that is asked; errors make it a failed check.
pub fn run(path: &Path, format: ReportFormat, show_grants: bool, out: &mut dyn Write) -> io::Result<Exit> {
    let Checked { sources, mut found, mut snapshot } = load(path);
    let scripts = snapshot.as_ref().map(|snapshot| snapshot.plan.scripts()).unwrap_or_default();
    let types = crate::lua::check_scripts(&scripts);
    if types.iter().any(Diagnostic::is_error) {
        snapshot = None;
    }
    found.extend(types);
    let text = match format {
        ReportFormat::Text => render_all(&found, &sources, false),
        ReportFormat::Json => render_json(&found, &sources),
        ReportFormat::Github => render_github(&found, &sources),
    };
    out.write_all(text.as_bytes())?;
    let Some(snapshot) = snapshot else { return Ok(Exit::Invalid) };
    if format == ReportFormat::Text {
        let plan = &snapshot.plan;
        let (listeners, routes, upstreams) = (plan.listeners.len(), plan.routes.len(), plan.upstreams.len());
        let counted = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
        let (listeners, routes) = (counted(listeners, "listener"), counted(routes, "route"));
        writeln!(out, "{} is valid: {listeners}, {routes}, {}", path.display(), counted(upstreams, "upstream"))?;
    }
    if show_grants {
        grants::print(&snapshot.plan, &sources, out)?;
    }
    Ok(Exit::Ok)
}
