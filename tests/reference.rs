//! The reference's tables are printed from the program: `docs/reference.md` holds them between markers.
//!
//! `BLESS=1 cargo test --test reference` rewrites them; what stands outside the markers is written by hand.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed test panics")]

#[path = "reference/examples.rs"]
mod examples;

use std::fmt::Write;

use gatewright::config::document::Policy;
use gatewright::config::schema::schema;
use gatewright::failure::Reason;
use gatewright::hook::surface::{Form, Member, Noun, nouns};
use gatewright::hook::table::{Bits, Kind, OnFailure, Row, TABLE, Wait, may};
use gatewright::limits;
use gatewright::observe::metrics::FAMILIES;
use gatewright::policy::catalogue::BuiltIns;
use gatewright::policy::template::PLACEHOLDERS;
use gatewright::policy::{kinds, later};
use gatewright::proxy::answer::status;
use serde_json::Value;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/reference.md");

#[test]
fn the_reference_says_what_the_program_does() {
    let written = std::fs::read_to_string(FILE).expect("docs/reference.md");
    let mut text = written.clone();
    let schema = serde_json::to_value(schema(&BuiltIns)).expect("a schema");
    let parts = [
        ("keys", keys(&schema)),
        ("policies", policies(&schema)),
        ("scripts", scripts(&schema)),
        ("placeholders", placeholders()),
        ("later", sentence(later())),
        ("hooks", hooks()),
        ("lua", lua()),
        ("reasons", reasons()),
        ("metrics", metrics()),
        ("limits", every_limit()),
    ];
    for (name, made) in &parts {
        text = put(&text, name, made);
    }
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(FILE, &text).expect("docs/reference.md can be written");
        return;
    }
    let differing = written.lines().zip(text.lines()).find(|(old, new)| old != new);
    assert!(
        written == text,
        "docs/reference.md is not what the program says; BLESS=1 cargo test --test reference rewrites it\n{differing:?}"
    );
}

#[test]
fn exit_codes_are_documented() {
    let readme = include_str!("../README.md");
    let reference = include_str!("../docs/reference.md");
    let codes = gatewright::cli::exit::HELP.lines().filter_map(|line| line.trim().split_once("  "));
    let mut found = 0;
    for (code, means) in codes.filter(|(code, _)| code.parse::<u8>().is_ok()) {
        let row = format!("| {code} | {} |", means.trim());
        assert!(readme.contains(&row) && reference.contains(&row), "{row}");
        found += 1;
    }
    assert!(found > 5, "{found} exit codes");
}

/// Puts a made part between its markers.
fn put(text: &str, name: &str, made: &str) -> String {
    let (begin, end) = (format!("<!-- made: {name} -->\n"), format!("<!-- end: {name} -->"));
    let (before, rest) = text.split_once(&begin).unwrap_or_else(|| panic!("no {begin}"));
    let (_, after) = rest.split_once(&end).unwrap_or_else(|| panic!("no {end}"));
    format!("{before}{begin}{}\n{end}{after}", made.trim_end())
}

fn cell(text: &str) -> String {
    text.replace('\n', " ").replace('|', "\\|")
}

// === configuration ===

/// Every key of the file, flat: path, what it holds, what it says of itself.
fn keys(schema: &Value) -> String {
    let mut out = "| key | what it is | for example |\n|---|---|---|\n".to_owned();
    rows(schema, schema, "", &|path| format!(" {} |", cell(&examples::example(path))), &mut out);
    out
}

#[test]
fn every_example_passes_check() {
    examples::all_pass();
}

fn policies(schema: &Value) -> String {
    let mut out = String::new();
    let table = &schema["$defs"]["Policy"]["properties"];
    for kind in kinds() {
        let hooks: Vec<&str> = kind.hooks.iter().map(gatewright::hook::Hook::name).collect();
        let places: Vec<String> = kind.places.iter().map(|place| format!("{place:?}").to_lowercase()).collect();
        let (hooks, places) = (hooks.join("`, `"), places.join(", "));
        let _ = writeln!(out, "### `{}`\n", kind.name);
        let _ = writeln!(out, "It {}. Speaks at `{hooks}`; may stand at {places}.\n", kind.about);
        out.push_str("| option | what it is |\n|---|---|\n");
        rows(schema, &table[kind.name], "", &|_| String::new(), &mut out);
        out.push('\n');
    }
    out
}

/// What a policy has that runs a script: the kind `lua`, and the keys beside it.
fn scripts(schema: &Value) -> String {
    let mut out = "| key | what it is | for example |\n|---|---|---|\n".to_owned();
    let mut table = schema["$defs"]["Policy"].clone();
    let properties = table["properties"].as_object_mut().unwrap();
    properties.retain(|key, _| key == "lua" || Policy::BESIDE.contains(&key.as_str()));
    rows(schema, &table, "policies.NAME", &|path| format!(" {} |", cell(&examples::example(path))), &mut out);
    out
}

/// A row for each key below `node`; `more` makes further cells.
fn rows(root: &Value, node: &Value, path: &str, more: &dyn Fn(&str) -> String, out: &mut String) {
    let Some(properties) = table_of(root, node) else { return };
    for (key, value) in properties {
        let mut path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        let about = value["description"].as_str().unwrap_or_default();
        let _ = writeln!(out, "| `{path}` | {} |{}", cell(about), more(&path));
        // A `use` is told once, at the top; a `when` is told as `match`; policies have their own section.
        if key == "when" || key == "policies" || (key == "use" && path != "use") {
            continue;
        }
        let mut inner = value;
        if let Some(items) = inside(root, value, "items") {
            path.push_str("[]");
            inner = items;
        } else if let Some(entries) = inside(root, value, "additionalProperties") {
            path.push_str(".NAME");
            inner = entries;
        }
        rows(root, inner, &path, more, out);
    }
}

/// What a node is, with references followed and alternatives looked into.
fn each<'a>(root: &'a Value, node: &'a Value) -> Vec<&'a Value> {
    let node = match node["$ref"].as_str() {
        Some(name) => &root["$defs"][name.rsplit('/').next().unwrap()],
        None => node,
    };
    match node["anyOf"].as_array() {
        Some(choices) => choices.iter().flat_map(|choice| each(root, choice)).collect(),
        None => vec![node],
    }
}

fn table_of<'a>(root: &'a Value, node: &'a Value) -> Option<&'a serde_json::Map<String, Value>> {
    each(root, node).into_iter().find_map(|node| node["properties"].as_object())
}

fn inside<'a>(root: &'a Value, node: &'a Value, key: &str) -> Option<&'a Value> {
    each(root, node).into_iter().find_map(|node| node.get(key).filter(|inner| inner.is_object()))
}

fn placeholders() -> String {
    sentence(PLACEHOLDERS)
}

fn sentence(words: &[&str]) -> String {
    format!("`{}`\n", words.join("`, `"))
}

// === what scripts may touch ===

fn lua() -> String {
    let mut out = String::new();
    for noun in nouns() {
        let _ = writeln!(out, "### {}\n\n{}\n", heading(noun), noun.about);
        out.push_str("| member | gives | at hooks | what it is |\n|---|---|---|---|\n");
        for member in noun.members {
            let (gives, waits) = (cell(member.gives), if member.waits { " It waits." } else { "" });
            let about = cell(member.about);
            let _ = writeln!(out, "| `{}` | `{gives}` | {} | {about}{waits} |", written(noun, member), places(member));
        }
        out.push('\n');
    }
    out
}

fn heading(noun: &Noun) -> String {
    match noun.at {
        "" => "Globals".to_owned(),
        at if at == noun.name => format!("`{at}`"),
        at => format!("{} (`{at}`)", noun.name),
    }
}

/// A member as a script writes it.
fn written(noun: &Noun, member: &Member) -> String {
    let at = noun.at;
    match member.form {
        Form::Function if at.is_empty() => format!("{}{}", member.name, cell(member.takes)),
        Form::Function => format!("{at}.{}{}", member.name, cell(member.takes)),
        Form::Method => format!("{at}:{}{}", member.name, cell(member.takes)),
        Form::Field | Form::Assignable => format!("{at}.{}", member.name),
        Form::Keyed => format!("{at}[{}]", member.name),
    }
}

fn places(member: &Member) -> String {
    let away: Vec<String> =
        TABLE.iter().filter(|row| !member.is_at(row)).map(|row| format!("`{}`", row.name)).collect();
    match away.len() {
        0 => "all".to_owned(),
        few if few < TABLE.len() / 2 => format!("all but {}", away.join(", ")),
        _ => member.hooks(),
    }
}

// === hooks, reasons, metrics, limits ===

fn hooks() -> String {
    let mut out = "| hook | kind | when | reads | writes | may end with | may wait | when the policy fails |\n\
                   |---|---|---|---|---|---|---|---|\n"
        .to_owned();
    for row in TABLE {
        let verdicts = if row.verdicts.is_empty() { "–".to_owned() } else { row.verdicts.join(", ") };
        let _ = writeln!(
            out,
            "| `{}` | {} | {} | {} | {} | {verdicts} | {} | {} |",
            row.name,
            kind(row),
            row.when,
            names(row.reads),
            names(row.writes),
            match row.wait {
                Wait::Yes => "yes",
                Wait::No => "no",
                Wait::Detached => "yes, detached",
            },
            on_failure(row.on_failure)
        );
    }
    out
}

fn kind(row: &Row) -> &'static str {
    match row.kind {
        Kind::Ask => "ask",
        Kind::Edit => "edit",
        Kind::Look => "look",
        Kind::Life => "life",
    }
}

fn on_failure(on_failure: OnFailure) -> &'static str {
    match on_failure {
        OnFailure::Closed => "closed",
        OnFailure::Abort => "abort",
        OnFailure::Bypass => "bypass",
        OnFailure::Skip => "skip",
        OnFailure::Default => "default policy",
        OnFailure::SendAsIs => "send as is",
        OnFailure::PlainPage => "plain page",
        OnFailure::Ignore => "ignore",
        OnFailure::RefuseGeneration => "refuse the generation",
    }
}

fn names(bits: Bits) -> String {
    let names: Vec<&str> = may::NAMES.iter().filter(|(bit, _)| bits & bit != 0).map(|(_, name)| *name).collect();
    if names.is_empty() { "–".to_owned() } else { names.join(", ") }
}

fn reasons() -> String {
    let mut out = "| reason | fault | status | what the client is told |\n|---|---|---|---|\n".to_owned();
    for reason in Reason::ALL {
        let fault = format!("{:?}", reason.fault()).to_lowercase();
        let _ = writeln!(out, "| `{}` | {fault} | {} | {} |", reason.label(), status(*reason), reason.public());
    }
    out
}

fn metrics() -> String {
    let mut out = "| metric | kind | labels | what it counts |\n|---|---|---|---|\n".to_owned();
    for family in FAMILIES {
        let labels = family.labels.join(", ");
        let _ = writeln!(out, "| `{}` | {} | {labels} | {} |", family.name, family.kind.word(), cell(family.help));
    }
    out
}

fn every_limit() -> String {
    let mut out = "| limit | value | why |\n|---|---|---|\n".to_owned();
    for (name, value, why) in limits::ALL {
        let why: Vec<&str> = why.iter().map(|line| line.trim()).collect();
        let _ = writeln!(out, "| `{name}` | {value} | {} |", cell(&why.join(" ")));
    }
    out
}
