//! The ordered policies of an exchange, and the one way in which each kind of hook asks them.

use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::table::{HOOKS, Kind, OnFailure, Row, Wait};
use super::{Hook, HookSet, Outcome, Policy, Step, Verdict, View};
use crate::failure::{Failure, Fault, Reason};

/// The policies of one place where exchanges pass, outermost first, the built-in defaults last.
#[derive(Default)]
pub struct Chain {
    seats: Vec<Seat>,
    /// For each hook a bit for each seat whose policy speaks there.
    speaking: [u64; HOOKS],
}

/// A policy's place in a chain.
#[derive(Clone)]
pub struct Seat {
    pub policy: Rc<dyn Policy>,
    pub name: Arc<str>,
    /// Run and count, do not obey.
    pub observe: bool,
}

/// What came of asking a chain, and who said it.
pub struct Said {
    pub verdict: Verdict,
    /// The seat that spoke last; `None`: nobody did.
    pub seat: Option<u16>,
}

// === impl Chain ===

impl Chain {
    /// A chain of at most 64 seats; `config` has checked the number.
    #[must_use]
    pub fn new(seats: Vec<Seat>) -> Self {
        let mut speaking = [0; HOOKS];
        for (index, seat) in seats.iter().enumerate().take(u64::BITS as usize) {
            for hook in seat.policy.hooks().iter() {
                speaking[hook as usize] |= 1 << index;
            }
        }
        Self { seats, speaking }
    }

    /// Whether a policy among the `active` seats speaks at this hook.
    #[must_use]
    pub fn speaks(&self, hook: Hook, active: u64) -> bool {
        self.speaking[hook as usize] & active != 0
    }

    #[must_use]
    pub fn seats(&self) -> &[Seat] {
        &self.seats
    }

    /// Every hook at which somebody speaks.
    #[must_use]
    pub fn hooks(&self) -> HookSet {
        self.seats.iter().fold(HookSet::EMPTY, |set, seat| set.and(seat.policy.hooks()))
    }

    /// Runs a hook over the `active` seats, by the kind of the hook. `on_edit` is told before a policy may write, so
    /// that its edits can be undone (`SendAsIs`, `observe`).
    pub async fn run(&self, hook: Hook, view: &mut dyn View, active: u64) -> Result<Said, Failure> {
        let row = hook.row();
        let mut left = self.speaking[hook as usize] & active;
        let mut last = None;
        while left != 0 {
            let index = if row.outward { 63 - left.leading_zeros() } else { left.trailing_zeros() };
            left &= !(1 << index);
            let Some(seat) = self.seats.get(index as usize) else { break };
            view.enter(row, index as u16);
            if seat.observe {
                view.observe(true);
            }
            let outcome = match seat.policy.call(hook, view) {
                Step::Now(outcome) => outcome,
                Step::Later(mut future) if row.wait == Wait::No => poll_once(&mut future),
                Step::Later(future) => future.await,
            };
            last = Some(index as u16);
            if seat.observe {
                would(view, seat, &outcome);
            }
            if seat.observe || (outcome.is_err() && row.on_failure == OnFailure::SendAsIs) {
                view.undo();
            }
            match settle(row, seat, outcome)? {
                Verdict::Pass => {}
                verdict if row.kind == Kind::Look => drop(verdict),
                verdict => return Ok(Said { verdict, seat: last }),
            }
        }
        Ok(Said { verdict: Verdict::Pass, seat: last })
    }

    /// [`Chain::run`] for hooks that may not wait: it never does.
    pub fn run_now(&self, hook: Hook, view: &mut dyn View, active: u64) -> Result<Said, Failure> {
        debug_assert_eq!(hook.row().wait, Wait::No);
        let mut run = std::pin::pin!(self.run(hook, view, active));
        match run.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(said) => said,
            Poll::Pending => Err(Failure::new(Reason::MayNotWait)),
        }
    }
}

/// The one place where the table's last column is obeyed.
fn settle(row: &'static Row, seat: &Seat, outcome: Outcome) -> Outcome {
    let verdict = match outcome {
        Ok(verdict) => verdict,
        Err(failure) => {
            if failure.reason().fault() == Fault::Policy {
                tracing::warn!(policy = %seat.name, hook = row.name, %failure, "policy failed");
            }
            return match row.on_failure {
                OnFailure::Closed | OnFailure::Abort | OnFailure::RefuseGeneration if !seat.observe => Err(failure),
                OnFailure::Bypass => Ok(Verdict::Bypass),
                _ => Ok(Verdict::Pass),
            };
        }
    };
    if matches!(verdict, Verdict::Pass) {
        return Ok(verdict);
    }
    if row.verdict_bits & verdict.bit() == 0 {
        let text = format!("{} is no verdict of {} ({})", verdict.name(), row.name, seat.name);
        return Err(Failure::with(Reason::PolicyFailed, text));
    }
    Ok(if seat.observe { Verdict::Pass } else { verdict })
}

/// Counts what an observed policy would have done.
fn would(view: &mut dyn View, seat: &Seat, outcome: &Outcome) {
    match outcome {
        Ok(Verdict::Pass) => {}
        Ok(verdict) => view.would(&seat.name, verdict.name()),
        Err(_) => view.would(&seat.name, "failed"),
    }
}

fn poll_once(future: &mut std::pin::Pin<Box<dyn Future<Output = Outcome> + '_>>) -> Outcome {
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => Err(Failure::new(Reason::MayNotWait)),
    }
}
