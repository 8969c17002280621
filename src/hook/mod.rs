//! The one surface for built-in policies, Lua and Wasm: when policies speak, what they may see, what they may say.

mod alive;
pub mod budget;
pub mod chain;
mod data;
mod facts;
mod refused;
pub mod slot;
pub mod surface;
pub mod table;
mod ticket;
pub mod view;

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

pub use alive::Alive;
pub use chain::{Chain, Seat};
pub use data::{Identity, Plain};
pub use facts::{
    ClientCertificate, ClientFacts, Endpoint, Endpoints, HelloFacts, Peer, RecordFacts, RouteFacts, TlsFacts,
};
pub use refused::Refused;
pub use table::{Hook, HookSet, OnFailure, Row};
pub use ticket::{Awaited, Body, Due, Fetch, Fetched, Form, Local, Nowhere, Reach, Redeemed, Ticket, Tickets};
pub use view::{Edit, Side, View};

use crate::config::diagnostic::Diagnostic;
use crate::failure::Failure;

/// A route, by its place in an append-only list of names of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RouteId(pub u32);

/// An upstream, by its place in an append-only list of names of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct UpstreamId(pub u32);

/// An endpoint, by its place in the list that the exchange balances over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EndpointId(pub u32);

/// A certificate, by its place in the listener's list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CertificateId(pub u32);

/// A compiled policy, held by a snapshot and shared by all workers.
pub trait Recipe: Send + Sync {
    /// Brings the policy to life on one worker.
    fn instantiate(&self, worker: &WorkerParts) -> Result<Rc<dyn Policy>, Diagnostic>;

    /// A failure of its `load`, shown where it was written.
    fn diagnostic(&self, failure: &Failure) -> Option<Diagnostic> {
        let _ = failure;
        None
    }
}

/// What a policy gets of its worker.
#[derive(Clone)]
pub struct WorkerParts {
    /// Counted from 0.
    pub number: usize,
    pub workers: usize,
    /// The way to declared upstreams, for what a policy asks outside of any exchange.
    pub reach: Rc<dyn Reach>,
}

/// A policy alive on one worker: built in, Lua or Wasm.
pub trait Policy {
    fn hooks(&self) -> HookSet;

    /// How it wants a body.
    fn taking(&self, hook: Hook) -> Taking {
        let _ = hook;
        Taking::Chunks
    }

    /// Whether chunks reach it byte for byte as they were sent, in whatever content coding.
    fn is_foreign(&self) -> bool {
        false
    }

    /// Whether its step may be a [`Step::Later`]; one that never is costs no future.
    fn waits(&self, hook: Hook) -> bool {
        let _ = hook;
        true
    }

    fn call<'a>(&'a self, hook: Hook, view: &'a mut dyn View) -> Step<'a>;

    /// What becomes of an exchange when it fails here: the table's last column, unless it was told otherwise.
    fn on_failure(&self, hook: Hook) -> OnFailure {
        hook.row().on_failure
    }

    /// What has to be done before it is called, once, beside the running generation; `None`: nothing.
    fn load(&self) -> Option<Local<Result<(), Failure>>> {
        None
    }

    /// Its generation runs from here on: it is the one of its name.
    fn committed(&self) {}
}

/// How a policy wants the body of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taking {
    /// Chunk by chunk; the head leaves at once.
    Chunks,
    /// The head waits for the hooks of the first chunk.
    Hold,
    /// Once, when it is complete; one of more bytes than this is a failure.
    Whole { bytes_max: usize },
}

/// Most policies decide at once and cost no allocation; those that wait return a future.
pub enum Step<'a> {
    Now(Outcome),
    Later(Pin<Box<dyn Future<Output = Outcome> + 'a>>),
}

/// What came of a call.
pub type Outcome = Result<Verdict, Failure>;

/// What a policy decides at a hook. Large ones are boxed, so that a step stays at three words.
#[derive(Debug)]
pub enum Verdict {
    /// Nothing to say; the next policy, at last the default, decides.
    Pass,
    Allow,
    Close,
    /// This one, whatever name was asked for.
    Certificate(CertificateId),
    Route(RouteId),
    Answer(Box<Answer>),
    Bypass,
    Endpoint(EndpointId),
    Retry,
    Fail,
}

/// A response of a policy's own.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    pub status: u16,
    pub fields: Vec<(String, Vec<u8>)>,
    /// `None`: the failure page of that status, if it is an error.
    pub body: Option<Vec<u8>>,
    /// What only the log is told.
    pub why: Option<String>,
}

// === impl Verdict ===

impl Verdict {
    /// Its bit in a row's `verdict_bits`.
    #[must_use]
    pub const fn bit(&self) -> table::Bits {
        use table::verdict_bit as bit;
        const { assert!(bit("Route") != 0 && bit("Pass") == 0) };
        match self {
            Self::Pass => 0,
            Self::Allow => const { bit("Allow") },
            Self::Close => const { bit("Close") },
            Self::Certificate(_) => const { bit("Certificate") },
            Self::Route(_) => const { bit("Route") },
            Self::Answer(_) => const { bit("Answer") },
            Self::Bypass => const { bit("Bypass") },
            Self::Endpoint(_) => const { bit("Endpoint") },
            Self::Retry => const { bit("Retry") },
            Self::Fail => const { bit("Fail") },
        }
    }

    /// As the hook table calls it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Pass => "Pass",
            Self::Allow => "Allow",
            Self::Close => "Close",
            Self::Certificate(_) => "Certificate",
            Self::Route(_) => "Route",
            Self::Answer(_) => "Answer",
            Self::Bypass => "Bypass",
            Self::Endpoint(_) => "Endpoint",
            Self::Retry => "Retry",
            Self::Fail => "Fail",
        }
    }
}
