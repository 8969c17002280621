//! Whose turn it is, in proportion to the weights: what every balancing policy falls back to between equals.

use crate::hook::{Endpoint, Endpoints, UpstreamId};
use std::sync::Arc;

/// The turns of one list of endpoints on one worker. Starts at random, so that workers do not all begin with the same.
#[derive(Debug, Default)]
pub(super) struct Cycle {
    /// The list the turns belong to.
    list: Option<(UpstreamId, u64)>,
    turns: Turns,
}

#[derive(Debug)]
enum Turns {
    /// All weights are equal: the next in the list.
    Equal { next: usize },
    /// Smooth weighted round robin, as nginx does it: the credit of each endpoint.
    Weighted { credit: Vec<i64> },
}

// === impl Cycle ===

impl Cycle {
    /// The next among the `eligible`; those of weight 0 never are.
    pub(super) fn next(&mut self, endpoints: &Endpoints, eligible: impl Fn(usize) -> bool) -> Option<usize> {
        let key = (endpoints.upstream, endpoints.version);
        if self.list != Some(key) {
            self.turns = Turns::new(&endpoints.list);
            self.list = Some(key);
        }
        self.turns.next(&endpoints.list, eligible)
    }
}

// === impl Turns ===

impl Turns {
    fn new(list: &[Arc<Endpoint>]) -> Self {
        if list.windows(2).all(|pair| pair[0].weight == pair[1].weight) {
            return Self::Equal { next: fastrand::usize(..list.len().max(1)) };
        }
        let mut turns = Self::Weighted { credit: vec![0; list.len()] };
        for _ in 0..fastrand::usize(..list.len()) {
            turns.next(list, |_| true);
        }
        turns
    }

    fn next(&mut self, list: &[Arc<Endpoint>], eligible: impl Fn(usize) -> bool) -> Option<usize> {
        match self {
            Self::Equal { next } => {
                let start = if *next < list.len() { *next } else { 0 };
                let found = (start..list.len()).chain(0..start).find(|index| eligible(*index))?;
                *next = found + 1;
                (list.get(found)?.weight > 0).then_some(found)
            }
            Self::Weighted { credit } => {
                let mut total = 0;
                let mut best: Option<(usize, i64)> = None;
                for (index, (endpoint, credit)) in list.iter().zip(credit.iter_mut()).enumerate() {
                    if endpoint.weight == 0 || !eligible(index) {
                        continue;
                    }
                    total += i64::from(endpoint.weight);
                    *credit += i64::from(endpoint.weight);
                    if best.is_none_or(|(_, most)| *credit > most) {
                        best = Some((index, *credit));
                    }
                }
                let (index, _) = best?;
                *credit.get_mut(index)? -= total;
                Some(index)
            }
        }
    }
}

impl Default for Turns {
    fn default() -> Self {
        Self::Equal { next: 0 }
    }
}
