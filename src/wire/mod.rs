//! Byte streams: TCP, unix sockets, in memory; pooled buffers; and the HTTP/1.1 codec over them, used on both sides.
//!
//! Knows sockets and bytes, no configuration and no policy.

mod address;
mod buffer;
pub mod http1;
pub mod memory;
mod stream;

pub use address::{Address, BadAddress};
pub use buffer::{Buffer, Chunk};
pub use http1::Http1;
pub use stream::Wire;
