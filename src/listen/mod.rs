//! Doors for clients: bound addresses, accepted connections, and the HTTP/1.1 connection as its client sees it.
//!
//! Knows no policy and no exchange: `worker` hands it the function that serves a request.

pub mod accept;
pub mod bind;
mod enter;
pub mod h1;
mod h2;
mod pace;
mod proxy_header;
pub mod reply;
mod tls;

pub use accept::Ask;
pub use enter::{OFFERED, Protocol};
pub use h1::{Client, Serve, Settings};
