//! `json`: text to values and back.

use super::super::raw::{Frame, Hosted, Raise, Returned};
use super::{function, plain_at, push_plain, text_argument};
use crate::hook::Plain;
use crate::limits::PLAIN_ITEMS_MAX;

/// Puts `json` into the globals, which are on top.
pub(super) fn install(frame: &Frame<'_>) {
    let globals = frame.top();
    frame.push_table(0, 2);
    function(frame, c"decode", |frame: &Frame<'_>| {
        let text = text_argument(frame, 1, "JSON")?.to_vec();
        decode(frame, &text)
    });
    function(frame, c"encode", encode);
    frame.freeze(frame.top());
    frame.set_field(globals, b"json");
}

/// Pushes what a JSON text says.
pub(super) fn decode(frame: &Frame<'_>, text: &[u8]) -> Hosted {
    let value: serde_json::Value =
        serde_json::from_slice(text).map_err(|error| Raise(format!("this is no JSON: {error}")))?;
    push_plain(frame, &plain(value));
    Ok(Returned::Values(1))
}

fn plain(value: serde_json::Value) -> Plain {
    use serde_json::Value;
    match value {
        Value::Null => Plain::Nil,
        Value::Bool(value) => Plain::Bool(value),
        Value::Number(value) => Plain::Number(value.as_f64().unwrap_or_default()),
        Value::String(value) => Plain::Text(value.into_bytes().into()),
        Value::Array(items) => Plain::List(items.into_iter().map(plain).collect()),
        Value::Object(entries) => {
            Plain::Map(entries.into_iter().map(|(key, value)| (key.into_bytes().into(), plain(value))).collect())
        }
    }
}

fn encode(frame: &Frame<'_>) -> Hosted {
    let plain = plain_at(frame, 1, &mut PLAIN_ITEMS_MAX.clone())?;
    frame.push_text(plain.to_json().to_string().as_bytes());
    Ok(Returned::Values(1))
}
