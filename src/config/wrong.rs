//! A mistake of shape or value, on its way up to where its place is known.

use std::fmt::{self, Display};

use serde::de::{self, Expected, Unexpected};

use super::codes;
use super::diagnostic::{Diagnostic, Span};
use super::node::{Node, Value};
use super::similar::nearest;

/// What went wrong, on its way up to where its place is known.
#[derive(Debug)]
pub(super) struct Wrong(Box<Inner>);

#[derive(Debug)]
struct Inner {
    code: &'static str,
    message: String,
    label: String,
    help: Option<String>,
    span: Option<Span>,
}

// === impl Wrong ===

impl Wrong {
    pub(super) fn new(code: &'static str, message: String, label: String) -> Self {
        Self(Box::new(Inner { code, message, label, help: None, span: None }))
    }

    pub(super) fn help(mut self, help: Option<String>) -> Self {
        self.0.help = help;
        self
    }

    pub(super) fn at(mut self, span: &Span) -> Self {
        self.0.span.get_or_insert_with(|| span.clone());
        self
    }

    pub(super) fn is_missing_key(&self) -> bool {
        self.0.code == codes::MISSING_KEY
    }

    /// Gives it a place, unless a node below already did, and makes sure that it repeats nothing secret.
    pub(super) fn located(mut self, span: &Span, node: &Node) -> Self {
        let inner = &mut *self.0;
        if inner.span.is_some() {
            return self;
        }
        inner.span = Some(span.clone());
        if let (true, Value::String(secret)) = (node.expanded, &node.value)
            && !secret.is_empty()
        {
            let texts = [&mut inner.message, &mut inner.label].into_iter().chain(inner.help.as_mut());
            texts.for_each(|text| *text = text.replace(secret.as_str(), "…"));
        }
        self
    }

    pub(super) fn into_diagnostic(self) -> Diagnostic {
        let Inner { code, message, label, help, span } = *self.0;
        let mut diagnostic = Diagnostic::error(code, message).at(&span.unwrap_or_default(), label);
        diagnostic.help = help;
        diagnostic
    }
}

impl Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Wrong {}

/// Names for a message: `a`, `b` or `c`.
pub(super) fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let mut names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    match names.pop() {
        None => "nothing".into(),
        Some(last) if names.is_empty() => last,
        Some(last) => format!("{} or {last}", names.join(", ")),
    }
}

/// What serde expects, in the words of this file format.
fn plainly(expected: &dyn Expected) -> String {
    let text = expected.to_string();
    match text.as_str() {
        "a boolean" => "`true` or `false`".into(),
        "a sequence" => "a list".into(),
        "a map" => "a table".into(),
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number".into(),
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number, with or without a sign".into(),
        "f32" | "f64" => "a number".into(),
        _ if text.starts_with("struct ") => "a table".into(),
        _ => text,
    }
}

fn suggestion(written: &str, known: &[&str]) -> String {
    nearest(written, known.iter().copied())
        .map_or_else(|| "not this".to_owned(), |near| format!("did you mean `{near}`?"))
}

impl de::Error for Wrong {
    fn custom<T: Display>(message: T) -> Self {
        Self::new(codes::BAD_VALUE, message.to_string(), String::new())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let expected = plainly(expected);
        let found = match found {
            Unexpected::Bool(_) => "a boolean",
            Unexpected::Unsigned(_) | Unexpected::Signed(_) | Unexpected::Float(_) => "a number",
            Unexpected::Char(_) | Unexpected::Str(_) => "a string",
            Unexpected::Unit => "nothing",
            Unexpected::Seq => "a list",
            _ => "a table",
        };
        let quote = expected.contains("string") && matches!(found, "a number" | "a boolean");
        let help = match (expected.as_str(), found) {
            _ if quote => Some("put it in quotes to make it a string".to_owned()),
            ("`true` or `false`", "a string") => {
                Some("in YAML 1.2, `yes`, `no`, `on` and `off` are strings".to_owned())
            }
            _ => None,
        };
        let message = format!("expected {expected}, found {found}");
        Self::new(codes::WRONG_SHAPE, message, format!("this is {found}")).help(help)
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(codes::BAD_VALUE, format!("expected {}", plainly(expected)), "not this".into())
    }

    fn invalid_length(len: usize, expected: &dyn Expected) -> Self {
        Self::new(codes::WRONG_SHAPE, format!("expected {expected}, found {len} of them"), String::new())
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let message = format!("expected {}", listed(expected.iter().copied()));
        Self::new(codes::BAD_VALUE, message, suggestion(variant, expected))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let help = format!("known here: {}", expected.join(", "));
        let label = nearest(field, expected.iter().copied())
            .map_or_else(|| "unknown key".to_owned(), |near| format!("did you mean `{near}`?"));
        Self::new(codes::UNKNOWN_KEY, format!("there is no key `{field}` here"), label).help(Some(help))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(codes::MISSING_KEY, format!("`{field}` is missing"), format!("needs `{field}`"))
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::new(codes::DUPLICATE_KEY, format!("`{field}` stands twice"), String::new())
    }
}
