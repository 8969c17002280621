//! What happens to the process.

pub mod watch;
