//! Plain data: what crosses from one engine to another. Values of an exchange, entries of dictionaries, what `hand_over`
//! leaves. No functions, no references, no cycles; its depth is bounded where it is made.

use super::json::{Bounds, Decoder, JsonError, Progress, Sink, Writer};
use crate::limits::{LIBRARY_BYTES_MAX, PLAIN_DEPTH_MAX};

/// A value without behaviour. Texts are bytes: whoever wants UTF-8 checks it.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Plain {
    #[default]
    Nil,
    Bool(bool),
    Number(f64),
    Text(Box<[u8]>),
    List(Vec<Plain>),
    /// In the order in which it was made; a key stands once.
    Map(Vec<(Box<[u8]>, Plain)>),
}

/// Why a value cannot be kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlainError {
    #[error("the value is nested more than {PLAIN_DEPTH_MAX} levels deep (or holds itself)")]
    TooDeep,
    #[error("the value takes {bytes} bytes; at most {most} are allowed")]
    TooHeavy { bytes: usize, most: usize },
}

/// Makes a value from events: of a JSON text, or of an engine that walks its own tables.
#[derive(Debug, Default)]
pub struct Builder {
    open: Vec<Open>,
    done: Option<Plain>,
}

#[derive(Debug)]
enum Open {
    List(Vec<Plain>),
    /// The entries, the place of each key, and the key whose value comes next.
    Map(Vec<(Box<[u8]>, Plain)>, std::collections::HashMap<Box<[u8]>, usize, foldhash::fast::RandomState>, Box<[u8]>),
}

// === impl Plain ===

impl Plain {
    /// The text, if it is one.
    #[must_use]
    pub fn text(&self) -> Option<&[u8]> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// Appends it as placeholders show it: a text, a number or a truth value; of the rest nothing.
    pub fn show(&self, out: &mut Vec<u8>) {
        match self {
            Self::Text(text) => out.extend_from_slice(text),
            Self::Bool(truth) => out.extend_from_slice(if *truth { b"true" } else { b"false" }),
            Self::Number(number) => out.extend_from_slice(number.to_string().as_bytes()),
            Self::Nil | Self::List(_) | Self::Map(_) => {}
        }
    }

    /// What stands under a key of a map.
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<&Self> {
        match self {
            Self::Map(entries) => entries.iter().find(|(name, _)| **name == *key).map(|(_, value)| value),
            _ => None,
        }
    }

    /// Whether it says the same; in which order a map was made does not matter.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::List(one), Self::List(other)) => {
                one.len() == other.len() && one.iter().zip(other).all(|(one, other)| one.is_same(other))
            }
            (Self::Map(one), Self::Map(other)) if one.len() == other.len() => {
                let sorted = |entries: &'_ [(Box<[u8]>, Self)]| {
                    let mut places: Vec<usize> = (0..entries.len()).collect();
                    places.sort_by(|a, b| entries[*a].0.cmp(&entries[*b].0));
                    places
                };
                sorted(one).into_iter().zip(sorted(other)).all(|(here, there)| {
                    let ((key, value), (known, wanted)) = (&one[here], &other[there]);
                    key == known && value.is_same(wanted)
                })
            }
            _ => self == other,
        }
    }

    /// Bytes that it takes, roughly; `None`: it is nested too deeply to be kept.
    #[must_use]
    pub fn weight(&self) -> Option<usize> {
        self.weight_within(PLAIN_DEPTH_MAX)
    }

    fn weight_within(&self, depth: usize) -> Option<usize> {
        let own = size_of::<Self>();
        Some(match self {
            Self::Nil | Self::Bool(_) | Self::Number(_) => own,
            Self::Text(text) => own + text.len(),
            Self::List(list) => {
                let depth = depth.checked_sub(1)?;
                list.iter().try_fold(own, |sum, one| Some(sum + one.weight_within(depth)?))?
            }
            Self::Map(map) => {
                let (depth, key_own) = (depth.checked_sub(1)?, size_of::<Box<[u8]>>());
                let weight = |(key, one): &(Box<[u8]>, Self)| Some(key_own + key.len() + one.weight_within(depth)?);
                map.iter().try_fold(own, |sum, entry| Some(sum + weight(entry)?))?
            }
        })
    }

    /// Its weight, if it is neither too deep nor heavier than `most`.
    pub fn check(&self, most: usize) -> Result<usize, PlainError> {
        match self.weight() {
            None => Err(PlainError::TooDeep),
            Some(bytes) if bytes > most => Err(PlainError::TooHeavy { bytes, most }),
            Some(bytes) => Ok(bytes),
        }
    }

    /// Tells itself as events.
    pub fn tell(&self, sink: &mut impl Sink) -> Result<(), JsonError> {
        match self {
            Self::Nil => sink.null(),
            Self::Bool(value) => sink.bool(*value),
            Self::Number(value) => sink.number(*value),
            Self::Text(bytes) => sink.string(bytes),
            Self::List(items) => {
                sink.begin_array()?;
                items.iter().try_for_each(|item| item.tell(sink))?;
                sink.end_array()
            }
            Self::Map(entries) => {
                sink.begin_object()?;
                for (key, value) in entries {
                    sink.key(key)?;
                    value.tell(sink)?;
                }
                sink.end_object()
            }
        }
    }

    /// As JSON for people to look at: what is no UTF-8 is shown as it can be.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        let shown = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
        match self {
            Self::Nil => serde_json::Value::Null,
            Self::Bool(truth) => (*truth).into(),
            Self::Number(number) if number.fract() == 0.0 && number.abs() < 1e15 => (*number as i64).into(),
            Self::Number(number) => (*number).into(),
            Self::Text(text) => shown(text).into(),
            Self::List(list) => list.iter().map(Self::to_json).collect(),
            Self::Map(map) => {
                map.iter().map(|(key, one)| (shown(key), one.to_json())).collect::<serde_json::Map<_, _>>().into()
            }
        }
    }

    /// As a JSON text; it is refused where it would say something else.
    pub fn to_json_text(&self) -> Result<Vec<u8>, JsonError> {
        let mut writer = Writer::new(LIBRARY_BYTES_MAX);
        self.tell(&mut writer)?;
        writer.finish()
    }

    /// From a JSON text, in one go. Of a key that stands twice the last value counts.
    pub fn from_json_text(text: &[u8]) -> Result<Self, JsonError> {
        let bounds = Bounds { depth: PLAIN_DEPTH_MAX, ..Bounds::default() };
        let (mut decoder, mut builder) = (Decoder::new(bounds), Builder::default());
        while decoder.run(text, &mut builder)? == Progress::Paused {}
        Ok(builder.finish())
    }
}

impl From<&str> for Plain {
    fn from(text: &str) -> Self {
        Self::Text(text.as_bytes().into())
    }
}

impl From<&[u8]> for Plain {
    fn from(bytes: &[u8]) -> Self {
        Self::Text(bytes.into())
    }
}

impl From<f64> for Plain {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<bool> for Plain {
    fn from(truth: bool) -> Self {
        Self::Bool(truth)
    }
}

impl From<serde_json::Value> for Plain {
    fn from(value: serde_json::Value) -> Self {
        match value {
            serde_json::Value::Null => Self::Nil,
            serde_json::Value::Bool(value) => Self::Bool(value),
            serde_json::Value::Number(number) => number.as_f64().map_or(Self::Nil, Self::Number),
            serde_json::Value::String(text) => Self::Text(text.into_bytes().into()),
            serde_json::Value::Array(items) => Self::List(items.into_iter().map(Self::from).collect()),
            serde_json::Value::Object(entries) => {
                Self::Map(entries.into_iter().map(|(key, value)| (key.into_bytes().into(), value.into())).collect())
            }
        }
    }
}

// === impl Builder ===

impl Builder {
    /// What was told; nil if nothing was.
    #[must_use]
    pub fn finish(self) -> Plain {
        self.done.unwrap_or_default()
    }

    fn open(&mut self, open: Open) -> Result<(), JsonError> {
        if self.open.len() >= PLAIN_DEPTH_MAX {
            return Err(JsonError::refused(PlainError::TooDeep.to_string()));
        }
        self.open.push(open);
        Ok(())
    }

    fn put(&mut self, value: Plain) -> Result<(), JsonError> {
        match self.open.last_mut() {
            None => self.done = Some(value),
            Some(Open::List(items)) => items.push(value),
            Some(Open::Map(entries, places, next)) => {
                let key = std::mem::take(next);
                match places.get(&key).and_then(|place| entries.get_mut(*place)) {
                    Some(entry) => entry.1 = value,
                    None => {
                        places.insert(key.clone(), entries.len());
                        entries.push((key, value));
                    }
                }
            }
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), JsonError> {
        match self.open.pop() {
            Some(Open::List(items)) => self.put(Plain::List(items)),
            Some(Open::Map(entries, ..)) => self.put(Plain::Map(entries)),
            None => Err(JsonError::refused("an array or object ends that was never begun")),
        }
    }
}

impl Sink for Builder {
    fn null(&mut self) -> Result<(), JsonError> {
        self.put(Plain::Nil)
    }

    fn bool(&mut self, value: bool) -> Result<(), JsonError> {
        self.put(Plain::Bool(value))
    }

    fn number(&mut self, value: f64) -> Result<(), JsonError> {
        self.put(Plain::Number(value))
    }

    fn string(&mut self, bytes: &[u8]) -> Result<(), JsonError> {
        self.put(Plain::from(bytes))
    }

    fn begin_array(&mut self) -> Result<(), JsonError> {
        self.open(Open::List(Vec::new()))
    }

    fn end_array(&mut self) -> Result<(), JsonError> {
        self.close()
    }

    fn begin_object(&mut self) -> Result<(), JsonError> {
        self.open(Open::Map(Vec::new(), std::collections::HashMap::default(), Box::default()))
    }

    fn key(&mut self, bytes: &[u8]) -> Result<(), JsonError> {
        match self.open.last_mut() {
            Some(Open::Map(_, _, next)) => {
                *next = bytes.into();
                Ok(())
            }
            _ => Err(JsonError::refused("a key outside an object")),
        }
    }

    fn end_object(&mut self) -> Result<(), JsonError> {
        self.close()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_there_and_back() {
        for text in ["null", "true", "-1.5", r#""a\u00e9\n""#, "[]", "{}", r#"{"b":[1,{"a":null}],"a":"x"}"#] {
            let plain = Plain::from_json_text(text.as_bytes()).unwrap();
            let back = plain.to_json_text().unwrap();
            assert_eq!(Plain::from_json_text(&back).unwrap(), plain);
            let value: serde_json::Value = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::from_slice::<serde_json::Value>(&back).unwrap(), value);
        }
        let twice = Plain::from_json_text(br#"{"a":1,"b":2,"a":3}"#).unwrap();
        assert_eq!(twice.to_json_text().unwrap(), br#"{"a":3,"b":2}"#);
        assert_eq!(twice.get(b"b"), Some(&Plain::Number(2.0)));
        let value: serde_json::Value = serde_json::from_str(r#"{"a":[1,"x",null,true]}"#).unwrap();
        assert_eq!(Plain::from(value).to_json_text().unwrap(), br#"{"a":[1,"x",null,true]}"#);
    }

    #[test]
    fn depth_and_weight_are_bounded() {
        let nested = |levels: usize| (0..levels).fold(Plain::Nil, |inner, _| Plain::List(vec![inner]));
        assert!(nested(PLAIN_DEPTH_MAX).check(usize::MAX).is_ok());
        assert_eq!(nested(PLAIN_DEPTH_MAX + 1).check(usize::MAX), Err(PlainError::TooDeep));
        let text = [vec![b'['; PLAIN_DEPTH_MAX + 1], vec![b']'; PLAIN_DEPTH_MAX + 1]].concat();
        assert!(Plain::from_json_text(&text).is_err());
        let heavy = Plain::Map(vec![(b"key"[..].into(), "12345".into())]);
        assert_eq!(heavy.weight(), Some(2 * size_of::<Plain>() + size_of::<Box<[u8]>>() + 3 + 5));
        assert!(matches!(heavy.check(10), Err(PlainError::TooHeavy { most: 10, .. })));
    }

    #[test]
    fn scalars_are_shown_as_they_are_written() {
        let shown = |plain: Plain| {
            let mut out = Vec::new();
            plain.show(&mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(shown(Plain::Number(3.0)), "3");
        assert_eq!(shown(Plain::Number(0.5)), "0.5");
        assert_eq!(shown(Plain::Bool(true)), "true");
        assert_eq!(shown("a b".into()), "a b");
        assert_eq!(shown(Plain::List(vec![Plain::Nil])), "");
    }
}
