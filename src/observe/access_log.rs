//! The access log: one line per exchange, JSON with OpenTelemetry's names or Apache's combined format.
//!
//! A worker appends lines to its own buffer without allocating and hands the buffer to the writer when it is full or a
//! second old. `t.connect`, `t.first_byte` and `t.total` are milliseconds with three decimals. What an exchange has not
//! got (no route, no user agent) is left out of a JSON line and is `-` in a combined one. Query strings are written as
//! they came.

use std::net::IpAddr;
use std::time::SystemTime;

use super::escape;
use super::log_sink::LogSender;
use super::stamp::Stamp;
use crate::clock;
use crate::limits::{LOG_BUFFER_BYTES, LOG_FLUSH_MS};

/// One exchange, as the log is told of it.
#[allow(missing_docs, reason = "the names are those of the log")]
#[derive(Debug, Clone)]
pub struct Record<'a> {
    /// When the request's head had arrived.
    pub time: SystemTime,
    pub client: IpAddr,
    pub request_id: &'a [u8],
    pub method: &'a [u8],
    /// The path as it came; the whole target where it is none (`*`, an authority).
    pub path: &'a [u8],
    /// Without the `?`.
    pub query: Option<&'a [u8]>,
    /// `1.1`
    pub version: &'a str,
    pub host: Option<&'a [u8]>,
    /// 0: no response was begun.
    pub status: u16,
    /// Bytes of the bodies.
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub listener: &'a str,
    pub route: Option<&'a str>,
    pub upstream: Option<&'a str>,
    pub endpoint: Option<&'a str>,
    pub attempts: u32,
    pub generation: u64,
    /// Microseconds; `None`: no connection was made.
    pub connect_us: Option<u64>,
    /// Microseconds from the begin of the exchange to the head of the upstream's response.
    pub first_byte_us: Option<u64>,
    pub total_us: u64,
    pub user_agent: Option<&'a [u8]>,
    pub referer: Option<&'a [u8]>,
    pub tls: Option<Tls<'a>>,
    pub end: End<'a>,
    /// What only the log is told.
    pub detail: Option<&'a str>,
}

/// What the client's connection has settled.
#[allow(missing_docs, reason = "the names are those of the log")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tls<'a> {
    /// `1.3`
    pub version: &'a str,
    pub cipher: &'a str,
    pub server_name: Option<&'a str>,
    pub resumed: bool,
}

/// Who ended the exchange, and why.
#[allow(missing_docs, reason = "the examples say it")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End<'a> {
    /// The response was delivered whole.
    Complete,
    /// `client:client_closed`
    Failed { by: &'a str, reason: &'a str },
    /// `policy:login:Answer`
    Policy { name: &'a str, verdict: &'a str },
}

/// How a line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One line of JSON.
    Json,
    /// Apache's `combined`.
    Combined,
}

/// A worker's end of the access log.
#[derive(Debug)]
pub struct AccessLog {
    format: Format,
    stamp: Stamp,
    buffer: Vec<u8>,
    /// When the oldest line in the buffer must go.
    due_ms: u64,
    sender: LogSender,
}

// === impl AccessLog ===

impl AccessLog {
    /// An empty buffer before that writer.
    #[must_use]
    pub fn new(format: Format, sender: LogSender) -> Self {
        Self { format, stamp: Stamp::new(), buffer: Vec::new(), due_ms: clock::NEVER, sender }
    }

    /// Appends a line; hands the buffer over when it is full.
    pub fn write(&mut self, record: &Record<'_>) {
        if self.buffer.capacity() == 0 {
            self.buffer.reserve(LOG_BUFFER_BYTES + LOG_BUFFER_BYTES / 8);
        }
        if self.buffer.is_empty() {
            self.due_ms = clock::now() + LOG_FLUSH_MS;
        }
        record.append(self.format, &mut self.stamp, &mut self.buffer);
        if self.buffer.len() >= LOG_BUFFER_BYTES {
            self.flush();
        }
    }

    /// Hands over what there is.
    pub fn flush(&mut self) {
        self.due_ms = clock::NEVER;
        if !self.buffer.is_empty() {
            self.sender.send(std::mem::take(&mut self.buffer));
        }
    }

    /// When [`AccessLog::flush`] must be called, in milliseconds of the clock; `NEVER` while there is nothing.
    #[must_use]
    pub fn due_ms(&self) -> u64 {
        self.due_ms
    }
}

impl Drop for AccessLog {
    fn drop(&mut self) {
        self.flush();
    }
}

// === impl Record ===

impl Record<'_> {
    /// Appends the line.
    pub fn append(&self, format: Format, stamp: &mut Stamp, out: &mut Vec<u8>) {
        match format {
            Format::Json => self.json(stamp, out),
            Format::Combined => self.combined(stamp, out),
        }
    }

    fn json(&self, stamp: &mut Stamp, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"time\":\"");
        stamp.rfc3339(self.time, out);
        out.extend_from_slice(b"\",\"client.address\":\"");
        address(self.client, out);
        out.push(b'"');
        text(out, "request_id", Some(self.request_id));
        text(out, "http.request.method", Some(self.method));
        text(out, "url.path", Some(self.path));
        text(out, "url.query", self.query);
        text(out, "server.address", self.host);
        text(out, "network.protocol.version", Some(self.version.as_bytes()));
        if let Some(tls) = &self.tls {
            text(out, "tls.protocol.version", Some(tls.version.as_bytes()));
            text(out, "tls.cipher", Some(tls.cipher.as_bytes()));
            text(out, "tls.client.server_name", tls.server_name.map(str::as_bytes));
            out.extend_from_slice(if tls.resumed { b",\"tls.resumed\":true" } else { b",\"tls.resumed\":false" });
        }
        if self.status != 0 {
            number(out, "http.response.status_code", u64::from(self.status));
        }
        text(out, "listener", Some(self.listener.as_bytes()));
        text(out, "http.route", self.route.map(str::as_bytes));
        text(out, "upstream", self.upstream.map(str::as_bytes));
        text(out, "endpoint", self.endpoint.map(str::as_bytes));
        number(out, "attempts", u64::from(self.attempts));
        millis(out, "t.connect", self.connect_us);
        millis(out, "t.first_byte", self.first_byte_us);
        millis(out, "t.total", Some(self.total_us));
        number(out, "bytes.in", self.bytes_in);
        number(out, "bytes.out", self.bytes_out);
        text(out, "user_agent.original", self.user_agent);
        text(out, "http.request.header.referer", self.referer);
        number(out, "generation", self.generation);
        out.extend_from_slice(b",\"end\":\"");
        self.end.append(out);
        out.push(b'"');
        text(out, "detail", self.detail.map(str::as_bytes));
        out.extend_from_slice(b"}\n");
    }

    fn combined(&self, stamp: &mut Stamp, out: &mut Vec<u8>) {
        address(self.client, out);
        out.extend_from_slice(b" - - [");
        stamp.apache(self.time, out);
        out.extend_from_slice(b"] \"");
        escape::apache(self.method, out);
        out.push(b' ');
        escape::apache(self.path, out);
        if let Some(query) = self.query {
            out.push(b'?');
            escape::apache(query, out);
        }
        out.extend_from_slice(b" HTTP/");
        out.extend_from_slice(self.version.as_bytes());
        out.extend_from_slice(b"\" ");
        match self.status {
            0 => out.extend_from_slice(b"000"),
            status => out.extend_from_slice(itoa::Buffer::new().format(status).as_bytes()),
        }
        out.push(b' ');
        match self.bytes_out {
            0 => out.push(b'-'),
            n => out.extend_from_slice(itoa::Buffer::new().format(n).as_bytes()),
        }
        for quoted in [self.referer, self.user_agent] {
            out.extend_from_slice(b" \"");
            escape::apache(quoted.filter(|text| !text.is_empty()).unwrap_or(b"-"), out);
            out.push(b'"');
        }
        out.push(b'\n');
    }
}

// === impl End ===

impl End<'_> {
    fn append(&self, out: &mut Vec<u8>) {
        let (first, second, third) = match *self {
            Self::Complete => ("complete", "", ""),
            Self::Failed { by, reason } => (by, reason, ""),
            Self::Policy { name, verdict } => ("policy", name, verdict),
        };
        out.extend_from_slice(first.as_bytes());
        for part in [second, third].into_iter().filter(|part| !part.is_empty()) {
            out.push(b':');
            escape::json(part.as_bytes(), out);
        }
    }
}

fn key(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

fn text(out: &mut Vec<u8>, name: &str, value: Option<&[u8]>) {
    if let Some(value) = value {
        key(out, name);
        out.push(b'"');
        escape::json(value, out);
        out.push(b'"');
    }
}

fn number(out: &mut Vec<u8>, name: &str, value: u64) {
    key(out, name);
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

fn millis(out: &mut Vec<u8>, name: &str, micros: Option<u64>) {
    if let Some(micros) = micros {
        number(out, name, micros / 1000);
        let rest = (micros % 1000) as u16;
        let digit = |value: u16| b'0' + (value % 10) as u8;
        out.extend_from_slice(&[b'.', digit(rest / 100), digit(rest / 10), digit(rest)]);
    }
}

fn address(address: IpAddr, out: &mut Vec<u8>) {
    match address {
        IpAddr::V4(address) => {
            for (index, part) in address.octets().into_iter().enumerate() {
                if index > 0 {
                    out.push(b'.');
                }
                out.extend_from_slice(itoa::Buffer::new().format(part).as_bytes());
            }
        }
        IpAddr::V6(address) => {
            // A Vec takes every byte: this cannot fail.
            let _written = std::io::Write::write_fmt(out, format_args!("{address}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    fn record<'a>() -> Record<'a> {
        Record {
            time: UNIX_EPOCH + Duration::from_millis(1_795_236_044_123),
            client: IpAddr::from([192, 0, 2, 1]),
            request_id: b"0123456789abcdef0123456789abcdef",
            method: b"GET",
            path: b"/cart/7",
            query: Some(b"a=1"),
            version: "1.1",
            host: Some(b"shop.example.com"),
            status: 200,
            bytes_in: 0,
            bytes_out: 13,
            listener: "web",
            route: Some("cart"),
            upstream: Some("shop"),
            endpoint: Some("10.0.0.1:80"),
            attempts: 1,
            generation: 3,
            connect_us: None,
            first_byte_us: Some(1_002),
            total_us: 2_000_345,
            user_agent: Some(b"curl/8"),
            referer: None,
            tls: None,
            end: End::Complete,
            detail: None,
        }
    }

    fn line(record: &Record<'_>, format: Format) -> String {
        let mut out = Vec::new();
        record.append(format, &mut Stamp::new(), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_plain_line_of_each_kind() {
        let expected = concat!(
            r#"{"time":"2026-11-21T04:40:44.123Z","client.address":"192.0.2.1","request_id":"0123456789abcdef0123456789"#,
            r#"abcdef","http.request.method":"GET","url.path":"/cart/7","url.query":"a=1","server.address":"shop.exam"#,
            r#"ple.com","network.protocol.version":"1.1","http.response.status_code":200,"listener":"web","http.route""#,
            r#":"cart","upstream":"shop","endpoint":"10.0.0.1:80","attempts":1,"t.first_byte":1.002,"t.total":2000.345"#,
            r#","bytes.in":0,"bytes.out":13,"user_agent.original":"curl/8","generation":3,"end":"complete"}"#,
            "\n"
        );
        assert_eq!(line(&record(), Format::Json), expected);
        let expected =
            "192.0.2.1 - - [21/Nov/2026:04:40:44 +0000] \"GET /cart/7?a=1 HTTP/1.1\" 200 13 \"-\" \"curl/8\"\n";
        assert_eq!(line(&record(), Format::Combined), expected);
    }

    #[test]
    fn hostile_bytes_stay_inside_their_line() {
        let evil: &[u8] = b"\" 200 0\r\n192.0.2.9 - \xff\x1b[2J\\";
        let mut record = record();
        record.client = "2001:db8::1".parse().unwrap();
        (record.path, record.query, record.user_agent, record.referer) = (evil, Some(evil), Some(evil), Some(&b""[..]));
        (record.status, record.bytes_out) = (0, 0);
        record.end = End::Failed { by: "upstream", reason: "first_byte_timeout" };
        record.detail = Some("said \"no\"");
        let json = line(&record, Format::Json);
        assert_eq!(json.matches('\n').count(), 1);
        let read: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(read["url.path"], String::from_utf8_lossy(evil).as_ref());
        assert_eq!(read["end"], "upstream:first_byte_timeout");
        assert_eq!(read["detail"], "said \"no\"");
        assert_eq!(read.get("http.response.status_code"), None);
        let combined = line(&record, Format::Combined);
        let escaped = r#"\" 200 0\x0d\x0a192.0.2.9 - \xff\x1b[2J\\"#;
        let head = "2001:db8::1 - - [21/Nov/2026:04:40:44 +0000]";
        let expected = format!("{head} \"GET {escaped}?{escaped} HTTP/1.1\" 000 - \"-\" \"{escaped}\"\n");
        assert_eq!(combined, expected);
        record.tls = Some(Tls {
            version: "1.3",
            cipher: "TLS_AES_128_GCM_SHA256",
            server_name: Some("shop.example.com"),
            resumed: true,
        });
        let expected = r#""tls.protocol.version":"1.3","tls.cipher":"TLS_AES_128_GCM_SHA256","tls.client.server_name":"shop.example.com","tls.resumed":true"#;
        assert!(line(&record, Format::Json).contains(expected));
        record.end = End::Policy { name: "login", verdict: "Answer" };
        assert!(line(&record, Format::Json).contains(r#""end":"policy:login:Answer""#));
    }

    #[test]
    fn a_buffer_goes_when_it_is_full_or_old() {
        use crate::observe::log_sink::{LogSink, Target};
        use crate::observe::metrics::Metrics;
        clock::freeze();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let sink = LogSink::start(Target::File(path.clone()), Metrics::new(1)).unwrap();
        let mut log = AccessLog::new(Format::Combined, sink.sender());
        assert_eq!(log.due_ms(), clock::NEVER);
        log.write(&record());
        assert_eq!(log.due_ms(), clock::now() + LOG_FLUSH_MS);
        let capacity = log.buffer.capacity();
        while log.due_ms() != clock::NEVER {
            log.write(&record());
            assert!(log.buffer.capacity() == capacity || log.buffer.is_empty(), "no growth on the way");
        }
        log.write(&record());
        drop(log);
        drop(sink);
        let written = std::fs::read_to_string(&path).unwrap();
        assert!(written.len() >= LOG_BUFFER_BYTES && written.lines().all(|it| it.ends_with("\"curl/8\"")));
    }
}
