//! X-Forwarded-*, Forwarded (RFC 7239) and Via (RFC 9110 section 7.6.3).

use std::net::IpAddr;

use smallvec::SmallVec;

use super::head::{Head, Version};
use super::name::{FieldName, Known};

/// Which fields tell the origin about the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forwarded {
    /// X-Forwarded-For, -Proto and -Host.
    pub x_forwarded: bool,
    /// Forwarded, RFC 7239.
    pub forwarded: bool,
    /// Via on requests: the pseudonym; `None`: no Via.
    pub via: Option<String>,
    /// Via on responses too.
    pub via_response: bool,
}

/// Who asked, as far as these fields tell.
#[derive(Debug, Clone, Copy)]
pub struct Asker<'a> {
    pub address: IpAddr,
    /// `address` as text, made once per connection.
    pub address_text: &'a str,
    pub secure: bool,
    /// What it says of those before it is believed.
    pub trusted: bool,
}

/// The lines that are the same for every request of an untrusted client, made once per listener: they enter a head in one
/// copy.
#[derive(Debug)]
pub struct Lines {
    /// They say that the client came by TLS.
    secure: bool,
    /// For requests by HTTP/1.1 and by HTTP/2, which Via tells apart.
    one: Block,
    two: Block,
}

#[derive(Debug, Default)]
struct Block {
    bytes: Vec<u8>,
    fields: SmallVec<[Line; 3]>,
}

/// A line within [`Lines`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    pub(super) known: Known,
    pub(super) at: u32,
    pub(super) name_len: u16,
    pub(super) value_len: u32,
}

impl Default for Forwarded {
    fn default() -> Self {
        Self { x_forwarded: true, forwarded: false, via: Some("gatewright".into()), via_response: false }
    }
}

/// Writes the fields into a request's head. What an untrusted client says about itself is removed.
pub fn apply(head: &mut Head, rules: &Forwarded, asker: &Asker<'_>, lines: &Lines) {
    let block = match head.version() {
        Version::Http11 => Some(&lines.one),
        Version::Http2 => Some(&lines.two),
        Version::Http10 => None,
    };
    let as_usual = !asker.trusted && asker.secure == lines.secure && !rules.forwarded && !head.has(Known::Via);
    let Some(block) = block.filter(|_| as_usual) else { return append_all(head, rules, asker) };
    for known in [Known::Forwarded, Known::XForwardedFor, Known::XForwardedProto, Known::XForwardedHost] {
        head.remove_known(known);
    }
    head.add_lines(&block.bytes, &block.fields);
    if rules.x_forwarded {
        head.add_known(Known::XForwardedFor, asker.address_text.as_bytes());
        head.add_copy(Known::XForwardedHost, Known::Host);
    }
}

/// As [`apply`], where others may have written before us.
fn append_all(head: &mut Head, rules: &Forwarded, asker: &Asker<'_>) {
    if !asker.trusted {
        for known in [Known::Forwarded, Known::XForwardedFor, Known::XForwardedProto, Known::XForwardedHost] {
            head.remove_known(known);
        }
    }
    if rules.x_forwarded {
        append(head, Known::XForwardedFor, asker.address_text.as_bytes());
        if !head.has(Known::XForwardedProto) {
            head.add_known(Known::XForwardedProto, asker.proto().as_bytes());
        }
        if !head.has(Known::XForwardedHost) {
            head.add_copy(Known::XForwardedHost, Known::Host);
        }
    }
    if rules.forwarded {
        let element = element(asker, head.known(Known::Host).unwrap_or_default());
        append(head, Known::Forwarded, element.as_bytes());
    }
    if let Some(pseudonym) = &rules.via {
        via(head, pseudonym);
    }
}

/// Adds us to Via, with the version in which the message came to us (RFC 9110 section 7.6.3).
pub fn via(head: &mut Head, pseudonym: &str) {
    let mut text: SmallVec<[u8; 64]> = SmallVec::new();
    text.extend_from_slice(received_by(head.version()).as_bytes());
    text.push(b' ');
    text.extend_from_slice(pseudonym.as_bytes());
    append(head, Known::Via, &text);
}

fn received_by(version: Version) -> &'static str {
    match version {
        Version::Http10 => "1.0",
        Version::Http11 => "1.1",
        Version::Http2 => "2.0",
    }
}

fn element(asker: &Asker<'_>, host: &[u8]) -> String {
    let proto = asker.proto();
    let node = match asker.address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("\"[{address}]\""),
    };
    let host = String::from_utf8_lossy(host);
    let plain = host.bytes().all(super::name::is_token);
    let quote = if plain { "" } else { "\"" };
    let host = if host.is_empty() { String::new() } else { format!(";host={quote}{host}{quote}") };
    format!("for={node}{host};proto={proto}")
}

/// Appends to a list field, making one line of several.
fn append(head: &mut Head, known: Known, element: &[u8]) {
    if !head.has(known) {
        head.add_known(known, element);
        return;
    }
    let mut list = Vec::new();
    for value in head.all_known(known) {
        list.extend_from_slice(value);
        list.extend_from_slice(b", ");
    }
    list.extend_from_slice(element);
    head.set(&FieldName::from(known), &list);
}

// === impl Asker ===

impl Asker<'_> {
    fn proto(&self) -> &'static str {
        if self.secure { "https" } else { "http" }
    }
}

// === impl Lines ===

impl Lines {
    /// The lines of a listener that is met with or without TLS.
    #[must_use]
    pub fn new(rules: &Forwarded, secure: bool) -> Self {
        let block = |version| {
            let mut block = Block::default();
            if rules.x_forwarded {
                block.push(Known::XForwardedProto, if secure { "https" } else { "http" });
            }
            if let Some(pseudonym) = &rules.via {
                block.push(Known::Via, &format!("{} {pseudonym}", received_by(version)));
            }
            block.bytes.shrink_to_fit();
            block
        };
        Self { secure, one: block(Version::Http11), two: block(Version::Http2) }
    }
}

impl Block {
    fn push(&mut self, known: Known, value: &str) {
        let (at, name) = (self.bytes.len() as u32, known.name());
        self.bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        self.fields.push(Line { known, at, name_len: name.len() as u16, value_len: value.len() as u32 });
    }
}
