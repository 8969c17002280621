//! `time`: what time it is, and how it is written.

use std::fmt::Display;

use super::super::function;
use super::arguments::{bytes, maybe_number, utf8};
use super::{give, give_number, nothing};
use crate::library::time;
use crate::lua::raw::{Frame, Hosted, Raise};

pub(super) fn fill(frame: &Frame<'_>) {
    function(frame, c"now", |frame: &Frame<'_>| give_number(frame, time::now()));
    function(frame, c"monotonic", |frame: &Frame<'_>| give_number(frame, time::monotonic_ms() as f64 / 1000.0));
    function(frame, c"http", |frame: &Frame<'_>| written(frame, time::http(at(frame, 1, "time.http")?)));
    function(frame, c"rfc3339", |frame: &Frame<'_>| written(frame, time::rfc3339(at(frame, 1, "time.rfc3339")?)));
    function(frame, c"format", |frame: &Frame<'_>| {
        let format = utf8(frame, 1, "time.format", "a format, as \"%Y-%m-%d\"")?;
        written(frame, time::format(format, at(frame, 2, "time.format")?))
    });
    function(frame, c"parse_http", |frame: &Frame<'_>| {
        read(frame, time::parse_http(bytes(frame, 1, "time.parse_http", "a text")?))
    });
    function(frame, c"parse_rfc3339", |frame: &Frame<'_>| {
        read(frame, time::parse_rfc3339(bytes(frame, 1, "time.parse_rfc3339", "a text")?))
    });
    function(frame, c"parse", |frame: &Frame<'_>| {
        let format = utf8(frame, 1, "time.parse", "a format, as \"%Y-%m-%d\"")?;
        read(frame, time::parse(format, bytes(frame, 2, "time.parse", "a text after the format")?))
    });
}

/// The time that is given, or now.
fn at(frame: &Frame<'_>, at: i32, of: &str) -> Result<f64, Raise> {
    Ok(maybe_number(frame, at, of, "seconds since 1970")?.unwrap_or_else(time::now))
}

fn written(frame: &Frame<'_>, made: Result<String, time::TimeError>) -> Hosted {
    give(frame, made.map_err(|why| Raise(why.to_string()))?)
}

fn read(frame: &Frame<'_>, read: Result<f64, impl Display>) -> Hosted {
    match read {
        Ok(at) => give_number(frame, at),
        Err(why) => nothing(frame, why),
    }
}
