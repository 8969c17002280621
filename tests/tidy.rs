//! The house rules that a compiler does not know, as a test: floors, sizes, words, and what stands only in named files.
//!
//! Everything wrong is told at once, with file, line and remedy. Text is read by a small scanner that knows comments,
//! strings and braces and nothing else; it errs towards silence, never towards a false alarm.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed test panics")]

use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};

/// A room imports only from rooms below its own floor. Rooms on one floor do not import each other.
const FLOORS: &[&[&str]] = &[
    &["limits"],
    &["failure", "clock", "drain", "tls"],
    &["http", "observe", "library"],
    &["wire", "share"],
    &["config"],
    &["hook"],
    &["policy", "lua", "wasm"],
    &["cache", "upstream", "listen", "relay"],
    &["snapshot"],
    &["proxy"],
    &["worker"],
    &["control"],
    &["admin", "lab"],
    &["main", "cli"],
];

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;

/// Words that are not names here, with the word to use.
const BANNED: &[(&str, &str)] = &[
    ("downstream", "client"),
    ("backend", "upstream or endpoint"),
    ("middleware", "policy"),
    ("plugin", "policy"),
    ("phase", "hook"),
    ("pipeline", "chain"),
    ("stack", "chain"),
    ("consumer", "identity"),
    ("session", "exchange, or stream"),
    ("manager", "what it does"),
    ("context", "exchange, or what is in it"),
    ("util", "what it does"),
    ("utils", "what it does"),
    ("common", "what it does"),
    ("helper", "what it does"),
    ("helpers", "what it does"),
    ("types", "what they describe"),
];

/// Files with `unsafe`, each with its reason. The block itself says its invariant.
const UNSAFE: &[(&str, &str)] = &[
    ("hook/budget.rs", "another thread's CPU clock"),
    ("hook/slot.rs", "a borrow that crosses an engine's stack"),
    ("lua/hash.rs", "a C symbol that Luau calls"),
    ("lua/raw/calls.rs", "Luau's C API"),
    ("lua/raw/frame.rs", "Luau's C API"),
    ("lua/raw/lines.rs", "Luau's C API"),
    ("lua/raw/mod.rs", "Luau's C API"),
];

/// Files that hold a lock, each with its reason. None of them is taken on the way of a plain request.
const LOCKS: &[(&str, &str)] = &[
    ("hook/budget.rs", "the watchdog's; taken when a call is over its budget, or a VM ends"),
    ("upstream/directory.rs", "names and endpoint lists; a worker locks only when a list's version has changed"),
    ("config/files.rs", "what a configuration was read from; taken while one is loaded, and at no other time"),
    ("share/addresses.rs", "connections by client address; one look per connection, only where that is limited"),
    ("observe/scripted.rs", "metrics of scripts; taken when a VM first uses a series, and by a scrape"),
    ("share/dictionary/mod.rs", "shared dictionaries; each operation is one short step in one of many parts"),
];

/// Files that read the time, each with its reason.
const TIME: &[(&str, &str)] = &[("clock.rs", "it is the reader of time")];

/// Where `Deserialize` may be derived: what is written by people, and nowhere else.
const DOCUMENTS: &[&str] = &["config/", "policy/"];

struct Source {
    /// Below `src/`.
    name: String,
    text: String,
    /// The same text, line by line, with comments and the insides of strings blanked.
    code: Vec<String>,
    /// The line (from 0) at which the tests begin.
    tests_from: usize,
}

struct Fault {
    place: String,
    what: String,
    remedy: String,
}

#[test]
fn the_house_is_tidy() {
    let sources = sources();
    assert!(!sources.is_empty(), "no sources under src/");
    let mut faults = Vec::new();
    for source in &sources {
        header(source, &mut faults);
        floors(source, &mut faults);
        sizes(source, &mut faults);
        words(source, &mut faults);
        unfinished(source, &mut faults);
        only_there(source, &mut faults);
    }
    stale_lists(&sources, &mut faults);
    changelog(&mut faults);
    let told: Vec<String> = faults.iter().map(Fault::to_string).collect();
    assert!(faults.is_empty(), "{} things are out of order\n\n{}\n", faults.len(), told.join("\n"));
}

// === the rules ===

fn header(source: &Source, faults: &mut Vec<Fault>) {
    if !source.text.starts_with("//!") {
        faults.push(source.fault(0, "no header", "begin with `//!`: what lives here, what must never, and why"));
    }
}

fn floors(source: &Source, faults: &mut Vec<Fault>) {
    let room = source.room();
    if room == "lib" {
        return;
    }
    let Some(own) = floor_of(room) else {
        return faults.push(source.fault(0, &format!("`{room}` is on no floor"), "give it a floor in tests/tidy.rs"));
    };
    for (line, there) in imports(&source.code[..source.tests_from]) {
        match floor_of(&there) {
            _ if there == room => {}
            Some(floor) if floor < own => {}
            Some(floor) if floor == own => faults.push(source.fault(
                line,
                &format!("`{room}` imports `{there}` on its own floor ({own})"),
                "let them meet on a floor above, or move what both need to one below",
            )),
            Some(floor) => faults.push(source.fault(
                line,
                &format!("`{room}` (floor {own}) imports `{there}` (floor {floor}) above it"),
                "hand it down as an argument or a trait, or move it below",
            )),
            None => {
                faults.push(source.fault(line, &format!("`{there}` is on no floor"), "give it one in tests/tidy.rs"))
            }
        }
    }
}

fn sizes(source: &Source, faults: &mut Vec<Fault>) {
    if source.code.len() > FILE_LINES_MAX {
        let what = format!("{} lines; at most {FILE_LINES_MAX}", source.code.len());
        faults.push(source.fault(0, &what, "cut it where its two subjects meet"));
    }
    for (line, name, lines) in functions(&source.code[..source.tests_from]) {
        if lines > FUNCTION_LINES_MAX {
            let what = format!("`fn {name}` has {lines} lines; at most {FUNCTION_LINES_MAX}");
            faults.push(source.fault(line, &what, "keep the branches, move straight pure leaves out"));
        }
    }
}

fn words(source: &Source, faults: &mut Vec<Fault>) {
    for part in source.name.trim_end_matches(".rs").split('/') {
        if let Some((word, better)) = banned_in(part) {
            faults.push(source.fault(0, &format!("`{word}` in the file's name"), &format!("say {better}")));
        }
    }
    for (line, text) in source.code.iter().enumerate() {
        for name in declared(text) {
            if let Some((word, better)) = banned_in(&name) {
                faults.push(source.fault(line, &format!("`{word}` in the name `{name}`"), &format!("say {better}")));
            }
        }
    }
}

fn unfinished(source: &Source, faults: &mut Vec<Fault>) {
    for (line, text) in source.text.lines().enumerate() {
        for word in ["FIXME", "TODO", "XXX"] {
            if text.split(|c: char| !c.is_alphanumeric()).any(|part| part == word) {
                faults.push(source.fault(
                    line,
                    &format!("`{word}`"),
                    "do it now, or open an issue and say here what holds",
                ));
            }
        }
    }
    for (line, text) in source.code.iter().enumerate() {
        for call in ["todo!", "unimplemented!", "dbg!"] {
            if has_word(text, call) {
                faults.push(source.fault(line, &format!("`{call}`"), "finish it, or refuse with a reason"));
            }
        }
    }
}

fn only_there(source: &Source, faults: &mut Vec<Fault>) {
    let in_list = |list: &[(&str, &str)]| list.iter().any(|(file, _)| *file == source.name);
    for (line, text) in source.code[..source.tests_from].iter().enumerate() {
        let mut forbid = |what: &str, remedy: &str| faults.push(source.fault(line, what, remedy));
        if has_word(text, "unsafe") && !in_list(UNSAFE) {
            forbid("`unsafe`", "find a safe way, or list the file in tests/tidy.rs with its reason");
        }
        if ["Mutex", "RwLock"].iter().any(|lock| has_word(text, lock)) && !in_list(LOCKS) {
            forbid("a lock", "keep it per worker, send a message, or list the file in tests/tidy.rs with its reason");
        }
        if ["Instant::now", "SystemTime::now"].iter().any(|now| has_word(text, now)) && !in_list(TIME) {
            forbid("a clock of its own", "ask `clock`, so that tests and the lab own time");
        }
        let derives = text.contains("derive(") && has_word(text, "Deserialize");
        if derives && !DOCUMENTS.iter().any(|room| source.name.starts_with(room)) {
            forbid("`Deserialize` outside documents", "read it in config/document or in a policy's options");
        }
    }
}

fn stale_lists(sources: &[Source], faults: &mut Vec<Fault>) {
    for (file, _) in UNSAFE.iter().chain(LOCKS).chain(TIME) {
        let built = sources.iter().any(|source| source.name == *file);
        if !built && *file != "clock.rs" {
            let remedy = "take it off its list".to_owned();
            faults.push(Fault {
                place: "tests/tidy.rs".to_owned(),
                what: format!("src/{file} is listed and gone"),
                remedy,
            });
        }
    }
}

fn changelog(faults: &mut Vec<Fault>) {
    let text = read(&root().join("CHANGELOG.md"));
    let mut fault = |line: usize, what: &str, remedy: &str| {
        let place = format!("CHANGELOG.md:{}", line + 1);
        faults.push(Fault { place, what: what.to_owned(), remedy: remedy.to_owned() });
    };
    let releases: Vec<(usize, &str)> = text.lines().enumerate().filter(|(_, line)| line.starts_with("## ")).collect();
    if releases.first().is_none_or(|(_, line)| *line != "## Unreleased") {
        fault(0, "no open section on top", "let the first `##` be `## Unreleased`");
    }
    for (line, title) in releases.iter().skip(1) {
        let version = title.trim_start_matches("## ").split(' ').next().unwrap_or_default();
        if version.split('.').count() != 3 || !version.split('.').all(|part| part.parse::<u32>().is_ok()) {
            fault(*line, "a section that is no release", "write `## 1.2.3 (2026-01-31)`");
        }
    }
    const KINDS: [&str; 6] = ["Added", "Changed", "Fixed", "Removed", "Security", "Performance"];
    for (line, text) in text.lines().enumerate() {
        if text.strip_prefix("### ").is_some_and(|kind| !KINDS.contains(&kind)) {
            fault(line, &format!("not a kind of change: `{text}`"), &format!("one of {}", KINDS.join(", ")));
        }
    }
}

// === reading ===

impl Source {
    /// The room a file belongs to: the first part of its path.
    fn room(&self) -> &str {
        self.name.split('/').next().unwrap_or_default().trim_end_matches(".rs")
    }

    fn fault(&self, line: usize, what: &str, remedy: &str) -> Fault {
        let place = format!("src/{}:{}", self.name, line + 1);
        Fault { place, what: what.to_owned(), remedy: remedy.to_owned() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}\n    {}", self.place, self.what, self.remedy)
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn sources() -> Vec<Source> {
    let mut folders = vec![root().join("src")];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder to walk") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root().join("src")).expect("a path below src").display().to_string();
                sources.push(source(name, read(&path)));
            }
        }
    }
    sources.sort_by(|a, b| a.name.cmp(&b.name));
    sources
}

fn source(name: String, text: String) -> Source {
    let code: Vec<String> = blank(&text).lines().map(str::to_owned).collect();
    let begins =
        |at: usize| code[at].trim() == "#[cfg(test)]" && code.get(at + 1).is_some_and(|next| has_word(next, "mod"));
    let tests = (0..code.len()).find(|at| begins(*at));
    // A file that is nothing but tests of its neighbour is tests from its first line.
    let only_tests = name.ends_with("/tests.rs") || name.ends_with("_tests.rs");
    let tests_from = if only_tests { 0 } else { tests.unwrap_or(code.len()) };
    Source { name, text, code, tests_from }
}

/// Blanks comments, strings and character literals, and keeps every line where it was.
fn blank(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut code = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = match bytes[at] {
            b'/' if bytes[at..].starts_with(b"//") => line_end(bytes, at),
            b'/' if bytes[at..].starts_with(b"/*") => block_end(bytes, at),
            b'"' => string_end(bytes, at),
            b'r' if raw_string(bytes, at).is_some() => raw_string(bytes, at).unwrap_or(at + 1),
            b'\'' => char_end(bytes, at),
            _ => at,
        };
        if end == at {
            at += 1;
            continue;
        }
        let end = end.min(bytes.len());
        code[at..end].iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b' ');
        at = end;
    }
    String::from_utf8_lossy(&code).into_owned()
}

fn line_end(bytes: &[u8], at: usize) -> usize {
    bytes[at..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |length| at + length)
}

fn block_end(bytes: &[u8], at: usize) -> usize {
    let (mut depth, mut here) = (0, at);
    while here < bytes.len() {
        if bytes[here..].starts_with(b"/*") {
            (depth, here) = (depth + 1, here + 2);
        } else if bytes[here..].starts_with(b"*/") {
            (depth, here) = (depth - 1, here + 2);
            if depth == 0 {
                return here;
            }
        } else {
            here += 1;
        }
    }
    here
}

fn string_end(bytes: &[u8], at: usize) -> usize {
    let mut here = at + 1;
    while here < bytes.len() && bytes[here] != b'"' {
        here += if bytes[here] == b'\\' { 2 } else { 1 };
    }
    here + 1
}

/// The end of a raw string that begins here (`r"`, `r#"`), and none when none begins.
fn raw_string(bytes: &[u8], at: usize) -> Option<usize> {
    let inside_a_name =
        at > 0 && (bytes[at - 1].is_ascii_alphanumeric() && bytes[at - 1] != b'b' || bytes[at - 1] == b'_');
    let hashes = bytes[at + 1..].iter().take_while(|byte| **byte == b'#').count();
    if inside_a_name || bytes.get(at + 1 + hashes) != Some(&b'"') {
        return None;
    }
    let close = [b"\"".as_slice(), &b"#".repeat(hashes)].concat();
    let body = at + 2 + hashes;
    let end = bytes[body..].windows(close.len()).position(|window| window == close);
    Some(end.map_or(bytes.len(), |length| body + length + close.len()))
}

/// The end of a character literal; a lifetime ends where it begins.
fn char_end(bytes: &[u8], at: usize) -> usize {
    match bytes.get(at + 1) {
        Some(b'\\') => bytes[at + 3..].iter().position(|byte| *byte == b'\'').map_or(at, |length| at + 3 + length + 1),
        Some(first) => {
            let width = if *first < 0x80 { 1 } else { (*first).leading_ones() as usize };
            if bytes.get(at + 1 + width) == Some(&b'\'') { at + width + 2 } else { at }
        }
        None => at,
    }
}

fn floor_of(room: &str) -> Option<usize> {
    FLOORS.iter().position(|rooms| rooms.contains(&room))
}

/// Every room named by `crate::room`, alone or in a `crate::{room::…, room}` group, with its line.
fn imports(code: &[String]) -> Vec<(usize, String)> {
    let whole = code.join("\n");
    let mut found = Vec::new();
    for (at, _) in whole.match_indices("crate::") {
        if whole[..at].ends_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '$')) {
            continue;
        }
        let line = whole[..at].matches('\n').count();
        let rest = &whole[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            None => found.push((line, identifier(rest))),
            Some(group) => {
                let mut depth = 0;
                let mut fresh = true;
                for (offset, c) in group.char_indices() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => fresh = true,
                        c if fresh && (c.is_alphabetic() || c == '_') => {
                            let line = line + group[..offset].matches('\n').count();
                            found.push((line, identifier(&group[offset..])));
                            fresh = false;
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    // `crate::Name` is an item of lib.rs or a macro, which belong to no room.
    found.retain(|(_, room)| room.starts_with(|c: char| c.is_lowercase()));
    found
}

fn identifier(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// Every function: line (from 0), name, length. The insides of `macro_rules!` are left out.
fn functions(code: &[String]) -> Vec<(usize, String, usize)> {
    let mut found = Vec::new();
    let mut macro_ends = 0;
    for (line, text) in code.iter().enumerate() {
        if has_word(text, "macro_rules!") {
            macro_ends = end_of_block(code, line).map_or(line, |end| end + 1);
        }
        if line < macro_ends {
            continue;
        }
        let mut at = text.match_indices("fn ").map(|(at, _)| at);
        let at = at.find(|at| !text[..*at].ends_with(|c: char| c.is_alphanumeric() || c == '_'));
        let name = at.map(|at| identifier(&text[at + 3..])).filter(|name| !name.is_empty());
        if let (Some(name), Some(end)) = (name, end_of_block(code, line)) {
            found.push((line, name, end - line + 1));
        }
    }
    found
}

/// The line on which the first block that opens at or after `line` closes; none when a `;` comes before it opens.
fn end_of_block(code: &[String], line: usize) -> Option<usize> {
    let (mut braces, mut brackets) = (0, 0);
    for (offset, text) in code[line..].iter().enumerate() {
        for c in text.chars() {
            match c {
                '(' | '[' if braces == 0 => brackets += 1,
                ')' | ']' if braces == 0 => brackets -= 1,
                ';' if braces == 0 && brackets <= 0 => return None,
                '{' => braces += 1,
                '}' => {
                    braces -= 1;
                    if braces <= 0 {
                        return Some(line + offset);
                    }
                }
                _ => {}
            }
        }
    }
    None
}

/// The names that a line declares: types, traits and modules.
fn declared(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut words = text.split_whitespace().peekable();
    while let Some(word) = words.next() {
        if ["struct", "enum", "trait", "mod", "type", "union"].contains(&word) {
            found.extend(words.peek().map(|next| identifier(next)).filter(|name| !name.is_empty()));
        }
    }
    found
}

/// The banned word in a snake_case or CamelCase name, with the better one.
fn banned_in(name: &str) -> Option<(&'static str, &'static str)> {
    let mut split = String::new();
    for c in name.chars() {
        if c.is_uppercase() {
            split.push('_');
        }
        split.extend(c.to_lowercase());
    }
    let parts: HashSet<&str> = split.split('_').collect();
    BANNED.iter().find(|(word, _)| parts.contains(word)).copied()
}

/// Whether `word` stands in the text, not inside a longer name.
fn has_word(text: &str, word: &str) -> bool {
    let name = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| !text[..at].ends_with(name) && !text[at + word.len()..].starts_with(name))
}

// === the scanner, checked ===

fn faults_of(name: &str, text: &str) -> Vec<String> {
    let source = source(name.to_owned(), format!("//! Header.\n{text}"));
    let mut faults = Vec::new();
    for rule in [header, floors, sizes, words, unfinished, only_there] {
        rule(&source, &mut faults);
    }
    faults.iter().map(|fault| format!("{}: {}", fault.place, fault.what)).collect()
}

#[test]
fn what_is_out_of_order_is_found() {
    for (name, text, told) in [
        (
            "http/a.rs",
            "use crate::proxy::Exchange;",
            "src/http/a.rs:2: `http` (floor 2) imports `proxy` (floor 9) above it",
        ),
        (
            "lua/a.rs",
            "use crate::{hook::View,\n wasm::{A, B}};",
            "src/lua/a.rs:3: `lua` imports `wasm` on its own floor (6)",
        ),
        (
            "http/a.rs",
            "fn f() { crate::cache::get() }",
            "src/http/a.rs:2: `http` (floor 2) imports `cache` (floor 7) above it",
        ),
        ("attic.rs", "", "src/attic.rs:1: `attic` is on no floor"),
        ("http/a.rs", "pub struct PoolManager;", "src/http/a.rs:2: `manager` in the name `PoolManager`"),
        ("http/util.rs", "", "src/http/util.rs:1: `util` in the file's name"),
        ("http/a.rs", "// TODO later", "src/http/a.rs:2: `TODO`"),
        ("http/a.rs", "fn f() { todo!() }", "src/http/a.rs:2: `todo!`"),
        ("http/a.rs", "unsafe fn f() {}", "src/http/a.rs:2: `unsafe`"),
        ("cache/a.rs", "use std::sync::Mutex;", "src/cache/a.rs:2: a lock"),
        ("http/a.rs", "let t = std::time::Instant::now();", "src/http/a.rs:2: a clock of its own"),
        ("http/a.rs", "#[derive(Debug, Deserialize)]", "src/http/a.rs:2: `Deserialize` outside documents"),
    ] {
        assert_eq!(faults_of(name, text), [told], "{text}");
    }
    let long = format!("fn short() {{}}\nfn long(\n  a: [u8; 2],\n) {{\n{}}}\n", "    a();\n".repeat(70));
    assert_eq!(faults_of("http/a.rs", &long), ["src/http/a.rs:3: `fn long` has 74 lines; at most 70"]);
    let file = "const A: u8 = 1;\n".repeat(500);
    assert_eq!(faults_of("http/a.rs", &file), ["src/http/a.rs:1: 501 lines; at most 500"]);
}

#[test]
fn what_is_in_order_is_left_alone() {
    for (name, text) in [
        ("proxy/a.rs", "use crate::{failure::Failure, hook, proxy::Exchange};"),
        ("lib.rs", "pub mod http; pub mod wire;"),
        ("http/a.rs", "// crate::proxy decides, unsafe, Mutex\nconst A: &str = \"crate::proxy unsafe todo!\";"),
        ("http/a.rs", "const A: &str = r#\"crate::proxy \"unsafe\" {{{\"#; fn f<'a>(c: &'a u8) { '{'; '\\''; '\"'; }"),
        ("http/a.rs", "#[cfg(test)]\nmod tests { use crate::proxy::Exchange; unsafe fn f() {} }"),
        ("clock.rs", "fn now() { Instant::now(); }"),
        ("config/document.rs", "#[derive(Deserialize)] struct A;"),
        ("policy/auth/basic.rs", "#[derive(Deserialize)] struct Options;"),
        ("http/a.rs", "struct StackedUtility; fn contextual() { not_unsafe(); }"),
        ("http/a.rs", "use $crate::proxy::A; use std::task::Context;"),
    ] {
        assert_eq!(faults_of(name, text), Vec::<String>::new(), "{text}");
    }
}
