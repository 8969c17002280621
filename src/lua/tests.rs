//! Scripts without a proxy: what the engine makes of them.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::Shelf;
use super::compile::compile;
use super::policy::LuaPolicy;
use crate::config::diagnostic::Span;
use crate::config::node::{Entry, Node, Value};
use crate::config::options::Options;
use crate::config::plan::{Grants, PolicyLimits, Program, Script, Source};
use crate::hook::{ClientFacts, Hook, Nowhere, Policy, Refused, Row, Step, Verdict, View, WorkerParts};
use crate::share::dictionary::Dictionaries;
use crate::share::table::{Kind, Table};

/// A view of nothing.
struct Nothing;

impl View for Nothing {
    fn enter(&mut self, _: &'static Row, _: u16) {}

    fn client(&self) -> Result<&ClientFacts, Refused> {
        Err(Refused::NotGranted)
    }
}

pub(super) fn written(text: &str) -> Program {
    let main = Source { name: "test.lua".into(), text: text.into(), path: None, span: None };
    let script = Script { policy: "test".into(), main, modules: Vec::new(), span: Span::default() };
    Program {
        script: Arc::new(script),
        with: Options::empty(Span::default()),
        limits: PolicyLimits { cpu: Duration::from_millis(50), memory: 8 << 20, ..PolicyLimits::default() },
        grants: Grants::default(),
        on_failure: None,
        trip: None,
    }
}

pub(super) fn policy(text: &str) -> Rc<LuaPolicy> {
    alive(&written(text), &super::Secrets::new())
}

/// One option that is a secret.
pub(super) fn secret_option(key: &str, name: &str) -> Options {
    let entry = |key: &str, value: Node| Entry { key: key.to_owned(), key_span: Span::default(), value };
    let table = |entry: Entry| Node::new(Span::default(), Value::Table(vec![entry]));
    let named = Node::new(Span::default(), Value::String(name.to_owned()));
    Options::of(table(entry(key, table(entry("secret", named)))))
}

/// A dictionary `counters` and the tables `prices` and `networks`, which a policy may be granted.
pub(super) fn with_shelf<R>(secrets: &super::Secrets, run: impl FnOnce(&Shelf<'_>) -> R) -> R {
    let (registry, scripted) = (Dictionaries::new(), Arc::default());
    let table =
        |name: &str, kind, text: &str| (Arc::from(name), Arc::new(Table::parse(kind, text.as_bytes()).unwrap()));
    let tables = [
        table("prices", Kind::Csv, "name,price\napple,3\n"),
        table("networks", Kind::Cidr, "network,country\n10.0.0.0/8,de\n10.1.0.0/16,fr\n"),
        table("rules", Kind::Json, r#"{"a": {"list": [1, null]}}"#),
    ];
    run(&Shelf {
        secrets,
        dictionaries: &[(Arc::from("counters"), registry.open("counters", 1 << 20))].into(),
        tables: &tables.into(),
        registry: &registry,
        scripted: &scripted,
    })
}

pub(super) fn alive(written: &Program, secrets: &super::Secrets) -> Rc<LuaPolicy> {
    let worker = WorkerParts { number: 0, workers: 1, reach: Rc::new(Nowhere) };
    let program = with_shelf(secrets, |shelf| compile(written, shelf)).unwrap_or_else(|found| panic!("{found:?}"));
    LuaPolicy::new(program, &worker, None)
}

/// What calling `request` comes to.
pub(super) fn request(policy: &LuaPolicy) -> Result<Verdict, String> {
    match policy.call(Hook::Request, &mut Nothing) {
        Step::Now(outcome) => outcome.map_err(|failure| failure.to_string()),
        Step::Later(_) => Err("it waits".to_owned()),
    }
}

fn mistakes(text: &str) -> String {
    match with_shelf(&super::Secrets::new(), |shelf| compile(&written(text), shelf)) {
        Ok(_) => String::new(),
        Err(found) => found.iter().map(|one| format!("{} {}\n", one.code, one.message)).collect(),
    }
}

#[test]
fn a_hook_answers_or_passes() {
    let silent = policy("function request(exchange) end");
    assert!(matches!(request(&silent), Ok(Verdict::Pass)));
    let answers = policy("function request(exchange) return answer(403, { ['x-a'] = 'b' }, 'no') end");
    for _ in 0..3 {
        let Ok(Verdict::Answer(answer)) = request(&answers) else { panic!("no answer") };
        assert_eq!((answer.status, answer.body.as_deref()), (403, Some(&b"no"[..])));
        assert_eq!(answer.fields, [("x-a".to_owned(), b"b".to_vec())]);
    }
    assert_eq!(
        request(&policy("function request() return 7 end")).unwrap_err(),
        "policy_failed: test.lua: `request` returned a number; it may return nothing, `answer(…)`"
    );
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    assert!(mistakes("function request( end").starts_with("E0310 the script does not compile: "));
    assert_eq!(
        mistakes("local x = nil\nx.y = 1"),
        "E0311 the script of `test` failed: attempt to index nil with 'y'\n"
    );
    assert_eq!(mistakes("function reqest() end"), "E0312 the global function `reqest` is no hook\n");
    assert_eq!(mistakes("local a = 1"), "E0312 the script of `test` speaks at no hook\n");
    let failed = request(&policy("function request(exchange)\n  error('broken')\nend")).unwrap_err();
    assert_eq!(failed, "policy_failed: test.lua:2: broken");
    let away = request(&policy("function request(exchange)\n  return exchange.request.path\nend")).unwrap_err();
    assert!(away.starts_with("policy_failed: test.lua:2: `exchange.request.path` at `request`: the request is not here; it is at `route`, "), "{away}");
}

#[test]
fn a_loop_ends_and_the_vm_goes_on() {
    let loops = policy(
        "n = 0 function request() n += 1 if n == 1 then pcall(function() while true do end end) while true do end end return answer(200 + n) end",
    );
    let failed = request(&loops).unwrap_err();
    assert!(failed.contains("50 ms of CPU time"), "{failed}");
    assert!(matches!(request(&loops), Ok(Verdict::Answer(answer)) if answer.status == 202));
}

#[test]
fn memory_ends_and_the_vm_is_replaced() {
    let greedy = policy(
        "n = 0 function request() n += 1 if n == 2 then local t = {} pcall(function() while true do t[#t + 1] = string.rep('x', 1e6) end end) end return answer(200 + n) end",
    );
    assert!(matches!(request(&greedy), Ok(Verdict::Answer(answer)) if answer.status == 201));
    let failed = request(&greedy).unwrap_err();
    assert!(failed.contains("memory"), "{failed}");
    assert!(matches!(request(&greedy), Ok(Verdict::Answer(answer)) if answer.status == 201));
}

#[test]
fn a_script_of_envoys_may_have_global_functions_and_says_at_which_hooks_it_speaks() {
    let hooks = |text: &str| {
        with_shelf(&super::Secrets::new(), |shelf| compile(&written(text), shelf)).map(|program| program.hooks).ok()
    };
    let of = |hooks: &[Hook]| Some(crate::hook::HookSet::of(hooks));
    assert_eq!(
        hooks("function shout(x) end\nfunction envoy_on_request(h) shout(h) end"),
        of(&[Hook::Route, Hook::Request])
    );
    assert_eq!(
        hooks("function envoy_on_response(h) for c in h:bodyChunks() do end end"),
        of(&[Hook::Response, Hook::ResponseBody])
    );
    assert_eq!(
        hooks("function envoy_on_request(h) h:setUpstreamOverrideHost('10.0.0.1:80') end"),
        of(&[Hook::Route, Hook::Request, Hook::Balance])
    );
    let ours = "-- ported from envoy_on_request\nfunction request(exchange) end";
    assert_eq!(hooks(ours), of(&[Hook::Request]), "the name alone makes it none");
}
