//! `regex`: patterns whose time is linear in the text.

use std::rc::Rc;

use super::super::{Bound, Noun, function};
use super::arguments::{bytes, count, most, utf8};
use super::give;
use super::json::too_long;
use crate::library::regex::{Found, Pattern, RegexError};
use crate::lua::raw::{Frame, Hosted, Raise, Returned, watched};
use crate::lua::vm;

pub(in crate::lua::bind) const MEMBERS: &[Bound] = &[
    Bound::method("test", test),
    Bound::method("find", find),
    Bound::method("match", matched),
    Bound::method("replace", replace),
    Bound::method("each", each),
];

pub(super) fn fill(frame: &Frame<'_>) {
    function(frame, c"compile", compile);
    function(frame, c"escape", |frame: &Frame<'_>| {
        let text = utf8(frame, 1, "regex.escape", "a text")?;
        let special = |c: char| r"\.+*?()|[]{}^$#&-~".contains(c);
        give(frame, text.chars().flat_map(|c| special(c).then_some('\\').into_iter().chain([c])).collect::<String>())
    });
}

/// `regex.compile(pattern)`: compiled now, or not long ago by this policy.
fn compile(frame: &Frame<'_>) -> Hosted {
    let pattern = utf8(frame, 1, "regex.compile", "a pattern")?;
    let compiled = vm::here(|vm| vm.kept.patterns.borrow_mut().get(pattern));
    let compiled = compiled.unwrap_or_else(|| Pattern::new(pattern).map(Rc::new));
    let compiled = compiled.map_err(|why| failed("regex.compile", why))?;
    frame.push_thing(Noun::Pattern as u8, 0, Some(compiled));
    Ok(Returned::Values(1))
}

fn failed(of: &str, why: RegexError) -> Raise {
    match why {
        RegexError::Stopped => too_long(of),
        why => Raise(format!("`{of}`: {why}")),
    }
}

fn pattern<'a>(frame: &'a Frame<'_>) -> Result<&'a Pattern, Raise> {
    let held = frame.thing(1, Noun::Pattern as u8).and_then(|thing| thing.held.as_ref());
    held.and_then(|held| held.downcast_ref()).ok_or_else(|| Raise("no pattern: call its methods by `:`".to_owned()))
}

fn test(frame: &Frame<'_>) -> Hosted {
    const OF: &str = "pattern:test";
    let found = pattern(frame)?.is_match(bytes(frame, 2, OF, "a text")?);
    frame.push_bool(found.map_err(|why| failed(OF, why))?);
    Ok(Returned::Values(1))
}

/// Where a search begins, from 0.
fn from(frame: &Frame<'_>, of: &str) -> Result<usize, Raise> {
    Ok(count(frame, 3, of, "where to begin, a whole number from 1", 1)?.saturating_sub(1))
}

/// `pattern:find(text, from)`: first and last byte, as `string.find`.
fn find(frame: &Frame<'_>) -> Hosted {
    const OF: &str = "pattern:find";
    let text = bytes(frame, 2, OF, "a text")?;
    match pattern(frame)?.find(text, from(frame, OF)?).map_err(|why| failed(OF, why))? {
        Some((start, end)) => {
            frame.push_number((start + 1) as f64);
            frame.push_number(end as f64);
            Ok(Returned::Values(2))
        }
        None => {
            frame.push_nil();
            Ok(Returned::Values(1))
        }
    }
}

/// `pattern:match(text, from)`: a table of the whole as `[0]`, and of the groups by number and name.
fn matched(frame: &Frame<'_>) -> Hosted {
    const OF: &str = "pattern:match";
    let (pattern, text) = (pattern(frame)?, bytes(frame, 2, OF, "a text")?);
    match pattern.matched(text, from(frame, OF)?).map_err(|why| failed(OF, why))? {
        Some(found) => push_found(frame, pattern, &found, text),
        None => frame.push_nil(),
    }
    Ok(Returned::Values(1))
}

fn push_found(frame: &Frame<'_>, pattern: &Pattern, found: &Found, text: &[u8]) {
    frame.push_table(found.groups(), 1);
    let made = frame.top();
    let push = |number: usize| match found.group(number) {
        Some((start, end)) => frame.push_text(&text[start..end]),
        None => frame.push_bool(false),
    };
    for number in 0..found.groups() {
        push(number);
        frame.set_item(made, number);
    }
    for (number, name) in pattern.names().enumerate() {
        if let Some(name) = name {
            push(number);
            frame.set_field(made, name.as_bytes());
        }
    }
}

/// `pattern:replace(text, with, times)`
fn replace(frame: &Frame<'_>) -> Hosted {
    const OF: &str = "pattern:replace";
    let (text, with) = (bytes(frame, 2, OF, "a text")?, bytes(frame, 3, OF, "what to put there, a string")?);
    let times = count(frame, 4, OF, "how often, a whole number", usize::MAX)?;
    let meter = watched();
    let made = pattern(frame)?.replace(text, with, times, most(), &mut || !meter.is_expired());
    give(frame, made.map_err(|why| failed(OF, why))?)
}

/// `for found in pattern:each(text) do`. What the loop hands from step to step is a list: the pattern, the text, where the
/// next search begins and where the last match ended.
fn each(frame: &Frame<'_>) -> Hosted {
    let (_, _) = (pattern(frame)?, bytes(frame, 2, "pattern:each", "a text")?);
    frame.push_host(c"next", step);
    frame.push_table(4, 0);
    let state = frame.top();
    frame.push_value(1);
    frame.set_item(state, 1);
    frame.push_value(2);
    frame.set_item(state, 2);
    frame.push_number(0.0);
    frame.set_item(state, 3);
    frame.push_number(-1.0);
    frame.set_item(state, 4);
    frame.push_nil();
    Ok(Returned::Values(3))
}

fn step(frame: &Frame<'_>) -> Hosted {
    const OF: &str = "pattern:each";
    let state = 1;
    if frame.len() != 2 {
        return Err(Raise("a pattern's loop is walked by `for`".to_owned()));
    }
    for place in 1..=4 {
        frame.push_item(state, place);
    }
    frame.claim();
    let held = frame.thing(3, Noun::Pattern as u8).and_then(|thing| thing.held.as_ref());
    let pattern = held.and_then(|held| held.downcast_ref::<Pattern>());
    let place = frame.number(5).zip(frame.number(6));
    let (Some(pattern), Some(text), Some((begun, last_end))) = (pattern, frame.text(4), place) else {
        return Err(Raise("a pattern's loop is walked by `for`".to_owned()));
    };
    let (mut from, last_end) = (begun.max(0.0) as usize, (last_end >= 0.0).then_some(last_end as usize));
    while from <= text.len() {
        let Some(found) = pattern.matched(text, from).map_err(|why| failed(OF, why))? else { break };
        let Some((start, end)) = found.group(0) else { break };
        // An empty match right behind the last one is part of it.
        if start == end && last_end == Some(end) {
            from = end + 1;
            continue;
        }
        frame.push_number((if start == end { end + 1 } else { end }) as f64);
        frame.set_item(state, 3);
        frame.push_number(end as f64);
        frame.set_item(state, 4);
        push_found(frame, pattern, &found, text);
        return Ok(Returned::Values(1));
    }
    frame.push_nil();
    Ok(Returned::Values(1))
}
