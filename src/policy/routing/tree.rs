//! The paths of one host: from a path to the routes whose path pattern matches it, most specific pattern first.
//!
//! Exact paths are hashed. Prefixes and templates share a tree of segments, walked literal before parameter and longest
//! first; a node is visited at most once, whatever the path. Regular expressions come last. Whether a route's method,
//! header and query predicates hold is the caller's to say.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::matching::{Path, Whole};
use crate::config::plan::Segment;

/// Routes by their path patterns. Routes of one pattern stand in the order in which they were inserted.
#[derive(Debug)]
pub(super) struct Tree {
    exact: HashMap<Box<[u8]>, Vec<u32>, RandomState>,
    /// The first is the root.
    nodes: Vec<Node>,
    /// Longest pattern first.
    patterns: Vec<(Whole, Vec<u32>)>,
}

/// The routes whose patterns share their first segments.
#[derive(Debug, Default)]
struct Node {
    /// By the next segment, sorted.
    literals: Vec<(Box<[u8]>, usize)>,
    parameter: Option<usize>,
    /// Patterns that end here and match this path alone.
    closed: Vec<u32>,
    /// Patterns that match everything below.
    open: Vec<u32>,
}

/// Literals of one node that are compared one by one.
const FEW: usize = 8;
/// Bytes of a segment that are looked at one by one.
const SHORT: usize = 16;

// === impl Tree ===

impl Tree {
    pub(super) fn new() -> Self {
        Self { exact: HashMap::default(), nodes: vec![Node::default()], patterns: Vec::new() }
    }

    /// Adds a route; those that are to be tried first among equal patterns are added first.
    pub(super) fn insert(&mut self, pattern: Option<&Path>, route: u32) {
        match pattern {
            None => self.nodes[0].open.push(route),
            Some(Path::Exact(path)) => self.exact.entry(path.as_bytes().into()).or_default().push(route),
            Some(Path::Prefix(prefix)) => {
                let segments = prefix.strip_prefix('/').into_iter().flat_map(|rest| rest.split('/'));
                let node = segments.fold(0, |node, segment| self.literal(node, segment));
                self.nodes[node].open.push(route);
            }
            Some(Path::Template { segments, open }) => {
                let node = segments.iter().fold(0, |node, segment| match segment {
                    Segment::Literal(text) => self.literal(node, text),
                    Segment::Parameter(_) => self.parameter(node),
                });
                let node = &mut self.nodes[node];
                if *open { node.open.push(route) } else { node.closed.push(route) }
            }
            Some(Path::Regex(regex)) => {
                let rank = |regex: &Whole| (std::cmp::Reverse(regex.source().len()), regex.source().to_owned());
                let wanted = rank(regex);
                match self.patterns.binary_search_by(|(known, _)| rank(known).cmp(&wanted)) {
                    Ok(at) => self.patterns[at].1.push(route),
                    Err(at) => self.patterns.insert(at, (regex.clone(), vec![route])),
                }
            }
        }
    }

    /// Offers the routes whose pattern matches, most specific pattern first, until one list is accepted.
    #[inline]
    pub(super) fn find<T>(&self, path: &[u8], accept: &mut impl FnMut(&[u32]) -> Option<T>) -> Option<T> {
        if let Some(routes) = self.exact.get(path)
            && let Some(found) = accept(routes)
        {
            return Some(found);
        }
        let below = if let [b'/', below @ ..] = path { Some(below) } else { None };
        let found = self.walk(0, below, accept);
        if found.is_some() || self.patterns.is_empty() {
            return found;
        }
        let matching = self.patterns.iter().filter(|(regex, _)| regex.matches(path));
        matching.map(|(_, routes)| accept(routes)).find(Option::is_some).flatten()
    }

    /// `rest` is what lies behind the last slash passed; `None`: the path has ended.
    fn walk<T>(&self, node: usize, rest: Option<&[u8]>, accept: &mut impl FnMut(&[u32]) -> Option<T>) -> Option<T> {
        let node = &self.nodes[node];
        if let Some(rest) = rest {
            if !node.literals.is_empty() || node.parameter.is_some() {
                let (segment, rest) = first_segment(rest);
                if let Some(next) = node.under(segment)
                    && let Some(found) = self.walk(next, rest, accept)
                {
                    return Some(found);
                }
                if let Some(next) = node.parameter
                    && !segment.is_empty()
                    && let Some(found) = self.walk(next, rest, accept)
                {
                    return Some(found);
                }
            }
        } else if !node.closed.is_empty()
            && let Some(found) = accept(&node.closed)
        {
            return Some(found);
        }
        if node.open.is_empty() { None } else { accept(&node.open) }
    }

    fn literal(&mut self, node: usize, segment: &str) -> usize {
        let fresh = self.nodes.len();
        let literals = &mut self.nodes[node].literals;
        match literals.binary_search_by(|(text, _)| (**text).cmp(segment.as_bytes())) {
            Ok(at) => literals[at].1,
            Err(at) => {
                literals.insert(at, (segment.as_bytes().into(), fresh));
                self.nodes.push(Node::default());
                fresh
            }
        }
    }

    fn parameter(&mut self, node: usize) -> usize {
        let fresh = self.nodes.len();
        if let Some(known) = self.nodes[node].parameter {
            return known;
        }
        self.nodes[node].parameter = Some(fresh);
        self.nodes.push(Node::default());
        fresh
    }
}

// === impl Node ===

impl Node {
    #[inline]
    fn under(&self, segment: &[u8]) -> Option<usize> {
        if self.literals.len() <= FEW {
            let is_it = |text: &[u8]| text.len() == segment.len() && text.first() == segment.first() && text == segment;
            return self.literals.iter().find(|(text, _)| is_it(text)).map(|(_, next)| *next);
        }
        let found = self.literals.binary_search_by(|(text, _)| (**text).cmp(segment));
        found.ok().map(|at| self.literals[at].1)
    }
}

/// What stands before the first slash, and what stands behind it.
#[inline]
fn first_segment(rest: &[u8]) -> (&[u8], Option<&[u8]>) {
    // Most segments are a few letters long; a wide search is only set up for the others.
    let (near, far) = rest.split_at_checked(SHORT).unwrap_or((rest, b""));
    let short = near.iter().position(|byte| *byte == b'/');
    let slash = short.or_else(|| if far.is_empty() { None } else { memchr::memchr(b'/', far).map(|at| at + SHORT) });
    match slash.and_then(|slash| rest.split_at_checked(slash)) {
        Some((segment, [_, behind @ ..])) => (segment, Some(behind)),
        _ => (rest, None),
    }
}
