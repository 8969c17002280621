//! Upstreams: who they are, where their endpoints stand.

pub mod directory;
pub mod resolve;
