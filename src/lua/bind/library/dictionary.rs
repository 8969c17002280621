//! `dictionary(name)`: values that all workers share and that outlive reloads.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::super::{Bound, Noun, push_plain};
use super::arguments::{Named, bytes, count, kind, maybe_bytes, maybe_number, plain, utf8};
use super::{give_number, nothing};
use crate::limits::PLAIN_ITEMS_MAX;
use crate::lua::raw::{Frame, Hosted, Kind, Raise, Returned};
use crate::lua::vm;
use crate::share::dictionary::{Dictionary, DictionaryError};

/// How many keys are listed unless told.
const KEYS: usize = 1024;

pub(in crate::lua::bind) const MEMBERS: &[Bound] = &[
    Bound::method("get", get),
    Bound::method("set", |frame| {
        write(frame, "dictionary:set", |one, key, value, ttl| one.set(key, value, ttl).map(|()| true))
    }),
    Bound::method("add", |frame| write(frame, "dictionary:add", Dictionary::add)),
    Bound::method("replace", |frame| write(frame, "dictionary:replace", Dictionary::replace)),
    Bound::method("incr", incr),
    Bound::method("compare_and_swap", compare_and_swap),
    Bound::method("delete", delete),
    Bound::method("ttl", ttl),
    Bound::method("expire", expire),
    Bound::method("keys", keys),
    Bound::method("flush", flush),
    Bound::method("take_token", take_token),
];

/// `dictionary()`: the policy's own; `dictionary("name")`: one that it is granted.
pub(super) fn open(frame: &Frame<'_>) -> Hosted {
    let name = match kind(frame, 1) {
        Kind::Nil => None,
        _ => Some(utf8(frame, 1, "dictionary", "a name, or nothing for the policy's own")?),
    };
    let found = vm::here(|vm| vm.program.reached.dictionary(name));
    let found = found.ok_or_else(|| Raise("no policy runs".to_owned()))??;
    frame.push_thing(Noun::Dictionary as u8, 0, Some(Rc::new(found)));
    Ok(Returned::Values(1))
}

fn held<'a>(frame: &'a Frame<'_>) -> Result<&'a Dictionary, Raise> {
    let held = frame.thing(1, Noun::Dictionary as u8).and_then(|thing| thing.held.as_ref());
    let held: Option<&Arc<Dictionary>> = held.and_then(|held| held.downcast_ref());
    held.map(|held| &**held).ok_or_else(|| Raise("no dictionary: call its methods by `:`".to_owned()))
}

fn key<'a>(frame: &'a Frame<'_>, of: &str) -> Result<&'a [u8], Raise> {
    bytes(frame, 2, of, "a key, a string")
}

/// Seconds; none, and 0, are for good.
fn period(frame: &Frame<'_>, at: i32, of: &str) -> Result<Option<Duration>, Raise> {
    const WHAT: &str = "a time to live in seconds";
    let Some(seconds) = maybe_number(frame, at, of, WHAT)?.filter(|seconds| *seconds != 0.0) else { return Ok(None) };
    let period = Duration::try_from_secs_f64(seconds).ok();
    period.map(Some).ok_or_else(|| Raise(format!("`{of}` takes {WHAT}, found {seconds}")))
}

fn truth(frame: &Frame<'_>, truth: bool) -> Hosted {
    frame.push_bool(truth);
    Ok(Returned::Values(1))
}

fn get(frame: &Frame<'_>) -> Hosted {
    let value = held(frame)?.get(key(frame, "dictionary:get")?);
    push_plain(frame, &value.unwrap_or_default());
    Ok(Returned::Values(1))
}

type Write = fn(&Dictionary, &[u8], crate::hook::Plain, Option<Duration>) -> Result<bool, DictionaryError>;

/// `dictionary:set(key, value, ttl)` and its like: whether it did, or nil and why it cannot be kept.
fn write(frame: &Frame<'_>, of: &str, write: Write) -> Hosted {
    let (value, ttl) = (plain(frame, 3, of)?, period(frame, 4, of)?);
    match write(held(frame)?, key(frame, of)?, value, ttl) {
        Ok(done) => truth(frame, done),
        Err(why) => nothing(frame, why),
    }
}

/// `dictionary:incr(key, by, initial, ttl)`
fn incr(frame: &Frame<'_>) -> Hosted {
    const OF: &str = "dictionary:incr";
    let by = maybe_number(frame, 3, OF, "a number to add")?.unwrap_or(1.0);
    let initial = maybe_number(frame, 4, OF, "a number to begin with")?;
    match held(frame)?.incr(key(frame, OF)?, by, initial, period(frame, 5, OF)?) {
        Ok(sum) => give_number(frame, sum),
        Err(why) => nothing(frame, why),
    }
}

/// `dictionary:compare_and_swap(key, expected, value, ttl)`
fn compare_and_swap(frame: &Frame<'_>) -> Hosted {
    const OF: &str = "dictionary:compare_and_swap";
    let (expected, value, ttl) = (plain(frame, 3, OF)?, plain(frame, 4, OF)?, period(frame, 5, OF)?);
    match held(frame)?.compare_and_swap(key(frame, OF)?, &expected, value, ttl) {
        Ok(done) => truth(frame, done),
        Err(why) => nothing(frame, why),
    }
}

fn delete(frame: &Frame<'_>) -> Hosted {
    truth(frame, held(frame)?.delete(key(frame, "dictionary:delete")?))
}

/// Seconds that are left; infinity for good, nil where there is no such key.
fn ttl(frame: &Frame<'_>) -> Hosted {
    match held(frame)?.ttl(key(frame, "dictionary:ttl")?) {
        Some(left) => frame.push_number(left.map_or(f64::INFINITY, |left| left.as_secs_f64())),
        None => frame.push_nil(),
    }
    Ok(Returned::Values(1))
}

fn expire(frame: &Frame<'_>) -> Hosted {
    const OF: &str = "dictionary:expire";
    truth(frame, held(frame)?.expire(key(frame, OF)?, period(frame, 3, OF)?))
}

/// `dictionary:keys(prefix, most)`: keys, and whether these are all.
fn keys(frame: &Frame<'_>) -> Hosted {
    const OF: &str = "dictionary:keys";
    let prefix = maybe_bytes(frame, 2, OF, "the beginning of keys, a string")?.unwrap_or_default();
    let most = count(frame, 3, OF, "the most keys, a whole number", KEYS)?.min(PLAIN_ITEMS_MAX);
    let found = held(frame)?.keys(prefix, most);
    frame.push_table(found.keys.len(), 0);
    let made = frame.top();
    for (index, key) in found.keys.iter().enumerate() {
        frame.push_text(key);
        frame.set_item(made, index + 1);
    }
    frame.push_bool(found.complete);
    Ok(Returned::Values(2))
}

fn flush(frame: &Frame<'_>) -> Hosted {
    held(frame)?.flush();
    Ok(Returned::Values(0))
}

/// `dictionary:take_token(key, { rate, burst, cost })`: whether it may, what is left, and when to come again.
fn take_token(frame: &Frame<'_>) -> Hosted {
    const OF: &str = "dictionary:take_token";
    let named = Named::read(frame, 3, OF, &["rate", "burst", "cost"])?;
    let rate = named.number("rate")?.ok_or_else(|| Raise(format!("`{OF}` takes `rate`, tokens a second")))?;
    let burst = named.number("burst")?.unwrap_or_else(|| rate.max(1.0));
    match held(frame)?.token_bucket(key(frame, OF)?, rate, burst, named.number("cost")?.unwrap_or(1.0)) {
        Ok(taken) => {
            frame.push_bool(taken.allowed);
            frame.push_number(taken.remaining);
            match taken.retry_after {
                Some(after) => frame.push_number(after.as_secs_f64()),
                None => frame.push_nil(),
            }
            Ok(Returned::Values(3))
        }
        Err(DictionaryError::Rate(why)) => Err(Raise(format!("`{OF}`: {why}"))),
        Err(why) => nothing(frame, why),
    }
}
