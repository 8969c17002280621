//! `least_request`: the endpoint with the fewest exchanges in flight for its weight; between equals, in turn.

use std::cell::RefCell;
use std::sync::atomic::Ordering;

use super::cycle::Cycle;
use crate::failure::Reason;
use crate::hook::{Endpoint, EndpointId, Endpoints, Hook, HookSet, Outcome, Policy, Step, Verdict, View};

/// The turns of one worker; what is in flight is counted process-wide.
#[derive(Debug, Default)]
pub struct LeastRequest {
    cycle: RefCell<Cycle>,
}

/// Exchanges in flight, to be read together with a weight.
#[derive(Debug, Clone, Copy)]
struct Load {
    in_flight: u64,
    weight: u64,
}

// === impl LeastRequest ===

impl LeastRequest {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn choose(&self, view: &dyn View) -> Outcome {
        let endpoints = view.endpoints()?;
        let chosen = least(endpoints).and_then(|least| {
            let eligible = |index: usize| is_open(endpoints, index, &least);
            // Another worker may have raised the least in between: then any that is left will do.
            let mut cycle = self.cycle.borrow_mut();
            cycle.next(endpoints, eligible).or_else(|| cycle.next(endpoints, |index| !endpoints.is_tried(index)))
        });
        match chosen {
            Some(index) => Ok(Verdict::Endpoint(EndpointId(index as u32))),
            None => Err(Reason::NoEndpoint.into()),
        }
    }
}

impl Policy for LeastRequest {
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

/// The least load among those that may be chosen.
fn least(endpoints: &Endpoints) -> Option<Load> {
    let open = endpoints.list.iter().enumerate().filter(|(index, _)| !endpoints.is_tried(*index));
    let loads = open.map(|(_, endpoint)| Load::of(endpoint)).filter(|load| load.weight > 0);
    loads.reduce(|best, load| if best.exceeds(&load) { load } else { best })
}

fn is_open(endpoints: &Endpoints, index: usize, least: &Load) -> bool {
    let load = endpoints.list.get(index).map(|endpoint| Load::of(endpoint));
    !endpoints.is_tried(index) && load.is_some_and(|load| load.weight > 0 && !load.exceeds(least))
}

// === impl Load ===

impl Load {
    fn of(endpoint: &Endpoint) -> Self {
        let in_flight = endpoint.in_flight.load(Ordering::Relaxed);
        Self { in_flight: u64::from(in_flight), weight: u64::from(endpoint.weight) }
    }

    fn exceeds(&self, other: &Self) -> bool {
        self.in_flight * other.weight > other.in_flight * self.weight
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::fake::Fake;

    #[test]
    fn the_least_loaded_for_its_weight_is_chosen() {
        for (weights, in_flight, chosen) in [
            (vec![1, 1, 1], vec![3, 1, 2], 1),
            (vec![4, 1], vec![3, 1], 0),
            (vec![4, 1], vec![5, 1], 1),
            (vec![0, 1], vec![0, 9], 1),
        ] {
            let mut fake = Fake::balancing(&weights);
            fake.in_flight(&in_flight);
            for _ in 0..3 {
                assert_eq!(fake.endpoint_of(&LeastRequest::new()).unwrap(), chosen, "{weights:?} {in_flight:?}");
            }
        }
    }

    #[test]
    fn equals_take_turns_by_weight() {
        let mut fake = Fake::balancing(&[1, 1, 1]);
        fake.in_flight(&[0, 5, 0]);
        let policy = LeastRequest::new();
        let seen: Vec<usize> = (0..6).map(|_| fake.endpoint_of(&policy).unwrap()).collect();
        assert_eq!(seen.iter().filter(|one| **one == 0).count(), 3, "{seen:?}");
        assert_eq!(seen.iter().filter(|one| **one == 2).count(), 3, "{seen:?}");
        let mut idle = Fake::balancing(&[3, 1]);
        let policy = LeastRequest::new();
        let heavy = (0..8).filter(|_| idle.endpoint_of(&policy).unwrap() == 0).count();
        assert_eq!(heavy, 6);
    }

    #[test]
    fn the_tried_are_skipped() {
        let mut fake = Fake::balancing(&[1, 1, 1]);
        fake.in_flight(&[0, 2, 3]);
        fake.tried(0b001);
        assert_eq!(fake.endpoint_of(&LeastRequest::new()).unwrap(), 1);
        fake.tried(0b111);
        assert_eq!(fake.endpoint_of(&LeastRequest::new()).unwrap_err().reason(), Reason::NoEndpoint);
        assert!(Fake::balancing(&[]).endpoint_of(&LeastRequest::new()).is_err());
    }
}
