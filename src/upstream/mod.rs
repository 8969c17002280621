//! The way to origins: which endpoints there are, connections to them, and the pool that keeps them.
//!
//! Mechanism only: which endpoint is taken is a verdict, made elsewhere.

pub mod connect;
pub mod directory;
pub mod h2;
pub mod pool;
pub mod repeat;
pub mod resolve;

pub use pool::{Connection, Key, Pool};
