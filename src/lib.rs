//! Gatewright: the proxy you program.
pub mod clock;
pub mod config;
pub mod control;
pub mod drain;
pub mod failure;
pub mod hook;
pub mod http;
pub mod limits;
pub mod listen;
pub mod observe;
pub mod policy;
pub mod proxy;
pub mod relay;
pub mod snapshot;
pub mod upstream;
pub mod wire;
pub mod worker;
