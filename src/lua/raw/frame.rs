//! Values on a coroutine: what a host function was given, what it gives back.

#![allow(unsafe_code, reason = "Luau's C API")]

use std::any::Any;
use std::cell::Cell;
use std::ffi::{CStr, c_int};
use std::marker::PhantomData;
use std::rc::Rc;

use mlua::ffi::{self, lua_State};

use super::{Lua, Ref, calls};

/// A host function's arguments and results, or a coroutine's.
pub(in crate::lua) struct Frame<'a> {
    pub(super) state: *mut lua_State,
    /// Values that may be pushed before room has to be made.
    room: Cell<u32>,
    arguments: Cell<c_int>,
    _lua: PhantomData<&'a Lua>,
}

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::lua) enum Kind {
    Nil,
    /// JSON's null, which unlike nil can stand in a table.
    Null,
    Bool,
    Number,
    Text,
    Table,
    Function,
    Thing,
    Other,
}

/// What a host function leaves behind.
#[derive(Debug, Clone, Copy)]
pub(in crate::lua) enum Returned {
    /// This many values, pushed last.
    Values(c_int),
    /// The coroutine waits; this many values say for what.
    Waits(c_int),
}

/// An error to be raised in the script, without the place, which is added.
#[derive(Debug)]
pub(in crate::lua) struct Raise(pub(in crate::lua) String);

/// The host's side of an object that scripts hold.
pub(in crate::lua) struct Thing {
    pub(in crate::lua) number: u32,
    pub(in crate::lua) held: Option<Rc<dyn Any>>,
}

/// The result of a host function.
pub(in crate::lua) type Hosted = Result<Returned, Raise>;

/// The first tag of things; mlua uses 1.
const FIRST_TAG: c_int = 2;
/// What Luau promises a C function to have room for.
pub(super) const ROOM: u32 = 20;

// === impl Frame ===

impl<'a> Frame<'a> {
    pub(super) fn new(state: *mut lua_State, room: u32) -> Self {
        // SAFETY: the state is open for as long as the frame, which borrows its `Lua` or runs inside of it.
        let arguments = unsafe { ffi::lua_gettop(state) };
        Self { state, room: Cell::new(room), arguments: Cell::new(arguments), _lua: PhantomData }
    }

    /// How many arguments (or results, or values) there were at the beginning.
    pub(in crate::lua) fn len(&self) -> c_int {
        self.arguments.get()
    }

    /// Counts what was pushed so far among the arguments: it stays, and can be borrowed as they can.
    pub(in crate::lua) fn claim(&self) {
        self.arguments.set(self.top());
    }

    pub(in crate::lua) fn kind(&self, at: c_int) -> Kind {
        // SAFETY: any index is answered, one beyond the top by "none".
        match unsafe { ffi::lua_type(self.state, at) } {
            ffi::LUA_TNONE | ffi::LUA_TNIL => Kind::Nil,
            ffi::LUA_TBOOLEAN => Kind::Bool,
            ffi::LUA_TNUMBER => Kind::Number,
            ffi::LUA_TSTRING => Kind::Text,
            ffi::LUA_TTABLE => Kind::Table,
            ffi::LUA_TFUNCTION => Kind::Function,
            ffi::LUA_TUSERDATA => Kind::Thing,
            ffi::LUA_TLIGHTUSERDATA => Kind::Null,
            _ => Kind::Other,
        }
    }

    /// An argument's bytes, if it is a string; numbers are none.
    #[inline]
    pub(in crate::lua) fn text(&self, at: c_int) -> Option<&[u8]> {
        let mut length = 0;
        if at < 1 || at > self.arguments.get() {
            return None;
        }
        // SAFETY: what is no string is null, and left as it is; a string is not moved, and arguments are not popped.
        unsafe {
            let text = ffi::lua_tolstringatom(self.state, at, &raw mut length, std::ptr::null_mut());
            (!text.is_null()).then(|| std::slice::from_raw_parts(text.cast(), length))
        }
    }

    /// A copy of a string that is no argument.
    pub(in crate::lua) fn copy(&self, at: c_int) -> Option<Vec<u8>> {
        let mut length = 0;
        // SAFETY: copied before anything else happens.
        unsafe {
            if ffi::lua_type(self.state, at) != ffi::LUA_TSTRING {
                return None;
            }
            let text = ffi::lua_tolstring(self.state, at, &raw mut length);
            Some(std::slice::from_raw_parts(text.cast(), length).to_vec())
        }
    }

    /// An argument that is a string, and the atom of its text; negative: none.
    #[inline]
    pub(in crate::lua) fn named(&self, at: c_int) -> Option<(&[u8], i32)> {
        let (mut atom, mut length) = (-1, 0);
        if at < 1 || at > self.arguments.get() {
            return None;
        }
        // SAFETY: as in `text`.
        unsafe {
            let text = ffi::lua_tolstringatom(self.state, at, &raw mut length, &raw mut atom);
            (!text.is_null()).then(|| (std::slice::from_raw_parts(text.cast(), length), atom))
        }
    }

    /// The method that is being called, and its atom.
    #[inline]
    pub(in crate::lua) fn method(&self) -> (&str, i32) {
        let mut atom = -1;
        // SAFETY: the name is a constant of the script that calls.
        unsafe {
            let name = ffi::lua_namecallatom(self.state, &raw mut atom);
            if name.is_null() {
                return ("", -1);
            }
            (CStr::from_ptr(name).to_str().unwrap_or_default(), atom)
        }
    }

    pub(in crate::lua) fn number(&self, at: c_int) -> Option<f64> {
        // SAFETY: any index is answered.
        unsafe {
            (ffi::lua_type(self.state, at) == ffi::LUA_TNUMBER)
                .then(|| ffi::lua_tonumberx(self.state, at, std::ptr::null_mut()))
        }
    }

    /// Whether a value is neither nil nor false.
    pub(in crate::lua) fn truth(&self, at: c_int) -> bool {
        // SAFETY: any index is answered.
        unsafe { ffi::lua_toboolean(self.state, at) != 0 }
    }

    /// The host's side of a thing of this noun.
    #[inline]
    pub(in crate::lua) fn thing(&self, at: c_int, noun: u8) -> Option<&Thing> {
        if at < 1 || at > self.arguments.get() {
            return None;
        }
        // SAFETY: a userdata with a tag of ours holds a `Thing`, which lives while the argument is there.
        unsafe { ffi::lua_touserdatatagged(self.state, at, FIRST_TAG + c_int::from(noun)).cast::<Thing>().as_ref() }
    }

    #[inline]
    fn make_room(&self) {
        if self.room.get() == 0 {
            // SAFETY: grows the stack; a depth that Luau refuses is never reached by our bounded pushes.
            unsafe { ffi::lua_rawcheckstack(self.state, ROOM as c_int) };
            self.room.set(ROOM);
        }
        self.room.set(self.room.get() - 1);
    }

    pub(in crate::lua) fn push_nil(&self) {
        self.make_room();
        // SAFETY: there is room.
        unsafe { ffi::lua_pushnil(self.state) };
    }

    /// Pushes JSON's null: a pointer to nothing, the only one that scripts meet.
    pub(in crate::lua) fn push_null(&self) {
        self.make_room();
        // SAFETY: there is room; Luau never follows the pointer.
        unsafe { ffi::lua_pushlightuserdata(self.state, std::ptr::null_mut()) };
    }

    pub(in crate::lua) fn push_bool(&self, value: bool) {
        self.make_room();
        // SAFETY: there is room.
        unsafe { ffi::lua_pushboolean(self.state, c_int::from(value)) };
    }

    pub(in crate::lua) fn push_number(&self, value: f64) {
        self.make_room();
        // SAFETY: there is room.
        unsafe { ffi::lua_pushnumber(self.state, value) };
    }

    #[inline]
    pub(in crate::lua) fn push_text(&self, value: &[u8]) {
        self.make_room();
        // SAFETY: there is room; the bytes are copied.
        unsafe { ffi::lua_pushlstring_(self.state, value.as_ptr().cast(), value.len()) };
    }

    /// Another copy of a value that is there.
    pub(in crate::lua) fn push_value(&self, at: c_int) {
        self.make_room();
        // SAFETY: there is room; an index of nothing is nil.
        unsafe {
            match ffi::lua_type(self.state, at) {
                ffi::LUA_TNONE => ffi::lua_pushnil(self.state),
                _ => ffi::lua_pushvalue(self.state, at),
            }
        }
    }

    pub(in crate::lua) fn push_ref(&self, anchored: Ref) {
        self.make_room();
        // SAFETY: there is room; an unknown reference is nil.
        unsafe { ffi::lua_rawgeti_(self.state, ffi::LUA_REGISTRYINDEX, anchored.0) };
    }

    /// An object of this noun.
    pub(in crate::lua) fn push_thing(&self, noun: u8, number: u32, held: Option<Rc<dyn Any>>) {
        self.make_room();
        let tag = FIRST_TAG + c_int::from(noun);
        // SAFETY: the block is made for a `Thing`, which is written before anything else sees it; `forget_thing` drops it.
        unsafe {
            let block = ffi::lua_newuserdatataggedwithmetatable(self.state, size_of::<Thing>(), tag);
            block.cast::<Thing>().write(Thing { number, held });
        }
    }

    pub(in crate::lua) fn push_table(&self, list: usize, named: usize) {
        self.make_room();
        // SAFETY: there is room; sizes are hints, capped.
        unsafe { ffi::lua_createtable(self.state, list.min(4096) as c_int, named.min(4096) as c_int) };
    }

    /// A host function.
    pub(in crate::lua) fn push_host<F: Fn(&Frame<'_>) -> Hosted + Copy + 'static>(&self, name: &'static CStr, _: F) {
        const { assert!(size_of::<F>() == 0, "a host function captures nothing") };
        self.make_room();
        // SAFETY: there is room; the name is static.
        unsafe { ffi::lua_pushcclosurek(self.state, calls::enter::<F>, name.as_ptr(), 0, None) };
    }

    /// A host function that knows its number.
    pub(in crate::lua) fn push_numbered<F: Fn(&Frame<'_>) -> Hosted + Copy + 'static>(&self, _: F, number: f64) {
        const { assert!(size_of::<F>() == 0, "a host function captures nothing") };
        self.push_number(number);
        // SAFETY: the number is on top and becomes the function's.
        unsafe { ffi::lua_pushcclosurek(self.state, calls::enter::<F>, c"method".as_ptr(), 1, None) };
    }

    /// The number of the host function that runs; only of one that has one.
    pub(in crate::lua) fn number_of_function(&self) -> f64 {
        // SAFETY: a function without a number answers 0.
        unsafe { ffi::lua_tonumberx(self.state, ffi::lua_upvalueindex(1), std::ptr::null_mut()) }
    }

    /// Takes the table on top as the metatable of another.
    pub(in crate::lua) fn set_metatable(&self, table: c_int) {
        if self.kind(table) == Kind::Table && self.kind(-1) == Kind::Table {
            // SAFETY: both are tables; the one on top is taken.
            unsafe { ffi::lua_setmetatable(self.state, table) };
        }
        self.room.set(self.room.get() + 1);
    }

    /// Takes the value on top and sets it as `table[key]`, past metatables.
    pub(in crate::lua) fn set_field(&self, table: c_int, key: &[u8]) {
        self.push_text(key);
        // SAFETY: key and value are on top; the table is one that a caller has made or seen.
        unsafe {
            let table = ffi::lua_absindex(self.state, table);
            let table = if table > 0 { table } else { table + 1 };
            ffi::lua_insert(self.state, -2);
            if ffi::lua_type(self.state, table) == ffi::LUA_TTABLE && ffi::lua_getreadonly(self.state, table) == 0 {
                ffi::lua_rawset(self.state, table);
            } else {
                ffi::lua_settop(self.state, -3);
            }
        }
        self.room.set(self.room.get() + 2);
    }

    /// Takes the value on top and sets it as `table[place]`, counted from 1.
    pub(in crate::lua) fn set_item(&self, table: c_int, place: usize) {
        // SAFETY: the value is on top.
        unsafe {
            if ffi::lua_type(self.state, table) == ffi::LUA_TTABLE && ffi::lua_getreadonly(self.state, table) == 0 {
                ffi::lua_rawseti_(self.state, table, place as c_int);
            } else {
                ffi::lua_settop(self.state, -2);
            }
        }
        self.room.set(self.room.get() + 1);
    }

    /// Takes the key and the value on top and sets them in a table that the host has made.
    pub(in crate::lua) fn set_pair(&self, table: c_int) {
        // SAFETY: both are on top; a key of the host's is neither nil nor NaN.
        unsafe {
            if ffi::lua_type(self.state, table) == ffi::LUA_TTABLE && ffi::lua_getreadonly(self.state, table) == 0 {
                ffi::lua_rawset(self.state, table);
            } else {
                ffi::lua_settop(self.state, -3);
            }
        }
        self.room.set(self.room.get() + 2);
    }

    /// Marks a table: gives it an anchored metatable. Whether it could be.
    pub(in crate::lua) fn mark(&self, table: c_int, by: Ref) -> bool {
        self.make_room();
        // SAFETY: there is room; what is anchored is a table of the host's. A table that has another keeps it.
        unsafe {
            if ffi::lua_type(self.state, table) != ffi::LUA_TTABLE || ffi::lua_getreadonly(self.state, table) != 0 {
                return false;
            }
            if ffi::lua_getmetatable(self.state, table) != 0 {
                ffi::lua_settop(self.state, -2);
                return self.is_marked(table, by);
            }
            ffi::lua_rawgeti_(self.state, ffi::LUA_REGISTRYINDEX, by.0);
            ffi::lua_setmetatable(self.state, table);
            true
        }
    }

    /// Whether a table was marked so.
    pub(in crate::lua) fn is_marked(&self, table: c_int, by: Ref) -> bool {
        self.make_room();
        self.make_room();
        // SAFETY: there is room for both, and both are taken away again.
        unsafe {
            if ffi::lua_type(self.state, table) != ffi::LUA_TTABLE || ffi::lua_getmetatable(self.state, table) == 0 {
                return false;
            }
            ffi::lua_rawgeti_(self.state, ffi::LUA_REGISTRYINDEX, by.0);
            let same = ffi::lua_rawequal(self.state, -1, -2) != 0;
            ffi::lua_settop(self.state, -3);
            self.room.set(self.room.get() + 2);
            same
        }
    }

    /// Pushes `table[place]`, counted from 1, past metatables; nil where it is no table.
    pub(in crate::lua) fn push_item(&self, table: c_int, place: usize) {
        if self.kind(table) != Kind::Table {
            return self.push_nil();
        }
        self.make_room();
        // SAFETY: it is a table, and there is room.
        unsafe { ffi::lua_rawgeti_(self.state, table, place as c_int) };
    }

    /// Pushes the function of bytecode of our own compiler, with globals of its own over those that are here.
    pub(in crate::lua) fn push_loaded(&self, name: &str, bytecode: &[u8]) -> bool {
        let name = std::ffi::CString::new(format!("={name}")).unwrap_or_default();
        self.make_room();
        self.make_room();
        // SAFETY: the new thread stays on the stack until the function has been moved to ours; memory is not refused.
        unsafe {
            let thread = ffi::lua_newthread(self.state);
            ffi::lua_rawcheckstack(thread, 8);
            ffi::luaL_sandboxthread(thread);
            let status = ffi::luau_load(thread, name.as_ptr(), bytecode.as_ptr().cast(), bytecode.len(), 0);
            ffi::lua_xmove(thread, self.state, 1);
            ffi::lua_remove(self.state, -2);
            status == 0
        }
    }

    /// Pushes `table[key]`, past metatables; nil where it is no table.
    pub(in crate::lua) fn push_field(&self, table: c_int, key: &[u8]) {
        // SAFETY: the index is made absolute before the push moves what it counts from.
        let table = unsafe { ffi::lua_absindex(self.state, table) };
        if self.kind(table) != Kind::Table {
            return self.push_nil();
        }
        self.push_text(key);
        // SAFETY: the key is on top and is replaced by the value.
        unsafe { ffi::lua_rawget(self.state, table) };
    }

    /// Steps through a table: 0 begins, a negative place ends; key and value have been pushed until then.
    pub(in crate::lua) fn next(&self, table: c_int, place: c_int) -> c_int {
        if self.kind(table) != Kind::Table {
            return -1;
        }
        self.make_room();
        self.make_room();
        // SAFETY: there is room for both; `place` is 0 or what the last step gave.
        unsafe { ffi::lua_rawiter(self.state, table, place) }
    }

    /// How many items a list has.
    pub(in crate::lua) fn items(&self, table: c_int) -> usize {
        // SAFETY: any value has a length here; what has none has 0.
        unsafe { ffi::lua_objlen_(self.state, table).max(0) as usize }
    }

    /// Pushes the globals.
    pub(in crate::lua) fn push_globals(&self) {
        self.make_room();
        // SAFETY: there is room.
        unsafe { ffi::lua_pushvalue(self.state, ffi::LUA_GLOBALSINDEX) };
    }

    pub(in crate::lua) fn freeze(&self, table: c_int) {
        if self.kind(table) == Kind::Table {
            // SAFETY: it is a table.
            unsafe { ffi::lua_setreadonly(self.state, table, 1) };
        }
    }

    /// Takes the table on top as the metatable of every thing of this noun.
    pub(in crate::lua) fn set_metatable_of(&self, noun: u8) {
        let tag = FIRST_TAG + c_int::from(noun);
        // SAFETY: called once per noun of a new VM, with a table on top.
        unsafe {
            ffi::lua_setuserdatadtor(self.state, tag, Some(calls::forget_thing));
            ffi::lua_setuserdatametatable(self.state, tag);
        }
        self.room.set(self.room.get() + 1);
    }

    pub(in crate::lua) fn pop(&self, count: c_int) {
        // SAFETY: never below the arguments.
        unsafe {
            let top = ffi::lua_gettop(self.state);
            ffi::lua_settop(self.state, (top - count).max(self.arguments.get()));
        }
        self.room.set(self.room.get() + count.max(0) as u32);
    }

    /// Forgets every value; arguments too, which is why it ends the frame.
    pub(in crate::lua) fn clear(self) {
        // SAFETY: nothing points to the values any more.
        unsafe { ffi::lua_settop(self.state, 0) };
    }

    /// Where the value that was pushed last stands.
    pub(in crate::lua) fn top(&self) -> c_int {
        // SAFETY: the state is open.
        unsafe { ffi::lua_gettop(self.state) }
    }

    /// Anchors the value on top and takes it.
    pub(in crate::lua) fn anchor(&self) -> Ref {
        // SAFETY: there is a value on top; luau copies it into its registry.
        unsafe {
            let anchored = ffi::lua_ref(self.state, -1);
            self.pop(1);
            Ref(anchored)
        }
    }

    /// The error on top, as text; of a coroutine that failed.
    pub(super) fn message(&self) -> String {
        let message = self.copy(-1).map(|text| String::from_utf8_lossy(&text).into_owned());
        message.unwrap_or_else(|| match self.kind(-1) {
            Kind::Nil => "an error without a message".to_owned(),
            _ => "an error that is no text".to_owned(),
        })
    }
}
