//! Plain data that follows an exchange: values and the identity, the same for policies of every kind.

use crate::limits::PLAIN_DEPTH_MAX;

/// Data without behaviour: what a value, a claim or a state that is handed over may be.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Plain {
    #[default]
    Nil,
    Bool(bool),
    Number(f64),
    Text(Box<[u8]>),
    List(Vec<Plain>),
    Map(Vec<(Box<[u8]>, Plain)>),
}

/// Who a client has proved to be; set by policies that check it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Identity {
    pub subject: String,
    /// The policy that says so.
    pub by: String,
    pub scopes: Vec<String>,
    pub claims: Plain,
}

// === impl Plain ===

impl Plain {
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
                let depth = depth.checked_sub(1)?;
                map.iter().try_fold(own, |sum, (key, one)| Some(sum + key.len() + one.weight_within(depth)?))?
            }
        })
    }

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
}

impl Plain {
    /// As JSON; what is no UTF-8 is shown as it can be.
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
}

impl From<&str> for Plain {
    fn from(text: &str) -> Self {
        Self::Text(text.as_bytes().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_add_up_and_depth_has_an_end() {
        let size = size_of::<Plain>();
        assert_eq!(Plain::from("abc").weight(), Some(size + 3));
        let list = Plain::List(vec![Plain::Nil, Plain::Map(vec![(Box::from(&b"key"[..]), Plain::Bool(true))])]);
        assert_eq!(list.weight(), Some(4 * size + 3));
        let deep = |levels: usize| (0..levels).fold(Plain::Nil, |inner, _| Plain::List(vec![inner]));
        assert!(deep(PLAIN_DEPTH_MAX).weight().is_some() && deep(PLAIN_DEPTH_MAX + 1).weight().is_none());
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
