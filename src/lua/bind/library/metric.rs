//! `metric`: counters, gauges and histograms of a script's own, on the metrics page.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use super::super::{Bound, Noun, as_text, describe, function};
use super::arguments::{Named, kind, maybe_number, number, utf8, wanted};
use crate::limits::{SCRIPT_METRIC_BUCKETS_MAX, SCRIPT_METRIC_LABELS_MAX};
use crate::lua::raw::{Frame, Hosted, Kind, Raise, Returned};
use crate::lua::vm;
use crate::observe::open_metrics;
use crate::observe::scripted::{BUCKETS, Family, Labels, Series, cut};

pub(in crate::lua::bind) const COUNTER: &[Bound] = &[Bound::method("add", |frame| count(frame, Noun::Counter))];
pub(in crate::lua::bind) const GAUGE: &[Bound] =
    &[Bound::method("set", set), Bound::method("add", |frame| count(frame, Noun::Gauge))];
pub(in crate::lua::bind) const HISTOGRAM: &[Bound] = &[Bound::method("observe", observe)];

/// A metric in a VM's hands: series that it has used are not looked up again.
struct Meter {
    family: Arc<Family>,
    policy: Arc<str>,
    known: RefCell<HashMap<Labels, Arc<Series>>>,
}

pub(super) fn fill(frame: &Frame<'_>) {
    function(frame, c"counter", |frame: &Frame<'_>| {
        open(frame, "metric.counter", Noun::Counter, open_metrics::Kind::Counter, Vec::new())
    });
    function(frame, c"gauge", |frame: &Frame<'_>| {
        open(frame, "metric.gauge", Noun::Gauge, open_metrics::Kind::Gauge, Vec::new())
    });
    function(frame, c"histogram", |frame: &Frame<'_>| {
        const OF: &str = "metric.histogram";
        let named = Named::read(frame, 3, OF, &["buckets"])?;
        let bounds = named.numbers("buckets", SCRIPT_METRIC_BUCKETS_MAX)?.unwrap_or_else(|| BUCKETS.to_vec());
        open(frame, OF, Noun::Histogram, open_metrics::Kind::Histogram, bounds)
    });
}

fn open(frame: &Frame<'_>, of: &str, noun: Noun, sort: open_metrics::Kind, bounds: Vec<f64>) -> Hosted {
    let name = utf8(frame, 1, of, "a name")?;
    let help = if kind(frame, 2) == Kind::Nil { "" } else { utf8(frame, 2, of, "a sentence that says what it is")? };
    let made = vm::here(|vm| {
        let family = vm.program.reached.scripted.family(name, sort, help, bounds);
        family.map(|family| Meter { family, policy: vm.program.policy.clone(), known: RefCell::default() })
    });
    let made = made.ok_or_else(|| Raise("no policy runs".to_owned()))?;
    let meter = made.map_err(|why| Raise(format!("`{of}`: {why}")))?;
    frame.push_thing(noun as u8, 0, Some(Rc::new(meter)));
    Ok(Returned::Values(1))
}

/// The series of the labels that stand at `at`.
fn series(frame: &Frame<'_>, noun: Noun, at: i32, of: &str) -> Result<Arc<Series>, Raise> {
    let held = frame.thing(1, noun as u8).and_then(|thing| thing.held.as_ref());
    let meter: Option<&Meter> = held.and_then(|held| held.downcast_ref());
    let meter = meter.ok_or_else(|| Raise("no metric: call its methods by `:`".to_owned()))?;
    let labels = labels(frame, at, of)?;
    if let Some(known) = meter.known.borrow().get(&labels) {
        return Ok(known.clone());
    }
    let made = meter.family.series(&meter.policy, &labels).map_err(|why| Raise(format!("`{of}`: {why}")))?;
    // Beyond the bound all further labels share one series, and are not remembered one by one.
    if !made.is_overflow() {
        meter.known.borrow_mut().insert(labels, made.clone());
    }
    Ok(made)
}

fn labels(frame: &Frame<'_>, at: i32, of: &str) -> Result<Labels, Raise> {
    match kind(frame, at) {
        Kind::Nil => return Ok(Labels::new()),
        Kind::Table => {}
        _ => return Err(wanted(frame, at, of, "a table of labels")),
    }
    let (mut found, mut place) = (Labels::new(), 0);
    loop {
        place = frame.next(at, place);
        if place < 0 {
            found.sort_unstable();
            return Ok(found);
        }
        let name = frame.copy(frame.top() - 1).and_then(|name| String::from_utf8(name).ok());
        let (value, kind) = (as_text(frame, frame.top()), describe(frame, frame.top()));
        frame.pop(2);
        let wrong = || Raise(format!("`{of}` takes labels by name, texts and numbers, found {kind}"));
        let (name, value) = name.zip(value).ok_or_else(wrong)?;
        if found.len() == SCRIPT_METRIC_LABELS_MAX {
            return Err(Raise(format!("`{of}` takes {SCRIPT_METRIC_LABELS_MAX} labels at most")));
        }
        found.push((name, cut(&String::from_utf8_lossy(&value))));
    }
}

/// `counter:add(by, labels)`, `gauge:add(by, labels)`
fn count(frame: &Frame<'_>, noun: Noun) -> Hosted {
    let of = if noun == Noun::Counter { "counter:add" } else { "gauge:add" };
    let by = maybe_number(frame, 2, of, "a number to add")?.unwrap_or(1.0);
    if !by.is_finite() || noun == Noun::Counter && by < 0.0 {
        return Err(Raise(format!("`{of}` takes a number to add, found {by}")));
    }
    series(frame, noun, 3, of)?.add(by);
    Ok(Returned::Values(0))
}

/// `gauge:set(value, labels)`
fn set(frame: &Frame<'_>) -> Hosted {
    const OF: &str = "gauge:set";
    let value = number(frame, 2, OF, "a number")?;
    series(frame, Noun::Gauge, 3, OF)?.set(value);
    Ok(Returned::Values(0))
}

/// `histogram:observe(value, labels)`
fn observe(frame: &Frame<'_>) -> Hosted {
    const OF: &str = "histogram:observe";
    let value = number(frame, 2, OF, "a number")?;
    series(frame, Noun::Histogram, 3, OF)?.observe(value);
    Ok(Returned::Values(0))
}
