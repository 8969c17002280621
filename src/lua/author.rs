//! Luau for whoever writes policies: VMs in which tests run, and which lines of scripts have run. Nothing of it is there
//! while the proxy serves.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use super::raw::{self, Kind, Lines, Lua, Options, Ref, Stopped, Thread, watched};
use super::{bind, sandbox};
use crate::hook::Plain;
use crate::hook::budget::{self, Usage};
use crate::limits::{LAB_CPU_MS, LAB_MEMORY_BYTES, PLAIN_ITEMS_MAX};

/// A text, compiled.
#[derive(Clone)]
pub struct Code {
    name: Arc<str>,
    bytecode: Arc<[u8]>,
}

/// A VM with texts that are the author's own: no policy, and no exchange.
pub struct Bench {
    lua: Lua,
    script: Thread,
    usage: &'static Usage,
}

/// A function of it that runs.
pub struct Task {
    bench: Rc<Bench>,
    thread: Thread,
}

/// How it stopped.
#[derive(Debug)]
pub enum Paused {
    Returned(Plain),
    /// It yielded this, and goes on with what it is given.
    Asks(Plain),
    /// What was raised, and the lines that led there, innermost first.
    Failed(String, String),
}

/// Sources by name: how often each line that is code has run.
pub type Covered = BTreeMap<Arc<str>, BTreeMap<u32, u32>>;

thread_local! {
    /// `None`: nobody wants to know.
    static COVERED: RefCell<Option<Covered>> = const { RefCell::new(None) };
}

/// From here on scripts that this thread compiles count their lines.
pub fn cover() {
    COVERED.set(Some(Covered::new()));
}

/// What VMs of this thread that have ended have counted.
#[must_use]
pub fn covered() -> Covered {
    COVERED.take().unwrap_or_default()
}

/// How scripts are compiled on this thread.
pub(super) fn options() -> Options {
    Options { coverage: is_covering(), ..Options::default() }
}

/// Whether the functions of scripts have to be kept, to be asked for their lines.
pub(super) fn is_covering() -> bool {
    COVERED.with_borrow(Option::is_some)
}

/// Takes what the functions of a VM that ends have counted.
pub(super) fn gather(lua: &Lua, functions: &[(Arc<str>, Ref)]) {
    COVERED.with_borrow_mut(|all| {
        let Some(all) = all else { return };
        for (name, function) in functions {
            lua.count_lines(*function, all.entry(name.clone()).or_insert_with(Lines::new));
        }
    });
}

// === impl Code ===

impl Code {
    /// Compiles a text; an error with its line.
    pub fn new(name: &str, text: &str) -> Result<Self, String> {
        let bytecode = raw::compile(text.as_bytes(), Options { frames: true, ..Options::default() })
            .map_err(|why| format!("{name}:{why}"))?;
        Ok(Self { name: name.into(), bytecode: bytecode.into() })
    }
}

// === impl Bench ===

impl Bench {
    /// A VM that has run these texts, one after the other, over the same globals.
    pub fn new(texts: &[Code]) -> Result<Rc<Self>, String> {
        let lua = Lua::new(LAB_MEMORY_BYTES, bind::atom).ok_or("there is not enough memory for a VM")?;
        let constants = lua.as_host(|| {
            let frame = lua.main();
            bind::install(&frame);
            bind::constants(&frame)
        });
        sandbox::furnish(&lua, &constants)?;
        let script = lua.thread();
        lua.sandbox(script);
        let bench = Rc::new(Self { lua, script, usage: budget::usage(&"a test".into()) });
        for text in texts {
            bench.lua.load(script, &text.name, &text.bytecode)?;
            match bench.resume(script, 0) {
                Paused::Returned(_) => bench.lua.frame(script).clear(),
                Paused::Asks(_) => return Err(format!("{}: nothing can be awaited outside of `test`", text.name)),
                Paused::Failed(why, _) => return Err(why),
            }
        }
        Ok(bench)
    }

    /// Calls a global function; nothing of it has run yet.
    pub fn call(self: &Rc<Self>, function: &str) -> Task {
        let thread = self.lua.thread();
        self.lua.as_host(|| {
            let globals = self.lua.frame(self.script);
            globals.push_globals();
            globals.push_field(-1, function.as_bytes());
            let found = globals.anchor();
            globals.pop(1);
            self.lua.frame(thread).push_ref(found);
            self.lua.release(found);
        });
        Task { bench: self.clone(), thread }
    }

    fn resume(&self, thread: Thread, arguments: i32) -> Paused {
        let stopped = {
            let _running = watched().enter(self.lua.target(), LAB_CPU_MS * 1_000_000, self.usage);
            self.lua.resume(thread, arguments)
        };
        // The error has said so already; who caught it goes on.
        self.lua.meter().killed.set(false);
        let plainly = |why: String| Paused::Failed(why, String::new());
        let given = || {
            let frame = self.lua.frame(thread);
            match frame.kind(1) {
                Kind::Nil => Ok(Plain::Nil),
                _ => bind::plain_at(&frame, 1, &mut PLAIN_ITEMS_MAX.clone()).map_err(|raise| raise.0),
            }
        };
        match stopped {
            Stopped::Failed(message) => Paused::Failed(message, self.lua.trace(thread)),
            Stopped::Returned => given().map_or_else(plainly, Paused::Returned),
            Stopped::Waits => given().map_or_else(plainly, Paused::Asks),
        }
    }
}

// === impl Task ===

impl Task {
    /// Begins with these arguments, or goes on with them as what was asked for.
    pub fn go_on(&mut self, given: &[Plain], begins: bool) -> Paused {
        let lua = &self.bench.lua;
        lua.as_host(|| {
            if !begins {
                lua.frame(self.thread).clear();
            }
            let frame = lua.frame(self.thread);
            for one in given {
                bind::push_plain(&frame, one);
            }
        });
        self.bench.resume(self.thread, given.len() as i32)
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.bench.lua.end(self.thread);
    }
}
