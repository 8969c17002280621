//! Fields that hold for one connection only (RFC 9110 section 7.6.1): read once, then removed in one pass, both ways.

use super::head::{Head, State};
use super::name::Known;

/// What the connection fields of a message said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    pub close: bool,
    pub keep_alive: bool,
    /// `Connection: upgrade` with an Upgrade field of a protocol that may become a tunnel; the field is kept.
    pub upgrade: bool,
    /// `TE: trailers`
    pub trailers: bool,
}

const CONNECTION_FIELDS: u32 = Known::Connection.bit()
    | Known::KeepAlive.bit()
    | Known::ProxyConnection.bit()
    | Known::Te.bit()
    | Known::TransferEncoding.bit()
    | Known::Upgrade.bit();

/// Reads and removes the connection fields, and those that Connection names.
//= rfc9110#section-7.6.1
//# Intermediaries MUST parse a received Connection header field before a message is forwarded and, for each
//# connection-option in this field, remove any header or trailer field(s) from the message with the same name as the
//# connection-option, and then remove the Connection header field itself
pub fn strip(head: &mut Head) -> Options {
    let mut options = Options::default();
    if head.present & CONNECTION_FIELDS == 0 {
        return options;
    }
    options.trailers = head.all_known(Known::Te).flat_map(tokens).any(|te| te.eq_ignore_ascii_case(b"trailers"));
    let mut named = Vec::new();
    for token in head.all_known(Known::Connection).flat_map(tokens) {
        if token.eq_ignore_ascii_case(b"close") {
            options.close = true;
        } else if token.eq_ignore_ascii_case(b"keep-alive") {
            options.keep_alive = true;
        } else if token.eq_ignore_ascii_case(b"upgrade") {
            options.upgrade = true;
        } else if !is_protected(token) {
            named.push(token.to_ascii_lowercase());
        }
    }
    options.upgrade = options.upgrade && may_tunnel(head);
    for index in 0..head.fields.len() {
        let field = head.fields[index];
        let removed = match field.known {
            Known::Connection | Known::KeepAlive | Known::ProxyConnection | Known::Te | Known::TransferEncoding => true,
            Known::Upgrade => !options.upgrade,
            _ => named.iter().any(|name| head.name(&field).eq_ignore_ascii_case(name)),
        };
        if removed {
            head.fields[index].state = State::Removed;
            head.untouched = false;
        }
    }
    head.present &= !(CONNECTION_FIELDS & !Known::Upgrade.bit());
    options
}

/// Fields that a Connection option cannot take away: the message would mean something else without them.
fn is_protected(token: &[u8]) -> bool {
    matches!(Known::of(token), Known::Host | Known::ContentLength | Known::TransferEncoding | Known::Trailer)
}

/// HTTP/2 by Upgrade is not forwarded: we would stand between two protocols without knowing it. RFC 9113 has dropped it.
fn may_tunnel(head: &Head) -> bool {
    let mut protocols = head.all_known(Known::Upgrade).flat_map(tokens).peekable();
    let version = |p: &[u8]| {
        let lower = p.to_ascii_lowercase();
        lower == b"h2c" || lower == b"h2" || lower.starts_with(b"http/") || lower.starts_with(b"tls/")
    };
    protocols.peek().is_some() && !protocols.any(version)
}

/// Whether a 101 switches to what its request offered, and to nothing else (RFC 9110 section 15.2.2).
#[must_use]
pub fn was_offered(request: &Head, response: &Head) -> bool {
    let offered =
        |chosen: &[u8]| request.all_known(Known::Upgrade).flat_map(tokens).any(|one| one.eq_ignore_ascii_case(chosen));
    response.all_known(Known::Upgrade).flat_map(tokens).all(offered)
}

/// The elements of a comma-separated list.
pub fn tokens(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|token| !token.is_empty())
}
