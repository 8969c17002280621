//! The operator wrote something wrong: where, what was expected, how to mend it.
//!
//! One type for every kind of mistake: a typo in the file, a script that does not compile, a page that cannot be read.
//! How it looks is [`render`](super::render)'s affair.

use std::fmt;
use std::sync::Arc;

/// A place in a source file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// The file, as named on the command line or by the include.
    pub file: Arc<str>,
    /// Bytes from the file's start.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Severity {
    /// Nothing starts and nothing is changed.
    Error,
    /// It works, but is hardly what was meant.
    Warning,
}

/// A place and what is to be said about it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Label {
    /// The place.
    pub span: Span,
    /// A few words beside the caret; may be empty.
    pub text: String,
}

/// One mistake, with everything needed to mend it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// One of [`codes`](super::codes), like `E0107`.
    pub code: &'static str,
    /// What is wrong, in one line, without a full stop.
    pub message: String,
    /// The first is the primary one; none where there is no source (a file that cannot be opened).
    pub labels: Vec<Label>,
    /// How to mend it.
    pub help: Option<String>,
    /// What else is worth knowing.
    pub note: Option<String>,
}

// === impl Span ===

impl Span {
    /// A place in `file`, in bytes.
    #[must_use]
    pub fn new(file: &Arc<str>, start: usize, end: usize) -> Self {
        Self { file: Arc::clone(file), start, end }
    }
}

// === impl Severity ===

impl Severity {
    /// The word that reports show.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

// === impl Diagnostic ===

impl Diagnostic {
    /// A mistake that nothing may start with.
    #[must_use]
    pub fn error(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, message.into())
    }

    /// Something that works but is hardly meant.
    #[must_use]
    pub fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, message.into())
    }

    fn new(severity: Severity, code: &'static str, message: String) -> Self {
        Self { severity, code, message, labels: Vec::new(), help: None, note: None }
    }

    /// Adds a place; the first one added is the primary one.
    #[must_use]
    pub fn at(mut self, span: &Span, text: impl Into<String>) -> Self {
        self.labels.push(Label { span: span.clone(), text: text.into() });
        self
    }

    /// How to mend it.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(text.into());
        self
    }

    /// What else is worth knowing.
    #[must_use]
    pub fn note(mut self, text: impl Into<String>) -> Self {
        self.note = Some(text.into());
        self
    }

    /// Where it is, if it is in a source file.
    #[must_use]
    pub fn span(&self) -> Option<&Span> {
        self.labels.first().map(|label| &label.span)
    }

    /// Whether it is an error.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]: {}", self.severity.label(), self.code, self.message)
    }
}

impl std::error::Error for Diagnostic {}
