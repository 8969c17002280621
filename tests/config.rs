//! Golden configurations: each `tests/config/*.yaml` beside what it means (`.plan`) or what is wrong (`.diagnostic`).
//!
//! `BLESS=1 cargo test --test config` rewrites what is expected.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a failed test panics, and one measures real time")]

#[path = "config/dump.rs"]
mod dump;
#[path = "config/fake.rs"]
mod fake;

use std::path::{Path, PathBuf};

use fake::Fake;
use gatewright::config::check::{check, check_naming};
use gatewright::config::diagnostic::Diagnostic;
use gatewright::config::files::Files;
use gatewright::config::render::{render_all, render_github, render_json};
use gatewright::config::scalar::Environment;
use gatewright::config::schema::schema;
use gatewright::config::source::Sources;
use gatewright::policy::catalogue::BuiltIns;
use proptest::prelude::*;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/config");

fn environment() -> Environment {
    Environment::of(|name| match name {
        "PORT" => Some("8080".into()),
        "PASSWORD" => Some("hunter2".into()),
        "STRUCTURE" => Some("x\nadmin: { bind: 1 }".into()),
        _ => None,
    })
}

/// The golden configurations, in order. Paths in them are relative, so that reports are the same on every machine.
fn cases() -> Vec<PathBuf> {
    cases_in("")
}

fn cases_in(folder: &str) -> Vec<PathBuf> {
    std::env::set_current_dir(FOLDER).unwrap();
    let mut cases: Vec<PathBuf> = std::fs::read_dir(Path::new(".").join(folder))
        .unwrap()
        .map(|entry| Path::new(folder).join(entry.unwrap().file_name()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    cases.sort();
    cases
}

/// Mistakes in the options of the policies that are built in, which need the real catalogue.
#[test]
fn built_in_options_are_told_with_their_places() {
    let mut wrong = Vec::new();
    let cases: Vec<PathBuf> = cases_in("built-in");
    assert!(!cases.is_empty());
    for case in cases {
        let mut sources = Sources::load_with(&case, environment());
        let found = check(&mut sources, &BuiltIns).err().unwrap_or_default();
        expect(&case.with_extension("diagnostic"), &render_all(&found, &sources, false), &mut wrong);
    }
    assert!(wrong.is_empty(), "{}\n{} goldens differ; BLESS=1 accepts them", wrong.join("\n"), wrong.len());
}

fn expect(path: &Path, actual: &str, wrong: &mut Vec<String>) {
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(path, actual).unwrap();
    }
    let expected = std::fs::read_to_string(path).unwrap_or_default();
    if expected != actual {
        wrong.push(format!("--- {} expected\n{expected}\n+++ actual\n{actual}", path.display()));
    }
}

fn clear(path: &Path) {
    if std::env::var_os("BLESS").is_some() {
        let _ = std::fs::remove_file(path);
    }
}

#[test]
fn goldens() {
    let mut wrong = Vec::new();
    let (mut plans, mut mistakes) = (0, 0);
    for case in cases() {
        let mut sources = Sources::load_with(&case, environment());
        let (plan, found) = match check(&mut sources, &Fake) {
            Ok((plan, warnings)) => (Some(plan), warnings),
            Err(found) => (None, found),
        };
        let (plan_path, report_path) = (case.with_extension("plan"), case.with_extension("diagnostic"));
        clear(&plan_path);
        clear(&report_path);
        match plan {
            Some(plan) => {
                plans += 1;
                expect(&plan_path, &dump::dump(&plan), &mut wrong);
            }
            None => {
                mistakes += 1;
                assert!(!plan_path.exists(), "{} has a plan no more", case.display());
            }
        }
        if !found.is_empty() {
            let report = render_all(&found, &sources, false);
            assert!(!report.contains("hunter2"), "{}: a secret is shown\n{report}", case.display());
            expect(&report_path, &report, &mut wrong);
        }
    }
    assert!(wrong.is_empty(), "{}\n{} goldens differ; BLESS=1 accepts them", wrong.join("\n"), wrong.len());
    assert!(plans >= 10 && mistakes >= 50, "{plans} plans, {mistakes} mistakes");
}

/// Whichever of them is mended or made, the configuration is tried again.
#[test]
fn scripts_and_modules_are_inputs_even_where_they_are_missing() {
    for (case, named) in [
        ("good-lua.yaml", "scripts/checks/token.luau"),
        ("lua-sources.yaml", "scripts/nowhere.lua"),
        ("lua-sources.yaml", "scripts/binary.lua"),
        ("lua-modules.yaml", "scripts/lost.lua"),
        ("lua-modules.yaml", "scripts/shared/checks/tokn/init.lua"),
        ("lua-modules.yaml", "linked/out.lua"),
    ] {
        std::env::set_current_dir(FOLDER).unwrap();
        let mut inputs = Vec::new();
        let _ = check_naming(&mut Sources::load_with(Path::new(case), environment()), &Fake, &mut inputs);
        assert!(inputs.iter().any(|path| path == Path::new(named)), "{case}: {inputs:?}");
    }
}

/// What an earlier generation was made of is found again, whatever became of the files.
#[test]
fn scripts_and_modules_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    std::fs::create_dir(folder.path().join("lib")).unwrap();
    let main = folder.path().join("gatewright.yaml");
    write(
        "gatewright.yaml",
        "version: 1\nlisteners: { web: { bind: 80 } }\npolicies: { a: { lua: { file: a.lua, lib: [lib] } } }\nroutes: [{ use: [a] }]\n",
    );
    write("a.lua", "local b = require('b')");
    write("lib/b.lua", "return 1");
    let mut sources = Sources::load(&main);
    check(&mut sources, &BuiltIns).unwrap();
    let kept = Files::kept(sources.kept());
    write("a.lua", "local c = require('c')");
    write("b.lua", "return 2");
    std::fs::remove_dir_all(folder.path().join("lib")).unwrap();
    let mut sources = Sources::load_from(&main, environment(), kept);
    let (plan, _) = check(&mut sources, &BuiltIns).map_err(|found| render_all(&found, &sources, false)).unwrap();
    let script = &plan.routes[0].chain[0].program.as_ref().unwrap().script;
    assert_eq!(&*script.main.text, "local b = require('b')");
    assert_eq!(&*script.modules[0].1.text, "return 1");
}

#[test]
fn good_configurations_fit_the_schema() {
    let schema = schema(&Fake);
    let validator = jsonschema::validator_for(&schema).unwrap();
    let mut refused = Vec::new();
    for case in cases() {
        let text = std::fs::read_to_string(&case).unwrap();
        let Some(value) = dump::as_json(&text) else { continue };
        let good = check(&mut Sources::load_with(&case, environment()), &Fake).is_ok();
        let fits = validator.is_valid(&value);
        let why: Vec<String> =
            validator.iter_errors(&value).map(|error| format!("{} at {}", error, error.instance_path())).collect();
        assert!(fits || !good, "{}: {why:#?}", case.display());
        if !fits {
            refused.push(case.display().to_string());
        }
    }
    for case in ["unknown-key.yaml", "unknown-key-top.yaml", "wrong-shape-listener.yaml", "weight-negative.yaml"] {
        assert!(refused.iter().any(|name| name == case), "{case} fits the schema; refused: {refused:?}");
    }
}

#[test]
fn other_formats_say_the_same() {
    let text = "version: 1\nlisteners: { web: { bind: 8080 } }\nroutes: [{ to: shop }]\n";
    let mut sources = Sources::from_text("gateway.yaml", text);
    let found = check(&mut sources, &Fake).unwrap_err();
    let json: serde_json::Value = serde_json::from_str(&render_json(&found, &sources)).unwrap();
    assert_eq!(json[0]["code"], "E0107");
    assert_eq!(json[0]["places"][0]["line"], 3);
    assert_eq!(json[0]["places"][0]["column"], 16);
    let github = render_github(&found, &sources);
    assert!(
        github.starts_with("::error file=gateway.yaml,line=3,col=16,title=E0107::there is no upstream"),
        "{github}"
    );
    assert!(render_all(&found, &sources, true).contains("\u{1b}["));
}

#[test]
fn expanded_values_are_never_printed() {
    let text = "version: 1\nlisteners: { web: { bind: 8080 } }\npolicies: { p: { redirect: { to: \"${PASSWORD}\" } } }\n\
                routes: [{ use: [p] }]\n";
    let mut sources = Sources::from_text_with("gateway.yaml", text, environment());
    let (plan, _) = check(&mut sources, &Fake).unwrap();
    let shown = format!("{plan:?}");
    assert!(!shown.contains("hunter2"), "{shown}");
    let read: fake::Redirect = plan.routes[0].chain[0].options.read().unwrap();
    assert_eq!(read.to.value, "hunter2");
}

#[test]
fn options_merge_and_have_fingerprints() {
    let plan = |with: &str| {
        let text = format!(
            "version: 1\nlisteners: {{ web: {{ bind: 8080 }} }}\nupstreams: {{ a: {{ endpoints: [\"h:1\"] }} }}\n\
             policies: {{ p: {{ headers: {{ request: {{ set: {{ a: \"1\", b: \"2\" }} }} }} }} }}\n\
             routes: [{{ to: a, use: [{{ policy: p, with: {with} }}] }}]\n"
        );
        let mut sources = Sources::from_text("gateway.yaml", &text);
        check(&mut sources, &Fake)
            .map(|(plan, _)| plan.routes[0].chain[0].options.clone())
            .map_err(|found| render_all(&found, &sources, false))
            .unwrap()
    };
    let (one, same, other) = (
        plan("{ request: { set: { b: \"3\" } }, response: { remove: [x] } }"),
        plan("{ response: { remove: [x] }, request: { set: { b: '3' } } }"),
        plan("{}"),
    );
    assert_eq!(format!("{one:?}"), r#"{"request": {"set": {"a": "1", "b": "3"}}, "response": {"remove": ["x"]}}"#);
    assert_eq!(one.fingerprint(), same.fingerprint());
    assert_ne!(one.fingerprint(), other.fingerprint());
}

/// Texts that look like configurations, and some that do not.
fn yamlish() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "version: 1\n",
        "listeners:",
        "upstreams: {",
        "}",
        "[",
        "]",
        "- ",
        "\n  ",
        "\n",
        ": ",
        ", ",
        "\"",
        "'",
        "${",
        "$${A}",
        "${A:-b}",
        "}",
        "*a",
        "&a ",
        "!!str ",
        "|\n",
        ">-\n ",
        "---\n",
        "...\n",
        "%TAG ! x\n",
        "# c\n",
        "? ",
        "é",
        "\u{feff}",
        "\t",
        "\r\n",
        "routes:\n  - to: ",
        "match: { path: /a/* }",
        "web",
        "bind: 80",
        "use: [any]",
        "~",
        "0x",
        "1e9",
        "<<: ",
        "policies: { p: { any: { a: 1 } } }",
        "failure_pages: { 404: x }",
        "\0",
        "\u{2028}",
        "secrets: { s: { env: A } }",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_bytes_are_harmless(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        gatewright::config::fuzz_config(&bytes);
    }

    #[test]
    fn anything_like_yaml_is_harmless(text in yamlish()) {
        gatewright::config::fuzz_config(text.as_bytes());
    }
}

#[test]
fn hostile_shapes_end_soon() {
    let begun = std::time::Instant::now();
    let bomb = "a: &a [x,x]\nb: [*a,*a]\n".to_owned();
    for text in [
        bomb,
        "[".repeat(1 << 20),
        "{a: ".repeat(1 << 18),
        "- ".repeat(1 << 19),
        "? ".repeat(1 << 19),
        "a: ${A}${A}${A}\n".repeat(1 << 15),
        "x".repeat(1 << 20),
        format!("version: 1\nroutes:\n{}", "  - { to: a, match: { path: /x } }\n".repeat(10_000)),
        format!("a: \"{}", "\\".repeat(1 << 19)),
    ] {
        gatewright::config::fuzz_config(text.as_bytes());
    }
    assert!(begun.elapsed().as_secs() < 60, "{:?}", begun.elapsed());
}

#[test]
fn a_diagnostic_is_small_enough_to_return() {
    assert!(size_of::<Diagnostic>() <= 128);
}
