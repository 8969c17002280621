//! The choice among a route's upstreams, by weight: a default at the end of `request`. Which endpoint of the upstream is
//! asked is balancing's affair.

use crate::hook::{Hook, HookSet, Outcome, Policy, Step, UpstreamId, Verdict, View};

/// Chooses at random, in proportion to the weights of `to`, where no policy has chosen before.
#[derive(Debug, Clone, Copy, Default)]
pub struct Split;

// === impl Split ===

impl Split {
    fn split(view: &mut dyn View) -> Outcome {
        if view.upstream()?.is_some() {
            return Ok(Verdict::Pass);
        }
        let chosen = view.route()?.and_then(|route| choose(&route.to));
        if let Some(upstream) = chosen {
            view.choose_upstream(upstream, false)?;
        }
        Ok(Verdict::Pass)
    }
}

impl Policy for Split {
    fn hooks(&self) -> HookSet {
        HookSet::of(&[Hook::Request])
    }

    fn waits(&self, _: Hook) -> bool {
        false
    }

    fn call<'a>(&'a self, _: Hook, view: &'a mut dyn View) -> Step<'a> {
        Step::Now(Self::split(view))
    }
}

/// One of the targets; never one of weight 0.
fn choose(to: &[(UpstreamId, u32)]) -> Option<UpstreamId> {
    if let [(only, weight)] = to {
        return (*weight > 0).then_some(*only);
    }
    let total: u64 = to.iter().map(|(_, weight)| u64::from(*weight)).sum();
    if total == 0 {
        return None;
    }
    let mut left = fastrand::u64(..total);
    to.iter().find_map(|(upstream, weight)| match left.checked_sub(u64::from(*weight)) {
        Some(rest) => {
            left = rest;
            None
        }
        None => Some(*upstream),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::fake::Fake;

    #[test]
    fn weights_are_obeyed_and_zero_is_never_chosen() {
        let to = [(UpstreamId(1), 0), (UpstreamId(2), 95), (UpstreamId(3), 5), (UpstreamId(4), 0)];
        fastrand::seed(7);
        let mut counts = [0; 5];
        for _ in 0..10_000 {
            counts[choose(&to).unwrap().0 as usize] += 1;
        }
        assert_eq!((counts[1], counts[4]), (0, 0));
        assert!((400..600).contains(&counts[3]), "{counts:?}");
        assert_eq!(choose(&[]), None);
        assert_eq!(choose(&[(UpstreamId(1), 0)]), None);
        assert_eq!(choose(&[(UpstreamId(1), 0), (UpstreamId(2), 0)]), None);
        assert_eq!(choose(&[(UpstreamId(1), 3)]), Some(UpstreamId(1)));
    }

    #[test]
    fn what_a_policy_chose_before_stands() {
        let mut fake = Fake::get("/");
        fake.to(&[(UpstreamId(1), 1)]);
        assert_eq!(fake.call(&Split, Hook::Request).unwrap().name(), "Pass");
        assert_eq!(fake.upstream, Some(UpstreamId(1)));
        fake.upstream = Some(UpstreamId(9));
        fake.call(&Split, Hook::Request).unwrap();
        assert_eq!(fake.upstream, Some(UpstreamId(9)));
    }
}
