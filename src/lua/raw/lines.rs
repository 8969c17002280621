//! Which lines of a function have run: what Luau has counted in bytecode that was compiled for it.

#![allow(unsafe_code, reason = "Luau's C API")]

use std::collections::BTreeMap;
use std::ffi::{c_char, c_int, c_void};

use mlua::ffi;

use super::{Frame, Kind, Lua, Ref};

/// How often each line that is code has run.
pub(in crate::lua) type Lines = BTreeMap<u32, u32>;

impl Lua {
    /// Adds up the lines of an anchored function of Lua code, and of those inside of it.
    pub(in crate::lua) fn count_lines(&self, function: Ref, lines: &mut Lines) {
        self.as_host(|| {
            let frame = self.main();
            frame.push_ref(function);
            if frame.kind(-1) == Kind::Function {
                count_on_top(&frame, lines);
            }
            frame.pop(1);
        });
    }
}

fn count_on_top(frame: &Frame<'_>, lines: &mut Lines) {
    // SAFETY: a function is on top; of a host's own nothing is asked. The callback gets the lines back as they are given,
    // and only until this returns.
    unsafe {
        if ffi::lua_iscfunction(frame.state, -1) == 0 {
            ffi::lua_getcoverage(frame.state, -1, (&raw mut *lines).cast(), add);
        }
    }
}

unsafe extern "C-unwind" fn add(
    lines: *mut c_void,
    _: *const c_char,
    _: c_int,
    _: c_int,
    hits: *const c_int,
    size: usize,
) {
    // SAFETY: what `count_on_top` has given, and as many numbers as Luau says.
    let (lines, hits) = unsafe { (&mut *lines.cast::<Lines>(), std::slice::from_raw_parts(hits, size)) };
    for (line, count) in hits.iter().enumerate().filter(|(_, count)| **count >= 0) {
        *lines.entry(line as u32).or_default() += count.unsigned_abs();
    }
}
