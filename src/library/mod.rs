//! What scripts and modules may call that needs no exchange: a file per noun, plain functions over bytes.
//!
//! Nothing here knows an engine: `lua` and `wasm` bind the same functions. Whatever a client can make large is bounded by
//! [`limits`](crate::limits), for a function of the host cannot be interrupted; what takes long in spite of that asks
//! between two parts of its work, or comes back and wants to be called again. Every mistake is a message that the author
//! of a script understands without this source.

pub mod base64;
pub mod cookie;
pub mod equal;
pub mod hash;
pub mod hex;
pub mod hmac;
pub mod ip;
pub mod json;
pub mod jwt;
pub mod plain;
pub mod random;
pub mod regex;
pub mod text;
pub mod time;
pub mod url;

/// What a function would give back is larger than it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the result would have more than {0} bytes")]
pub struct TooLarge(pub usize);
