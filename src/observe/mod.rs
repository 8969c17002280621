//! What is seen from outside: metrics, the access log, and our own events.

pub mod access_log;
mod escape;
mod grown;
pub mod handshake;
pub mod log_sink;
pub mod metrics;
mod observed;
pub mod open_metrics;
mod process;
mod scrape;
pub mod scripted;
pub mod stamp;
pub mod steering;
pub mod tracing;
