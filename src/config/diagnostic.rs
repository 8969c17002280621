//! The operator wrote something wrong: where, what was expected, how to mend it.

use std::sync::Arc;

/// Placeholder.
#[derive(Debug)]
pub struct Diagnostic;

/// A place in a source file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Span {
    /// The file, as named on the command line or by the include.
    pub file: Arc<str>,
    /// Bytes from the file's start.
    pub start: usize,
    pub end: usize,
}
