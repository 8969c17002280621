//! Which certificates a name gets: exactly its own, those of a wildcard over it, or the first of all.

use std::collections::HashMap;

use smallvec::SmallVec;

/// Names and the certificates that cover them, as places in the listener's list.
#[derive(Debug, Clone, Default)]
pub struct Names {
    exact: Table,
    /// Without the star: `.example.com`.
    wildcard: Table,
    default: Places,
}

type Table = HashMap<Box<str>, Places, foldhash::fast::RandomState>;

/// Places of certificates; several where ECDSA stands beside RSA.
pub type Places = SmallVec<[u16; 2]>;

// === impl Names ===

impl Names {
    /// From the names of each certificate, in the order written; the first one is for everybody else.
    #[must_use]
    pub fn new<'a>(certificates: impl IntoIterator<Item = &'a [Box<str>]>) -> Self {
        let mut names = Self::default();
        let mut first: Option<&str> = None;
        for (place, covered) in (0_u16..).zip(certificates) {
            for name in covered {
                let (table, key) = match name.strip_prefix('*') {
                    Some(suffix) => (&mut names.wildcard, suffix),
                    None => (&mut names.exact, &**name),
                };
                table.entry(key.into()).or_default().push(place);
            }
            if place == 0 {
                names.default = Places::from_slice(&[0]);
                first = covered.first().map(|name| &**name);
            }
        }
        // Whoever asks for nothing gets what those get who ask for the first one's first name: RSA or ECDSA, as they can.
        if let Some(first) = first {
            let same = match first.strip_prefix('*') {
                Some(suffix) => names.wildcard.get(suffix),
                None => names.exact.get(first),
            };
            names.default = same.cloned().unwrap_or_default();
        }
        names
    }

    /// The certificates for a name, the default ones if none covers it.
    #[must_use]
    pub fn of(&self, name: &str) -> &[u16] {
        let name = name.strip_suffix('.').unwrap_or(name);
        let upper = name.bytes().any(|byte| byte.is_ascii_uppercase());
        if upper { self.lower(&name.to_ascii_lowercase()) } else { self.lower(name) }
    }

    fn lower(&self, name: &str) -> &[u16] {
        let below = |name: &str| name.find('.').and_then(|dot| self.wildcard.get(&name[dot..]));
        self.exact.get(name).or_else(|| below(name)).unwrap_or(&self.default)
    }

    /// Whether a connection that asked for `name` may carry requests to `host`: whichever certificate it was shown, the
    /// host would have got it too.
    #[must_use]
    pub fn covers(&self, name: &str, host: &str) -> bool {
        if name.eq_ignore_ascii_case(host) {
            return true;
        }
        let there = self.of(host);
        self.of(name).iter().all(|place| there.contains(place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(certificates: &[&[&str]]) -> Names {
        let lists: Vec<Vec<Box<str>>> =
            certificates.iter().map(|names| names.iter().map(|name| Box::from(*name)).collect()).collect();
        Names::new(lists.iter().map(Vec::as_slice))
    }

    #[test]
    fn exact_before_wildcard_before_the_first() {
        let names = names(&[&["a.test"], &["*.b.test"], &["x.b.test"], &["a.test", "c.test"], &[]]);
        assert_eq!(names.of("a.test"), [0, 3]);
        assert_eq!(names.of("A.test."), [0, 3]);
        assert_eq!(names.of("y.b.test"), [1]);
        assert_eq!(names.of("x.b.test"), [2]);
        assert_eq!(names.of("z.y.b.test"), [0, 3], "a star is one label");
        assert_eq!(names.of("b.test"), [0, 3]);
        assert_eq!(names.of(""), [0, 3]);
        assert_eq!(Names::default().of("a"), [0; 0]);
    }

    #[test]
    fn a_connection_covers_what_would_have_got_its_certificate() {
        let names = names(&[&["a.test", "b.test"], &["c.test"], &["a.test"]]);
        assert!(names.covers("b.test", "a.test"));
        assert!(!names.covers("a.test", "b.test"), "it may have been shown the one of a.test alone");
        assert!(!names.covers("a.test", "c.test"));
        assert!(names.covers("c.test", "C.test"));
        assert!(names.covers("unknown.test", "a.test"), "both get the default");
        assert!(!names.covers("c.test", "unknown.test"));
    }
}
