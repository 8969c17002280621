//! Reads a [`Node`] into any `Deserialize` type; a mistake carries the place of the very node it is in.

use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{self, DeserializeOwned, DeserializeSeed, Deserializer, Visitor};
use serde::forward_to_deserialize_any;

use super::codes;
use super::diagnostic::{Diagnostic, Span};
use super::node::{Entry, Node, Value};
use super::spanned::{FIELDS, NODE, SPANNED};
use super::wrong::{Wrong, listed};

/// Reads a whole type from a node.
pub(super) fn read<T: DeserializeOwned>(node: &Node) -> Result<T, Diagnostic> {
    T::deserialize(Reader { node, key: None }).map_err(|wrong| wrong.located(&node.span, node).into_diagnostic())
}

/// As [`read`], for the value of an entry: what is missing is reported at the key.
pub(super) fn read_entry<T: DeserializeOwned>(entry: &Entry) -> Result<T, Diagnostic> {
    let reader = Reader { node: &entry.value, key: Some(&entry.key_span) };
    T::deserialize(reader).map_err(|wrong| wrong.located(&entry.value.span, &entry.value).into_diagnostic())
}

#[derive(Clone, Copy)]
struct Reader<'a> {
    node: &'a Node,
    /// Where its name stands, if it has one.
    key: Option<&'a Span>,
}

struct List<'a>(std::slice::Iter<'a, Node>);

struct Table<'a> {
    entries: std::slice::Iter<'a, Entry>,
    current: Option<&'a Entry>,
}

struct Key<'a>(&'a Entry);

/// A node or key that is asked for its place: answers with [`FIELDS`], one after the other.
struct Place<'a, D> {
    span: &'a Span,
    expanded: bool,
    next: usize,
    content: Option<D>,
}

/// An enum's variant and what is in it.
struct Variant<'a> {
    name: &'a str,
    span: &'a Span,
    content: Option<&'a Node>,
}

// === impl Reader ===

impl<'a> Reader<'a> {
    fn new(node: &'a Node) -> Self {
        Self { node, key: None }
    }

    /// Gives a mistake of this very node its place: what is missing at the key, all else at the value.
    fn place(self, wrong: Wrong) -> Wrong {
        let span = match self.key {
            Some(key) if wrong.is_missing_key() || self.node.span.start == self.node.span.end => key,
            _ => &self.node.span,
        };
        wrong.located(span, self.node)
    }

    fn variant<V: Visitor<'a>>(self, variants: &[&str], visitor: V) -> Result<V::Value, Wrong> {
        let variant = match &self.node.value {
            Value::String(name) => Variant { name, span: &self.node.span, content: None },
            Value::Table(entries) => match entries.as_slice() {
                [one] => Variant { name: &one.key, span: &one.key_span, content: Some(&one.value) },
                _ => return Err(Wrong::new(codes::WRONG_SHAPE, "expected exactly one key here".into(), String::new())),
            },
            _ => {
                let found = self.node.describe();
                let expected = listed(variants.iter().copied());
                return Err(Wrong::new(
                    codes::WRONG_SHAPE,
                    format!("expected {expected}, found {found}"),
                    String::new(),
                ));
            }
        };
        visitor.visit_enum(variant)
    }
}

impl<'de> Deserializer<'de> for Reader<'de> {
    type Error = Wrong;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match &self.node.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Integer(value) => visitor.visit_i64(*value),
            Value::Float(value) => visitor.visit_f64(*value),
            Value::String(value) => visitor.visit_str(value),
            Value::List(items) => visitor.visit_seq(List(items.iter())),
            Value::Table(entries) => visitor.visit_map(Table { entries: entries.iter(), current: None }),
        }
        .map_err(|wrong| self.place(wrong))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self.node.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    /// `use:` with every line below it commented out is an empty list.
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self.node.value {
            Value::Null => visitor.visit_seq(List([].iter())).map_err(|wrong| self.place(wrong)),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        let empty = Table { entries: [].iter(), current: None };
        match self.node.value {
            Value::Null => visitor.visit_map(empty).map_err(|wrong| self.place(wrong)),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        if name == SPANNED || name == NODE {
            let place = Place { span: &self.node.span, expanded: self.node.expanded, next: 0, content: Some(self) };
            return visitor.visit_map(place);
        }
        match &self.node.value {
            // A struct is a table: serde would take a list too, by position.
            Value::List(_) => {
                let wrong = Wrong::new(codes::WRONG_SHAPE, "expected a table, found a list".into(), String::new());
                Err(self.place(wrong.help(Some("write `key: value` lines, without the dash".into()))))
            }
            _ => self.deserialize_map(visitor),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        self.variant(variants, visitor).map_err(|wrong| self.place(wrong))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct tuple
        tuple_struct identifier ignored_any
    }
}

// === impl List ===

impl<'de> de::SeqAccess<'de> for List<'de> {
    type Error = Wrong;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Wrong> {
        self.0.next().map(|node| seed.deserialize(Reader::new(node))).transpose()
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.0.len())
    }
}

// === impl Table ===

impl<'de> de::MapAccess<'de> for Table<'de> {
    type Error = Wrong;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Wrong> {
        self.current = self.entries.next();
        self.current.map(|entry| seed.deserialize(Key(entry)).map_err(|wrong| wrong.at(&entry.key_span))).transpose()
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Wrong> {
        let Some(entry) = self.current else { return Err(de::Error::custom("a value was read before its key")) };
        seed.deserialize(Reader { node: &entry.value, key: Some(&entry.key_span) })
    }
}

// === impl Key ===

impl<'de> Deserializer<'de> for Key<'de> {
    type Error = Wrong;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_str(&self.0.key).map_err(|wrong: Wrong| wrong.at(&self.0.key_span))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        visitor.visit_map(Place { span: &self.0.key_span, expanded: false, next: 0, content: Some(self) })
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        visitor.visit_enum(Variant { name: &self.0.key, span: &self.0.key_span, content: None })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct seq
        tuple tuple_struct map identifier ignored_any
    }
}

// === impl Place ===

impl<'de, D: Deserializer<'de, Error = Wrong>> de::MapAccess<'de> for Place<'_, D> {
    type Error = Wrong;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Wrong> {
        let Some(field) = FIELDS.get(self.next) else { return Ok(None) };
        self.next += 1;
        seed.deserialize(StrDeserializer::new(field)).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Wrong> {
        use serde::de::IntoDeserializer;
        match self.next {
            1 => seed.deserialize(StrDeserializer::new(&self.span.file)),
            2 => seed.deserialize(self.span.start.into_deserializer()),
            3 => seed.deserialize(self.span.end.into_deserializer()),
            4 => seed.deserialize(self.expanded.into_deserializer()),
            _ => match self.content.take() {
                Some(content) => seed.deserialize(content),
                None => Err(de::Error::custom("a value was read twice")),
            },
        }
    }
}

// === impl Variant ===

impl<'de> de::EnumAccess<'de> for Variant<'de> {
    type Error = Wrong;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Wrong> {
        let name = seed.deserialize(StrDeserializer::new(self.name)).map_err(|wrong: Wrong| wrong.at(self.span))?;
        Ok((name, self))
    }
}

impl<'de> Variant<'de> {
    fn content(&self) -> Result<Reader<'de>, Wrong> {
        self.content.map(Reader::new).ok_or_else(|| {
            let message = format!("`{}` needs a value, as in `{}: …`", self.name, self.name);
            Wrong::new(codes::WRONG_SHAPE, message, String::new()).at(self.span)
        })
    }
}

impl<'de> de::VariantAccess<'de> for Variant<'de> {
    type Error = Wrong;

    fn unit_variant(self) -> Result<(), Wrong> {
        match self.content {
            None => Ok(()),
            Some(content) => {
                let message = format!("`{}` takes no value", self.name);
                Err(Wrong::new(codes::WRONG_SHAPE, message, String::new()).at(&content.span))
            }
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Wrong> {
        seed.deserialize(self.content()?)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Wrong> {
        self.content()?.deserialize_seq(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value, Wrong> {
        self.content()?.deserialize_map(visitor)
    }
}

/// Reads a table from inside a visitor that accepts several shapes.
pub(super) fn from_map<'de, T: de::Deserialize<'de>, A: de::MapAccess<'de>>(map: A) -> Result<T, A::Error> {
    T::deserialize(MapAccessDeserializer::new(map))
}
