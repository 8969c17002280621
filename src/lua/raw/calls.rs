//! What Luau calls: host functions, the allocator, the interrupt. And its compiler.

#![allow(unsafe_code, reason = "Luau's C API")]

use std::alloc::Layout;
use std::ffi::{c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};

use mlua::ffi::{self, lua_State};

use super::frame::ROOM;
use super::{Frame, Hosted, Meter, Raise, Returned, Thing, watched};

/// Of every block; Luau asks for 16.
const ALIGNMENT: usize = 16;

/// How a source becomes bytecode.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::lua) struct Options {
    /// Count which lines run.
    pub(in crate::lua) coverage: bool,
    /// Every call has a frame of its own: none is taken into its caller.
    pub(in crate::lua) frames: bool,
}

/// Bytecode, or the error with its line.
pub(in crate::lua) fn compile(source: &[u8], options: Options) -> Result<Vec<u8>, String> {
    let mut asked = ffi::lua_CompileOptions::default();
    asked.optimizationLevel = if options.coverage || options.frames { 1 } else { 2 };
    asked.debugLevel = 1;
    asked.coverageLevel = if options.coverage { 2 } else { 0 };
    // SAFETY: the options hold numbers and null pointers; the result is copied and freed by the binding.
    let bytecode = unsafe { ffi::luau_compile(source, asked) };
    match bytecode.split_first() {
        Some((0, message)) => Err(String::from_utf8_lossy(message).trim_start_matches(':').to_owned()),
        Some(_) => Ok(bytecode),
        None => Err("1: nothing came of it".to_owned()),
    }
}

/// What has to be said to Luau once per process: `table.move` polls the interrupt, running out of memory leaves it sound.
pub(super) fn flags() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        for name in [c"LuauTableMoveTimeoutFix", c"LuauTableRobustOom"] {
            // SAFETY: a C string; before any VM of ours.
            if unsafe { ffi::luau_setfflag(name.as_ptr(), 1) } == 0 {
                tracing::debug!(?name, "a flag that this Luau does not know");
            }
        }
    });
}

/// A host function, as Luau calls it.
///
/// # Safety
/// Called by Luau, with a state of ours.
pub(super) unsafe extern "C-unwind" fn enter<F: Fn(&Frame<'_>) -> Hosted + Copy + 'static>(
    state: *mut lua_State,
) -> c_int {
    // SAFETY: the state is ours.
    let meter = unsafe { meter(state) };
    meter.enter_host();
    let returned = {
        let frame = Frame::new(state, ROOM);
        // SAFETY: `push_host` has seen a value of this type, and it has no bytes.
        let host = unsafe { NonNull::<F>::dangling().read() };
        match catch_unwind(AssertUnwindSafe(|| host(&frame))) {
            Ok(returned) => returned,
            Err(_) => Err(Raise("the proxy has a fault here; it is in its log".to_owned())),
        }
    };
    meter.leave_host();
    let failed = match returned {
        Ok(_) if meter.is_over() => {
            meter.breached.set(true);
            "not enough memory".to_owned()
        }
        Ok(Returned::Values(count)) => return count,
        // SAFETY: the state is ours and runs.
        Ok(Returned::Waits(count)) if unsafe { ffi::lua_isyieldable(state) } != 0 => {
            // SAFETY: the values that say what is waited for are on top; nothing is left to drop.
            return unsafe { ffi::lua_yield(state, count) };
        }
        Ok(Returned::Waits(_)) => {
            "nothing can wait inside a metamethod, or a function that sorts or replaces".to_owned()
        }
        Err(Raise(message)) => message,
    };
    // SAFETY: the message is copied and dropped before the error leaves.
    unsafe {
        push_error(state, meter, &failed);
        drop(failed);
        ffi::lua_error(state)
    }
}

/// Pushes a message with the place of the Lua code that called.
unsafe fn push_error(state: *mut lua_State, meter: &Meter, message: &str) {
    meter.enter_host();
    // SAFETY: room is made; memory is not refused.
    unsafe {
        ffi::lua_rawcheckstack(state, 3);
        ffi::luaL_where(state, 1);
        ffi::lua_pushlstring_(state, message.as_ptr().cast(), message.len());
        ffi::lua_concat(state, 2);
    }
    meter.leave_host();
}

unsafe fn meter<'a>(state: *mut lua_State) -> &'a Meter {
    // SAFETY: `Lua::new` has put it there, and it lives as long as the state.
    unsafe { &*(*ffi::lua_callbacks(state)).userdata.cast::<Meter>() }
}

/// Arms a VM's interrupt, from the watchdog's thread.
pub(super) fn interrupt_at(callbacks: usize) {
    set_interrupt(callbacks, interrupt as *const () as usize);
}

fn set_interrupt(callbacks: usize, to: usize) {
    let callbacks = callbacks as *mut ffi::lua_Callbacks;
    // SAFETY: the VM cannot end while this is done (`Meter::quietly`); Luau's header allows the pointer to be set from any
    // thread. It is as large as a number and as aligned.
    unsafe { (*(&raw mut (*callbacks).interrupt).cast::<AtomicUsize>()).store(to, Ordering::Relaxed) };
}

/// Runs at safe points while it is armed: ends a call that is over its budget, and else disarms itself.
unsafe extern "C-unwind" fn interrupt(state: *mut lua_State, collecting: c_int) {
    if collecting >= 0 {
        return;
    }
    if watched().is_expired() {
        // SAFETY: the state is ours and runs Lua code; nothing is left to drop when the error leaves.
        unsafe {
            let meter = meter(state);
            meter.killed.set(true);
            push_error(state, meter, "it took more CPU time than it may (limits.cpu)");
            ffi::lua_error(state)
        }
    }
    // SAFETY: the callbacks are the running VM's.
    set_interrupt(unsafe { ffi::lua_callbacks(state) } as usize, 0);
}

/// The atom of a name.
pub(super) unsafe extern "C-unwind" fn name_atom(state: *mut lua_State, text: *const c_char, length: usize) -> i16 {
    // SAFETY: Luau's own string; the state is ours.
    let (meter, text) = unsafe { (meter(state), std::slice::from_raw_parts(text.cast(), length)) };
    meter.atom.get().map_or(-1, |atom| atom(text))
}

/// Drops the host's side of a thing.
pub(super) unsafe extern "C" fn forget_thing(_: *mut lua_State, block: *mut c_void) {
    // SAFETY: `push_thing` wrote it, and Luau is done with it.
    unsafe { block.cast::<Thing>().drop_in_place() };
}

/// Memory for a VM, counted and refused beyond its limit; but not to the host.
pub(super) unsafe extern "C" fn allocate(
    data: *mut c_void,
    block: *mut c_void,
    before: usize,
    after: usize,
) -> *mut c_void {
    // SAFETY: `Lua::new` has given its meter.
    let meter = unsafe { &*data.cast::<Meter>() };
    let used = meter.used.get() - if block.is_null() { 0 } else { before };
    let layout = |size: usize| Layout::from_size_align(size, ALIGNMENT).ok();
    if after == 0 {
        if let (false, Some(layout)) = (block.is_null(), layout(before)) {
            // SAFETY: it was allocated here with this size.
            unsafe { std::alloc::dealloc(block.cast(), layout) };
        }
        meter.used.set(used);
        return std::ptr::null_mut();
    }
    if after > before && used.saturating_add(after) > meter.limit.get() && meter.host.get() == 0 {
        meter.breached.set(true);
        return std::ptr::null_mut();
    }
    // SAFETY: sizes are not zero; a block was allocated here with the size that Luau gives back.
    let new = unsafe {
        match (block.is_null(), layout(before), layout(after)) {
            (true, _, Some(layout)) => std::alloc::alloc(layout),
            (false, Some(layout), Some(_)) => std::alloc::realloc(block.cast(), layout, after),
            _ => std::ptr::null_mut(),
        }
    };
    if !new.is_null() {
        meter.used.set(used + after);
    }
    new.cast()
}
