//! Why an access was refused, in words that say what to do instead. Scripts raise it as an error, with their hook's name
//! before it.

use std::fmt;

use super::Side;
use super::table::{Bits, Row, TABLE, may};
use crate::failure::{Failure, Reason};

/// Why an access was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// What may not be read at this hook; the table knows where it may.
    NotHere(Bits),
    /// What may not be written at this hook; the table knows where it may.
    ReadOnly(Bits),
    Framing,
    BadValue,
    BadTarget,
    BadHost,
    NotGranted,
    /// Larger than so many bytes.
    TooLarge(usize),
    /// Of something there may be so many.
    TooMany(&'static str, usize),
    /// Nested too deeply.
    TooDeep,
    /// Nobody may wait at this hook.
    MayNotWait,
    /// The head has left, or the body, or a part of it.
    Gone(Side),
    /// A message without a body cannot get one: an upgrade, or the answer to HEAD.
    NoBody(Side),
    /// The end of a body is not there yet.
    NotYet,
    /// Chunks are there at body hooks only.
    NoChunk,
    /// The request's body is on its way through hooks of its own.
    Overlap,
}

// === impl Refused ===

impl Refused {
    /// `Ok` if `bits` of the row allow `what`.
    pub fn unless(allowed: Bits, what: Bits, otherwise: Self) -> Result<(), Self> {
        if allowed & what == what { Ok(()) } else { Err(otherwise) }
    }

    /// `Ok` if `what` may be read at this hook.
    #[inline]
    pub fn unless_reads(row: &Row, what: Bits) -> Result<(), Self> {
        Self::unless(row.reads, what, Self::NotHere(what))
    }

    /// `Ok` if `what` may be written at this hook.
    #[inline]
    pub fn unless_writes(row: &Row, what: Bits) -> Result<(), Self> {
        Self::unless(row.writes, what, Self::ReadOnly(what))
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotHere(what) => places(f, *what, "is not here", "it is at", |row| row.reads),
            Self::ReadOnly(what) => places(f, *what, "may not be changed here", "it may at", |row| row.writes),
            Self::Framing => f.write_str("framing and connection fields belong to the proxy: it writes them itself"),
            Self::BadValue => {
                f.write_str("not a valid value: control characters and spaces at the ends are not allowed")
            }
            Self::BadTarget => f.write_str("not a valid request target: it begins with `/` and holds no space"),
            Self::BadHost => f.write_str("not a valid host: a name or an address, and perhaps a port"),
            Self::NotGranted => {
                f.write_str("the policy may not reach this upstream: name it in the route's `to`, or in `may`")
            }
            Self::TooLarge(max) => write!(f, "too large: at most {max} bytes"),
            Self::TooMany(what, max) => write!(f, "too many {what}: at most {max}"),
            Self::TooDeep => f.write_str("nested too deeply"),
            Self::MayNotWait => {
                let can = TABLE.iter().filter(|row| row.wait != super::table::Wait::No);
                f.write_str("nobody may wait here; it is possible at ")?;
                list(f, can.map(|row| row.name))
            }
            Self::Gone(Side::Request) => {
                f.write_str("the request has left already: change it at `request`, or take the body whole or held")
            }
            Self::Gone(Side::Response) => {
                f.write_str("the response has left already: change it at `response`, or take the body whole or held")
            }
            Self::NoBody(Side::Request) => f.write_str("a request that asks for an upgrade can have no body"),
            Self::NoBody(Side::Response) => {
                f.write_str("this response can have no body: it answers HEAD, or its status is 204 or 304")
            }
            Self::NoChunk => f.write_str("there is no chunk here; chunks are at the hooks named after bodies, `body` here"),
            Self::Overlap => f.write_str(
                "the request's body is still on its way through `request_body`, which cannot run while this waits: take it whole",
            ),
            Self::NotYet => f.write_str("trailers come with the last, empty chunk"),
        }
    }
}

fn places(f: &mut fmt::Formatter<'_>, what: Bits, says: &str, instead: &str, of: fn(&Row) -> Bits) -> fmt::Result {
    let mut names = may::NAMES.iter().filter(|(bit, _)| what & bit != 0).map(|(_, name)| *name);
    write!(f, "the {} {says}", names.next().unwrap_or("thing"))?;
    let mut at = TABLE.iter().filter(|row| what != 0 && of(row) & what == what).map(|row| row.name).peekable();
    if at.peek().is_none() {
        return f.write_str(", nor at any other hook");
    }
    write!(f, "; {instead} ")?;
    list(f, at)
}

fn list<'a>(f: &mut fmt::Formatter<'_>, names: impl Iterator<Item = &'a str>) -> fmt::Result {
    for (index, name) in names.enumerate() {
        write!(f, "{}`{name}`", if index == 0 { "" } else { ", " })?;
    }
    Ok(())
}

impl std::error::Error for Refused {}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        Self::with(Reason::PolicyFailed, refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_where_it_works() {
        let told = Refused::ReadOnly(may::IDENTITY).to_string();
        assert_eq!(told, "the identity may not be changed here; it may at `route`, `request`");
        let told = Refused::NotHere(may::HELLO).to_string();
        assert_eq!(told, "the hello is not here; it is at `client_hello`");
        let told = Refused::ReadOnly(may::CLIENT).to_string();
        assert_eq!(told, "the client may not be changed here, nor at any other hook");
        assert!(
            Refused::MayNotWait.to_string().contains("`request`")
                && !Refused::MayNotWait.to_string().contains("`balance`")
        );
    }
}
