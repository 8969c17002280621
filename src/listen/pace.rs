//! How many requests a connection has made, and how fast.

use crate::clock;
use crate::config::plan::ListenerLimits;
use crate::failure::Reason;

/// One connection's count.
#[derive(Debug, Default)]
pub(super) struct Pace {
    made: u32,
    /// Microseconds of the clock at which the next one would be due, did they come evenly.
    due_us: u64,
}

/// Microseconds by which requests may run ahead of their rate: what comes in a burst is not what comes too fast.
const AHEAD_US: u64 = 1_000_000;

// === impl Pace ===

impl Pace {
    /// Counts a request; too many within a second are refused.
    pub(super) fn count(&mut self, limits: &ListenerLimits) -> Result<(), Reason> {
        self.made = self.made.saturating_add(1);
        let Some(rate) = limits.requests_per_second else { return Ok(()) };
        let step = AHEAD_US / u64::from(rate.max(1));
        let now = clock::now() * 1000;
        if self.due_us + step > now + AHEAD_US {
            return Err(Reason::RequestRate);
        }
        self.due_us = self.due_us.max(now) + step;
        Ok(())
    }

    /// Whether the request that was counted is the last that the connection may make.
    pub(super) fn is_last(&self, limits: &ListenerLimits) -> bool {
        limits.requests_per_connection.is_some_and(|max| self.made >= max)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_second_has_so_many_and_a_burst_is_part_of_it() {
        clock::freeze();
        let limits = ListenerLimits { requests_per_second: Some(10), ..ListenerLimits::default() };
        let mut pace = Pace::default();
        let mut within = |count: usize| (0..count).filter(|_| pace.count(&limits).is_ok()).count();
        assert_eq!(within(50), 10);
        clock::advance(Duration::from_millis(500));
        assert_eq!(within(50), 5);
        clock::advance(Duration::from_secs(60));
        assert_eq!(within(50), 10, "what was not used is not saved up");
    }
}
