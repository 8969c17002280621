//! Regular expressions whose time is linear in the text, whatever the pattern. They speak of bytes: `\w`, `\d` and letter
//! case are ASCII unless a pattern says `(?u)`.
//!
//! One search cannot be interrupted, so the work that it may be is bounded before it begins: states of the pattern times
//! bytes of the text. Going over all matches is a row of searches, each of which may read to the end: between two of them
//! the caller is asked whether to go on.

use std::collections::HashMap;
use std::rc::Rc;

use regex_automata::meta;
use regex_automata::nfa::thompson::{self, NFA};
use regex_automata::util::{captures::Captures, interpolate, syntax};
use regex_automata::{Input, Span};

use super::TooLarge;
use crate::limits::{REGEX_COMPILED_BYTES_MAX, REGEX_PATTERN_BYTES_MAX, REGEX_PATTERNS_KEPT, REGEX_STEPS_MAX};

/// A compiled pattern.
#[derive(Debug)]
pub struct Pattern {
    regex: meta::Regex,
    /// Bytes that a text may have.
    most: usize,
}

/// Where one match, and each of its groups, stands in the text. Group 0 is the whole.
#[derive(Debug, Clone)]
pub struct Found(Captures);

/// Patterns compiled not long ago; a worker or a policy has one.
#[derive(Debug, Default)]
pub struct Patterns {
    known: HashMap<Box<str>, (u64, Rc<Pattern>), foldhash::fast::RandomState>,
    uses: u64,
}

/// Why there is no match to be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegexError {
    #[error("not a regular expression: {0}")]
    Syntax(String),
    #[error("a regular expression of more than {REGEX_PATTERN_BYTES_MAX} bytes")]
    PatternTooLong,
    #[error("a regular expression that would be too large when compiled; use smaller repetitions")]
    PatternTooLarge,
    #[error("a text of {bytes} bytes is too much for this pattern, which takes {most} at most; simpler ones take more")]
    TextTooLong { bytes: usize, most: usize },
    #[error("the replacement names a group that the pattern does not have")]
    NoSuchGroup,
    #[error("stopped")]
    Stopped,
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
}

/// Asked between two searches; `false` ends the work with [`RegexError::Stopped`].
pub type GoOn<'a> = &'a mut dyn FnMut() -> bool;

// === impl Pattern ===

impl Pattern {
    pub fn new(pattern: &str) -> Result<Self, RegexError> {
        if pattern.len() > REGEX_PATTERN_BYTES_MAX {
            return Err(RegexError::PatternTooLong);
        }
        let syntax = syntax::Config::new().unicode(false).utf8(false);
        let size = Some(REGEX_COMPILED_BYTES_MAX);
        let nfa = NFA::compiler()
            .syntax(syntax)
            .configure(thompson::Config::new().nfa_size_limit(size).utf8(false))
            .build(pattern)
            .map_err(|why| match why.size_limit() {
                Some(_) => RegexError::PatternTooLarge,
                None => RegexError::Syntax(innermost(&why)),
            })?;
        let config = meta::Config::new().nfa_size_limit(size).utf8_empty(false);
        let regex = meta::Builder::new().syntax(syntax).configure(config).build(pattern);
        let regex = regex.map_err(|_| RegexError::PatternTooLarge)?;
        Ok(Self { regex, most: REGEX_STEPS_MAX / nfa.states().len().max(1) })
    }

    fn input<'a>(&self, text: &'a [u8], from: usize) -> Result<Input<'a>, RegexError> {
        if text.len() > self.most {
            return Err(RegexError::TextTooLong { bytes: text.len(), most: self.most });
        }
        Ok(Input::new(text).span(from.min(text.len())..text.len()))
    }

    /// Whether it is found anywhere.
    pub fn is_match(&self, text: &[u8]) -> Result<bool, RegexError> {
        Ok(self.regex.is_match(self.input(text, 0)?))
    }

    /// The first match from `from` on, without its groups.
    pub fn find(&self, text: &[u8], from: usize) -> Result<Option<(usize, usize)>, RegexError> {
        Ok(self.regex.find(self.input(text, from)?).map(|found| (found.start(), found.end())))
    }

    /// The first match from `from` on.
    pub fn matched(&self, text: &[u8], from: usize) -> Result<Option<Found>, RegexError> {
        let mut found = self.regex.create_captures();
        self.regex.captures(self.input(text, from)?, &mut found);
        Ok(found.is_match().then_some(Found(found)))
    }

    /// Every match that does not overlap the one before; `each` ends the walk by `false`.
    pub fn each(&self, text: &[u8], go_on: GoOn<'_>, mut each: impl FnMut(&Found) -> bool) -> Result<(), RegexError> {
        let (mut from, mut last_end) = (0, None);
        while let Some(found) = self.matched(text, from)? {
            let whole = found.whole();
            // An empty match right behind the last one is part of it.
            if whole.start == whole.end && last_end == Some(whole.end) {
                from = whole.end + 1;
            } else {
                if !each(&found) {
                    return Ok(());
                }
                from = if whole.start == whole.end { whole.end + 1 } else { whole.end };
                last_end = Some(whole.end);
            }
            if from > text.len() {
                break;
            }
            if !go_on() {
                return Err(RegexError::Stopped);
            }
        }
        Ok(())
    }

    /// Every match replaced, at most `times` of them. `$1`, `${1}` and `${name}` are groups, `$$` is a dollar.
    pub fn replace(
        &self,
        text: &[u8],
        with: &[u8],
        times: usize,
        most: usize,
        go_on: GoOn<'_>,
    ) -> Result<Vec<u8>, RegexError> {
        let (mut out, mut kept, mut left, mut failed) = (Vec::new(), 0, times, None);
        let plain = !with.contains(&b'$');
        self.each(text, go_on, |found| {
            if left == 0 {
                return false;
            }
            left -= 1;
            let whole = found.whole();
            out.extend_from_slice(&text[kept..whole.start]);
            kept = whole.end;
            if plain {
                out.extend_from_slice(with);
            } else if !self.interpolate(found, text, with, &mut out) {
                failed = Some(RegexError::NoSuchGroup);
            }
            if out.len() > most {
                failed = Some(TooLarge(most).into());
            }
            failed.is_none()
        })?;
        out.extend_from_slice(&text[kept..]);
        match failed {
            Some(why) => Err(why),
            None if out.len() > most => Err(TooLarge(most).into()),
            None => Ok(out),
        }
    }

    fn interpolate(&self, found: &Found, text: &[u8], with: &[u8], out: &mut Vec<u8>) -> bool {
        let known = std::cell::Cell::new(true);
        interpolate::bytes(
            with,
            |group, out| {
                known.set(known.get() && group < found.groups());
                out.extend_from_slice(found.group(group).map_or(&b""[..], |(start, end)| &text[start..end]));
            },
            |name| {
                let group = self.group(name);
                known.set(known.get() && group.is_some());
                group
            },
            out,
        );
        known.get()
    }

    /// The number of a named group.
    #[must_use]
    pub fn group(&self, name: &str) -> Option<usize> {
        self.regex.group_info().to_index(regex_automata::PatternID::ZERO, name)
    }

    /// The names of its groups, by number.
    pub fn names(&self) -> impl Iterator<Item = Option<&str>> {
        self.regex.group_info().pattern_names(regex_automata::PatternID::ZERO)
    }
}

/// What is really wrong, in one line.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(inner) = error.source() {
        error = inner;
    }
    let text = error.to_string();
    let line = text.lines().last().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}

// === impl Found ===

impl Found {
    fn whole(&self) -> Span {
        self.0.get_group(0).unwrap_or(Span { start: 0, end: 0 })
    }

    /// Groups there are, the whole included.
    #[must_use]
    pub fn groups(&self) -> usize {
        self.0.group_len()
    }

    /// Where a group stands; none: it took no part.
    #[must_use]
    pub fn group(&self, number: usize) -> Option<(usize, usize)> {
        self.0.get_group(number).map(|span| (span.start, span.end))
    }
}

// === impl Patterns ===

impl Patterns {
    /// The pattern, compiled now or before.
    pub fn get(&mut self, pattern: &str) -> Result<Rc<Pattern>, RegexError> {
        self.uses += 1;
        if let Some((used, known)) = self.known.get_mut(pattern) {
            *used = self.uses;
            return Ok(known.clone());
        }
        let compiled = Rc::new(Pattern::new(pattern)?);
        if self.known.len() >= REGEX_PATTERNS_KEPT {
            let oldest = self.known.iter().min_by_key(|(_, (used, _))| *used).map(|(pattern, _)| pattern.clone());
            oldest.and_then(|oldest| self.known.remove(&oldest));
        }
        self.known.insert(pattern.into(), (self.uses, compiled.clone()));
        Ok(compiled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replaced(pattern: &str, text: &str, with: &str) -> Result<String, RegexError> {
        let out = Pattern::new(pattern)?.replace(text.as_bytes(), with.as_bytes(), 99, 999, &mut || true)?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn finds_and_captures() {
        let pattern = Pattern::new(r"(?<year>\d{4})-(\d\d)(x)?").unwrap();
        assert!(pattern.is_match(b"on 2024-05 ").unwrap() && !pattern.is_match(b"20245").unwrap());
        assert_eq!(pattern.find(b"2024-05 2025-06", 1), Ok(Some((8, 15))));
        let found = pattern.matched(b"on 2024-05", 0).unwrap().unwrap();
        let groups: Vec<_> = (0..found.groups()).map(|group| found.group(group)).collect();
        assert_eq!(groups, [Some((3, 10)), Some((3, 7)), Some((8, 10)), None]);
        assert_eq!(pattern.names().collect::<Vec<_>>(), [None, Some("year"), None, None]);
        assert_eq!(pattern.group("year"), Some(1));
        assert_eq!(pattern.find(b"2024-05", 99), Ok(None));
    }

    #[test]
    fn replaces() {
        assert_eq!(replaced(r"(\w+)@(\w+)", "a@b, c@d", "$2 at ${1}$$").unwrap(), "b at a$, d at c$");
        assert_eq!(replaced(r"(?<x>a)", "ab", "[$x]").unwrap(), "[a]b");
        assert_eq!(replaced("a*", "baac", "-").unwrap(), "-b-c-");
        assert_eq!(replaced("", "ab", "-").unwrap(), "-a-b-");
        assert_eq!(replaced("a", "aaa", "$1"), Err(RegexError::NoSuchGroup));
        assert_eq!(replaced("a", &"a".repeat(99), &"b".repeat(11)), Err(TooLarge(999).into()));
        let pattern = Pattern::new("a").unwrap();
        assert_eq!(pattern.replace(b"aaa", b"b", 2, 9, &mut || true).unwrap(), b"bba");
        assert_eq!(pattern.replace(b"aaa", b"b", 9, 9, &mut || false), Err(RegexError::Stopped));
    }

    #[test]
    fn patterns_and_texts_are_bounded() {
        assert_eq!(Pattern::new("(a").unwrap_err().to_string(), "not a regular expression: unclosed group");
        assert!(matches!(Pattern::new(r"(a)\1"), Err(RegexError::Syntax(_))));
        assert_eq!(Pattern::new(&"a".repeat(REGEX_PATTERN_BYTES_MAX + 1)).unwrap_err(), RegexError::PatternTooLong);
        assert_eq!(Pattern::new("((a{100}){100}){100}").unwrap_err(), RegexError::PatternTooLarge);
        let slow = Pattern::new(&format!("{}{}", "a?".repeat(200), "a".repeat(200))).unwrap();
        assert!(matches!(slow.is_match(&vec![b'a'; 1 << 20]), Err(RegexError::TextTooLong { .. })));
        assert!(Pattern::new(r"^/api/(\d+)$").unwrap().is_match(&vec![b'a'; 1 << 20]).is_ok());
        assert!(Pattern::new(r"(?-u)\xff").unwrap().is_match(b"\xff").unwrap());
    }

    #[test]
    fn few_patterns_are_kept() {
        let mut patterns = Patterns::default();
        let first = patterns.get("0").unwrap();
        for number in 1..REGEX_PATTERNS_KEPT * 2 {
            patterns.get(&number.to_string()).unwrap();
            patterns.get("0").unwrap();
        }
        assert_eq!(patterns.known.len(), REGEX_PATTERNS_KEPT);
        assert!(Rc::ptr_eq(&first, &patterns.get("0").unwrap()));
    }
}
