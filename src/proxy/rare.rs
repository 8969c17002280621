//! What few exchanges need, in one place that the others do not pay for.

use std::any::Any;

use super::Exchange;
use crate::hook::{Identity, Plain, Refused, Tickets};
use crate::limits::{IDENTITY_BYTES_MAX, VALUE_BYTES_MAX, VALUES_MAX};

/// Data that follows an exchange to its `log`, and what its policies wait for.
#[derive(Default)]
pub(super) struct Rare {
    pub(super) values: Vec<(Box<str>, Plain)>,
    pub(super) identity: Option<Identity>,
    /// By seat.
    mine: Vec<(u16, Option<Box<dyn Any>>)>,
    pub(super) tickets: Tickets,
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
}
