//! Lua policies: Luau, one VM per policy and worker, entered by its C API.
//!
//! A script's texts become a `compile::Program`, shared by all workers; a `policy::LuaPolicy` is that program alive on one
//! of them, in a `vm::Vm`. What scripts may touch is declared in `hook/surface` and bound in `bind/`. All `unsafe` is in
//! `raw/`, but for the string hash that Luau calls.

pub mod author;
mod bind;
#[cfg(feature = "types")]
mod checking;
mod compile;
mod definitions;
mod envoy;
mod hash;
#[cfg(test)]
mod library_tests;
mod life;
mod options;
mod policy;
mod raw;
mod reached;
mod sandbox;
#[cfg(test)]
mod tests;
mod vm;

use std::rc::Rc;
use std::sync::Arc;

use crate::config::diagnostic::Diagnostic;
use crate::config::plan;
use crate::failure::Failure;
use crate::hook::{HookSet, Policy, Recipe, WorkerParts};

#[cfg(feature = "types")]
pub use checking::check_scripts;
pub use definitions::definitions;
pub use options::Secrets;
pub use reached::Shelf;

use compile::Program;

/// A compiled script.
struct Script(Arc<Program>);

/// Without the type checker nothing is found.
#[cfg(not(feature = "types"))]
#[must_use]
pub fn check_scripts(_: &[Arc<plan::Script>]) -> Vec<Diagnostic> {
    Vec::new()
}

/// Compiles a script; what is wrong with it, all together.
pub fn recipe(written: &plan::Program, shelf: &Shelf<'_>) -> Result<(Arc<dyn Recipe>, HookSet), Vec<Diagnostic>> {
    let program = compile::compile(written, shelf)?;
    let hooks = program.hooks;
    Ok((Arc::new(Script(program)), hooks))
}

impl Recipe for Script {
    fn instantiate(&self, worker: &WorkerParts) -> Result<Rc<dyn Policy>, Diagnostic> {
        Ok(life::settle(&self.0, worker).map_err(|failure| self.0.diagnostic(&failure))?)
    }

    fn diagnostic(&self, failure: &Failure) -> Option<Diagnostic> {
        Some(self.0.diagnostic(failure))
    }
}
