//! `buffer:` as written, of listeners and of routes.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Spanned;
use crate::config::units::Size;

/// `buffer:` of a listener or a route; a route's keys go first. Without it bodies stream both ways.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Buffer {
    /// Bytes of a request's body that are read before an endpoint is asked: a slow upload then holds no connection to
    /// it, and a body that was read whole may be sent again by a further attempt. A client that waits for 100 (Continue)
    /// gets ours. A body that was read whole goes on with its length, or in chunks where trailers follow it. One whose
    /// length is told and is beyond this streams at once; any other streams on when it passes this, from what was read.
    /// Calls by gRPC over HTTP/2 always stream: their messages may wait for answers. 0: off. Default: off.
    pub request: Option<Spanned<Size>>,
    /// Bytes of a response's body that are taken from the upstream before the client has room for them: its connection
    /// is free once it has sent all, however slow the client is. Nothing waits for more: what comes goes to the client at
    /// once, events and messages too. 0: off. Default: off.
    pub response: Option<Spanned<Size>>,
}
