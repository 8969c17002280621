//! Durations, sizes and parts as they are written: `250ms`, `5s`, `16KiB`, `25%`.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// A length of time: a whole number and its unit, `ms`, `s`, `m` or `h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period(pub Duration);

/// A number of bytes: a whole number, alone or with `KiB`, `MiB`, `GiB`, `kB`, `MB` or `GB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub usize);

/// A part of a whole: a whole number from 1 to 100 and `%`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Percent(pub u32);

const PERIOD: &str = "a duration like `250ms`, `5s`, `1m` or `2h`";
const SIZE: &str = "a size like `512`, `16KiB` or `1MiB`";
const PERCENT: &str = "a part from `1%` to `100%`";

struct PeriodVisitor;
struct SizeVisitor;
struct PercentVisitor;

// === impl Period ===

impl Period {
    /// Reads `250ms`, `5s`, `1m`, `2h`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (number, unit) = split(text).ok_or_else(|| format!("expected {PERIOD}"))?;
        let factor: u64 = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "" => return Err(format!("the unit is missing: `{number}ms`, `{number}s`, `{number}m` or `{number}h`")),
            _ => return Err(format!("expected {PERIOD}")),
        };
        let whole: Option<u64> = number.parse().ok();
        let ms = whole.and_then(|number| number.checked_mul(factor)).filter(|ms| *ms <= crate::limits::PERIOD_MS_MAX);
        ms.map(|ms| Self(Duration::from_millis(ms))).ok_or_else(|| "longer than any timeout could be".to_owned())
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PeriodVisitor)
    }
}

impl Visitor<'_> for PeriodVisitor {
    type Value = Period;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(PERIOD)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Period, E> {
        Period::parse(text).map_err(E::custom)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Period, E> {
        Period::parse(&number.to_string()).map_err(E::custom)
    }
}

impl JsonSchema for Period {
    fn schema_name() -> Cow<'static, str> {
        "Period".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": r"^([0-9]+(ms|s|m|h)|.*\$\{.*)$", "description": PERIOD })
    }
}

// === impl Size ===

impl Size {
    /// Reads `512`, `16KiB`, `1MB`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (number, unit) = split(text).ok_or_else(|| format!("expected {SIZE}"))?;
        let factor: usize = match unit {
            "" | "B" => 1,
            "kB" => 1_000,
            "MB" => 1_000_000,
            "GB" => 1_000_000_000,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            _ => return Err(format!("expected {SIZE}")),
        };
        let whole: Option<usize> = number.parse().ok();
        whole
            .and_then(|number| number.checked_mul(factor))
            .map(Self)
            .ok_or_else(|| "larger than any memory could be".to_owned())
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SizeVisitor)
    }
}

impl Visitor<'_> for SizeVisitor {
    type Value = Size;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(SIZE)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Size, E> {
        Size::parse(text).map_err(E::custom)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Size, E> {
        usize::try_from(number).map(Size).map_err(|_| E::custom(format!("expected {SIZE}")))
    }
}

impl JsonSchema for Size {
    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                { "type": "integer", "minimum": 0 },
                { "type": "string", "pattern": r"^([0-9]+(B|kB|MB|GB|KiB|MiB|GiB)?|.*\$\{.*)$" }
            ],
            "description": SIZE
        })
    }
}

// === impl Percent ===

impl Percent {
    /// Reads `25%`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let number = text.strip_suffix('%').filter(|number| number.bytes().all(|b| b.is_ascii_digit()));
        let part = number.and_then(|number| number.parse().ok()).filter(|part| (1..=100).contains(part));
        part.map(Self).ok_or_else(|| format!("expected {PERCENT}"))
    }
}

impl<'de> Deserialize<'de> for Percent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PercentVisitor)
    }
}

impl Visitor<'_> for PercentVisitor {
    type Value = Percent;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(PERCENT)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Percent, E> {
        Percent::parse(text).map_err(E::custom)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Percent, E> {
        Err(E::custom(format!("expected {PERCENT}, with its sign")))
    }
}

impl JsonSchema for Percent {
    fn schema_name() -> Cow<'static, str> {
        "Percent".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": r"^(0*([1-9][0-9]?|100)%|.*\$\{.*)$",
            "description": PERCENT
        })
    }
}

/// Digits, then letters.
fn split(text: &str) -> Option<(&str, &str)> {
    let end = text.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_periods() {
        for (text, ms) in [("250ms", 250), ("5s", 5_000), ("1m", 60_000), ("2h", 7_200_000), ("0s", 0)] {
            assert_eq!(Period::parse(text), Ok(Period(Duration::from_millis(ms))), "{text}");
        }
        for text in ["", "5", "s", "-1s", "1.5s", "5 s", "5S", "1d", "99999999999999999999s", "99999999h"] {
            assert!(Period::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn reads_sizes() {
        for (text, bytes) in [("512", 512), ("16KiB", 16_384), ("1MB", 1_000_000), ("1GiB", 1 << 30)] {
            assert_eq!(Size::parse(text), Ok(Size(bytes)), "{text}");
        }
        for text in ["", "k", "10k", "1KB", "1.5MiB", "-1", "99999999999999999999GiB"] {
            assert!(Size::parse(text).is_err(), "{text}");
        }
    }
    #[test]
    fn reads_parts() {
        for (text, part) in [("1%", 1), ("25%", 25), ("100%", 100)] {
            assert_eq!(Percent::parse(text), Ok(Percent(part)), "{text}");
        }
        for text in ["", "%", "0%", "101%", "25", "25 %", "-1%", "+1%", "2.5%", "99999999999%"] {
            assert!(Percent::parse(text).is_err(), "{text}");
        }
    }
}
