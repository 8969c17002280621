//! Fuzz targets, replayed: plain functions over bytes, fed with everything nasty we know and with mutations of it.
//!
//! A target panics when a promise is broken. `FUZZ_CASES=100000 cargo test --release --test fuzz` looks longer.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a failed test panics; the harness's actors are threads with clocks and locks of their own"
)]

#[path = "it/harness/mod.rs"]
mod harness;

use gatewright::config::fuzz_config;
use gatewright::config::scan::fuzz_scan;
use gatewright::http::Rules;
use gatewright::http::admit;
use gatewright::http::authority::fuzz_authority;
use gatewright::http::h1::framing::fuzz_chunked;
use gatewright::http::h1::parse;
use gatewright::http::h1::write::{self, Length, Persistence};
use gatewright::http::head::Head;
use gatewright::http::target::fuzz_target;
use gatewright::limits::FIELDS_MAX;
use gatewright::wire::proxy_header::fuzz_proxy_header;
use harness::strict::{self, Framing};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// A target: its name, and the corpus it begins with.
type Target = (&'static str, fn(&[u8]), &'static [&'static [u8]]);

const TARGETS: &[Target] = &[
    ("request head", fuzz_request_head, REQUESTS),
    ("response head", fuzz_response_head, RESPONSES),
    ("chunked", fuzz_chunked, CHUNKED),
    ("target", fuzz_target, PATHS),
    ("authority", fuzz_authority, AUTHORITIES),
    ("proxy header", fuzz_proxy_header, PROXY_HEADERS),
    ("config", fuzz_config, FILES),
    ("script", fuzz_scan, SCRIPTS),
];

const SCRIPTS: &[&[u8]] = &[
    b"local a = require(\"a.b\") -- why\nlocal b = require 'c' --[==[ ]] ]==] require [[d]]",
    b"print(`{require('a')} {{ `{ { b = `c` } }` }` .. 'x\\'\\z\n  y' .. [=[ ]] ]=])",
    b"x:fetch(\"users\", {}) y = 0x1f..z require(`a`) require(\"a\" .. b) \xff\xfe \"\\",
    b"`{`{`{`{`{`{",
];

const PROXY_HEADERS: &[&[u8]] = &[
    b"PROXY TCP4 192.0.2.1 192.0.2.2 1000 80\r\nGET / HTTP/1.1\r\n",
    b"PROXY TCP6 2001:db8::1 ::1 1 0\r\n",
    b"PROXY UNKNOWN 1 2 3\r\n",
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x01\xc0\0\x02\x02\x03\xe8\0\x50rest",
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x14\xc0\0\x02\x01\xc0\0\x02\x02\x03\xe8\0\x50\x20\0\x05\x01\0\0\0\0",
    b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0",
];

const REQUESTS: &[&[u8]] = &[
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST /x?y=z HTTP/1.1\r\nHost: a.test:80\r\nContent-Length: 3\r\nX-A: 1\r\nx-a:2\r\n\r\nabc",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\nConnection: te, x-b\r\nX-B: 1\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 3\r\nContent-Length: 4\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\nTransfer-Encoding:\x0bchunked\r\n\r\n",
    b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n",
    b"GET http://u@a.test/../b HTTP/1.1\r\nHost: other\r\nHost: a\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n",
    b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n",
    b"GET / HTTP/1.1\nHost: a\n\n",
    b"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost : a\r\nX\0Y: b\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
    b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\nConnection: close, keep-alive, upgrade\r\nUpgrade: websocket\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
];

const RESPONSES: &[&[u8]] = &[
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    b"HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\nTrailer: x\r\nConnection: x-c\r\nX-C: 1\r\n\r\n",
    b"HTTP/1.0 200 OK\r\n\r\nuntil the end",
    b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\nETag: \"a\"\r\n\r\n",
    b"HTTP/1.1 204\r\nContent-Length: 5\r\n\r\n",
    b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n",
    b"HTTP/1.1 099 No\r\n\r\n",
    b"HTTP/2 200 OK\r\nX: \xff\xfe\r\n\r\n",
    b"HTTP/1.1 200 a\rb\r\nX : y\r\n z\r\n\r\n",
];

const CHUNKED: &[&[u8]] = &[
    b"5\r\nhello\r\n0\r\n\r\n",
    b"3;a=b;c=\"d;e\\\"\"\r\nabc\r\n00\r\nX-Sum: 1\r\n\r\n",
    b"0\r\nContent-Length: 5\r\nHost: a\r\nx:y\r\n\r\nleft",
    b"ffffffffffffffffff\r\n",
    b"+5\r\nhello\r\n0\r\n\r\n",
    b"0x5\r\nhello\r\n0\r\n\r\n",
    b"5 \r\nhello\r\n0\n\n",
    b"1\r\nab\r\n0\r\n\r\n",
    b"2;\n\r\nab\r\n0\r\n\r\n",
];

/// The first byte sets rules and method.
const PATHS: &[&[u8]] = &[
    b"\x00/a/./b/../c?d=e",
    b"\x00/%2e%2E/%2f/%41%5c%00",
    b"\x04//a///b/..//c",
    b"\x08/a%2Fb",
    b"\x00http://a.test:80/x/../../y",
    b"\x10*",
    b"\x20a.test:443",
    b"\x00/\\..\\x#y",
    b"\x00/%zz%",
    b"\x00/..%2f..;/%c0%ae%c0%ae/",
];

const AUTHORITIES: &[&[u8]] = &[
    b"a.test",
    b"a.test:80",
    b"[::1]:8080",
    b"[::1",
    b"a:b:c",
    b"u@a",
    b"a:",
    b":80",
    b"a:99999",
    b"%61",
    b"[v1.x]",
    b"a,b",
];

const FILES: &[&[u8]] = &[
    b"version: 1\nlisteners: { web: { bind: 80 } }\nroutes: [ { match: { path: /* }, to: x } ]\n",
    b"a: &a [x,x]\nb: [*a,*a]\n",
    b"version: ${A}\nuse: [ any, { policy: any, with: { a: 1 }, when: { path: /x } } ]\n",
    b"? [a, b]\n: !!str c\n--- \n...\n",
    b"\xef\xbb\xbfversion: 1\r\n\tlisteners:\r\n",
    b"routes:\n - match: { path_regex: '(a+)+$', host: '*.*' }\n   failure_pages: { 999: x }\n",
];

/// A request's head: what is admitted and written is read by a strict parser as the one message we understood.
fn fuzz_request_head(data: &[u8]) {
    let mut head = Head::new();
    let Ok(begin) = parse::leading_lines(data) else { return };
    let Ok(Some(_)) = parse::request(&data[begin..], FIELDS_MAX, &mut head) else { return };
    let Ok(admitted) = admit::request(&mut head, &Rules::default()) else { return };
    if !head.has(gatewright::http::name::Known::Host) {
        return; // HTTP/1.0; the proxy adds the endpoint's name
    }
    let length = admitted.length;
    let persistence = |upgrade| if upgrade { Persistence::Upgrade } else { Persistence::Default };
    let written = write_request(&head, length, persistence(admitted.upgrade));
    let read = strict::request_head(written.clone()).unwrap_or_else(|why| panic!("{why}: {}", harness::show(&written)));
    assert_eq!((read.method.as_bytes(), read.target.as_bytes()), (head.method().as_bytes(), head.target_bytes()));
    assert_eq!(read.framing, framing(length, Framing::None));
    let mut again = Head::new();
    let whole = parse::request(&written, FIELDS_MAX + 2, &mut again).expect("what we write parses");
    assert_eq!(whole, Some(written.len()));
    let admitted = admit::request(&mut again, &Rules::default()).expect("what we write is admitted");
    assert_eq!(written, write_request(&again, length, persistence(admitted.upgrade)), "written twice, it is the same");
}

fn write_request(head: &Head, length: Length, persistence: Persistence) -> Vec<u8> {
    let mut out = Vec::new();
    write::request(head, length, persistence, false, &mut out);
    out
}

/// A response's head, likewise.
fn fuzz_response_head(data: &[u8]) {
    let mut head = Head::new();
    let Ok(Some(_)) = parse::response(data, FIELDS_MAX, &mut head) else { return };
    let Ok(received) = admit::response(&mut head, "GET", false) else { return };
    let mut written = Vec::new();
    write::response(&head, received.length, Persistence::Default, &mut written);
    let read = strict::response_head(written.clone(), "GET")
        .unwrap_or_else(|why| panic!("{why}: {}", harness::show(&written)));
    assert_eq!(read.status, head.status());
    let none = matches!(head.status(), 100..200 | 204 | 304);
    assert_eq!(read.framing, framing(received.length, if none { Framing::None } else { Framing::Close }));
    let mut again = Head::new();
    let whole = parse::response(&written, FIELDS_MAX + 2, &mut again).expect("what we write parses");
    assert_eq!(whole, Some(written.len()));
}

fn framing(length: Length, nothing_said: Framing) -> Framing {
    match length {
        Length::None | Length::Close => nothing_said,
        Length::Exactly(bytes) => Framing::Length(bytes as usize),
        Length::Chunked => Framing::Chunked,
    }
}

#[test]
fn what_is_nasty_is_harmless() {
    for (name, target, corpus) in TARGETS {
        for case in *corpus {
            target(case);
            for end in 0..case.len() {
                target(&case[..end]);
            }
            for other in *corpus {
                target(&[*case, *other].concat());
            }
        }
        assert!(!corpus.is_empty(), "{name} has no corpus");
    }
}

#[test]
fn mutations_of_it_are_harmless() {
    let cases = std::env::var("FUZZ_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(1500);
    for (name, target, corpus) in TARGETS {
        let config = Config { cases, failure_persistence: None, ..Config::default() };
        let done = TestRunner::new(config).run(&mutated(corpus), |bytes| {
            target(&bytes);
            Ok(())
        });
        if let Err(why) = done {
            panic!("{name}: {why}");
        }
    }
}

/// One change to a case.
#[derive(Debug, Clone)]
enum Edit {
    Put(u8),
    Insert(&'static [u8]),
    Drop(usize),
    Repeat(usize),
}

/// What parsers stumble over.
const SNIPPETS: &[&[u8]] = &[
    b"\r\n",
    b"\n",
    b"\r",
    b" ",
    b"\t",
    b"\0",
    b":",
    b";",
    b",",
    b"%",
    b"..",
    b"/",
    b"\"",
    b"0",
    b"chunked",
    b"\r\n\r\n",
    b"Content-Length: 0\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Host: b\r\n",
    b"\r\n ",
    b"\x7f",
    b"\xff",
    b"{",
    b"- ",
];

fn mutated(corpus: &'static [&'static [u8]]) -> impl Strategy<Value = Vec<u8>> {
    let edit = prop_oneof![
        any::<u8>().prop_map(Edit::Put),
        prop::sample::select(SNIPPETS).prop_map(Edit::Insert),
        (1..8usize).prop_map(Edit::Drop),
        (1..16usize).prop_map(Edit::Repeat),
    ];
    let edits = prop::collection::vec((any::<prop::sample::Index>(), edit), 0..6);
    (prop::sample::select(corpus), edits).prop_map(|(case, edits)| {
        let mut bytes = case.to_vec();
        for (at, edit) in edits {
            let at = at.index(bytes.len() + 1);
            match edit {
                Edit::Put(byte) => bytes.get_mut(at).into_iter().for_each(|old| *old = byte),
                Edit::Insert(snippet) => drop(bytes.splice(at..at, snippet.iter().copied())),
                Edit::Drop(count) => drop(bytes.drain(at..(at + count).min(bytes.len()))),
                Edit::Repeat(count) => {
                    let part = bytes[at..(at + count).min(bytes.len())].to_vec();
                    drop(bytes.splice(at..at, part));
                }
            }
        }
        bytes
    })
}
