//! `round_robin`: every endpoint in turn, by weight; smoothly, so that a heavy one is not asked many times in a row.

use std::cell::RefCell;

use super::cycle::Cycle;
use crate::failure::Reason;
use crate::hook::{EndpointId, Hook, HookSet, Outcome, Policy, Step, Verdict, View};

/// The turns of one worker.
#[derive(Debug, Default)]
pub struct RoundRobin {
    cycle: RefCell<Cycle>,
}

// === impl RoundRobin ===

impl RoundRobin {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn choose(&self, view: &dyn View) -> Outcome {
        let endpoints = view.endpoints()?;
        match self.cycle.borrow_mut().next(endpoints, |index| !endpoints.is_tried(index)) {
            Some(index) => Ok(Verdict::Endpoint(EndpointId(index as u32))),
            None => Err(Reason::NoEndpoint.into()),
        }
    }
}

impl Policy for RoundRobin {
    fn hooks(&self) -> HookSet {
        HookSet::of(&[Hook::Balance])
    }

    fn waits(&self, _: Hook) -> bool {
        false
    }

    fn call<'a>(&'a self, _: Hook, view: &'a mut dyn View) -> Step<'a> {
        Step::Now(self.choose(view))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::fake::Fake;

    fn turns(policy: &RoundRobin, fake: &mut Fake, count: usize) -> Vec<usize> {
        (0..count).map(|_| fake.endpoint_of(policy).unwrap()).collect()
    }

    #[test]
    fn equal_weights_take_turns() {
        let mut fake = Fake::balancing(&[2, 2, 2]);
        let seen = turns(&RoundRobin::new(), &mut fake, 9);
        for three in seen.windows(3) {
            let mut three = three.to_vec();
            three.sort_unstable();
            assert_eq!(three, [0, 1, 2], "{seen:?}");
        }
    }

    #[test]
    fn over_a_cycle_the_weights_are_exact_and_smooth() {
        for weights in [vec![5, 1, 1], vec![3, 2, 1, 0], vec![1, 7], vec![4, 2, 2, 10]] {
            let total: u32 = weights.iter().sum();
            let mut fake = Fake::balancing(&weights);
            let policy = RoundRobin::new();
            let seen = turns(&policy, &mut fake, total as usize * 3);
            for cycle in seen.windows(total as usize) {
                for (index, weight) in weights.iter().enumerate() {
                    let count = cycle.iter().filter(|one| **one == index).count();
                    assert_eq!(count, *weight as usize, "{weights:?} {seen:?}");
                }
            }
        }
        let mut fake = Fake::balancing(&[2, 1, 1]);
        let seen = turns(&RoundRobin::new(), &mut fake, 16);
        assert!(seen.windows(3).all(|three| three != [0, 0, 0]), "{seen:?}");
    }

    #[test]
    fn the_tried_are_skipped_and_none_left_is_a_failure() {
        for weights in [vec![1, 1, 1], vec![1, 2, 3]] {
            let mut fake = Fake::balancing(&weights);
            let policy = RoundRobin::new();
            fake.tried(0b101);
            assert_eq!(turns(&policy, &mut fake, 3), [1, 1, 1]);
            fake.tried(0b111);
            assert_eq!(fake.endpoint_of(&policy).unwrap_err().reason(), Reason::NoEndpoint);
        }
        for weights in [vec![], vec![0], vec![0, 0]] {
            let mut fake = Fake::balancing(&weights);
            assert_eq!(fake.endpoint_of(&RoundRobin::new()).unwrap_err().reason(), Reason::NoEndpoint);
        }
    }

    #[test]
    fn a_new_list_begins_anew() {
        let policy = RoundRobin::new();
        let mut fake = Fake::balancing(&[1, 2, 3]);
        turns(&policy, &mut fake, 5);
        let mut shorter = Fake::balancing(&[1]);
        shorter.version(2);
        assert_eq!(turns(&policy, &mut shorter, 2), [0, 0]);
    }
}
