//! Doors for clients: bound addresses, accepted connections, and the HTTP/1.1 connection as its client sees it.
//!
//! Knows no policy and no exchange: `worker` hands it the function that serves a request.

pub mod accept;
pub mod bind;
mod enter;
pub mod h1;
mod h2;
mod proxy_header;
pub mod reply;

pub use enter::{Greet, Greeted, Newcomer};
pub use h1::{Client, Serve, Settings};
