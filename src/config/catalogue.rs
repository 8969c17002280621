//! Which kinds of policy there are. `config` asks; `policy` answers, for a kind's options stand in the policy's file.

use super::diagnostic::Diagnostic;
use super::options::Options;

/// Where a policy has something to say, because one of its hooks can occur there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Places {
    /// In the `use` of the file.
    pub file: bool,
    /// In the `use` of a listener.
    pub listener: bool,
    /// In the `use` of a route.
    pub route: bool,
    /// In the `use` of an upstream, or as its `balance`.
    pub upstream: bool,
    /// It always answers, so a route may do without `to`.
    pub answers: bool,
}

/// The kinds of policy that this build knows.
pub trait Catalogue {
    /// Every kind that a policy may be of.
    fn kinds(&self) -> Vec<&'static str>;

    /// Whether a kind is designed but not built yet.
    fn later(&self, kind: &str) -> bool;

    /// Checks a policy's options and says where it may stand with them.
    fn check(&self, kind: &str, options: &Options) -> Result<Places, Vec<Diagnostic>>;

    /// The JSON Schema of each kind's options.
    fn option_schemas(&self) -> Vec<(&'static str, serde_json::Value)>;
}

// === impl Places ===

impl Places {
    /// In any exchange's chain: file, listener and route.
    pub const EXCHANGE: Self = Self { file: true, listener: true, route: true, upstream: false, answers: false };
    /// In every `use`.
    pub const EVERYWHERE: Self = Self { file: true, listener: true, route: true, upstream: true, answers: false };
    /// As an upstream's only.
    pub const UPSTREAM: Self = Self { file: false, listener: false, route: false, upstream: true, answers: false };
}
