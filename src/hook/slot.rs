//! The view of the call that runs, for engines whose host functions are handed nothing: armed for one Lua resume, one
//! sync Wasm call or one poll of an async one.

#![allow(unsafe_code, reason = "a borrow that crosses an engine's stack")]

use std::cell::Cell;
use std::ptr::NonNull;

use super::View;

thread_local! {
    static CURRENT: Cell<Option<NonNull<dyn View>>> = const { Cell::new(None) };
}

/// Puts back what was armed before, on unwinding too.
struct Restore(Option<NonNull<dyn View>>);

/// Runs `run` with `view` as the current one.
pub fn arm<R>(view: &mut dyn View, run: impl FnOnce() -> R) -> R {
    let pointer: NonNull<dyn View + '_> = NonNull::from(view);
    // SAFETY: only the lifetime is erased. The exclusive borrow is this call's until `Restore` has run, and `with` is
    // the only reader.
    let pointer: NonNull<dyn View> = unsafe { std::mem::transmute(pointer) };
    let _restore = Restore(CURRENT.replace(Some(pointer)));
    run()
}

/// Lends the current view; `None`: there is none, or it is lent already.
pub fn with<R>(look: impl FnOnce(&mut dyn View) -> R) -> Option<R> {
    let pointer = CURRENT.take()?;
    let _restore = Restore(Some(pointer));
    // SAFETY: the pointer was armed by an `arm` that has not returned, which owns the borrow; it was taken out, so that
    // nobody else can lend it until `Restore` puts it back.
    Some(look(unsafe { &mut *pointer.as_ptr() }))
}

impl Drop for Restore {
    fn drop(&mut self) {
        CURRENT.set(self.0);
    }
}
