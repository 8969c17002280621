//! What every noun's file uses: looks and changes through the view that is armed, errors with their place, arguments.

use std::rc::Rc;

use super::super::raw::{Frame, Hosted, Kind, Raise, Returned};
use super::super::vm;
use super::{Noun, path, plain};
use crate::hook::{Refused, View, slot};
use crate::http::name::FieldName;

/// Looks at the exchange and pushes one value.
#[inline]
pub(super) fn give(
    frame: &Frame<'_>,
    noun: Noun,
    member: &str,
    look: impl FnOnce(&mut dyn View, &Frame<'_>) -> Result<(), Refused>,
) -> Hosted {
    match slot::with(|view| look(view, frame)) {
        Some(Ok(())) => Ok(Returned::Values(1)),
        Some(Err(refused)) => Err(refusal(noun, member, &refused)),
        None => Err(nobody(noun, member)),
    }
}

/// Changes the exchange.
#[inline]
pub(super) fn change(noun: Noun, member: &str, change: impl FnOnce(&mut dyn View) -> Result<(), Refused>) -> Hosted {
    match slot::with(change) {
        Some(Ok(())) => Ok(Returned::Values(0)),
        Some(Err(refused)) => Err(refusal(noun, member, &refused)),
        None => Err(nobody(noun, member)),
    }
}

/// The one object of a noun.
#[inline]
pub(super) fn push_constant(frame: &Frame<'_>, noun: Noun) -> Hosted {
    match vm::here(|vm| vm.constant(noun)).flatten() {
        Some(constant) => frame.push_ref(constant),
        None => frame.push_nil(),
    }
    Ok(Returned::Values(1))
}

pub(super) fn push_maybe(frame: &Frame<'_>, text: Option<&[u8]>) {
    match text {
        Some(text) => frame.push_text(text),
        None => frame.push_nil(),
    }
}

pub(super) fn member_path(noun: Noun, member: &str) -> String {
    let path = path(noun as u8);
    match (noun, member) {
        (Noun::RequestHeaders | Noun::ResponseHeaders, "name") => path.to_owned(),
        (_, "") => path.to_owned(),
        _ => format!("{path}.{member}"),
    }
}

/// An access that the hook's row refuses: what, where, and where it is there.
#[cold]
pub(super) fn refusal(noun: Noun, member: &str, refused: &Refused) -> Raise {
    let hook = vm::here(|vm| vm.hook.get()).flatten();
    let at = hook.map(|hook| format!(" at `{}`", hook.name())).unwrap_or_default();
    Raise(format!("`{}`{at}: {refused}", member_path(noun, member)))
}

#[cold]
pub(super) fn nobody(noun: Noun, member: &str) -> Raise {
    let hook = vm::here(|vm| vm.hook.get()).flatten();
    let at = hook.map(|hook| format!(" at `{}`", hook.name())).unwrap_or_default();
    Raise(format!("`{}`{at}: no exchange belongs to this call", member_path(noun, member)))
}

/// A field's name, remembered by the string that a script names it with.
pub(super) fn field_name(name: &[u8]) -> Result<Rc<FieldName>, Raise> {
    let bad = || Raise(format!("`{}` is not a field name", String::from_utf8_lossy(name)));
    let known = vm::here(|vm| vm.names.find(name)).flatten();
    match known {
        Some(known) => Ok(known),
        None => {
            let made = std::str::from_utf8(name).ok().and_then(|name| FieldName::new(name).ok()).ok_or_else(bad)?;
            let made = Rc::new(made);
            vm::here(|vm| vm.names.keep(name, &made));
            Ok(made)
        }
    }
}

/// A text argument, or what is wrong with it.
pub(super) fn text_argument<'a>(frame: &'a Frame<'_>, at: i32, what: &str) -> Result<&'a [u8], Raise> {
    frame.text(at).ok_or_else(|| Raise(format!("{what} is a string, found {}", describe(frame, at))))
}

pub(super) fn describe(frame: &Frame<'_>, at: i32) -> &'static str {
    match frame.kind(at) {
        Kind::Nil => "nil",
        Kind::Null => "json.null",
        Kind::Bool => "a boolean",
        Kind::Number => "a number",
        Kind::Text => "a string",
        Kind::Table => "a table",
        Kind::Function => "a function",
        Kind::Thing => "an object of the proxy",
        Kind::Other => "something else",
    }
}

/// A text, a number or a boolean as text.
pub(super) fn as_text(frame: &Frame<'_>, at: i32) -> Option<Vec<u8>> {
    match frame.kind(at) {
        Kind::Text => frame.copy(at),
        Kind::Number => frame.number(at).map(|number| plain::number_text(number).into_bytes()),
        Kind::Bool => Some(if frame.truth(at) { b"true".to_vec() } else { b"false".to_vec() }),
        _ => None,
    }
}
