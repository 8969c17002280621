//! Strict YAML 1.2 into [`Node`]s. JSON is valid YAML, so it is read too.
//!
//! Refused, because a configuration is better without: anchors and aliases (so a bomb has no fuse), tags, several
//! documents in a file, keys that are not scalars, duplicate keys. Everything is bounded before it is built.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span as Marks, StrInput};

use super::codes;
use super::diagnostic::{Diagnostic, Span};
use super::node::{Entry, Node, Value};
use super::scalar::{Environment, Unexpanded, expand, resolve};
use crate::limits;

/// Reads one document. Syntax stops at the first mistake; duplicate keys and unset names are all reported.
pub(super) fn parse(file: &Arc<str>, text: &str, environment: &Environment) -> Result<Node, Vec<Diagnostic>> {
    let mut builder = Builder {
        file,
        text,
        offsets: Offsets::new(text),
        environment,
        room: limits::CONFIG_BYTES_MAX,
        depth: 0,
        found: Vec::new(),
    };
    if text.len() > limits::CONFIG_BYTES_MAX {
        let message = format!("the file is larger than {} bytes", limits::CONFIG_BYTES_MAX);
        return Err(vec![Diagnostic::error(codes::TOO_LARGE, message).at(&Span::new(file, 0, 0), "")]);
    }
    // The scanner asserts its own invariants; should one not hold, that is a diagnostic and not the end of a reload.
    let read = catch_unwind(AssertUnwindSafe(|| builder.document()));
    let node = match read {
        Ok(Ok(node)) => node,
        Ok(Err(diagnostic)) => {
            builder.found.push(*diagnostic);
            return Err(builder.found);
        }
        Err(_) => {
            let at = Span::new(file, 0, 0);
            return Err(vec![Diagnostic::error(codes::SYNTAX, "the YAML parser gave up on this file").at(&at, "")]);
        }
    };
    if builder.found.is_empty() { Ok(node) } else { Err(builder.found) }
}

/// From the scanner's characters to bytes.
struct Offsets {
    /// Empty where the text is ASCII: then they are the same.
    bytes: Vec<u32>,
    len: usize,
}

type Events<'a> = Parser<'a, StrInput<'a>>;
type Read<T> = Result<T, Box<Diagnostic>>;

struct Builder<'a> {
    file: &'a Arc<str>,
    text: &'a str,
    offsets: Offsets,
    environment: &'a Environment,
    /// Bytes that expansion may still produce.
    room: usize,
    depth: usize,
    found: Vec<Diagnostic>,
}

// === impl Offsets ===

impl Offsets {
    fn new(text: &str) -> Self {
        let bytes = if text.is_ascii() {
            Vec::new()
        } else {
            text.char_indices().map(|(at, _)| u32::try_from(at).unwrap_or(u32::MAX)).collect()
        };
        Self { bytes, len: text.len() }
    }

    fn byte(&self, character: usize) -> usize {
        if self.bytes.is_empty() {
            return character.min(self.len);
        }
        self.bytes.get(character).map_or(self.len, |&byte| byte as usize)
    }
}

// === impl Builder ===

impl<'a> Builder<'a> {
    fn document(&mut self) -> Read<Node> {
        let mut events = Parser::new_from_str(self.text);
        let mut root = None;
        loop {
            let (event, marks) = self.next(&mut events)?;
            match event {
                Event::StreamEnd => break,
                Event::DocumentStart(_) if root.is_some() => {
                    return Err(self
                        .refuse(marks, "several documents in one file", "second document")
                        .help("one file is one document; use `include:` for more files")
                        .into());
                }
                Event::Nothing | Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd => {}
                event => root = Some(self.node(&mut events, event, marks)?),
            }
        }
        Ok(root.unwrap_or_else(|| Node::new(Span::new(self.file, 0, 0), Value::Null)))
    }

    fn next(&self, events: &mut Events<'a>) -> Read<(Event<'a>, Marks)> {
        match events.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err(self.syntax(&error).into()),
            None => Ok((Event::StreamEnd, Marks::default())),
        }
    }

    fn node(&mut self, events: &mut Events<'a>, event: Event<'a>, marks: Marks) -> Read<Node> {
        self.depth += 1;
        if self.depth > limits::CONFIG_DEPTH_MAX {
            let message = format!("nested deeper than {} levels", limits::CONFIG_DEPTH_MAX);
            return Err(Diagnostic::error(codes::TOO_LARGE, message).at(&self.span(marks), "").into());
        }
        let node = match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.plain_node(marks, anchor, tag.is_some())?;
                self.scalar(&text, style, marks)
            }
            Event::SequenceStart(anchor, tag) => {
                self.plain_node(marks, anchor, tag.is_some())?;
                self.list(events, marks)?
            }
            Event::MappingStart(anchor, tag) => {
                self.plain_node(marks, anchor, tag.is_some())?;
                self.table(events, marks)?
            }
            Event::Alias(_) => return Err(self.alias(marks)),
            _ => return Err(self.refuse(marks, "unexpected end of the document", "").into()),
        };
        self.depth -= 1;
        Ok(node)
    }

    fn list(&mut self, events: &mut Events<'a>, start: Marks) -> Read<Node> {
        let mut items = Vec::new();
        let mut span = self.span(start);
        loop {
            let (event, marks) = self.next(events)?;
            if event == Event::SequenceEnd {
                self.close(&mut span, marks, items.first().map(|i: &Node| &i.span), items.last().map(|i| &i.span));
                return Ok(Node::new(span, Value::List(items)));
            }
            items.push(self.node(events, event, marks)?);
        }
    }

    fn table(&mut self, events: &mut Events<'a>, start: Marks) -> Read<Node> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut seen: HashMap<String, Span> = HashMap::new();
        let mut span = self.span(start);
        loop {
            let (event, marks) = self.next(events)?;
            if event == Event::MappingEnd {
                let (first, last) = (entries.first().map(|e| &e.key_span), entries.last().map(|e| &e.value.span));
                self.close(&mut span, marks, first, last);
                return Ok(Node::new(span, Value::Table(entries)));
            }
            let (key, key_span) = self.key(event, marks)?;
            let (event, marks) = self.next(events)?;
            let value = self.node(events, event, marks)?;
            if let Some(first) = seen.get(&key) {
                let twice = Diagnostic::error(codes::DUPLICATE_KEY, format!("`{key}` stands twice in this table"))
                    .at(&key_span, "second time")
                    .at(first, "first time")
                    .help("keep one of them");
                self.found.push(twice);
                continue;
            }
            seen.insert(key.clone(), key_span.clone());
            entries.push(Entry { key, key_span, value });
        }
    }

    /// A flow collection ends with its bracket; a block collection's own marks are those of its first indicator, and its
    /// content says where it really is.
    fn close(&self, span: &mut Span, end: Marks, first: Option<&Span>, last: Option<&Span>) {
        let bytes = self.text.as_bytes();
        let bracket = |at: usize| matches!(bytes.get(at), Some(b']' | b'}'));
        if matches!(bytes.get(span.start), Some(b'[' | b'{')) {
            let at = self.offsets.byte(end.start.index());
            if bracket(at) {
                span.end = at + 1;
                return;
            }
            if at > span.start && bracket(at - 1) {
                span.end = at;
                return;
            }
        }
        if let (Some(first), Some(last)) = (first, last) {
            span.start = span.start.min(first.start);
            span.end = last.end.max(span.start);
        }
    }

    fn key(&mut self, event: Event<'a>, marks: Marks) -> Read<(String, Span)> {
        let (text, style) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.plain_node(marks, anchor, tag.is_some())?;
                (text, style)
            }
            Event::Alias(_) => return Err(self.alias(marks)),
            _ => return Err(self.refuse(marks, "a list or table as a key", "a key is a word").into()),
        };
        let span = self.span(marks);
        if text.is_empty() {
            return Err(self.refuse(marks, "an empty key", "a key is a word").into());
        }
        if text == "<<" && style == ScalarStyle::Plain {
            return Err(self
                .refuse(marks, "merge keys are not used here", "")
                .help("name the shared part under `policies:`, or write it out")
                .into());
        }
        if text.contains("${") && style != ScalarStyle::SingleQuoted {
            self.found.push(
                Diagnostic::error(codes::ENVIRONMENT, "names are not expanded in keys")
                    .at(&span, "expected a word without `${`")
                    .help("only values are expanded; in single quotes the text stands for itself"),
            );
        }
        Ok((text.into_owned(), span))
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, marks: Marks) -> Node {
        let span = self.span(marks);
        let quoted = style != ScalarStyle::Plain;
        let literal = |text: &str| if quoted { Value::String(text.to_owned()) } else { resolve(text) };
        if !matches!(style, ScalarStyle::Plain | ScalarStyle::DoubleQuoted) {
            return Node::new(span, literal(text));
        }
        match expand(text, self.environment, self.room) {
            Ok(None) => Node::new(span, literal(text)),
            Ok(Some(expanded)) => {
                self.room = self.room.saturating_sub(expanded.len());
                Node { span, value: literal(&expanded), expanded: true }
            }
            Err(why) => {
                let diagnostic = self.unexpanded(&why, &span);
                self.found.push(diagnostic);
                Node::new(span, Value::Null)
            }
        }
    }

    fn plain_node(&self, marks: Marks, anchor: usize, tagged: bool) -> Read<()> {
        if anchor != 0 {
            return Err(self
                .refuse(marks, "anchors and aliases are not used here", "this has an anchor (`&name`)")
                .help("name the shared part under `policies:` or `upstreams:`, or write it out")
                .into());
        }
        if tagged {
            let help = "remove the tag (`!name`); a value's type follows from how it is written";
            return Err(self.refuse(marks, "tags are not used here", "this has a tag").help(help).into());
        }
        Ok(())
    }

    fn alias(&self, marks: Marks) -> Box<Diagnostic> {
        self.refuse(marks, "anchors and aliases are not used here", "an alias")
            .help("write the value out; a text that begins with `*` needs quotes")
            .into()
    }

    fn refuse(&self, marks: Marks, message: &str, label: &str) -> Diagnostic {
        Diagnostic::error(codes::YAML_REFUSED, message).at(&self.span(marks), label)
    }

    fn unexpanded(&self, why: &Unexpanded, span: &Span) -> Diagnostic {
        let message = match why {
            Unexpanded::Unset { name } => format!("the environment has no `{name}`"),
            Unexpanded::Unclosed => "`${` is never closed".to_owned(),
            Unexpanded::BadName { name } => format!("`{name}` is not a name"),
            Unexpanded::TooLarge => "the expanded values are too large".to_owned(),
        };
        let help = match why {
            Unexpanded::Unset { name } => format!("set it, or give a default: `${{{name}:-value}}`"),
            _ => "write `${NAME}` or `${NAME:-default}`; `$${` stands for `${`".to_owned(),
        };
        // The caret stands below the name itself, where it is written as it reads.
        let source = self.text.get(span.start..span.end).unwrap_or_default();
        let part = match why {
            Unexpanded::Unset { name } => source.find(&format!("${{{name}}}")).map(|at| (at, name.len() + 3)),
            _ => None,
        };
        let span =
            part.map_or_else(|| span.clone(), |(at, len)| Span::new(self.file, span.start + at, span.start + at + len));
        Diagnostic::error(codes::ENVIRONMENT, message).at(&span, "").help(help)
    }

    fn syntax(&self, error: &ScanError) -> Diagnostic {
        let at = self.offsets.byte(error.marker().index());
        let diagnostic = Diagnostic::error(codes::SYNTAX, "this is not valid YAML")
            .at(&Span::new(self.file, at, at), error.info().to_owned());
        let line = self.text.get(..at).and_then(|text| text.rsplit('\n').next()).unwrap_or_default();
        if line.contains('\t') || error.info().contains("tab") {
            return diagnostic.help("indent with spaces; YAML does not allow tabs there");
        }
        if line.ends_with("${") || line.ends_with('$') {
            return diagnostic.help("inside `{ }` and `[ ]` it needs quotes: `\"${NAME}\"`");
        }
        if error.info().contains("anchor") {
            return diagnostic.help("a text that begins with `*` or `&` needs quotes");
        }
        diagnostic
    }

    fn span(&self, marks: Marks) -> Span {
        let start = self.offsets.byte(marks.start.index());
        let end = self.offsets.byte(marks.end.index()).max(start);
        let written = self.text.get(start..end).unwrap_or_default();
        Span::new(self.file, start, start + written.trim_end().len())
    }
}
