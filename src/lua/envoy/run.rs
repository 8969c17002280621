//! The two callbacks, driven over the hooks of an exchange. A coroutine that waits for chunks or trailers is kept on the
//! exchange and goes on at the hooks of that body.

use std::rc::Rc;

use super::super::policy::{LuaPolicy, once_more};
use super::super::vm::{Call, Progress, Vm, Wait};
use super::{Halt, Object};
use crate::config::plan;
use crate::failure::Fault;
use crate::hook::{Answer, EndpointId, Hook, Outcome, Side, Step, Verdict, View};
use crate::limits::LUA_DETACHED_MAX;

/// What a script has of one exchange.
#[derive(Default)]
pub(super) struct Streams {
    begun: [bool; 2],
    paused: [Option<Paused>; 2],
    /// Counts chunks, so that one of an earlier round is known.
    pub(super) round: u32,
    /// The address that `setUpstreamOverrideHost` has named, and whether there may be no other.
    pub(super) host: Option<(String, bool)>,
}

struct Paused {
    call: Call,
    for_trailers: bool,
}

/// How far a callback has come.
enum Reached {
    Said(Verdict),
    Waits(Call, Wait),
}

/// What a script has of the exchange that is seen.
pub(super) fn streams(view: &mut dyn View) -> Option<&mut Streams> {
    let place = view.mine()?;
    if place.as_ref().is_none_or(|own| !own.is::<Streams>()) {
        *place = Some(Box::<Streams>::default());
    }
    place.as_mut()?.downcast_mut()
}

/// Runs what the script has to say at a hook. Its failures leave the exchange as it is, unless it is to fail closed.
pub(in crate::lua) fn begin<'a>(policy: &'a LuaPolicy, vm: &Rc<Vm>, hook: Hook, view: &'a mut dyn View) -> Step<'a> {
    if hook == Hook::Balance {
        return Step::Now(Ok(balance(view)));
    }
    let begun = match hook {
        Hook::RequestBody | Hook::ResponseBody => resumed(vm, hook, view),
        _ => called(vm, hook, view),
    };
    let Some(mut call) = begun else { return Step::Now(Ok(Verdict::Pass)) };
    let reached = call.resume(view, 1, false).map(|progress| reach(policy, call, progress, view));
    match reached {
        Ok(Reached::Said(verdict)) => Step::Now(Ok(verdict)),
        Ok(Reached::Waits(call, wait)) => Step::Later(Box::pin(async move {
            let outcome = go_on(policy, call, wait, view).await;
            soften(policy, hook, outcome)
        })),
        Err(failure) => Step::Now(soften(policy, hook, Err(failure))),
    }
}

/// As Envoy does: a script that fails is logged, and the exchange goes on with what it has changed so far.
pub(in crate::lua) fn soften(policy: &LuaPolicy, hook: Hook, outcome: Outcome) -> Outcome {
    let Err(failure) = outcome else { return outcome };
    if failure.reason().fault() != Fault::Policy {
        return Err(failure);
    }
    policy.failed();
    if policy.program.on_failure == Some(plan::OnFailure::Closed) {
        return Err(failure);
    }
    let name = &policy.program.policy;
    tracing::warn!(policy = %name, hook = hook.name(), %failure, "policy failed; the exchange goes on");
    Ok(Verdict::Pass)
}

/// The first call of a side's callback. At a listener that is `route`, at a route `request`.
fn called(vm: &Rc<Vm>, hook: Hook, view: &mut dyn View) -> Option<Call> {
    let side = side_of(hook) as usize;
    if std::mem::replace(&mut streams(view)?.begun[side], true) {
        return None;
    }
    let function = vm.envoy.functions.get()[side]?;
    let handle = vm.envoy.handles.get()[side]?;
    let call = Call::of(vm, function, hook);
    vm.lua.as_host(|| call.frame().push_ref(handle));
    Some(call)
}

/// A callback that waits for this piece of a body.
fn resumed(vm: &Rc<Vm>, hook: Hook, view: &mut dyn View) -> Option<Call> {
    let side = side_of(hook);
    let (last, empty) = (view.is_last(), view.chunk(side).is_ok_and(<[u8]>::is_empty));
    let has_trailers = last && trailers(view, side);
    let streams = streams(view)?;
    let place = &mut streams.paused[side as usize];
    if place.as_ref().is_some_and(|paused| paused.for_trailers && !last) {
        return None;
    }
    let mut paused = place.take()?;
    streams.round += 1;
    let round = streams.round;
    paused.call.again(hook);
    vm.lua.as_host(|| {
        let frame = paused.call.frame();
        match (paused.for_trailers, has_trailers) {
            (true, true) => frame.push_thing(Object::Headers as u8, 2 + side as u32, None),
            (true, false) => frame.push_nil(),
            (false, true) if empty => frame.push_nil(),
            (false, _) => frame.push_thing(Object::Buffer as u8, round << 1 | side as u32, None),
        }
    });
    Some(paused.call)
}

/// Whether fields have come behind a body.
pub(super) fn trailers(view: &dyn View, side: Side) -> bool {
    matches!(view.trailers(side), Ok(Some(head)) if head.fields().next().is_some())
}

/// What a resume has come to.
fn reach(policy: &LuaPolicy, call: Call, progress: Progress, view: &mut dyn View) -> Reached {
    send(policy, &call.vm);
    let Progress::Waits(wait) = progress else { return Reached::Said(Verdict::Pass) };
    let for_trailers = match call.vm.envoy.halt.take() {
        None => return Reached::Waits(call, wait),
        Some(Halt::Respond(answer)) => return Reached::Said(Verdict::Answer(answer)),
        Some(Halt::Chunk) => false,
        Some(Halt::Trailers) => true,
    };
    let side = side_of(call.hook) as usize;
    if let Some(streams) = streams(view) {
        streams.paused[side] = Some(Paused { call, for_trailers });
    }
    Reached::Said(Verdict::Pass)
}

async fn go_on(policy: &LuaPolicy, mut call: Call, mut wait: Wait, view: &mut dyn View) -> Outcome {
    loop {
        let progress = once_more(&mut call, wait, view).await?;
        match reach(policy, call, progress, view) {
            Reached::Said(verdict) => return Ok(verdict),
            Reached::Waits(same, next) => (call, wait) = (same, next),
        }
    }
}

/// Sends the requests that nobody waits for.
fn send(policy: &LuaPolicy, vm: &Rc<Vm>) {
    for fetch in vm.envoy.sends.take() {
        if Rc::strong_count(vm) > LUA_DETACHED_MAX {
            tracing::warn!(policy = %policy.program.policy, "too many asynchronous calls; this one is not made");
            continue;
        }
        let (vm, fetched) = (vm.clone(), policy.reach.fetch(Box::new(fetch)));
        tokio::task::spawn_local(async move {
            if let Err(failure) = fetched.await {
                tracing::debug!(policy = %vm.program.policy, %failure, "an asynchronous call failed");
            }
        });
    }
}

/// The endpoint that `setUpstreamOverrideHost` has asked for.
fn balance(view: &mut dyn View) -> Verdict {
    let Some((host, strict)) = streams(view).and_then(|streams| streams.host.clone()) else { return Verdict::Pass };
    let Ok(endpoints) = view.endpoints() else { return Verdict::Pass };
    let found = endpoints.list.iter().position(|endpoint| *endpoint.name == *host);
    match found.filter(|index| !endpoints.is_tried(*index)) {
        Some(index) => Verdict::Endpoint(EndpointId(index as u32)),
        None if strict => Verdict::Answer(Box::new(Answer {
            status: 503,
            fields: vec![("content-type".to_owned(), b"text/plain".to_vec())],
            body: Some(b"no healthy upstream".to_vec()),
            why: Some("the host that the script has set is not there".to_owned()),
        })),
        None => Verdict::Pass,
    }
}

fn side_of(hook: Hook) -> Side {
    match hook {
        Hook::Response | Hook::ResponseBody => Side::Response,
        _ => Side::Request,
    }
}
