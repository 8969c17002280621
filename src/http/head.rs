//! The head of a message: start line and fields, edited in place.
//!
//! A head is one arena of bytes and a table of ranges into it. The part up to `parsed` is the head as it arrived; what a
//! policy sets is appended behind. Runs of untouched lines leave in one copy (`h1/write.rs`). Arena and table come from
//! a pool of the thread and go back to it, so that a plain message allocates nothing.

mod mark;

use std::cell::RefCell;

use super::forwarded::Line;
use super::name::{FieldName, Known};
use super::start::Verb;
pub use super::start::Version;
use crate::limits::{HEAD_KEPT_BYTES_MAX, HEADS_KEPT};
pub use mark::Mark;

/// A request's or a response's head.
#[derive(Debug)]
pub struct Head {
    pub(super) bytes: Vec<u8>,
    pub(super) fields: Vec<Field>,
    pub(super) start: Start,
    pub(super) version: Version,
    /// No body follows, as HTTP/2 says with the head.
    pub(super) ended: bool,
    /// A bit for each [`Known`] that may be there.
    pub(super) present: u32,
    /// From the first field on the arena holds the fields' lines, in order, and nothing else.
    pub(super) untouched: bool,
    /// So is the start line, and it is as we write it.
    pub(super) start_kept: bool,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Start {
    Request { method: Range, verb: Verb, target: Range, path_len: u32 },
    Response { status: u16, reason: Range },
}

/// Bytes of the arena.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Range {
    pub(super) at: u32,
    pub(super) len: u32,
}

/// One field line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    pub(super) name_at: u32,
    pub(super) value_at: u32,
    pub(super) value_len: u32,
    pub(super) name_len: u16,
    pub(super) known: Known,
    pub(super) state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Its line stands whole in the arena, as it arrived or as it was added: it can be copied.
    Line,
    /// Its value was set anew and lies apart from its name.
    Set,
    Removed,
}

thread_local! {
    static POOL: RefCell<Vec<(Vec<u8>, Vec<Field>)>> = const { RefCell::new(Vec::new()) };
}

// === impl Head ===

impl Head {
    /// An empty head. It has no memory before something is read into it.
    #[must_use]
    pub fn new() -> Self {
        let (bytes, fields) = (Vec::new(), Vec::new());
        let start = Start::Response { status: 0, reason: Range::default() };
        Self {
            bytes,
            fields,
            start,
            version: Version::Http11,
            ended: false,
            present: 0,
            untouched: true,
            start_kept: false,
        }
    }

    /// A response head of our own.
    #[must_use]
    pub fn response(status: u16) -> Self {
        let mut head = Self::new();
        head.clear();
        head.start = Start::Response { status, reason: Range::default() };
        head
    }

    /// A request head of our own, for example of a probe.
    #[must_use]
    pub fn request(method: &str, target: &str) -> Self {
        let mut head = Self::new();
        head.clear();
        let verb = Verb::of(method.as_bytes());
        let method = head.append(method.as_bytes());
        let target_range = head.append(target.as_bytes());
        let path_len = target.find('?').unwrap_or(target.len()) as u32;
        head.start = Start::Request { method, verb, target: target_range, path_len };
        head
    }

    /// Bytes that it takes, roughly those it has on the wire.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Forgets everything but the memory, which comes from the thread's pool.
    pub fn clear(&mut self) {
        if self.bytes.capacity() == 0 {
            (self.bytes, self.fields) = POOL.with_borrow_mut(Vec::pop).unwrap_or_default();
        }
        self.bytes.clear();
        self.fields.clear();
        self.present = 0;
        self.untouched = true;
        self.start_kept = false;
    }

    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    #[must_use]
    pub fn is_request(&self) -> bool {
        matches!(self.start, Start::Request { .. })
    }

    /// The method; empty for a response.
    #[must_use]
    pub fn method(&self) -> &str {
        match self.start {
            Start::Request { method, verb, .. } => verb.name().unwrap_or_else(|| self.text(method)),
            Start::Response { .. } => "",
        }
    }

    /// The method, if it is one that is met often.
    pub(super) fn verb(&self) -> Verb {
        match self.start {
            Start::Request { verb, .. } => verb,
            Start::Response { .. } => Verb::Other,
        }
    }

    /// [`Head::target`], as bytes: nobody has to look whether they are text.
    #[must_use]
    pub fn target_bytes(&self) -> &[u8] {
        match self.start {
            Start::Request { target, .. } => self.slice(target),
            Start::Response { .. } => b"",
        }
    }

    /// The request target: path and query after `admit`, or `*`.
    #[must_use]
    pub fn target(&self) -> &str {
        match self.start {
            Start::Request { target, .. } => self.text(target),
            Start::Response { .. } => "",
        }
    }

    /// The path, without the query.
    #[must_use]
    pub fn path(&self) -> &str {
        std::str::from_utf8(self.path_bytes()).unwrap_or_default()
    }

    /// [`Head::path`], as bytes: nobody has to look whether they are text.
    #[must_use]
    pub fn path_bytes(&self) -> &[u8] {
        match self.start {
            Start::Request { target, path_len, .. } => self.slice(Range { at: target.at, len: path_len }),
            Start::Response { .. } => b"",
        }
    }

    /// The query without its `?`.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.target().get(self.path().len() + 1..)
    }

    /// The status; 0 for a request.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self.start {
            Start::Response { status, .. } => status,
            Start::Request { .. } => 0,
        }
    }

    #[must_use]
    pub fn reason(&self) -> &[u8] {
        match self.start {
            Start::Response { reason, .. } => self.slice(reason),
            Start::Request { .. } => b"",
        }
    }

    /// Sets the status and forgets the old reason phrase.
    pub fn set_status(&mut self, new: u16) {
        self.start_kept = false;
        if let Start::Response { status, reason } = &mut self.start {
            *status = new;
            *reason = Range::default();
        }
    }

    /// Sets the reason phrase. The caller vouches that it is a field value.
    pub fn set_reason(&mut self, phrase: &str) {
        let new = self.append(phrase.as_bytes());
        self.start_kept = false;
        if let Start::Response { reason, .. } = &mut self.start {
            *reason = new;
        }
    }

    /// Sets path and query. The caller vouches that it is a normalised origin-form target, or `*`.
    pub fn set_target(&mut self, path_and_query: &str) {
        let new = self.append(path_and_query.as_bytes());
        let len = path_and_query.find('?').unwrap_or(path_and_query.len()) as u32;
        self.start_kept = false;
        if let Start::Request { target, path_len, .. } = &mut self.start {
            *target = new;
            *path_len = len;
        }
    }

    pub(super) fn set_path_len(&mut self, len: usize) {
        if let Start::Request { path_len, .. } = &mut self.start {
            *path_len = len as u32;
        }
    }

    pub fn set_method(&mut self, name: &str) {
        let new = self.append(name.as_bytes());
        self.start_kept = false;
        if let Start::Request { method, verb, .. } = &mut self.start {
            (*method, *verb) = (new, Verb::of(name.as_bytes()));
        }
    }

    /// Whether a known field is there.
    #[must_use]
    pub fn has(&self, known: Known) -> bool {
        self.present & known.bit() != 0 && self.known(known).is_some()
    }

    /// The first value of a known field.
    #[must_use]
    pub fn known(&self, known: Known) -> Option<&[u8]> {
        if self.present & known.bit() == 0 {
            return None;
        }
        self.live().find(|field| field.known == known).map(|field| self.value(field))
    }

    pub fn all_known(&self, known: Known) -> impl Iterator<Item = &[u8]> {
        let none = self.present & known.bit() == 0;
        let fields = if none { &[] } else { self.fields.as_slice() };
        fields
            .iter()
            .filter(move |field| field.state != State::Removed && field.known == known)
            .map(|field| self.value(field))
    }

    /// The first value of a field named by a lower-case text; for where no prepared name is at hand.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&[u8]> {
        self.fields().find(|(known, _)| known.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| value)
    }

    /// The first value of a field.
    #[must_use]
    pub fn get(&self, name: &FieldName) -> Option<&[u8]> {
        self.all(name).next()
    }

    /// Every value of a field, in order.
    pub fn all(&self, name: &FieldName) -> impl Iterator<Item = &[u8]> {
        self.live().filter(|field| self.is_named(field, name)).map(|field| self.value(field))
    }

    /// Every field, in order, names as they arrived.
    pub fn fields(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.live().map(|field| (self.name(field), self.value(field)))
    }

    /// Sets a field: its first line is repointed, further ones are removed. The value must be a field value.
    pub fn set(&mut self, name: &FieldName, value: &[u8]) {
        let mut value_range = None;
        for index in 0..self.fields.len() {
            let field = self.fields[index];
            if field.state == State::Removed || !self.is_named(&field, name) {
                continue;
            }
            if value_range.is_some() {
                self.fields[index].state = State::Removed;
                continue;
            }
            let range = self.append(value);
            let field = &mut self.fields[index];
            (field.value_at, field.value_len, field.state) = (range.at, range.len, State::Set);
            value_range = Some(range);
        }
        if value_range.is_none() {
            self.add(name, value);
        }
    }

    /// Adds a line behind all others.
    pub fn add(&mut self, name: &FieldName, value: &[u8]) {
        self.add_line(name.as_str(), name.known(), value);
    }

    /// Adds a line of a known field.
    pub fn add_known(&mut self, known: Known, value: &[u8]) {
        self.add_line(known.name(), known, value);
    }

    /// Adds a line of `known` with the first value of `from`, if that is there and not empty.
    pub(super) fn add_copy(&mut self, known: Known, from: Known) {
        let source = self.live().find(|field| field.known == from).map(|field| (field.value_at, field.value_len));
        let Some((at, len)) = source.filter(|(_, len)| *len > 0) else { return };
        let name = known.name();
        let name_at = self.bytes.len() as u32;
        self.bytes.reserve(name.len() + len as usize + 4);
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.extend_from_slice(b": ");
        self.bytes.extend_from_within(at as usize..(at + len) as usize);
        self.bytes.extend_from_slice(b"\r\n");
        self.present |= known.bit();
        let value_at = name_at + name.len() as u32 + 2;
        let name_len = name.len() as u16;
        self.fields.push(Field { name_at, value_at, value_len: len, name_len, known, state: State::Line });
    }

    /// Adds lines that were written before, in one copy.
    pub(super) fn add_lines(&mut self, bytes: &[u8], lines: &[Line]) {
        let base = self.bytes.len() as u32;
        self.bytes.extend_from_slice(bytes);
        for line in lines {
            let name_at = base + line.at;
            self.present |= line.known.bit();
            self.fields.push(Field {
                name_at,
                value_at: name_at + u32::from(line.name_len) + 2,
                value_len: line.value_len,
                name_len: line.name_len,
                known: line.known,
                state: State::Line,
            });
        }
    }

    /// Writes the line as it will leave, so that it leaves in one copy with its neighbours.
    pub(super) fn add_line(&mut self, name: &str, known: Known, value: &[u8]) {
        let name_at = self.bytes.len();
        self.bytes.reserve(name.len() + value.len() + 4);
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.extend_from_slice(b": ");
        let value_at = self.bytes.len();
        self.bytes.extend_from_slice(value);
        self.bytes.extend_from_slice(b"\r\n");
        self.present |= known.bit();
        self.fields.push(Field {
            name_at: name_at as u32,
            value_at: value_at as u32,
            value_len: value.len() as u32,
            name_len: name.len() as u16,
            known,
            state: State::Line,
        });
    }

    /// Removes every line of a field; says whether there was one.
    pub fn remove(&mut self, name: &FieldName) -> bool {
        let mut found = false;
        for index in 0..self.fields.len() {
            let field = self.fields[index];
            if field.state != State::Removed && self.is_named(&field, name) {
                self.fields[index].state = State::Removed;
                found = true;
            }
        }
        self.untouched &= !found;
        found
    }

    /// Removes every line of a known field.
    pub fn remove_known(&mut self, known: Known) {
        if self.present & known.bit() == 0 {
            return;
        }
        for field in &mut self.fields {
            if field.known == known {
                field.state = State::Removed;
            }
        }
        self.present &= !known.bit();
        self.untouched = false;
    }

    pub(super) fn live(&self) -> impl Iterator<Item = &Field> {
        self.fields.iter().filter(|field| field.state != State::Removed)
    }

    pub(super) fn name(&self, field: &Field) -> &[u8] {
        self.slice(Range { at: field.name_at, len: u32::from(field.name_len) })
    }

    pub(super) fn value(&self, field: &Field) -> &[u8] {
        self.slice(Range { at: field.value_at, len: field.value_len })
    }

    pub(super) fn slice(&self, range: Range) -> &[u8] {
        self.bytes.get(range.at as usize..(range.at + range.len) as usize).unwrap_or_default()
    }

    /// Text that was checked to be ASCII when it came in.
    fn text(&self, range: Range) -> &str {
        std::str::from_utf8(self.slice(range)).unwrap_or_default()
    }

    fn append(&mut self, text: &[u8]) -> Range {
        self.untouched &= self.fields.is_empty();
        let at = self.bytes.len() as u32;
        self.bytes.extend_from_slice(text);
        Range { at, len: text.len() as u32 }
    }

    fn is_named(&self, field: &Field, name: &FieldName) -> bool {
        if name.known() != Known::Other {
            return field.known == name.known();
        }
        field.name_len as usize == name.as_str().len()
            && field.known == Known::Other
            && self.name(field).eq_ignore_ascii_case(name.as_str().as_bytes())
    }
}

impl Default for Head {
    fn default() -> Self {
        Self::new()
    }
}

impl Clone for Head {
    fn clone(&self) -> Self {
        let mut copy = Self::new();
        copy.clear();
        copy.bytes.extend_from_slice(&self.bytes);
        copy.fields.extend_from_slice(&self.fields);
        (copy.start, copy.version) = (self.start, self.version);
        (copy.present, copy.untouched) = (self.present, self.untouched);
        copy
    }
}

impl Drop for Head {
    fn drop(&mut self) {
        let (mut bytes, mut fields) = (std::mem::take(&mut self.bytes), std::mem::take(&mut self.fields));
        if bytes.capacity() == 0 || bytes.capacity() > HEAD_KEPT_BYTES_MAX {
            return;
        }
        bytes.clear();
        fields.clear();
        let _thread_ends = POOL.try_with(|pool| {
            let mut pool = pool.borrow_mut();
            if pool.len() < HEADS_KEPT {
                pool.push((bytes, fields));
            }
        });
    }
}
