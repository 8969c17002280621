//! Scripts written for Envoy's Lua filter, unmodified: `envoy_on_request` runs at `route` (at a route: at `request`),
//! `envoy_on_response` at `response`. What Envoy hands a script are objects over the same view as everywhere; each method
//! is one function of the files below. A script that waits for chunks or trailers goes on at the hooks of the body.

mod body;
mod call;
mod crypto;
mod handle;
mod headers;
mod info;
mod metadata;
mod run;
mod tls;

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::ffi::CStr;
use std::rc::Rc;
use std::sync::OnceLock;

use super::compile::has_word;
use super::raw::{self, Frame, Hosted, Kind, Lua, Raise, Ref, Returned, Stopped};
use super::vm::{self, Vm, Wait};
use crate::hook::{Answer, Fetch, Hook, HookSet, Refused, Side, View, slot};

pub(super) use run::{begin, soften};

const DIALECT: &str = include_str!("envoy/dialect.luau");

/// Names of the functions that make a script one of Envoy's, by side.
const FUNCTIONS: [&str; 2] = ["envoy_on_request", "envoy_on_response"];

/// What an Envoy script's VM holds beside the rest.
#[derive(Default)]
pub(super) struct Place {
    functions: Cell<[Option<Ref>; 2]>,
    handles: Cell<[Option<Ref>; 2]>,
    /// Why the coroutine that yields without a ticket does so.
    halt: Cell<Option<Halt>>,
    /// Requests nobody waits for, sent when the resume is over.
    sends: RefCell<Vec<Fetch>>,
}

/// What a coroutine has come to.
enum Halt {
    Respond(Box<Answer>),
    Chunk,
    Trailers,
}

/// The kinds of objects, numbered behind the nouns of our own surface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Object {
    RequestHandle = 64,
    ResponseHandle,
    Headers,
    Buffer,
    Metadata,
    DynamicMetadata,
    FilterState,
    StreamInfo,
    Connection,
    ConnectionInfo,
    Ssl,
    ParsedName,
    /// A route or a virtual host: what has metadata.
    Holder,
    Stats,
    PublicKey,
}

/// One method of an object.
struct Method {
    name: &'static CStr,
    call: fn(&Frame<'_>) -> Hosted,
    /// Pushes it as a function, for scripts that take it without calling it.
    push: fn(&Frame<'_>),
}

/// A list of methods.
macro_rules! methods {
    ($($name:literal => $host:expr,)*) => {
        &[$($crate::lua::envoy::Method { name: $name, call: $host, push: |frame| frame.push_host($name, $host) },)*]
    };
}
use methods;

/// What every object can do besides.
const LOGS: &[Method] = methods![
    c"logTrace" => |frame: &Frame<'_>| handle::log(frame, tracing::Level::DEBUG),
    c"logDebug" => |frame: &Frame<'_>| handle::log(frame, tracing::Level::DEBUG),
    c"logInfo" => |frame: &Frame<'_>| handle::log(frame, tracing::Level::INFO),
    c"logWarn" => |frame: &Frame<'_>| handle::log(frame, tracing::Level::WARN),
    c"logErr" => |frame: &Frame<'_>| handle::log(frame, tracing::Level::ERROR),
    c"logCritical" => |frame: &Frame<'_>| handle::log(frame, tracing::Level::ERROR),
];

/// Whether a text may be one of Envoy's: it names what makes it so.
pub(super) fn is_named_in(text: &str) -> bool {
    FUNCTIONS.iter().any(|name| has_word(text, name))
}

/// The hooks at which an Envoy script speaks; `None`: it is none.
pub(super) fn hooks(vm: &Vm, text: &str) -> Option<HookSet> {
    let streams = has_word(text, "bodyChunks") || has_word(text, "trailers");
    let [request, response] = vm.envoy.functions.get().map(|function| function.is_some());
    let mut hooks = HookSet::EMPTY;
    if request {
        hooks = hooks.and(HookSet::of(&[Hook::Route, Hook::Request]));
    }
    if request && streams {
        hooks = hooks.and(HookSet::of(&[Hook::RequestBody]));
    }
    if request && has_word(text, "setUpstreamOverrideHost") {
        hooks = hooks.and(HookSet::of(&[Hook::Balance]));
    }
    if response {
        hooks = hooks.and(HookSet::of(&[Hook::Response]));
    }
    if response && streams {
        hooks = hooks.and(HookSet::of(&[Hook::ResponseBody]));
    }
    (request || response).then_some(hooks)
}

/// Gives a new VM Envoy's objects and what its dialect of Lua has that ours has not.
pub(super) fn furnish(lua: &Lua) -> Result<(), String> {
    static BYTECODE: OnceLock<Result<Vec<u8>, String>> = OnceLock::new();
    let bytecode = BYTECODE.get_or_init(|| raw::compile(DIALECT.as_bytes(), raw::Options::default())).as_ref()?;
    let thread = lua.thread();
    lua.load(thread, "envoy's dialect", bytecode)?;
    let stopped = lua.as_host(|| {
        install(&lua.main());
        let frame = lua.frame(thread);
        frame.push_table(0, 1);
        let host = frame.top();
        frame.push_host(c"each", each);
        frame.set_field(host, b"each");
        lua.resume(thread, 1)
    });
    lua.end(thread);
    match stopped {
        Stopped::Returned => Ok(()),
        Stopped::Waits => Err("envoy's dialect yielded".to_owned()),
        Stopped::Failed(message) => Err(message),
    }
}

fn install(frame: &Frame<'_>) {
    object::<{ Object::RequestHandle as u8 }>(frame);
    object::<{ Object::ResponseHandle as u8 }>(frame);
    object::<{ Object::Headers as u8 }>(frame);
    object::<{ Object::Buffer as u8 }>(frame);
    object::<{ Object::Metadata as u8 }>(frame);
    object::<{ Object::DynamicMetadata as u8 }>(frame);
    object::<{ Object::FilterState as u8 }>(frame);
    object::<{ Object::StreamInfo as u8 }>(frame);
    object::<{ Object::Connection as u8 }>(frame);
    object::<{ Object::ConnectionInfo as u8 }>(frame);
    object::<{ Object::Ssl as u8 }>(frame);
    object::<{ Object::ParsedName as u8 }>(frame);
    object::<{ Object::Holder as u8 }>(frame);
    object::<{ Object::Stats as u8 }>(frame);
    object::<{ Object::PublicKey as u8 }>(frame);
}

/// Sets up one kind of object.
fn object<const OBJECT: u8>(frame: &Frame<'_>) {
    frame.push_table(0, 4);
    let table = frame.top();
    frame.push_host(c"__namecall", |frame: &Frame<'_>| by_name(frame, OBJECT));
    frame.set_field(table, b"__namecall");
    frame.push_host(c"__index", |frame: &Frame<'_>| index(frame, OBJECT));
    frame.set_field(table, b"__index");
    frame.push_host(c"__iter", each);
    frame.set_field(table, b"__iter");
    frame.push_text(b"an object of the proxy");
    frame.set_field(table, b"__metatable");
    frame.freeze(table);
    frame.set_metatable_of(OBJECT);
}

/// How scripts call an object, and what it can do.
fn members(object: u8) -> (&'static str, &'static [Method]) {
    match object {
        n if n == Object::RequestHandle as u8 || n == Object::ResponseHandle as u8 => ("handle", handle::METHODS),
        n if n == Object::Headers as u8 => ("headers", headers::METHODS),
        n if n == Object::Buffer as u8 => ("buffer", body::METHODS),
        n if n == Object::Metadata as u8 => ("metadata", metadata::METHODS),
        n if n == Object::DynamicMetadata as u8 => ("dynamicMetadata", metadata::DYNAMIC),
        n if n == Object::FilterState as u8 => ("filterState", metadata::FILTER_STATE),
        n if n == Object::StreamInfo as u8 => ("streamInfo", info::METHODS),
        n if n == Object::Connection as u8 => ("connection", tls::CONNECTION),
        n if n == Object::ConnectionInfo as u8 => ("connectionStreamInfo", info::CONNECTION),
        n if n == Object::Ssl as u8 => ("ssl", tls::METHODS),
        n if n == Object::ParsedName as u8 => ("parsedSubject", tls::NAME),
        n if n == Object::Holder as u8 => ("route", info::HOLDER),
        n if n == Object::Stats as u8 => ("stats", info::STATS),
        _ => ("key", crypto::KEY),
    }
}

fn find(object: u8, name: &[u8]) -> Option<&'static Method> {
    members(object).1.iter().chain(LOGS).find(|method| method.name.to_bytes() == name)
}

/// `object:name(…)`
fn by_name(frame: &Frame<'_>, object: u8) -> Hosted {
    let (name, _) = frame.method();
    match find(object, name.as_bytes()) {
        Some(method) => (method.call)(frame),
        None => {
            Err(Raise(format!("`{}:{name}()` is not here: Envoy's Lua filter has no such method", members(object).0)))
        }
    }
}

/// `object.name`: the method as a function; of metadata also its values.
fn index(frame: &Frame<'_>, object: u8) -> Hosted {
    let name = text(frame, 2, "__index")?;
    match find(object, &name) {
        Some(method) => (method.push)(frame),
        None if object == Object::Metadata as u8 => return metadata::get(frame),
        None => frame.push_nil(),
    }
    Ok(Returned::Values(1))
}

/// `pairs(object)`
fn each(frame: &Frame<'_>) -> Hosted {
    let is = |object: Object| frame.thing(1, object as u8).is_some();
    if is(Object::Headers) {
        headers::each(frame)
    } else if is(Object::Metadata) {
        metadata::each(frame)
    } else if is(Object::DynamicMetadata) {
        metadata::each_namespace(frame)
    } else {
        Err(Raise("bad argument #1 to 'pairs' (an object that cannot be walked)".to_owned()))
    }
}

// === impl Place ===

impl Place {
    /// Looks at the globals that the script has left, and makes its handles.
    pub(super) fn settle(&self, frame: &Frame<'_>, globals: i32) {
        self.functions.set(FUNCTIONS.map(|name| {
            frame.push_field(globals, name.as_bytes());
            if frame.kind(-1) == Kind::Function {
                return Some(frame.anchor());
            }
            frame.pop(1);
            None
        }));
        self.handles.set([Object::RequestHandle, Object::ResponseHandle].map(|object| {
            frame.push_thing(object as u8, 0, None);
            Some(frame.anchor())
        }));
    }

    /// Whether the script is one of Envoy's.
    pub(super) fn speaks(&self) -> bool {
        self.functions.get().iter().any(Option::is_some)
    }
}

// === what the files below use ===

/// Looks at the exchange, or changes it; `what` is the call as the script wrote it.
fn view<R>(what: &str, look: impl FnOnce(&mut dyn View) -> Result<R, Refused>) -> Result<R, Raise> {
    match slot::with(look) {
        Some(Ok(seen)) => Ok(seen),
        Some(Err(refused)) => Err(Raise(format!("`{what}`: {refused}"))),
        None => Err(Raise(format!("`{what}`: object used outside of proper scope"))),
    }
}

/// The hook that runs.
fn hook() -> Option<Hook> {
    vm::here(|vm| vm.hook.get()).flatten()
}

/// Whether chunks are passing: the head has left.
fn is_streaming() -> bool {
    matches!(hook(), Some(Hook::RequestBody | Hook::ResponseBody))
}

/// Whose callback runs.
fn side() -> Side {
    match hook() {
        Some(Hook::Response | Hook::ResponseBody) => Side::Response,
        _ => Side::Request,
    }
}

/// An argument that is a text, or a number; counted as LuaJIT counts, without the object itself.
fn text<'a>(frame: &'a Frame<'_>, at: i32, method: &str) -> Result<Cow<'a, [u8]>, Raise> {
    if let Some(text) = frame.text(at) {
        return Ok(Cow::Borrowed(text));
    }
    match frame.number(at) {
        Some(number) => Ok(Cow::Owned(number_text(number).into_bytes())),
        None => Err(bad_argument(frame, at, method, "string")),
    }
}

/// A text or a number anywhere among the values.
fn text_at(frame: &Frame<'_>, at: i32) -> Option<Vec<u8>> {
    frame.copy(at).or_else(|| frame.number(at).map(|number| number_text(number).into_bytes()))
}

fn bad_argument(frame: &Frame<'_>, at: i32, method: &str, wanted: &str) -> Raise {
    let found = match frame.kind(at) {
        Kind::Nil if at > frame.len() => "no value",
        Kind::Nil => "nil",
        Kind::Bool => "boolean",
        Kind::Number => "number",
        Kind::Text => "string",
        Kind::Table => "table",
        Kind::Function => "function",
        Kind::Null | Kind::Thing | Kind::Other => "userdata",
    };
    Raise(format!("bad argument #{} to '{method}' ({wanted} expected, got {found})", at - 1))
}

/// A number as LuaJIT writes it: fourteen digits.
fn number_text(number: f64) -> String {
    if !number.is_finite() {
        return if number.is_nan() {
            "nan"
        } else if number > 0.0 {
            "inf"
        } else {
            "-inf"
        }
        .to_owned();
    }
    let scientific = format!("{number:.13e}");
    let (digits, power) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let power: i32 = power.parse().unwrap_or(0);
    let trim = |text: &str| text.trim_end_matches('0').trim_end_matches('.').to_owned();
    if !(-4..14).contains(&power) {
        let sign = if power < 0 { '-' } else { '+' };
        return format!("{}e{sign}{:02}", trim(digits), power.abs());
    }
    let places = (13 - power).max(0) as usize;
    let fixed = format!("{number:.places$}");
    if places == 0 { fixed } else { trim(&fixed) }
}

/// Yields until what was started is redeemed.
fn wait(frame: &Frame<'_>, wait: Wait) -> Hosted {
    let yielded = vm::here(|vm| {
        *vm.wait.borrow_mut() = Some(wait);
        vm.constant(super::bind::Noun::Wait)
    });
    match yielded.flatten() {
        Some(token) => frame.push_ref(token),
        None => return Err(Raise("nothing can wait here".to_owned())),
    }
    Ok(Returned::Waits(1))
}

/// Yields to whoever drives the callback.
fn halt(frame: &Frame<'_>, halt: Halt) -> Hosted {
    vm::here(|vm| vm.envoy.halt.set(Some(halt)));
    wait(frame, Wait { tickets: Vec::new(), give: |_, _| Ok(0), list: false })
}

fn push(frame: &Frame<'_>, object: Object, number: u32) -> Hosted {
    frame.push_thing(object as u8, number, None);
    Ok(Returned::Values(1))
}

fn push_held<T: 'static>(frame: &Frame<'_>, object: Object, held: T) -> Hosted {
    frame.push_thing(object as u8, 0, Some(Rc::new(held)));
    Ok(Returned::Values(1))
}

fn nothing(_: &Frame<'_>) -> Hosted {
    Ok(Returned::Values(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_luajit_does() {
        for (number, text) in [
            (5.0, "5"),
            (-3.0, "-3"),
            (1.5, "1.5"),
            (0.1, "0.1"),
            (1e20, "1e+20"),
            (1e13, "10000000000000"),
            (1e14, "1e+14"),
            (1.0 / 3.0, "0.33333333333333"),
            (1e-5, "1e-05"),
            (0.0, "0"),
        ] {
            assert_eq!(number_text(number), text);
        }
    }
}
