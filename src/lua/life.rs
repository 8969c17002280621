//! A policy's life between exchanges: kept over reloads while it is the same, `load` with what the one before hands over,
//! timers, detached work, `unload`.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::{Rc, Weak};
use std::time::Duration;

use super::compile::Program;
use super::policy::{LuaPolicy, go_on};
use super::raw::Ref;
use super::vm::{Call, Progress, Vm, policy_failed};
use crate::clock;
use crate::failure::Failure;
use crate::hook::{Alive, Hook, Plain, Reach, WorkerParts};
use crate::limits::{LUA_DETACHED_MAX, PLAIN_ITEMS_MAX, TIMER_JITTER_PERCENT};

/// The policies that live on this worker: by what they are, and the last of each name.
#[derive(Default)]
struct Living {
    same: HashMap<u128, Weak<LuaPolicy>>,
    named: HashMap<std::sync::Arc<str>, Weak<LuaPolicy>>,
}

/// A timer that a script has asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timer {
    pub(super) every: Duration,
    pub(super) run: Ref,
    /// On each worker, not on the first alone.
    pub(super) on_each: bool,
}

thread_local! {
    static LIVING: RefCell<Living> = RefCell::default();
}

/// The policy that this program is on this worker: the one that lives already, or a new one beside it.
pub(super) fn settle(program: &std::sync::Arc<Program>, worker: &WorkerParts) -> Result<Rc<LuaPolicy>, Failure> {
    LIVING.with_borrow_mut(|living| {
        if let Some(same) = living.same.get(&program.fingerprint).and_then(Weak::upgrade) {
            return Ok(same);
        }
        living.same.retain(|_, policy| policy.strong_count() > 0);
        living.named.retain(|_, policy| policy.strong_count() > 0);
        let before = living.named.get(&program.policy).and_then(Weak::upgrade);
        let policy = LuaPolicy::new(program.clone(), worker, before);
        policy.vm()?;
        living.same.insert(program.fingerprint, Rc::downgrade(&policy));
        Ok(policy)
    })
}

/// From here on a policy is the one of its name: the next takes over from it.
pub(super) fn follow(policy: &Rc<LuaPolicy>) {
    LIVING.with_borrow_mut(|living| living.named.insert(policy.program.policy.clone(), Rc::downgrade(policy)));
}

/// Runs `load`, given what the policy before hands over.
pub(super) async fn load(policy: &LuaPolicy) -> Result<(), Failure> {
    let vm = policy.vm()?;
    let mut view = Alive::new(policy.reach.clone());
    if vm.function(Hook::Load).is_some() {
        let before = policy.before.take();
        let state = match before.and_then(|before| before.running()) {
            Some(before) => hand_over(&before, policy.reach.clone()).await?,
            None => Plain::Nil,
        };
        let mut call = Call::new(&vm, Hook::Load, &[]);
        call.cpu_ns = vm.program.limits.load_cpu_ns;
        vm.lua.as_host(|| {
            let frame = call.frame();
            vm.push_options(&frame);
            super::bind::push_plain(&frame, &state);
        });
        if let Progress::Waits(wait) = call.resume(&mut view, 2, true)? {
            go_on(call, wait, &mut view).await?;
        }
    }
    for timer in vm.timers.take() {
        if timer.on_each || policy.is_first {
            tokio::task::spawn_local(tick(Rc::downgrade(&vm), timer, policy.reach.clone()));
        }
    }
    Ok(())
}

/// What the running one gives the next: plain data.
async fn hand_over(vm: &Rc<Vm>, reach: Rc<dyn Reach>) -> Result<Plain, Failure> {
    if vm.function(Hook::HandOver).is_none() {
        return Ok(Plain::Nil);
    }
    let mut view = Alive::new(reach);
    let mut call = Call::new(vm, Hook::HandOver, &[]);
    let mut progress = call.resume(&mut view, 0, true)?;
    while let Progress::Waits(wait) = progress {
        progress = super::policy::once_more(&mut call, wait, &mut view).await?;
    }
    let mut items = PLAIN_ITEMS_MAX;
    let state = vm.lua.as_host(|| super::bind::plain_at(&call.frame(), 1, &mut items));
    state.map_err(|wrong| policy_failed(format!("`hand_over` of the running version: {}", wrong.0)))
}

/// The end of a policy: its exchanges are over, and nothing can be waited for.
pub(super) fn unload(vm: &Rc<Vm>, reach: Rc<dyn Reach>) {
    if vm.function(Hook::Unload).is_none() || vm.spent.get() {
        return;
    }
    let mut view = Alive::new(reach);
    let ended = Call::new(vm, Hook::Unload, &[]).resume(&mut view, 0, false);
    if let Err(failure) = ended {
        tracing::warn!(policy = %vm.program.policy, %failure, "`unload` failed");
    }
}

/// Runs a timer until its VM is gone; one run after the other, never two at once.
async fn tick(vm: Weak<Vm>, timer: Timer, reach: Rc<dyn Reach>) {
    loop {
        let jitter = timer.every.mul_f64(f64::from(TIMER_JITTER_PERCENT) / 100.0 * fastrand::f64());
        clock::sleep(timer.every + jitter).await;
        let Some(vm) = vm.upgrade().filter(|vm| !vm.spent.get()) else { return };
        run(&vm, timer.run, reach.clone(), "timer").await;
    }
}

/// Runs what a call has left to be done after it.
pub(super) fn set_off(vm: &Rc<Vm>, reach: &Rc<dyn Reach>) {
    for work in vm.detached.take() {
        if Rc::strong_count(vm) > LUA_DETACHED_MAX {
            tracing::warn!(policy = %vm.program.policy, "too much detached work; this piece is not run");
            vm.lua.release(work);
            continue;
        }
        let (vm, reach) = (vm.clone(), reach.clone());
        tokio::task::spawn_local(async move {
            run(&vm, work, reach, "detached work").await;
            vm.lua.release(work);
        });
    }
}

async fn run(vm: &Rc<Vm>, function: Ref, reach: Rc<dyn Reach>, what: &'static str) {
    let mut view = Alive::new(reach.clone());
    let mut call = Call::of(vm, function, Hook::Load);
    let outcome = async {
        let mut progress = call.resume(&mut view, 0, true)?;
        while let Progress::Waits(wait) = progress {
            progress = super::policy::once_more(&mut call, wait, &mut view).await?;
        }
        Ok::<_, Failure>(())
    };
    if let Err(failure) = outcome.await {
        tracing::warn!(policy = %vm.program.policy, %failure, "{what} failed");
    }
    set_off(vm, &reach);
}

/// `load` of a VM that took the place of one that had met a limit: there is nothing to hand over, and no time to wait.
pub(super) fn load_again(policy: &LuaPolicy, vm: &Rc<Vm>) -> Result<(), Failure> {
    if vm.function(Hook::Load).is_some() {
        let mut call = Call::new(vm, Hook::Load, &[]);
        call.cpu_ns = vm.program.limits.load_cpu_ns;
        vm.lua.as_host(|| {
            let frame = call.frame();
            vm.push_options(&frame);
            frame.push_nil();
        });
        let mut view = Alive::new(policy.reach.clone());
        if let Progress::Waits(_) = call.resume(&mut view, 2, true)? {
            return Err(policy_failed("`load` waits, which it cannot when a VM has to be replaced".to_owned()));
        }
    }
    for timer in vm.timers.take() {
        if timer.on_each || policy.is_first {
            tokio::task::spawn_local(tick(Rc::downgrade(vm), timer, policy.reach.clone()));
        }
    }
    Ok(())
}
