//! What can be told of a Luau script without running it: its words, and calls whose first argument is a text.
//!
//! The scanner knows comments, strings, long strings and interpolated strings, and nothing of the grammar. Any text ends
//! it in linear time; a text that is not Luau only gives odd words.

/// One word of a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word<'a> {
    /// A name or a keyword.
    Name(&'a str),
    /// What stands between the quotes or long brackets, as written.
    Text(&'a str),
    /// An operator, a bracket, a number.
    Mark(&'a str),
}

/// A word and its place, in bytes from the script's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed<'a> {
    pub word: Word<'a>,
    pub start: usize,
    pub end: usize,
}

/// `name("text")`, `name("text", …)` or `name "text"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call<'a> {
    pub name: &'a str,
    /// It stands behind a dot or a colon: a function of something's.
    pub of_something: bool,
    pub text: &'a str,
    /// Where the text stands, quotes included.
    pub start: usize,
    pub end: usize,
}

/// Every word, in order.
#[must_use]
pub fn words(script: &str) -> Vec<Placed<'_>> {
    let mut scanner = Scanner { script, bytes: script.as_bytes(), at: 0, braces: Vec::new() };
    std::iter::from_fn(|| scanner.next()).collect()
}

/// Every call whose first argument is a text, in order.
#[must_use]
pub fn calls(script: &str) -> Vec<Call<'_>> {
    let words = words(script);
    let word = |at: usize| words.get(at).map(|placed| placed.word);
    let mut calls = Vec::new();
    for (at, placed) in words.iter().enumerate() {
        let Word::Name(name) = placed.word else { continue };
        let argument = match (word(at + 1), word(at + 2), word(at + 3)) {
            (Some(Word::Text(_)), ..) => at + 1,
            (Some(Word::Mark("(")), Some(Word::Text(_)), Some(Word::Mark(")" | ","))) => at + 2,
            _ => continue,
        };
        let before = at.checked_sub(1).and_then(word);
        let of_something = matches!(before, Some(Word::Mark("." | ":")));
        if let Some(Placed { word: Word::Text(text), start, end }) = words.get(argument).copied() {
            calls.push(Call { name, of_something, text, start, end });
        }
    }
    calls
}

struct Scanner<'a> {
    script: &'a str,
    bytes: &'a [u8],
    at: usize,
    /// For each interpolated string that is open: how many braces are open in its expression.
    braces: Vec<usize>,
}

// === impl Scanner ===

impl<'a> Scanner<'a> {
    fn next(&mut self) -> Option<Placed<'a>> {
        self.blank();
        let start = self.at;
        let word = match self.peek(0)? {
            b'"' | b'\'' => self.quoted(),
            b'[' => match self.long() {
                Some(text) => Word::Text(text),
                None => self.mark(1),
            },
            b'`' => {
                self.interpolated(start + 1);
                Word::Mark("`")
            }
            b'{' => {
                self.braces.last_mut().into_iter().for_each(|open| *open += 1);
                self.mark(1)
            }
            b'}' => self.brace(),
            b'.' => {
                let dots = self.count(|byte| byte == b'.');
                self.mark(dots)
            }
            byte if byte.is_ascii_digit() => {
                let digits = self.count(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.'));
                self.mark(digits)
            }
            byte if byte.is_ascii_alphabetic() || byte == b'_' => {
                self.at += self.count(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
                Word::Name(self.slice(start, self.at))
            }
            byte if byte.is_ascii() => self.mark(1),
            _ => {
                let foreign = self.count(|byte| !byte.is_ascii());
                self.mark(foreign)
            }
        };
        Some(Placed { word, start, end: self.at })
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.bytes.get(self.at + ahead).copied()
    }

    fn slice(&self, start: usize, end: usize) -> &'a str {
        self.script.get(start..end).unwrap_or_default()
    }

    /// How many bytes from here on are such.
    fn count(&self, such: impl Fn(u8) -> bool) -> usize {
        self.bytes.iter().skip(self.at).take_while(|byte| such(**byte)).count()
    }

    fn mark(&mut self, len: usize) -> Word<'a> {
        let start = self.at;
        self.at += len;
        Word::Mark(self.slice(start, self.at))
    }

    /// Goes past white space and comments.
    fn blank(&mut self) {
        loop {
            self.at += self.count(|byte| byte.is_ascii_whitespace() || byte == 0x0b);
            if self.peek(0) != Some(b'-') || self.peek(1) != Some(b'-') {
                return;
            }
            self.at += 2;
            if self.long().is_none() {
                self.at += self.count(|byte| byte != b'\n');
            }
        }
    }

    /// `[[…]]`, `[=[…]=]`; one that is never closed ends with the script.
    fn long(&mut self) -> Option<&'a str> {
        let level = self.bytes.iter().skip(self.at + 1).take_while(|byte| **byte == b'=').count();
        if self.peek(0) != Some(b'[') || self.peek(level + 1) != Some(b'[') {
            return None;
        }
        let start = self.at + level + 2;
        let close = format!("]{}]", "=".repeat(level));
        let len = self.script.get(start..).and_then(|rest| rest.find(&close));
        let end = len.map_or(self.bytes.len(), |len| start + len);
        self.at = (end + close.len()).min(self.bytes.len());
        let text = self.slice(start, end);
        Some(text.strip_prefix("\r\n").or_else(|| text.strip_prefix('\n')).unwrap_or(text))
    }

    /// A string in quotes; one that is not closed ends with its line.
    fn quoted(&mut self) -> Word<'a> {
        let (start, quote) = (self.at, self.peek(0));
        self.at += 1;
        while let Some(byte) = self.peek(0) {
            match byte {
                b'\\' if self.peek(1) == Some(b'z') => {
                    self.at += 2;
                    self.at += self.count(|byte| byte.is_ascii_whitespace());
                }
                b'\\' => self.at = (self.at + 2).min(self.bytes.len()),
                b'\n' => break,
                _ => {
                    self.at += 1;
                    if Some(byte) == quote {
                        return Word::Text(self.slice(start + 1, self.at - 1));
                    }
                }
            }
        }
        Word::Mark(self.slice(start, self.at))
    }

    /// The part of an interpolated string that begins at `from`, up to its end or to an expression.
    fn interpolated(&mut self, from: usize) {
        self.at = from;
        while let Some(byte) = self.peek(0) {
            match byte {
                b'\\' => self.at = (self.at + 2).min(self.bytes.len()),
                b'\n' => return,
                b'`' => {
                    self.at += 1;
                    return;
                }
                b'{' => {
                    self.at += 1;
                    self.braces.push(0);
                    return;
                }
                _ => self.at += 1,
            }
        }
    }

    /// A closing brace: of a table, or of an expression in an interpolated string, which then goes on.
    fn brace(&mut self) -> Word<'a> {
        match self.braces.last_mut() {
            Some(0) => {
                self.braces.pop();
                self.interpolated(self.at + 1);
                Word::Mark("}")
            }
            open => {
                open.into_iter().for_each(|open| *open -= 1);
                self.mark(1)
            }
        }
    }
}

/// One fuzz case: no script may panic the scanner, and what it finds stands where it says.
#[doc(hidden)]
pub fn fuzz_scan(data: &[u8]) {
    let script = String::from_utf8_lossy(data);
    let mut last = 0;
    for placed in words(&script) {
        assert!(placed.start >= last && placed.start < placed.end && placed.end <= script.len(), "{placed:?}");
        last = placed.end;
    }
    for call in calls(&script) {
        let written = script.get(call.start..call.end).unwrap_or_default();
        assert!(written.contains(call.text), "{call:?} in {written:?}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn required(script: &str) -> Vec<&str> {
        calls(script).iter().filter(|call| call.name == "require" && !call.of_something).map(|call| call.text).collect()
    }

    #[test]
    fn calls_with_a_text_are_found() {
        for (script, expected) in [
            (r#"local a = require("a.b")"#, vec!["a.b"]),
            ("require 'a' require [[b]] require [==[\nc]==] require(\n 'd' -- why\n)", vec!["a", "b", "c", "d"]),
            (r#"f(require("a"), require("b"))"#, vec!["a", "b"]),
            (r#"x = "a" .. require("b") .. "c""#, vec!["b"]),
            (r#"require("a", 1)"#, vec!["a"]),
            (
                "local s = `{require(\"in\")} require(\"no\") {{a = `{require 'deep'}`}}` require 'after'",
                vec!["in", "deep", "after"],
            ),
        ] {
            assert_eq!(required(script), expected, "{script}");
        }
    }

    #[test]
    fn what_only_looks_like_a_call_is_not() {
        for script in [
            "-- require('a')",
            "--[[ require('a')\n require('b') ]]",
            "--[==[ ]] require('a') ]==]",
            "--[[ never closed require('a')",
            r#"print("require('a')")"#,
            r"print('\'', 'require \'a\'')",
            "print([[ require('a') ]])",
            "print(`require('a')`)",
            "print(`\\{require('a')}`)",
            r#"require("a" .. b)"#,
            "require(a)",
            "x.require('a')",
            "x:require('a')",
            "function require(a) end",
            "local require = 'a'",
            "print('unclosed\n', \"require('a')\")",
            "print('a\\z\n   b', 'require(\"a\")')",
            "",
        ] {
            assert_eq!(required(script), Vec::<&str>::new(), "{script}");
        }
        assert_eq!(
            calls("exchange:fetch('users', {})").first().map(|call| (call.text, call.of_something)),
            Some(("users", true))
        );
    }
}
