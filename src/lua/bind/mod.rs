//! What scripts touch, bound to the view of the call that runs: a file per noun, each member of `hook/surface` once.

mod access;
mod client;
mod endpoints;
mod exchange;
mod headers;
mod library;
mod log;
mod plain;
mod request;
mod response;
mod verdicts;
mod waiting;

use std::collections::HashMap;
use std::ffi::CStr;
use std::sync::OnceLock;

use access::{as_text, change, describe, field_name, give, nobody, push_constant, push_maybe, refusal, text_argument};

use super::raw::{Frame, Hosted, Raise, Ref};
use crate::hook::surface;

pub(super) use library::Kept;
pub(super) use plain::{plain_at, push_plain};
pub(super) use verdicts::verdict;

/// The kinds of objects that scripts hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Noun {
    Exchange,
    Request,
    Response,
    RequestHeaders,
    ResponseHeaders,
    Client,
    Route,
    Values,
    Endpoints,
    Endpoint,
    Verdict,
    Secret,
    Fetched,
    /// The piece of a body at hand.
    Chunk,
    /// What a coroutine yields while the host waits for it.
    Wait,
    /// A compiled regular expression.
    Pattern,
    /// A set of networks.
    Networks,
}

/// Members of one noun, at most.
const MEMBERS_MAX: usize = 64;

/// How many nouns there are.
pub(super) const NOUNS: usize = 17;

/// A host function over its frame.
pub(super) type Host = fn(&Frame<'_>) -> Hosted;

/// A member of a noun, bound.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bound {
    name: &'static str,
    get: Option<Host>,
    set: Option<Host>,
    call: Option<Host>,
}

/// A noun, bound.
struct Binding {
    noun: Noun,
    /// Its name in the surface; empty: what scripts only hold.
    surface: &'static str,
    members: &'static [Bound],
    /// There is one object of it for all calls.
    constant: bool,
    install: fn(&Frame<'_>),
}

/// Members by noun and atom.
struct Table {
    atoms: HashMap<&'static str, i16>,
    names: usize,
    members: Vec<Option<Bound>>,
}

const BINDINGS: &[Binding] = &[
    Binding {
        noun: Noun::Exchange,
        surface: "Exchange",
        members: exchange::MEMBERS,
        constant: true,
        install: plainly::<0>,
    },
    Binding {
        noun: Noun::Request,
        surface: "Request",
        members: request::MEMBERS,
        constant: true,
        install: plainly::<1>,
    },
    Binding {
        noun: Noun::Response,
        surface: "Response",
        members: response::MEMBERS,
        constant: true,
        install: plainly::<2>,
    },
    Binding {
        noun: Noun::RequestHeaders,
        surface: "Headers",
        members: headers::REQUEST,
        constant: true,
        install: headers::install_request,
    },
    Binding {
        noun: Noun::ResponseHeaders,
        surface: "Headers",
        members: headers::RESPONSE,
        constant: true,
        install: headers::install_response,
    },
    Binding { noun: Noun::Client, surface: "Client", members: client::MEMBERS, constant: true, install: plainly::<5> },
    Binding { noun: Noun::Route, surface: "Route", members: client::ROUTE, constant: true, install: plainly::<6> },
    Binding { noun: Noun::Values, surface: "", members: &[], constant: true, install: exchange::install_values },
    Binding {
        noun: Noun::Endpoints,
        surface: "Endpoints",
        members: endpoints::MEMBERS,
        constant: true,
        install: endpoints::install,
    },
    Binding {
        noun: Noun::Endpoint,
        surface: "Endpoint",
        members: endpoints::ONE,
        constant: false,
        install: plainly::<9>,
    },
    Binding { noun: Noun::Verdict, surface: "", members: &[], constant: false, install: plainly::<10> },
    Binding {
        noun: Noun::Secret,
        surface: "Secret",
        members: SECRET,
        constant: false,
        install: super::options::install_secret,
    },
    Binding {
        noun: Noun::Fetched,
        surface: "Fetched",
        members: waiting::FETCHED,
        constant: false,
        install: plainly::<12>,
    },
    Binding { noun: Noun::Chunk, surface: "Chunk", members: waiting::CHUNK, constant: true, install: plainly::<13> },
    Binding { noun: Noun::Wait, surface: "", members: &[], constant: true, install: plainly::<14> },
    Binding {
        noun: Noun::Pattern,
        surface: "Pattern",
        members: library::regex::MEMBERS,
        constant: false,
        install: plainly::<15>,
    },
    Binding {
        noun: Noun::Networks,
        surface: "Networks",
        members: library::ip::MEMBERS,
        constant: false,
        install: plainly::<16>,
    },
];

const SECRET: &[Bound] = &[Bound::method("prefixed", super::options::prefixed)];

/// Nouns that are frozen tables and not userdata, with the fields that are always the same: those cost a script no call.
const TABLES: &[(Noun, &[(&str, Noun)])] = &[
    (Noun::Request, &[("headers", Noun::RequestHeaders)]),
    (Noun::Response, &[("headers", Noun::ResponseHeaders)]),
    (
        Noun::Exchange,
        &[("request", Noun::Request), ("response", Noun::Response), ("client", Noun::Client), ("values", Noun::Values)],
    ),
];

fn is_table(noun: Noun) -> bool {
    TABLES.iter().any(|(one, _)| *one == noun)
}

/// Sets up metatables and libraries on a new VM's globals.
pub(super) fn install(frame: &Frame<'_>) {
    for binding in BINDINGS.iter().filter(|binding| !is_table(binding.noun)) {
        frame.push_table(0, 4);
        (binding.install)(frame);
        let table = frame.top();
        frame.push_text(b"a thing of the proxy");
        frame.set_field(table, b"__metatable");
        frame.freeze(table);
        frame.set_metatable_of(binding.noun as u8);
    }
    frame.push_globals();
    verdicts::install(frame);
    log::install(frame);
    waiting::install(frame);
    library::install(frame);
    frame.pop(1);
}

/// The objects that each VM has one of.
pub(super) fn constants(frame: &Frame<'_>) -> [Option<Ref>; NOUNS] {
    let mut constants = [None; NOUNS];
    for binding in BINDINGS.iter().filter(|binding| binding.constant && !is_table(binding.noun)) {
        frame.push_thing(binding.noun as u8, 0, None);
        constants[binding.noun as usize] = Some(frame.anchor());
    }
    for (noun, fields) in TABLES {
        push_noun(frame, *noun, fields, &constants);
        constants[*noun as usize] = Some(frame.anchor());
    }
    constants
}

/// Pushes the table that a noun is: constant fields and methods in it, the rest by its metatable.
fn push_noun(frame: &Frame<'_>, noun: Noun, fields: &[(&str, Noun)], constants: &[Option<Ref>]) {
    let binding = &BINDINGS[noun as usize];
    frame.push_table(0, 16);
    let table = frame.top();
    for (name, constant) in fields {
        if let Some(constant) = constants[*constant as usize] {
            frame.push_ref(constant);
            frame.set_field(table, name.as_bytes());
        }
    }
    for (index, member) in binding.members.iter().enumerate().filter(|(_, member)| member.call.is_some()) {
        frame.push_numbered(call_numbered, (noun as usize * MEMBERS_MAX + index) as f64);
        frame.set_field(table, member.name.as_bytes());
    }
    frame.push_table(0, 4);
    (binding.install)(frame);
    let metatable = frame.top();
    frame.push_text(b"a thing of the proxy");
    frame.set_field(metatable, b"__metatable");
    frame.freeze(metatable);
    frame.set_metatable(table);
    frame.freeze(table);
}

/// A method of a noun that is a table.
fn call_numbered(frame: &Frame<'_>) -> Hosted {
    let number = frame.number_of_function() as usize;
    let member = BINDINGS.get(number / MEMBERS_MAX).and_then(|binding| binding.members.get(number % MEMBERS_MAX));
    match member.and_then(|member| member.call) {
        Some(call) => call(frame),
        None => Err(Raise("no such method".to_owned())),
    }
}

/// The number of a name that some noun has a member of; -1: none.
pub(super) fn atom(name: &[u8]) -> i16 {
    let known = std::str::from_utf8(name).ok().and_then(|name| table().atoms.get(name));
    known.copied().unwrap_or(-1)
}

/// Puts a metamethod into the table on top.
pub(super) fn metamethod<F: Fn(&Frame<'_>) -> Hosted + Copy + 'static>(
    frame: &Frame<'_>,
    name: &'static CStr,
    host: F,
) {
    let table = frame.top();
    frame.push_host(name, host);
    frame.set_field(table, name.to_bytes());
}

/// Puts a function into the table on top.
fn function<F: Fn(&Frame<'_>) -> Hosted + Copy + 'static>(frame: &Frame<'_>, name: &'static CStr, host: F) {
    metamethod(frame, name, host);
}

/// A noun with members and nothing else.
fn plainly<const NOUN: u8>(frame: &Frame<'_>) {
    metamethod(frame, c"__index", |frame: &Frame<'_>| index(frame, NOUN));
    metamethod(frame, c"__newindex", |frame: &Frame<'_>| assign(frame, NOUN));
    metamethod(frame, c"__namecall", |frame: &Frame<'_>| call(frame, NOUN));
}

fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(|| {
        let mut atoms = HashMap::new();
        for member in BINDINGS.iter().flat_map(|binding| binding.members) {
            let next = atoms.len() as i16;
            atoms.entry(member.name).or_insert(next);
        }
        let names = atoms.len();
        let mut members = vec![None; names * NOUNS];
        for binding in BINDINGS {
            for member in binding.members {
                members[binding.noun as usize * names + atoms[member.name] as usize] = Some(*member);
            }
        }
        Table { atoms, names, members }
    })
}

#[inline]
fn bound(noun: u8, atom: i32) -> Option<&'static Bound> {
    let table = table();
    let atom = usize::try_from(atom).ok()?;
    table.members.get(noun as usize * table.names + atom)?.as_ref()
}

/// `thing.name`
fn index(frame: &Frame<'_>, noun: u8) -> Hosted {
    let Some((name, atom)) = frame.named(2) else { return Err(unknown(noun, "?")) };
    match bound(noun, atom) {
        Some(Bound { get: Some(get), .. }) => get(frame),
        Some(_) => {
            let name = String::from_utf8_lossy(name);
            Err(Raise(format!("`{0}.{name}` is a method: write `{0}:{name}(…)`", path(noun))))
        }
        None => Err(unknown(noun, &String::from_utf8_lossy(name))),
    }
}

/// `thing.name = value`
fn assign(frame: &Frame<'_>, noun: u8) -> Hosted {
    let Some((name, atom)) = frame.named(2) else { return Err(unknown(noun, "?")) };
    match bound(noun, atom) {
        Some(Bound { set: Some(set), .. }) => set(frame),
        Some(_) => {
            let name = String::from_utf8_lossy(name);
            Err(Raise(format!("`{}.{name}` cannot be assigned", path(noun))))
        }
        None => Err(unknown(noun, &String::from_utf8_lossy(name))),
    }
}

/// `thing:name(…)`
pub(super) fn call(frame: &Frame<'_>, noun: u8) -> Hosted {
    let (name, atom) = frame.method();
    let found = bound(noun, atom);
    match found {
        Some(Bound { call: Some(call), .. }) => call(frame),
        Some(_) => Err(Raise(format!("`{0}.{name}` is a field: write `{0}.{name}`", path(noun)))),
        None => {
            let name = name.to_owned();
            Err(unknown(noun, &name))
        }
    }
}

fn declared(noun: u8) -> Option<&'static surface::Noun> {
    let binding = BINDINGS.get(noun as usize)?;
    surface::nouns().into_iter().find(|known| known.name == binding.surface)
}

/// How a script reaches a noun.
fn path(noun: u8) -> &'static str {
    match BINDINGS.get(noun as usize).map(|binding| binding.noun) {
        Some(Noun::ResponseHeaders) => "exchange.response.headers",
        _ => declared(noun).map_or("this", |noun| noun.at),
    }
}

fn unknown(noun: u8, name: &str) -> Raise {
    let members = declared(noun).map(|noun| noun.members).unwrap_or_default();
    let near = crate::config::similar::nearest(name, members.iter().map(|member| member.name));
    let hint = near.map(|near| format!(" (did you mean `{near}`?)")).unwrap_or_default();
    Raise(format!("`{}` has no `{name}`{hint}", path(noun)))
}

// === impl Bound ===

impl Bound {
    const fn field(name: &'static str, get: Host) -> Self {
        Self { name, get: Some(get), set: None, call: None }
    }

    const fn assignable(name: &'static str, get: Host, set: Host) -> Self {
        Self { name, get: Some(get), set: Some(set), call: None }
    }

    const fn method(name: &'static str, call: Host) -> Self {
        Self { name, get: None, set: None, call: Some(call) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hook::surface::Form;

    #[test]
    fn what_is_declared_is_bound_and_nothing_else() {
        for binding in BINDINGS.iter().filter(|binding| !binding.surface.is_empty()) {
            let noun = declared(binding.noun as u8).expect("a noun of the surface");
            for member in noun.members.iter().filter(|member| member.form != Form::Keyed) {
                let bound = binding.members.iter().find(|bound| bound.name == member.name);
                let bound = bound.unwrap_or_else(|| panic!("{}.{} is not bound", noun.name, member.name));
                assert_eq!(bound.call.is_some(), member.form == Form::Method, "{}.{}", noun.name, member.name);
                assert_eq!(bound.set.is_some(), member.form == Form::Assignable, "{}.{}", noun.name, member.name);
            }
            for bound in binding.members {
                assert!(noun.member(bound.name).is_some(), "{}.{} is not declared", noun.name, bound.name);
            }
        }
        for (index, binding) in BINDINGS.iter().enumerate() {
            assert_eq!(binding.noun as usize, index);
        }
    }
}
