//! Gatewright: the proxy you program.
pub mod cli;
pub mod clock;
pub mod config;
pub mod control;
pub mod drain;
pub mod failure;
pub mod hook;
pub mod http;
pub mod limits;
pub mod observe;
pub mod upstream;
pub mod wire;
