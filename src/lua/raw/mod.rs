//! Luau's C API, fenced: besides the string hash the only place of this room with `unsafe`. What leaves it is safe to use.
//!
//! What every block relies on:
//! - A [`Lua`] lives and dies on one thread. A [`Thread`] or [`Ref`] is anchored in its registry until it is released, and
//!   is used only with the [`Lua`] that made it (each file above holds one).
//! - Luau raises by C++ unwinding. Only two things raise here: running Luau code, which happens inside `lua_resume` (it
//!   catches), and running out of memory, which the allocator never does while the host is at work ([`Meter::host`]).
//!   So no unwinding crosses Rust code but that of `lua_error`, called when nothing is left to drop.
//! - A [`Frame`] reads below the top and pushes only after it has made room. Its arguments stay where they are for as long
//!   as it is borrowed, so what they point to does too. A coroutine has one frame at a time.

#![allow(unsafe_code, reason = "Luau's C API")]

mod calls;
mod frame;
mod lines;

use std::cell::Cell;
use std::ffi::{CStr, CString, c_int};

use mlua::ffi::{self, lua_State};

pub(super) use calls::{Options, compile};
pub(super) use frame::{Frame, Hosted, Kind, Raise, Returned, Thing};
pub(super) use lines::Lines;

use crate::hook::budget::{self, Meter as Watched};

/// Gives a name its number; negative: it has none.
pub(super) type Atom = fn(&[u8]) -> i16;

/// A VM.
pub(super) struct Lua {
    main: *mut lua_State,
    meter: Box<Meter>,
}

/// A coroutine, anchored.
#[derive(Debug, Clone, Copy)]
pub(super) struct Thread {
    state: *mut lua_State,
    anchor: c_int,
}

/// A value, anchored until [`Lua::release`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ref(c_int);

impl Ref {
    /// Stands for nil.
    pub(super) const NOTHING: Self = Self(ffi::LUA_REFNIL);
}

/// What a VM has taken.
#[derive(Debug, Default)]
pub(super) struct Meter {
    used: Cell<usize>,
    limit: Cell<usize>,
    /// Host functions at work: their bounded needs are met, and settled when they return.
    host: Cell<u32>,
    /// The limit was met since the last look.
    pub(super) breached: Cell<bool>,
    /// A call was ended by the watchdog since the last look.
    pub(super) killed: Cell<bool>,
    /// The number by which a name of ours is known to bindings.
    atom: Cell<Option<Atom>>,
}

/// How a resumed coroutine stopped.
#[derive(Debug)]
pub(super) enum Stopped {
    Returned,
    Waits,
    Failed(String),
}

// === impl Lua ===

impl Lua {
    /// A VM that may take `limit` bytes; `None`: there is not even memory for it.
    pub(super) fn new(limit: usize, atom: Atom) -> Option<Self> {
        super::hash::seed();
        calls::flags();
        let meter = Box::new(Meter::default());
        meter.limit.set(limit);
        meter.atom.set(Some(atom));
        meter.host.set(1);
        let data = (&raw const *meter).cast_mut().cast();
        // SAFETY: the meter is boxed and outlives the state, which is closed in `drop`.
        let main = unsafe { ffi::lua_newstate(calls::allocate, data) };
        if main.is_null() {
            return None;
        }
        // SAFETY: the state is new and ours; the callbacks live as long as it does.
        unsafe {
            let callbacks = ffi::lua_callbacks(main);
            (*callbacks).userdata = data;
            (*callbacks).useratom = Some(calls::name_atom);
            ffi::luaL_openlibs(main);
        }
        meter.host.set(0);
        Some(Self { main, meter })
    }

    pub(super) fn meter(&self) -> &Meter {
        &self.meter
    }

    /// What the watchdog is told to interrupt.
    pub(super) fn target(&self) -> usize {
        // SAFETY: the state is open.
        unsafe { ffi::lua_callbacks(self.main) as usize }
    }

    /// The values of the main state, for what is set up before any script.
    pub(super) fn main(&self) -> Frame<'_> {
        Frame::new(self.main, 0)
    }

    pub(super) fn frame(&self, thread: Thread) -> Frame<'_> {
        Frame::new(thread.state, 0)
    }

    /// Runs what pushes and sets up outside of a script: memory is not refused meanwhile.
    pub(super) fn as_host<R>(&self, run: impl FnOnce() -> R) -> R {
        self.meter.enter_host();
        let done = run();
        self.meter.leave_host();
        done
    }

    /// A new coroutine.
    pub(super) fn thread(&self) -> Thread {
        self.as_host(|| {
            // SAFETY: the new thread is anchored before anything can collect it.
            unsafe {
                ffi::lua_rawcheckstack(self.main, 1);
                let state = ffi::lua_newthread(self.main);
                let anchor = ffi::lua_ref(self.main, -1);
                ffi::lua_settop(self.main, -2);
                Thread { state, anchor }
            }
        })
    }

    /// Lets go of a coroutine.
    pub(super) fn end(&self, thread: Thread) {
        self.release(Ref(thread.anchor));
    }

    pub(super) fn release(&self, anchored: Ref) {
        // SAFETY: the reference is ours; an unknown one is ignored by Luau.
        self.as_host(|| unsafe { ffi::lua_unref(self.main, anchored.0) });
    }

    /// Freezes the libraries and gives `thread` globals of its own on top of them.
    pub(super) fn sandbox(&self, thread: Thread) {
        // SAFETY: both states are open; a few tables are made.
        self.as_host(|| unsafe {
            ffi::luaL_sandbox_(self.main);
            ffi::lua_rawcheckstack(thread.state, 8);
            ffi::luaL_sandboxthread(thread.state);
        });
    }

    /// Pushes the function that bytecode of our own compiler stands for.
    pub(super) fn load(&self, thread: Thread, name: &str, bytecode: &[u8]) -> Result<(), String> {
        let name = CString::new(format!("={name}")).unwrap_or_default();
        let code = bytecode.as_ptr().cast();
        let status = self.as_host(|| {
            // SAFETY: `bytecode` comes from `compile` below; the name is a C string.
            unsafe {
                ffi::lua_rawcheckstack(thread.state, 4);
                ffi::luau_load(thread.state, name.as_ptr(), code, bytecode.len(), 0)
            }
        });
        if status == 0 { Ok(()) } else { Err(self.frame(thread).message()) }
    }

    /// Goes on with a coroutine: a function and its arguments are on it, or the results of what it waited for.
    pub(super) fn resume(&self, thread: Thread, arguments: c_int) -> Stopped {
        // SAFETY: the thread is anchored, does not run, and holds what it is resumed with.
        match unsafe { ffi::lua_resume_(thread.state, std::ptr::null_mut(), arguments) } {
            ffi::LUA_OK => Stopped::Returned,
            ffi::LUA_YIELD | ffi::LUA_BREAK => Stopped::Waits,
            _ => Stopped::Failed(self.frame(thread).message()),
        }
    }

    /// The lines of `thread`'s calls, innermost first.
    pub(super) fn trace(&self, thread: Thread) -> String {
        // SAFETY: the text is Luau's own buffer, copied at once.
        unsafe { CStr::from_ptr(ffi::lua_debugtrace(thread.state)).to_string_lossy().into_owned() }
    }
}

/// The meter by which the watchdog sees this thread.
pub(super) fn watched() -> &'static Watched {
    budget::meter(calls::interrupt_at)
}

impl Drop for Lua {
    fn drop(&mut self) {
        self.meter.host.set(1);
        // SAFETY: nothing of the state is used after this, and the watchdog is not at it meanwhile.
        watched().quietly(|| unsafe { ffi::lua_close(self.main) });
    }
}

// === impl Meter ===

impl Meter {
    /// It has taken more than it may.
    pub(in crate::lua) fn is_over(&self) -> bool {
        self.used.get() > self.limit.get()
    }

    fn enter_host(&self) {
        self.host.set(self.host.get() + 1);
    }

    fn leave_host(&self) {
        self.host.set(self.host.get() - 1);
    }
}
