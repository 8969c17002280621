//! Scalars: `${NAME:-default}` from the environment, then YAML 1.2's core schema for those that were written plain.

use std::fmt;
use std::sync::Arc;

use super::node::Value;

type Lookup = dyn Fn(&str) -> Option<String> + Send + Sync;

/// Where `${NAME}` and `env:` secrets look; never printed.
#[derive(Clone)]
pub struct Environment(Arc<Lookup>);

/// Why a scalar could not be expanded. Offsets are bytes into the scalar's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unexpanded {
    /// `${NAME}`, not set, without a default.
    Unset {
        /// The name.
        name: String,
    },
    /// `${` that is never closed.
    Unclosed,
    /// `${…}` around something that is no name.
    BadName {
        /// What stands in its place.
        name: String,
    },
    /// The values are larger than any configuration should be.
    TooLarge,
}

// === impl Environment ===

impl Environment {
    /// The process's own.
    #[must_use]
    pub fn process() -> Self {
        Self::of(|name| std::env::var(name).ok())
    }

    /// One of the caller's making.
    #[must_use]
    pub fn of(lookup: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(lookup))
    }

    /// What a name stands for.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<String> {
        (self.0)(name)
    }
}

impl Default for Environment {
    fn default() -> Self {
        Self::process()
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Environment(…)")
    }
}

/// Replaces each `${NAME}` and `${NAME:-default}`; `$${` stands for `${`. `None`: there was nothing to replace. The
/// result never holds more than `room` bytes.
pub fn expand(text: &str, environment: &Environment, room: usize) -> Result<Option<String>, Unexpanded> {
    if !text.contains("${") {
        return Ok(None);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, after) = rest.split_at(at);
        let after = after.get(2..).unwrap_or_default();
        if let Some(before) = before.strip_suffix('$') {
            out.push_str(before);
            out.push_str("${");
            rest = after;
            continue;
        }
        out.push_str(before);
        let Some((inner, tail)) = after.split_once('}') else { return Err(Unexpanded::Unclosed) };
        out.push_str(&lookup(inner, environment)?);
        if out.len() > room {
            return Err(Unexpanded::TooLarge);
        }
        rest = tail;
    }
    out.push_str(rest);
    Ok(Some(out))
}

/// One `NAME` or `NAME:-default`.
fn lookup(inner: &str, environment: &Environment) -> Result<String, Unexpanded> {
    let (name, default) = match inner.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inner, None),
    };
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) || !name.bytes().all(plain) {
        return Err(Unexpanded::BadName { name: name.to_owned() });
    }
    match (environment.get(name), default) {
        (Some(value), None) => Ok(value),
        (Some(value), Some(_)) if !value.is_empty() => Ok(value),
        (_, Some(default)) => Ok(default.to_owned()),
        (None, None) => Err(Unexpanded::Unset { name: name.to_owned() }),
    }
}

/// What a plain scalar is, by the core schema (YAML 1.2.2 section 10.3.2). `yes` and `off` are strings.
#[must_use]
pub fn resolve(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        ".nan" | ".NaN" | ".NAN" => return Value::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Value::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Value::Float(f64::NEG_INFINITY),
        _ => {}
    }
    number(text).unwrap_or_else(|| Value::String(text.to_owned()))
}

fn number(text: &str) -> Option<Value> {
    let radix = |digits: &str, radix: u32| {
        let all = !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix));
        all.then(|| i64::from_str_radix(digits, radix).ok()).flatten().map(Value::Integer)
    };
    if let Some(digits) = text.strip_prefix("0x") {
        return radix(digits, 16);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return radix(digits, 8);
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    if unsigned.bytes().all(|b| b.is_ascii_digit()) {
        // One too large for 64 bits is a float, as in JSON.
        return text.parse().ok().map(Value::Integer).or_else(|| text.parse().ok().map(Value::Float));
    }
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let good = !exponent.is_empty() && digits(exponent) && digits(whole) && digits(part);
    (good && !(whole.is_empty() && part.is_empty())).then(|| text.parse().ok().map(Value::Float)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<Option<&str>, Unexpanded>) {
        let environment = Environment::of(|name| match name {
            "PORT" => Some("8080".to_owned()),
            "EMPTY" => Some(String::new()),
            "TRICK" => Some("a\nb: [c]".to_owned()),
            _ => None,
        });
        assert_eq!(expand(text, &environment, 64), expected.map(|text| text.map(str::to_owned)), "{text}");
    }

    #[test]
    fn expands_names_and_defaults() {
        check("plain $ and {braces}", Ok(None));
        check("x:${PORT}", Ok(Some("x:8080")));
        check("${NONE:-a:-b}/${PORT}", Ok(Some("a:-b/8080")));
        check("${EMPTY}|${EMPTY:-full}", Ok(Some("|full")));
        check("$${PORT} ${PORT}", Ok(Some("${PORT} 8080")));
        check("${TRICK}", Ok(Some("a\nb: [c]")));
        check("${NONE}", Err(Unexpanded::Unset { name: "NONE".into() }));
        check("${PORT", Err(Unexpanded::Unclosed));
        check("${}", Err(Unexpanded::BadName { name: String::new() }));
        check("${1A:-x}", Err(Unexpanded::BadName { name: "1A".into() }));
        check(&"${TRICK}".repeat(10), Err(Unexpanded::TooLarge));
    }

    #[test]
    fn resolves_the_core_schema() {
        for (text, expected) in [
            ("", Value::Null),
            ("~", Value::Null),
            ("True", Value::Bool(true)),
            ("yes", Value::String("yes".into())),
            ("off", Value::String("off".into())),
            ("017", Value::Integer(17)),
            ("0o17", Value::Integer(15)),
            ("0xff", Value::Integer(255)),
            ("-12", Value::Integer(-12)),
            ("1.5", Value::Float(1.5)),
            (".5e1", Value::Float(5.0)),
            (".", Value::String(".".into())),
            ("1e", Value::String("1e".into())),
            ("1.2.3.4", Value::String("1.2.3.4".into())),
            ("12:30:45", Value::String("12:30:45".into())),
            ("99999999999999999999", Value::Float(1e20)),
            ("+", Value::String("+".into())),
        ] {
            assert!(resolve(text) == expected, "{text}");
        }
    }
}
