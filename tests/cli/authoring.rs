//! What authors of policies use: `new`, `test`, and the types in `check`.

use std::fs;
use std::path::Path;

use super::process::{Process, gatewright_in};

const CONFIG: &str = "version: 1
listeners: { web: { bind: 8080 } }
upstreams: { shop: { endpoints: [\"10.0.0.1:80\"] } }
policies: { mine: { lua: { file: mine.lua } } }
routes: [{ use: [mine], to: shop }]
";

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(dir.path().join(name), text).unwrap();
    }
    dir
}

fn lab(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/lab").join(name)).unwrap()
}

#[test]
fn a_new_policy_passes_its_own_test_and_the_check() {
    let dir = folder(&[]);
    let made = gatewright_in(dir.path(), &["new", "lua", "door-man"]);
    assert_eq!(made.code, 0, "{}", made.err);
    assert!(made.out.contains("door-man: { lua: { file: policies/door-man.lua"), "{}", made.out);
    for name in ["door-man.lua", "door-man_test.lua", "gatewright.d.luau", ".luaurc"] {
        assert!(dir.path().join("policies").join(name).is_file(), "{name}");
    }
    let tested = gatewright_in(dir.path(), &["test", "--coverage", "--junit", "out.xml"]);
    assert_eq!(tested.code, 0, "{}{}", tested.out, tested.err);
    assert!(tested.out.contains("3 tests in 1 file: all passed"), "{}", tested.out);
    assert!(tested.out.contains("policies/door-man.lua: 100% of "), "{}", tested.out);
    let junit = fs::read_to_string(dir.path().join("out.xml")).unwrap();
    assert!(junit.contains("tests=\"3\" failures=\"0\"") && junit.contains("line=\"3\""), "{junit}");
    let again = gatewright_in(dir.path(), &["new", "lua", "door-man"]);
    assert_eq!(again.code, 1);
    assert!(again.err.contains("is there already; nothing was written"), "{}", again.err);
    assert_eq!(gatewright_in(dir.path(), &["new", "lua", "Door/Man"]).code, 2);
}

#[test]
fn the_lab_does_what_tests_ask_of_it() {
    let dir = folder(&[("mine.lua", &lab("mine.lua")), ("mine_test.lua", &lab("mine_test.lua"))]);
    let done = gatewright_in(dir.path(), &["test", "mine_test.lua"]);
    assert_eq!(done.code, 0, "{}{}", done.out, done.err);
    let one = gatewright_in(dir.path(), &["test", "--filter", "virtual"]);
    assert!(one.out.contains("\n1 test in 1 file: all passed"), "{}", one.out);
}

#[test]
fn what_fails_is_shown_with_its_place() {
    let dir = folder(&[("wrong.lua", &lab("wrong.lua")), ("wrong_test.lua", &lab("wrong_test.lua"))]);
    let done = gatewright_in(dir.path(), &["test", "--coverage", "--seed", "7", "--junit", "out.xml"]);
    assert_eq!(done.code, 1, "{}", done.out);
    let shown = [
        "wrong_test.lua:3: expected { 1, 2 }, got { 1, 3 }",
        "wrong_test.lua:7: it counts: expected 200, got 500",
        "| policy failed: request: policy_failed: wrong.lua:4: ",
        "| said\t1",
        "wrong_test.lua:12: expected a match of \"^b\", got \"abc\"",
        "error[E0101]: there is no key `listenrs` here",
        "wrong_test.lua:15: error[E0208]: ",
        "wrong_test.lua:18: a test has no `t:requets`",
        "wrong_test.lua:22: it failed\n           at wrong_test.lua:25",
        "the fake of `origin`: wrong_test.lua:30: ",
        "wrong_test.lua:35: `t:options` has to come before the first request",
        "wrong_test.lua:38: no response came in 3600 virtual seconds",
        "not run: 7-8",
        "9 tests in 1 file: 9 FAILED",
        "chance began with --seed 7",
    ];
    for text in shown {
        assert!(done.out.contains(text), "no `{text}` in\n{}", done.out);
    }
    let junit = fs::read_to_string(dir.path().join("out.xml")).unwrap();
    assert!(junit.contains("failures=\"9\"") && junit.contains("expected { 1, 2 }, got { 1, 3 }"), "{junit}");
}

#[test]
fn a_test_file_that_cannot_be_read_fails() {
    let dir = folder(&[("a_test.lua", "test('x', function(t)\n")]);
    let done = gatewright_in(dir.path(), &["test"]);
    assert_eq!(done.code, 1, "{}", done.out);
    assert!(done.out.contains("a_test.lua:2: "), "{}", done.out);
    let none = gatewright_in(folder(&[]).path(), &["test"]);
    assert!(none.code == 1 && none.out.contains("no tests"), "{}", none.out);
    assert_eq!(gatewright_in(dir.path(), &["test", "nowhere"]).code, 2);
}

#[test]
fn tests_run_again_when_the_policy_changes() {
    let dir = folder(&[
        ("a.lua", "function request() return answer(204) end\n"),
        ("a_test.lua", "test('x', function(t) t:expect(t:request('/').status, 204) end)\n"),
    ]);
    let running = Process::start(dir.path(), &["test", "--watch"]);
    running.says("waiting for a change");
    fs::write(dir.path().join("a.lua"), "function request() return answer(418) end\n").unwrap();
    running.says("expected 204, got 418");
}

#[cfg(feature = "types")]
#[test]
fn check_tells_of_types() {
    let loose = "function request(exchange)\n\texchange.request:cookei('a')\nend\n";
    let dir = folder(&[("gatewright.yaml", CONFIG), ("mine.lua", loose)]);
    let warned = gatewright_in(dir.path(), &["check"]);
    assert_eq!(warned.code, 0, "{}", warned.out);
    assert!(warned.out.contains("warning[W0305]: Key 'cookei' not found"), "{}", warned.out);
    assert!(warned.out.contains("--> mine.lua:2:"), "{}", warned.out);
    fs::write(dir.path().join("mine.lua"), format!("--!strict\n{loose}")).unwrap();
    let strict = gatewright_in(dir.path(), &["check"]);
    assert!(strict.code == 1 && strict.out.contains("error[E0314]: "), "{}", strict.out);
}
