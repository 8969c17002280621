//! A token bucket as one step on a dictionary: the arithmetic of GCRA, which keeps one number per key, the time at which
//! the bucket will be full again.

use std::time::Duration;

use crate::library::plain::Plain;

use super::{Dictionary, DictionaryError, check_key, put};

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Taken {
    pub allowed: bool,
    /// Tokens left.
    pub remaining: f64,
    /// How long until so many are there; `None`: they were, or there can never be as many.
    pub retry_after: Option<Duration>,
}

impl Dictionary {
    /// Takes `cost` tokens from the bucket under a key, which holds `burst` of them and gets `rate` a second. A cost of 0
    /// only looks. Its time is the worker's, so that buckets of several workers agree to within one turn of their loops.
    pub fn token_bucket(&self, key: &[u8], rate: f64, burst: f64, cost: f64) -> Result<Taken, DictionaryError> {
        check_key(key)?;
        let positive = |number: f64| number > 0.0 && number.is_finite();
        if !positive(rate) || !positive(burst) {
            return Err(DictionaryError::Rate("`rate` and `burst` must be above 0"));
        }
        if !(cost >= 0.0 && cost.is_finite()) {
            return Err(DictionaryError::Rate("`cost` must not be below 0"));
        }
        self.at(key, |shard, hash, now_ms| {
            let (each, now) = (1_000.0 / rate, now_ms as f64);
            let room = burst * each;
            let full_at = match shard.get(hash, key, now_ms).map(|entry| &entry.value) {
                None => now,
                Some(Plain::Number(full_at)) => full_at.max(now),
                Some(_) => return Err(DictionaryError::NotANumber),
            };
            let then = full_at + cost * each;
            // Sums of fractions: what is missing by less than a microsecond is there.
            if then - now > room + 1e-3 {
                let wait = Duration::try_from_secs_f64((then - now - room) / 1_000.0).ok();
                let remaining = ((room - (full_at - now)) / each).max(0.0);
                return Ok(Taken { allowed: false, remaining, retry_after: wait.filter(|_| cost <= burst) });
            }
            if cost > 0.0 {
                let until = now_ms.saturating_add((then - now).ceil() as u64);
                put(shard, hash, key, Plain::Number(then), until, now_ms)?;
            }
            Ok(Taken { allowed: true, remaining: ((room - (then - now)) / each).max(0.0), retry_after: None })
        })
    }
}
