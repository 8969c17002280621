//! An append-only array that grows while others read it, without a lock: what is indexed by an interned id.

use std::sync::OnceLock;

/// Items of the first chunk; each chunk is twice as long as the one before.
const FIRST: usize = 32;
const CHUNKS: usize = 20;

pub(super) struct Grown<T> {
    chunks: [OnceLock<Box<[T]>>; CHUNKS],
}

/// Chunk and place in it.
fn place(index: usize) -> (usize, usize) {
    let chunk = (index / FIRST + 1).ilog2() as usize;
    (chunk, index - FIRST * ((1 << chunk) - 1))
}

// === impl Grown ===

impl<T: Default> Grown<T> {
    pub(super) const fn new() -> Self {
        Self { chunks: [const { OnceLock::new() }; CHUNKS] }
    }

    /// The item, once [`Grown::ensure`] has made room for it.
    #[inline]
    pub(super) fn get(&self, index: usize) -> Option<&T> {
        let (chunk, at) = place(index);
        self.chunks.get(chunk)?.get()?.get(at)
    }

    /// Makes room for `len` items.
    pub(super) fn ensure(&self, len: usize) {
        for (number, chunk) in self.chunks.iter().enumerate() {
            if FIRST * ((1 << number) - 1) >= len {
                break;
            }
            chunk.get_or_init(|| (0..FIRST << number).map(|_| T::default()).collect());
        }
    }

    /// Every item there is room for.
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().map_while(OnceLock::get).flatten()
    }
}

impl<T: Default> Default for Grown<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_index_has_a_place_of_its_own() {
        let grown: Grown<OnceLock<usize>> = Grown::new();
        assert!(grown.get(0).is_none());
        grown.ensure(1);
        assert!(grown.get(31).is_some() && grown.get(32).is_none());
        grown.ensure(1000);
        for index in 0..1000 {
            grown.get(index).unwrap().set(index).unwrap();
        }
        assert!(grown.iter().take(1000).map(|item| *item.get().unwrap()).eq(0..1000));
        assert!(grown.get(usize::MAX / 2).is_none());
    }
}
