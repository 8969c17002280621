//! `gatewright check --grants`: what each policy that runs a script may reach, and what its text shows that it reaches.
//!
//! Only names that stand in the text are seen: `fetch("users")`, `exchange.upstream = "next"`, `dictionary("counters")`,
//! `lookup_table("networks")`, and secrets in options. A name that is made at run time is told as such.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::sync::Arc;

use crate::config::plan::{Grants, Plan, PolicyLimits, Program, Source};
use crate::config::render::position;
use crate::config::scan::{Word, words};
use crate::config::source::Sources;

/// What a name is a name of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Noun {
    Upstream,
    Secret,
    Dictionary,
    Table,
}

/// A name in a script's text.
#[derive(Debug, PartialEq, Eq)]
struct Mention<'a> {
    noun: Noun,
    /// `None`: it is made at run time.
    name: Option<&'a str>,
    /// `upstream = "name"`: where a route leads to it, it needs no grant.
    assigned: bool,
    start: usize,
}

/// All uses of one policy together.
struct Policy<'a> {
    program: &'a Program,
    granted: BTreeSet<(Noun, &'a str)>,
    named: BTreeMap<(Noun, Option<&'a str>), Named>,
}

/// Where a name was seen.
#[derive(Default)]
struct Named {
    places: Vec<String>,
    /// Somewhere it is more than assigned.
    reached: bool,
}

/// Prints every policy of the plan that runs a script.
pub fn print(plan: &Plan, sources: &Sources, out: &mut dyn Write) -> io::Result<()> {
    let mut policies: BTreeMap<&str, Policy<'_>> = BTreeMap::new();
    for program in plan.uses().filter_map(|one| one.program.as_deref()) {
        let policy = policies.entry(&program.script.policy).or_insert_with(|| Policy::new(program));
        policy.add(program, sources);
    }
    if policies.is_empty() {
        return writeln!(out, "no policy that is used runs a script");
    }
    policies.iter().try_for_each(|(name, policy)| policy.print(name, plan, out))
}

// === impl Policy ===

impl<'a> Policy<'a> {
    fn new(program: &'a Program) -> Self {
        let mut policy = Self { program, granted: BTreeSet::new(), named: BTreeMap::new() };
        for source in sources_of(program) {
            for mention in mentions(&source.text) {
                let line = source.text.get(..mention.start).unwrap_or_default().matches('\n').count() + 1;
                policy.see(mention.noun, mention.name, !mention.assigned, format!("{}:{line}", source.name));
            }
        }
        policy
    }

    /// What another use of it is granted, and the secrets of its options.
    fn add(&mut self, program: &'a Program, sources: &Sources) {
        let Grants { upstreams, secrets, dictionaries, tables, .. } = &program.grants;
        let nouns = [
            (Noun::Upstream, upstreams),
            (Noun::Secret, secrets),
            (Noun::Dictionary, dictionaries),
            (Noun::Table, tables),
        ];
        for (noun, names) in nouns {
            self.granted.extend(names.iter().map(|name| (noun, &**name)));
        }
        for (name, span) in program.with.secrets() {
            let (line, _) = position(span, sources, span.start);
            self.see(Noun::Secret, Some(name), true, format!("{}:{line}", span.file));
        }
    }

    fn see(&mut self, noun: Noun, name: Option<&'a str>, reached: bool, place: String) {
        let named = self.named.entry((noun, name)).or_default();
        named.reached |= reached;
        if !named.places.contains(&place) {
            named.places.push(place);
        }
    }

    fn print(&self, name: &str, plan: &Plan, out: &mut dyn Write) -> io::Result<()> {
        let sources: Vec<&str> = sources_of(self.program).map(|source| &*source.name).collect();
        writeln!(out, "\n{name}: {}", sources.join(", "))?;
        let mut rows: BTreeSet<(Noun, Option<&str>)> = self.named.keys().copied().collect();
        rows.extend(self.granted.iter().map(|(noun, name)| (*noun, Some(*name))));
        let width = rows.iter().filter_map(|(_, name)| Some(name.as_ref()?.len())).max().unwrap_or_default().max(1);
        for row in rows {
            let what = self.told(row, plan);
            writeln!(out, "  {:<10} {:<width$}  {what}", row.0.label(), row.1.unwrap_or("?"))?;
        }
        let Grants { read, write, .. } = &self.program.grants;
        for (what, fields) in [("reads", read), ("writes", write)] {
            let fields = fields.as_ref().map_or_else(|| "every field".to_owned(), |fields| fields.join(", "));
            writeln!(out, "  {what:<10} {}", if fields.is_empty() { "no field" } else { &fields })?;
        }
        writeln!(out, "  {:<10} {}", "takes", taken(&self.program.limits))
    }

    /// One line of "used against granted".
    fn told(&self, (noun, name): (Noun, Option<&str>), plan: &Plan) -> String {
        let named = self.named.get(&(noun, name));
        let places = named.map(|named| named.places.join(", ")).unwrap_or_default();
        let Some(name) = name else { return format!("a name that is made at run time, at {places}") };
        let granted = self.granted.contains(&(noun, name));
        match named {
            None => "granted, and named nowhere".into(),
            Some(_) if granted => format!("granted, used at {places}"),
            Some(_) if !noun.knows(plan, name) => format!("NOT THERE: there is no such {}; at {places}", noun.label()),
            Some(named) if named.reached => format!("NOT GRANTED, used at {places}"),
            Some(_) => format!("not granted, so chosen only where a route leads to it, at {places}"),
        }
    }
}

// === impl Noun ===

impl Noun {
    const fn label(self) -> &'static str {
        match self {
            Self::Upstream => "upstream",
            Self::Secret => "secret",
            Self::Dictionary => "dictionary",
            Self::Table => "table",
        }
    }

    fn knows(self, plan: &Plan, name: &str) -> bool {
        match self {
            Self::Upstream => plan.upstreams.iter().any(|one| one.name == name),
            Self::Secret => plan.secrets.contains_key(name),
            Self::Dictionary => plan.dictionaries.iter().any(|(known, _)| known == name),
            Self::Table => plan.tables.iter().any(|(known, _)| known == name),
        }
    }
}

/// Its texts, each once: two names of a module may lead to one text.
fn sources_of(program: &Program) -> impl Iterator<Item = &Source> {
    let script = &program.script;
    let mut seen: Vec<&Arc<str>> = Vec::new();
    std::iter::once(&script.main).chain(script.modules.iter().map(|(_, source)| source)).filter(move |source| {
        let new = !seen.contains(&&source.name);
        seen.push(&source.name);
        new
    })
}

/// Every name of something beyond the exchange, in order.
fn mentions(text: &str) -> Vec<Mention<'_>> {
    let words = words(text);
    let word = |at: usize| words.get(at).map(|placed| placed.word);
    let mut found = Vec::new();
    for (at, placed) in words.iter().enumerate() {
        let before = at.checked_sub(1).and_then(word);
        let member = matches!(before, Some(Word::Mark("." | ":")));
        let noun = match placed.word {
            _ if before == Some(Word::Name("function")) => continue,
            Word::Name("fetch") => Noun::Upstream,
            Word::Name("dictionary") if !member => Noun::Dictionary,
            Word::Name("lookup_table") if !member => Noun::Table,
            // As a field alone: a variable of that name is nobody's.
            Word::Name("upstream") if matches!(before, Some(Word::Mark("." | "{" | "," | ";"))) => {
                if let (Some(Word::Mark("=")), Some(value)) = (word(at + 1), word(at + 2)) {
                    let name = match value {
                        Word::Mark("=") | Word::Name("nil") => continue,
                        value => literal(value, word(at + 3)),
                    };
                    let assigned = member;
                    found.push(Mention { noun: Noun::Upstream, name, assigned, start: placed.start });
                }
                continue;
            }
            _ => continue,
        };
        let name = match (word(at + 1), word(at + 2)) {
            (Some(Word::Text(text)), _) => Some(text),
            // The policy's own needs no grant.
            (Some(Word::Mark("(")), Some(Word::Mark(")"))) if noun == Noun::Dictionary => continue,
            (Some(Word::Mark("(")), Some(value)) => literal(value, word(at + 3)),
            _ => continue,
        };
        found.push(Mention { noun, name, assigned: false, start: placed.start });
    }
    found
}

/// A text that stands alone; anything else is made at run time.
fn literal<'a>(value: Word<'a>, after: Option<Word<'_>>) -> Option<&'a str> {
    match (value, after) {
        (_, Some(Word::Mark(".."))) => None,
        (Word::Text(text), _) => Some(text),
        _ => None,
    }
}

fn taken(limits: &PolicyLimits) -> String {
    let PolicyLimits { cpu, wait, memory, calls, body, logs, share } = limits;
    let (memory, body) = (size(*memory), size(*body));
    format!(
        "{cpu:?} of CPU and {wait:?} of waiting a call, {calls} requests, bodies of {body}, {logs} lines; {memory} and \
         {share}% of a worker"
    )
}

fn size(bytes: usize) -> String {
    let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let unit = units.into_iter().find(|(unit, _)| bytes >= *unit && bytes.is_multiple_of(*unit));
    unit.map_or_else(|| format!("{bytes} bytes"), |(unit, name)| format!("{}{name}", bytes / unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_seen_where_they_stand() {
        let seen = |text: &str| -> Vec<(Noun, Option<String>, bool)> {
            mentions(text).into_iter().map(|one| (one.noun, one.name.map(str::to_owned), one.assigned)).collect()
        };
        let named = |noun, name: &str, assigned| vec![(noun, Some(name.to_owned()), assigned)];
        for (text, expected) in [
            ("exchange:fetch('users', { path = '/' })", named(Noun::Upstream, "users", false)),
            ("fetch \"users\"", named(Noun::Upstream, "users", false)),
            ("exchange:fetch_all({ { path = '/', upstream = 'a' } })", named(Noun::Upstream, "a", false)),
            ("exchange.upstream = \"next\"", named(Noun::Upstream, "next", true)),
            ("local d = dictionary('counters'):get('x')", named(Noun::Dictionary, "counters", false)),
            ("dictionary():get(\"a\")", vec![]),
            ("lookup_table(\"networks\")", named(Noun::Table, "networks", false)),
            ("fetch(name)", vec![(Noun::Upstream, None, false)]),
            ("fetch('user' .. suffix)", vec![(Noun::Upstream, None, false)]),
            ("exchange.upstream = pick()", vec![(Noun::Upstream, None, true)]),
            ("exchange.upstream = nil", vec![]),
            ("if exchange.upstream == 'a' then end", vec![]),
            ("local upstream = 'a'", vec![]),
            ("table.insert(list, 'a')", vec![]),
            ("local function fetch(a) end", vec![]),
            ("-- fetch('a')", vec![]),
        ] {
            assert_eq!(seen(text), expected, "{text}");
        }
    }

    #[test]
    fn sizes_are_told_in_the_largest_whole_unit() {
        for (bytes, told) in [(1 << 20, "1MiB"), (3 << 10, "3KiB"), (1000, "1000 bytes"), (0, "0 bytes")] {
            assert_eq!(size(bytes), told);
        }
    }
}
