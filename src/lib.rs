//! Gatewright: the proxy you program.
pub mod clock;
pub mod config;
pub mod drain;
pub mod failure;
pub mod hook;
pub mod http;
pub mod limits;
pub mod policy;
pub mod wire;
