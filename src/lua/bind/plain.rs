//! Plain data between a script and the host: tables without behaviour, both ways.

use crate::hook::Plain;
use crate::limits::PLAIN_DEPTH_MAX;

use super::super::raw::{Frame, Kind, Raise};

/// A number as text: whole ones without a fraction.
pub(super) fn number_text(number: f64) -> String {
    if number.fract() == 0.0 && number.abs() < 1e15 { format!("{}", number as i64) } else { format!("{number}") }
}

/// Pushes plain data as Luau's own values. A nil inside of it is `json.null`, so that it leaves no hole.
pub(in crate::lua) fn push_plain(frame: &Frame<'_>, plain: &Plain) {
    let inner = |plain: &Plain| match plain {
        Plain::Nil => frame.push_null(),
        plain => push_plain(frame, plain),
    };
    match plain {
        Plain::Nil => frame.push_nil(),
        Plain::Bool(value) => frame.push_bool(*value),
        Plain::Number(value) => frame.push_number(*value),
        Plain::Text(text) => frame.push_text(text),
        Plain::List(items) => {
            frame.push_table(items.len(), 0);
            let table = frame.top();
            for (index, item) in items.iter().enumerate() {
                inner(item);
                frame.set_item(table, index + 1);
            }
        }
        Plain::Map(entries) => {
            frame.push_table(0, entries.len());
            let table = frame.top();
            for (key, value) in entries {
                inner(value);
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
        Kind::Nil | Kind::Null => Plain::Nil,
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

/// How many items a table has, if it is a list: its keys are 1, 2, 3 and so on, and no others.
pub(super) fn list_len(frame: &Frame<'_>, at: i32) -> Option<usize> {
    let items = frame.items(at);
    let (mut seen, mut place) = (0, 0);
    loop {
        place = frame.next(at, place);
        if place < 0 {
            return (seen == items && items > 0).then_some(items);
        }
        let key = frame.number(frame.top() - 1);
        frame.pop(2);
        match key {
            Some(key) if key >= 1.0 && key <= items as f64 && key.fract() == 0.0 => seen += 1,
            _ => return None,
        }
    }
}

fn table(frame: &Frame<'_>, at: i32, depth: usize, items: &mut usize) -> Result<Plain, Raise> {
    if let Some(length) = list_len(frame, at) {
        let mut list = Vec::new();
        for place in 1..=length {
            frame.push_item(at, place);
            let item = read(frame, frame.top(), depth - 1, items);
            frame.pop(1);
            list.push(item?);
        }
        return Ok(Plain::List(list));
    }
    let (mut map, mut place) = (Vec::new(), 0);
    loop {
        place = frame.next(at, place);
        if place < 0 {
            return Ok(Plain::Map(map));
        }
        let value = read(frame, frame.top(), depth - 1, items);
        let key = key_text(frame, frame.top() - 1);
        frame.pop(2);
        let key = key.ok_or_else(|| Raise("keys of plain data are strings and numbers".to_owned()))?;
        map.push((key.into_boxed_slice(), value?));
    }
}

/// The key of a map: a text, or a number as one.
pub(super) fn key_text(frame: &Frame<'_>, at: i32) -> Option<Vec<u8>> {
    match frame.kind(at) {
        Kind::Text => frame.copy(at),
        Kind::Number => frame.number(at).map(|number| number_text(number).into_bytes()),
        _ => None,
    }
}
