//! Metrics of scripts: counters, gauges and histograms by name and labels, for the life of the process.
//!
//! A policy looks up a series once per VM and then adds to it without a lock. Each series bears the label `policy`, so
//! nobody counts for another. Families and series are bounded; beyond the bound a policy's further labels of a family are
//! counted together, as `overflow="true"`.

#![expect(clippy::disallowed_types, reason = "taken when a series is first used by a VM, and by a scrape")]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::open_metrics::{Kind, Text};
use crate::limits::{SCRIPT_LABEL_BYTES_MAX, SCRIPT_METRICS_MAX, SCRIPT_SERIES_MAX};

/// Names and values, sorted.
pub type Labels = Vec<(String, String)>;

/// Upper bounds of a histogram's buckets unless told, in seconds.
pub const BUCKETS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// The metrics of all scripts.
#[derive(Default)]
pub struct Scripted {
    families: Mutex<BTreeMap<String, Arc<Family>>>,
    /// Series there are, of all families.
    series: Arc<AtomicUsize>,
}

/// One metric.
pub struct Family {
    /// Without the suffix that samples of its kind have.
    name: String,
    kind: Kind,
    help: String,
    bounds: Vec<f64>,
    series: Mutex<BTreeMap<Labels, Arc<Series>>>,
    all: Arc<AtomicUsize>,
}

/// One metric with certain labels.
pub struct Series {
    /// A double's bits: the value, or the sum of what was observed.
    value: AtomicU64,
    /// Of a histogram, the last one without a bound.
    buckets: Box<[AtomicU64]>,
    bounds: Box<[f64]>,
    overflow: bool,
}

/// Why there is no such metric.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MetricError {
    #[error("`{0}` is no metric's name: letters, digits and `_`, no digit first, none of the suffixes of samples")]
    Name(String),
    #[error("`{0}` is a {1} since the process began; choose another name")]
    Other(String, &'static str),
    #[error("`{0}` has other buckets since the process began; choose another name")]
    Buckets(String),
    #[error("buckets are numbers that rise")]
    NotRising,
    #[error("more than {SCRIPT_METRICS_MAX} metrics of scripts")]
    TooMany,
    #[error("`{0}` is no label's name: letters, digits and `_`, no digit first, not `policy`, `le` or `overflow`")]
    Label(String),
}

// === impl Scripted ===

impl Scripted {
    /// The metric of that name, which is called `policy_NAME` outside.
    pub fn family(&self, name: &str, kind: Kind, help: &str, bounds: Vec<f64>) -> Result<Arc<Family>, MetricError> {
        let bare = if kind == Kind::Counter { name.strip_suffix("_total").unwrap_or(name) } else { name };
        let taken = ["_total", "_bucket", "_count", "_sum", "_info", "_created"];
        if !is_name(bare) || taken.iter().any(|suffix| bare.ends_with(suffix)) {
            return Err(MetricError::Name(shown(name)));
        }
        let bounds: Vec<f64> = bounds.into_iter().filter(|bound| *bound != f64::INFINITY).collect();
        if !bounds.is_sorted_by(|one, next| one < next) || bounds.iter().any(|bound| !bound.is_finite()) {
            return Err(MetricError::NotRising);
        }
        let mut families = self.families.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = families.get(bare) {
            return match known.kind {
                other if other != kind => Err(MetricError::Other(shown(name), other.word())),
                _ if known.bounds != bounds => Err(MetricError::Buckets(shown(name))),
                _ => Ok(known.clone()),
            };
        }
        if families.len() >= SCRIPT_METRICS_MAX {
            return Err(MetricError::TooMany);
        }
        let family = Arc::new(Family {
            name: format!("policy_{bare}"),
            kind,
            help: help.chars().take(SCRIPT_LABEL_BYTES_MAX).collect(),
            bounds,
            series: Mutex::default(),
            all: self.series.clone(),
        });
        families.insert(bare.to_owned(), family.clone());
        Ok(family)
    }

    /// Writes every series that was used.
    pub(super) fn write(&self, text: &mut Text) {
        let families: Vec<_> = self.families.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        families.iter().for_each(|family| family.write(text));
    }
}

// === impl Family ===

impl Family {
    /// The series of a policy's labels, made now if there is none.
    pub fn series(&self, policy: &str, labels: &Labels) -> Result<Arc<Series>, MetricError> {
        let reserved = ["policy", "le", "overflow"];
        if let Some((bad, _)) = labels.iter().find(|(name, _)| !is_name(name) || reserved.contains(&name.as_str())) {
            return Err(MetricError::Label(shown(bad)));
        }
        let mut key = vec![("policy".to_owned(), policy.to_owned())];
        key.extend(labels.iter().map(|(name, value)| (name.clone(), cut(value))));
        let mut series = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = series.get(&key) {
            return Ok(known.clone());
        }
        let overflow = self.all.load(Ordering::Relaxed) >= SCRIPT_SERIES_MAX;
        if overflow {
            key.truncate(1);
            key.push(("overflow".to_owned(), "true".to_owned()));
        } else {
            self.all.fetch_add(1, Ordering::Relaxed);
        }
        let buckets = if self.kind == Kind::Histogram { self.bounds.len() + 1 } else { 0 };
        let made = || {
            Arc::new(Series {
                value: AtomicU64::default(),
                buckets: (0..buckets).map(|_| AtomicU64::default()).collect(),
                bounds: self.bounds.as_slice().into(),
                overflow,
            })
        };
        Ok(series.entry(key).or_insert_with(made).clone())
    }

    fn write(&self, text: &mut Text) {
        let series: Vec<_> = {
            let series = self.series.lock().unwrap_or_else(PoisonError::into_inner);
            series.iter().map(|(labels, one)| (labels.clone(), one.clone())).collect()
        };
        if series.is_empty() {
            return;
        }
        text.begin(&self.name, self.kind, &self.help);
        for (labels, one) in series {
            let mut labels: Vec<(&str, &str)> = labels.iter().map(|(name, value)| (&**name, &**value)).collect();
            match self.kind {
                Kind::Histogram => {
                    let mut total = 0;
                    let bounds: Vec<String> = self.bounds.iter().map(|bound| format!("{bound:?}")).collect();
                    for (count, bound) in one.buckets.iter().zip(bounds.iter().map(String::as_str).chain(["+Inf"])) {
                        total += count.load(Ordering::Relaxed);
                        labels.push(("le", bound));
                        text.value(&self.name, "_bucket", &labels, total as f64);
                        labels.pop();
                    }
                    text.value(&self.name, "_count", &labels, total as f64);
                    text.value(&self.name, "_sum", &labels, one.get());
                }
                Kind::Counter => text.value(&self.name, "_total", &labels, one.get()),
                Kind::Gauge | Kind::Info => text.value(&self.name, "", &labels, one.get()),
            }
        }
    }
}

// === impl Series ===

impl Series {
    pub fn add(&self, by: f64) {
        let sum = |bits: u64| Some((f64::from_bits(bits) + by).to_bits());
        let _always = self.value.fetch_update(Ordering::Relaxed, Ordering::Relaxed, sum);
    }

    pub fn set(&self, value: f64) {
        self.value.store(value.to_bits(), Ordering::Relaxed);
    }

    pub fn observe(&self, value: f64) {
        let bucket = self.bounds.iter().position(|bound| value <= *bound).unwrap_or(self.bounds.len());
        if let Some(bucket) = self.buckets.get(bucket) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.add(value);
    }

    /// What comes beyond the bound is counted here.
    #[must_use]
    pub fn is_overflow(&self) -> bool {
        self.overflow
    }

    fn get(&self) -> f64 {
        f64::from_bits(self.value.load(Ordering::Relaxed))
    }
}

fn is_name(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.len() <= SCRIPT_LABEL_BYTES_MAX
        && text.bytes().all(fits)
        && text.bytes().next().is_some_and(|first| !first.is_ascii_digit())
}

/// A label's value, as long as one may be.
#[must_use]
pub fn cut(text: &str) -> String {
    let mut end = text.len().min(SCRIPT_LABEL_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

fn shown(name: &str) -> String {
    name.chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_written() {
        let all = Scripted::default();
        let hits = all.family("hits_total", Kind::Counter, "Hits.", Vec::new()).unwrap();
        let labels = vec![("route".to_owned(), "a\"b".to_owned())];
        hits.series("one", &labels).unwrap().add(2.0);
        hits.series("one", &labels).unwrap().add(0.5);
        hits.series("two", &Labels::new()).unwrap().add(1.0);
        all.family("depth", Kind::Gauge, "", Vec::new()).unwrap().series("one", &Labels::new()).unwrap().set(-1.0);
        let size = all.family("size_bytes", Kind::Histogram, "Sizes.", vec![1.0, 10.0]).unwrap();
        for value in [0.5, 1.0, 7.0, 70.0] {
            size.series("one", &Labels::new()).unwrap().observe(value);
        }
        all.family("never", Kind::Gauge, "Not used.", Vec::new()).unwrap();
        let mut text = Text::default();
        all.write(&mut text);
        let expected = "# TYPE policy_depth gauge\n# HELP policy_depth \npolicy_depth{policy=\"one\"} -1\n\
            # TYPE policy_hits counter\n# HELP policy_hits Hits.\n\
            policy_hits_total{policy=\"one\",route=\"a\\\"b\"} 2.5\npolicy_hits_total{policy=\"two\"} 1\n\
            # TYPE policy_size_bytes histogram\n# UNIT policy_size_bytes bytes\n# HELP policy_size_bytes Sizes.\n\
            policy_size_bytes_bucket{policy=\"one\",le=\"1.0\"} 2\npolicy_size_bytes_bucket{policy=\"one\",le=\"10.0\"} 3\n\
            policy_size_bytes_bucket{policy=\"one\",le=\"+Inf\"} 4\npolicy_size_bytes_count{policy=\"one\"} 4\n\
            policy_size_bytes_sum{policy=\"one\"} 78.5\n# EOF\n";
        assert_eq!(text.finish(), expected);
    }

    #[test]
    fn names_and_series_are_bounded() {
        let all = Scripted::default();
        for name in ["", "1a", "a-b", "a_count", "a_total", "é"] {
            assert!(all.family(name, Kind::Gauge, "", Vec::new()).is_err(), "{name}");
        }
        let one = all.family("a", Kind::Counter, "", Vec::new()).unwrap();
        let other = all.family("a", Kind::Gauge, "", Vec::new()).err().unwrap();
        assert_eq!(other.to_string(), "`a` is a counter since the process began; choose another name");
        assert!(all.family("h", Kind::Histogram, "", vec![2.0, 1.0]).is_err());
        assert!(one.series("p", &vec![("le".to_owned(), String::new())]).is_err());
        for number in 0..SCRIPT_SERIES_MAX + 10 {
            one.series("p", &vec![("n".to_owned(), number.to_string())]).unwrap().add(1.0);
        }
        let mut text = Text::default();
        all.write(&mut text);
        let text = text.finish();
        assert!(text.contains("policy_a_total{policy=\"p\",overflow=\"true\"} 10\n"));
        for number in 1..SCRIPT_METRICS_MAX {
            all.family(&format!("m{number}"), Kind::Gauge, "", Vec::new()).unwrap();
        }
        assert_eq!(all.family("more", Kind::Gauge, "", Vec::new()).err(), Some(MetricError::TooMany));
    }
}
