//! How diagnostics look: text with carets, JSON, and GitHub's annotations. One renderer for every kind of mistake.

use std::fmt::Write;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde_json::json;

use super::diagnostic::{Diagnostic, Label, Severity, Span};
use super::source::Sources;
use crate::limits;

/// All of them as text, ending in a line that counts them.
#[must_use]
pub fn render_all(diagnostics: &[Diagnostic], sources: &Sources, colour: bool) -> String {
    let mut out = String::new();
    for diagnostic in shown(diagnostics) {
        out.push_str(&render(diagnostic, sources, colour));
        out.push_str("\n\n");
    }
    let more = diagnostics.len() - shown(diagnostics).len();
    if more > 0 {
        let _ = writeln!(out, "… and {more} more\n");
    }
    out.push_str(&summary(diagnostics));
    out.push('\n');
    out
}

/// One of them as text, without a line end.
#[must_use]
pub fn render(diagnostic: &Diagnostic, sources: &Sources, colour: bool) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(diagnostic.message.as_str()).id(diagnostic.code);
    let mut group = Group::with_title(title);
    for (file, labels) in by_file(&diagnostic.labels, sources) {
        let text = sources.find(file).map_or("", |file| file.text.as_str());
        // Only the lines from the first caret to the last: the renderer looks at all it is given.
        let ranges: Vec<_> = labels.iter().map(|(_, label)| on_one_line(&label.span, text)).collect();
        let first = ranges.iter().map(|range| range.start).min().unwrap_or_default();
        let last = ranges.iter().map(|range| range.end).max().unwrap_or_default();
        let start = text.get(..first).and_then(|text| text.rfind('\n')).map_or(0, |end| end + 1);
        let end = text.get(last..).and_then(|text| text.find('\n')).map_or(text.len(), |end| last + end + 1);
        let line = text.get(..start).unwrap_or_default().matches('\n').count() + 1;
        let mut snippet = Snippet::source(text.get(start..end).unwrap_or_default()).path(file).line_start(line);
        for ((primary, label), range) in labels.into_iter().zip(ranges) {
            let kind = if primary { AnnotationKind::Primary } else { AnnotationKind::Context };
            snippet = snippet.annotation(kind.span(range.start - start..range.end - start).label(label.text.as_str()));
        }
        group = group.element(snippet);
    }
    group = match &diagnostic.help {
        Some(help) => group.element(Level::HELP.message(help.as_str())),
        None => group,
    };
    group = match &diagnostic.note {
        Some(note) => group.element(Level::NOTE.message(note.as_str())),
        None => group,
    };
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    renderer.render(&[group])
}

/// `1 error, 0 warnings`
#[must_use]
pub fn summary(diagnostics: &[Diagnostic]) -> String {
    let errors = diagnostics.iter().filter(|diagnostic| diagnostic.is_error()).count();
    let warnings = diagnostics.len() - errors;
    let plural = |count: usize| if count == 1 { "" } else { "s" };
    format!("{errors} error{}, {warnings} warning{}", plural(errors), plural(warnings))
}

/// All of them as one JSON array, a line each.
#[must_use]
pub fn render_json(diagnostics: &[Diagnostic], sources: &Sources) -> String {
    let place = |label: &Label| {
        let (line, column) = position(&label.span, sources, label.span.start);
        let (end_line, end_column) = position(&label.span, sources, label.span.end);
        json!({
            "file": &*label.span.file, "line": line, "column": column,
            "end_line": end_line, "end_column": end_column, "label": label.text,
        })
    };
    let lines: Vec<String> = shown(diagnostics)
        .iter()
        .map(|diagnostic| {
            json!({
                "severity": diagnostic.severity.label(),
                "code": diagnostic.code,
                "message": diagnostic.message,
                "places": diagnostic.labels.iter().map(place).collect::<Vec<_>>(),
                "help": diagnostic.help,
                "note": diagnostic.note,
            })
            .to_string()
        })
        .collect();
    format!("[{}]\n", lines.join(",\n "))
}

/// All of them as GitHub workflow commands, a line each.
#[must_use]
pub fn render_github(diagnostics: &[Diagnostic], sources: &Sources) -> String {
    let mut out = String::new();
    for diagnostic in shown(diagnostics) {
        let mut text = diagnostic.message.clone();
        let first = diagnostic.labels.first();
        for more in first.map(|label| &label.text).into_iter().chain(&diagnostic.help).chain(&diagnostic.note) {
            if !more.is_empty() {
                let _ = write!(text, "\n{more}");
            }
        }
        let place = first.map_or_else(String::new, |label| {
            let (line, column) = position(&label.span, sources, label.span.start);
            format!("file={},line={line},col={column},", property(&label.span.file))
        });
        let (level, code) = (diagnostic.severity.label(), diagnostic.code);
        let _ = writeln!(out, "::{level} {place}title={code}::{}", data(&text));
    }
    out
}

/// As many as anybody reads.
fn shown(diagnostics: &[Diagnostic]) -> &[Diagnostic] {
    diagnostics.get(..limits::DIAGNOSTICS_SHOWN_MAX).unwrap_or(diagnostics)
}

/// GitHub's escapes in a message.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// GitHub's escapes in a property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// Line and column of a byte, both from 1, the column in characters.
#[must_use]
pub fn position(span: &Span, sources: &Sources, byte: usize) -> (usize, usize) {
    let text = sources.find(&span.file).map_or("", |file| file.text.as_str());
    let before = text.get(..floor(text, byte)).unwrap_or_default();
    let line = before.rsplit('\n').next().unwrap_or_default();
    (before.matches('\n').count() + 1, line.chars().count() + 1)
}

/// Labels by file, the primary one's first; those whose file is unknown have nothing to point at.
fn by_file<'a>(labels: &'a [Label], sources: &Sources) -> Vec<(&'a str, Vec<(bool, &'a Label)>)> {
    let mut files: Vec<(&str, Vec<(bool, &Label)>)> = Vec::new();
    for (index, label) in labels.iter().enumerate().filter(|(_, label)| sources.find(&label.span.file).is_some()) {
        let file = &*label.span.file;
        match files.iter_mut().find(|(known, _)| *known == file) {
            Some((_, labels)) => labels.push((index == 0, label)),
            None => files.push((file, vec![(index == 0, label)])),
        }
    }
    files
}

/// A caret needs one line: a table's begins where it begins and ends with that line.
fn on_one_line(span: &Span, text: &str) -> std::ops::Range<usize> {
    let start = floor(text, span.start);
    let end = floor(text, span.end).max(start);
    let first = text.get(start..end).and_then(|text| text.split(['\n', '\r']).next()).unwrap_or_default();
    let len = first.trim_end().len();
    if len > 0 { start..start + len } else { start..end.min(ceil(text, start)) }
}

/// The nearest character boundary at or before a byte.
fn floor(text: &str, byte: usize) -> usize {
    let mut at = byte.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// The end of the character at a boundary.
fn ceil(text: &str, at: usize) -> usize {
    text.get(at..).and_then(|rest| rest.chars().next()).map_or(at, |c| at + c.len_utf8())
}
