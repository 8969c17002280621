//! `headers { request, response: { set, add, remove } }`: fields, both ways. Removed first, then set, then added.
//! Framing and connection fields are the proxy's own and are refused when the configuration is checked.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::hook::{Edit, Hook, HookSet, Outcome, Policy, Side, Step, Verdict, View};
use crate::http::name::{FieldName, Known};
use crate::policy::template::Template;
use crate::policy::{Build, Complaint, Secrets};

pub(in crate::policy) const HOOKS: HookSet = HookSet::of(&[Hook::Request, Hook::Response]);

/// Sets, adds and removes fields.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HeadersOptions {
    /// Fields of the request, before it goes upstream.
    request: Option<FieldsOptions>,
    /// Fields of the response, before it goes to the client.
    response: Option<FieldsOptions>,
}

/// What happens to the fields of one side: removed first, then set, then added.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FieldsOptions {
    /// Fields to set, whatever they were before; values may hold `{…}` placeholders.
    #[serde(default)]
    set: BTreeMap<String, String>,
    /// Lines to add to those that are there.
    #[serde(default)]
    add: BTreeMap<String, OneOrMore>,
    /// Fields to take away.
    #[serde(default)]
    remove: Vec<String>,
}

/// One value, or a list of them.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum OneOrMore {
    One(String),
    More(Vec<String>),
}

#[derive(Debug)]
pub struct Headers {
    request: Vec<Change>,
    response: Vec<Change>,
}

#[derive(Debug)]
enum Change {
    Remove(FieldName),
    Set(FieldName, Template),
    Add(FieldName, Template),
}

/// The name of a field that a policy may write.
pub(super) fn field_name(name: &str) -> Result<FieldName, Complaint> {
    let field =
        FieldName::new(name).map_err(|why| Complaint::new(format!("`{name}`: {why}"), "a name such as x-team"))?;
    if field.known().is_framing() {
        let message = format!("`{name}` belongs to the proxy: it says where a message or a connection ends");
        return Err(Complaint::new(message, "leave it out; the proxy writes it as the message needs it"));
    }
    if field.known() == Known::Host {
        let message = "`host` is no ordinary field: it is part of the request's target";
        return Err(Complaint::new(message, "use rewrite: { host: … }"));
    }
    Ok(field)
}

// === impl HeadersOptions ===

impl Build for HeadersOptions {
    type Built = Headers;

    fn build(self, secrets: &Secrets) -> Result<Headers, Vec<Complaint>> {
        let mut complaints = Vec::new();
        let request = self.request.unwrap_or_default().compile(secrets, &mut complaints);
        let response = self.response.unwrap_or_default().compile(secrets, &mut complaints);
        for change in &request {
            if let Change::Set(name, value) | Change::Add(name, value) = change
                && let Some(early) = value.too_early()
            {
                let message = format!("`{{{early}}}` is not known yet when `{}` is written", name.as_str());
                complaints.push(Complaint::new(message, "use it under `response`"));
            }
        }
        if request.is_empty() && response.is_empty() && complaints.is_empty() {
            let help = "give `request` or `response`, each with `set`, `add` or `remove`";
            complaints.push(Complaint::new("this changes no field", help));
        }
        if complaints.is_empty() { Ok(Headers { request, response }) } else { Err(complaints) }
    }
}

// === impl FieldsOptions ===

impl FieldsOptions {
    fn compile(&self, secrets: &Secrets, complaints: &mut Vec<Complaint>) -> Vec<Change> {
        let mut changes = Vec::new();
        let mut fallible = |change: Result<Change, Complaint>| match change {
            Ok(change) => changes.push(change),
            Err(complaint) => complaints.push(complaint),
        };
        for name in &self.remove {
            fallible(field_name(name).and_then(|field| {
                if self.set.keys().any(|set| set.eq_ignore_ascii_case(name)) {
                    let message = format!("`{name}` is both set and removed");
                    return Err(Complaint::new(message, "keep one: setting replaces what was there"));
                }
                Ok(Change::Remove(field))
            }));
        }
        for (name, value) in &self.set {
            fallible(field_name(name).and_then(|name| Ok(Change::Set(name, Template::field_value(value, secrets)?))));
        }
        for (name, values) in &self.add {
            for value in values.all() {
                let value = Template::field_value(value, secrets);
                fallible(field_name(name).and_then(|name| Ok(Change::Add(name, value?))));
            }
        }
        changes
    }
}

// === impl OneOrMore ===

impl OneOrMore {
    pub(super) fn all(&self) -> &[String] {
        match self {
            Self::One(value) => std::slice::from_ref(value),
            Self::More(values) => values,
        }
    }
}

// === impl Headers ===

impl Headers {
    fn change(&self, hook: Hook, view: &mut dyn View) -> Outcome {
        let (side, changes) = match hook {
            Hook::Response => (Side::Response, &self.response),
            _ => (Side::Request, &self.request),
        };
        let mut value = Vec::new();
        for change in changes {
            value.clear();
            let edit = match change {
                Change::Remove(name) => Edit::Remove(name),
                Change::Set(name, template) => {
                    template.render_value(view, &mut value);
                    Edit::Set(name, &value)
                }
                Change::Add(name, template) => {
                    template.render_value(view, &mut value);
                    Edit::Add(name, &value)
                }
            };
            view.edit(side, edit)?;
        }
        Ok(Verdict::Pass)
    }
}

impl Policy for Headers {
    fn hooks(&self) -> HookSet {
        let request = if self.request.is_empty() { HookSet::EMPTY } else { HookSet::of(&[Hook::Request]) };
        let response = if self.response.is_empty() { HookSet::EMPTY } else { HookSet::of(&[Hook::Response]) };
        request.and(response)
    }

    fn waits(&self, _: Hook) -> bool {
        false
    }

    fn call<'a>(&'a self, hook: Hook, view: &'a mut dyn View) -> Step<'a> {
        Step::Now(self.change(hook, view))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::head::Head;
    use crate::policy::fake::{Fake, complaint, policy};

    #[test]
    fn fields_are_removed_set_and_added() {
        let policy = policy::<HeadersOptions>(serde_json::json!({ "request": {
            "set": { "X-Name": "{request.host} ", "x-new": "{client.address}" },
            "add": { "x-team": ["a", "b"], "user-agent": "{header.missing}" },
            "remove": ["user-agent"],
        } }));
        assert_eq!(policy.hooks(), HookSet::of(&[Hook::Request]));
        let mut fake = Fake::get("/");
        fake.call(&policy, Hook::Request).unwrap();
        assert_eq!(fake.field("x-name"), "shop.example.com");
        assert_eq!(fake.field("x-new"), "192.0.2.7");
        assert_eq!(fake.field("x-team"), "a, b");
        assert_eq!(fake.field("user-agent"), "");
    }

    #[test]
    fn responses_know_their_status() {
        let set = serde_json::json!({ "x-was": "{response.status} {endpoint}" });
        let policy = policy::<HeadersOptions>(serde_json::json!({ "response": { "set": set } }));
        assert_eq!(policy.hooks(), HookSet::of(&[Hook::Response]));
        let mut fake = Fake::get("/");
        fake.response = Some(Head::response(503));
        fake.call(&policy, Hook::Response).unwrap();
        let name = FieldName::new("x-was").unwrap();
        assert_eq!(fake.response.unwrap().get(&name), Some(&b"503"[..]));
    }

    #[test]
    fn mistakes_are_named_together() {
        let found = complaint::<HeadersOptions>(serde_json::json!({
            "request": {
                "set": { "Transfer-Encoding": "chunked", "a": "{endpoint}", "b": "x" },
                "add": { "c": "{nope}", "host": "x" },
                "remove": ["Content-Length", "B"],
            },
        }));
        for part in [
            "`Transfer-Encoding` belongs",
            "`{endpoint}` is not known yet",
            "{nope}",
            "`host` is no ordinary field",
            "`Content-Length` belongs",
            "`B` is both set and removed",
        ] {
            assert!(found.contains(part), "{part}: {found}");
        }
        assert!(complaint::<HeadersOptions>(serde_json::json!({ "response": {} })).contains("changes no field"));
    }
}
