//! The index of the built-in policies: what each is called, where it may stand, when it speaks, how it is made.
//!
//! A policy's options, recipe, policy and tests sit in one file of the policy's own. Mechanism (pools, caches, sockets)
//! is never imported here: the two meet in `proxy/lifecycle.rs`, by verdicts.

pub mod auth;
pub mod balancing;
pub mod catalogue;
#[cfg(test)]
mod fake;
pub mod query;
pub mod retrying;
pub mod routing;
pub mod template;
pub mod traffic;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, schema_for};
use serde::de::DeserializeOwned;

use crate::config::diagnostic::{Diagnostic, Span};
use crate::config::options::Options;
use crate::config::plan::Secret;
use crate::hook::{Hook, HookSet, Policy, Recipe, Step, Taking, View, WorkerParts};

/// Secrets by name, already read.
#[derive(Debug, Clone, Default)]
pub struct Secrets {
    known: BTreeMap<String, Secret>,
    /// Stands for every name, where only the form of a text is checked.
    any: Option<Secret>,
}

/// A kind of built-in policy: a key that may stand under a name in `policies:`.
pub struct Kind {
    pub name: &'static str,
    /// One line for the reference.
    pub about: &'static str,
    /// Where it speaks.
    pub hooks: HookSet,
    /// Where it may stand in a `use:`.
    pub places: &'static [Place],
    /// Whether it always answers, so that a route with it needs no `to`.
    pub answers: bool,
    /// Checks options and compiles them; every mistake is reported together.
    pub recipe: Make,
    /// What the options may hold.
    pub schema: fn() -> Schema,
}

/// How a recipe comes from options.
pub type Make = fn(&Options, &Secrets) -> Result<Arc<dyn Recipe>, Vec<Diagnostic>>;

/// Where a `use:` may be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    File,
    Listener,
    Route,
    Upstream,
}

/// One thing wrong with a policy's options, and how to mend it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    pub message: String,
    pub help: Cow<'static, str>,
    /// Where, if more is known than in which options.
    pub span: Option<Span>,
}

const EXCHANGES: &[Place] = &[Place::File, Place::Listener, Place::Route];

static KINDS: &[Kind] = &[
    Kind {
        name: "addresses",
        about: "lets clients in, or keeps them out, by their address",
        hooks: auth::address::HOOKS,
        places: EXCHANGES,
        answers: false,
        recipe: make::<auth::address::AddressesOptions, _>,
        schema: schema::<auth::address::AddressesOptions>,
    },
    Kind {
        name: "answer",
        about: "answers by itself: a status, fields, a body",
        hooks: traffic::answer::HOOKS,
        places: EXCHANGES,
        answers: true,
        recipe: make::<traffic::answer::AnswerOptions, _>,
        schema: schema::<traffic::answer::AnswerOptions>,
    },
    Kind {
        name: "headers",
        about: "sets, adds and removes fields of requests and responses",
        hooks: traffic::headers::HOOKS,
        places: EXCHANGES,
        answers: false,
        recipe: make::<traffic::headers::HeadersOptions, _>,
        schema: schema::<traffic::headers::HeadersOptions>,
    },
    Kind {
        name: "redirect",
        about: "sends the client elsewhere",
        hooks: traffic::redirect::HOOKS,
        places: EXCHANGES,
        answers: true,
        recipe: make::<traffic::redirect::RedirectOptions, _>,
        schema: schema::<traffic::redirect::RedirectOptions>,
    },
    Kind {
        name: "rewrite",
        about: "changes the path or the host of the request that goes upstream",
        hooks: routing::rewrite::HOOKS,
        places: EXCHANGES,
        answers: false,
        recipe: make::<routing::rewrite::RewriteOptions, _>,
        schema: schema::<routing::rewrite::RewriteOptions>,
    },
];

/// The kinds that are built in, by name.
#[must_use]
pub fn kinds() -> &'static [Kind] {
    KINDS
}

/// A built-in kind.
#[must_use]
pub fn kind(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}

/// Kinds whose names are taken and whose tenants have not come yet: refused by name, so that nobody takes them for a typo.
#[must_use]
pub fn later() -> &'static [&'static str] {
    &[
        "api_key",
        "basic",
        "cache",
        "client_certificate",
        "compose",
        "compress",
        "concurrency",
        "cors",
        "fault",
        "files",
        "forward",
        "jwt",
        "maglev",
        "mirror",
        "oidc",
        "peak_ewma",
        "priority",
        "rate_limit",
        "retry",
        "sticky",
        "wasm",
    ]
}

/// The recipe of a built-in policy.
pub fn recipe(name: &str, options: &Options, secrets: &Secrets) -> Result<Arc<dyn Recipe>, Vec<Diagnostic>> {
    let Some(kind) = kind(name) else {
        let near = closest(name, KINDS.iter().map(|kind| kind.name));
        let hint = near.map(|near| format!(" (did you mean `{near}`?)")).unwrap_or_default();
        let known: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
        let help = format!("the built-in kinds are {}", known.join(", "));
        return Err(vec![bad(options, Complaint::new(format!("there is no built-in policy `{name}`{hint}"), help))]);
    };
    (kind.recipe)(options, secrets)
}

/// Options that become a policy without state of its own.
trait Build: DeserializeOwned + JsonSchema {
    type Built: Policy + Send + Sync + 'static;

    fn build(self, secrets: &Secrets) -> Result<Self::Built, Vec<Complaint>>;
}

/// The recipe of a policy without state: every worker holds the same one.
struct Shared<P>(Arc<P>);

/// [`Shared`], alive.
struct Alive<P>(Arc<P>);

fn make<O: Build<Built = P>, P: Policy + Send + Sync + 'static>(
    options: &Options,
    secrets: &Secrets,
) -> Result<Arc<dyn Recipe>, Vec<Diagnostic>> {
    let read = options.read::<O>().map_err(|diagnostic| vec![diagnostic])?;
    match read.build(secrets) {
        Ok(policy) => Ok(Arc::new(Shared(Arc::new(policy)))),
        Err(complaints) => Err(complaints.into_iter().map(|one| bad(options, one)).collect()),
    }
}

// === impl Secrets ===

impl Secrets {
    /// Those of a plan.
    #[must_use]
    pub fn new(known: BTreeMap<String, Secret>) -> Self {
        Self { known, any: None }
    }

    /// Every name is known: for checks before secrets are read.
    #[must_use]
    pub fn any() -> Self {
        Self { known: BTreeMap::new(), any: Some(Secret(Arc::from([]))) }
    }

    fn get(&self, name: &str) -> Option<&Secret> {
        self.known.get(name).or(self.any.as_ref())
    }

    fn keys(&self) -> impl Iterator<Item = &String> {
        self.known.keys()
    }
}

fn schema<O: JsonSchema>() -> Schema {
    schema_for!(O)
}

/// The one place where a complaint becomes a diagnostic.
fn bad(options: &Options, complaint: Complaint) -> Diagnostic {
    let bad = Diagnostic::error("E0303", complaint.message).help(complaint.help);
    match complaint.span {
        Some(span) => bad.at(&span, ""),
        None => bad.at(options.span(), "in these options"),
    }
}

/// The candidate that `word` may have been meant to be.
fn closest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let far = word.chars().count() / 3 + 1;
    candidates.map(|one| (distance(word, one), one)).filter(|(steps, _)| *steps <= far).min().map(|(_, one)| one)
}

/// How many letters have to be changed, added or taken away.
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.chars().count()).collect();
    for (index, a) in from.chars().enumerate() {
        let mut diagonal = index;
        let mut left = index + 1;
        for (cell, b) in row.iter_mut().skip(1).zip(to.chars()) {
            let best = (diagonal + usize::from(a != b)).min(left + 1).min(*cell + 1);
            diagonal = std::mem::replace(cell, best);
            left = best;
        }
        if let Some(first) = row.first_mut() {
            *first = index + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

// === impl Complaint ===

impl Complaint {
    fn new(message: impl Into<String>, help: impl Into<Cow<'static, str>>) -> Self {
        Self { message: message.into(), help: help.into(), span: None }
    }

    fn at(self, span: &Span) -> Self {
        Self { span: Some(span.clone()), ..self }
    }
}

// === impl Shared ===

impl<P: Policy + Send + Sync + 'static> Recipe for Shared<P> {
    fn instantiate(&self, _: &WorkerParts) -> Result<Rc<dyn Policy>, Diagnostic> {
        Ok(Rc::new(Alive(Arc::clone(&self.0))))
    }
}

// === impl Alive ===

impl<P: Policy> Policy for Alive<P> {
    fn hooks(&self) -> HookSet {
        self.0.hooks()
    }

    fn taking(&self, hook: Hook) -> Taking {
        self.0.taking(hook)
    }

    fn is_foreign(&self) -> bool {
        self.0.is_foreign()
    }

    fn waits(&self, hook: Hook) -> bool {
        self.0.waits(hook)
    }

    fn call<'a>(&'a self, hook: Hook, view: &'a mut dyn View) -> Step<'a> {
        self.0.call(hook, view)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_speaks_has_a_place_and_a_schema() {
        for kind in kinds() {
            assert_ne!(kind.hooks, HookSet::EMPTY, "{}", kind.name);
            assert!(!kind.places.is_empty(), "{}", kind.name);
            assert_eq!((kind.schema)().get("type").and_then(|kind| kind.as_str()), Some("object"), "{}", kind.name);
            assert!(!later().contains(&kind.name), "{}", kind.name);
        }
        assert!(kinds().is_sorted_by_key(|kind| kind.name));
        assert!(later().is_sorted());
    }

    #[test]
    fn an_empty_policy_or_an_unknown_kind_is_refused() {
        let options = Options::empty(Span::default());
        assert!(recipe("redirect", &options, &Secrets::default()).is_err());
        assert!(recipe("redirekt", &options, &Secrets::default()).is_err());
        assert!(recipe("answer", &options, &Secrets::default()).is_ok());
    }

    #[test]
    fn the_closest_word_is_suggested() {
        let words = ["redirect", "rewrite", "answer"];
        assert_eq!(closest("redirekt", words.into_iter()), Some("redirect"));
        assert_eq!(closest("write", words.into_iter()), Some("rewrite"));
        assert_eq!(closest("bananas", words.into_iter()), None);
        assert_eq!(closest("", words.into_iter()), None);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
