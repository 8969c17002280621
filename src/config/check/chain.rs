//! Policies: what each is, and whether it may stand where it stands.

use std::sync::Arc;

use super::super::catalogue::Places;
use super::super::codes;
use super::super::diagnostic::{Diagnostic, Span};
use super::super::document::{Mode, Noun, Policy, UseTable};
use super::super::node::{Entry, Value};
use super::super::options::Options;
use super::super::plan::{self, Program};
use super::super::shapes::Use;
use super::super::similar::nearest;
use super::super::spanned::Spanned;
use super::Check;
use crate::limits;

/// Where a `use` stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    File,
    Listener,
    Route,
    Upstream,
    Balance,
}

/// A `use`, resolved.
#[derive(Debug, Default)]
pub(super) struct Chain {
    pub uses: Vec<plan::Use>,
    /// One of them answers every exchange that reaches it.
    pub answers: bool,
    /// One of them was no good, so what follows from the others says little.
    pub broken: bool,
}

/// A policy that is well defined.
#[derive(Debug, Clone)]
pub(super) struct Defined {
    pub kind: String,
    pub options: Options,
    /// `None`: it is built in.
    pub program: Option<Arc<Program>>,
}

/// The kind that runs scripts, which config knows by itself: what a script may say where is found when it is compiled.
const LUA: &str = "lua";
/// A kind of which the design speaks, whoever provides it.
const WASM_LATER: &str = "wasm";
/// A script may answer, or lead to an upstream, wherever it stands.
const SCRIPT_PLACES: Places = Places { answers: true, ..Places::EVERYWHERE };

// === impl Check ===

impl<'a> Check<'a> {
    /// Finds each policy's kind.
    pub(super) fn policies(&mut self) {
        for (name, policy) in &self.document.policies.0 {
            if let Some(defined) = self.defined(name, policy) {
                self.policies.insert(&name.value, defined);
            }
        }
    }

    fn defined(&mut self, name: &Spanned<String>, policy: &'a Policy) -> Option<Defined> {
        let (beside, kinds): (Vec<&Entry>, Vec<&Entry>) =
            policy.entries.iter().partition(|entry| Policy::BESIDE.contains(&entry.key.as_str()));
        let entry = match kinds.as_slice() {
            [] => {
                let none = Diagnostic::error(codes::MISSING_KEY, format!("the policy `{}` has no kind", name.value));
                self.report(none.at(&name.span, "").help(format!("one key says which: {}", self.every_kind())));
                return None;
            }
            [one] => *one,
            [first, second, ..] => {
                let many = Diagnostic::error(codes::WRONG_SHAPE, format!("the policy `{}` has two kinds", name.value));
                let many = many.at(&second.key_span, "second kind").at(&first.key_span, "first kind");
                self.report(many.help("a policy is of one kind; give each a name of its own"));
                return None;
            }
        };
        let kind = entry.key.as_str();
        if kind == LUA {
            let program = self.program(name, entry, policy)?;
            return Some(Defined { kind: kind.into(), options: program.with.clone(), program: Some(program.into()) });
        }
        if !self.known_kind(kind, &entry.key_span) {
            return None;
        }
        beside.iter().for_each(|key| self.not_beside(&key.key_span, &key.key, kind));
        let node = &entry.value;
        if !matches!(node.value, Value::Table(_) | Value::Null) {
            let message = format!("the options of `{kind}` are a table, found {}", node.describe());
            self.report(Diagnostic::error(codes::WRONG_SHAPE, message).at(&node.span, ""));
            return None;
        }
        Some(Defined { kind: kind.into(), options: Options::new(node.clone()), program: None })
    }

    fn every_kind(&self) -> String {
        let mut kinds = self.kinds.clone();
        kinds.push(LUA);
        kinds.sort_unstable();
        kinds.join(", ")
    }

    fn known_kind(&mut self, kind: &str, place: &Span) -> bool {
        if self.kinds.contains(&kind) {
            return true;
        }
        if self.not_built(kind) {
            let message = format!("`{kind}` policies are not built yet in this version");
            self.report(Diagnostic::error(codes::NOT_BUILT, message).at(place, "remove it for now"));
            return false;
        }
        let label = nearest(kind, self.kinds.iter().copied().chain([LUA]))
            .map_or_else(|| "unknown kind".to_owned(), |near| format!("did you mean `{near}`?"));
        let unknown = Diagnostic::error(codes::UNKNOWN_KIND, format!("there is no kind of policy called `{kind}`"));
        self.report(unknown.at(place, label).help(format!("known: {}", self.every_kind())));
        false
    }

    fn not_built(&self, kind: &str) -> bool {
        kind == WASM_LATER || self.catalogue.later(kind)
    }

    /// Resolves a `use`.
    pub(super) fn chain(&mut self, uses: &[Spanned<Use>], place: Place) -> Chain {
        let mut chain = Chain::default();
        for written in uses {
            let found = self.found.len();
            let resolved = match &written.value {
                Use::Name(name) => {
                    let policy = Spanned { span: written.span.clone(), value: name.clone() };
                    let table = UseTable { policy, with: None, when: None, enabled: None, mode: None };
                    self.use_table(&table, &written.span, place)
                }
                Use::Table(table) => self.use_table(table, &written.span, place),
            };
            let disabled = matches!(&written.value, Use::Table(table) if table.enabled == Some(false));
            chain.broken |= self.found.len() > found || (resolved.is_none() && !disabled);
            if let Some((one, places)) = resolved {
                chain.answers |= places.answers && one.when.is_none() && !one.observe;
                chain.uses.push(one);
            }
        }
        chain
    }

    /// Resolves one entry; `None` where it is disabled or no good.
    pub(super) fn use_table(&mut self, table: &UseTable, span: &Span, place: Place) -> Option<(plan::Use, Places)> {
        let Defined { kind, options: own, mut program } = self.policy(&table.policy)?;
        let options = match &table.with {
            Some(with) => own.merged(with),
            None => own,
        };
        let when = table.when.as_ref().and_then(|when| self.matching(&when.value));
        if let (Some(own), true) = (&program, table.with.is_some()) {
            program = Some(self.with(Program::clone(own), options.clone()).into());
        }
        let places = match &program {
            Some(_) => SCRIPT_PLACES,
            None => match self.catalogue.check(&kind, &options) {
                Ok(places) => places,
                Err(found) => {
                    self.found.extend(found);
                    return None;
                }
            },
        };
        if !place.suits(places) {
            let message = format!("`{}` has nothing to say {}", table.policy.value, place.phrase());
            let wrong =
                Diagnostic::error(codes::WRONG_PLACE, message).at(&table.policy.span, "none of its hooks occur here");
            self.report(wrong.help(format!("it may stand in the `use` of {}", allowed(places))));
            return None;
        }
        if table.enabled == Some(false) {
            return None;
        }
        let policy = table.policy.value.clone();
        let observe = table.mode == Some(Mode::Observe);
        Some((plan::Use { policy, kind, options, when, observe, program, span: span.clone() }, places))
    }

    /// What a name stands for: a policy, or a built-in used directly.
    fn policy(&mut self, name: &Spanned<String>) -> Option<Defined> {
        if self.document.declared(Noun::Policy, &name.value).is_some() {
            self.policies_used.insert(name.value.clone());
            // Its definition, if no good, has been reported where it stands.
            return self.policies.get(name.value.as_str()).cloned();
        }
        if self.kinds.contains(&name.value.as_str()) {
            let options = Options::empty(name.span.clone());
            return Some(Defined { kind: name.value.clone(), options, program: None });
        }
        if name.value == LUA {
            let bare = Diagnostic::error(codes::UNKNOWN_POLICY, "`lua` alone is no policy: it needs a script");
            let help = "name one under `policies:`, as in `login: { lua: { file: policies/login.lua } }`";
            self.report(bare.at(&name.span, "").help(help));
            return None;
        }
        if self.not_built(&name.value) {
            let message = format!("`{}` is not built yet in this version", name.value);
            self.report(Diagnostic::error(codes::NOT_BUILT, message).at(&name.span, "remove it for now"));
            return None;
        }
        let kinds = self.kinds.clone();
        self.unknown(Noun::Policy, codes::UNKNOWN_POLICY, name, &kinds);
        None
    }

    /// A chain has only so many seats.
    pub(super) fn seats(&mut self, count: usize, span: &Span, whose: &str) {
        let most = limits::POLICIES_PER_CHAIN_MAX;
        if count > most {
            let message = format!("{count} policies in the chain of {whose}, where {most} have a seat");
            let long = Diagnostic::error(codes::CHAIN_TOO_LONG, message).at(span, "");
            self.report(long.help("policies of the file and of the listener count too"));
        }
    }
}

// === impl Place ===

impl Place {
    const fn suits(self, places: Places) -> bool {
        match self {
            Self::File => places.file,
            Self::Listener => places.listener,
            Self::Route => places.route,
            Self::Upstream | Self::Balance => places.upstream,
        }
    }

    const fn phrase(self) -> &'static str {
        match self {
            Self::File => "at the file",
            Self::Listener => "at a listener",
            Self::Route => "at a route",
            Self::Upstream => "at an upstream",
            Self::Balance => "when an upstream is balanced",
        }
    }
}

fn allowed(places: Places) -> String {
    let all = [
        (places.file, "the file"),
        (places.listener, "a listener"),
        (places.route, "a route"),
        (places.upstream, "an upstream"),
    ];
    let names: Vec<&str> = all.into_iter().filter(|(may, _)| *may).map(|(_, name)| name).collect();
    if names.is_empty() { "nothing in this version".into() } else { names.join(", ") }
}
