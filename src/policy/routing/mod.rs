//! Where an exchange goes: the route table, the choice among a route's upstreams, rewriting.

mod hosts;
pub mod matching;
pub mod rewrite;
pub mod split;
pub mod table;
mod tree;
