//! `exchange`: what hangs on it, and the two tables that follow it.

use std::any::Any;
use std::rc::Rc;

use super::super::raw::{Frame, Hosted, Kind, Raise, Ref, Returned};
use super::super::vm::{self, Vm};
use super::{
    Bound, Noun, change, give, metamethod, nobody, plain_at, push_constant, push_maybe, push_plain, refusal, waiting,
};
use crate::hook::{Identity, Plain, slot};
use crate::limits::PLAIN_ITEMS_MAX;

pub(super) const MEMBERS: &[Bound] = &[
    Bound::field("id", id),
    Bound::field("hook", hook),
    Bound::field("request", |frame| push_constant(frame, Noun::Request)),
    Bound::field("response", |frame| push_constant(frame, Noun::Response)),
    Bound::field("client", |frame| push_constant(frame, Noun::Client)),
    Bound::field("route", route),
    Bound::assignable("upstream", upstream, choose_upstream),
    Bound::field("endpoint", endpoint),
    Bound::field("failure", failure),
    Bound::field("mine", mine),
    Bound::field("values", |frame| push_constant(frame, Noun::Values)),
    Bound::assignable("identity", identity, set_identity),
    Bound::method("fetch", |frame| waiting::fetch(frame, 2)),
    Bound::method("fetch_all", |frame| waiting::fetch_all(frame, 2)),
];

/// A policy's own table of one exchange; it goes with the exchange.
struct Mine {
    vm: Rc<Vm>,
    table: Ref,
}

fn id(frame: &Frame<'_>) -> Hosted {
    give(frame, Noun::Exchange, "id", |view, frame| {
        view.request()?;
        frame.push_text(view.request_id().as_bytes());
        Ok(())
    })
}

fn hook(frame: &Frame<'_>) -> Hosted {
    let hook = vm::here(|vm| vm.hook.get()).flatten();
    push_maybe(frame, hook.map(|hook| hook.name().as_bytes()));
    Ok(Returned::Values(1))
}

fn route(frame: &Frame<'_>) -> Hosted {
    match slot::with(|view| view.route().map(|route| route.is_some())) {
        Some(Ok(true)) => push_constant(frame, Noun::Route),
        Some(Ok(false)) => {
            frame.push_nil();
            Ok(Returned::Values(1))
        }
        Some(Err(refused)) => Err(refusal(Noun::Exchange, "route", &refused)),
        None => Err(nobody(Noun::Exchange, "route")),
    }
}

fn upstream(frame: &Frame<'_>) -> Hosted {
    give(frame, Noun::Exchange, "upstream", |view, frame| {
        let chosen = view.upstream()?;
        let name = chosen.and_then(|id| view.name_of_upstream(id));
        push_maybe(frame, name.as_deref().map(str::as_bytes));
        Ok(())
    })
}

fn choose_upstream(frame: &Frame<'_>) -> Hosted {
    let name = super::text_argument(frame, 3, "an upstream's name")?;
    let shown = String::from_utf8_lossy(name);
    let granted = vm::here(|vm| vm.program.grants.upstreams.iter().any(|one| **one == *shown)).unwrap_or_default();
    match slot::with(|view| view.find_upstream(&shown)).flatten() {
        Some(id) => change(Noun::Exchange, "upstream", |view| view.choose_upstream(id, granted)),
        None => Err(Raise(format!("there is no upstream `{shown}`"))),
    }
}

fn endpoint(frame: &Frame<'_>) -> Hosted {
    give(frame, Noun::Exchange, "endpoint", |view, frame| {
        match view.endpoint()?.cloned() {
            Some(endpoint) => frame.push_thing(Noun::Endpoint as u8, 0, Some(Rc::new(endpoint))),
            None => frame.push_nil(),
        }
        Ok(())
    })
}

fn failure(frame: &Frame<'_>) -> Hosted {
    give(frame, Noun::Exchange, "failure", |view, frame| {
        push_maybe(frame, view.failure()?.map(|failure| failure.reason().label().as_bytes()));
        Ok(())
    })
}

fn mine(frame: &Frame<'_>) -> Hosted {
    let Some(vm) = vm::here(Rc::clone) else { return Err(nobody(Noun::Exchange, "mine")) };
    let known = slot::with(|view| {
        let place = view.mine()?;
        let own = place.as_ref().and_then(|mine| mine.downcast_ref::<Mine>());
        Some(own.filter(|own| Rc::ptr_eq(&own.vm, &vm)).map(|own| own.table))
    });
    match known {
        Some(Some(Some(table))) => frame.push_ref(table),
        Some(Some(None)) => {
            frame.push_table(0, 2);
            frame.push_value(frame.top());
            let own: Box<dyn Any> = Box::new(Mine { table: frame.anchor(), vm });
            slot::with(|view| view.mine().map(|place| *place = Some(own)));
        }
        _ => return Err(nobody(Noun::Exchange, "mine")),
    }
    Ok(Returned::Values(1))
}

impl Drop for Mine {
    fn drop(&mut self) {
        self.vm.lua.release(self.table);
    }
}

// === identity ===

fn identity(frame: &Frame<'_>) -> Hosted {
    give(frame, Noun::Exchange, "identity", |view, frame| {
        match view.identity()? {
            Some(identity) => push_identity(frame, identity),
            None => frame.push_nil(),
        }
        Ok(())
    })
}

fn push_identity(frame: &Frame<'_>, identity: &Identity) {
    frame.push_table(0, 4);
    let table = frame.top();
    frame.push_text(identity.subject.as_bytes());
    frame.set_field(table, b"subject");
    frame.push_text(identity.by.as_bytes());
    frame.set_field(table, b"by");
    frame.push_table(identity.scopes.len(), 0);
    for (index, scope) in identity.scopes.iter().enumerate() {
        frame.push_text(scope.as_bytes());
        frame.set_item(table + 1, index + 1);
    }
    frame.set_field(table, b"scopes");
    push_plain(frame, &identity.claims);
    frame.set_field(table, b"claims");
}

fn set_identity(frame: &Frame<'_>) -> Hosted {
    if frame.kind(3) == Kind::Nil {
        return change(Noun::Exchange, "identity", |view| view.set_identity(None));
    }
    let Plain::Map(entries) = plain_at(frame, 3, &mut PLAIN_ITEMS_MAX.clone())? else {
        return Err(Raise("an identity is a table: { subject = \"…\", scopes = { … }, claims = { … } }".to_owned()));
    };
    let text = |plain: &Plain| match plain {
        Plain::Text(text) => Some(String::from_utf8_lossy(text).into_owned()),
        Plain::Number(number) => Some(super::plain::number_text(*number)),
        _ => None,
    };
    let by = vm::here(|vm| vm.program.policy.to_string()).unwrap_or_default();
    let mut identity = Identity { subject: String::new(), by, scopes: Vec::new(), claims: Plain::Nil };
    for (key, value) in entries {
        match &*key {
            b"subject" => identity.subject = text(&value).ok_or_else(|| Raise("`subject` is a string".to_owned()))?,
            b"by" => {}
            b"scopes" => {
                let Plain::List(scopes) = value else { return Err(Raise("`scopes` is a list of strings".to_owned())) };
                identity.scopes = scopes.iter().filter_map(text).collect();
            }
            b"claims" => identity.claims = value,
            other => {
                let other = String::from_utf8_lossy(other);
                return Err(Raise(format!("an identity has subject, scopes and claims, not `{other}`")));
            }
        }
    }
    if identity.subject.is_empty() {
        return Err(Raise("an identity has a `subject`".to_owned()));
    }
    change(Noun::Exchange, "identity", |view| view.set_identity(Some(identity)))
}

// === values ===

pub(super) fn install_values(frame: &Frame<'_>) {
    metamethod(frame, c"__index", value);
    metamethod(frame, c"__newindex", set_value);
}

fn value(frame: &Frame<'_>) -> Hosted {
    let key = super::text_argument(frame, 2, "a value's name")?;
    let key = String::from_utf8_lossy(key);
    give(frame, Noun::Exchange, "values", |view, frame| {
        match view.value(&key)? {
            Some(value) => push_plain(frame, value),
            None => frame.push_nil(),
        }
        Ok(())
    })
}

fn set_value(frame: &Frame<'_>) -> Hosted {
    let key = super::text_argument(frame, 2, "a value's name")?;
    let key = String::from_utf8_lossy(key).into_owned();
    let value = plain_at(frame, 3, &mut PLAIN_ITEMS_MAX.clone())?;
    let own = vm::here(|vm| key.strip_prefix(&*vm.program.policy).is_some_and(|rest| rest.starts_with('.')));
    if own != Some(true) {
        let policy = vm::here(|vm| vm.program.policy.to_string()).unwrap_or_default();
        return Err(Raise(format!("a value is written under its policy's name: `exchange.values[\"{policy}.…\"]`")));
    }
    change(Noun::Exchange, "values", |view| view.set_value(&key, value))
}
