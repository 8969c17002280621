//! Policies that run scripts: what they may take and reach, and which of their words name something that exists.

use std::sync::Arc;

use super::super::codes;
use super::super::diagnostic::{Diagnostic, Span};
use super::super::document::{self, Lua, May, Noun, Policy, ScriptLimits, Terms};
use super::super::node::{Entry, Value};
use super::super::options::Options;
use super::super::plan::{Grants, OnFailure, PolicyLimits, Program, Trip};
use super::super::read::read_entry;
use super::super::spanned::Spanned;
use super::super::units::Period;
use super::{Check, clamp};
use crate::http::name::FieldName;
use crate::limits;

// === impl Check ===

impl<'a> Check<'a> {
    /// `defaults:`, which must be good even where no policy needs it.
    pub(super) fn defaults(&mut self) {
        if let Some(defaults) = &self.document.defaults {
            self.limits(defaults.limits.as_ref());
            self.grants(defaults.may.as_ref());
            self.trip(defaults.trip.as_ref());
        }
    }

    /// What a policy of the kind `lua` is made of; `None`: it is no good, and that has been said.
    pub(super) fn program(&mut self, name: &Spanned<String>, kind: &Entry, policy: &'a Policy) -> Option<Program> {
        let before = self.errors();
        let terms = self.terms(policy);
        let (limits, grants) = (self.limits(terms.limits.as_ref()), self.grants(terms.may.as_ref()));
        let trip = self.trip(terms.trip.as_ref());
        let lua: Lua = match read_entry(kind) {
            Ok(lua) => lua,
            Err(wrong) => {
                self.report(wrong);
                return None;
            }
        };
        let with = lua.with.clone().unwrap_or_else(|| Options::empty(kind.value.span.clone()));
        let script = Arc::new(self.script(name, kind, &lua)?);
        let on_failure = terms.on_failure.map(|on_failure| match on_failure {
            document::OnFailure::Closed => OnFailure::Closed,
            document::OnFailure::Open => OnFailure::Open,
        });
        let program = Program { script, with: with.clone(), limits, grants, on_failure, trip };
        let program = self.with(program, with);
        (self.errors() == before).then_some(program)
    }

    fn errors(&self) -> usize {
        self.found.iter().filter(|diagnostic| diagnostic.is_error()).count()
    }

    /// The program with these options: secrets that they name must exist, and are granted by that.
    pub(super) fn with(&mut self, mut program: Program, with: Options) -> Program {
        for value in with.secret_nodes() {
            let Value::String(name) = &value.value else {
                let message = format!("a secret is named by a string, found {}", value.describe());
                self.report(Diagnostic::error(codes::WRONG_SHAPE, message).at(&value.span, ""));
                continue;
            };
            let name = Spanned { span: value.span.clone(), value: name.clone() };
            program.grants.secrets.extend(self.granted(Noun::Secret, codes::UNKNOWN_SECRET, &name));
        }
        program.grants.secrets.sort();
        program.grants.secrets.dedup();
        program.with = with;
        program
    }

    /// What a policy says beside its kind, and for the rest what `defaults:` says, key by key.
    fn terms(&mut self, policy: &Policy) -> Terms {
        let own = Terms {
            limits: self.beside(policy, "limits"),
            may: self.beside(policy, "may"),
            on_failure: self.beside(policy, "on_failure"),
            trip: self.beside(policy, "trip"),
        };
        let Some(defaults) = self.document.defaults.as_ref().map(|defaults| defaults.value.clone()) else { return own };
        let (limits, may) = (own.limits.unwrap_or_default(), own.may.unwrap_or_default());
        let (outer, around) = (defaults.limits.unwrap_or_default(), defaults.may.unwrap_or_default());
        Terms {
            limits: Some(ScriptLimits {
                cpu: limits.cpu.or(outer.cpu),
                wait: limits.wait.or(outer.wait),
                memory: limits.memory.or(outer.memory),
                calls: limits.calls.or(outer.calls),
                body: limits.body.or(outer.body),
                logs: limits.logs.or(outer.logs),
                share: limits.share.or(outer.share),
            }),
            may: Some(May {
                upstreams: may.upstreams.or(around.upstreams),
                secrets: may.secrets.or(around.secrets),
                dictionaries: may.dictionaries.or(around.dictionaries),
                tables: may.tables.or(around.tables),
                read: may.read.or(around.read),
                write: may.write.or(around.write),
            }),
            on_failure: own.on_failure.or(defaults.on_failure),
            trip: own.trip.or(defaults.trip),
        }
    }

    fn beside<T: serde::de::DeserializeOwned>(&mut self, policy: &Policy, key: &str) -> Option<T> {
        let entry = policy.entry(key).filter(|entry| entry.value.value != Value::Null)?;
        read_entry(entry).map_err(|wrong| self.report(wrong)).ok()
    }

    fn limits(&mut self, written: Option<&ScriptLimits>) -> PolicyLimits {
        let mut made = PolicyLimits::default();
        let Some(written) = written else { return made };
        if let Some(cpu) = &written.cpu {
            made.cpu = cpu.value.0;
            let most = limits::POLICY_CPU_CEILING_MS;
            if made.cpu.is_zero() || made.cpu.as_millis() > u128::from(most) {
                let help = format!("from 1ms to {most}ms; for so long nobody else on the worker gets on");
                self.bad_value(&cpu.span, "no call may take that much, or that little, CPU time", &help);
            }
        }
        if let Some(memory) = &written.memory {
            made.memory = memory.value.0;
            if made.memory < limits::POLICY_MEMORY_FLOOR_BYTES {
                let help = format!("at least {} KiB, or leave the key out", limits::POLICY_MEMORY_FLOOR_BYTES / 1024);
                self.bad_value(&memory.span, "no script could begin with so little memory", &help);
            }
        }
        if let Some(body) = &written.body {
            made.body = body.value.0;
            if made.body > made.memory {
                let message = "a body of this size would not fit into the policy's memory";
                self.bad_value(&body.span, message, "what is held for a policy counts; raise `memory` too");
            }
        }
        let number = |whole: u64| u32::try_from(whole).unwrap_or(u32::MAX);
        made.wait = written.wait.as_ref().map_or(made.wait, |wait| wait.value.0);
        made.calls = written.calls.map_or(made.calls, |calls| number(calls.0));
        made.logs = written.logs.map_or(made.logs, |logs| number(logs.0));
        made.share = written.share.map_or(made.share, |share| share.0);
        made
    }

    fn trip(&mut self, written: Option<&document::Trip>) -> Option<Trip> {
        let written = written?;
        let mut lasting = |period: &Spanned<Period>| {
            if period.value.0.is_zero() {
                self.bad_value(&period.span, "this would be over before it began", "as in `10s`");
            }
            period.value.0
        };
        let (within, off_for) = (lasting(&written.within), lasting(&written.off_for));
        let failures = u32::try_from(clamp(written.failures.0)).unwrap_or(u32::MAX);
        Some(Trip { failures, within, off_for })
    }

    fn grants(&mut self, may: Option<&May>) -> Grants {
        let Some(may) = may else { return Grants::default() };
        let mut each = |names: Option<&Vec<Spanned<String>>>, noun: Noun, code| {
            let names = names.into_iter().flatten();
            let mut granted: Vec<Arc<str>> = names.filter_map(|name| self.granted(noun, code, name)).collect();
            granted.sort();
            granted.dedup();
            granted
        };
        let upstreams = each(may.upstreams.as_ref(), Noun::Upstream, codes::UNKNOWN_UPSTREAM);
        let secrets = each(may.secrets.as_ref(), Noun::Secret, codes::UNKNOWN_SECRET);
        let dictionaries = each(may.dictionaries.as_ref(), Noun::Dictionary, codes::UNKNOWN_DATA);
        let tables = each(may.tables.as_ref(), Noun::Table, codes::UNKNOWN_DATA);
        let (read, write) = (self.fields(may.read.as_ref()), self.fields(may.write.as_ref()));
        Grants { upstreams, secrets, dictionaries, tables, read, write }
    }

    /// A name that is granted: it must exist, and counts as used.
    fn granted(&mut self, noun: Noun, code: &'static str, name: &Spanned<String>) -> Option<Arc<str>> {
        if self.document.declared(noun, &name.value).is_none() {
            self.unknown(noun, code, name, &[]);
            return None;
        }
        if noun == Noun::Upstream {
            self.upstreams_used.insert(name.value.clone());
        }
        Some(name.value.as_str().into())
    }

    /// Fields by name, in lower case; `None`: all.
    fn fields(&mut self, names: Option<&Vec<Spanned<String>>>) -> Option<Vec<Arc<str>>> {
        let names = names?;
        if matches!(names.as_slice(), [all] if all.value == "*") {
            return None;
        }
        let mut fields = Vec::new();
        for name in names {
            match FieldName::new(&name.value) {
                Ok(_) if name.value == "*" => {
                    self.bad_value(&name.span, "`*` stands for every field", "write it alone: `[\"*\"]`");
                }
                Ok(field) => fields.push(field.as_str().into()),
                Err(_) => {
                    self.bad_value(&name.span, format!("`{}` is no name of a field", name.value), "as in `x-user`");
                }
            }
        }
        fields.sort();
        fields.dedup();
        Some(fields)
    }

    /// A key that stands beside a kind to which it does not belong.
    pub(super) fn not_beside(&mut self, key: &Span, name: &str, kind: &str) {
        let message = format!("`{name}` belongs to policies that run scripts");
        let wrong = Diagnostic::error(codes::UNKNOWN_KEY, message).at(key, format!("`{kind}` is built in"));
        self.report(wrong.help("remove it; a policy that is built in has no limits and reaches nothing else"));
    }
}
