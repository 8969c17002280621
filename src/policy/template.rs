//! `{…}` placeholders, compiled once: what a configured text may say about the exchange at hand.
//!
//! Whatever is filled in has its control characters removed and is escaped for the place where it stands, so that a
//! client can never write more than a value. A template never computes: whatever computes is a policy.

use std::fmt;
use std::io::Write as _;

use super::routing::matching::host_of;
use super::{Complaint, Secrets, closest, query};
use crate::hook::{TlsFacts, View};
use crate::http::name::FieldName;

/// A text with placeholders.
#[derive(Clone)]
pub struct Template {
    /// As written: it names secrets and does not hold them.
    source: Box<str>,
    parts: Vec<Part>,
}

/// What becomes of the values that are filled in. What was written between the placeholders stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Escape {
    /// A field value, or plain text.
    Nothing,
    /// A whole URL: what cannot stand in one is percent-encoded.
    Url,
    /// A path: values other than the request's own path, query and target cannot add a segment or a query.
    Path,
    Html,
    /// Inside a JSON string.
    Json,
}

#[derive(Clone)]
enum Part {
    Text(Box<[u8]>),
    Place(Place),
    Secret(Box<[u8]>),
}

#[derive(Clone)]
enum Place {
    ClientAddress,
    Tls(Settled),
    RequestId,
    Method,
    Scheme,
    Host,
    Path,
    Query,
    Target,
    Header(FieldName),
    QueryValue(Box<str>),
    PathValue(Box<str>),
    RouteName,
    Upstream,
    Endpoint,
    Status,
    Value(Box<str>),
}

/// What a client's TLS connection has settled.
#[derive(Debug, Clone, Copy)]
enum Settled {
    Version,
    Cipher,
    ServerName,
    Subject,
    Names,
    Fingerprint,
}

/// Every placeholder, for the reference and for suggestions.
pub const PLACEHOLDERS: &[&str] = &[
    "client.address",
    "client.certificate.subject",
    "client.certificate.names",
    "client.certificate.fingerprint",
    "tls.version",
    "tls.cipher",
    "tls.server_name",
    "request.id",
    "request.method",
    "request.scheme",
    "request.host",
    "request.path",
    "request.query",
    "request.target",
    "header.NAME",
    "query.NAME",
    "path.NAME",
    "route.name",
    "upstream",
    "endpoint",
    "response.status",
    "value.KEY",
    "secret.NAME",
];

const HELP: &str = "known are client.address, client.certificate.{subject,names,fingerprint}, tls.{version,cipher,server_name}, \
     request.{id,method,scheme,host,path,query,target}, header.NAME, \
     query.NAME, path.NAME, route.name, upstream, endpoint, response.status, value.KEY and secret.NAME; a brace itself \
     is written {{ or }}";

// === impl Template ===

impl Template {
    /// Compiles a text. Secrets are looked up now and never printed.
    pub fn new(text: &str, secrets: &Secrets) -> Result<Self, Complaint> {
        let mut parts = Vec::new();
        let mut literal = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, from) = rest.split_at(at);
            literal.extend_from_slice(before.as_bytes());
            let brace = &from[..1];
            let behind = &from[1..];
            if let Some(after) = behind.strip_prefix(brace) {
                literal.extend_from_slice(brace.as_bytes());
                rest = after;
            } else if brace == "}" {
                return Err(Complaint::new(
                    format!("a `}}` closes nothing in `{text}`"),
                    "write }} for a brace itself",
                ));
            } else {
                let Some((name, after)) = behind.split_once('}') else {
                    let message = format!("a `{{` is never closed in `{text}`");
                    return Err(Complaint::new(message, "write {{ for a brace itself"));
                };
                if !literal.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut literal).into()));
                }
                parts.push(Part::new(name, secrets)?);
                rest = after;
            }
        }
        literal.extend_from_slice(rest.as_bytes());
        if !literal.is_empty() {
            parts.push(Part::Text(literal.into()));
        }
        Ok(Self { source: text.into(), parts })
    }

    /// Compiles the value of a field: no control character may stand between the placeholders.
    pub fn field_value(text: &str, secrets: &Secrets) -> Result<Self, Complaint> {
        let template = Self::new(text, secrets)?;
        if template.texts().any(|text| text.iter().any(|byte| is_control(*byte) && *byte != b'\t')) {
            let message = format!("the value {text:?} has a line end or another control character in it");
            return Err(Complaint::new(message, "a field value is one line of text"));
        }
        Ok(template)
    }

    /// As written.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// What stands before the first placeholder.
    #[must_use]
    pub fn start(&self) -> &[u8] {
        match self.parts.first() {
            Some(Part::Text(text)) => text,
            _ => b"",
        }
    }

    /// The pieces that were written out.
    pub fn texts(&self) -> impl Iterator<Item = &[u8]> {
        self.parts.iter().filter_map(|part| match part {
            Part::Text(text) => Some(&text[..]),
            _ => None,
        })
    }

    /// The first placeholder that means nothing before there is an endpoint or a response.
    #[must_use]
    pub fn too_early(&self) -> Option<&'static str> {
        self.parts.iter().find_map(|part| match part {
            Part::Place(Place::Status) => Some("response.status"),
            Part::Place(Place::Endpoint) => Some("endpoint"),
            _ => None,
        })
    }

    /// Appends the text. What is not known on this exchange is left empty.
    pub fn render(&self, view: &dyn View, out: &mut Vec<u8>) {
        self.render_for(Escape::Nothing, view, out);
    }

    /// [`Template::render`], for a place where values must be escaped.
    pub fn render_for(&self, escape: Escape, view: &dyn View, out: &mut Vec<u8>) {
        for part in &self.parts {
            match part {
                Part::Text(text) => out.extend_from_slice(text),
                Part::Secret(bytes) => put(bytes, escape, out),
                Part::Place(place) => place.render(escape, view, out),
            }
        }
    }

    /// The value of a field: no space at either end.
    pub fn render_value(&self, view: &dyn View, out: &mut Vec<u8>) {
        self.render(view, out);
        let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
        out.truncate(out.iter().rposition(|byte| !blank(byte)).map_or(0, |last| last + 1));
        let leading = out.iter().take_while(|byte| blank(byte)).count();
        out.drain(..leading);
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Template({:?})", self.source)
    }
}

// === impl Part ===

impl Part {
    fn new(name: &str, secrets: &Secrets) -> Result<Self, Complaint> {
        let place = match name {
            "client.address" => Place::ClientAddress,
            "client.certificate.subject" => Place::Tls(Settled::Subject),
            "client.certificate.names" => Place::Tls(Settled::Names),
            "client.certificate.fingerprint" => Place::Tls(Settled::Fingerprint),
            "tls.version" => Place::Tls(Settled::Version),
            "tls.cipher" => Place::Tls(Settled::Cipher),
            "tls.server_name" => Place::Tls(Settled::ServerName),
            "request.id" => Place::RequestId,
            "request.method" => Place::Method,
            "request.scheme" => Place::Scheme,
            "request.host" => Place::Host,
            "request.path" => Place::Path,
            "request.query" => Place::Query,
            "request.target" => Place::Target,
            "route.name" => Place::RouteName,
            "upstream" => Place::Upstream,
            "endpoint" => Place::Endpoint,
            "response.status" => Place::Status,
            _ => match name.split_once('.') {
                Some(("header", field)) => Place::Header(FieldName::new(field).map_err(|why| {
                    Complaint::new(format!("`{{header.{field}}}`: {why}"), "a name such as {header.accept-language}")
                })?),
                Some(("query", key)) if !key.is_empty() => Place::QueryValue(key.into()),
                Some(("path", key)) if !key.is_empty() => Place::PathValue(key.into()),
                Some(("value", key)) if !key.is_empty() => Place::Value(key.into()),
                Some(("secret", key)) => return Self::secret(key, secrets),
                _ => return Err(unknown(name)),
            },
        };
        Ok(Self::Place(place))
    }

    fn secret(key: &str, secrets: &Secrets) -> Result<Self, Complaint> {
        match secrets.get(key) {
            Some(secret) => Ok(Self::Secret(secret.0.to_vec().into())),
            None => {
                let near = closest(key, secrets.keys().map(String::as_str));
                let hint = near.map(|near| format!(" (did you mean `{near}`?)")).unwrap_or_default();
                Err(Complaint::new(format!("there is no secret `{key}`{hint}"), "name it under `secrets:`"))
            }
        }
    }
}

fn unknown(name: &str) -> Complaint {
    let near = closest(name, PLACEHOLDERS.iter().copied());
    let hint = near.map(|near| format!(" (did you mean `{{{near}}}`?)")).unwrap_or_default();
    Complaint::new(format!("unknown placeholder `{{{name}}}`{hint}"), HELP)
}

// === impl Place ===

impl Place {
    fn render(&self, escape: Escape, view: &dyn View, out: &mut Vec<u8>) {
        // A request's own path and query are a path and a query already.
        let own = if escape == Escape::Path { Escape::Url } else { escape };
        match self {
            Self::ClientAddress => {
                if let Ok(client) = view.client() {
                    let _to_memory = write!(out, "{}", client.address());
                }
            }
            Self::Tls(settled) => {
                let tls = view.client().ok().and_then(|client| client.tls.as_deref());
                put(tls.map_or("", |tls| settled.of(tls)).as_bytes(), escape, out);
            }
            Self::RequestId => put(view.request_id().as_bytes(), escape, out),
            Self::Scheme => {
                let secure = view.client().is_ok_and(|client| client.secure);
                out.extend_from_slice(if secure { b"https" } else { b"http" });
            }
            Self::RouteName => {
                if let Ok(Some(route)) = view.route() {
                    put(route.name.as_bytes(), escape, out);
                }
            }
            Self::PathValue(name) => {
                if let Ok(Some(route)) = view.route()
                    && let Some((_, value)) = route.params.iter().find(|(key, _)| **key == **name)
                {
                    put(value.as_bytes(), escape, out);
                }
            }
            Self::Upstream => put(view.upstream_name().as_bytes(), escape, out),
            Self::Endpoint => {
                if let Ok(Some(endpoint)) = view.endpoint() {
                    put(endpoint.name.as_bytes(), escape, out);
                }
            }
            Self::Status => {
                if let Ok(head) = view.response() {
                    out.extend_from_slice(itoa::Buffer::new().format(head.status()).as_bytes());
                }
            }
            Self::Value(key) => {
                let mut shown = Vec::new();
                if let Ok(Some(value)) = view.value(key) {
                    value.show(&mut shown);
                }
                put(&shown, escape, out);
            }
            Self::Path => put(view.request().map(|head| head.path()).unwrap_or_default().as_bytes(), own, out),
            Self::Target => put(view.request().map(|head| head.target()).unwrap_or_default().as_bytes(), own, out),
            Self::Method | Self::Host | Self::Query | Self::Header(_) | Self::QueryValue(_) => {
                self.render_request(escape, own, view, out);
            }
        }
    }

    fn render_request(&self, escape: Escape, own: Escape, view: &dyn View, out: &mut Vec<u8>) {
        let Ok(head) = view.request() else { return };
        match self {
            Self::Method => put(head.method().as_bytes(), escape, out),
            Self::Host => {
                let at = out.len();
                put(host_of(head), escape, out);
                if let Some(host) = out.get_mut(at..) {
                    host.make_ascii_lowercase();
                }
            }
            Self::Query => put(head.query().unwrap_or_default().as_bytes(), own, out),
            Self::Header(name) => {
                for (index, value) in head.all(name).enumerate() {
                    if index > 0 {
                        put(b", ", escape, out);
                    }
                    put(value, escape, out);
                }
            }
            Self::QueryValue(name) => {
                put(query::first(head.query(), name).unwrap_or_default().as_bytes(), escape, out);
            }
            _ => {}
        }
    }
}

// === impl Settled ===

impl Settled {
    fn of(self, tls: &TlsFacts) -> &str {
        let certificate = tls.certificate.as_deref();
        match self {
            Self::Version => tls.version,
            Self::Cipher => tls.cipher,
            Self::ServerName => tls.server_name.as_deref().unwrap_or_default(),
            Self::Subject => certificate.map_or("", |certificate| &certificate.subject),
            Self::Names => certificate.map_or("", |certificate| &certificate.names),
            Self::Fingerprint => certificate.map_or("", |certificate| &certificate.fingerprint),
        }
    }
}

fn is_control(byte: u8) -> bool {
    byte < 0x20 || byte == 0x7f
}

/// Appends a value without its control characters, escaped.
fn put(value: &[u8], escape: Escape, out: &mut Vec<u8>) {
    for (index, &byte) in value.iter().enumerate() {
        if is_control(byte) {
            continue;
        }
        match (escape, byte) {
            (Escape::Url | Escape::Path, b'%') if query::escaped(&value[index + 1..]).is_none() => percent(byte, out),
            (Escape::Url | Escape::Path, b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}') => {
                percent(byte, out);
            }
            (Escape::Url | Escape::Path, b' ' | 0x80..) => percent(byte, out),
            (Escape::Path, b'/' | b'?' | b'#') => percent(byte, out),
            (Escape::Html, b'&') => out.extend_from_slice(b"&amp;"),
            (Escape::Html, b'<') => out.extend_from_slice(b"&lt;"),
            (Escape::Html, b'>') => out.extend_from_slice(b"&gt;"),
            (Escape::Html, b'"') => out.extend_from_slice(b"&quot;"),
            (Escape::Html, b'\'') => out.extend_from_slice(b"&#39;"),
            (Escape::Json, b'"' | b'\\') => out.extend_from_slice(&[b'\\', byte]),
            _ => out.push(byte),
        }
    }
}

fn percent(byte: u8, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    out.extend_from_slice(&[b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
}

#[cfg(test)]
mod tests;
