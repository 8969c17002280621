//! What few exchanges need, in one place that the others do not pay for.

use std::any::Any;

use super::Exchange;
use super::body::Whole;
use super::filter::Filter;
use crate::hook::{Identity, Plain, Refused, Side, Tickets};
use crate::http::head::{Head, Mark};
use crate::limits::{IDENTITY_BYTES_MAX, VALUE_BYTES_MAX, VALUES_MAX};
use crate::wire::Chunk;

/// Data that follows an exchange to its `log`, and what its policies wait for.
#[derive(Default)]
pub(super) struct Rare {
    pub(super) values: Vec<(Box<str>, Plain)>,
    pub(super) identity: Option<Identity>,
    /// By seat.
    mine: Vec<(u16, Option<Box<dyn Any>>)>,
    pub(super) tickets: Tickets,
    pub(super) request: Whole,
    pub(super) response: Whole,
    /// The body hooks of each side.
    pub(super) up: Option<Box<Filter>>,
    pub(super) down: Option<Box<Filter>>,
    pub(super) current: Option<Current>,
    /// The request's head before `upstream_request`, whose edits are for one attempt.
    pub(super) before_attempt: Option<Mark>,
    /// How many fetches have led to this exchange.
    pub(super) depth: u8,
}

/// The chunk at hand at a body hook.
pub(super) struct Current {
    pub(super) side: Side,
    pub(super) chunk: Chunk,
    pub(super) last: bool,
    pub(super) trailers: Option<Head>,
    pub(super) trailers_edited: bool,
    pub(super) head_left: bool,
}

// === impl Rare ===

impl Rare {
    pub(super) fn value(&self, key: &str) -> Option<&Plain> {
        self.values.iter().find(|(name, _)| **name == *key).map(|(_, value)| value)
    }

    /// Sets one of the values, within the bounds.
    pub(super) fn set_value(&mut self, key: &str, value: Plain) -> Result<(), Refused> {
        if value.weight().ok_or(Refused::TooDeep)? + key.len() > VALUE_BYTES_MAX {
            return Err(Refused::TooLarge(VALUE_BYTES_MAX));
        }
        if let Some(known) = self.values.iter_mut().find(|(name, _)| **name == *key) {
            known.1 = value;
        } else if self.values.len() < VALUES_MAX {
            self.values.push((key.into(), value));
        } else {
            return Err(Refused::TooMany("values", VALUES_MAX));
        }
        Ok(())
    }

    pub(super) fn set_identity(&mut self, identity: Option<Identity>) -> Result<(), Refused> {
        if let Some(identity) = &identity {
            let scopes: usize = identity.scopes.iter().map(String::len).sum();
            let claims = identity.claims.weight().ok_or(Refused::TooDeep)?;
            if identity.subject.len() + identity.by.len() + scopes + claims > IDENTITY_BYTES_MAX {
                return Err(Refused::TooLarge(IDENTITY_BYTES_MAX));
            }
        }
        self.identity = identity;
        Ok(())
    }

    pub(super) fn whole(&mut self, side: Side) -> &mut Whole {
        if side == Side::Request { &mut self.request } else { &mut self.response }
    }

    pub(super) fn filter(&mut self, side: Side) -> &mut Option<Box<Filter>> {
        if side == Side::Request { &mut self.up } else { &mut self.down }
    }

    /// The place of a seat's own.
    pub(super) fn mine(&mut self, seat: u16) -> Option<&mut Option<Box<dyn Any>>> {
        let at = self.mine.iter().position(|(known, _)| *known == seat).unwrap_or_else(|| {
            self.mine.push((seat, None));
            self.mine.len() - 1
        });
        self.mine.get_mut(at).map(|(_, own)| own)
    }
}

// === impl Exchange ===

impl Exchange {
    pub(super) fn rare_mut(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// Another response comes: what is known of the body of this one does not hold for it.
    pub(super) fn forget_response(&mut self) {
        self.flows.ahead = None;
        self.flows.hold(Side::Response, false);
        if let Some(rare) = &mut self.rare {
            rare.response = Whole::default();
            rare.down = None;
        }
    }
}
