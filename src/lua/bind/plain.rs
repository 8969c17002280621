//! Plain data between a script and the host: tables without behaviour, both ways.

use crate::hook::Plain;
use crate::limits::PLAIN_DEPTH_MAX;

use super::super::raw::{Frame, Kind, Raise};

/// A number as text: whole ones without a fraction.
pub(super) fn number_text(number: f64) -> String {
    if number.fract() == 0.0 && number.abs() < 1e15 { format!("{}", number as i64) } else { format!("{number}") }
}

/// Pushes plain data as Luau's own values.
pub(in crate::lua) fn push_plain(frame: &Frame<'_>, plain: &Plain) {
    match plain {
        Plain::Nil => frame.push_nil(),
        Plain::Bool(value) => frame.push_bool(*value),
        Plain::Number(value) => frame.push_number(*value),
        Plain::Text(text) => frame.push_text(text),
        Plain::List(items) => {
            frame.push_table(items.len(), 0);
            let table = frame.top();
            for (index, item) in items.iter().enumerate() {
                push_plain(frame, item);
                frame.set_item(table, index + 1);
            }
        }
        Plain::Map(entries) => {
            frame.push_table(0, entries.len());
            let table = frame.top();
            for (key, value) in entries {
                push_plain(frame, value);
                frame.set_field(table, key);
            }
        }
    }
}

/// Reads a value as plain data. `items`: how many there may be in all.
pub(in crate::lua) fn plain_at(frame: &Frame<'_>, at: i32, items: &mut usize) -> Result<Plain, Raise> {
    read(frame, at, PLAIN_DEPTH_MAX, items)
}

fn read(frame: &Frame<'_>, at: i32, depth: usize, items: &mut usize) -> Result<Plain, Raise> {
    let Some(left) = items.checked_sub(1) else { return Err(Raise("too many values in it".to_owned())) };
    *items = left;
    Ok(match frame.kind(at) {
        Kind::Nil => Plain::Nil,
        Kind::Bool => Plain::Bool(frame.truth(at)),
        Kind::Number => Plain::Number(frame.number(at).unwrap_or_default()),
        Kind::Text => Plain::Text(frame.copy(at).unwrap_or_default().into()),
        Kind::Table if depth == 0 => {
            return Err(Raise("tables are nested too deeply in it, or in a circle".to_owned()));
        }
        Kind::Table => table(frame, at, depth, items)?,
        Kind::Function | Kind::Thing | Kind::Other => {
            let found = super::describe(frame, at);
            return Err(Raise(format!(
                "plain data is wanted: text, numbers, booleans and tables of them, found {found}"
            )));
        }
    })
}

fn table(frame: &Frame<'_>, at: i32, depth: usize, items: &mut usize) -> Result<Plain, Raise> {
    let (mut list, mut map, mut place) = (Vec::new(), Vec::new(), 0);
    loop {
        place = frame.next(at, place);
        if place < 0 {
            break;
        }
        let (key, value) = (frame.top() - 1, frame.top());
        let read = read(frame, value, depth - 1, items);
        let key = match (frame.kind(key), frame.number(key)) {
            (Kind::Number, Some(number)) if map.is_empty() && number == (list.len() + 1) as f64 => None,
            (Kind::Number, Some(number)) => Some(number_text(number).into_bytes()),
            (Kind::Text, _) => frame.copy(key),
            _ => {
                frame.pop(2);
                return Err(Raise("keys of plain data are strings and numbers".to_owned()));
            }
        };
        frame.pop(2);
        match key {
            None => list.push(read?),
            Some(key) => map.push((key.into_boxed_slice(), read?)),
        }
    }
    if map.is_empty() && !list.is_empty() {
        return Ok(Plain::List(list));
    }
    let listed = list.into_iter().enumerate();
    map.extend(listed.map(|(index, value)| ((index + 1).to_string().into_bytes().into_boxed_slice(), value)));
    Ok(Plain::Map(map))
}
