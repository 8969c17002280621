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
    /// For each hook a bit for each seat whose policy may wait there.
    waiting: [u64; HOOKS],
    /// A bit for each seat whose policy speaks at any body hook.
    bodies: u64,
    /// What its first seat is called in a view: an exchange may have two chains.
    first: u16,
}

/// A policy's place in a chain.
#[derive(Clone)]
pub struct Seat {
    pub policy: Rc<dyn Policy>,
    pub name: Arc<str>,
    /// Run and count, do not obey.
    pub observe: bool,
}

/// One hook's way through the seats.
struct Round<'a> {
    seats: &'a [Seat],
    row: &'static Row,
    /// A bit for each seat that has not spoken.
    left: u64,
    first: u16,
    last: Option<u16>,
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
        let (mut speaking, mut waiting) = ([0; HOOKS], [0; HOOKS]);
        for (index, seat) in seats.iter().enumerate().take(u64::BITS as usize) {
            for hook in seat.policy.hooks().iter() {
                speaking[hook as usize] |= 1 << index;
                waiting[hook as usize] |= u64::from(seat.policy.waits(hook)) << index;
            }
        }
        let bodies = [Hook::RequestBody, Hook::UpstreamResponseBody, Hook::ResponseBody];
        let bodies = bodies.iter().fold(0, |bits, hook| bits | speaking[*hook as usize]);
        Self { seats, speaking, waiting, bodies, first: 0 }
    }

    /// The chain of an upstream, whose seats count on from those of the exchange's own.
    #[must_use]
    pub fn of_upstream(self) -> Self {
        Self { first: u64::BITS as u16, ..self }
    }

    /// Whether a policy among the `active` seats speaks at this hook.
    #[must_use]
    pub fn speaks(&self, hook: Hook, active: u64) -> bool {
        self.speaking[hook as usize] & active != 0
    }

    /// Whether a policy among the `active` seats speaks at any body hook.
    #[must_use]
    pub fn takes_bodies(&self, active: u64) -> bool {
        self.bodies & active != 0
    }

    /// The places of the `active` seats that speak at a hook, in the order written.
    pub fn speaking_at(&self, hook: Hook, active: u64) -> impl Iterator<Item = usize> {
        let bits = self.speaking[hook as usize] & active;
        (0..u64::BITS as usize).filter(move |index| bits & (1 << index) != 0)
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

    /// Whether none of the `active` seats may wait at this hook: [`Chain::run_now`] will do.
    #[must_use]
    pub fn is_immediate(&self, hook: Hook, active: u64) -> bool {
        self.waiting[hook as usize] & active == 0
    }

    /// Runs a hook over the `active` seats, by the kind of the hook.
    pub async fn run(&self, hook: Hook, view: &mut dyn View, active: u64) -> Result<Said, Failure> {
        let mut round = Round::new(self, hook, active);
        while let Some(seat) = round.enter(view) {
            let outcome = match seat.policy.call(hook, view) {
                Step::Now(outcome) => outcome,
                Step::Later(mut future) if round.row.wait == Wait::No => poll_once(&mut future),
                Step::Later(future) => future.await,
            };
            match round.leave(seat, view, outcome)? {
                Verdict::Pass => {}
                verdict => return Ok(Said { verdict, seat: round.last }),
            }
        }
        Ok(Said { verdict: Verdict::Pass, seat: round.last })
    }

    /// [`Chain::run`] where nobody may wait.
    pub fn run_now(&self, hook: Hook, view: &mut dyn View, active: u64) -> Result<Said, Failure> {
        let mut round = Round::new(self, hook, active);
        while let Some(seat) = round.enter(view) {
            let outcome = match seat.policy.call(hook, view) {
                Step::Now(outcome) => outcome,
                Step::Later(mut future) => poll_once(&mut future),
            };
            match round.leave(seat, view, outcome)? {
                Verdict::Pass => {}
                verdict => return Ok(Said { verdict, seat: round.last }),
            }
        }
        Ok(Said { verdict: Verdict::Pass, seat: round.last })
    }
}

// === impl Round ===

impl<'a> Round<'a> {
    #[inline]
    fn new(chain: &'a Chain, hook: Hook, active: u64) -> Self {
        let left = chain.speaking[hook as usize] & active;
        Self { seats: &chain.seats, row: hook.row(), left, first: chain.first, last: None }
    }

    /// The next seat, which the view is told of.
    #[inline]
    fn enter(&mut self, view: &mut dyn View) -> Option<&'a Seat> {
        if self.left == 0 {
            return None;
        }
        let index = if self.row.outward { 63 - self.left.leading_zeros() } else { self.left.trailing_zeros() };
        self.left &= !(1 << index);
        let seat = self.seats.get(index as usize)?;
        self.last = Some(index as u16);
        view.enter(self.row, self.first + index as u16);
        if seat.observe {
            view.observe(true);
        } else if seat.policy.on_failure(self.row.hook) == OnFailure::SendAsIs {
            view.keep();
        }
        Some(seat)
    }

    /// What came of it; [`Verdict::Pass`]: the round goes on.
    #[inline]
    fn leave(&self, seat: &Seat, view: &mut dyn View, outcome: Outcome) -> Outcome {
        match outcome {
            Ok(Verdict::Pass) if !seat.observe => Ok(Verdict::Pass),
            Ok(verdict)
                if !seat.observe && self.row.kind != Kind::Look && self.row.verdict_bits & verdict.bit() != 0 =>
            {
                Ok(verdict)
            }
            outcome => self.leave_slowly(seat, view, outcome),
        }
    }

    /// [`Round::leave`] after a failure, a verdict that is none of the hook's, or where nobody has a say.
    #[inline(never)]
    fn leave_slowly(&self, seat: &Seat, view: &mut dyn View, outcome: Outcome) -> Outcome {
        if seat.observe {
            would(view, seat, &outcome);
        }
        let as_is = || seat.policy.on_failure(self.row.hook) == OnFailure::SendAsIs;
        if seat.observe || (fails_of_itself(&outcome) && as_is()) {
            view.undo();
        }
        let verdict = settle(self.row, seat, outcome)?;
        Ok(if self.row.kind == Kind::Look { Verdict::Pass } else { verdict })
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
            return match seat.policy.on_failure(row.hook) {
                OnFailure::Closed | OnFailure::Abort | OnFailure::RefuseGeneration if !seat.observe => Err(failure),
                // It is not the policy that failed: the body it waited for never came whole, or the client has gone.
                OnFailure::SendAsIs if failure.reason().fault() != Fault::Policy && !seat.observe => Err(failure),
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

fn fails_of_itself(outcome: &Outcome) -> bool {
    matches!(outcome, Err(failure) if failure.reason().fault() == Fault::Policy)
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
