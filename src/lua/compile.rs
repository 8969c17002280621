//! From a script's texts to a program: bytecode, checked options, the hooks it speaks at. Runs the top level once, off the
//! workers, so that what is wrong is a diagnostic like any other.

use std::sync::Arc;

use super::author;
use super::options::{self, Setting};
use super::raw::{self, Kind};
use super::reached::{Reached, Shelf};
use super::vm::Vm;
use crate::config::diagnostic::{Diagnostic, Span};
use crate::config::plan::{self, Source};
use crate::config::similar::nearest;
use crate::hook::HookSet;
use crate::hook::table::TABLE;
use crate::limits::SCRIPT_LOAD_CPU_MS;

/// A compiled script, shared by all workers.
pub(super) struct Program {
    pub(super) policy: Arc<str>,
    pub(super) main: Unit,
    pub(super) modules: Vec<(Arc<str>, Unit)>,
    pub(super) options: Setting,
    pub(super) hooks: HookSet,
    /// It names what Envoy calls; once it has run: it defines it.
    pub(super) envoy: bool,
    pub(super) on_failure: Option<plan::OnFailure>,
    /// It names something that waits.
    pub(super) waits: bool,
    pub(super) limits: Limits,
    pub(super) grants: plan::Grants,
    /// What it is granted of what policies share.
    pub(super) reached: Reached,
    /// Of everything that makes it what it is: the same, and its VM may stay.
    pub(super) fingerprint: u128,
    /// To show where it failed.
    script: Arc<plan::Script>,
}

/// One text, compiled.
pub(super) struct Unit {
    /// As errors call it.
    pub(super) name: Arc<str>,
    pub(super) bytecode: Vec<u8>,
}

/// What a call may take, in the units of the engine.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) memory: usize,
    pub(super) cpu_ns: u64,
    pub(super) load_cpu_ns: u64,
    pub(super) wait_ms: u64,
    pub(super) calls: u32,
    pub(super) body: usize,
    pub(super) logs: u32,
    pub(super) share_percent: u32,
    pub(super) trip: Option<plan::Trip>,
}

/// What makes a text wait: no such word in any of its texts, and no call of it ever does.
const WAITING: &[&str] = &["body", "fetch", "fetch_all", "sleep", "httpCall", "bodyChunks", "trailers"];

/// Compiles and checks a script.
pub(super) fn compile(written: &plan::Program, shelf: &Shelf<'_>) -> Result<Arc<Program>, Vec<Diagnostic>> {
    let secrets = shelf.secrets;
    let script = &*written.script;
    let mut found = Vec::new();
    let mut unit = |source: &Source| match raw::compile(source.text.as_bytes(), author::options()) {
        Ok(bytecode) => Some(Unit { name: source.name.clone(), bytecode }),
        Err(message) => {
            let (line, message) = split_line(&message);
            found.push(
                Diagnostic::error("E0310", format!("the script does not compile: {message}"))
                    .at(&place(source, line), ""),
            );
            None
        }
    };
    let main = unit(&script.main);
    let modules: Vec<_> =
        script.modules.iter().filter_map(|(name, source)| Some((name.clone(), unit(source)?))).collect();
    let (Some(main), true) = (main, found.is_empty()) else { return Err(found) };
    let texts = || std::iter::once(&script.main).chain(script.modules.iter().map(|(_, source)| source));
    let reached = Reached::new(&script.policy, &written.grants, shelf);
    let program = Program {
        policy: script.policy.clone(),
        main,
        modules,
        options: options::read(&written.with, secrets).map_err(|diagnostic| vec![diagnostic])?,
        hooks: HookSet::EMPTY,
        envoy: super::envoy::is_named_in(&script.main.text),
        on_failure: written.on_failure,
        waits: texts().any(|source| WAITING.iter().any(|word| has_word(&source.text, word))),
        limits: Limits::new(&written.limits, written.trip),
        grants: written.grants.clone(),
        fingerprint: fingerprint(written, secrets, &reached),
        reached,
        script: written.script.clone(),
    };
    finish(program, written)
}

/// SHA-256, cut: two programs with the same one are the same.
fn fingerprint(written: &plan::Program, secrets: &options::Secrets, reached: &Reached) -> u128 {
    let script = &*written.script;
    let mut digest = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    let mut part = |bytes: &[u8]| {
        digest.update(&bytes.len().to_le_bytes());
        digest.update(bytes);
    };
    part(env!("CARGO_PKG_VERSION").as_bytes());
    part(script.policy.as_bytes());
    for (name, source) in std::iter::once((&script.main.name, &script.main))
        .chain(script.modules.iter().map(|(name, source)| (name, source)))
    {
        part(name.as_bytes());
        part(source.name.as_bytes());
        part(source.text.as_bytes());
    }
    part(&written.with.fingerprint().to_le_bytes());
    written.with.node().each_secret(&mut |name| {
        if let Some(secret) = secrets.get(name) {
            part(&secret.0);
        }
    });
    part(format!("{:?} {:?} {:?} {:?}", written.limits, written.grants, written.trip, written.on_failure).as_bytes());
    reached.tell(&mut part);
    let digest = digest.finish();
    digest.as_ref().iter().take(16).fold(0, |sum, byte| sum << 8 | u128::from(*byte))
}

/// Runs the top level, and looks at what it has left.
fn finish(program: Program, written: &plan::Program) -> Result<Arc<Program>, Vec<Diagnostic>> {
    let script = &*written.script;
    let trial = Arc::new(program);
    let vm = Vm::new(&trial).map_err(|message| vec![failed(script, &message)])?;
    let mut found = Vec::new();
    let mut hooks = HookSet::EMPTY;
    let envoy = super::envoy::hooks(&vm, &script.main.text);
    for (name, kind) in vm.globals() {
        if kind != Kind::Function || envoy.is_some() {
            continue;
        }
        match TABLE.iter().find(|row| row.name == name) {
            Some(row) => hooks = hooks.and(HookSet::of(&[row.hook])),
            None => found.push(no_hook(script, &name)),
        }
    }
    found.extend(options::check(&vm, &written.with, script));
    hooks = hooks.and(envoy.unwrap_or_default());
    if hooks == HookSet::EMPTY && found.is_empty() {
        let none = Diagnostic::error("E0312", format!("the script of `{}` speaks at no hook", script.policy));
        let help = "define a function named after a hook: `function request(exchange) … end`";
        found.push(none.at(&place(&script.main, 1), "no hook is defined here").help(help));
    }
    if !found.is_empty() {
        return Err(found);
    }
    drop(vm);
    let mut program = Arc::into_inner(trial).ok_or_else(|| vec![failed(script, "its VM would not end")])?;
    program.hooks = hooks;
    program.envoy = envoy.is_some();
    Ok(Arc::new(program))
}

fn no_hook(script: &plan::Script, name: &str) -> Diagnostic {
    let hooks = TABLE.iter().map(|row| row.name);
    let near = nearest(name, hooks.clone());
    let label = near.map_or_else(|| "no hook has this name".to_owned(), |near| format!("did you mean `{near}`?"));
    let line = script.main.text.lines().position(|line| line.contains("function") && has_word(line, name));
    let known: Vec<&str> = hooks.collect();
    Diagnostic::error("E0312", format!("the global function `{name}` is no hook"))
        .at(&place(&script.main, line.map_or(1, |line| line + 1)), label)
        .help(format!("make it `local function {name}`, unless it is one of {}", known.join(", ")))
}

/// An error of the top level, with the place that its message begins with.
fn failed(script: &plan::Script, message: &str) -> Diagnostic {
    let sources = std::iter::once(&script.main).chain(script.modules.iter().map(|(_, source)| source));
    let found = sources.filter_map(|source| Some((source, message.strip_prefix(&*source.name)?.strip_prefix(':')?)));
    let (span, message) = match { found }.next_back() {
        Some((source, rest)) => {
            let (line, message) = split_line(rest);
            (place(source, line), message)
        }
        None => (place(&script.main, 1), message),
    };
    Diagnostic::error("E0311", format!("the script of `{}` failed: {message}", script.policy)).at(&span, "")
}

/// `3: what is wrong` as line and message.
fn split_line(message: &str) -> (usize, &str) {
    match message.split_once(':') {
        Some((line, rest)) => match line.trim().parse() {
            Ok(line) => (line, rest.trim_start()),
            Err(_) => (1, message),
        },
        None => (1, message),
    }
}

/// A line of a source; of an inline text the YAML value as a whole.
pub(super) fn place(source: &Source, line: usize) -> Span {
    if let Some(span) = &source.span {
        return span.clone();
    }
    let mut start = 0;
    for (index, text) in source.text.split_inclusive('\n').enumerate() {
        if index + 1 == line {
            let indent = text.len() - text.trim_start().len();
            return Span::new(&source.name, start + indent, start + text.trim_end().len().max(indent));
        }
        start += text.len();
    }
    Span::new(&source.name, source.text.len(), source.text.len())
}

pub(super) fn has_word(text: &str, word: &str) -> bool {
    let name = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| !text[..at].ends_with(name) && !text[at + word.len()..].starts_with(name))
}

// === impl Program ===

impl Program {
    /// A failure at Prepare, shown where it happened.
    pub(super) fn diagnostic(&self, failure: &crate::failure::Failure) -> Diagnostic {
        let text = failure.detail().map_or_else(|| failure.to_string(), str::to_owned);
        failed(&self.script, &text)
    }

    pub(super) fn module(&self, name: &[u8]) -> Option<&Unit> {
        self.modules.iter().find(|(known, _)| known.as_bytes() == name).map(|(_, unit)| unit)
    }
}

// === impl Limits ===

impl Limits {
    fn new(written: &plan::PolicyLimits, trip: Option<plan::Trip>) -> Self {
        Self {
            memory: written.memory,
            cpu_ns: written.cpu.as_nanos() as u64,
            load_cpu_ns: SCRIPT_LOAD_CPU_MS * 1_000_000,
            wait_ms: crate::clock::millis(written.wait),
            calls: written.calls,
            body: written.body,
            logs: written.logs,
            share_percent: written.share,
            trip,
        }
    }
}
