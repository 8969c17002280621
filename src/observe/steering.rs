//! What operators have done to the running process, as metrics.

use super::metrics;
use super::open_metrics::Text;

/// What the control thread knows at a scrape.
#[derive(Debug, Clone, Default)]
pub struct Steering<'a> {
    pub pinned: bool,
    /// Changes that were not applied because a generation is pinned.
    pub held: u64,
    pub history_failures: u64,
    /// Policies that are switched, and to what.
    pub switches: Vec<(&'a str, &'static str)>,
}

// === impl Steering ===

impl Steering<'_> {
    pub(super) fn write(&self, text: &mut Text) {
        text.family(&metrics::CONFIG_PINNED);
        text.sample(&metrics::CONFIG_PINNED, &[], u64::from(self.pinned));
        text.family(&metrics::CHANGES_HELD);
        text.sample(&metrics::CHANGES_HELD, &[], self.held);
        text.family(&metrics::HISTORY_FAILURES);
        text.sample(&metrics::HISTORY_FAILURES, &[], self.history_failures);
        text.family(&metrics::POLICY_SWITCHED);
        for (policy, to) in &self.switches {
            text.sample(&metrics::POLICY_SWITCHED, &[policy, to], 1);
        }
    }
}
