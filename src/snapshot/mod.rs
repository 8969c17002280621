//! Everything a request may consult, compiled: immutable and shared (`Snapshot`), then alive on one worker
//! (`Generation`).

pub mod compile;
pub mod explain;
pub mod generation;
pub mod shared;

pub use compile::Snapshot;
pub use generation::{Generation, Lane, RouteAlive, UpstreamAlive};
