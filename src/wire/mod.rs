//! Byte streams: TCP, unix sockets, in memory; pooled buffers; and HTTP over them, used on both sides: a
//! connection by HTTP/1.1, or a stream by HTTP/2.
//!
//! Knows sockets and bytes, no configuration and no policy.

mod address;
mod buffer;
mod cork;
mod frames;
mod http;
pub mod http1;
mod http2;
pub mod memory;
pub mod proxy_header;
mod stream;

pub use address::{Address, BadAddress};
pub use buffer::{Buffer, Chunk};
pub use cork::Cork;
pub use http::Http;
pub use http1::Http1;
pub use http2::Http2;
pub use stream::Wire;
