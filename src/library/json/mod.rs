//! JSON (RFC 8259) as events: a text is told to a [`Sink`], which pushes values straight into its engine; nobody builds a
//! tree in between. The [`Writer`] is a sink too, so that an engine tells its values the same way.
//!
//! Decoding can be left and gone on with: [`Decoder::run`] comes back every `LIBRARY_YIELD_BYTES`.

mod decode;
mod encode;

use crate::limits::{JSON_DEPTH_MAX, JSON_KEYS_MAX, JSON_VALUES_MAX, LIBRARY_BYTES_MAX};

pub use decode::{Decoder, Progress, decode};
pub use encode::Writer;

/// Who is told what a text holds. An error of its own ends the telling.
pub trait Sink {
    fn null(&mut self) -> Result<(), JsonError>;
    fn bool(&mut self, value: bool) -> Result<(), JsonError>;
    fn number(&mut self, value: f64) -> Result<(), JsonError>;
    /// From a text it is UTF-8; from an engine it may be anything.
    fn string(&mut self, bytes: &[u8]) -> Result<(), JsonError>;
    fn begin_array(&mut self) -> Result<(), JsonError>;
    fn end_array(&mut self) -> Result<(), JsonError>;
    fn begin_object(&mut self) -> Result<(), JsonError>;
    /// Its value comes next. A key may come twice: what then counts is the sink's affair, and it is the last by custom.
    fn key(&mut self, bytes: &[u8]) -> Result<(), JsonError>;
    fn end_object(&mut self) -> Result<(), JsonError>;
}

/// How much a text may hold.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Levels of arrays and objects.
    pub depth: usize,
    /// Keys of all objects together.
    pub keys: usize,
    /// Values of every kind.
    pub values: usize,
    /// Bytes of one string.
    pub string_bytes: usize,
}

/// What is wrong with a text, or with what should become one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    #[error("not JSON: {what} at line {line}, column {column}")]
    Syntax { what: &'static str, line: usize, column: usize },
    #[error("the JSON text has {what} (at most {most})")]
    TooMuch { what: &'static str, most: usize },
    #[error("{0} cannot be written as JSON")]
    NotANumber(&'static str),
    #[error("a string that is not UTF-8 cannot be written as JSON; encode it first, as base64 perhaps")]
    NotUtf8,
    #[error(transparent)]
    TooLarge(#[from] super::TooLarge),
    /// The sink's own.
    #[error("{0}")]
    Refused(Box<str>),
}

// === impl Bounds ===

impl Default for Bounds {
    fn default() -> Self {
        Self { depth: JSON_DEPTH_MAX, keys: JSON_KEYS_MAX, values: JSON_VALUES_MAX, string_bytes: LIBRARY_BYTES_MAX }
    }
}

// === impl JsonError ===

impl JsonError {
    /// A sink's own reason to stop.
    #[must_use]
    pub fn refused(why: impl Into<Box<str>>) -> Self {
        Self::Refused(why.into())
    }
}
