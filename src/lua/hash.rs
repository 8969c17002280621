//! Luau's string hash, seeded. Luau interns every string of a VM in one table, and its own hash can be collided by
//! anybody who sends field names; this one replaces it at link time (`lua/native/gatewright_luau.h` makes Luau's weak).

#![allow(unsafe_code, reason = "a C symbol that Luau calls")]

use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

static SEED: AtomicU64 = AtomicU64::new(0);
static SECOND: AtomicU64 = AtomicU64::new(0);

/// Seeds the hash, once; before the first VM, for a VM's strings keep the hash they were made with.
pub(super) fn seed() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        // The standard library's keys come from the system, and cost nothing to ask for.
        let random = || std::hash::RandomState::new().hash_one(0_u8);
        SEED.store(random(), Relaxed);
        SECOND.store(random() | 1, Relaxed);
    });
}

fn hash(bytes: &[u8]) -> u32 {
    let (mut state, key) = (SEED.load(Relaxed) ^ bytes.len() as u64, SECOND.load(Relaxed));
    let mut words = bytes.chunks_exact(8);
    for word in &mut words {
        state = mix(state ^ u64::from_le_bytes(word.try_into().unwrap_or_default()), key);
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        state = mix(state ^ u64::from_le_bytes(last), key);
    }
    let state = mix(state, key.rotate_left(32));
    (state ^ (state >> 32)) as u32
}

/// Both halves of a 128-bit product, folded.
#[inline]
fn mix(value: u64, key: u64) -> u64 {
    let product = u128::from(value ^ 0x9e37_79b9_7f4a_7c15) * u128::from(key);
    (product as u64) ^ ((product >> 64) as u64)
}

/// `luaS_hash(const char*, size_t)`, as a C++ compiler calls it.
///
/// # Safety
/// `bytes` points to `length` bytes, as Luau promises.
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "a mangled C++ name")]
unsafe extern "C" fn _Z9luaS_hashPKcm(bytes: *const u8, length: usize) -> u32 {
    if length == 0 {
        return hash(&[]);
    }
    // SAFETY: the only caller is Luau, with a string of its own that lives through the call.
    hash(unsafe { std::slice::from_raw_parts(bytes, length) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_spreads_and_depends_on_the_seed() {
        seed();
        let mut seen: Vec<u32> = (0..4096_u32).map(|number| hash(&number.to_le_bytes())).collect();
        seen.sort_unstable();
        seen.dedup();
        assert!(seen.len() > 4090, "{} of 4096", seen.len());
        assert_ne!(SEED.load(Relaxed), 0);
        assert_ne!(hash(b"ab"), hash(b"ab\0"));
    }
}
