//! The states of a stream, and the heads that open it: their frames, their compression, their fields.

use super::Must::{Answer, Either, End, Reset};
use super::{GONE, TABLES, block, check, closed, open, with};
use crate::harness::frames::*;
use crate::harness::hpack;

#[test]
fn streams_have_states() {
    check(&[
        ("DATA on an idle stream", |f| f.frame(DATA, END_STREAM, 1, b"x"), End(&[PROTOCOL_ERROR])),
        ("RST_STREAM on an idle stream", |f| f.frame(RST_STREAM, 0, 1, &[0, 0, 0, 8]), End(&[PROTOCOL_ERROR])),
        ("WINDOW_UPDATE on an idle stream", |f| f.frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 9]), End(&[PROTOCOL_ERROR])),
        (
            "CONTINUATION on an idle stream",
            |f| {
                f.frame(CONTINUATION, END_HEADERS, 1, &hpack::block(&plain("GET", "/")));
            },
            End(&[PROTOCOL_ERROR]),
        ),
        (
            "DATA after the end",
            |f| {
                open(f);
                f.frame(DATA, END_STREAM, 1, b"x");
                f.frame(DATA, END_STREAM, 1, b"x");
            },
            Either(GONE),
        ),
        (
            "HEADERS after the end",
            |f| {
                open(f);
                f.frame(DATA, END_STREAM, 1, b"x");
                f.head(1, END_STREAM, &[("x", "y")]);
            },
            Either(GONE),
        ),
        (
            "CONTINUATION after the end",
            |f| {
                f.get(1, "/");
                f.frame(CONTINUATION, END_HEADERS, 1, b"");
            },
            End(GONE),
        ),
        (
            "DATA after a reset",
            |f| {
                open(f);
                f.frame(RST_STREAM, 0, 1, &CANCEL.to_be_bytes());
                f.frame(DATA, END_STREAM, 1, b"x");
            },
            Either(GONE),
        ),
        (
            "HEADERS after a reset",
            |f| {
                open(f);
                f.frame(RST_STREAM, 0, 1, &CANCEL.to_be_bytes());
                f.get(1, "/");
            },
            Either(GONE),
        ),
        (
            "CONTINUATION after a reset",
            |f| {
                open(f);
                f.frame(RST_STREAM, 0, 1, &CANCEL.to_be_bytes());
                f.frame(CONTINUATION, END_HEADERS, 1, b"");
            },
            End(GONE),
        ),
        (
            "DATA on a closed stream",
            |f| {
                closed(f);
                f.frame(DATA, END_STREAM, 1, b"x");
            },
            Either(GONE),
        ),
        (
            "HEADERS on a closed stream",
            |f| {
                closed(f);
                f.get(1, "/");
            },
            Either(GONE),
        ),
        (
            "a second head that is no trailer section",
            |f| {
                open(f);
                f.head(1, 0, &plain("POST", "/"));
            },
            Either(&[PROTOCOL_ERROR]),
        ),
    ]);
}

#[test]
fn heads_come_in_one_go() {
    fn begin(frames: &mut Frames) {
        frames.frame(HEADERS, END_STREAM, 1, &hpack::block(&plain("GET", "/")));
    }
    check(&[
        (
            "in many frames",
            |f| {
                begin(f);
                for value in ["1", "2", "3"] {
                    f.frame(CONTINUATION, 0, 1, &hpack::literal(b"x-test", value.as_bytes()));
                }
                f.frame(CONTINUATION, END_HEADERS, 1, b"");
            },
            Answer(200),
        ),
        (
            "cut at every byte",
            |f| {
                let block = hpack::block(&plain("GET", "/"));
                let (first, rest) = block.split_at(4);
                f.frame(HEADERS, END_STREAM, 1, first);
                f.frame(CONTINUATION, 0, 1, &rest[..3]);
                f.frame(CONTINUATION, END_HEADERS, 1, &rest[3..]);
            },
            Answer(200),
        ),
        (
            "a frame of another kind between",
            |f| {
                begin(f);
                f.frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 1]);
            },
            End(&[PROTOCOL_ERROR]),
        ),
        (
            "DATA between",
            |f| {
                begin(f);
                f.frame(DATA, END_STREAM, 1, b"x");
            },
            End(&[PROTOCOL_ERROR]),
        ),
        (
            "PING between",
            |f| {
                begin(f);
                f.frame(PING, 0, 0, &[0; 8]);
            },
            End(&[PROTOCOL_ERROR]),
        ),
        (
            "an unknown frame between",
            |f| {
                begin(f);
                f.frame(0x42, 0, 0, b"");
            },
            End(&[PROTOCOL_ERROR]),
        ),
        (
            "another stream's head between",
            |f| {
                begin(f);
                f.get(3, "/");
            },
            End(&[PROTOCOL_ERROR]),
        ),
        (
            "another stream's CONTINUATION",
            |f| {
                begin(f);
                f.frame(CONTINUATION, END_HEADERS, 3, b"");
            },
            End(&[PROTOCOL_ERROR]),
        ),
        (
            "CONTINUATION after the last",
            |f| {
                open(f);
                f.frame(CONTINUATION, END_HEADERS, 1, b"");
            },
            End(&[PROTOCOL_ERROR]),
        ),
        (
            "CONTINUATION after DATA",
            |f| {
                open(f);
                f.frame(DATA, 0, 1, b"x");
                f.frame(CONTINUATION, END_HEADERS, 1, b"");
            },
            End(&[PROTOCOL_ERROR]),
        ),
    ]);
}

#[test]
fn tables_and_codes_are_checked() {
    check(&[
        ("an index beyond the table", |f| block(f, hpack::indexed(70)), End(TABLES)),
        ("index 0", |f| block(f, vec![0x80]), End(TABLES)),
        (
            "a name beyond the table",
            |f| block(f, [hpack::integer(0x40, 6, 70), hpack::text(b"x")].concat()),
            End(TABLES),
        ),
        ("padding of a code longer than 7 bits", |f| block(f, b"\0\x01x\x82\x1f\xff".to_vec()), End(TABLES)),
        ("padding of a code with zeros", |f| block(f, b"\0\x01x\x81\x18".to_vec()), End(TABLES)),
        ("the end's code in a string", |f| block(f, b"\0\x01x\x84\xff\xff\xff\xfc".to_vec()), End(TABLES)),
        ("a table resized behind a field", |f| block(f, hpack::resize(0)), End(TABLES)),
        (
            "a table larger than we allow",
            |f| {
                let all = [hpack::resize(4097), hpack::block(&plain("GET", "/"))].concat();
                f.frame(HEADERS, END_STREAM | END_HEADERS, 1, &all);
            },
            End(TABLES),
        ),
        ("a string beyond its block", |f| block(f, b"\0\x01x\x7fabc".to_vec()), End(TABLES)),
        (
            "a number that never ends",
            |f| block(f, b"\0\x01x\x7f\xff\xff\xff\xff\xff\xff\xff\xff\x01".to_vec()),
            End(TABLES),
        ),
        (
            "a table resized at the beginning, twice",
            |f| {
                let all = [hpack::resize(0), hpack::resize(4096), hpack::block(&plain("GET", "/"))].concat();
                f.frame(HEADERS, END_STREAM | END_HEADERS, 1, &all);
            },
            Answer(200),
        ),
        (
            "a field of the table, and one that does not fit there",
            |f| {
                let long = "y".repeat(5000);
                let all = [
                    hpack::remembered(b"x-test", b"1"),
                    hpack::indexed(62),
                    hpack::remembered(b"x-test", long.as_bytes()),
                ];
                block(f, all.concat());
            },
            Answer(200),
        ),
    ]);
}

#[test]
fn heads_are_well_formed() {
    check(&[
        ("upper case", |f| f.head(1, END_STREAM, &with(&[("X-Test", "1")])), Either(&[PROTOCOL_ERROR])),
        ("an unknown pseudo-header field", |f| f.head(1, END_STREAM, &with(&[(":x", "1")])), Either(&[PROTOCOL_ERROR])),
        ("a response's", |f| f.head(1, END_STREAM, &with(&[(":status", "200")])), Either(&[PROTOCOL_ERROR])),
        (
            "one behind a field",
            |f| {
                f.head(1, END_STREAM, &[(":method", "GET"), (":scheme", "http"), ("x", "y"), (":path", "/")]);
            },
            Reset(&[PROTOCOL_ERROR]),
        ),
        ("one twice", |f| f.head(1, END_STREAM, &with(&[(":path", "/x")])), Reset(&[PROTOCOL_ERROR])),
        ("no method", |f| f.head(1, END_STREAM, &plain("GET", "/")[1..]), Reset(&[PROTOCOL_ERROR])),
        (
            "no scheme",
            |f| {
                f.head(1, END_STREAM, &[(":method", "GET"), (":path", "/"), (":authority", "a")]);
            },
            Reset(&[PROTOCOL_ERROR]),
        ),
        ("an empty path", |f| f.head(1, END_STREAM, &plain("GET", "")), Reset(&[PROTOCOL_ERROR])),
        ("connection", |f| f.head(1, END_STREAM, &with(&[("connection", "close")])), Reset(&[PROTOCOL_ERROR])),
        ("keep-alive", |f| f.head(1, END_STREAM, &with(&[("keep-alive", "1")])), Reset(&[PROTOCOL_ERROR])),
        ("proxy-connection", |f| f.head(1, END_STREAM, &with(&[("proxy-connection", "x")])), Reset(&[PROTOCOL_ERROR])),
        (
            "transfer-encoding",
            |f| {
                f.head(1, END_STREAM, &with(&[("transfer-encoding", "chunked")]));
            },
            Reset(&[PROTOCOL_ERROR]),
        ),
        ("upgrade", |f| f.head(1, END_STREAM, &with(&[("upgrade", "websocket")])), Reset(&[PROTOCOL_ERROR])),
        ("te other than trailers", |f| f.head(1, END_STREAM, &with(&[("te", "gzip")])), Reset(&[PROTOCOL_ERROR])),
        ("te: trailers", |f| f.head(1, END_STREAM, &with(&[("te", "trailers")])), Answer(200)),
        (
            "less than content-length",
            |f| {
                f.head(1, 0, &with(&[("content-length", "5")]));
                f.frame(DATA, END_STREAM, 1, b"four");
            },
            Reset(&[PROTOCOL_ERROR]),
        ),
        (
            "more than content-length, in two frames",
            |f| {
                f.head(1, 0, &with(&[("content-length", "5")]));
                f.frame(DATA, 0, 1, b"four");
                f.frame(DATA, END_STREAM, 1, b"four");
            },
            Reset(&[PROTOCOL_ERROR]),
        ),
        (
            "content-length and no body",
            |f| {
                f.head(1, END_STREAM, &with(&[("content-length", "5")]));
            },
            Reset(&[PROTOCOL_ERROR]),
        ),
        (
            "trailers before content-length is there",
            |f| {
                f.head(1, 0, &with(&[("content-length", "5")]));
                f.head(1, END_STREAM, &[("x-test", "1")]);
            },
            Reset(&[PROTOCOL_ERROR]),
        ),
        (
            "trailers that do not end the stream",
            |f| {
                open(f);
                f.head(1, 0, &[("x-test", "1")]);
            },
            Reset(&[PROTOCOL_ERROR]),
        ),
    ]);
}
