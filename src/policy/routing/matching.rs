//! What a route, or a `when`, asks of a request: the one place where host, path, method, header and query patterns are
//! compared with a head. Which of several matching routes wins is `table.rs`'s affair.

use std::fmt;
use std::sync::Arc;

use regex_automata::util::syntax;
use regex_automata::{Anchored, Input, meta};

use crate::config::plan::{HostPattern, Match, PathPattern, Segment, ValuePattern};
use crate::http::head::Head;
use crate::http::name::{FieldName, Known};
use crate::policy::query;

/// A compiled `match` or `when`.
#[derive(Debug, Clone)]
pub struct Matcher {
    hosts: Box<[HostPattern]>,
    path: Option<Path>,
    predicates: Predicates,
}

/// A path pattern, compiled.
#[derive(Debug, Clone)]
pub(super) enum Path {
    Exact(Box<str>),
    /// Never ends with a slash.
    Prefix(Box<str>),
    Template {
        segments: Box<[Segment]>,
        open: bool,
    },
    Regex(Whole),
}

/// What is asked beside host and path.
#[derive(Debug, Clone)]
pub(super) struct Predicates {
    /// Nothing is asked: the common case, told by one look.
    free: bool,
    pub(super) methods: Box<[String]>,
    pub(super) headers: Box<[(FieldName, Value)]>,
    pub(super) query: Box<[(Box<str>, Value)]>,
}

#[derive(Debug, Clone)]
pub(super) enum Value {
    Exact(Box<str>),
    Prefix(Box<str>),
    Regex(Whole),
    Present(bool),
}

/// A regular expression that a text must match as a whole.
#[derive(Clone)]
pub(super) struct Whole {
    source: Arc<str>,
    regex: meta::Regex,
}

/// Why a request does not match, or why a route lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    Host,
    Path,
    Method,
    Header(String),
    Query(String),
    /// It matches; the route at this index matches more specifically.
    LessSpecific(usize),
}

/// A pattern that cannot be compiled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadPattern(pub String);

/// The host a request asks for: no port, no closing dot, case as it was sent.
#[must_use]
#[inline]
pub fn host_of(head: &Head) -> &[u8] {
    let field = head.known(Known::Host).unwrap_or_default();
    let mut host = field;
    while let [front @ .., b'0'..=b'9'] = host {
        host = front;
    }
    let host = if let [front @ .., b':'] = host { front } else { field };
    if let [front @ .., b'.'] = host { front } else { host }
}

// === impl Matcher ===

impl Matcher {
    /// Compiles a `match` or a `when`.
    pub fn new(matching: &Match) -> Result<Self, BadPattern> {
        let path = matching.path.as_ref().map(Path::new).transpose()?;
        Ok(Self { hosts: matching.hosts.clone().into(), path, predicates: Predicates::new(matching)? })
    }

    #[must_use]
    pub fn matches(&self, head: &Head) -> bool {
        self.host_matches(host_of(head)) && self.path_matches(head.path()) && self.predicates.matches(head)
    }

    /// The first thing, from host to query, that the request does not fulfil.
    #[must_use]
    pub fn why_not(&self, head: &Head) -> Option<Why> {
        if !self.host_matches(host_of(head)) {
            return Some(Why::Host);
        }
        if !self.path_matches(head.path()) {
            return Some(Why::Path);
        }
        self.predicates.why_not(head)
    }

    pub(super) fn hosts(&self) -> &[HostPattern] {
        &self.hosts
    }

    pub(super) fn path(&self) -> Option<&Path> {
        self.path.as_ref()
    }

    pub(super) fn predicates(&self) -> &Predicates {
        &self.predicates
    }

    fn path_matches(&self, path: &str) -> bool {
        self.path.as_ref().is_none_or(|pattern| pattern.matches(path))
    }

    fn host_matches(&self, host: &[u8]) -> bool {
        self.hosts.is_empty()
            || self.hosts.iter().any(|pattern| match pattern {
                HostPattern::Exact(name) => host.eq_ignore_ascii_case(name.as_bytes()),
                HostPattern::Suffix(suffix) => {
                    let front = host.len().saturating_sub(suffix.len());
                    front > 0 && host[front..].eq_ignore_ascii_case(suffix.as_bytes())
                }
            })
    }
}

// === impl Path ===

impl Path {
    fn new(pattern: &PathPattern) -> Result<Self, BadPattern> {
        Ok(match pattern {
            PathPattern::Exact(path) => Self::Exact(path.as_str().into()),
            PathPattern::Prefix(prefix) => Self::Prefix(prefix.strip_suffix('/').unwrap_or(prefix).into()),
            PathPattern::Template { segments, open } => {
                Self::Template { segments: segments.clone().into(), open: *open }
            }
            PathPattern::Regex(regex) => Self::Regex(Whole::new(regex)?),
        })
    }

    fn matches(&self, path: &str) -> bool {
        match self {
            Self::Exact(exact) => **exact == *path,
            Self::Prefix(prefix) => {
                let rest = path.strip_prefix(&**prefix);
                prefix.is_empty() || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            }
            Self::Template { segments, open } => {
                let mut written = path.strip_prefix('/').into_iter().flat_map(|rest| rest.split('/'));
                let each = segments.iter().all(|segment| match (segment, written.next()) {
                    (Segment::Literal(literal), Some(text)) => literal == text,
                    (Segment::Parameter(_), Some(text)) => !text.is_empty(),
                    (_, None) => false,
                });
                each && (*open || written.next().is_none())
            }
            Self::Regex(regex) => regex.matches(path.as_bytes()),
        }
    }

    /// What the parameters of a template stood for, as it stands in the path (still percent-encoded).
    pub(super) fn params(&self, path: &str) -> Vec<(Arc<str>, String)> {
        let Self::Template { segments, .. } = self else { return Vec::new() };
        let written = path.strip_prefix('/').into_iter().flat_map(|rest| rest.split('/'));
        let pairs = segments.iter().zip(written);
        pairs
            .filter_map(|(segment, text)| match segment {
                Segment::Parameter(name) => Some((name.as_str().into(), text.to_owned())),
                Segment::Literal(_) => None,
            })
            .collect()
    }
}

// === impl Predicates ===

impl Predicates {
    fn new(matching: &Match) -> Result<Self, BadPattern> {
        let mut headers = Vec::with_capacity(matching.headers.len());
        for (name, value) in &matching.headers {
            let field = FieldName::new(name).map_err(|why| BadPattern(format!("`{name}`: {why}")))?;
            headers.push((field, Value::new(value)?));
        }
        let mut query = Vec::with_capacity(matching.query.len());
        for (name, value) in &matching.query {
            query.push((name.as_str().into(), Value::new(value)?));
        }
        let free = matching.methods.is_empty() && headers.is_empty() && query.is_empty();
        Ok(Self { free, methods: matching.methods.clone().into(), headers: headers.into(), query: query.into() })
    }

    #[inline]
    pub(super) fn matches(&self, head: &Head) -> bool {
        self.free || self.all_match(head)
    }

    fn all_match(&self, head: &Head) -> bool {
        self.method_matches(head)
            && self.headers.iter().all(|(name, value)| value.matches_field(name, head))
            && self.query.iter().all(|(name, value)| value.matches_query(name, head.query()))
    }

    fn why_not(&self, head: &Head) -> Option<Why> {
        if !self.method_matches(head) {
            return Some(Why::Method);
        }
        let header = self.headers.iter().find(|(name, value)| !value.matches_field(name, head));
        if let Some((name, _)) = header {
            return Some(Why::Header(name.as_str().to_owned()));
        }
        let query = self.query.iter().find(|(name, value)| !value.matches_query(name, head.query()));
        query.map(|(name, _)| Why::Query(name.to_string()))
    }

    #[inline]
    fn method_matches(&self, head: &Head) -> bool {
        self.methods.is_empty() || self.methods.iter().any(|method| method == head.method())
    }
}

// === impl Value ===

impl Value {
    fn new(pattern: &ValuePattern) -> Result<Self, BadPattern> {
        Ok(match pattern {
            ValuePattern::Exact(text) => Self::Exact(text.as_str().into()),
            ValuePattern::Prefix(text) => Self::Prefix(text.as_str().into()),
            ValuePattern::Regex(text) => Self::Regex(Whole::new(text)?),
            ValuePattern::Present(wanted) => Self::Present(*wanted),
        })
    }

    /// A field of several lines matches if one of them does.
    fn matches_field(&self, name: &FieldName, head: &Head) -> bool {
        match self {
            Self::Exact(text) => head.all(name).any(|value| value == text.as_bytes()),
            Self::Prefix(text) => head.all(name).any(|value| value.starts_with(text.as_bytes())),
            Self::Regex(regex) => head.all(name).any(|value| regex.matches(value)),
            Self::Present(wanted) => head.get(name).is_some() == *wanted,
        }
    }

    fn matches_query(&self, name: &str, query: Option<&str>) -> bool {
        let raw = query::first(query, name);
        match (self, raw) {
            (Self::Present(wanted), raw) => raw.is_some() == *wanted,
            (_, None) => false,
            (Self::Exact(text), Some(raw)) => query::decoded(raw).eq(text.bytes()),
            (Self::Prefix(text), Some(raw)) => {
                let mut decoded = query::decoded(raw);
                text.bytes().all(|byte| decoded.next() == Some(byte))
            }
            (Self::Regex(regex), Some(raw)) if raw.contains(['%', '+']) => {
                regex.matches(&query::decoded(raw).collect::<Vec<u8>>())
            }
            (Self::Regex(regex), Some(raw)) => regex.matches(raw.as_bytes()),
        }
    }
}

// === impl Whole ===

impl Whole {
    fn new(source: &str) -> Result<Self, BadPattern> {
        let build = |pattern: &str| {
            meta::Builder::new()
                .syntax(syntax::Config::new().utf8(false))
                .configure(meta::Config::new().utf8_empty(false))
                .build(pattern)
                .map_err(|why| {
                    let detail = why.syntax_error().map_or_else(|| why.to_string(), ToString::to_string);
                    BadPattern(format!("`{source}` is no regular expression: {detail}"))
                })
        };
        // By itself first, so that no parenthesis of the pattern can close the group around it.
        build(source)?;
        Ok(Self { source: source.into(), regex: build(&format!(r"\A(?:{source})\z"))? })
    }

    pub(super) fn source(&self) -> &str {
        &self.source
    }

    pub(super) fn matches(&self, text: &[u8]) -> bool {
        self.regex.is_match(Input::new(text).anchored(Anchored::Yes))
    }
}

impl fmt::Debug for Whole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Whole({:?})", self.source)
    }
}

// === impl Why ===

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host => f.write_str("another host"),
            Self::Path => f.write_str("another path"),
            Self::Method => f.write_str("another method"),
            Self::Header(name) => write!(f, "the field {name} does not match"),
            Self::Query(name) => write!(f, "the query parameter {name} does not match"),
            Self::LessSpecific(_) => f.write_str("it matches, less specifically"),
        }
    }
}
