//! Metadata: what the policy was given (`with`), dynamic metadata and filter state. The last two are values of the exchange,
//! `envoy.<namespace>.<key>`, that every policy can read; `envoy` lists the namespaces.

use super::super::bind::{plain_at, push_plain};
use super::super::raw::{Frame, Hosted, Kind, Raise, Returned};
use super::super::vm;
use super::info::namespace;
use super::{Method, Object, handle, headers, methods, nothing, push, text, view};
use crate::hook::{Plain, Refused, View};
use crate::limits::PLAIN_ITEMS_MAX;

pub(super) const METHODS: &[Method] = methods![
    c"get" => get,
];

pub(super) const DYNAMIC: &[Method] = methods![
    c"get" => get_namespace,
    c"set" => set,
];

pub(super) const FILTER_STATE: &[Method] = methods![
    c"get" => filter_state,
    c"set" => |_: &Frame<'_>| Err(Raise(
        "`filterState:set()` does not exist here: it makes objects of Envoy's; dynamicMetadata():set() keeps values".to_owned()
    )),
];

// === what the policy was given ===

/// Pushes the table that a metadata object stands for.
fn push_given(frame: &Frame<'_>) {
    match frame.thing(1, Object::Metadata as u8) {
        Some(thing) if thing.number == handle::OF_POLICY => {
            if vm::here(|vm| vm.push_options(frame)).is_none() {
                frame.push_nil();
            }
        }
        _ => frame.push_nil(),
    }
}

/// `metadata:get(key)`
pub(super) fn get(frame: &Frame<'_>) -> Hosted {
    let key = text(frame, 2, "get")?.into_owned();
    push_given(frame);
    frame.push_field(frame.top(), &key);
    Ok(Returned::Values(1))
}

/// `pairs(metadata)`
pub(super) fn each(frame: &Frame<'_>) -> Hosted {
    push_given(frame);
    let given = frame.top();
    frame.push_host(c"next", headers::step);
    frame.push_table(8, 1);
    let (list, mut place, mut count) = (frame.top(), 0, 0);
    loop {
        place = frame.next(given, place);
        if place < 0 {
            break;
        }
        frame.set_item(list, count + 2);
        frame.set_item(list, count + 1);
        count += 2;
    }
    headers::walk(frame)
}

/// `route:metadata()`, `virtualHost:metadata()`
pub(super) fn of_holder(frame: &Frame<'_>) -> Hosted {
    let number = frame.thing(1, Object::Holder as u8).map_or(handle::EMPTY, |thing| thing.number);
    push(frame, Object::Metadata, number)
}

// === dynamic metadata ===

/// Keys with their values.
type Entries = Vec<(Box<[u8]>, Plain)>;

fn namespaces(view: &dyn View) -> Result<Vec<Plain>, Refused> {
    Ok(match view.value("envoy")? {
        Some(Plain::List(names)) => names.clone(),
        _ => Vec::new(),
    })
}

/// The keys of a namespace with their values.
fn entries(view: &dyn View, namespace: &str) -> Result<Entries, Refused> {
    let mut found = Vec::new();
    let Some(Plain::List(keys)) = view.value(&format!("envoy.{namespace}"))? else { return Ok(found) };
    for key in keys.iter().filter_map(Plain::text) {
        let name = format!("envoy.{namespace}.{}", String::from_utf8_lossy(key));
        if let Some(value) = view.value(&name)?.filter(|value| !matches!(value, Plain::Nil)) {
            found.push((key.into(), value.clone()));
        }
    }
    Ok(found)
}

/// Adds a text to a list that is kept under this name.
fn list(view: &mut dyn View, name: &str, text: &str) -> Result<(), Refused> {
    let mut known = match view.value(name)? {
        Some(Plain::List(known)) => known.clone(),
        _ => Vec::new(),
    };
    if known.iter().any(|one| one.text() == Some(text.as_bytes())) {
        return Ok(());
    }
    known.push(text.into());
    view.set_value(name, Plain::List(known))
}

/// `dynamicMetadata:get(namespace)`
fn get_namespace(frame: &Frame<'_>) -> Hosted {
    let namespace = namespace(frame, "get")?;
    let entries = view("dynamicMetadata:get()", |view| entries(view, &namespace))?;
    if entries.is_empty() {
        frame.push_nil();
    } else {
        push_plain(frame, &Plain::Map(entries));
    }
    Ok(Returned::Values(1))
}

/// `dynamicMetadata:set(namespace, key, value)`
fn set(frame: &Frame<'_>) -> Hosted {
    let namespace = namespace(frame, "set")?;
    let key = String::from_utf8_lossy(&text(frame, 3, "set")?).into_owned();
    let kind = frame.kind(4);
    if matches!(kind, Kind::Function | Kind::Thing | Kind::Other) {
        return Err(Raise("unexpected type of value in dynamicMetadata".to_owned()));
    }
    let value = plain_at(frame, 4, &mut PLAIN_ITEMS_MAX.clone())?;
    view("dynamicMetadata:set()", |view| {
        list(view, "envoy", &namespace)?;
        list(view, &format!("envoy.{namespace}"), &key)?;
        view.set_value(&format!("envoy.{namespace}.{key}"), value)
    })?;
    Ok(Returned::Values(0))
}

/// `pairs(dynamicMetadata)`
pub(super) fn each_namespace(frame: &Frame<'_>) -> Hosted {
    let all = view("dynamicMetadata", |view| {
        let names = namespaces(view)?;
        let names = names.iter().filter_map(Plain::text).map(|name| String::from_utf8_lossy(name).into_owned());
        names.map(|name| Ok((entries(view, &name)?, name))).collect::<Result<Vec<_>, Refused>>()
    })?;
    frame.push_host(c"next", headers::step);
    frame.push_table(2 * all.len(), 1);
    let table = frame.top();
    for (index, (entries, name)) in all.into_iter().enumerate() {
        frame.push_text(name.as_bytes());
        frame.set_item(table, 2 * index + 1);
        push_plain(frame, &Plain::Map(entries));
        frame.set_item(table, 2 * index + 2);
    }
    headers::walk(frame)
}

/// `streamInfo:dynamicTypedMetadata(namespace)`: there is nothing typed here.
pub(super) fn typed(frame: &Frame<'_>) -> Hosted {
    namespace(frame, "dynamicTypedMetadata")?;
    nothing(frame)
}

/// `filterState:get(name, field)`: a value as text.
fn filter_state(frame: &Frame<'_>) -> Hosted {
    let name = namespace(frame, "get")?;
    let field = if frame.kind(3) == Kind::Nil { None } else { Some(text(frame, 3, "get")?.into_owned()) };
    let shown = view("filterState:get()", |view| {
        let value = view.value(&format!("envoy.{name}"))?;
        let value = match (&field, value) {
            (None, value) => value,
            (Some(field), Some(Plain::Map(entries))) => {
                entries.iter().find(|(key, _)| **key == **field).map(|(_, value)| value)
            }
            (Some(_), _) => None,
        };
        Ok(value.map(|value| {
            let mut shown = Vec::new();
            value.show(&mut shown);
            shown
        }))
    })?;
    match shown {
        Some(shown) => frame.push_text(&shown),
        None => frame.push_nil(),
    }
    Ok(Returned::Values(1))
}
