//! What RFC 9113 and RFC 7541 ask of whoever is sent frames, section by section, as h2spec asks it: what must be refused
//! and how, what must be ignored; and that others are none the worse for it.

use crate::harness::frames::*;
use crate::harness::{Origin, Proxy, hpack};

mod heads;

/// What must come of what a row sends, on stream 1 where it is a stream's affair.
enum Must {
    /// Nothing: stream 1 is open or not there.
    Ignore,
    /// Stream 1 is answered with this status.
    Answer(u16),
    /// Stream 1 ends by one of these codes; others go on.
    Reset(&'static [u32]),
    /// The connection ends by one of these codes.
    End(&'static [u32]),
    /// As [`Must::Reset`], or as [`Must::End`] (RFC 9113 section 5.4.2: an endpoint may take the one for the other).
    Either(&'static [u32]),
}
use Must::{Answer, Either, End, Ignore, Reset};

// Where the RFC has a more exact code for the end of a connection, the h2 crate says PROTOCOL_ERROR: nobody acts on it.
const SIZE: &[u32] = &[FRAME_SIZE_ERROR, PROTOCOL_ERROR];
const GONE: &[u32] = &[STREAM_CLOSED, PROTOCOL_ERROR];
const WINDOWS: &[u32] = &[FLOW_CONTROL_ERROR, PROTOCOL_ERROR];
const TABLES: &[u32] = &[COMPRESSION_ERROR, PROTOCOL_ERROR];

type Row = (&'static str, fn(&mut Frames), Must);

fn check(rows: &[Row]) {
    let origin = Origin::echo();
    let proxy = Proxy::to(&origin.endpoint());
    let mut faults = Vec::new();
    for (what, act, must) in rows {
        let mut frames = Frames::connect(proxy.addr());
        act(&mut frames);
        let ended = match must {
            Ignore => None,
            End(_) => Some(frames.end()),
            Answer(_) | Reset(_) | Either(_) => Some(frames.outcome(1)),
        };
        let ends = matches!(ended, Some(Ended::GoneAway(_) | Ended::Closed));
        let right = match (must, &ended) {
            (Ignore, _) => true,
            (Answer(status), Some(Ended::Whole(reply))) => reply.status == *status,
            (Reset(codes) | Either(codes), Some(Ended::Reset(code))) => codes.contains(code),
            (End(codes) | Either(codes), Some(Ended::GoneAway(code))) => codes.contains(code),
            _ => false,
        };
        if !right {
            faults.push(format!("{what}: {ended:?}"));
        }
        if ends {
            frames = Frames::connect(proxy.addr());
        }
        frames.get(1001, "/after");
        let after = frames.outcome(1001);
        if !matches!(&after, Ended::Whole(reply) if reply.status == 200) {
            faults.push(format!("after {what}: {after:?}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Stream 1 is open: its request's body is awaited.
fn open(frames: &mut Frames) {
    frames.head(1, 0, &plain("POST", "/"));
}

/// Stream 1 has ended both ways.
fn closed(frames: &mut Frames) {
    frames.get(1, "/");
    frames.reply(1);
}

/// A request without its last field.
fn with(more: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    [plain("POST", "/"), more.to_vec()].concat()
}

/// A whole request with a block of its own.
fn block(frames: &mut Frames, more: Vec<u8>) {
    let block = [hpack::block(&plain("GET", "/")), more].concat();
    frames.frame(HEADERS, END_STREAM | END_HEADERS, 1, &block);
}

#[test]
fn what_is_unknown_is_ignored() {
    check(&[
        ("a frame of unknown type", |f| f.frame(0x42, 0, 0, b"what"), Ignore),
        ("one on a stream that is idle", |f| f.frame(0x42, 0xff, 1, b"what"), Ignore),
        (
            "one on an open stream",
            |f| {
                open(f);
                f.frame(0x42, 0xff, 1, b"what");
                f.frame(DATA, END_STREAM, 1, b"");
            },
            Answer(200),
        ),
        ("unknown flags", |f| f.frame(PING, 0x16, 0, b"12345678"), Ignore),
        ("the reserved bit", |f| f.frame(PING, 0, 1 << 31, b"12345678"), Ignore),
        ("an unknown setting", |f| f.frame(SETTINGS, 0, 0, &settings(&[(0xff, 1)])), Ignore),
        ("an answer to no ping", |f| f.frame(PING, ACK, 0, b"12345678"), Ignore),
        (
            "a reset with an unknown code",
            |f| {
                open(f);
                f.frame(RST_STREAM, 0, 1, &0xffu32.to_be_bytes());
            },
            Ignore,
        ),
        (
            "priority, before, in and after a stream's life",
            |f| {
                f.frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 16]);
                open(f);
                f.frame(PRIORITY, 0, 1, &[0x80, 0, 0, 3, 16]);
                f.frame(DATA, END_STREAM, 1, b"");
                f.reply(1);
                f.frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 16]);
            },
            Ignore,
        ),
        (
            "WINDOW_UPDATE and RST_STREAM on a closed stream",
            |f| {
                closed(f);
                f.frame(WINDOW_UPDATE, 0, 1, &1u32.to_be_bytes());
                f.frame(RST_STREAM, 0, 1, &CANCEL.to_be_bytes());
            },
            Ignore,
        ),
    ]);
}

#[test]
fn frames_have_sizes() {
    check(&[
        (
            "DATA of the most bytes",
            |f| {
                open(f);
                f.frame(DATA, END_STREAM, 1, &[7; 16_384]);
            },
            Answer(200),
        ),
        (
            "DATA of one more",
            |f| {
                open(f);
                f.frame(DATA, END_STREAM, 1, &[7; 16_385]);
            },
            Either(SIZE),
        ),
        (
            "HEADERS of more",
            |f| {
                let long = "x".repeat(16_500);
                f.head(1, END_STREAM, &[plain("GET", "/"), vec![("x", &long)]].concat());
            },
            End(SIZE),
        ),
        ("an unknown frame of more", |f| f.frame(0x42, 0, 0, &[0; 16_385]), End(SIZE)),
        (
            "PRIORITY of four bytes",
            |f| {
                open(f);
                f.frame(PRIORITY, 0, 1, &[0, 0, 0, 0]);
            },
            Either(SIZE),
        ),
        (
            "RST_STREAM of three bytes",
            |f| {
                open(f);
                f.frame(RST_STREAM, 0, 1, &[0, 0, 0]);
            },
            End(SIZE),
        ),
        ("SETTINGS of three bytes", |f| f.frame(SETTINGS, 0, 0, &[0, 3, 0]), End(SIZE)),
        ("an answer to SETTINGS with bytes", |f| f.frame(SETTINGS, ACK, 0, &[0; 6]), End(SIZE)),
        ("PING of six bytes", |f| f.frame(PING, 0, 0, &[0; 6]), End(SIZE)),
        ("WINDOW_UPDATE of three bytes", |f| f.frame(WINDOW_UPDATE, 0, 0, &[0, 0, 1]), End(SIZE)),
        ("GOAWAY of four bytes", |f| f.frame(GOAWAY, 0, 0, &[0; 4]), End(SIZE)),
        (
            "HEADERS with PRIORITY and no room for it",
            |f| {
                f.frame(HEADERS, END_HEADERS | WITH_PRIORITY, 1, &[0; 3]);
            },
            End(SIZE),
        ),
    ]);
}

#[test]
fn frames_belong_to_streams_or_to_the_connection() {
    check(&[
        ("DATA on stream 0", |f| f.frame(DATA, 0, 0, b"x"), End(&[PROTOCOL_ERROR])),
        ("HEADERS on stream 0", |f| f.get(0, "/"), End(&[PROTOCOL_ERROR])),
        ("PRIORITY on stream 0", |f| f.frame(PRIORITY, 0, 0, &[0, 0, 0, 0, 1]), End(&[PROTOCOL_ERROR])),
        ("RST_STREAM on stream 0", |f| f.frame(RST_STREAM, 0, 0, &[0; 4]), End(&[PROTOCOL_ERROR])),
        (
            "CONTINUATION on stream 0",
            |f| {
                f.frame(HEADERS, END_STREAM, 1, &hpack::block(&plain("GET", "/")));
                f.frame(CONTINUATION, END_HEADERS, 0, b"");
            },
            End(&[PROTOCOL_ERROR]),
        ),
        ("SETTINGS on a stream", |f| f.frame(SETTINGS, 0, 1, b""), End(&[PROTOCOL_ERROR])),
        ("PING on a stream", |f| f.frame(PING, 0, 1, &[0; 8]), End(&[PROTOCOL_ERROR])),
        ("GOAWAY on a stream", |f| f.frame(GOAWAY, 0, 1, &[0; 8]), End(&[PROTOCOL_ERROR])),
        (
            "PUSH_PROMISE from a client",
            |f| {
                open(f);
                f.frame(PUSH_PROMISE, END_HEADERS, 1, &[&[0, 0, 0, 2][..], &hpack::block(&plain("GET", "/"))].concat());
            },
            End(&[PROTOCOL_ERROR]),
        ),
        ("a stream with an even number", |f| f.get(2, "/"), End(&[PROTOCOL_ERROR])),
        (
            "a stream with a lower number",
            |f| {
                f.get(5, "/");
                f.get(3, "/");
            },
            End(GONE),
        ),
    ]);
}

#[test]
fn padding_is_checked() {
    check(&[
        (
            "DATA with padding",
            |f| {
                open(f);
                f.frame(DATA, END_STREAM | PADDED, 1, b"\x03abc\0\0\0");
            },
            Answer(200),
        ),
        (
            "DATA of padding alone",
            |f| {
                open(f);
                f.frame(DATA, END_STREAM | PADDED, 1, b"\x02\0\0");
            },
            Answer(200),
        ),
        (
            "DATA with more padding than there is",
            |f| {
                open(f);
                f.frame(DATA, END_STREAM | PADDED, 1, b"\x06abc\0\0");
            },
            End(&[PROTOCOL_ERROR]),
        ),
        (
            "DATA without its padding's length",
            |f| {
                open(f);
                f.frame(DATA, END_STREAM | PADDED, 1, b"");
            },
            End(SIZE),
        ),
        (
            "HEADERS with padding and priority",
            |f| {
                let block = hpack::block(&plain("GET", "/"));
                let payload = [&[2, 0, 0, 0, 0, 9][..], &block, &[0, 0]].concat();
                f.frame(HEADERS, END_STREAM | END_HEADERS | PADDED | WITH_PRIORITY, 1, &payload);
            },
            Answer(200),
        ),
        (
            "HEADERS with more padding than there is",
            |f| {
                let payload = [&[200][..], &hpack::block(&plain("GET", "/"))].concat();
                f.frame(HEADERS, END_STREAM | END_HEADERS | PADDED, 1, &payload);
            },
            End(&[PROTOCOL_ERROR]),
        ),
        (
            "HEADERS that depend on themselves",
            |f| {
                let payload = [&[0, 0, 0, 1, 9][..], &hpack::block(&plain("GET", "/"))].concat();
                f.frame(HEADERS, END_STREAM | END_HEADERS | WITH_PRIORITY, 1, &payload);
            },
            Either(&[PROTOCOL_ERROR]),
        ),
        (
            "PRIORITY on itself",
            |f| {
                open(f);
                f.frame(PRIORITY, 0, 1, &[0, 0, 0, 1, 9]);
            },
            Either(&[PROTOCOL_ERROR]),
        ),
    ]);
}

#[test]
fn settings_have_ranges() {
    check(&[
        ("ENABLE_PUSH of 2", |f| f.frame(SETTINGS, 0, 0, &settings(&[(2, 2)])), End(&[PROTOCOL_ERROR])),
        (
            "INITIAL_WINDOW_SIZE above 2^31-1",
            |f| {
                f.frame(SETTINGS, 0, 0, &settings(&[(WINDOW, 1 << 31)]));
            },
            End(WINDOWS),
        ),
        ("MAX_FRAME_SIZE below 2^14", |f| f.frame(SETTINGS, 0, 0, &settings(&[(5, 16_383)])), End(&[PROTOCOL_ERROR])),
        (
            "MAX_FRAME_SIZE above 2^24-1",
            |f| {
                f.frame(SETTINGS, 0, 0, &settings(&[(5, 1 << 24)]));
            },
            End(&[PROTOCOL_ERROR]),
        ),
        ("ENABLE_CONNECT_PROTOCOL of 2", |f| f.frame(SETTINGS, 0, 0, &settings(&[(8, 2)])), End(&[PROTOCOL_ERROR])),
        (
            "the most of all, and one twice",
            |f| {
                let all =
                    [(1, u32::MAX), (3, u32::MAX), (5, (1 << 24) - 1), (6, u32::MAX), (WINDOW, 1), (WINDOW, 1 << 30)];
                f.frame(SETTINGS, 0, 0, &settings(&all));
                f.get(1, "/");
            },
            Answer(200),
        ),
        ("an answer to none", |f| f.frame(SETTINGS, ACK, 0, b""), End(&[PROTOCOL_ERROR])),
        (
            "no table, no push",
            |f| {
                f.frame(SETTINGS, 0, 0, &settings(&[(1, 0), (2, 0)]));
                f.get(1, "/");
            },
            Answer(200),
        ),
    ]);
}

#[test]
fn windows_are_kept() {
    check(&[
        ("an update of 0 on the connection", |f| f.frame(WINDOW_UPDATE, 0, 0, &[0; 4]), End(&[PROTOCOL_ERROR])),
        (
            "an update of 0 on a stream",
            |f| {
                open(f);
                f.frame(WINDOW_UPDATE, 0, 1, &[0; 4]);
            },
            Either(&[PROTOCOL_ERROR]),
        ),
        (
            "the connection's beyond 2^31-1",
            |f| {
                f.frame(WINDOW_UPDATE, 0, 0, &0x7fff_ffffu32.to_be_bytes());
            },
            End(&[FLOW_CONTROL_ERROR]),
        ),
        (
            "a stream's beyond 2^31-1",
            |f| {
                open(f);
                f.frame(WINDOW_UPDATE, 0, 1, &0x7fff_ffffu32.to_be_bytes());
            },
            Either(&[FLOW_CONTROL_ERROR]),
        ),
        (
            "a stream's beyond 2^31-1 by SETTINGS",
            |f| {
                open(f);
                f.frame(WINDOW_UPDATE, 0, 1, &0x7000_0000u32.to_be_bytes());
                f.frame(SETTINGS, 0, 0, &settings(&[(WINDOW, 0x7fff_ffff)]));
            },
            End(&[FLOW_CONTROL_ERROR]),
        ),
    ]);
}

#[test]
fn a_window_smaller_than_a_body_is_filled_and_no_more() {
    let origin = Origin::answering(crate::harness::origin::ok("0123456789"));
    let proxy = Proxy::to(&origin.endpoint());
    let mut frames = Frames::connect_with(proxy.addr(), &[(WINDOW, 3)]);
    frames.generous = false;
    frames.get(1, "/");
    assert_eq!(frames.read_body(1, 3), b"012");
    frames.sync();
    assert_eq!(frames.part(1).body, b"");
    // A smaller window from now on makes that of the stream negative.
    frames.frame(SETTINGS, 0, 0, &settings(&[(WINDOW, 1)]));
    frames.frame(WINDOW_UPDATE, 0, 1, &2u32.to_be_bytes());
    frames.sync();
    assert_eq!(frames.part(1).body, b"");
    frames.frame(WINDOW_UPDATE, 0, 1, &1u32.to_be_bytes());
    assert_eq!(frames.read_body(1, 1), b"3");
    frames.frame(SETTINGS, 0, 0, &settings(&[(WINDOW, 100)]));
    assert_eq!(frames.reply(1).body, b"456789");
}

#[test]
fn what_we_allow_is_what_we_say_and_more_is_an_error() {
    let origin = Origin::silent();
    let proxy = Proxy::to(&origin.endpoint());
    let mut frames = Frames::connect(proxy.addr());
    let streams = frames.settings[&3];
    for number in 0..streams {
        frames.head(number * 2 + 1, 0, &plain("POST", "/"));
    }
    let one_more = streams * 2 + 1;
    frames.get(one_more, "/");
    assert_eq!(frames.outcome(one_more), Ended::Reset(REFUSED_STREAM));
    assert!((0..streams).all(|number| frames.so_far(number * 2 + 1).is_none()));
}

#[test]
fn more_than_a_stream_s_window_is_an_error() {
    let origin = Origin::script(|conn| {
        let head = conn.read_head().unwrap();
        if head.target == "/after" {
            conn.send(crate::harness::origin::ok("fine"));
        } else {
            conn.wait_for_reset();
        }
    });
    let proxy = Proxy::to(&origin.endpoint());
    let mut frames = Frames::connect(proxy.addr());
    assert!(frames.settings[&WINDOW] <= 1 << 20);
    open(&mut frames);
    // The origin reads nothing: once the sockets between are full, what comes fills the window.
    let more = frame(DATA, 0, 1, &[0; 16_384]);
    for sent in 0..4096 {
        if frames.so_far(1).is_some() || !frames.try_send(&more) || (sent % 8 == 0 && !frames.try_sync()) {
            break;
        }
    }
    let ended = frames.outcome(1);
    assert!(matches!(ended, Ended::Reset(FLOW_CONTROL_ERROR) | Ended::GoneAway(FLOW_CONTROL_ERROR)), "{ended:?}");
}

#[test]
fn a_preface_that_is_none_is_refused() {
    let origin = Origin::echo();
    let proxy = Proxy::to(&origin.endpoint());
    for bytes in [&b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n"[..], b"PRI * HTTP/2.0\r\nHost: a\r\n\r\nSM\r\n\r\n"] {
        let mut frames = Frames::raw(proxy.addr());
        frames.send(bytes);
        frames.send(frame(SETTINGS, 0, 0, b""));
        assert!(matches!(frames.end(), Ended::GoneAway(PROTOCOL_ERROR) | Ended::Closed), "{}", bytes.escape_ascii());
    }
    // A first frame that is not SETTINGS.
    let mut frames = Frames::raw(proxy.addr());
    frames.send(PREFACE);
    frames.frame(PING, 0, 0, &[0; 8]);
    assert_eq!(frames.end(), Ended::GoneAway(PROTOCOL_ERROR));
    Frames::connect(proxy.addr()).sync();
}
