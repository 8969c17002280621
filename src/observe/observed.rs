//! What policies that are only observed would have decided: counted by policy, hook and verdict.

use std::sync::{Arc, OnceLock};

use super::grown::Grown;
use super::metrics::Count;
use crate::limits::OBSERVED_SERIES_MAX;

/// One worker's counts, in the order in which they first came. It alone adds; a scrape only reads.
#[derive(Default)]
pub(super) struct Observed(Grown<OnceLock<Series>>);

pub(super) struct Series {
    pub(super) policy: Arc<str>,
    pub(super) hook: &'static str,
    pub(super) verdict: &'static str,
    pub(super) count: Count,
}

// === impl Observed ===

impl Observed {
    /// Counts one. Few policies are observed at a time, so they are looked for one by one.
    pub(super) fn add(&self, policy: &Arc<str>, hook: &'static str, verdict: &'static str) {
        for index in 0..OBSERVED_SERIES_MAX {
            self.0.ensure(index + 1);
            let Some(slot) = self.0.get(index) else { return };
            let made = || Series { policy: policy.clone(), hook, verdict, count: Count::default() };
            let series = slot.get_or_init(made);
            if *series.policy == **policy && series.hook == hook && series.verdict == verdict {
                series.count.add(1);
                return;
            }
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Series> {
        self.0.iter().map_while(OnceLock::get)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_series_is_counted_for_itself_and_their_number_is_bounded() {
        let observed = Observed::default();
        for n in 0..2 * OBSERVED_SERIES_MAX {
            observed.add(&n.to_string().into(), "request", "Answer");
        }
        for verdict in ["Answer", "Close", "Answer"] {
            observed.add(&"0".into(), "request", verdict);
        }
        assert_eq!(observed.iter().count(), OBSERVED_SERIES_MAX);
        assert_eq!(observed.iter().next().map(|series| series.count.get()), Some(3));
    }
}
