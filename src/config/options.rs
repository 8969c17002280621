//! A policy's options as written: a spanned table that the policy's own file reads into its own type.

use serde::de::DeserializeOwned;

use super::diagnostic::{Diagnostic, Span};

#[derive(Debug, Clone)]
pub struct Options {
    value: serde_json::Value,
    span: Span,
}

impl Options {
    #[must_use]
    pub fn empty(span: Span) -> Self {
        Self { value: serde_json::Value::Object(serde_json::Map::new()), span }
    }

    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Diagnostic> {
        serde_json::from_value(self.value.clone()).map_err(|_| Diagnostic)
    }

    #[must_use]
    pub fn span(&self) -> Span {
        self.span.clone()
    }
}
