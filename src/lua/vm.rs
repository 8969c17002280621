//! A VM: the libraries, frozen; one policy's script on top of them; its hooks; coroutines to run them in.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::bind::{self, NOUNS, Noun};
use super::compile::Program;
use super::envoy;
use super::life::Timer;
use super::raw::{Frame, Kind, Lua, Ref, Stopped, Thread, watched};
use super::{author, options, sandbox};
use crate::failure::{Failure, Reason};
use crate::hook::budget::{self, Usage};
use crate::hook::table::HOOKS;
use crate::hook::{Hook, Redeemed, Ticket, View, slot};
use crate::http::name::FieldName;
use crate::limits::LUA_SPARE_COROUTINES_MAX;

/// A policy's VM on one worker.
pub(super) struct Vm {
    pub(super) lua: Lua,
    pub(super) program: Arc<Program>,
    hooks: RefCell<[Option<Ref>; HOOKS]>,
    /// The one object of each noun that needs no more than one.
    constants: [Option<Ref>; NOUNS],
    /// Coroutines that have ended well.
    spare: RefCell<Vec<Thread>>,
    /// The script's own coroutine: its globals.
    script: Thread,
    options: Cell<Option<Ref>>,
    pub(super) usage: &'static Usage,
    pub(super) names: Names,
    /// The hook that runs, if any.
    pub(super) hook: Cell<Option<Hook>>,
    /// What the coroutine that yields waits for.
    pub(super) wait: RefCell<Option<Wait>>,
    /// A limit was met: the next call gets another VM.
    pub(super) spent: Cell<bool>,
    /// Lines and requests of the call that runs.
    pub(super) log_lines: Cell<u32>,
    pub(super) calls: Cell<u32>,
    /// What a script of Envoy's needs besides.
    pub(super) envoy: envoy::Place,
    /// Functions that count their lines, for tests of scripts.
    pub(super) counted: RefCell<Vec<(Arc<str>, Ref)>>,
    /// What `every` has asked for, until the policy is loaded.
    pub(super) timers: RefCell<Vec<Timer>>,
    /// What `spawn` has asked for, until the call is over.
    pub(super) detached: RefCell<Vec<Ref>>,
    /// What functions of the library keep for the next call.
    pub(super) kept: bind::Kept,
}

/// Names of fields by the strings that stand for them in the script: the same string has the same place in memory.
pub(super) struct Names(RefCell<[Option<Named>; NAMES]>);

/// A name as written, and made ready.
type Named = (Box<[u8]>, Rc<FieldName>);

/// A script names few fields.
const NAMES: usize = 32;

/// What a coroutine waits for, and how it is told.
pub(super) struct Wait {
    pub(super) tickets: Vec<Ticket>,
    /// Pushes what a redeemed ticket gives.
    pub(super) give: fn(&Frame<'_>, Result<Redeemed, Failure>) -> Result<i32, Failure>,
    /// Several results come as a list.
    pub(super) list: bool,
}

/// A call under way.
pub(super) struct Call {
    pub(super) vm: Rc<Vm>,
    pub(super) hook: Hook,
    thread: Thread,
    /// CPU time of the resumes before this one.
    spent_ns: u64,
    log_lines: u32,
    calls: u32,
    /// When it has waited enough; from its first wait on.
    pub(super) until: Option<u64>,
    /// CPU time of all its resumes.
    pub(super) cpu_ns: u64,
    running: bool,
}

/// How far a call has come.
pub(super) enum Progress {
    /// The results are on the frame.
    Returned,
    Waits(Wait),
}

thread_local! {
    static HERE: Cell<Option<Rc<Vm>>> = const { Cell::new(None) };
}

/// The VM that runs.
pub(super) fn here<R>(look: impl FnOnce(&Rc<Vm>) -> R) -> Option<R> {
    let vm = HERE.take()?;
    let seen = look(&vm);
    HERE.set(Some(vm));
    Some(seen)
}

// === impl Vm ===

impl Vm {
    /// A VM that has run the script's top level; an error says why it could not.
    pub(super) fn new(program: &Arc<Program>) -> Result<Rc<Self>, String> {
        let none = || "there is not enough memory for a VM".to_owned();
        let lua = Lua::new(program.limits.memory, bind::atom).ok_or_else(none)?;
        let (constants, kept) = lua.as_host(|| {
            let frame = lua.main();
            bind::install(&frame);
            (bind::constants(&frame), bind::Kept::new(&frame))
        });
        sandbox::furnish(&lua, &constants)?;
        if program.envoy {
            envoy::furnish(&lua)?;
        }
        let script = lua.thread();
        lua.sandbox(script);
        let vm = Rc::new(Self {
            lua,
            program: program.clone(),
            hooks: RefCell::new([None; HOOKS]),
            constants,
            spare: RefCell::default(),
            script,
            options: Cell::new(None),
            usage: budget::usage(&program.policy),
            names: Names::default(),
            hook: Cell::new(None),
            wait: RefCell::new(None),
            spent: Cell::new(false),
            log_lines: Cell::new(0),
            calls: Cell::new(0),
            envoy: envoy::Place::default(),
            counted: RefCell::default(),
            timers: RefCell::default(),
            detached: RefCell::default(),
            kept,
        });
        vm.run_script()?;
        Ok(vm)
    }

    fn run_script(self: &Rc<Self>) -> Result<(), String> {
        self.lua.as_host(|| {
            let frame = self.lua.frame(self.script);
            frame.push_globals();
            let globals = frame.top();
            options::push(&frame, &self.program.options);
            frame.set_field(globals, b"options");
            frame.pop(1);
        });
        self.lua.load(self.script, &self.program.main.name, &self.program.main.bytecode)?;
        self.lua.as_host(|| self.count(&self.lua.frame(self.script), &self.program.main.name));
        let before = HERE.replace(Some(self.clone()));
        let stopped = {
            let _running = watched().enter(self.lua.target(), self.program.limits.load_cpu_ns, self.usage);
            self.lua.resume(self.script, 0)
        };
        HERE.set(before);
        match stopped {
            Stopped::Returned => {}
            Stopped::Waits => return Err("the top level of a script cannot wait; `load` can".to_owned()),
            Stopped::Failed(message) => return Err(message),
        }
        if self.lua.meter().killed.take() {
            return Err("the top level took more CPU time than it may".to_owned());
        }
        self.lua.as_host(|| {
            let frame = self.lua.frame(self.script);
            frame.push_globals();
            let globals = frame.top();
            options::apply_defaults(&frame, globals);
            frame.push_field(globals, b"options");
            self.options.set(Some(frame.anchor()));
            if self.program.envoy {
                self.envoy.settle(&frame, globals);
            }
            let rows = if self.envoy.speaks() { &[] } else { crate::hook::table::TABLE };
            for row in rows {
                frame.push_field(globals, row.name.as_bytes());
                match frame.kind(-1) {
                    Kind::Function => self.hooks.borrow_mut()[row.hook as usize] = Some(frame.anchor()),
                    _ => frame.pop(1),
                }
            }
            frame.pop(1);
        });
        Ok(())
    }

    /// Remembers the function on top, where lines are counted.
    pub(super) fn count(&self, frame: &Frame<'_>, name: &Arc<str>) {
        if author::is_covering() {
            frame.push_value(-1);
            self.counted.borrow_mut().push((name.clone(), frame.anchor()));
        }
    }

    /// Lends the script's globals.
    pub(super) fn look_at_globals<R>(&self, look: impl FnOnce(&Frame<'_>, i32) -> R) -> R {
        self.lua.as_host(|| {
            let frame = self.lua.frame(self.script);
            frame.push_globals();
            let globals = frame.top();
            let seen = look(&frame, globals);
            frame.pop(frame.top() - globals + 1);
            seen
        })
    }

    /// The globals that the script has set, with what they are.
    pub(super) fn globals(&self) -> Vec<(String, Kind)> {
        self.look_at_globals(|frame, globals| {
            let (mut place, mut found) = (0, Vec::new());
            loop {
                place = frame.next(globals, place);
                if place < 0 {
                    break;
                }
                if let Some(name) = frame.copy(-2) {
                    found.push((String::from_utf8_lossy(&name).into_owned(), frame.kind(-1)));
                }
                frame.pop(2);
            }
            found
        })
    }

    /// The object of a noun that has one.
    pub(super) fn constant(&self, noun: Noun) -> Option<Ref> {
        self.constants[noun as usize]
    }

    pub(super) fn function(&self, hook: Hook) -> Option<Ref> {
        self.hooks.borrow()[hook as usize]
    }

    /// Pushes the options as the script sees them.
    pub(super) fn push_options(&self, frame: &Frame<'_>) {
        match self.options.get() {
            Some(options) => frame.push_ref(options),
            None => frame.push_nil(),
        }
    }

    fn take_thread(&self) -> Thread {
        self.spare.borrow_mut().pop().unwrap_or_else(|| self.lua.thread())
    }

    fn keep_thread(&self, thread: Thread) {
        let mut spare = self.spare.borrow_mut();
        if spare.len() < LUA_SPARE_COROUTINES_MAX {
            spare.push(thread);
        } else {
            drop(spare);
            self.lua.end(thread);
        }
    }
}

// === impl Names ===

impl Names {
    #[inline]
    fn place(name: &[u8]) -> usize {
        (name.as_ptr() as usize >> 5) % NAMES
    }

    #[inline]
    pub(super) fn find(&self, name: &[u8]) -> Option<Rc<FieldName>> {
        let names = self.0.borrow();
        let (known, made) = names[Self::place(name)].as_ref()?;
        (**known == *name).then(|| made.clone())
    }

    pub(super) fn keep(&self, name: &[u8], made: &Rc<FieldName>) {
        self.0.borrow_mut()[Self::place(name)] = Some((name.into(), made.clone()));
    }
}

impl Default for Names {
    fn default() -> Self {
        Self(RefCell::new([const { None }; NAMES]))
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        author::gather(&self.lua, &self.counted.borrow());
    }
}

// === impl Wait ===

impl Wait {
    /// Pushes what has come, and says how many values it is. A failure of the exchange's own ends the call.
    pub(super) fn push(&self, frame: &Frame<'_>, redeemed: Vec<Result<Redeemed, Failure>>) -> Result<i32, Failure> {
        if !self.list {
            return redeemed.into_iter().next().map_or(Ok(0), |one| (self.give)(frame, one));
        }
        frame.push_table(redeemed.len(), 0);
        let table = frame.top();
        for (index, one) in redeemed.into_iter().enumerate() {
            (self.give)(frame, one)?;
            frame.set_item(table, index + 1);
        }
        Ok(1)
    }
}

// === impl Call ===

impl Call {
    /// A call of a hook that the script has; its arguments are the nouns' objects.
    pub(super) fn new(vm: &Rc<Vm>, hook: Hook, arguments: &[Noun]) -> Self {
        let call = Self::of(vm, vm.function(hook).unwrap_or(Ref::NOTHING), hook);
        vm.lua.as_host(|| {
            let frame = call.frame();
            for noun in arguments {
                match vm.constants[*noun as usize] {
                    Some(constant) => frame.push_ref(constant),
                    None => frame.push_nil(),
                }
            }
        });
        call
    }

    /// A call of a function, without arguments so far.
    pub(super) fn of(vm: &Rc<Vm>, function: Ref, hook: Hook) -> Self {
        let thread = vm.take_thread();
        vm.lua.as_host(|| vm.lua.frame(thread).push_ref(function));
        Self {
            vm: vm.clone(),
            hook,
            thread,
            spent_ns: 0,
            log_lines: 0,
            calls: 0,
            until: None,
            cpu_ns: vm.program.limits.cpu_ns,
            running: true,
        }
    }

    /// It goes on at another hook, with what a call may take anew.
    pub(super) fn again(&mut self, hook: Hook) {
        self.hook = hook;
        (self.spent_ns, self.log_lines, self.calls, self.until) = (0, 0, 0, None);
    }

    /// What it returned, or yields.
    pub(super) fn frame(&self) -> Frame<'_> {
        self.vm.lua.frame(self.thread)
    }

    /// Runs until it returns or waits; `arguments` have been pushed.
    pub(super) fn resume(&mut self, view: &mut dyn View, arguments: i32, again: bool) -> Result<Progress, Failure> {
        let vm = &self.vm;
        if self.spent_ns > self.cpu_ns {
            let ms = self.cpu_ns / 1_000_000;
            return Err(policy_failed(format!(
                "it took more than its {ms} ms of CPU time over its waits (limits.cpu)"
            )));
        }
        vm.hook.set(Some(self.hook));
        vm.log_lines.set(self.log_lines);
        vm.calls.set(self.calls);
        let before = HERE.replace(Some(vm.clone()));
        let clock = again.then(budget::thread_cpu_ns);
        let stopped = {
            let _running = watched().enter(vm.lua.target(), self.cpu_ns.saturating_sub(self.spent_ns), vm.usage);
            slot::arm(view, || vm.lua.resume(self.thread, arguments))
        };
        if let Some(clock) = clock {
            self.spent_ns += budget::thread_cpu_ns().saturating_sub(clock);
        }
        HERE.set(before);
        vm.hook.set(None);
        (self.log_lines, self.calls) = (vm.log_lines.get(), vm.calls.get());
        let meter = vm.lua.meter();
        if meter.breached.get() | meter.killed.get() {
            return Err(self.breach());
        }
        match stopped {
            Stopped::Returned => {
                self.running = false;
                Ok(Progress::Returned)
            }
            Stopped::Waits => match vm.wait.borrow_mut().take() {
                Some(wait) => Ok(Progress::Waits(wait)),
                None => Err(policy_failed("the hook yielded, and nobody is there to resume it".to_owned())),
            },
            Stopped::Failed(message) => Err(policy_failed(message)),
        }
    }

    /// A limit was met, whatever the script made of the error.
    fn breach(&self) -> Failure {
        let meter = self.vm.lua.meter();
        if meter.breached.replace(false) {
            self.vm.spent.set(true);
        }
        if meter.killed.take() {
            let place = self.vm.lua.trace(self.thread);
            let ms = self.cpu_ns / 1_000_000;
            return policy_failed(format!("it took more than its {ms} ms of CPU time (limits.cpu){}", at(&place)));
        }
        let bytes = self.vm.program.limits.memory;
        policy_failed(format!("it needs more than its {bytes} bytes of memory (limits.memory); its VM is replaced"))
    }
}

fn at(trace: &str) -> String {
    trace.lines().next().map(|line| format!(" at {line}")).unwrap_or_default()
}

/// What a script did wrong, as the exchange's failure.
pub(super) fn policy_failed(message: String) -> Failure {
    Failure::with(Reason::PolicyFailed, message)
}

impl Drop for Call {
    fn drop(&mut self) {
        if self.running {
            self.vm.lua.end(self.thread);
        } else {
            self.frame().clear();
            self.vm.keep_thread(self.thread);
        }
    }
}

/// Polls every ticket of a wait; ready when all are.
pub(super) fn poll_all(
    view: &mut dyn View,
    tickets: &mut [(Ticket, Option<Result<Redeemed, Failure>>)],
    cx: &mut Context<'_>,
) -> Poll<()> {
    let mut ready = Poll::Ready(());
    for (ticket, redeemed) in tickets.iter_mut().filter(|(_, redeemed)| redeemed.is_none()) {
        match view.poll_ticket(*ticket, cx) {
            Poll::Ready(outcome) => *redeemed = Some(outcome),
            Poll::Pending => ready = Poll::Pending,
        }
    }
    ready
}
