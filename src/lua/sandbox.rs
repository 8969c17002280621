//! What scripts are not given, and what stands in the place of what Luau gives: the prelude and its host functions.

use std::sync::OnceLock;

use memchr::memmem;

use super::bind::Noun;
use super::raw::{self, Frame, Hosted, Lua, Raise, Ref, Returned, Stopped};
use super::vm;
use crate::clock;

const PRELUDE: &str = include_str!("prelude.luau");

/// Runs the prelude on a new VM.
pub(super) fn furnish(lua: &Lua, constants: &[Option<Ref>]) -> Result<(), String> {
    static BYTECODE: OnceLock<Result<Vec<u8>, String>> = OnceLock::new();
    let bytecode = BYTECODE.get_or_init(|| raw::compile(PRELUDE.as_bytes(), raw::Options::default())).as_ref()?;
    let thread = lua.thread();
    lua.load(thread, "prelude", bytecode)?;
    let stopped = lua.as_host(|| {
        let frame = lua.frame(thread);
        frame.push_table(0, 8);
        let host = frame.top();
        let put = |name: &[u8]| frame.set_field(host, name);
        match constants.get(Noun::Wait as usize).copied().flatten() {
            Some(wait) => frame.push_ref(wait),
            None => frame.push_nil(),
        }
        put(b"wait");
        frame.push_host(c"find", search);
        put(b"search");
        frame.push_host(c"is_plain", is_plain);
        put(b"is_plain");
        frame.push_host(c"split", split);
        put(b"split");
        frame.push_host(c"require", module);
        put(b"module");
        frame.push_host(c"time", now);
        put(b"now");
        frame.push_host(c"clock", ticks);
        put(b"ticks");
        lua.resume(thread, 1)
    });
    lua.end(thread);
    match stopped {
        Stopped::Returned => Ok(()),
        Stopped::Waits => Err("the prelude yielded".to_owned()),
        Stopped::Failed(message) => Err(message),
    }
}

/// `string.find` of a text that is no pattern, linear.
fn search(frame: &Frame<'_>) -> Hosted {
    let (Some(text), Some(wanted)) = (frame.text(1), frame.text(2)) else {
        return Err(Raise("string.find takes two strings".to_owned()));
    };
    let from = frame.number(3).unwrap_or(1.0);
    let from = if from < 0.0 { (text.len() as f64 + from).max(0.0) } else { (from - 1.0).max(0.0) } as usize;
    match text.get(from..).and_then(|rest| memmem::find(rest, wanted)) {
        Some(at) => {
            frame.push_number((from + at + 1) as f64);
            frame.push_number((from + at + wanted.len()) as f64);
            Ok(Returned::Values(2))
        }
        None => {
            frame.push_nil();
            Ok(Returned::Values(1))
        }
    }
}

/// Whether a pattern is a plain text.
fn is_plain(frame: &Frame<'_>) -> Hosted {
    let special = |byte: &u8| b"^$*+?.([%-".contains(byte);
    frame.push_bool(frame.text(1).is_some_and(|pattern| !pattern.iter().any(special)));
    Ok(Returned::Values(1))
}

/// `string.split`, linear.
fn split(frame: &Frame<'_>) -> Hosted {
    let Some(text) = frame.text(1) else { return Err(Raise("string.split takes a string".to_owned())) };
    let by = frame.text(2).unwrap_or(b",");
    frame.push_table(4, 0);
    let (table, mut place) = (frame.top(), 0);
    let mut part = |part: &[u8]| {
        place += 1;
        frame.push_text(part);
        frame.set_item(table, place);
    };
    if by.is_empty() {
        text.chunks(1).for_each(part);
        return Ok(Returned::Values(1));
    }
    let mut start = 0;
    for at in memmem::find_iter(text, by) {
        part(&text[start..at]);
        start = at + by.len();
    }
    part(&text[start..]);
    Ok(Returned::Values(1))
}

/// The function of a module, which `require` runs.
fn module(frame: &Frame<'_>) -> Hosted {
    let Some(name) = frame.text(1) else { return Err(Raise("require takes a module's name".to_owned())) };
    let loaded = vm::here(|vm| {
        let unit = vm.program.module(name)?;
        let loaded = frame.push_loaded(&unit.name, &unit.bytecode);
        vm.count(frame, &unit.name);
        Some(loaded)
    });
    match loaded.flatten() {
        Some(true) => Ok(Returned::Values(1)),
        Some(false) => Err(Raise("the module does not load".to_owned())),
        None => {
            let name = String::from_utf8_lossy(name);
            Err(Raise(format!(
                "there is no module `{name}` among what was found when the script was read: require it by a plain string"
            )))
        }
    }
}

/// Seconds since 1970, by the proxy's clock.
fn now(frame: &Frame<'_>) -> Hosted {
    let since = clock::wall().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    frame.push_number(since.as_secs_f64());
    Ok(Returned::Values(1))
}

/// Seconds of a clock that only goes forward.
fn ticks(frame: &Frame<'_>) -> Hosted {
    frame.push_number(clock::now() as f64 / 1000.0);
    Ok(Returned::Values(1))
}
