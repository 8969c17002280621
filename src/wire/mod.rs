//! Byte streams.

mod address;

pub use address::{Address, BadAddress};
