//! HTTP/1.1, sans I/O, used on both sides.

pub mod parse;
pub mod write;
