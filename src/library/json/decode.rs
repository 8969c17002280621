//! A JSON text, told to a sink. The decoder keeps its place between two calls, so that a worker can serve others meanwhile.

use memchr::memchr2;

use super::{Bounds, JsonError, Sink};
use crate::limits::LIBRARY_YIELD_BYTES;

/// Where a text has been read to. It is given the same text at every call.
#[derive(Debug)]
pub struct Decoder {
    bounds: Bounds,
    at: usize,
    /// What is open, the innermost last: whether it is an object.
    open: Vec<bool>,
    expect: Expect,
    keys: usize,
    values: usize,
    /// A string with escapes, decoded.
    scratch: Vec<u8>,
}

/// Whether there is more to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Some `LIBRARY_YIELD_BYTES` were read; call again.
    Paused,
    Done,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expect {
    Value,
    ValueOrEnd,
    Key,
    KeyOrEnd,
    CommaOrEnd,
    Nothing,
}

/// A whole text in one go.
pub fn decode(text: &[u8], bounds: Bounds, sink: &mut impl Sink) -> Result<(), JsonError> {
    let mut decoder = Decoder::new(bounds);
    while decoder.run(text, sink)? == Progress::Paused {}
    Ok(())
}

// === impl Decoder ===

impl Decoder {
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        Self { bounds, at: 0, open: Vec::new(), expect: Expect::Value, keys: 0, values: 0, scratch: Vec::new() }
    }

    /// Bytes of the text that were read.
    #[must_use]
    pub fn read(&self) -> usize {
        self.at
    }

    /// Reads on. One string is read in one go, however long it may be.
    pub fn run(&mut self, text: &[u8], sink: &mut impl Sink) -> Result<Progress, JsonError> {
        let pause = self.at.saturating_add(LIBRARY_YIELD_BYTES);
        loop {
            let end = pause.min(text.len());
            while self.at < end && matches!(text[self.at], b' ' | b'\t' | b'\n' | b'\r') {
                self.at += 1;
            }
            if self.at >= pause {
                return Ok(Progress::Paused);
            }
            let Some(byte) = text.get(self.at).copied() else {
                return match self.expect {
                    Expect::Nothing => Ok(Progress::Done),
                    _ => Err(self.wrong(text, "the text ends too early")),
                };
            };
            match (self.expect, byte) {
                (Expect::Nothing, _) => return Err(self.wrong(text, "there is more after the value")),
                (Expect::ValueOrEnd, b']') | (Expect::KeyOrEnd, b'}') => self.close(sink)?,
                (Expect::CommaOrEnd, b',') => {
                    self.at += 1;
                    self.expect = if self.in_object() { Expect::Key } else { Expect::Value };
                }
                (Expect::CommaOrEnd, b'}') if self.in_object() => self.close(sink)?,
                (Expect::CommaOrEnd, b']') if !self.in_object() => self.close(sink)?,
                (Expect::CommaOrEnd, _) => {
                    let what = if self.in_object() { "expected `,` or `}`" } else { "expected `,` or `]`" };
                    return Err(self.wrong(text, what));
                }
                (Expect::Key | Expect::KeyOrEnd, b'"') => self.key(text, sink)?,
                (Expect::Key | Expect::KeyOrEnd, _) => return Err(self.wrong(text, "expected a key in quotes")),
                (Expect::Value | Expect::ValueOrEnd, byte) => self.value(byte, text, sink)?,
            }
        }
    }

    fn in_object(&self) -> bool {
        self.open.last().copied().unwrap_or(false)
    }

    fn after_value(&self) -> Expect {
        if self.open.is_empty() { Expect::Nothing } else { Expect::CommaOrEnd }
    }

    fn close(&mut self, sink: &mut impl Sink) -> Result<(), JsonError> {
        self.at += 1;
        let object = self.open.pop().unwrap_or(false);
        self.expect = self.after_value();
        if object { sink.end_object() } else { sink.end_array() }
    }

    fn key(&mut self, text: &[u8], sink: &mut impl Sink) -> Result<(), JsonError> {
        self.keys += 1;
        if self.keys > self.bounds.keys {
            return Err(JsonError::TooMuch { what: "too many keys", most: self.bounds.keys });
        }
        self.string(text, |bytes| sink.key(bytes))?;
        while matches!(text.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
        if text.get(self.at) != Some(&b':') {
            return Err(self.wrong(text, "expected `:` after the key"));
        }
        self.at += 1;
        self.expect = Expect::Value;
        Ok(())
    }

    fn value(&mut self, byte: u8, text: &[u8], sink: &mut impl Sink) -> Result<(), JsonError> {
        self.values += 1;
        if self.values > self.bounds.values {
            return Err(JsonError::TooMuch { what: "too many values", most: self.bounds.values });
        }
        match byte {
            b'{' | b'[' => {
                if self.open.len() >= self.bounds.depth {
                    return Err(JsonError::TooMuch { what: "too many levels", most: self.bounds.depth });
                }
                self.at += 1;
                self.open.push(byte == b'{');
                self.expect = if byte == b'{' { Expect::KeyOrEnd } else { Expect::ValueOrEnd };
                return if byte == b'{' { sink.begin_object() } else { sink.begin_array() };
            }
            b'"' => self.string(text, |bytes| sink.string(bytes))?,
            b'-' | b'0'..=b'9' => {
                let number = self.number(text)?;
                sink.number(number)?;
            }
            b't' => self.word(text, b"true").and_then(|()| sink.bool(true))?,
            b'f' => self.word(text, b"false").and_then(|()| sink.bool(false))?,
            b'n' => self.word(text, b"null").and_then(|()| sink.null())?,
            _ => return Err(self.wrong(text, "expected a value")),
        }
        self.expect = self.after_value();
        Ok(())
    }

    fn word(&mut self, text: &[u8], word: &[u8]) -> Result<(), JsonError> {
        if !text[self.at..].starts_with(word) {
            return Err(self.wrong(text, "expected a value"));
        }
        self.at += word.len();
        Ok(())
    }

    fn number(&mut self, text: &[u8]) -> Result<f64, JsonError> {
        let digits = |from: usize| text[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let begun = self.at;
        let mut at = begun + usize::from(text[begun] == b'-');
        let whole = digits(at);
        if whole == 0 || whole > 1 && text[at] == b'0' {
            return Err(self.wrong(text, "a malformed number"));
        }
        at += whole;
        if text.get(at) == Some(&b'.') {
            let fraction = digits(at + 1);
            if fraction == 0 {
                return Err(self.wrong(text, "a malformed number"));
            }
            at += 1 + fraction;
        }
        if matches!(text.get(at), Some(b'e' | b'E')) {
            at += 1 + usize::from(matches!(text.get(at + 1), Some(b'+' | b'-')));
            let exponent = digits(at);
            if exponent == 0 {
                return Err(self.wrong(text, "a malformed number"));
            }
            at += exponent;
        }
        let number = std::str::from_utf8(&text[begun..at]).ok().and_then(|number| number.parse::<f64>().ok());
        match number.filter(|number| number.is_finite()) {
            Some(number) => {
                self.at = at;
                Ok(number)
            }
            None => Err(self.wrong(text, "a number out of range")),
        }
    }

    /// Reads a string that begins here and hands it on: from the text itself, unless it has escapes.
    fn string(&mut self, text: &[u8], hand: impl FnOnce(&[u8]) -> Result<(), JsonError>) -> Result<(), JsonError> {
        self.at += 1;
        let begun = self.at;
        self.scratch.clear();
        loop {
            let Some(length) = memchr2(b'"', b'\\', &text[self.at..]) else {
                self.at = text.len();
                return Err(self.wrong(text, "a string without an end"));
            };
            let part = &text[self.at..self.at + length];
            if let Some(control) = part.iter().position(|byte| *byte < 0x20) {
                self.at += control;
                return Err(self.wrong(text, "a control character in a string"));
            }
            if std::str::from_utf8(part).is_err() {
                return Err(self.wrong(text, "a string that is not UTF-8"));
            }
            self.at += length;
            if self.at - begun > self.bounds.string_bytes {
                return Err(JsonError::TooMuch { what: "too long a string", most: self.bounds.string_bytes });
            }
            if text[self.at] == b'"' {
                self.at += 1;
                if self.scratch.is_empty() && self.at - 1 - begun == part.len() {
                    return hand(part);
                }
                self.scratch.extend_from_slice(part);
                return hand(&self.scratch);
            }
            self.scratch.extend_from_slice(part);
            self.escape(text)?;
        }
    }

    fn escape(&mut self, text: &[u8]) -> Result<(), JsonError> {
        let plain = match text.get(self.at + 1) {
            Some(b @ (b'"' | b'\\' | b'/')) => *b,
            Some(b'b') => 0x08,
            Some(b'f') => 0x0c,
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'u') => return self.unicode(text),
            _ => return Err(self.wrong(text, "an unknown escape")),
        };
        self.scratch.push(plain);
        self.at += 2;
        Ok(())
    }

    /// `\u` and four digits; two of them where a character needs a pair.
    fn unicode(&mut self, text: &[u8]) -> Result<(), JsonError> {
        let unit = |at: usize| {
            let digits = text.get(at..at + 6).filter(|escape| escape.starts_with(b"\\u"))?;
            digits[2..].iter().try_fold(0, |sum, digit| Some(sum << 4 | (*digit as char).to_digit(16)?))
        };
        let (code, length) = match unit(self.at) {
            Some(high @ 0xd800..=0xdbff) => match unit(self.at + 6) {
                Some(low @ 0xdc00..=0xdfff) => (0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00), 12),
                _ => return Err(self.wrong(text, "half of a surrogate pair")),
            },
            Some(code) => (code, 6),
            None => return Err(self.wrong(text, "a malformed `\\u` escape")),
        };
        let Some(character) = char::from_u32(code) else {
            return Err(self.wrong(text, "half of a surrogate pair"));
        };
        self.scratch.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        self.at += length;
        Ok(())
    }

    fn wrong(&self, text: &[u8], what: &'static str) -> JsonError {
        let before = &text[..self.at.min(text.len())];
        let line = memchr::memchr_iter(b'\n', before).count() + 1;
        let begun = memchr::memrchr(b'\n', before).map_or(0, |at| at + 1);
        JsonError::Syntax { what, line, column: before.len() - begun + 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Writer;
    use super::*;
    use proptest::prelude::*;

    fn rewritten(text: &[u8], bounds: Bounds) -> Result<String, JsonError> {
        let mut writer = Writer::new(usize::MAX);
        decode(text, bounds, &mut writer)?;
        Ok(String::from_utf8(writer.finish()?).unwrap())
    }

    #[test]
    fn mistakes_are_told_with_their_place() {
        for (text, told) in [
            ("", "the text ends too early at line 1, column 1"),
            ("[1,\n 2,]", "expected a value at line 2, column 4"),
            ("{\"a\" 1}", "expected `:` after the key at line 1, column 6"),
            ("{\"a\":1,}", "expected a key in quotes at line 1, column 8"),
            ("[1 2]", "expected `,` or `]` at line 1, column 4"),
            ("1 2", "there is more after the value at line 1, column 3"),
            ("01", "a malformed number at line 1, column 1"),
            ("1.", "a malformed number at line 1, column 1"),
            ("1e999", "a number out of range at line 1, column 1"),
            ("\"a", "a string without an end at line 1, column 3"),
            ("\"a\nb\"", "a control character in a string at line 1, column 3"),
            ("\"\\ud800\"", "half of a surrogate pair at line 1, column 2"),
            ("\"\\u00g0\"", "a malformed `\\u` escape at line 1, column 2"),
            ("nul", "expected a value at line 1, column 1"),
        ] {
            assert_eq!(
                rewritten(text.as_bytes(), Bounds::default()).unwrap_err().to_string(),
                format!("not JSON: {told}")
            );
        }
        assert!(rewritten(b"\"\xff\"", Bounds::default()).is_err());
    }

    #[test]
    fn bounds_hold() {
        let bounds = Bounds { depth: 2, keys: 2, values: 5, string_bytes: 4 };
        for text in ["[[1]]", r#"{"a":1,"b":2}"#, "[1,2,3,4]", r#""abcd""#] {
            assert!(rewritten(text.as_bytes(), bounds).is_ok(), "{text}");
        }
        for text in ["[[[1]]]", r#"{"a":1,"b":2,"c":3}"#, "[1,2,3,4,5]", r#""abcde""#] {
            assert!(matches!(rewritten(text.as_bytes(), bounds), Err(JsonError::TooMuch { .. })), "{text}");
        }
    }

    #[test]
    fn it_comes_back_in_between() {
        let text = format!("[{}1]", "1, ".repeat(100_000));
        let (mut decoder, mut writer, mut calls) = (Decoder::new(Bounds::default()), Writer::new(usize::MAX), 1);
        let mut before = 0;
        while decoder.run(text.as_bytes(), &mut writer).unwrap() == Progress::Paused {
            assert!(decoder.read() - before < LIBRARY_YIELD_BYTES + 16);
            before = decoder.read();
            calls += 1;
        }
        assert_eq!(calls, text.len() / LIBRARY_YIELD_BYTES + 1);
        assert_eq!(writer.finish().unwrap().len(), 200_003);
    }

    fn json() -> impl Strategy<Value = String> {
        let piece = prop::sample::select(vec![
            "[",
            "]",
            "{",
            "}",
            ",",
            ":",
            "\"a\"",
            "\"\\u00e9\\ud83d\\ude00\"",
            "1",
            "-0",
            "2.5e3",
            "true",
            "null",
            " ",
            "\"k\":",
            "\"",
            "\\",
            "1e5",
            "0.1",
            "\"é\"",
            "00",
            "[1,2]",
            "{\"x\":{}}",
        ]);
        prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn it_takes_what_serde_json_takes(text in json()) {
            let ours = rewritten(text.as_bytes(), Bounds::default());
            let theirs = serde_json::from_str::<serde_json::Value>(&text);
            prop_assert_eq!(ours.is_ok(), theirs.is_ok(), "{:?} {:?}", ours, theirs);
            if let (Ok(ours), Ok(theirs)) = (ours, theirs) {
                let again: serde_json::Value = serde_json::from_str(&ours).unwrap();
                prop_assert_eq!(super::super::super::plain::Plain::from(again), theirs.into());
            }
        }

        #[test]
        fn any_bytes_are_harmless(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = rewritten(&bytes, Bounds::default());
        }
    }
}
