//! `json`: text to values and back, without a tree in between.

use super::super::plain::{key_text, list_len};
use super::super::{describe, function};
use super::arguments::{self, bytes, kind, most, wanted};
use super::{give, nothing};
use crate::library::json::{Bounds, Decoder, JsonError, Progress, Sink, Writer};
use crate::lua::raw::{Frame, Hosted, Kind, Raise, Ref, Returned, watched};
use crate::lua::vm;

/// Pushes what a text says, value by value.
struct Pusher<'f, 'l> {
    frame: &'f Frame<'l>,
    /// Where each open array or object stands; of an array how many items it has.
    open: Vec<(i32, Option<usize>)>,
    list: Option<Ref>,
}

pub(super) fn fill(frame: &Frame<'_>) {
    let table = frame.top();
    frame.push_null();
    frame.set_field(table, b"null");
    function(frame, c"decode", |frame: &Frame<'_>| {
        let text = bytes(frame, 1, "json.decode", "a JSON text")?;
        decode(frame, text)
    });
    function(frame, c"encode", encode);
    function(frame, c"array", array);
}

/// Pushes what a JSON text says, or nil and why it says nothing.
pub(in crate::lua::bind) fn decode(frame: &Frame<'_>, text: &[u8]) -> Hosted {
    arguments::bounded(text.len(), "json.decode")?;
    let before = frame.top();
    let list = vm::here(|vm| vm.kept.list);
    let mut decoder = Decoder::new(Bounds::default());
    let mut pusher = Pusher { frame, open: Vec::new(), list };
    loop {
        match decoder.run(text, &mut pusher) {
            Ok(Progress::Done) => return Ok(Returned::Values(1)),
            // Who has come so far over its memory hears of it as soon as this returns.
            Ok(Progress::Paused) if vm::here(|vm| vm.lua.meter().is_over()).unwrap_or_default() => {
                frame.pop(frame.top() - before);
                return Ok(Returned::Values(0));
            }
            Ok(Progress::Paused) if watched().is_expired() => return Err(too_long("json.decode")),
            Ok(Progress::Paused) => {}
            Err(why) => {
                frame.pop(frame.top() - before);
                return nothing(frame, why);
            }
        }
    }
}

/// The work was left because the call's time is over; it ends as soon as the script goes on.
pub(super) fn too_long(of: &str) -> Raise {
    Raise(format!("`{of}`: it took more CPU time than it may (limits.cpu)"))
}

fn encode(frame: &Frame<'_>) -> Hosted {
    if frame.len() == 0 {
        return Err(wanted(frame, 1, "json.encode", "a value"));
    }
    let mut writer = Writer::new(most());
    tell(frame, 1, vm::here(|vm| vm.kept.list), &mut writer)?;
    give(frame, writer.finish().map_err(|why| unwritable(&why))?)
}

/// `json.array(list)`: written as an array even if it is empty.
fn array(frame: &Frame<'_>) -> Hosted {
    match kind(frame, 1) {
        Kind::Nil => frame.push_table(0, 0),
        Kind::Table => frame.push_value(1),
        _ => return Err(wanted(frame, 1, "json.array", "a list")),
    }
    let marked = vm::here(|vm| frame.mark(frame.top(), vm.kept.list));
    if marked == Some(true) {
        return Ok(Returned::Values(1));
    }
    Err(Raise("`json.array` takes a list that may be changed and has no metatable".to_owned()))
}

fn unwritable(why: &JsonError) -> Raise {
    Raise(format!("`json.encode`: {why}"))
}

/// Tells a value to the writer, which bounds depth and size.
fn tell(frame: &Frame<'_>, at: i32, mark: Option<Ref>, writer: &mut Writer) -> Result<(), Raise> {
    match frame.kind(at) {
        Kind::Nil | Kind::Null => writer.null(),
        Kind::Bool => writer.bool(frame.truth(at)),
        Kind::Number => writer.number(frame.number(at).unwrap_or_default()),
        Kind::Text => writer.string(&frame.copy(at).unwrap_or_default()),
        Kind::Table => {
            if watched().is_expired() {
                return Err(too_long("json.encode"));
            }
            let marked = || frame.items(at) == 0 && mark.is_some_and(|mark| frame.is_marked(at, mark));
            match list_len(frame, at) {
                Some(items) => return array_of(frame, at, items, mark, writer),
                None if marked() => return array_of(frame, at, 0, mark, writer),
                None => return object_of(frame, at, mark, writer),
            }
        }
        Kind::Function | Kind::Thing | Kind::Other => {
            let found = describe(frame, at);
            return Err(Raise(format!(
                "`json.encode` takes text, numbers, booleans, tables and json.null, found {found}"
            )));
        }
    }
    .map_err(|why| unwritable(&why))
}

fn array_of(frame: &Frame<'_>, at: i32, items: usize, mark: Option<Ref>, writer: &mut Writer) -> Result<(), Raise> {
    writer.begin_array().map_err(|why| unwritable(&why))?;
    for place in 1..=items {
        frame.push_item(at, place);
        tell(frame, frame.top(), mark, writer)?;
        frame.pop(1);
    }
    writer.end_array().map_err(|why| unwritable(&why))
}

/// By key, so that the same value is always the same text.
fn object_of(frame: &Frame<'_>, at: i32, mark: Option<Ref>, writer: &mut Writer) -> Result<(), Raise> {
    writer.begin_object().map_err(|why| unwritable(&why))?;
    let (mut keys, mut place) = (Vec::new(), 0);
    loop {
        place = frame.next(at, place);
        if place < 0 {
            break;
        }
        let key = key_text(frame, frame.top() - 1);
        keys.push((key.ok_or_else(|| Raise("`json.encode`: keys are strings and numbers".to_owned()))?, place - 1));
        frame.pop(2);
    }
    keys.sort_unstable();
    for (key, place) in keys {
        writer.key(&key).map_err(|why| unwritable(&why))?;
        if frame.next(at, place) >= 0 {
            tell(frame, frame.top(), mark, writer)?;
            frame.pop(2);
        }
    }
    writer.end_object().map_err(|why| unwritable(&why))
}

// === impl Pusher ===

impl Pusher<'_, '_> {
    /// Puts the value on top where it belongs.
    fn put(&mut self) {
        match self.open.last_mut() {
            None => {}
            Some((table, Some(items))) => {
                *items += 1;
                self.frame.set_item(*table, *items);
            }
            Some((table, None)) => self.frame.set_pair(*table),
        }
    }

    fn begin(&mut self, items: Option<usize>) {
        self.frame.push_table(0, 0);
        self.open.push((self.frame.top(), items));
    }
}

impl Sink for Pusher<'_, '_> {
    fn null(&mut self) -> Result<(), JsonError> {
        self.frame.push_null();
        self.put();
        Ok(())
    }

    fn bool(&mut self, value: bool) -> Result<(), JsonError> {
        self.frame.push_bool(value);
        self.put();
        Ok(())
    }

    fn number(&mut self, value: f64) -> Result<(), JsonError> {
        self.frame.push_number(value);
        self.put();
        Ok(())
    }

    fn string(&mut self, bytes: &[u8]) -> Result<(), JsonError> {
        self.frame.push_text(bytes);
        self.put();
        Ok(())
    }

    fn begin_array(&mut self) -> Result<(), JsonError> {
        self.begin(Some(0));
        Ok(())
    }

    fn end_array(&mut self) -> Result<(), JsonError> {
        if let (Some((table, Some(0))), Some(list)) = (self.open.pop(), self.list) {
            self.frame.mark(table, list);
        }
        self.put();
        Ok(())
    }

    fn begin_object(&mut self) -> Result<(), JsonError> {
        self.begin(None);
        Ok(())
    }

    fn key(&mut self, bytes: &[u8]) -> Result<(), JsonError> {
        self.frame.push_text(bytes);
        Ok(())
    }

    fn end_object(&mut self) -> Result<(), JsonError> {
        self.open.pop();
        self.put();
        Ok(())
    }
}
