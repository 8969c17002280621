//! A Lua policy alive on one worker: one VM, made when it is first needed and replaced when it has met a limit.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::Poll;

use super::bind::{self, Noun};
use super::compile::Program;
use super::envoy;
use super::life;
use super::raw::Raise;
use super::vm::{Call, Progress, Vm, Wait, policy_failed, poll_all};
use crate::clock::{self, Alarm};
use crate::config::plan;
use crate::failure::{Failure, Fault};
use crate::hook::table::{Kind, Wait as MayWait};
use crate::hook::{Hook, HookSet, Local, OnFailure, Outcome, Policy, Reach, Redeemed, Step, Ticket, View, WorkerParts};

/// The policy.
pub(super) struct LuaPolicy {
    pub(super) program: Arc<Program>,
    vm: RefCell<Option<Rc<Vm>>>,
    pub(super) reach: Rc<dyn Reach>,
    /// On the first worker: what runs once per process runs there.
    pub(super) is_first: bool,
    /// The one of this name that runs, until `load` has asked it what it hands over.
    pub(super) before: RefCell<Option<Rc<LuaPolicy>>>,
    loaded: Cell<bool>,
    tripped: Tripped,
    own: Weak<Self>,
}

// === impl LuaPolicy ===

impl LuaPolicy {
    pub(super) fn new(program: Arc<Program>, worker: &WorkerParts, before: Option<Rc<Self>>) -> Rc<Self> {
        Rc::new_cyclic(|own| Self {
            program,
            vm: RefCell::new(None),
            reach: worker.reach.clone(),
            is_first: worker.number == 0,
            before: RefCell::new(before),
            loaded: Cell::new(false),
            tripped: Tripped::default(),
            own: own.clone(),
        })
    }

    /// The VM, if it lives and is sound.
    pub(super) fn running(&self) -> Option<Rc<Vm>> {
        self.vm.borrow().clone().filter(|vm| !vm.spent.get())
    }

    /// The VM, made now if there is none.
    pub(super) fn vm(&self) -> Result<Rc<Vm>, Failure> {
        if let Some(vm) = self.vm.borrow().as_ref().filter(|vm| !vm.spent.get()) {
            return Ok(vm.clone());
        }
        let vm = Vm::new(&self.program).map_err(policy_failed)?;
        if self.vm.replace(Some(vm.clone())).is_some() {
            life::load_again(self, &vm)?;
        }
        Ok(vm)
    }

    fn begin<'a>(&'a self, hook: Hook, view: &'a mut dyn View) -> Result<Step<'a>, Failure> {
        self.tripped.admit()?;
        let vm = self.vm()?;
        if vm.usage.percent() > self.program.limits.share_percent {
            let share = self.program.limits.share_percent;
            return Err(policy_failed(format!("it has used more than {share}% of its worker of late (limits.share)")));
        }
        if self.program.envoy {
            return Ok(envoy::begin(self, &vm, hook, view));
        }
        let arguments = arguments(hook);
        let mut call = Call::new(&vm, hook, arguments);
        match call.resume(view, arguments.len() as i32, false)? {
            Progress::Returned => {
                let verdict = verdict(&call, view);
                if !vm.detached.borrow().is_empty() {
                    life::set_off(&vm, &self.reach);
                }
                Ok(Step::Now(verdict))
            }
            Progress::Waits(wait) => Ok(Step::Later(Box::pin(self.go_on_with(call, wait, view)))),
        }
    }
}

impl LuaPolicy {
    /// Counts a failure.
    pub(super) fn failed(&self) {
        self.tripped.count(&self.program);
    }

    async fn go_on_with(&self, call: Call, wait: Wait, view: &mut dyn View) -> Outcome {
        let vm = call.vm.clone();
        let outcome = go_on(call, wait, view).await;
        if outcome.as_ref().is_err_and(|failure| failure.reason().fault() == Fault::Policy) {
            self.tripped.count(&self.program);
        }
        if !vm.detached.borrow().is_empty() {
            life::set_off(&vm, &self.reach);
        }
        outcome
    }
}

impl Drop for LuaPolicy {
    fn drop(&mut self) {
        if let Some(vm) = self.vm.take() {
            life::unload(&vm, self.reach.clone());
        }
    }
}

/// Whether a policy that keeps failing is left alone for a while: its exchanges get its failure row at once.
#[derive(Default)]
struct Tripped {
    /// Failures since the window began.
    failures: Cell<u32>,
    window_from: Cell<u64>,
    /// When it is tried again.
    until: Cell<u64>,
}

// === impl Tripped ===

impl Tripped {
    #[inline]
    fn admit(&self) -> Result<(), Failure> {
        if self.until.get() == 0 {
            return Ok(());
        }
        if clock::now() < self.until.get() {
            return Err(policy_failed("it has failed too often and is left alone for a while (trip)".to_owned()));
        }
        self.until.set(0);
        Ok(())
    }

    #[cold]
    fn count(&self, program: &Program) {
        let (Some(trip), 0) = (program.limits.trip, self.until.get()) else { return };
        let now = clock::now();
        if now.saturating_sub(self.window_from.get()) > clock::millis(trip.within) {
            self.window_from.set(now);
            self.failures.set(0);
        }
        self.failures.set(self.failures.get() + 1);
        if self.failures.get() >= trip.failures {
            tracing::warn!(policy = %program.policy, off_for = ?trip.off_for, "tripped: it is not run for a while");
            self.until.set(now.saturating_add(clock::millis(trip.off_for)).max(1));
            self.failures.set(0);
        }
    }
}

/// What a hook's function is called with.
fn arguments(hook: Hook) -> &'static [Noun] {
    match hook {
        Hook::Balance => &[Noun::Exchange, Noun::Endpoints],
        Hook::RequestBody | Hook::ResponseBody | Hook::UpstreamResponseBody => &[Noun::Exchange, Noun::Chunk],
        _ => &[Noun::Exchange],
    }
}

fn verdict(call: &Call, view: &dyn View) -> Outcome {
    let verdict = bind::verdict(&call.frame(), call.hook, view);
    verdict.map_err(|Raise(message)| policy_failed(format!("{}: {message}", call.vm.program.main.name)))
}

/// Waits and resumes until the hook has returned.
pub(super) async fn go_on(mut call: Call, mut wait: Wait, view: &mut dyn View) -> Outcome {
    loop {
        match once_more(&mut call, wait, view).await? {
            Progress::Returned => return verdict(&call, view),
            Progress::Waits(next) => wait = next,
        }
    }
}

/// Waits and resumes once.
pub(super) async fn once_more(call: &mut Call, wait: Wait, view: &mut dyn View) -> Result<Progress, Failure> {
    if call.until.is_some() {
        // What is awaited may always be there at once: others must have their turn, and the clock.
        tokio::task::yield_now().await;
    }
    let until = *call.until.get_or_insert_with(|| clock::now().saturating_add(call.vm.program.limits.wait_ms));
    let redeemed = redeem(&wait.tickets, view, &Alarm::new(), until).await?;
    let vm = call.vm.clone();
    let results = vm.lua.as_host(|| wait.push(&call.frame(), redeemed))?;
    call.resume(view, results, true)
}

/// Every ticket's result, in order.
async fn redeem(
    tickets: &[Ticket],
    view: &mut dyn View,
    alarm: &Alarm,
    until: u64,
) -> Result<Vec<Result<Redeemed, Failure>>, Failure> {
    let mut pending: Vec<_> = tickets.iter().map(|ticket| (*ticket, None)).collect();
    let in_time = std::future::poll_fn(|cx| match poll_all(view, &mut pending, cx) {
        Poll::Ready(()) => Poll::Ready(clock::now() < until),
        Poll::Pending if alarm.poll(cx, until) => Poll::Ready(false),
        Poll::Pending => Poll::Pending,
    })
    .await;
    if !in_time {
        for (ticket, _) in pending.iter().filter(|(_, redeemed)| redeemed.is_none()) {
            view.cancel(*ticket);
        }
        return Err(policy_failed("it waited for longer than it may (limits.wait)".to_owned()));
    }
    Ok(pending.into_iter().filter_map(|(_, redeemed)| redeemed).collect())
}

impl Policy for LuaPolicy {
    fn hooks(&self) -> HookSet {
        self.program.hooks
    }

    fn waits(&self, hook: Hook) -> bool {
        self.program.waits && hook.row().wait != MayWait::No
    }

    fn is_foreign(&self) -> bool {
        self.program.envoy
    }

    fn call<'a>(&'a self, hook: Hook, view: &'a mut dyn View) -> Step<'a> {
        match self.begin(hook, view) {
            Ok(step) => step,
            Err(failure) if self.program.envoy => Step::Now(envoy::soften(self, hook, Err(failure))),
            Err(failure) => {
                self.tripped.count(&self.program);
                Step::Now(Err(failure))
            }
        }
    }

    fn on_failure(&self, hook: Hook) -> OnFailure {
        let row = hook.row();
        match self.program.on_failure {
            Some(plan::OnFailure::Closed) if matches!(row.kind, Kind::Ask | Kind::Edit) => OnFailure::Closed,
            Some(plan::OnFailure::Open) if matches!(row.kind, Kind::Ask | Kind::Edit) => OnFailure::SendAsIs,
            _ => row.on_failure,
        }
    }

    fn load(&self) -> Option<Local<Result<(), Failure>>> {
        let policy = self.own.upgrade().filter(|policy| !policy.loaded.replace(true))?;
        Some(Box::pin(async move { life::load(&policy).await }))
    }

    fn committed(&self) {
        if let Some(policy) = self.own.upgrade() {
            life::follow(&policy);
        }
    }
}
