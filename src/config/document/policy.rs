//! Policies as written: a table whose key says the kind; the kind `lua`, and what policies that run scripts have beside it.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde_json::Value as Json;

use super::super::node::{Entry, Node, Value};
use super::super::options::Options;
use super::super::shapes::Whole;
use super::super::units::{Percent, Period, Size};
use super::Spanned;

/// A policy: which kind, with which options. The schema of its kinds comes from the catalogue.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Every key it has; `check` says which one is the kind.
    pub entries: Vec<Entry>,
}

/// `lua:` of a policy.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Lua {
    /// The script. Modules that it requires are looked for in its folder first.
    pub file: Option<Spanned<String>>,
    /// The script itself, a few lines of it. Modules are looked for in the folder of this configuration file first.
    pub inline: Option<Spanned<String>>,
    /// Folders in which `require` looks next, in this order.
    #[serde(default)]
    pub lib: Vec<Spanned<String>>,
    /// What the script gets as `options`. A value `{ secret: NAME }` is that secret, and grants it.
    pub with: Option<Options>,
}

/// What stands beside the kind of a policy that runs a script, and in `defaults:`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// What one call may take.
    pub limits: Option<ScriptLimits>,
    /// What the policy may reach beyond its own exchange. Default: no requests of its own, no secrets, every field.
    pub may: Option<May>,
    /// What becomes of an exchange when the policy fails: `closed` refuses it, `open` goes on as if the policy had not
    /// been there. Default: as the hook's row says.
    pub on_failure: Option<OnFailure>,
    /// Switches a policy that keeps failing off for a while. Default: never.
    pub trip: Option<Trip>,
}

/// `limits:` of a policy.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScriptLimits {
    /// CPU time of one call, at least 1ms and at most 1s. Default: 10ms.
    pub cpu: Option<Spanned<Period>>,
    /// Time that one call may wait in all. 0s: it may not wait. Default: 10s.
    pub wait: Option<Spanned<Period>>,
    /// Memory of the policy on each worker, at least 1MiB, with what is held for it outside of the script. Default:
    /// 32MiB.
    pub memory: Option<Spanned<Size>>,
    /// Requests of its own that one call may make. Default: 8.
    pub calls: Option<Whole<0, { u32::MAX as u64 }>>,
    /// Bytes of a body that the policy may read or make whole, decoded. Default: 1MiB.
    pub body: Option<Spanned<Size>>,
    /// Lines that one call may log. Default: 20.
    pub logs: Option<Whole<0, { u32::MAX as u64 }>>,
    /// The policy's part of a worker's time over a second; beyond it its exchanges fail as its hooks' rows say. Default:
    /// 50%.
    pub share: Option<Percent>,
}

/// `may:` of a policy.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct May {
    /// Upstreams that it may send requests of its own to, and lead exchanges to.
    pub upstreams: Option<Vec<Spanned<String>>>,
    /// Secrets that it may use, beside those of its `with`.
    pub secrets: Option<Vec<Spanned<String>>>,
    /// Dictionaries that it may read and write, beside its own.
    pub dictionaries: Option<Vec<Spanned<String>>>,
    /// Tables that it may look things up in.
    pub tables: Option<Vec<Spanned<String>>>,
    /// The only fields of heads that it may read; `["*"]`: all. Default: all.
    pub read: Option<Vec<Spanned<String>>>,
    /// The only fields of heads that it may write; `["*"]`: all. Default: all.
    pub write: Option<Vec<Spanned<String>>>,
}

/// What becomes of an exchange whose policy failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum OnFailure {
    Closed,
    Open,
}

/// `trip:` of a policy.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Trip {
    /// After so many failures …
    pub failures: Whole<1, { u32::MAX as u64 }>,
    /// … in so short a time …
    pub within: Spanned<Period>,
    /// … the policy is off for so long: exchanges go as `on_failure` says, and nothing is run.
    #[serde(rename = "for")]
    pub off_for: Spanned<Period>,
}

// === impl Policy ===

impl Policy {
    /// Keys beside the kind, which belong to policies that run scripts.
    pub const BESIDE: [&'static str; 4] = ["limits", "may", "on_failure", "trip"];

    /// The entry of that key.
    #[must_use]
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }
}

impl<'de> Deserialize<'de> for Policy {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let node = Node::deserialize(deserializer)?;
        match node.value {
            Value::Table(entries) => Ok(Self { entries }),
            _ => Err(serde::de::Error::custom(format!(
                "expected a table whose key says the kind, as in `{}`; found {}",
                "{ redirect: { to: /x } }",
                node.describe()
            ))),
        }
    }
}

impl JsonSchema for Policy {
    fn schema_name() -> Cow<'static, str> {
        "Policy".into()
    }

    /// What config knows by itself; [`schema`](super::super::schema::schema) adds the catalogue's kinds.
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = Terms::json_schema(generator);
        let mut lua = generator.subschema_for::<Lua>();
        lua.insert("description".into(), "A script in Luau, from a file or a few lines in place.".into());
        if let Some(Json::Object(properties)) = schema.get_mut("properties") {
            properties.insert("lua".into(), lua.to_value());
        }
        schema
    }
}
