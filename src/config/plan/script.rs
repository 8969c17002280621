//! What a plan says of policies that people write: their sources, limits, grants and what becomes of their failures.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::config::diagnostic::Span;
use crate::config::options::Options;
use crate::limits;

/// A Lua policy's sources, read.
#[derive(Debug, Clone)]
pub struct Script {
    /// The policy's name in `policies:`.
    pub policy: Arc<str>,
    pub main: Source,
    /// Everything it requires, and what that requires: by the name in `require("…")`. `a.b` and `a/b` are two names of
    /// one text.
    pub modules: Vec<(Arc<str>, Source)>,
    /// Where the policy is written.
    pub span: Span,
}

/// One text of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// As errors and logs call it: the file's path as it is opened, by which [`Sources`](crate::config::source::Sources)
    /// knows the text too, so that a span in it shows its excerpt; or `NAME (inline)`, which they do not know.
    pub name: Arc<str>,
    pub text: Arc<str>,
    /// `None`: it stands in the YAML.
    pub path: Option<PathBuf>,
    /// Where an inline text begins in the YAML: the span of its value.
    pub span: Option<Span>,
}

/// What a policy that people write comes with where it stands.
#[derive(Debug, Clone)]
pub struct Program {
    pub script: Arc<Script>,
    /// `with:`, the use's own laid over the policy's.
    pub with: Options,
    pub limits: PolicyLimits,
    pub grants: Grants,
    /// `None`: as the hook's row says.
    pub on_failure: Option<OnFailure>,
    pub trip: Option<Trip>,
}

/// What one call may take; `memory` is the VM's, `share` the policy's on each worker.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PolicyLimits {
    pub cpu: Duration,
    pub wait: Duration,
    pub memory: usize,
    /// Requests of its own.
    pub calls: u32,
    /// Bytes of one body, decoded.
    pub body: usize,
    pub logs: u32,
    /// Of a worker's time over a second, in percent.
    pub share: u32,
}

/// What a policy may reach beyond its own exchange.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants {
    /// Indices into [`Plan::upstreams`](super::Plan::upstreams) are not known here: names.
    pub upstreams: Vec<Arc<str>>,
    pub secrets: Vec<Arc<str>>,
    pub dictionaries: Vec<Arc<str>>,
    pub tables: Vec<Arc<str>>,
    /// Fields it may read, lower case; `None`: all.
    pub read: Option<Vec<Arc<str>>>,
    /// Fields it may write, lower case; `None`: all.
    pub write: Option<Vec<Arc<str>>>,
}

/// What becomes of an exchange whose policy failed, instead of what the hook's row says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    Closed,
    Open,
}

/// When a failing policy is switched off for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trip {
    pub failures: u32,
    pub within: Duration,
    pub off_for: Duration,
}

// === impl PolicyLimits ===

impl Default for PolicyLimits {
    fn default() -> Self {
        Self {
            cpu: Duration::from_millis(limits::POLICY_CPU_MS),
            wait: Duration::from_millis(limits::POLICY_WAIT_MS),
            memory: limits::POLICY_MEMORY_BYTES,
            calls: limits::POLICY_CALLS_MAX,
            body: limits::POLICY_BODY_BYTES,
            logs: limits::POLICY_LOGS_MAX,
            share: limits::POLICY_SHARE_PERCENT,
        }
    }
}
