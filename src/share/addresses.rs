//! How many connections each client address holds, over all workers: one table in shards, so that two workers seldom
//! meet. It is asked once per connection, and only by listeners with such a limit; an address is forgotten with its last
//! connection, so the table is never larger than the number of connections.

#![expect(clippy::disallowed_types, reason = "one short look per connection, in one of many shards")]

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::limits::ADDRESS_SHARDS;

/// The table.
pub struct Addresses {
    shards: [Mutex<HashMap<Key, u32>>; ADDRESS_SHARDS],
    hasher: foldhash::fast::RandomState,
}

/// One connection of an address; dropping it ends it.
pub struct Held {
    table: Arc<Addresses>,
    key: Key,
}

/// The listener, and whom the address belongs to.
type Key = (u32, IpAddr);

// === impl Addresses ===

impl Addresses {
    /// A table without anybody.
    #[must_use]
    pub fn new() -> Arc<Self> {
        let shards = std::array::from_fn(|_| Mutex::default());
        Arc::new(Self { shards, hasher: foldhash::fast::RandomState::default() })
    }

    /// Counts a connection in, unless the address holds `max` at this listener already.
    #[must_use]
    pub fn enter(self: &Arc<Self>, listener: u32, address: IpAddr, max: u32) -> Option<Box<Held>> {
        let key = (listener, owner(address));
        let mut shard = self.shard(&key);
        let count = shard.entry(key).or_default();
        if *count >= max {
            return None;
        }
        *count += 1;
        drop(shard);
        Some(Box::new(Held { table: self.clone(), key }))
    }

    fn shard(&self, key: &Key) -> MutexGuard<'_, HashMap<Key, u32>> {
        let at = self.hasher.hash_one(key) as usize % ADDRESS_SHARDS;
        self.shards[at].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who an address is counted for: by IPv6 a whole /64, which is what one customer gets at least.
fn owner(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        four => four,
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut shard = self.table.shard(&self.key);
        let left = shard.get_mut(&self.key).map_or(0, |count| {
            *count = count.saturating_sub(1);
            *count
        });
        if left == 0 {
            shard.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_holds_so_many_and_is_forgotten_with_the_last() {
        let table = Addresses::new();
        let enter = |listener, text: &str| table.enter(listener, text.parse().unwrap(), 2);
        let held = [enter(0, "192.0.2.1"), enter(0, "::ffff:192.0.2.1")];
        assert!(held.iter().all(Option::is_some) && enter(0, "192.0.2.1").is_none());
        assert!(enter(0, "192.0.2.2").is_some() && enter(1, "192.0.2.1").is_some());
        let six = [enter(0, "2001:db8::1"), enter(0, "2001:db8::ffff:2")];
        assert!(six.iter().all(Option::is_some) && enter(0, "2001:db8::3").is_none());
        assert!(enter(0, "2001:db8:0:1::1").is_some());
        drop(held);
        assert!(enter(0, "192.0.2.1").is_some());
        drop(six);
        let left: usize = table.shards.iter().map(|shard| shard.lock().unwrap().len()).sum();
        assert_eq!(left, 0);
    }

    #[test]
    fn many_threads_agree() {
        let table = Addresses::new();
        let address: IpAddr = "192.0.2.1".parse().unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..1_000 {
                        drop(table.enter(0, address, 3));
                    }
                });
            }
        });
        let all: Vec<_> = (0..5).map_while(|_| table.enter(0, address, 3)).collect();
        assert_eq!(all.len(), 3);
    }
}
