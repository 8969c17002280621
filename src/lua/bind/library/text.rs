//! `text`: plain work on texts, without patterns.

use super::super::function;
use super::arguments::{bytes, count, most};
use super::give;
use crate::library::text;
use crate::limits::PLAIN_ITEMS_MAX;
use crate::lua::raw::{Frame, Hosted, Raise, Returned};

pub(super) fn fill(frame: &Frame<'_>) {
    function(frame, c"replace", replace);
    function(frame, c"split", split);
    function(frame, c"find", find);
    function(frame, c"contains", |frame: &Frame<'_>| {
        asked(frame, "text.contains", |text, part| text::find(text, part, 0).is_some())
    });
    function(frame, c"trim", |frame: &Frame<'_>| give(frame, text::trim(bytes(frame, 1, "text.trim", "a text")?)));
    function(frame, c"starts_with", |frame: &Frame<'_>| asked(frame, "text.starts_with", text::starts_with));
    function(frame, c"ends_with", |frame: &Frame<'_>| asked(frame, "text.ends_with", text::ends_with));
    function(frame, c"html_escape", |frame: &Frame<'_>| {
        let made = text::escape_html(bytes(frame, 1, "text.html_escape", "a text")?, most());
        give(frame, made.map_err(|why| Raise(format!("`text.html_escape`: {why} (limits.body)")))?)
    });
}

/// `text.replace(text, old, new, times)`
fn replace(frame: &Frame<'_>) -> Hosted {
    const OF: &str = "text.replace";
    let text = bytes(frame, 1, OF, "a text")?;
    let old = bytes(frame, 2, OF, "what to replace, a string")?;
    let new = bytes(frame, 3, OF, "what to put there, a string")?;
    let times = count(frame, 4, OF, "how often, a whole number", usize::MAX)?;
    let made = text::replace(text, old, new, times, most());
    give(frame, made.map_err(|why| Raise(format!("`{OF}`: {why} (limits.body)")))?)
}

/// `text.split(text, separator, most)`
fn split(frame: &Frame<'_>) -> Hosted {
    const OF: &str = "text.split";
    let (text, by) = (bytes(frame, 1, OF, "a text")?, bytes(frame, 2, OF, "a separator")?);
    if by.is_empty() {
        return Err(Raise(format!("`{OF}` takes a separator that is not empty")));
    }
    let parts = count(frame, 3, OF, "the most parts, a whole number", PLAIN_ITEMS_MAX)?.clamp(1, PLAIN_ITEMS_MAX);
    let parts = text::split(text, by, parts);
    frame.push_table(parts.len(), 0);
    let made = frame.top();
    for (index, part) in parts.iter().enumerate() {
        frame.push_text(part);
        frame.set_item(made, index + 1);
    }
    Ok(Returned::Values(1))
}

/// `text.find(text, part, from)`: the first byte's place, from 1.
fn find(frame: &Frame<'_>) -> Hosted {
    const OF: &str = "text.find";
    let (text, part) = (bytes(frame, 1, OF, "a text")?, bytes(frame, 2, OF, "what to find, a string")?);
    let from = count(frame, 3, OF, "where to begin, a whole number from 1", 1)?;
    match text::find(text, part, from.saturating_sub(1)) {
        Some(at) => frame.push_number((at + 1) as f64),
        None => frame.push_nil(),
    }
    Ok(Returned::Values(1))
}

fn asked(frame: &Frame<'_>, of: &str, ask: impl FnOnce(&[u8], &[u8]) -> bool) -> Hosted {
    let text = bytes(frame, 1, of, "a text")?;
    let answer = ask(text, bytes(frame, 2, of, "a second text")?);
    frame.push_bool(answer);
    Ok(Returned::Values(1))
}
