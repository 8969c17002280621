//! Which endpoint an attempt goes to: the defaults at the end of an upstream's `balance`.

mod cycle;
pub mod least_request;
pub mod round_robin;
