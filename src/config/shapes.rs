//! Values that may be written in more than one shape: a name or a table, one or a list.
//!
//! Each has a visitor of its own: serde's `untagged` would forget where things stand.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::SeqAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::diagnostic::Span;
use super::document::{AccessLogTable, EndpointTable, UpstreamTlsTable, UseTable};
use super::read::from_map;
use super::spanned::{Entries, Spanned};

/// A key whose feature is not built yet: read as whatever it is, and refused by `check`.
#[derive(Debug, Clone)]
pub struct Later(pub Span);

/// A whole number within bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Whole<const MIN: u64, const MAX: u64>(pub u64);

/// One text, or a list of texts.
#[derive(Debug, Clone)]
pub enum Texts {
    One(String),
    Many(Vec<Spanned<String>>),
}

/// `8443`, or an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bind(pub String);

/// `off`, or a table.
#[derive(Debug, Clone)]
pub enum AccessLog {
    Off,
    Table(AccessLogTable),
}

/// `"10.0.0.1:80"`, or a table with a weight.
#[derive(Debug, Clone)]
pub enum Endpoint {
    Address(String),
    Table(EndpointTable),
}

/// `round_robin`, or a policy.
#[derive(Debug, Clone)]
pub enum Balance {
    Name(String),
    Table(Box<UseTable>),
}

/// `via: name`, or `true` for the usual name, or `false`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Via {
    On(bool),
    Name(String),
}

/// `true` for TLS with everything at its default, or a table.
#[derive(Debug, Clone)]
pub enum UpstreamTls {
    On(bool),
    Table(Box<UpstreamTlsTable>),
}

/// A policy's name, or a table.
#[derive(Debug, Clone)]
pub enum Use {
    Name(String),
    Table(Box<UseTable>),
}

/// An upstream's name, or a weight for each of several.
#[derive(Debug, Clone)]
pub enum To {
    Name(String),
    Weights(Entries<Spanned<Weight>>),
}

/// A share of the whole.
pub type Weight = Whole<0, { crate::limits::WEIGHT_MAX as u64 }>;

/// A text that must be equal, or one of four conditions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    Exact(String),
    Prefix(String),
    Regex(Spanned<String>),
    Present(bool),
}

/// A condition's table, of which exactly one key is written.
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
struct ConditionTable {
    /// Equal to this text.
    exact: Option<String>,
    /// Beginning with this text.
    prefix: Option<String>,
    /// Matched as a whole by this regular expression.
    regex: Option<Spanned<String>>,
    /// There, or not there, whatever its value.
    present: Option<bool>,
}

/// A visitor for "a string, or a table read as `T`", or other shapes where `R` says how.
struct Shaped<R>(&'static str, PhantomData<R>);

/// How a type is made from each shape; the default is to refuse.
trait Shape<'de>: Sized {
    fn from_str<E: Error>(_: &str) -> Option<Result<Self, E>> {
        None
    }
    fn from_bool<E: Error>(_: bool) -> Option<Result<Self, E>> {
        None
    }
    fn from_int<E: Error>(_: i64) -> Option<Result<Self, E>> {
        None
    }
    fn from_seq<A: SeqAccess<'de>>(seq: A) -> Result<Self, Option<A::Error>> {
        drop(seq);
        Err(None)
    }
    fn from_map<A: MapAccess<'de>>(map: A) -> Result<Self, Option<A::Error>> {
        drop(map);
        Err(None)
    }
}

impl<'de, R: Shape<'de>> Visitor<'de> for Shaped<R> {
    type Value = R;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<R, E> {
        R::from_str(text).unwrap_or_else(|| Err(E::invalid_type(serde::de::Unexpected::Str(text), &self)))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<R, E> {
        R::from_bool(value).unwrap_or_else(|| Err(E::invalid_type(serde::de::Unexpected::Bool(value), &self)))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<R, E> {
        R::from_int(value).unwrap_or_else(|| Err(E::invalid_type(serde::de::Unexpected::Signed(value), &self)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<R, A::Error> {
        R::from_seq(seq).map_err(|e| e.unwrap_or_else(|| A::Error::invalid_type(serde::de::Unexpected::Seq, &self)))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<R, A::Error> {
        R::from_map(map).map_err(|e| e.unwrap_or_else(|| A::Error::invalid_type(serde::de::Unexpected::Map, &self)))
    }
}

/// Implements `Deserialize` and `JsonSchema` for a type of several shapes.
macro_rules! shaped {
    ($($kind:ty: $expected:literal, |$generator:ident| $schema:expr;)+) => {$(
        impl<'de> Deserialize<'de> for $kind {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(Shaped::<Self>($expected, PhantomData))
            }
        }

        impl JsonSchema for $kind {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($kind).into()
            }

            fn json_schema($generator: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    )+};
}

/// A string, or what `T` says.
fn text_or<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    let table = generator.subschema_for::<T>();
    json_schema!({ "anyOf": [{ "type": "string" }, table] })
}

shaped! {
    Bind: "a port, or an address like \"127.0.0.1:8080\"", |_generator| json_schema!({
        "anyOf": [{ "type": "integer", "minimum": 0, "maximum": 65535 }, { "type": "string" }]
    });
    AccessLog: "`off`, or a table with `format` and `file`", |generator| {
        let table = generator.subschema_for::<AccessLogTable>();
        json_schema!({ "anyOf": [{ "const": "off" }, table] })
    };
    Endpoint: "an address, or a table with `address` and `weight`", |generator| text_or::<EndpointTable>(generator);
    Balance: "`round_robin`, `least_request`, or a table with `policy`", |generator| {
        let table = generator.subschema_for::<UseTable>();
        json_schema!({ "anyOf": [{ "enum": ["round_robin", "least_request"] }, table] })
    };
    Via: "a name, or `true` or `false`", |_generator| json_schema!({ "type": ["boolean", "string"] });
    UpstreamTls: "`true`, or a table with `name`, `ca`, `certificate` and `key`", |generator| {
        let table = generator.subschema_for::<UpstreamTlsTable>();
        json_schema!({ "anyOf": [{ "type": "boolean" }, table] })
    };
    Use: "a policy's name, or a table with `policy`", |generator| text_or::<UseTable>(generator);
    To: "an upstream's name, or a table of names and weights", |generator| text_or::<Entries<Weight>>(generator);
    Texts: "a string or a list of strings", |_generator| json_schema!({
        "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }]
    });
    Condition: "a string, or one of `exact`, `prefix`, `regex` or `present`",
        |generator| text_or::<ConditionTable>(generator);
}

impl<'de> Shape<'de> for Bind {
    fn from_str<E: Error>(text: &str) -> Option<Result<Self, E>> {
        Some(Ok(Self(text.to_owned())))
    }

    fn from_int<E: Error>(value: i64) -> Option<Result<Self, E>> {
        Some(Ok(Self(value.to_string())))
    }
}

impl<'de> Shape<'de> for AccessLog {
    fn from_str<E: Error>(text: &str) -> Option<Result<Self, E>> {
        (text == "off").then_some(Ok(Self::Off))
    }

    fn from_map<A: MapAccess<'de>>(map: A) -> Result<Self, Option<A::Error>> {
        Ok(Self::Table(from_map(map)?))
    }
}

impl<'de> Shape<'de> for Endpoint {
    fn from_str<E: Error>(text: &str) -> Option<Result<Self, E>> {
        Some(Ok(Self::Address(text.to_owned())))
    }

    fn from_map<A: MapAccess<'de>>(map: A) -> Result<Self, Option<A::Error>> {
        Ok(Self::Table(from_map(map)?))
    }
}

impl<'de> Shape<'de> for Balance {
    fn from_str<E: Error>(text: &str) -> Option<Result<Self, E>> {
        Some(Ok(Self::Name(text.to_owned())))
    }

    fn from_map<A: MapAccess<'de>>(map: A) -> Result<Self, Option<A::Error>> {
        Ok(Self::Table(Box::new(from_map(map)?)))
    }
}

impl<'de> Shape<'de> for Via {
    fn from_str<E: Error>(text: &str) -> Option<Result<Self, E>> {
        Some(Ok(Self::Name(text.to_owned())))
    }

    fn from_bool<E: Error>(value: bool) -> Option<Result<Self, E>> {
        Some(Ok(Self::On(value)))
    }
}

impl<'de> Shape<'de> for UpstreamTls {
    fn from_bool<E: Error>(value: bool) -> Option<Result<Self, E>> {
        Some(Ok(Self::On(value)))
    }

    fn from_map<A: MapAccess<'de>>(map: A) -> Result<Self, Option<A::Error>> {
        Ok(Self::Table(Box::new(from_map(map)?)))
    }
}

impl<'de> Shape<'de> for Use {
    fn from_str<E: Error>(text: &str) -> Option<Result<Self, E>> {
        Some(Ok(Self::Name(text.to_owned())))
    }

    fn from_map<A: MapAccess<'de>>(map: A) -> Result<Self, Option<A::Error>> {
        Ok(Self::Table(Box::new(from_map(map)?)))
    }
}

impl<'de> Shape<'de> for To {
    fn from_str<E: Error>(text: &str) -> Option<Result<Self, E>> {
        Some(Ok(Self::Name(text.to_owned())))
    }

    fn from_map<A: MapAccess<'de>>(map: A) -> Result<Self, Option<A::Error>> {
        Ok(Self::Weights(from_map(map)?))
    }
}

impl<'de> Shape<'de> for Texts {
    fn from_str<E: Error>(text: &str) -> Option<Result<Self, E>> {
        Some(Ok(Self::One(text.to_owned())))
    }

    fn from_seq<A: SeqAccess<'de>>(seq: A) -> Result<Self, Option<A::Error>> {
        Ok(Self::Many(Vec::deserialize(SeqAccessDeserializer::new(seq))?))
    }
}

impl<'de> Shape<'de> for Condition {
    fn from_str<E: Error>(text: &str) -> Option<Result<Self, E>> {
        Some(Ok(Self::Exact(text.to_owned())))
    }

    fn from_map<A: MapAccess<'de>>(map: A) -> Result<Self, Option<A::Error>> {
        let ConditionTable { exact, prefix, regex, present } = from_map(map)?;
        match (exact, prefix, regex, present) {
            (Some(text), None, None, None) => Ok(Self::Exact(text)),
            (None, Some(text), None, None) => Ok(Self::Prefix(text)),
            (None, None, Some(text), None) => Ok(Self::Regex(text)),
            (None, None, None, Some(there)) => Ok(Self::Present(there)),
            _ => Err(Some(A::Error::custom("expected exactly one of `exact`, `prefix`, `regex` or `present`"))),
        }
    }
}

// === impl Texts ===

impl Spanned<Texts> {
    /// Each text with its place.
    #[must_use]
    pub fn each(&self) -> Vec<Spanned<String>> {
        match &self.value {
            Texts::One(text) => vec![Spanned { span: self.span.clone(), value: text.clone() }],
            Texts::Many(texts) => texts.clone(),
        }
    }
}

// === impl Later ===

impl<'de> Deserialize<'de> for Later {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Spanned::<IgnoredAny>::deserialize(deserializer).map(|any| Self(any.span))
    }
}

// === impl Whole ===

impl<'de, const MIN: u64, const MAX: u64> Deserialize<'de> for Whole<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WholeVisitor::<MIN, MAX>)
    }
}

struct WholeVisitor<const MIN: u64, const MAX: u64>;

impl<const MIN: u64, const MAX: u64> Visitor<'_> for WholeVisitor<MIN, MAX> {
    type Value = Whole<MIN, MAX>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a whole number from {MIN} to {MAX}")
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
        match u64::try_from(value) {
            Ok(value) if (MIN..=MAX).contains(&value) => Ok(Whole(value)),
            _ => Err(E::invalid_value(serde::de::Unexpected::Signed(value), &self)),
        }
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
        Err(E::invalid_value(serde::de::Unexpected::Float(value), &self))
    }
}

impl<const MIN: u64, const MAX: u64> JsonSchema for Whole<MIN, MAX> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Whole_{MIN}_{MAX}").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [
            { "type": "integer", "minimum": MIN, "maximum": MAX },
            { "type": "string", "pattern": r"\$\{" }
        ] })
    }
}
