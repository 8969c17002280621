//! Where an exchange goes: the route table, the choice among a route's upstreams, rewriting.

pub mod matching;
pub mod rewrite;
pub mod split;
pub mod table;
mod tree;
