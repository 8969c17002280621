//! What is seen from outside: metrics, the access log, and our own events.

mod grown;
pub mod metrics;
pub mod open_metrics;
mod process;
mod scrape;
