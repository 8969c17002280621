//! What a route or a `when` asks of a request.

use std::net::Ipv6Addr;

use regex_automata::meta::Regex;

use super::super::codes;
use super::super::diagnostic::{Diagnostic, Span};
use super::super::document::Match;
use super::super::plan::{self, HostPattern, PathPattern, ValuePattern};
use super::super::shapes::Condition;
use super::super::spanned::{Entries, Spanned};
use super::Check;
use super::path::{self, Never};
use crate::http::target::Normalise;
use crate::limits;

// === impl Check ===

impl Check<'_> {
    /// A match, checked; `None` where any of it is no good (and has been reported).
    pub(super) fn matching(&mut self, written: &Match) -> Option<plan::Match> {
        let before = self.found.len();
        let hosts = written.host.iter().flat_map(Spanned::each).filter_map(|host| self.host(&host)).collect();
        let methods = written.method.iter().flat_map(Spanned::each).filter_map(|method| self.method(&method)).collect();
        let mut path = written.path.as_ref().and_then(|path| self.path_pattern(path));
        if let Some(regex) = &written.path_regex {
            if let Some(first) = &written.path {
                let both = Diagnostic::error(codes::WRONG_SHAPE, "`path` and `path_regex` exclude each other");
                self.report(both.at(&regex.span, "").at(&first.span, "").help("keep one of them"));
            } else if self.regex(regex) {
                path = Some(PathPattern::Regex(regex.value.clone()));
            }
        }
        for (empty, span) in [
            (written.host.as_ref().filter(|host| host.each().is_empty()).map(|host| &host.span), "host"),
            (written.method.as_ref().filter(|method| method.each().is_empty()).map(|method| &method.span), "method"),
        ]
        .into_iter()
        .filter_map(|(empty, key)| empty.map(|span| (key, span)))
        {
            self.bad_value(
                span,
                format!("an empty list of `{empty}` would match nothing"),
                "leave the key out to match all",
            );
        }
        let headers = self.conditions(&written.headers, true);
        let query = self.conditions(&written.query, false);
        (self.found.len() == before).then_some(plan::Match { hosts, path, methods, headers, query })
    }

    fn host(&mut self, host: &Spanned<String>) -> Option<HostPattern> {
        let text = host.value.to_ascii_lowercase();
        let (name, suffix) = match text.strip_prefix("*.") {
            Some(name) => (name, true),
            None => (text.as_str(), false),
        };
        let help = if text == "*" {
            "leave `host` out to match every host"
        } else if name.contains('*') {
            "`*` may only be the first label, as in `*.example.com`"
        } else if name.contains('/') {
            "the path goes into `path`, and the scheme nowhere"
        } else if name.starts_with('[') && !suffix {
            let inner = name.get(1..).and_then(|name| name.strip_suffix(']')).unwrap_or_default();
            if inner.parse::<Ipv6Addr>().is_ok() {
                return Some(HostPattern::Exact(text));
            }
            "an IPv6 address stands in brackets alone, as in `[::1]`"
        } else if name.contains(':') {
            "the port is no part of the host; a listener has it"
        } else if !host_name(name) {
            "as in `shop.example.com` or `*.example.com`; other alphabets in their `xn--` form"
        } else {
            return Some(if suffix { HostPattern::Suffix(format!(".{name}")) } else { HostPattern::Exact(text) });
        };
        self.bad_value(&host.span, format!("`{}` is not a host", host.value), help);
        None
    }

    fn method(&mut self, method: &Spanned<String>) -> Option<String> {
        let text = &method.value;
        let upper = text.to_ascii_uppercase();
        let usual = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"];
        if !token(text) {
            self.bad_value(&method.span, format!("`{text}` is not a method"), "as in GET or [GET, POST]");
        } else if matches!(upper.as_str(), "TRACE" | "CONNECT") {
            let never =
                Diagnostic::error(codes::NEVER_MATCHES, format!("{upper} is refused before any route is asked"));
            self.report(never.at(&method.span, "").help("remove it"));
        } else if *text != upper && usual.contains(&upper.as_str()) {
            let never = Diagnostic::error(
                codes::NEVER_MATCHES,
                format!("methods are case-sensitive: no client sends `{text}`"),
            );
            self.report(never.at(&method.span, format!("did you mean `{upper}`?")));
        } else {
            return Some(text.clone());
        }
        None
    }

    fn path_pattern(&mut self, written: &Spanned<String>) -> Option<PathPattern> {
        let pattern = match path::parse(&written.value) {
            Ok(pattern) => pattern,
            Err(help) => {
                self.bad_value(&written.span, "this is not a path pattern", &help);
                return None;
            }
        };
        let default = [Normalise::default()];
        let rules = if self.normalises.is_empty() { &default } else { self.normalises.as_slice() };
        let mut never: Vec<Never> = Vec::new();
        for rules in rules {
            // One listener that lets it through is enough.
            never.push(match path::never(&written.value, *rules) {
                Some(never) => never,
                None => return Some(pattern),
            });
        }
        let diagnostic = Diagnostic::error(codes::NEVER_MATCHES, "no request can ever have this path");
        self.report(match never.into_iter().next() {
            Some(Never::Rewritten(normal)) => diagnostic
                .at(&written.span, format!("requests arrive here as `{normal}`"))
                .help(format!("paths are normalised before routes see them; write `{normal}`")),
            Some(Never::Refused(why)) => diagnostic.at(&written.span, why),
            None => diagnostic.at(&written.span, ""),
        });
        None
    }

    /// Whether a regular expression compiles.
    fn regex(&mut self, written: &Spanned<String>) -> bool {
        let config = Regex::config().nfa_size_limit(Some(limits::REGEX_BYTES_MAX));
        let Err(why) = Regex::builder().configure(config).build(&written.value) else { return true };
        let label = match why.syntax_error() {
            Some(syntax) => {
                syntax.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
            }
            None => format!("it would take more than {} bytes", limits::REGEX_BYTES_MAX),
        };
        let bad = Diagnostic::error(codes::BAD_REGEX, "this regular expression does not compile");
        self.report(bad.at(&written.span, label).help("the syntax is Rust's: no look-around, no back-references"));
        false
    }

    fn conditions(&mut self, written: &Entries<Spanned<Condition>>, header: bool) -> Vec<(String, ValuePattern)> {
        let mut out: Vec<(String, ValuePattern)> = Vec::new();
        let mut seen: Vec<(String, &Span)> = Vec::new();
        for (name, condition) in &written.0 {
            let key = if header { name.value.to_ascii_lowercase() } else { name.value.clone() };
            if header && !token(&name.value) {
                self.bad_value(&name.span, format!("`{}` is not a field name", name.value), "as in `content-type`");
            }
            if let Some((_, first)) = seen.iter().find(|(known, _)| *known == key) {
                let twice =
                    Diagnostic::error(codes::DEFINED_TWICE, format!("`{key}` stands twice: field names have no case"));
                self.report(twice.at(&name.span, "second time").at(first, "first time").help("keep one of them"));
            }
            seen.push((key.clone(), &name.span));
            let pattern = match &condition.value {
                Condition::Exact(text) => ValuePattern::Exact(text.clone()),
                Condition::Prefix(text) => ValuePattern::Prefix(text.clone()),
                Condition::Present(there) => ValuePattern::Present(*there),
                Condition::Regex(regex) => {
                    self.regex(regex);
                    ValuePattern::Regex(regex.value.clone())
                }
            };
            out.push((key, pattern));
        }
        out
    }
}

/// RFC 9110 section 5.6.2.
pub(super) fn token(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !text.is_empty() && text.bytes().all(plain)
}

/// Labels of letters, digits, `-` and `_`, 63 bytes at most, 253 together.
fn host_name(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    let label = |label: &str| !label.is_empty() && label.len() <= 63 && label.bytes().all(plain);
    name.len() <= 253 && name.split('.').all(label)
}
