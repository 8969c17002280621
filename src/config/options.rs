//! A policy's options as written: a spanned table that the policy's own file reads into its own type.
#[derive(Debug, Clone)]
pub struct Options {}
