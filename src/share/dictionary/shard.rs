//! One part of a dictionary: a table of entries in the order of their last use, never heavier than its bound.
//!
//! What has expired is gone for everybody at once; its memory comes back when it is asked for, when the sweep that goes
//! with every new entry passes it, or when it is the oldest and room is needed.

use hashbrown::HashTable;
use slab::Slab;

use crate::clock::NEVER;
use crate::library::plain::Plain;

/// The entries, and what they weigh.
#[derive(Debug)]
pub(super) struct Shard {
    index: HashTable<usize>,
    entries: Slab<Entry>,
    /// The entry that was used last; `NONE`: there is none.
    newest: usize,
    oldest: usize,
    bytes: usize,
    most: usize,
    /// Where the sweep goes on.
    swept: usize,
    evicted: u64,
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: Box<[u8]>,
    pub(super) value: Plain,
    /// Milliseconds of the clock; `NEVER`: it stays.
    pub(super) expires_ms: u64,
    hash: u64,
    bytes: usize,
    newer: usize,
    older: usize,
}

/// What an entry takes beside its key and value.
pub(super) const ENTRY_BYTES: usize = size_of::<Entry>() + 2 * size_of::<usize>();

const NONE: usize = usize::MAX;
/// Entries that every new one makes the sweep look at: more than one, so that it outruns growth.
const SWEPT_AT_ONCE: usize = 3;

// === impl Shard ===

impl Shard {
    pub(super) fn new(most: usize) -> Self {
        Self {
            index: HashTable::new(),
            entries: Slab::new(),
            newest: NONE,
            oldest: NONE,
            bytes: 0,
            most,
            swept: 0,
            evicted: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn most(&self) -> usize {
        self.most
    }

    /// Entries that had to go for others before their time.
    pub(super) fn evicted(&self) -> u64 {
        self.evicted
    }

    /// The living entry of that key, which is now the one used last.
    pub(super) fn get(&mut self, hash: u64, key: &[u8], now: u64) -> Option<&mut Entry> {
        let at = self.place(hash, key)?;
        if self.entries.get(at)?.expires_ms <= now {
            self.take(at);
            return None;
        }
        self.unlink(at);
        self.link(at);
        self.entries.get_mut(at)
    }

    /// Keeps a value under a key, instead of what was there; what was used longest ago goes for it. The caller has seen to
    /// it that `bytes` are no more than [`Shard::most`].
    pub(super) fn put(&mut self, hash: u64, key: &[u8], value: Plain, bytes: usize, expires_ms: u64, now: u64) {
        self.sweep(now);
        if let Some(at) = self.place(hash, key) {
            if let Some(entry) = self.entries.get_mut(at) {
                self.bytes = self.bytes - entry.bytes + bytes;
                (entry.value, entry.bytes, entry.expires_ms) = (value, bytes, expires_ms);
            }
            self.unlink(at);
            self.link(at);
        } else {
            let entry = Entry { key: key.into(), value, expires_ms, hash, bytes, newer: NONE, older: NONE };
            let at = self.entries.insert(entry);
            let entries = &self.entries;
            self.index.insert_unique(hash, at, |at| entries.get(*at).map_or(0, |entry| entry.hash));
            self.bytes += bytes;
            self.link(at);
        }
        self.shrink();
    }

    pub(super) fn remove(&mut self, hash: u64, key: &[u8], now: u64) -> bool {
        let Some(at) = self.place(hash, key) else { return false };
        self.take(at).is_some_and(|entry| entry.expires_ms > now)
    }

    /// Sets the bound; what no longer fits goes.
    pub(super) fn resize(&mut self, most: usize) {
        self.most = most;
        self.shrink();
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().map(|(_, entry)| entry)
    }

    fn place(&self, hash: u64, key: &[u8]) -> Option<usize> {
        let same = |at: &usize| self.entries.get(*at).is_some_and(|entry| *entry.key == *key);
        self.index.find(hash, same).copied()
    }

    fn shrink(&mut self) {
        while self.bytes > self.most && self.take(self.oldest).is_some() {
            self.evicted += 1;
        }
    }

    fn sweep(&mut self, now: u64) {
        for _ in 0..SWEPT_AT_ONCE {
            self.swept = if self.swept >= self.entries.capacity() { 0 } else { self.swept + 1 };
            if self.entries.get(self.swept).is_some_and(|entry| entry.expires_ms != NEVER && entry.expires_ms <= now) {
                self.take(self.swept);
            }
        }
    }

    fn take(&mut self, at: usize) -> Option<Entry> {
        let hash = self.entries.get(at)?.hash;
        self.unlink(at);
        if let Ok(found) = self.index.find_entry(hash, |other| *other == at) {
            found.remove();
        }
        let entry = self.entries.try_remove(at)?;
        self.bytes -= entry.bytes;
        Some(entry)
    }

    /// Puts an entry that is in no order before the newest one.
    fn link(&mut self, at: usize) {
        let before = std::mem::replace(&mut self.newest, at);
        if let Some(entry) = self.entries.get_mut(at) {
            (entry.newer, entry.older) = (NONE, before);
        }
        match self.entries.get_mut(before) {
            Some(entry) => entry.newer = at,
            None => self.oldest = at,
        }
    }

    fn unlink(&mut self, at: usize) {
        let Some((newer, older)) = self.entries.get(at).map(|entry| (entry.newer, entry.older)) else { return };
        match self.entries.get_mut(newer) {
            Some(entry) => entry.older = older,
            None => self.newest = older,
        }
        match self.entries.get_mut(older) {
            Some(entry) => entry.newer = newer,
            None => self.oldest = newer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn keys(shard: &Shard) -> Vec<u8> {
        let (mut at, mut keys) = (shard.newest, Vec::new());
        while let Some(entry) = shard.entries.get(at) {
            keys.push(entry.key[0]);
            at = entry.older;
        }
        keys
    }

    #[test]
    fn the_longest_unused_goes_first() {
        let mut shard = Shard::new(30);
        for key in *b"abc" {
            shard.put(u64::from(key), &[key], Plain::Nil, 10, NEVER, 0);
        }
        assert!(shard.get(u64::from(b'a'), b"a", 0).is_some());
        shard.put(u64::from(b'd'), b"d", Plain::Nil, 10, NEVER, 0);
        assert_eq!((keys(&shard), shard.evicted()), (b"dac".to_vec(), 1));
        shard.put(u64::from(b'c'), b"c", Plain::Nil, 20, NEVER, 0);
        assert_eq!((keys(&shard), shard.bytes()), (b"cd".to_vec(), 30));
        shard.resize(20);
        assert_eq!(keys(&shard), b"c");
        assert!(shard.remove(u64::from(b'c'), b"c", 0) && !shard.remove(u64::from(b'c'), b"c", 0));
        assert_eq!((shard.len(), shard.bytes(), shard.newest, shard.oldest), (0, 0, NONE, NONE));
    }

    #[test]
    fn what_has_expired_is_gone_and_swept() {
        let mut shard = Shard::new(10_000);
        for key in 0..100 {
            shard.put(u64::from(key), &[key], Plain::Nil, 10, 5, 0);
        }
        assert!(shard.get(1, &[1], 4).is_some() && shard.get(1, &[1], 5).is_none());
        assert!(!shard.remove(2, &[2], 5));
        for _ in 0..100 {
            shard.put(200, &[200], Plain::Nil, 10, NEVER, 6);
        }
        assert_eq!(shard.len(), 1);
    }

    proptest! {
        #[test]
        fn order_index_and_weight_agree(steps in prop::collection::vec((0_u8..4, 0_u8..12, 1_usize..9, 0_u64..20), 0..200)) {
            let mut shard = Shard::new(40);
            for (now, (what, key, bytes, expires)) in steps.into_iter().enumerate() {
                // One hash for three keys, so that they collide.
                let (hash, now) = (u64::from(key / 3), now as u64 / 8);
                match what {
                    0 => drop(shard.remove(hash, &[key], now)),
                    1 => drop(shard.get(hash, &[key], now)),
                    _ => shard.put(hash, &[key], Plain::Nil, bytes, now + expires, now),
                }
                let listed = keys(&shard);
                prop_assert_eq!(listed.len(), shard.len());
                prop_assert_eq!(shard.index.len(), shard.len());
                prop_assert_eq!(shard.iter().map(|entry| entry.bytes).sum::<usize>(), shard.bytes());
                prop_assert!(shard.bytes() <= 40);
            }
        }
    }
}
