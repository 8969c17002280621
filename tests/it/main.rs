//! Integration tests: one binary, one file per capability, three actors in each test (`harness`).

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a failed test panics; the actors are threads with clocks and locks of their own"
)]

mod actors;
mod addresses;
mod admin;
mod bodies;
mod body_hooks;
mod buffering;
mod drain;
mod entering;
mod failure_pages;
mod fetches;
mod fields;
mod framing;
mod grpc;
mod h2;
mod h2_attacks;
mod h2_conformance;
mod h2_drain;
mod h2_translation;
mod h2_upstream;
mod h2_websocket;
mod harness;
mod hostile;
mod limits;
mod living;
mod matrix;
mod plain;
mod policies;
mod pooling;
mod reload;
mod reparse;
mod scripts;
mod shared;
mod soak;
mod storm;
mod strict_responses;
mod strictness;
mod timeouts;
mod tls;
mod upgrade;
mod verdicts;
