//! `random` and `uuid`.

use super::super::function;
use super::arguments::{kind, wanted, whole};
use super::{give, give_number};
use crate::library::random::{self, RandomError};
use crate::lua::raw::{Frame, Hosted, Kind, Raise};

pub(super) fn fill(frame: &Frame<'_>) {
    function(frame, c"bytes", |frame: &Frame<'_>| {
        let count = whole(frame, 1, "random.bytes", "a count", 0.0)?;
        let count = count.ok_or_else(|| wanted(frame, 1, "random.bytes", "a count"))?;
        give(frame, random::bytes(count as usize).map_err(failed)?)
    });
    function(frame, c"number", number);
    function(frame, c"uuid", uuid);
    function(frame, c"uuid7", |frame: &Frame<'_>| give(frame, random::uuid_v7().map_err(failed)?));
}

/// `random.number()`, `random.number(high)`, `random.number(low, high)`, as `math.random`.
fn number(frame: &Frame<'_>) -> Hosted {
    const WHAT: &str = "whole numbers";
    let bound = |at| whole(frame, at, "random.number", WHAT, -9e15);
    if kind(frame, 1) == Kind::Nil {
        return give_number(frame, random::unit().map_err(failed)?);
    }
    let (first, second) = (bound(1)?.unwrap_or_default(), bound(2)?);
    let (low, high) = second.map_or((1.0, first), |second| (first, second));
    give_number(frame, random::between(low as i64, high as i64).map_err(failed)? as f64)
}

/// `uuid()`
pub(super) fn uuid(frame: &Frame<'_>) -> Hosted {
    give(frame, random::uuid_v4().map_err(failed)?)
}

#[allow(clippy::needless_pass_by_value, reason = "as map_err hands it over")]
fn failed(why: RandomError) -> Raise {
    Raise(why.to_string())
}
