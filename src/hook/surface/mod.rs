//! Everything a policy's code may touch, once: names, forms, types, at which hooks, with a line of documentation. The
//! bindings are held against it by a test that walks every member over every hook; the reference, the editor's type
//! definitions and the checks of scripts are made from it.

mod exchange;
mod globals;
mod library;
mod shared;

use super::table::{Bits, Row, TABLE, Wait};

/// A kind of object, or a library.
#[derive(Debug)]
pub struct Noun {
    /// As type definitions call it.
    pub name: &'static str,
    /// How a script reaches it; a library by its name.
    pub at: &'static str,
    pub about: &'static str,
    pub members: &'static [Member],
}

/// One field, method or function.
#[derive(Debug, Clone, Copy)]
pub struct Member {
    pub name: &'static str,
    pub form: Form,
    /// Parameters, as Luau writes them: `(name: string, value: string)`.
    pub takes: &'static str,
    /// The type of what it gives, as Luau writes it.
    pub gives: &'static str,
    /// What a hook's row must let a policy read, or write, for this to be there.
    pub reads: Bits,
    pub writes: Bits,
    /// It may wait: not at hooks that may not.
    pub waits: bool,
    pub about: &'static str,
    /// A statement that uses it, run by a test at every hook.
    pub example: &'static str,
}

/// How a member is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `thing.name`, read only.
    Field,
    /// `thing.name`, assignable where the row lets it be written.
    Assignable,
    /// `thing:name(…)`.
    Method,
    /// `library.name(…)`, or `name(…)` of the globals.
    Function,
    /// `thing[key]`: any name. Its own name stands for it in the reference.
    Keyed,
}

/// Every noun, in the order of the reference.
#[must_use]
pub fn nouns() -> Vec<&'static Noun> {
    [exchange::NOUNS, globals::NOUNS, library::NOUNS, shared::NOUNS].concat()
}

// === impl Noun ===

impl Noun {
    #[must_use]
    pub fn member(&self, name: &str) -> Option<&'static Member> {
        self.members.iter().find(|member| member.name == name)
    }
}

// === impl Member ===

impl Member {
    #[must_use]
    pub const fn new(form: Form, name: &'static str, takes: &'static str, gives: &'static str) -> Self {
        Self { name, form, takes, gives, reads: 0, writes: 0, waits: false, about: "", example: "" }
    }

    #[must_use]
    pub const fn field(name: &'static str, gives: &'static str) -> Self {
        Self::new(Form::Field, name, "", gives)
    }

    #[must_use]
    pub const fn assignable(name: &'static str, gives: &'static str) -> Self {
        Self::new(Form::Assignable, name, "", gives)
    }

    #[must_use]
    pub const fn keyed(name: &'static str, takes: &'static str, gives: &'static str) -> Self {
        Self::new(Form::Keyed, name, takes, gives)
    }

    #[must_use]
    pub const fn method(name: &'static str, takes: &'static str, gives: &'static str) -> Self {
        Self::new(Form::Method, name, takes, gives)
    }

    #[must_use]
    pub const fn function(name: &'static str, takes: &'static str, gives: &'static str) -> Self {
        Self::new(Form::Function, name, takes, gives)
    }

    #[must_use]
    pub const fn reads(self, reads: Bits) -> Self {
        Self { reads, ..self }
    }

    #[must_use]
    pub const fn writes(self, writes: Bits) -> Self {
        Self { writes, ..self }
    }

    #[must_use]
    pub const fn waits(self) -> Self {
        Self { waits: true, ..self }
    }

    /// What it is, and a statement that uses it.
    #[must_use]
    pub const fn about(self, about: &'static str, example: &'static str) -> Self {
        Self { about, example, ..self }
    }

    /// Whether its example may run at this hook.
    #[must_use]
    pub fn is_at(&self, row: &Row) -> bool {
        let assigns = self.form != Form::Assignable || row.writes & self.writes == self.writes;
        row.reads & self.reads == self.reads
            && assigns
            && self.is_written_at(row)
            && !(self.waits && row.wait == Wait::No)
    }

    fn is_written_at(&self, row: &Row) -> bool {
        row.writes & self.writes == self.writes
    }

    /// The hooks at which it is there, for errors: "it is there at `request`, `response`".
    #[must_use]
    pub fn hooks(&self) -> String {
        let names: Vec<String> =
            TABLE.iter().filter(|row| self.is_at(row)).map(|row| format!("`{}`", row.name)).collect();
        names.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_member_says_what_it_is_and_shows_itself() {
        for noun in nouns() {
            assert!(!noun.about.is_empty(), "{}", noun.name);
            for member in noun.members {
                assert!(!member.about.is_empty(), "{}.{}", noun.name, member.name);
                assert!(!member.example.is_empty(), "{}.{}", noun.name, member.name);
            }
        }
    }
}
