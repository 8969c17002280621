//! Document → plan: every name resolved, every default filled in, every mistake reported together.
//!
//! Files are read here (pages, secrets), because a plan that is good must stay good; nothing is written, bound or
//! dialled.

mod chain;
mod data;
mod listener;
mod matching;
mod module;
mod page;
mod path;
mod route;
mod script;
mod tie;
mod tls;
mod upstream;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use super::catalogue::Catalogue;
use super::codes;
use super::diagnostic::{Diagnostic, Span};
use super::document::{Document, LogFormat, Noun, SecretTable};
use super::plan::{self, Plan};
use super::shapes::{AccessLog, Later};
use super::similar::nearest;
use super::source::Sources;
use super::spanned::Spanned;
use super::units::Period;
use crate::http::target::Normalise;
use crate::limits;
use crate::tls::pair::Authorities;
use crate::wire::Address;

/// Checks everything. A plan comes with its warnings; without a plan there is at least one error among what was found.
/// `sources` learns the scripts that were read, so that mistakes in them can be shown.
pub fn check(sources: &mut Sources, catalogue: &dyn Catalogue) -> Result<(Plan, Vec<Diagnostic>), Vec<Diagnostic>> {
    check_naming(sources, catalogue, &mut Vec::new())
}

/// [`check`], and every file that the configuration names, whatever is wrong with it: what to watch for its mending.
pub fn check_naming(
    sources: &mut Sources,
    catalogue: &dyn Catalogue,
    inputs: &mut Vec<PathBuf>,
) -> Result<(Plan, Vec<Diagnostic>), Vec<Diagnostic>> {
    inputs.extend_from_slice(sources.inputs());
    // What cannot be read would only be missed everywhere else.
    if !sources.found().is_empty() {
        return Err(sources.found().to_vec());
    }
    let (document, found) = Document::read(sources);
    let mut check = Check {
        sources: &*sources,
        catalogue,
        kinds: catalogue.kinds(),
        document: &document,
        plan: Plan { inputs: sources.inputs().to_vec(), ..Plan::default() },
        found,
        policies: BTreeMap::new(),
        policies_used: BTreeSet::new(),
        upstreams_used: BTreeSet::new(),
        system: None,
        normalises: Vec::new(),
        texts: Vec::new(),
    };
    check.run();
    let Check { mut plan, mut found, texts, .. } = check;
    texts.iter().for_each(|(name, text)| sources.remember(name, text.to_string()));
    let mut known = HashSet::new();
    plan.inputs.retain(|path| known.insert(path.clone()));
    inputs.clone_from(&plan.inputs);
    redact(&mut found, sources);
    let mut seen = HashSet::new();
    found.retain(|diagnostic| seen.insert(diagnostic.clone()));
    // Errors first, then by place, so that the report reads like the file.
    let files: Vec<&Arc<str>> = sources.files().iter().map(|file| &file.name).collect();
    found.sort_by_key(|diagnostic| {
        let span = diagnostic.span();
        let file = span.and_then(|span| files.iter().position(|file| **file == span.file));
        (!diagnostic.is_error(), file, span.map(|span| span.start))
    });
    if found.iter().any(Diagnostic::is_error) { Err(found) } else { Ok((plan, found)) }
}

/// Everything that checking knows so far.
struct Check<'a> {
    sources: &'a Sources,
    catalogue: &'a dyn Catalogue,
    kinds: Vec<&'static str>,
    document: &'a Document,
    plan: Plan,
    found: Vec<Diagnostic>,
    policies: BTreeMap<&'a str, chain::Defined>,
    policies_used: BTreeSet<String>,
    upstreams_used: BTreeSet<String>,
    /// The authorities that the system believes, once somebody has asked.
    system: Option<Authorities>,
    /// How each listener normalises paths; patterns are judged by it.
    normalises: Vec<Normalise>,
    /// Scripts that were read, by name: mistakes point into them.
    texts: Vec<(Arc<str>, Arc<str>)>,
}

// === impl Check ===

impl<'a> Check<'a> {
    fn run(&mut self) {
        self.process();
        self.secrets();
        self.dictionaries();
        self.tables();
        self.defaults();
        self.policies();
        self.listeners();
        self.upstreams();
        self.plan.chain = self.chain(&self.document.uses, chain::Place::File).uses;
        self.plan.failure_pages = self.pages(&self.document.failure_pages);
        self.routes();
        // Where something is broken, nobody knows what else was meant to be used.
        if !self.found.iter().any(Diagnostic::is_error) {
            self.unused();
        }
    }

    fn report(&mut self, diagnostic: Diagnostic) {
        self.found.push(diagnostic);
    }

    fn bad_value(&mut self, span: &Span, message: impl Into<String>, help: &str) {
        self.report(Diagnostic::error(codes::BAD_VALUE, message).at(span, "").help(help));
    }

    /// A key whose tenant comes later.
    fn later(&mut self, key: &str, later: Option<&Later>) {
        if let Some(Later(span)) = later {
            let message = format!("`{key}` is not built yet in this version");
            self.report(Diagnostic::error(codes::NOT_BUILT, message).at(span, "remove it for now"));
        }
    }

    /// A duration that must last.
    fn period(&mut self, period: Option<&Spanned<Period>>) -> Option<std::time::Duration> {
        let period = period?;
        if period.value.0.is_zero() {
            self.bad_value(
                &period.span,
                "this timeout would be over before it began",
                "leave the key out for the default",
            );
        }
        Some(period.value.0)
    }

    /// Workers, log, admin, resolve: what the process has one of.
    fn process(&mut self) {
        let document = self.document;
        self.plan.workers = document.workers.as_ref().map(|workers| clamp(workers.value.0));
        if let Some(log) = &document.access_log {
            self.plan.access_log = match &log.value {
                AccessLog::Off => plan::AccessLog { format: plan::LogFormat::Off, file: None },
                AccessLog::Table(table) => plan::AccessLog {
                    format: match table.format {
                        Some(LogFormat::Combined) => plan::LogFormat::Combined,
                        _ => plan::LogFormat::Json,
                    },
                    file: table.file.as_ref().filter(|file| file.value != "stdout").map(|file| self.path(file)),
                },
            };
        }
        self.plan.state_dir = document.state_dir.as_ref().map(|dir| self.path(dir));
        if let Some(admin) = &document.admin {
            self.plan.admin.socket = admin.value.socket.as_ref().map(|socket| self.path(socket));
            if let Some(bind) = &admin.value.bind {
                self.plan.admin.bind = match self.bind(&bind.span, &bind.value.0) {
                    Some(Address::Ip(address)) => Some(address),
                    Some(_) => {
                        self.bad_value(
                            &bind.span,
                            "the admin address must be an IP address",
                            "use `admin: { socket: … }` for a Unix socket",
                        );
                        None
                    }
                    None => None,
                };
                if self.plan.admin.bind.is_some_and(|address| !address.ip().is_loopback()) {
                    let open = Diagnostic::warning(codes::DOUBTFUL, "metrics and health are open to other machines");
                    self.report(
                        open.at(&bind.span, "not a loopback address").help("bind 127.0.0.1 unless that is meant"),
                    );
                }
            }
        }
        for server in document.resolve.iter().flat_map(|resolve| &resolve.value.nameservers) {
            let ip = server.value.parse().map(|ip| std::net::SocketAddr::new(ip, 53));
            match ip.or_else(|_| server.value.parse()) {
                Ok(address) => self.plan.nameservers.push(address),
                Err(_) => self.bad_value(&server.span, "expected an IP address", "as in `10.0.0.2` or `10.0.0.2:53`"),
            }
        }
    }

    /// A path as the operator meant it: relative to the file that names it.
    fn path(&self, path: &Spanned<String>) -> PathBuf {
        self.sources.resolve(&path.span, &path.value)
    }

    fn secrets(&mut self) {
        for (name, secret) in &self.document.secrets.0 {
            let (span, bytes) = match secret {
                SecretTable::File(file) => {
                    let path = self.path(file);
                    self.plan.inputs.push(path.clone());
                    let bytes = self.sources.reading().private(&path, limits::SECRET_BYTES_MAX);
                    (&file.span, bytes.map_err(|why| format!("cannot read the secret `{}`: {why}", name.value)))
                }
                SecretTable::Env(variable) => {
                    let value = self.sources.environment().get(&variable.value).map(String::into_bytes);
                    (&variable.span, value.ok_or_else(|| format!("the environment has no `{}`", variable.value)))
                }
            };
            match bytes {
                Ok(mut bytes) => {
                    if bytes.last() == Some(&b'\n') {
                        bytes.pop();
                        bytes.pop_if(|byte| *byte == b'\r');
                    }
                    if bytes.is_empty() {
                        let empty = format!("the secret `{}` is empty", name.value);
                        self.report(Diagnostic::error(codes::BAD_VALUE, empty).at(span, ""));
                    }
                    self.plan.secrets.insert(name.value.clone(), plan::Secret(bytes.into()));
                }
                Err(why) => self.report(Diagnostic::error(codes::UNREADABLE, why).at(span, "")),
            }
        }
    }

    /// What is defined but never used.
    fn unused(&mut self) {
        let unused = |noun: Noun, name: &Spanned<String>| {
            Diagnostic::warning(codes::UNUSED, format!("nothing uses the {} `{}`", noun.label(), name.value))
                .at(&name.span, "")
                .help("use it, or remove it")
        };
        let document = self.document;
        for (name, _) in &document.upstreams.0 {
            if !self.upstreams_used.contains(&name.value) {
                self.report(unused(Noun::Upstream, name));
            }
        }
        for (name, _) in &document.policies.0 {
            if self.policies_used.contains(&name.value) {
                continue;
            }
            self.report(unused(Noun::Policy, name));
            if let Some(chain::Defined { kind, options, program: None }) = self.policies.get(name.value.as_str())
                && let Err(found) = self.catalogue.check(kind, options)
            {
                self.found.extend(found);
            }
        }
    }

    /// "There is no upstream `shop-nxt`": with what was probably meant, and where that is.
    fn unknown(&mut self, noun: Noun, code: &'static str, name: &Spanned<String>, builtins: &[&str]) {
        let known: Vec<&str> = self.document.declarations(noun).chain(builtins.iter().copied()).collect();
        let label = noun.label();
        let mut unknown = Diagnostic::error(code, format!("there is no {label} `{}`", name.value))
            .at(&name.span, format!("no {label} is called `{}`", name.value));
        match nearest(&name.value, known.iter().copied()) {
            Some(near) => match self.document.declared(noun, near) {
                Some(there) => unknown = unknown.at(&there.span, "did you mean this one?"),
                None => unknown = unknown.help(format!("did you mean the built-in `{near}`?")),
            },
            None if known.is_empty() => {
                unknown = unknown.help(format!("none is defined; name one under `{}:`", plural(noun)));
            }
            None => unknown = unknown.help(format!("known: {}", known.join(", "))),
        }
        self.report(unknown);
    }
}

/// A value from the environment that found its way into a message is shown as it is written, `${NAME}`.
fn redact(found: &mut [Diagnostic], sources: &Sources) {
    let mut expanded = HashMap::new();
    for file in sources.files() {
        if let Some(node) = &file.node {
            node.each_expanded(&mut |node, value| {
                expanded.insert(&node.span, (value, file.text.get(node.span.start..node.span.end).unwrap_or("…")));
            });
        }
    }
    if expanded.is_empty() {
        return;
    }
    for diagnostic in found {
        let spans: Vec<Span> = diagnostic.labels.iter().map(|label| label.span.clone()).collect();
        for (value, written) in spans.iter().filter_map(|span| expanded.get(span)) {
            let labels = diagnostic.labels.iter_mut().map(|label| &mut label.text);
            let others = diagnostic.help.iter_mut().chain(&mut diagnostic.note);
            for text in labels.chain(others).chain([&mut diagnostic.message]) {
                *text = text.replace(value, written.trim_matches('"'));
            }
        }
    }
}

const fn plural(noun: Noun) -> &'static str {
    match noun {
        Noun::Listener => "listeners",
        Noun::Upstream => "upstreams",
        Noun::Policy => "policies",
        Noun::Secret => "secrets",
        Noun::Dictionary => "dictionaries",
        Noun::Table => "tables",
    }
}

/// A bounded number as an index.
fn clamp(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}
