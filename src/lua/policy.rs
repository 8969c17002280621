//! A Lua policy alive on one worker: one VM, made when it is first needed and replaced when it has met a limit.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use super::bind::{self, Noun};
use super::compile::Program;
use super::raw::Raise;
use super::vm::{Call, Progress, Vm, Wait, policy_failed, poll_all};
use crate::clock::{self, Alarm};
use crate::failure::Failure;
use crate::hook::table::Wait as MayWait;
use crate::hook::{Hook, HookSet, Outcome, Policy, Redeemed, Step, Ticket, View};

/// The policy.
pub(super) struct LuaPolicy {
    program: Arc<Program>,
    vm: RefCell<Option<Rc<Vm>>>,
}

// === impl LuaPolicy ===

impl LuaPolicy {
    pub(super) fn new(program: Arc<Program>) -> Self {
        Self { program, vm: RefCell::new(None) }
    }

    /// The VM, made now if there is none.
    pub(super) fn vm(&self) -> Result<Rc<Vm>, Failure> {
        if let Some(vm) = self.vm.borrow().as_ref().filter(|vm| !vm.spent.get()) {
            return Ok(vm.clone());
        }
        let vm = Vm::new(&self.program).map_err(policy_failed)?;
        *self.vm.borrow_mut() = Some(vm.clone());
        Ok(vm)
    }

    fn begin<'a>(&'a self, hook: Hook, view: &'a mut dyn View) -> Result<Step<'a>, Failure> {
        let vm = self.vm()?;
        let arguments = arguments(hook);
        let mut call = Call::new(&vm, hook, arguments);
        match call.resume(view, arguments.len() as i32, false)? {
            Progress::Returned => Ok(Step::Now(verdict(&call, view))),
            Progress::Waits(wait) => Ok(Step::Later(Box::pin(go_on(call, wait, view)))),
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
async fn go_on(mut call: Call, mut wait: Wait, view: &mut dyn View) -> Outcome {
    let until = clock::now().saturating_add(call.vm.program.limits.wait_ms);
    let alarm = Alarm::new();
    loop {
        let redeemed = redeem(&wait.tickets, view, &alarm, until).await?;
        let vm = call.vm.clone();
        let results = vm.lua.as_host(|| wait.push(&call.frame(), redeemed))?;
        match call.resume(view, results, true)? {
            Progress::Returned => return verdict(&call, view),
            Progress::Waits(next) => wait = next,
        }
    }
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
        Poll::Ready(()) => Poll::Ready(true),
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

    fn call<'a>(&'a self, hook: Hook, view: &'a mut dyn View) -> Step<'a> {
        match self.begin(hook, view) {
            Ok(step) => step,
            Err(failure) => Step::Now(Err(failure)),
        }
    }
}
