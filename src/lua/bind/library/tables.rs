//! `lookup_table(name)`: read-only data of a file, looked up in the host.

use std::rc::Rc;
use std::sync::Arc;

use super::super::{Bound, Noun, push_plain};
use super::arguments::{bytes, utf8};
use super::{give_number, nothing};
use crate::library::ip;
use crate::lua::raw::{Frame, Hosted, Raise, Returned};
use crate::lua::vm;
use crate::share::table::{Row, Table};

pub(in crate::lua::bind) const MEMBERS: &[Bound] = &[
    Bound::method("lookup", lookup),
    Bound::method("lookup_address", lookup_address),
    Bound::method("rows", |frame| give_number(frame, held(frame)?.len() as f64)),
];

pub(super) fn open(frame: &Frame<'_>) -> Hosted {
    let name = utf8(frame, 1, "lookup_table", "a table's name")?;
    let found = vm::here(|vm| vm.program.reached.table(name));
    let found = found.ok_or_else(|| Raise("no policy runs".to_owned()))??;
    frame.push_thing(Noun::LookupTable as u8, 0, Some(Rc::new(found)));
    Ok(Returned::Values(1))
}

fn held<'a>(frame: &'a Frame<'_>) -> Result<&'a Table, Raise> {
    let held = frame.thing(1, Noun::LookupTable as u8).and_then(|thing| thing.held.as_ref());
    let held: Option<&Arc<Table>> = held.and_then(|held| held.downcast_ref());
    held.map(|held| &**held).ok_or_else(|| Raise("no table: call its methods by `:`".to_owned()))
}

fn lookup(frame: &Frame<'_>) -> Hosted {
    push(frame, held(frame)?.lookup(bytes(frame, 2, "table:lookup", "a key, a string")?));
    Ok(Returned::Values(1))
}

fn lookup_address(frame: &Frame<'_>) -> Hosted {
    match ip::parse(bytes(frame, 2, "table:lookup_address", "an address")?) {
        Ok(address) => {
            push(frame, held(frame)?.lookup_address(address));
            Ok(Returned::Values(1))
        }
        Err(why) => nothing(frame, why),
    }
}

fn push(frame: &Frame<'_>, row: Option<Row<'_>>) {
    match row {
        None => frame.push_nil(),
        Some(Row::Value(value)) => push_plain(frame, value),
        Some(Row::Cells(cells)) => {
            frame.push_table(0, 8);
            let made = frame.top();
            for (name, cell) in cells.iter() {
                frame.push_text(cell);
                frame.set_field(made, name);
            }
        }
    }
}
