//! Gatewright: the proxy you program.
pub mod config;
pub mod failure;
pub mod http;
pub mod limits;
pub mod wire;
