//! HTTP/1.1 (RFC 9112), sans I/O, used on both sides.

pub mod framing;
pub mod parse;
mod tokens;
pub mod trailers;
pub mod transfer_coding;
pub mod write;
