//! A policy's `with:` as the script's `options`, and the `schema` by which a script has it checked.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use super::bind::{self, Noun};
use super::raw::{Frame, Hosted, Kind, Raise, Returned};
use super::vm::Vm;
use crate::config::diagnostic::{Diagnostic, Span};
use crate::config::node::{Node, Value};
use crate::config::options::Options;
use crate::config::plan::{Script, Secret};
use crate::config::similar::nearest;

/// Secrets by name, read.
pub type Secrets = BTreeMap<String, Secret>;

/// A value of the options.
#[derive(Debug, Clone)]
pub(super) enum Setting {
    Nil,
    Bool(bool),
    Number(f64),
    Text(String),
    List(Vec<Setting>),
    Table(Vec<(String, Setting)>),
    Secret(Arc<str>, Secret),
}

/// A secret in a script's hands: it can be used and not be looked at.
pub(super) struct Handle {
    name: Arc<str>,
    secret: Secret,
    /// Stands before it where it is assigned to a field.
    prefix: Vec<u8>,
}

/// What a script's `schema` says of one option.
struct Rule {
    kind: String,
    required: bool,
}

const KINDS: &[&str] = &["any", "boolean", "list", "number", "secret", "string", "table"];

/// Reads what is written; secrets are looked up.
pub(super) fn read(options: &Options, secrets: &Secrets) -> Result<Setting, Diagnostic> {
    setting(options.node(), secrets)
}

fn setting(node: &Node, secrets: &Secrets) -> Result<Setting, Diagnostic> {
    Ok(match &node.value {
        Value::Null => Setting::Nil,
        Value::Bool(value) => Setting::Bool(*value),
        Value::Integer(value) => Setting::Number(*value as f64),
        Value::Float(value) => Setting::Number(*value),
        Value::String(value) => Setting::Text(value.clone()),
        Value::List(items) => Setting::List(items.iter().map(|item| setting(item, secrets)).collect::<Result<_, _>>()?),
        Value::Table(entries) => {
            if let [only] = entries.as_slice()
                && only.key == "secret"
                && let Value::String(name) = &only.value.value
            {
                let unknown =
                    || Diagnostic::error("E0313", format!("there is no secret `{name}`")).at(&only.value.span, "");
                return Ok(Setting::Secret(name.as_str().into(), secrets.get(name).cloned().ok_or_else(unknown)?));
            }
            let entry = |entry: &crate::config::node::Entry| Ok((entry.key.clone(), setting(&entry.value, secrets)?));
            Setting::Table(entries.iter().map(entry).collect::<Result<_, _>>()?)
        }
    })
}

/// Pushes a setting as a value of the script's.
pub(super) fn push(frame: &Frame<'_>, setting: &Setting) {
    match setting {
        Setting::Nil => frame.push_nil(),
        Setting::Bool(value) => frame.push_bool(*value),
        Setting::Number(value) => frame.push_number(*value),
        Setting::Text(value) => frame.push_text(value.as_bytes()),
        Setting::List(items) => {
            frame.push_table(items.len(), 0);
            let table = frame.top();
            for (index, item) in items.iter().enumerate() {
                push(frame, item);
                frame.set_item(table, index + 1);
            }
        }
        Setting::Table(entries) => {
            frame.push_table(0, entries.len());
            let table = frame.top();
            for (key, value) in entries {
                push(frame, value);
                frame.set_field(table, key.as_bytes());
            }
        }
        Setting::Secret(name, secret) => {
            let handle = Handle { name: name.clone(), secret: secret.clone(), prefix: Vec::new() };
            frame.push_thing(Noun::Secret as u8, 0, Some(Rc::new(handle)));
        }
    }
}

/// Holds the options against the script's `schema`, if it has one.
pub(super) fn check(vm: &Vm, written: &Options, script: &Script) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let Some(rules) = rules(vm, script, &mut found) else { return found };
    let entries: &[crate::config::node::Entry] = match &written.node().value {
        Value::Table(entries) => entries,
        _ => &[],
    };
    for entry in entries {
        match rules.iter().find(|(name, _)| *name == entry.key) {
            Some((_, rule)) if fits(&rule.kind, &entry.value) => {}
            Some((_, rule)) => {
                let message =
                    format!("the option `{}` is a {}, found {}", entry.key, rule.kind, entry.value.describe());
                found.push(wrong(&entry.value.span, message, script));
            }
            None => {
                let near = nearest(&entry.key, rules.iter().map(|(name, _)| name.as_str()));
                let hint = near.map(|near| format!(" (did you mean `{near}`?)")).unwrap_or_default();
                let message = format!("the script of `{}` has no option `{}`{hint}", script.policy, entry.key);
                found.push(wrong(&entry.key_span, message, script));
            }
        }
    }
    for (name, rule) in &rules {
        if rule.required && !entries.iter().any(|entry| entry.key == *name) {
            let message = format!("the option `{name}` of `{}` is missing: a {}", script.policy, rule.kind);
            let span = if written.is_empty() { &script.span } else { written.span() };
            found.push(wrong(span, message, script));
        }
    }
    found
}

fn wrong(span: &Span, message: String, script: &Script) -> Diagnostic {
    Diagnostic::error("E0313", message)
        .at(span, "")
        .help(format!("`schema` in {} says what there is", script.main.name))
}

fn fits(kind: &str, node: &Node) -> bool {
    let secret = matches!(&node.value, Value::Table(entries) if entries.len() == 1 && entries[0].key == "secret");
    match (kind, &node.value) {
        ("any", _) | ("boolean", Value::Bool(_)) | ("string", Value::String(_)) | ("list", Value::List(_)) => true,
        ("number", Value::Integer(_) | Value::Float(_)) => true,
        ("secret", _) => secret,
        ("table", Value::Table(_)) => !secret,
        _ => false,
    }
}

/// The schema's rules: `name = "kind"`, `name = "kind?"`, or `name = { type = "kind", default = … }`.
fn rules(vm: &Vm, script: &Script, found: &mut Vec<Diagnostic>) -> Option<Vec<(String, Rule)>> {
    vm.look_at_globals(|frame, globals| {
        frame.push_field(globals, b"schema");
        let schema = frame.top();
        match frame.kind(schema) {
            Kind::Table => {}
            Kind::Nil => return None,
            _ => {
                found.push(no_schema(script, "`schema` is a table of options: { realm = \"string\" }"));
                return None;
            }
        }
        let (mut rules, mut place) = (Vec::new(), 0);
        loop {
            place = frame.next(schema, place);
            if place < 0 {
                return Some(rules);
            }
            let name = frame.copy(-2).map(|name| String::from_utf8_lossy(&name).into_owned()).unwrap_or_default();
            let value = frame.top();
            let (kind, has_default) = if frame.kind(value) == Kind::Table {
                frame.push_field(value, b"default");
                let has_default = frame.kind(-1) != Kind::Nil;
                frame.pop(1);
                frame.push_field(value, b"type");
                let kind = frame.copy(-1);
                frame.pop(1);
                (kind, has_default)
            } else {
                (frame.copy(value), false)
            };
            frame.pop(2);
            let kind = kind.map(|kind| String::from_utf8_lossy(&kind).into_owned()).unwrap_or_default();
            let (kind, optional) = match kind.strip_suffix('?') {
                Some(kind) => (kind.to_owned(), true),
                None => (kind, false),
            };
            if KINDS.contains(&kind.as_str()) {
                rules.push((name, Rule { kind, required: !optional && !has_default }));
            } else {
                let message = format!("`schema.{name}` is none of {}", KINDS.join(", "));
                found.push(no_schema(script, &message));
            }
        }
    })
}

fn no_schema(script: &Script, message: &str) -> Diagnostic {
    let line = script.main.text.lines().position(|line| line.contains("schema")).map_or(1, |line| line + 1);
    Diagnostic::error("E0313", message).at(&super::compile::place(&script.main, line), "")
}

/// Fills in what the schema has a default for, once the top level has run.
pub(super) fn apply_defaults(frame: &Frame<'_>, globals: i32) {
    let before = frame.top();
    frame.push_field(globals, b"options");
    let options = frame.top();
    frame.push_field(globals, b"schema");
    let (schema, mut place) = (frame.top(), 0);
    if frame.kind(schema) == Kind::Table && frame.kind(options) == Kind::Table {
        loop {
            place = frame.next(schema, place);
            if place < 0 {
                break;
            }
            let (rule, name) = (frame.top(), frame.copy(-2).unwrap_or_default());
            frame.push_field(options, &name);
            let missing = frame.kind(-1) == Kind::Nil;
            frame.pop(1);
            if missing && frame.kind(rule) == Kind::Table {
                frame.push_field(rule, b"default");
                frame.set_field(options, &name);
            }
            frame.pop(2);
        }
    }
    frame.pop(frame.top() - before);
}

/// An argument that is a secret.
pub(super) fn secret<'a>(frame: &'a Frame<'_>, at: i32) -> Option<&'a Handle> {
    frame.thing(at, Noun::Secret as u8)?.held.as_ref()?.downcast_ref::<Handle>()
}

/// `secret:prefixed(text)`: the same with a text before it, for a field.
pub(super) fn prefixed(frame: &Frame<'_>) -> Hosted {
    let (Some(handle), Some(prefix)) = (secret(frame, 1), frame.text(2)) else {
        return Err(Raise("prefixed takes a text: options.key:prefixed(\"Bearer \")".to_owned()));
    };
    let handle = Handle { name: handle.name.clone(), secret: handle.secret.clone(), prefix: prefix.to_vec() };
    frame.push_thing(Noun::Secret as u8, 0, Some(Rc::new(handle)));
    Ok(Returned::Values(1))
}

// === impl Handle ===

impl Handle {
    /// The prefix and the secret.
    pub(super) fn bytes(&self) -> Vec<u8> {
        [&self.prefix[..], &self.secret.0].concat()
    }
}

/// What becomes of a secret that somebody wants to see.
pub(super) fn install_secret(frame: &Frame<'_>) {
    bind::metamethod(frame, c"__namecall", |frame: &Frame<'_>| bind::call(frame, Noun::Secret as u8));
    bind::metamethod(frame, c"__tostring", |frame: &Frame<'_>| {
        let name = secret(frame, 1).map(|handle| handle.name.clone()).unwrap_or_default();
        frame.push_text(format!("(the secret {name})").as_bytes());
        Ok(Returned::Values(1))
    });
    bind::metamethod(frame, c"__concat", |_: &Frame<'_>| {
        let message =
            "a secret cannot be joined to a text: assign it to a field, or hand it to `jwt`, `hmac` or `equal`";
        Err(Raise(message.to_owned()))
    });
}
