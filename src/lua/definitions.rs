//! The editor's type definitions, made from `hook/surface`: what `gatewright new` writes, and what `check` checks by.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::hook::surface::{Form, Member, Noun, nouns};

/// What the surface's types are made of, and Luau does not know.
const BASE: &str = "\
--- What a hook returns to decide something: `answer(…)`, `redirect(…)` and their like.
declare extern type Verdict with
end

--- What `answer` takes in one table.
type AnswerParts = { status: number, headers: { [string]: string | { string } }?, body: string?, why: string? }
type Identity = { subject: string, by: string?, scopes: { string }?, claims: any }
type FetchRequest = {
	upstream: string?,
	method: string?,
	path: string?,
	query: string?,
	host: string?,
	headers: { [string]: string | Secret }?,
	body: string?,
	timeout: number?,
}
type Tls = {
	version: string,
	cipher: string,
	server_name: string?,
	resumed: boolean,
	subject: string?,
	names: { string }?,
	fingerprint: string?,
}

--- The policy's `with:`, checked by its `schema`.
declare options: { [string]: any }
--- What `with:` may hold: `schema = { realm = \"string\", key = \"secret?\", most = { type = \"number\", default = 3 } }`.
declare schema: { [string]: string | { type: string, default: any } }
";

/// What stands in test files, so that editors know it.
const TESTS: &str = "
--- In `x_test.lua`: a test of `x.lua`, run by `gatewright test`.
declare test: (name: string, run: (t: any) -> ()) -> ()
";

/// Members of objects that stand beside the declared ones: how they are walked and counted.
const WALKS: &[(&str, &str)] = &[
    ("Headers", "\tfunction __iter(self): (any, any, any)\n"),
    ("Endpoints", "\t[number]: Endpoint\n\tfunction __iter(self): (any, any, any)\n\tfunction __len(self): number\n"),
];

/// Every noun as a Luau definitions file (`luau-lsp`'s `definitionFiles`).
#[must_use]
pub fn definitions() -> String {
    let mut out =
        String::from("-- What Gatewright gives to Lua policies. Written by `gatewright new`; do not edit.\n\n");
    // An extern type has to stand before what names it; nouns name each other, types do not need an order.
    let (objects, libraries): (Vec<_>, Vec<_>) = nouns().into_iter().partition(|noun| is_object(noun));
    out.push_str(BASE);
    for name in undeclared(&objects) {
        let _ = writeln!(out, "type {name} = any");
    }
    for noun in objects {
        object(noun, &mut out);
    }
    for noun in libraries {
        library(noun, &mut out);
    }
    out.push_str(TESTS);
    out
}

/// A noun of which scripts hold things; the others are libraries, or the globals.
fn is_object(noun: &Noun) -> bool {
    let things = |member: &Member| member.form != Form::Function;
    noun.name.starts_with(char::is_uppercase) && noun.members.iter().any(things)
}

/// Types that members speak of and nothing declares: plain tables, which their members' remarks describe.
fn undeclared(objects: &[&Noun]) -> BTreeSet<&'static str> {
    let noun = |name: &str| objects.iter().any(|noun| noun.name == name);
    let base = |name: &str| BASE.contains(&format!("type {name} "));
    let members = nouns().into_iter().flat_map(|noun| noun.members);
    let words = members.flat_map(|member| [member.takes, member.gives]).flat_map(|written| {
        written.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| word.starts_with(char::is_uppercase))
    });
    words.filter(|word| !noun(word) && !base(word)).collect()
}

fn object(noun: &Noun, out: &mut String) {
    remark(noun.about, "", out);
    let _ = writeln!(out, "declare extern type {} with", noun.name);
    for member in noun.members {
        if member.form != Form::Keyed {
            remark(member.about, "\t", out);
        }
        let gives = &member.gives;
        let _ = match member.form {
            Form::Keyed => writeln!(out, "\t[string]: any"),
            Form::Method => writeln!(out, "\tfunction {}{}: {gives}", member.name, with_self(member.takes)),
            Form::Function => writeln!(out, "\t{}: {} -> {gives}", member.name, member.takes),
            Form::Field | Form::Assignable => writeln!(out, "\t{}: {gives}", member.name),
        };
    }
    for (_, walk) in WALKS.iter().filter(|(name, _)| *name == noun.name) {
        out.push_str(walk);
    }
    out.push_str("end\n");
}

/// `(name: string)` as a method writes it: `(self, name: string)`.
fn with_self(takes: &str) -> String {
    let inner = takes.trim_start_matches('(').trim_end_matches(')').trim();
    if inner.is_empty() { "(self)".to_owned() } else { format!("(self, {inner})") }
}

fn library(noun: &Noun, out: &mut String) {
    let globals = noun.at.is_empty();
    if !globals {
        remark(noun.about, "", out);
        let _ = writeln!(out, "declare {}: {{", noun.at);
    }
    for member in noun.members {
        let indent = if globals { "" } else { "\t" };
        remark(member.about, indent, out);
        let value = match member.form {
            Form::Field | Form::Assignable | Form::Keyed => member.gives.to_owned(),
            Form::Method | Form::Function => format!("{} -> {}", member.takes, member.gives),
        };
        let _ = match globals {
            true => writeln!(out, "declare {}: {value}", member.name),
            false => writeln!(out, "\t{}: {value},", member.name),
        };
    }
    if !globals {
        out.push_str("}\n");
    }
}

fn remark(about: &str, indent: &str, out: &mut String) {
    out.push_str(if indent.is_empty() { "\n" } else { "" });
    for line in about.lines() {
        let _ = writeln!(out, "{indent}--- {}", line.trim());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_noun_is_declared_once() {
        let text = definitions();
        for noun in nouns() {
            let declared = match (is_object(noun), noun.at) {
                (true, _) => format!("declare extern type {} with\n", noun.name),
                (false, "") => format!("declare {}: ", noun.members[0].name),
                (false, at) => format!("declare {at}: {{\n"),
            };
            assert_eq!(text.matches(&declared).count(), 1, "{declared}\n{text}");
        }
        assert!(text.contains("\tfunction cookie(self, name: string): string?\n"), "{text}");
    }
}
