//! Putting a head back to what it was before a policy's edits.

use super::{Field, Head, Start};

/// Where a head can be put back to.
#[derive(Debug, Clone)]
pub struct Mark {
    bytes_len: usize,
    fields: Vec<Field>,
    start: Start,
    start_kept: bool,
    present: u32,
    untouched: bool,
}

// === impl Head ===

impl Head {
    /// Where to put the head back to, should a policy fail half-way.
    #[must_use]
    pub fn mark(&self) -> Mark {
        let (start, present, untouched) = (self.start, self.present, self.untouched);
        Mark {
            bytes_len: self.bytes.len(),
            fields: self.fields.clone(),
            start,
            present,
            untouched,
            start_kept: self.start_kept,
        }
    }

    /// Undoes every edit since `mark`.
    pub fn restore(&mut self, mark: &Mark) {
        self.bytes.truncate(mark.bytes_len);
        self.fields.clone_from(&mark.fields);
        (self.start, self.start_kept) = (mark.start, mark.start_kept);
        (self.present, self.untouched) = (mark.present, mark.untouched);
    }
}
