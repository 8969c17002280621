//! What the RFCs say about HTTP, as pure functions over bytes: no I/O, no configuration, no clock.
//!
//! Rules that an operator may set arrive as plain data ([`Rules`]).

pub mod admit;
pub mod authority;
pub mod client_cert;
pub mod coding;
pub mod date;
pub mod forwarded;
pub mod h1;
pub mod h2;
pub mod head;
pub mod hop_by_hop;
mod lanes;
pub mod media;
pub mod name;
pub(crate) mod start;
pub mod target;

/// What holds for every message of one listener; plain data, filled by `config`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// Bytes of one head, start line and fields together; over it: 431.
    pub head_bytes_max: usize,
    /// Field lines of one head; over it: 431.
    pub fields_max: usize,
    pub normalise: target::Normalise,
    pub forwarded: forwarded::Forwarded,
    pub server: Server,
}

/// What becomes of the Server field of responses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Server {
    /// The origin's stays; our own responses have none.
    #[default]
    Pass,
    Remove,
    /// The same for all, ours too.
    Replace(String),
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            head_bytes_max: crate::limits::HEAD_BYTES_MAX,
            fields_max: crate::limits::FIELDS_MAX,
            normalise: target::Normalise::default(),
            forwarded: forwarded::Forwarded::default(),
            server: Server::Pass,
        }
    }
}
