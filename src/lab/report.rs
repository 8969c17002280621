//! What the lab says: for people, and as JUnit's XML.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use super::{Outcome, Ran, Tested, Wrong};
use crate::lua::author::Covered;

/// A file's tests, a line each, and what is to be said of those that failed.
#[must_use]
pub fn file(ran: &Ran) -> String {
    let mut out = format!("{}\n", ran.path.display());
    let outcomes = match &ran.outcomes {
        Ok(outcomes) => outcomes,
        Err(why) => {
            indented(why, "    ", &mut out);
            return out;
        }
    };
    for outcome in outcomes {
        let mark = if outcome.why.is_some() { "FAILED" } else { "ok" };
        let _ = writeln!(out, "  {mark:<6} {} ({})", outcome.name, millis(outcome.took));
        if let Some(wrong) = &outcome.why {
            indented(&wrong.message, "         ", &mut out);
            for line in places(wrong) {
                let _ = writeln!(out, "           at {line}");
            }
            for said in &outcome.said {
                indented(said, "         | ", &mut out);
            }
        }
    }
    out
}

/// The lines of tests and of modules that led there, but for the one that the message begins with.
fn places(wrong: &Wrong) -> impl Iterator<Item = &str> {
    let ours = |line: &&str| !line.starts_with("lab:") && !line.starts_with("[C]") && !line.is_empty();
    let told = |line: &&str| line.split(' ').next().is_some_and(|place| wrong.message.starts_with(place));
    wrong.trace.lines().map(str::trim).filter(ours).filter(move |line| !told(line))
}

/// The last line: how many, and how long.
#[must_use]
pub fn summary(tested: &Tested) -> String {
    let all: Vec<&Outcome> = outcomes(tested).collect();
    let failed = failures(tested);
    let took: Duration = all.iter().map(|outcome| outcome.took).sum();
    let each = took.checked_div(all.len().max(1) as u32).unwrap_or_default();
    let (count, files) = (all.len(), tested.files.len());
    let many = |count: usize| if count == 1 { "" } else { "s" };
    let verdict = if failed == 0 { "all passed".to_owned() } else { format!("{failed} FAILED") };
    format!(
        "{count} test{} in {files} file{}: {verdict}, in {} ({} each)\n",
        many(count),
        many(files),
        millis(took),
        millis(each)
    )
}

/// Tests, and files, that did not pass.
#[must_use]
pub fn failures(tested: &Tested) -> usize {
    let unread = tested.files.iter().filter(|ran| ran.outcomes.is_err()).count();
    unread + outcomes(tested).filter(|outcome| outcome.why.is_some()).count()
}

fn outcomes(tested: &Tested) -> impl Iterator<Item = &Outcome> {
    tested.files.iter().filter_map(|ran| ran.outcomes.as_ref().ok()).flatten()
}

/// Every script with the part of its lines that ran; with `lines`, those that did not.
#[must_use]
pub fn coverage(covered: &Covered, lines: bool) -> String {
    let mut out = String::new();
    for (name, counts) in covered {
        let ran = counts.values().filter(|count| **count > 0).count();
        let all = counts.len().max(1);
        let _ = writeln!(out, "{name}: {}% of {} lines ran", ran * 100 / all, counts.len());
        if lines && ran < counts.len() {
            let _ = writeln!(out, "    not run: {}", ranges(counts));
        }
    }
    out
}

/// Lines that did not run, those without code between them not parting them.
fn ranges(counts: &std::collections::BTreeMap<u32, u32>) -> String {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    let mut open = false;
    for (line, count) in counts {
        match (count, ranges.last_mut()) {
            (0, Some(last)) if open => last.1 = *line,
            (0, _) => {
                ranges.push((*line, *line));
                open = true;
            }
            _ => open = false,
        }
    }
    let shown = ranges.iter().map(|(from, to)| if from == to { from.to_string() } else { format!("{from}-{to}") });
    shown.collect::<Vec<_>>().join(", ")
}

/// JUnit's XML, as CI systems read it.
#[must_use]
pub fn junit(tested: &Tested) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    for ran in &tested.files {
        let name = escape(&ran.path.display().to_string());
        let none = Vec::new();
        let (outcomes, unread) = match &ran.outcomes {
            Ok(outcomes) => (outcomes, None),
            Err(why) => (&none, Some(why)),
        };
        let failed = outcomes.iter().filter(|outcome| outcome.why.is_some()).count();
        let took: Duration = outcomes.iter().map(|outcome| outcome.took).sum();
        let _ = writeln!(
            out,
            "  <testsuite name=\"{name}\" tests=\"{}\" failures=\"{failed}\" errors=\"{}\" time=\"{:.6}\">",
            outcomes.len() + usize::from(unread.is_some()),
            usize::from(unread.is_some()),
            took.as_secs_f64()
        );
        if let Some(why) = unread {
            let _ = writeln!(
                out,
                "    <testcase classname=\"{name}\" name=\"(the file)\"><error message=\"{}\"/></testcase>",
                escape(why)
            );
        }
        for outcome in outcomes {
            testcase(&ran.path, outcome, &mut out);
        }
        out.push_str("  </testsuite>\n");
    }
    out.push_str("</testsuites>\n");
    out
}

fn testcase(path: &Path, outcome: &Outcome, out: &mut String) {
    let file = escape(&path.display().to_string());
    let _ = write!(
        out,
        "    <testcase classname=\"{file}\" name=\"{}\" file=\"{file}\" line=\"{}\" time=\"{:.6}\"",
        escape(&outcome.name),
        outcome.line,
        outcome.took.as_secs_f64()
    );
    match &outcome.why {
        None => out.push_str("/>\n"),
        Some(wrong) => {
            let text = escape(&[places(wrong).collect::<Vec<_>>().join("\n"), outcome.said.join("\n")].join("\n"));
            let _ = writeln!(out, "><failure message=\"{}\">{text}</failure></testcase>", escape(&wrong.message));
        }
    }
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            // XML has no way to write them.
            c if c < ' ' && c != '\t' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

fn indented(text: &str, by: &str, out: &mut String) {
    for line in text.trim_end().lines() {
        let _ = writeln!(out, "{by}{line}");
    }
}

fn millis(took: Duration) -> String {
    format!("{:.1} ms", took.as_secs_f64() * 1000.0)
}
