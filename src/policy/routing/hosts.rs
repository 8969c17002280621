//! From a request's host to the routes that may take it, most specific pattern first: the exact name, the longest
//! wildcard, routes without a host. Nothing here allocates per request; what the routes ask beside is `tree.rs`'s affair.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::config::plan::HostPattern;

/// Places in a list of trees, by host pattern.
#[derive(Debug, Default)]
pub(super) struct Hosts {
    /// All exact names, as long as there are few: comparing them costs less than hashing one.
    few: Vec<(Box<[u8]>, usize)>,
    /// All exact names, when there are many.
    many: HashMap<Box<[u8]>, usize, RandomState>,
    /// With their leading dot.
    suffixes: HashMap<Box<[u8]>, usize, RandomState>,
    /// Bytes of the longest suffix, so that a long host costs no more look-ups than it may find.
    suffix_longest: usize,
    hostless: Option<usize>,
}

/// Exact names that are still compared one by one.
const FEW: usize = 4;
/// Bytes of the longest name in DNS.
const HOST_BYTES_MAX: usize = 255;

// === impl Hosts ===

impl Hosts {
    /// The place of a pattern, `fresh` if it has none yet.
    pub(super) fn insert(&mut self, pattern: Option<&HostPattern>, fresh: usize) -> usize {
        match pattern {
            None => *self.hostless.get_or_insert(fresh),
            Some(HostPattern::Exact(name)) => self.insert_exact(lower(name), fresh),
            Some(HostPattern::Suffix(suffix)) => {
                self.suffix_longest = self.suffix_longest.max(suffix.len());
                *self.suffixes.entry(lower(suffix)).or_insert(fresh)
            }
        }
    }

    /// Offers the places of the patterns that match, most specific first, until one is accepted.
    #[inline]
    pub(super) fn find<'a, T>(
        &self,
        host: impl FnOnce() -> &'a [u8],
        mut accept: impl FnMut(usize) -> Option<T>,
    ) -> Option<T> {
        if !(self.few.is_empty() && self.many.is_empty() && self.suffixes.is_empty()) {
            let host = host();
            let few = self.few.iter().find(|(name, _)| is_same(name, host));
            if let Some((_, place)) = few
                && let Some(found) = accept(*place)
            {
                return Some(found);
            }
            if !(self.many.is_empty() && self.suffixes.is_empty())
                && let Some(found) = self.find_hashed(host, &mut accept)
            {
                return Some(found);
            }
        }
        accept(self.hostless?)
    }

    #[inline(never)]
    fn find_hashed<T>(&self, host: &[u8], accept: &mut impl FnMut(usize) -> Option<T>) -> Option<T> {
        let mut lower = [0; HOST_BYTES_MAX];
        let lower = lower.get_mut(..host.len())?;
        lower.copy_from_slice(host);
        lower.make_ascii_lowercase();
        if let Some(place) = self.many.get(&*lower)
            && let Some(found) = accept(*place)
        {
            return Some(found);
        }
        if self.suffixes.is_empty() {
            return None;
        }
        let dots = memchr::memchr_iter(b'.', lower).filter(|dot| *dot > 0);
        let suffixes = dots.map(|dot| &lower[dot..]).filter(|suffix| suffix.len() <= self.suffix_longest);
        suffixes.filter_map(|suffix| self.suffixes.get(suffix)).find_map(|place| accept(*place))
    }

    fn insert_exact(&mut self, name: Box<[u8]>, fresh: usize) -> usize {
        if self.many.is_empty() {
            if let Some((_, place)) = self.few.iter().find(|(known, _)| *known == name) {
                return *place;
            }
            if self.few.len() < FEW {
                self.few.push((name, fresh));
                return fresh;
            }
            self.many.extend(self.few.drain(..));
        }
        *self.many.entry(name).or_insert(fresh)
    }
}

/// Whether a host is this name, which is in lower case.
#[inline]
fn is_same(name: &[u8], host: &[u8]) -> bool {
    name.len() == host.len() && (name == host || name.eq_ignore_ascii_case(host))
}

fn lower(name: &str) -> Box<[u8]> {
    name.to_ascii_lowercase().into_bytes().into()
}
