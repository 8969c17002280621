//! Any bytes: what we accept as a head is written as a head that the strict reader understands as the same message.

use proptest::prelude::*;
use proptest::sample::select;

use crate::harness::strict::{self, Fields, Framing};
use gatewright::http::admit;
use gatewright::http::forwarded;
use gatewright::http::h1::parse;
use gatewright::http::h1::write::{self, Length, Persistence};
use gatewright::http::head::Head;
use gatewright::http::name::{FieldName, is_field_value};
use gatewright::http::{Rules, hop_by_hop};

const FIELDS_MAX: usize = 100;
const NAMES: &[&str] = &[
    "Host",
    "host",
    "Content-Length",
    "Transfer-Encoding",
    "Connection",
    "TE",
    "Trailer",
    "Upgrade",
    "Expect",
    "Via",
    "X-Forwarded-For",
    "X-Request-Id",
    "Keep-Alive",
    "Cookie",
    "X-A",
    "x-b",
    "Max-Forwards",
    "Proxy-Connection",
    "!#$%&'*+-.^_`|~",
];
const VALUES: &[&str] = &[
    "",
    "a",
    "0",
    "5",
    "05",
    "+5",
    "5, 5",
    "chunked",
    "Chunked",
    "gzip, chunked",
    "close",
    "keep-alive, X-A",
    "upgrade",
    "host",
    "trailers",
    "websocket",
    "h2c",
    "100-continue",
    "example.com:80",
    "[::1]",
    "a b",
    "\"q\\\"\"",
    "\u{e4}",
    "\t x \t",
];
const PLAIN_NAMES: &[&str] =
    &["Accept", "cookie", "X-A", "x-b", "Connection", "Keep-Alive", "Via", "TE", "Upgrade", "!#$%&'*+-.^_`|~"];
const PLAIN_VALUES: &[&str] =
    &["", "a", "close, x-a", "trailers", "upgrade", "websocket", "\u{e4}", "a\tb", "\"q\\\"\"", "5"];
const METHODS: &[&str] = &["GET", "HEAD", "POST", "OPTIONS", "CONNECT", "TRACE", "get", "M-SEARCH", "X~|"];
const TARGETS: &[&str] = &[
    "/",
    "/a?b=c",
    "*",
    "http://b/x",
    "http://b",
    "/a/../b",
    "/%2e%2e/%61",
    "/%2F%5c",
    "//a",
    "a:80",
    "/a b",
    "/?a?b#c",
    "/\u{e4}",
    "/.",
    "/a/./..//b/..",
    "https://B:443/?x",
    "/{a}|^`",
    "/%",
    "/%zz",
    "http://u@b/",
];
const VERSIONS: &[&str] = &["HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/1.2", "HTTP/2.0", "http/1.1"];
const PHRASES: &[&str] = &["", " ", " OK", " Not so\tgood", " \u{e4}"];
/// Bytes in which parsers differ.
const EVIL: &[u8] = b"\0\r\n \t\x0b\x0c\x1f\x7f\x80\xff:;,\"\\/?#%@[]a1";

fn lines() -> impl Strategy<Value = String> {
    let odd = (select(NAMES), select(VALUES), select(&[": ", ":", ":  ", " : "][..]));
    let plain = (select(PLAIN_NAMES), select(PLAIN_VALUES), select(&[": ", ":", ":\t"][..]));
    let line = prop_oneof![1 => odd, 4 => plain];
    prop::collection::vec(line, 0..8)
        .prop_map(|lines| lines.iter().map(|(name, value, colon)| format!("{name}{colon}{value}\r\n")).collect())
}

/// A head with up to three bytes changed, doubled or taken away.
fn spoilt(head: impl Strategy<Value = String>) -> impl Strategy<Value = Vec<u8>> {
    let change = || (any::<prop::sample::Index>(), select(EVIL), 0..3u8);
    let spoil = prop_oneof![2 => Just(Vec::new()), 1 => prop::collection::vec(change(), 1..4)];
    (head, spoil).prop_map(|(head, spoil)| {
        let mut bytes = head.into_bytes();
        for (at, byte, how) in spoil {
            let at = at.index(bytes.len());
            match how {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => drop(bytes.remove(at)),
            }
        }
        bytes
    })
}

fn requests() -> impl Strategy<Value = Vec<u8>> {
    let host = select(&["Host: a\r\n", "Host: a\r\n", "Host: a\r\n", ""][..]);
    let method = prop_oneof![1 => select(METHODS), 3 => select(&["GET", "POST"][..])];
    let target = prop_oneof![1 => select(TARGETS), 2 => select(&["/", "/a?b=c", "http://b/x", "/a/../%2e/%62"][..])];
    let head = (method, target, select(VERSIONS), host, lines());
    spoilt(
        head.prop_map(|(method, target, version, host, lines)| {
            format!("{method} {target} {version}\r\n{host}{lines}\r\n")
        }),
    )
}

fn responses() -> impl Strategy<Value = Vec<u8>> {
    let head = (select(VERSIONS), 95..610u16, select(PHRASES), lines());
    spoilt(head.prop_map(|(version, status, phrase, lines)| format!("{version} {status}{phrase}\r\n{lines}\r\n")))
}

/// The fields of a head as the strict reader would give them.
fn fields(head: &Head) -> Fields {
    let text = |bytes: &[u8]| bytes.iter().map(|byte| char::from(*byte)).collect::<String>();
    head.fields().map(|(name, value)| (text(name), text(value))).collect()
}

fn framing(length: Length) -> Framing {
    match length {
        Length::None | Length::Close => Framing::None,
        Length::Exactly(bytes) => Framing::Length(usize::try_from(bytes).expect("a length that is tested")),
        Length::Chunked => Framing::Chunked,
    }
}

/// Every field of ours stands there, in our order; what else stands there is framing.
fn same_fields(ours: &Fields, theirs: &Fields) {
    let added = ["transfer-encoding", "connection", "te"];
    let theirs: Vec<_> = theirs.iter().filter(|(name, _)| !added.contains(&&*name.to_ascii_lowercase())).collect();
    assert_eq!(ours.iter().collect::<Vec<_>>(), theirs);
}

fn reparse_request(bytes: &[u8]) {
    let mut head = Head::new();
    let Ok(Some(length)) = parse::request(bytes, FIELDS_MAX, &mut head) else { return };
    let theirs = strict::request_head(bytes[..length].to_vec());
    let seen = fields(&head);
    let Ok(admitted) = admit::request(&mut head, &Rules::default()) else { return };
    // Where the strict reader takes the head as it came, it must have seen the same fields and body.
    if let Ok(theirs) = &theirs {
        assert_eq!((&seen, framing(admitted.length)), (&theirs.fields, theirs.framing));
    }
    forwarded::via(&mut head, "proxy");
    let mut out = Vec::new();
    let persistence = if admitted.upgrade { Persistence::Upgrade } else { Persistence::Default };
    if !head.fields().any(|(name, _)| name.eq_ignore_ascii_case(b"host")) {
        return; // HTTP/1.0: the attempt names the endpoint
    }
    write::request(&head, admitted.length, persistence, admitted.trailers_welcome, &mut out);
    let reread = strict::request_head(out.clone()).unwrap_or_else(|why| panic!("{why}: {}", out.escape_ascii()));
    assert_eq!((&*reread.method, &*reread.target, &*reread.version), (head.method(), head.target(), "HTTP/1.1"));
    assert_eq!(reread.framing, framing(admitted.length));
    same_fields(&fields(&head), &reread.fields);
    let hop = ["keep-alive", "proxy-connection"];
    assert!(!reread.fields.iter().any(|(name, _)| hop.contains(&&*name.to_ascii_lowercase())));
    let connection: Vec<&[u8]> =
        reread.fields.iter().filter(|(name, _)| name == "connection").map(|(_, v)| v.as_bytes()).collect();
    let options = connection.iter().flat_map(|value| hop_by_hop::tokens(value)).count();
    assert!(options <= 1, "one option of our own at most: {}", out.escape_ascii());
    again_is_the_same(&out);
}

/// What we wrote is read by us as it was, too.
fn again_is_the_same(written: &[u8]) {
    let mut head = Head::new();
    let length = parse::request(written, FIELDS_MAX + 8, &mut head).expect("what we write parses");
    assert_eq!(length, Some(written.len()));
    let target = head.target().to_owned();
    admit::request(&mut head, &Rules::default()).expect("what we forward is admitted");
    assert_eq!(head.target(), target, "a normalised target is normal");
}

fn reparse_response(bytes: &[u8], method: &str) {
    let mut head = Head::new();
    let Ok(Some(length)) = parse::response(bytes, FIELDS_MAX, &mut head) else { return };
    let theirs = strict::response_head(bytes[..length].to_vec(), method);
    let seen = fields(&head);
    let Ok(received) = admit::response(&mut head, method, true) else { return };
    if let Ok(theirs) = &theirs {
        assert_eq!(seen, theirs.fields);
        let close = theirs.framing == Framing::Close && received.length == Length::Chunked;
        assert!(close || framing(received.length) == theirs.framing, "{received:?} {theirs:?}");
    }
    let mut out = Vec::new();
    let persistence = if received.upgrade { Persistence::Upgrade } else { Persistence::Default };
    write::response(&head, received.length, persistence, &mut out);
    let reread =
        strict::response_head(out.clone(), method).unwrap_or_else(|why| panic!("{why}: {}", out.escape_ascii()));
    assert_eq!((reread.status, reread.framing), (head.status(), framing(received.length)));
    same_fields(&fields(&head), &reread.fields);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_request_is_written_as_it_was_understood(bytes in requests()) {
        reparse_request(&bytes);
    }

    #[test]
    fn a_response_is_written_as_it_was_understood(bytes in responses(), method in select(&["GET", "HEAD", "POST"][..])) {
        reparse_response(&bytes, method);
    }

    #[test]
    fn edits_leave_a_head_that_reads_as_it_was_edited(
        bytes in requests(),
        edits in prop::collection::vec((select(NAMES), select(VALUES), 0..3u8), 0..6),
    ) {
        let mut head = Head::new();
        if !matches!(parse::request(&bytes, FIELDS_MAX, &mut head), Ok(Some(_))) {
            return Ok(());
        }
        let Ok(admitted) = admit::request(&mut head, &Rules::default()) else { return Ok(()) };
        for (name, value, how) in edits {
            let name = FieldName::new(name).expect("a name");
            let host = name.as_str().eq_ignore_ascii_case("host");
            if name.known().is_framing() || host || !is_field_value(value.trim().as_bytes()) {
                continue;
            }
            match how {
                0 => head.set(&name, value.trim().as_bytes()),
                1 => head.add(&name, value.trim().as_bytes()),
                _ => drop(head.remove(&name)),
            }
        }
        if head.fields().any(|(name, _)| name.eq_ignore_ascii_case(b"host")) {
            let mut out = Vec::new();
            write::request(&head, admitted.length, Persistence::Default, false, &mut out);
            let reread = strict::request_head(out.clone()).unwrap_or_else(|why| panic!("{why}: {}", out.escape_ascii()));
            same_fields(&fields(&head), &reread.fields);
        }
    }
}
