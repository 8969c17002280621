//! When an attempt is repeated: the default at the end of `upstream_failure`. Whether a request may be repeated at all
//! is mechanism's to say; a policy only decides whether it should be.

use crate::hook::{Hook, HookSet, Policy, Step, Verdict, View};

/// Tries again wherever that cannot do anything twice and attempts are left.
#[derive(Debug, Clone, Copy, Default)]
pub struct Retrying;

// === impl Retrying ===

impl Policy for Retrying {
    fn hooks(&self) -> HookSet {
        HookSet::of(&[Hook::UpstreamFailure])
    }

    fn waits(&self, _: Hook) -> bool {
        false
    }

    fn call<'a>(&'a self, _: Hook, view: &'a mut dyn View) -> Step<'a> {
        Step::Now(Ok(if view.may_retry() { Verdict::Retry } else { Verdict::Fail }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::fake::Fake;

    #[test]
    fn it_retries_where_it_may() {
        let mut fake = Fake::get("/");
        assert_eq!(fake.call(&Retrying, Hook::UpstreamFailure).unwrap().name(), "Fail");
        fake.may_retry = true;
        assert_eq!(fake.call(&Retrying, Hook::UpstreamFailure).unwrap().name(), "Retry");
    }
}
