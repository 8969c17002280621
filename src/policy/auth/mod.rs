//! Who may come in.

pub mod address;
