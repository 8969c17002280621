//! What was written: source → document → plan.

pub mod diagnostic;
pub mod options;
pub mod plan;
