//! Events, written as a JSON text. It is bounded, and says why something cannot be written.

use super::{JsonError, Sink};
use crate::library::TooLarge;
use crate::limits::JSON_DEPTH_MAX;

/// A text that grows with every event.
#[derive(Debug)]
pub struct Writer {
    out: Vec<u8>,
    most: usize,
    /// What is open, the innermost last.
    open: Vec<Open>,
    /// A key was written, its value was not.
    keyed: bool,
    ended: bool,
}

#[derive(Debug, Clone, Copy)]
struct Open {
    object: bool,
    empty: bool,
}

/// Whole numbers up to here are exact in a double, and written without a fraction or exponent.
const EXACT: f64 = 9_007_199_254_740_992.0;

// === impl Writer ===

impl Writer {
    /// A text of at most so many bytes.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { out: Vec::new(), most, open: Vec::new(), keyed: false, ended: false }
    }

    /// Bytes so far: who writes much can rest in between.
    #[must_use]
    pub fn written(&self) -> usize {
        self.out.len()
    }

    /// The whole text.
    pub fn finish(self) -> Result<Vec<u8>, JsonError> {
        if self.ended { Ok(self.out) } else { Err(JsonError::refused("the value is not complete")) }
    }

    /// What comes before a value.
    fn before(&mut self) -> Result<(), JsonError> {
        let orderly = match self.open.last_mut() {
            None => !self.ended,
            Some(Open { object: true, .. }) => std::mem::take(&mut self.keyed),
            Some(open) => {
                if !std::mem::take(&mut open.empty) {
                    self.out.push(b',');
                }
                true
            }
        };
        if orderly { Ok(()) } else { Err(JsonError::refused("a value where none can stand")) }
    }

    fn after(&mut self) -> Result<(), JsonError> {
        self.ended = self.open.is_empty();
        if self.out.len() > self.most { Err(TooLarge(self.most).into()) } else { Ok(()) }
    }

    fn value(&mut self, bytes: &[u8]) -> Result<(), JsonError> {
        self.before()?;
        self.out.extend_from_slice(bytes);
        self.after()
    }

    fn begin(&mut self, object: bool) -> Result<(), JsonError> {
        if self.open.len() >= JSON_DEPTH_MAX {
            return Err(JsonError::TooMuch {
                what: "too many levels (does a table hold itself?)",
                most: JSON_DEPTH_MAX,
            });
        }
        self.before()?;
        self.out.push(if object { b'{' } else { b'[' });
        self.open.push(Open { object, empty: true });
        self.after()
    }

    fn end(&mut self, object: bool) -> Result<(), JsonError> {
        if self.keyed || self.open.pop().is_none_or(|open| open.object != object) {
            return Err(JsonError::refused("an end where none can stand"));
        }
        self.out.push(if object { b'}' } else { b']' });
        self.after()
    }

    fn quoted(&mut self, bytes: &[u8]) -> Result<(), JsonError> {
        // Looked at before it is copied: the longest that it can become is six times as long.
        if self.out.len().saturating_add(bytes.len()) > self.most {
            return Err(TooLarge(self.most).into());
        }
        let text = std::str::from_utf8(bytes).map_err(|_| JsonError::NotUtf8)?.as_bytes();
        self.out.push(b'"');
        let mut kept = 0;
        for (at, byte) in text.iter().enumerate() {
            let short = match byte {
                b'"' => b'"',
                b'\\' => b'\\',
                b'\n' => b'n',
                b'\r' => b'r',
                b'\t' => b't',
                0..0x20 => 0,
                _ => continue,
            };
            self.out.extend_from_slice(&text[kept..at]);
            kept = at + 1;
            if short == 0 {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                self.out.extend_from_slice(b"\\u00");
                self.out.extend([HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
            } else {
                self.out.extend([b'\\', short]);
            }
        }
        self.out.extend_from_slice(&text[kept..]);
        self.out.push(b'"');
        Ok(())
    }
}

impl Sink for Writer {
    fn null(&mut self) -> Result<(), JsonError> {
        self.value(b"null")
    }

    fn bool(&mut self, value: bool) -> Result<(), JsonError> {
        self.value(if value { b"true" } else { b"false" })
    }

    fn number(&mut self, value: f64) -> Result<(), JsonError> {
        if value.is_nan() {
            return Err(JsonError::NotANumber("NaN (not a number)"));
        }
        if value.is_infinite() {
            return Err(JsonError::NotANumber("an infinite number"));
        }
        if value.fract() == 0.0 && value.abs() <= EXACT {
            return self.value(itoa::Buffer::new().format(value as i64).as_bytes());
        }
        // Rust never writes an exponent of its own accord, which is long for very large and very small numbers.
        let plain = (1e-6..1e21).contains(&value.abs());
        let text = if plain { value.to_string() } else { format!("{value:e}") };
        self.value(text.as_bytes())
    }

    fn string(&mut self, bytes: &[u8]) -> Result<(), JsonError> {
        self.before()?;
        self.quoted(bytes)?;
        self.after()
    }

    fn begin_array(&mut self) -> Result<(), JsonError> {
        self.begin(false)
    }

    fn end_array(&mut self) -> Result<(), JsonError> {
        self.end(false)
    }

    fn begin_object(&mut self) -> Result<(), JsonError> {
        self.begin(true)
    }

    fn key(&mut self, bytes: &[u8]) -> Result<(), JsonError> {
        match self.open.last_mut() {
            Some(open) if open.object && !self.keyed => {
                if !std::mem::take(&mut open.empty) {
                    self.out.push(b',');
                }
            }
            _ => return Err(JsonError::refused("a key outside an object")),
        }
        self.keyed = true;
        self.quoted(bytes)?;
        self.out.push(b':');
        self.after()
    }

    fn end_object(&mut self) -> Result<(), JsonError> {
        self.end(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(tell: impl FnOnce(&mut Writer) -> Result<(), JsonError>) -> Result<String, JsonError> {
        let mut writer = Writer::new(64);
        tell(&mut writer)?;
        writer.finish().map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn numbers_are_written_as_people_write_them() {
        for (number, text) in [
            (0.0, "0"),
            (-0.0, "0"),
            (1.0, "1"),
            (-42.0, "-42"),
            (9_007_199_254_740_992.0, "9007199254740992"),
            (0.1, "0.1"),
            (1e21, "1e21"),
            (1.5e300, "1.5e300"),
            (1e-7, "1e-7"),
            (123_456_789_012_345_680_000.0, "123456789012345680000"),
        ] {
            assert_eq!(written(|w| w.number(number)).unwrap(), text);
        }
        for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(matches!(written(|w| w.number(number)), Err(JsonError::NotANumber(_))));
        }
    }

    #[test]
    fn strings_are_escaped_or_refused() {
        assert_eq!(written(|w| w.string(b"a\"\\\n\x01\x7f\xc3\xa9")).unwrap(), "\"a\\\"\\\\\\n\\u0001\x7f\u{e9}\"");
        assert_eq!(written(|w| w.string(b"\xff")), Err(JsonError::NotUtf8));
        assert_eq!(written(|w| w.string(&[b'a'; 65])), Err(JsonError::TooLarge(TooLarge(64))));
        assert!(written(|w| w.string(&[1; 30])).is_err(), "escapes count");
    }

    #[test]
    fn events_out_of_order_are_refused() {
        type Tell = fn(&mut Writer) -> Result<(), JsonError>;
        let wrong: [Tell; 6] = [
            |w| w.null().and_then(|()| w.null()),
            |w| w.begin_object().and_then(|()| w.null()),
            |w| w.begin_object().and_then(|()| w.key(b"a")).and_then(|()| w.end_object()),
            |w| w.begin_array().and_then(|()| w.end_object()),
            |w| w.key(b"a"),
            |w| w.begin_array(),
        ];
        assert!(wrong.into_iter().all(|tell| written(tell).is_err()));
    }

    proptest! {
        #[test]
        fn every_number_is_read_back(number in any::<f64>().prop_filter("finite", |n| n.is_finite())) {
            let text = written(|w| w.number(number)).unwrap();
            prop_assert_eq!(text.parse::<f64>().unwrap(), number);
            prop_assert_eq!(serde_json::from_str::<f64>(&text).is_ok(), true);
        }
    }
}
