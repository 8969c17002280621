//! Dictionaries that all workers share and that outlive reloads: values by key, with a bound of bytes, expiry, and
//! operations that are one step for everybody.
//!
//! A dictionary lives as long as a snapshot uses it; the registry only knows its name. Each operation locks one of its
//! parts, briefly: nothing is waited for and no policy is called meanwhile.

#![expect(clippy::disallowed_types, reason = "one short step in one of many parts; nothing is called meanwhile")]

mod bucket;
mod shard;

use std::collections::BTreeMap;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use crate::clock::{self, NEVER};
use crate::library::plain::{Plain, PlainError};
use crate::limits::{
    DICTIONARY_KEY_BYTES_MAX, DICTIONARY_LOOKS_MAX, DICTIONARY_SHARD_BYTES_MIN, DICTIONARY_SHARDS_MAX,
    DICTIONARY_VALUE_BYTES_MAX,
};
use shard::{ENTRY_BYTES, Shard};

pub use bucket::Taken;

/// The dictionaries of the process, by name.
#[derive(Default)]
pub struct Dictionaries {
    known: Mutex<BTreeMap<Arc<str>, Weak<Dictionary>>>,
}

/// Values by key.
pub struct Dictionary {
    name: Arc<str>,
    /// A power of two of them; their number never changes.
    shards: Box<[Mutex<Shard>]>,
    hasher: foldhash::fast::RandomState,
}

/// Why a value is not kept.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum DictionaryError {
    #[error("a key of {0} bytes; at most {DICTIONARY_KEY_BYTES_MAX} are allowed")]
    KeyTooLong(usize),
    #[error(transparent)]
    Value(#[from] PlainError),
    #[error("the entry takes {bytes} bytes; this dictionary keeps none above {most} (give it a larger `size`)")]
    TooLarge { bytes: usize, most: usize },
    #[error("there is no such key, and no `initial` value was given")]
    Missing,
    #[error("the value under this key is not a number")]
    NotANumber,
    #[error("the result is not a finite number")]
    NotFinite,
    #[error("{0}")]
    Rate(&'static str),
}

/// Some of the keys.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Keys {
    pub keys: Vec<Box<[u8]>>,
    /// Whether these are all of them.
    pub complete: bool,
}

// === impl Dictionaries ===

impl Dictionaries {
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// The dictionary of that name: the one that somebody uses, as it is, or a new one of so many bytes.
    pub fn open(&self, name: &str, size: usize) -> Arc<Dictionary> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(living) = known.get(name).and_then(Weak::upgrade) {
            return living;
        }
        known.retain(|_, dictionary| dictionary.strong_count() > 0);
        let dictionary = Dictionary::new(name, size);
        known.insert(dictionary.name.clone(), Arc::downgrade(&dictionary));
        dictionary
    }

    /// Those that somebody uses, by name.
    #[must_use]
    pub fn living(&self) -> Vec<Arc<Dictionary>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.values().filter_map(Weak::upgrade).collect()
    }
}

// === impl Dictionary ===

impl Dictionary {
    fn new(name: &str, size: usize) -> Arc<Self> {
        let wanted = (size / DICTIONARY_SHARD_BYTES_MIN).clamp(1, DICTIONARY_SHARDS_MAX);
        let count = 1 << wanted.ilog2();
        let shards = (0..count).map(|_| Mutex::new(Shard::new(size / count))).collect();
        Arc::new(Self { name: name.into(), shards, hasher: foldhash::fast::RandomState::default() })
    }

    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// A copy of the value under a key.
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<Plain> {
        self.at(key, |shard, hash, now| shard.get(hash, key, now).map(|entry| entry.value.clone()))
    }

    /// Keeps a value, for `ttl` or for good. Nil removes what is there.
    pub fn set(&self, key: &[u8], value: Plain, ttl: Option<Duration>) -> Result<(), DictionaryError> {
        self.write(key, value, |_| Some(Until::After(ttl))).map(|_| ())
    }

    /// Keeps a value only if there is none; whether it did.
    pub fn add(&self, key: &[u8], value: Plain, ttl: Option<Duration>) -> Result<bool, DictionaryError> {
        self.write(key, value, |there| there.is_none().then_some(Until::After(ttl)))
    }

    /// Keeps a value only if there is one; whether it did.
    pub fn replace(&self, key: &[u8], value: Plain, ttl: Option<Duration>) -> Result<bool, DictionaryError> {
        self.write(key, value, |there| there.map(|_| Until::After(ttl)))
    }

    /// Keeps a value only if what is there is the expected one (nil: nothing); whether it did. Without a `ttl` the time
    /// that was left stays.
    pub fn compare_and_swap(
        &self,
        key: &[u8],
        expected: &Plain,
        value: Plain,
        ttl: Option<Duration>,
    ) -> Result<bool, DictionaryError> {
        self.write(key, value, |there| {
            let until = if ttl.is_some() { Until::After(ttl) } else { Until::AsItWas };
            there.unwrap_or(&Plain::Nil).is_same(expected).then_some(until)
        })
    }

    /// Adds to a number and gives the sum. Where there is none it begins at `initial`, and stays for `ttl`.
    pub fn incr(
        &self,
        key: &[u8],
        by: f64,
        initial: Option<f64>,
        ttl: Option<Duration>,
    ) -> Result<f64, DictionaryError> {
        check_key(key)?;
        self.at(key, |shard, hash, now| {
            let (before, until) = match shard.get(hash, key, now).map(|entry| (&entry.value, entry.expires_ms)) {
                Some((Plain::Number(before), until)) => (*before, until),
                Some(_) => return Err(DictionaryError::NotANumber),
                None => (initial.ok_or(DictionaryError::Missing)?, until(ttl, now)),
            };
            let sum = before + by;
            if !sum.is_finite() {
                return Err(DictionaryError::NotFinite);
            }
            put(shard, hash, key, Plain::Number(sum), until, now)?;
            Ok(sum)
        })
    }

    /// Whether there was something to delete.
    pub fn delete(&self, key: &[u8]) -> bool {
        self.at(key, |shard, hash, now| shard.remove(hash, key, now))
    }

    /// How long a key will stay: `Some(None)` for good, `None` if there is none.
    #[must_use]
    pub fn ttl(&self, key: &[u8]) -> Option<Option<Duration>> {
        self.at(key, |shard, hash, now| {
            let until = shard.get(hash, key, now)?.expires_ms;
            Some((until != NEVER).then(|| Duration::from_millis(until - now)))
        })
    }

    /// Lets a key stay for `ttl` from now, or for good; whether there is one.
    pub fn expire(&self, key: &[u8], ttl: Option<Duration>) -> bool {
        self.at(key, |shard, hash, now| {
            let entry = shard.get(hash, key, now);
            entry.map(|entry| entry.expires_ms = until(ttl, now)).is_some()
        })
    }

    /// Keys that begin so, in no order; it walks all of them, part by part.
    #[must_use]
    pub fn keys(&self, prefix: &[u8], most: usize) -> Keys {
        let (mut found, mut looks, now) = (Keys::default(), 0, clock::now());
        for shard in &self.shards {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            for entry in shard.iter() {
                looks += 1;
                let wanted = entry.expires_ms > now && entry.key.starts_with(prefix);
                if looks > DICTIONARY_LOOKS_MAX || wanted && found.keys.len() >= most {
                    return found;
                }
                if wanted {
                    found.keys.push(entry.key.clone());
                }
            }
        }
        Keys { complete: true, ..found }
    }

    /// Entries, some of which may have expired.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sum(Shard::len)
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that its entries take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.sum(Shard::bytes)
    }

    /// Bytes that they may take.
    #[must_use]
    pub fn size(&self) -> usize {
        self.sum(Shard::most)
    }

    /// Entries that went before their time, for others.
    #[must_use]
    pub fn evicted(&self) -> u64 {
        self.shards.iter().map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner).evicted()).sum()
    }

    /// Removes everything.
    pub fn flush(&self) {
        for shard in &self.shards {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            let most = shard.most();
            let gone = std::mem::replace(&mut *shard, Shard::new(most));
            drop(shard);
            drop(gone);
        }
    }

    /// Gives it another size; what no longer fits goes, the longest unused first.
    pub fn resize(&self, size: usize) {
        for shard in &self.shards {
            shard.lock().unwrap_or_else(PoisonError::into_inner).resize(size / self.shards.len());
        }
    }

    /// The one way to write: `decide` sees what is there and says whether, and until when.
    fn write(
        &self,
        key: &[u8],
        value: Plain,
        decide: impl FnOnce(Option<&Plain>) -> Option<Until>,
    ) -> Result<bool, DictionaryError> {
        check_key(key)?;
        value.check(DICTIONARY_VALUE_BYTES_MAX)?;
        self.at(key, |shard, hash, now| {
            let there = shard.get(hash, key, now);
            let before = there.as_ref().map_or(NEVER, |entry| entry.expires_ms);
            let until = match decide(there.map(|entry| &entry.value)) {
                None => return Ok(false),
                Some(Until::AsItWas) => before,
                Some(Until::After(ttl)) => until(ttl, now),
            };
            if value == Plain::Nil {
                shard.remove(hash, key, now);
            } else {
                put(shard, hash, key, value, until, now)?;
            }
            Ok(true)
        })
    }

    fn at<T>(&self, key: &[u8], step: impl FnOnce(&mut Shard, u64, u64) -> T) -> T {
        let hash = self.hasher.hash_one(key);
        // The table inside takes the lowest and the highest bits.
        let mut shard: MutexGuard<'_, Shard> =
            self.shards[(hash >> 32) as usize & (self.shards.len() - 1)].lock().unwrap_or_else(PoisonError::into_inner);
        step(&mut shard, hash, clock::now())
    }

    fn sum(&self, figure: impl Fn(&Shard) -> usize) -> usize {
        self.shards.iter().map(|shard| figure(&shard.lock().unwrap_or_else(PoisonError::into_inner))).sum()
    }
}

impl std::fmt::Debug for Dictionary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Dictionary({})", self.name)
    }
}

enum Until {
    AsItWas,
    After(Option<Duration>),
}

fn until(ttl: Option<Duration>, now: u64) -> u64 {
    // It lasts at least until the clock moves on.
    ttl.map_or(NEVER, |ttl| now.saturating_add(clock::millis(ttl).max(1)))
}

fn check_key(key: &[u8]) -> Result<(), DictionaryError> {
    if key.len() > DICTIONARY_KEY_BYTES_MAX { Err(DictionaryError::KeyTooLong(key.len())) } else { Ok(()) }
}

fn put(shard: &mut Shard, hash: u64, key: &[u8], value: Plain, until: u64, now: u64) -> Result<(), DictionaryError> {
    let bytes = ENTRY_BYTES + key.len() + value.weight().ok_or(PlainError::TooDeep)?;
    let most = shard.most();
    if bytes > most {
        return Err(DictionaryError::TooLarge { bytes, most });
    }
    shard.put(hash, key, value, bytes, until, now);
    Ok(())
}

#[cfg(test)]
mod tests;
