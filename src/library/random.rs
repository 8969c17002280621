//! Randomness that nobody can foretell, and ids made of it.

use std::cell::RefCell;
use std::time::UNIX_EPOCH;

use crate::clock;
use crate::limits::RANDOM_BYTES_MAX;

/// Why there is no random value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RandomError {
    #[error("at most {RANDOM_BYTES_MAX} random bytes at once")]
    TooMany,
    #[error("a range from {0} to {1} is empty")]
    Empty(i64, i64),
    #[error("the system gives no randomness")]
    Unavailable,
}

thread_local! {
    static FORETOLD: RefCell<Option<fastrand::Rng>> = const { RefCell::new(None) };
}

/// From here on this thread's randomness follows from `seed`: for tests of policies, and for nothing else.
pub fn foretell(seed: u64) {
    FORETOLD.set(Some(fastrand::Rng::with_seed(seed)));
}

/// A number for a generator that is no secret's, where randomness is foretold.
#[must_use]
pub fn foretold() -> Option<u32> {
    FORETOLD.with_borrow_mut(|rng| rng.as_mut().map(|rng| rng.u32(..)))
}

/// So many bytes, fit for keys.
pub fn bytes(count: usize) -> Result<Vec<u8>, RandomError> {
    if count > RANDOM_BYTES_MAX {
        return Err(RandomError::TooMany);
    }
    let mut bytes = vec![0; count];
    fill(&mut bytes)?;
    Ok(bytes)
}

/// From 0 up to, and without, 1.
pub fn unit() -> Result<f64, RandomError> {
    const STEPS: f64 = (1_u64 << 53) as f64;
    Ok((word()? >> 11) as f64 / STEPS)
}

/// A whole number from `low` to `high`, both included, each as likely as any other.
pub fn between(low: i64, high: i64) -> Result<i64, RandomError> {
    if low > high {
        return Err(RandomError::Empty(low, high));
    }
    let span = high.wrapping_sub(low) as u64;
    let Some(count) = span.checked_add(1) else { return Ok(word()? as i64) };
    // What lies beyond the last whole multiple would favour small numbers.
    let fair = u64::MAX - u64::MAX % count;
    loop {
        let word = word()?;
        if word < fair {
            return Ok(low.wrapping_add((word % count) as i64));
        }
    }
}

/// A UUID of nothing but randomness (version 4).
pub fn uuid_v4() -> Result<String, RandomError> {
    let mut bytes = [0; 16];
    fill(&mut bytes)?;
    Ok(uuid(bytes, 4))
}

/// A UUID that begins with the time (version 7): later ones sort after earlier ones, by the millisecond.
pub fn uuid_v7() -> Result<String, RandomError> {
    let mut bytes = [0; 16];
    fill(&mut bytes)?;
    let ms = clock::wall().duration_since(UNIX_EPOCH).map_or(0, clock::millis);
    bytes[..6].copy_from_slice(&ms.to_be_bytes()[2..]);
    Ok(uuid(bytes, 7))
}

fn uuid(mut bytes: [u8; 16], version: u8) -> String {
    bytes[6] = bytes[6] & 0x0f | version << 4;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let mut text = super::hex::encode(&bytes);
    for at in [20, 16, 12, 8] {
        text.insert(at, '-');
    }
    text
}

fn word() -> Result<u64, RandomError> {
    let mut bytes = [0; 8];
    fill(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}

fn fill(bytes: &mut [u8]) -> Result<(), RandomError> {
    if FORETOLD.with_borrow_mut(|rng| rng.as_mut().map(|rng| rng.fill(bytes))).is_some() {
        return Ok(());
    }
    aws_lc_rs::rand::fill(bytes).map_err(|_| RandomError::Unavailable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_kept() {
        let mut seen = [0; 6];
        for _ in 0..600 {
            seen[usize::try_from(between(1, 6).unwrap() - 1).unwrap()] += 1;
            assert!((0.0..1.0).contains(&unit().unwrap()));
        }
        assert!(seen.iter().all(|count| *count > 30), "{seen:?}");
        assert_eq!(between(7, 7), Ok(7));
        assert!(between(i64::MIN, i64::MAX).is_ok());
        assert_eq!(between(2, 1), Err(RandomError::Empty(2, 1)));
        assert_eq!(bytes(16).unwrap().len(), 16);
        assert_eq!(bytes(RANDOM_BYTES_MAX + 1), Err(RandomError::TooMany));
    }

    #[test]
    fn uuids_have_their_form() {
        for (id, version) in [(uuid_v4().unwrap(), '4'), (uuid_v7().unwrap(), '7')] {
            let groups: Vec<usize> = id.split('-').map(str::len).collect();
            assert_eq!(groups, [8, 4, 4, 4, 12], "{id}");
            assert_eq!(id.chars().nth(14), Some(version), "{id}");
            assert!(matches!(id.chars().nth(19), Some('8' | '9' | 'a' | 'b')), "{id}");
        }
        assert_ne!(uuid_v4(), uuid_v4());
        let (first, second) = (uuid_v7().unwrap(), uuid_v7().unwrap());
        assert!(first[..13] <= second[..13]);
    }
}
