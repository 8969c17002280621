//! Known attacks on HTTP/2: each ends by itself or is ended, holds no more than a bounded part of us, and meanwhile others
//! are served.

use std::net::{SocketAddr, TcpStream};

use crate::harness::frames::*;
use crate::harness::program::{Program, free_addr};
use crate::harness::{Client, Origin, Proxy, client, eventually, hpack, origin};

/// What the loudest attacker gets to send before it is parted with; far more than any limit.
const FRAMES_SENT_MAX: usize = 20_000;

/// The bytes of the nth frame.
type Flood = fn(usize) -> Vec<u8>;

/// A proxy with these timeouts of its listener.
fn timed(endpoint: &str, timeouts: &str) -> Proxy {
    Proxy::start(
        &crate::harness::proxy::plain(endpoint, "")
            .replace("bind: \"127.0.0.1:0\"", &format!("bind: \"127.0.0.1:0\", timeouts: {{ {timeouts} }}")),
    )
}

/// `/hang` is never answered, `/large` by 1 MB, all else at once.
fn site() -> Origin {
    Origin::script(|conn| {
        while let Some(request) = conn.read_request() {
            let sent = match request.target.as_str() {
                "/hang" => {
                    conn.wait_for_end();
                    false
                }
                "/large" => conn.send(origin::ok(vec![b'x'; 1_000_000])),
                _ => conn.send(origin::ok("quick")),
            };
            if !sent {
                return;
            }
        }
    })
}

/// Others are served, by either version of HTTP.
#[track_caller]
fn others_are_served(addr: SocketAddr) {
    for _ in 0..4 {
        assert_eq!(client::get(addr, "/quick").text(), "quick");
        let mut frames = Frames::connect(addr);
        frames.get(1, "/quick");
        assert_eq!(frames.reply(1).text(), "quick");
    }
}

/// Sends more and more until the other side has had enough; says how often, and how it ended.
fn until_parted(frames: &mut Frames, mut more: impl FnMut(usize) -> Vec<u8>) -> (usize, Ended) {
    let mut sent = 0;
    while sent < FRAMES_SENT_MAX && frames.try_send(more(sent)) {
        sent += 1;
    }
    (sent, frames.end())
}

fn head(stream: u32, flags: u8, fields: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | flags, stream, &hpack::block(fields))
}

#[test]
fn streams_that_are_reset_at_once_cost_little() {
    let origin = site();
    let proxy = Proxy::to(&origin.endpoint());
    let mut frames = Frames::connect(proxy.addr());
    let (_, ended) = until_parted(&mut frames, |number| {
        let stream = number as u32 * 2 + 1;
        [head(stream, END_STREAM, &plain("GET", "/hang")), frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])].concat()
    });
    assert!(matches!(ended, Ended::GoneAway(ENHANCE_YOUR_CALM) | Ended::Closed), "{ended:?}");
    others_are_served(proxy.addr());
    proxy.wait_for_metric("gatewright_upstream_in_flight", "", 0);
    assert!(origin.connections() < 500, "{} connections", origin.connections());
}

#[test]
fn streams_that_are_reset_once_they_are_served_are_counted_too() {
    let origin = site();
    let proxy = Proxy::to(&origin.endpoint());
    let mut frames = Frames::connect(proxy.addr());
    let mut served = 0;
    for stream in (1..10_000).step_by(2) {
        let sent = frames.try_send(head(stream, END_STREAM, &plain("GET", "/hang")))
            && frames.try_sync()
            && frames.try_send(frame(RST_STREAM, 0, stream, &[0, 0, 0, 8]));
        if !sent {
            break;
        }
        served += 1;
    }
    // So many a second are allowed: who is slower than that is no flood.
    let ended = if served < 4_999 { frames.end() } else { Ended::GoneAway(ENHANCE_YOUR_CALM) };
    assert!(matches!(ended, Ended::GoneAway(ENHANCE_YOUR_CALM) | Ended::Closed), "{ended:?}");
    others_are_served(proxy.addr());
    drop(frames);
    proxy.wait_for_metric("gatewright_upstream_in_flight", "", 0);
}

#[test]
fn who_makes_us_reset_is_parted_with() {
    // "MadeYouReset": the client breaks the rules on a stream, and we reset it while its exchange goes on.
    let ways: [fn(u32) -> Vec<u8>; 3] = [
        |stream| frame(WINDOW_UPDATE, 0, stream, &[0; 4]),
        |stream| frame(WINDOW_UPDATE, 0, stream, &[0x7f, 0xff, 0xff, 0xff]),
        |stream| head(stream, 0, &[("x", "y")]),
    ];
    for way in ways {
        let origin = site();
        let proxy = Proxy::to(&origin.endpoint());
        let mut frames = Frames::connect(proxy.addr());
        let (_, ended) = until_parted(&mut frames, |number| {
            let stream = number as u32 * 2 + 1;
            [head(stream, 0, &plain("POST", "/hang")), way(stream)].concat()
        });
        // A window of 0 ends the whole connection at once.
        let codes = [ENHANCE_YOUR_CALM, PROTOCOL_ERROR];
        assert!(matches!(ended, Ended::GoneAway(code) if codes.contains(&code)) || ended == Ended::Closed, "{ended:?}");
        others_are_served(proxy.addr());
        proxy.wait_for_metric("gatewright_upstream_in_flight", "", 0);
        assert!(origin.connections() < 500, "{} connections", origin.connections());
    }
}

#[test]
fn floods_of_frames_end_their_connection_alone() {
    let floods: [(&str, Flood); 11] = [
        ("pings", |number| frame(PING, 0, 0, &(number as u64).to_be_bytes())),
        ("answers to pings", |_| frame(PING, ACK, 0, &[0; 8])),
        ("settings", |_| frame(SETTINGS, 0, 0, &settings(&[(WINDOW, 65_535)]))),
        ("empty settings", |_| frame(SETTINGS, 0, 0, b"")),
        ("priorities", |number| frame(PRIORITY, 0, number as u32 + 1, &[0, 0, 0, 0, 9])),
        ("windows", |_| frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1])),
        ("windows of a stream", |_| frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1])),
        ("empty data", |_| frame(DATA, 0, 1, b"")),
        ("padding", |_| frame(DATA, PADDED, 1, &[0])),
        ("more padding", |_| frame(DATA, PADDED, 1, &[&[200][..], &[0; 200]].concat())),
        ("unknown frames", |_| frame(0x42, 0, 0, b"")),
    ];
    let origin = site();
    let proxy = Proxy::to(&origin.endpoint());
    for (what, flood) in floods {
        let mut frames = Frames::connect(proxy.addr());
        frames.send(head(1, 0, &plain("POST", "/hang")));
        let (sent, ended) = until_parted(&mut frames, flood);
        assert!(matches!(ended, Ended::GoneAway(ENHANCE_YOUR_CALM) | Ended::Closed), "{what}: {sent}, {ended:?}");
        others_are_served(proxy.addr());
    }
    proxy.wait_for_metric("gatewright_upstream_in_flight", "", 0);
}

#[test]
fn a_head_that_goes_on_and_on_is_cut_off() {
    let origin = site();
    let proxy = Proxy::to(&origin.endpoint());
    let floods: [Flood; 4] = [
        |_| frame(CONTINUATION, 0, 1, b""),
        |_| frame(CONTINUATION, 0, 1, &hpack::literal(b"x", b"y")),
        |number| frame(CONTINUATION, 0, 1, &hpack::literal(format!("x{number}").as_bytes(), &[b'y'; 16_000])),
        |_| frame(CONTINUATION, 0, 1, &[b'y'; 16_000]), // of one value
    ];
    for (at, flood) in floods.into_iter().enumerate() {
        let mut frames = Frames::connect(proxy.addr());
        let begun = if at == 3 { b"\x00\x01x\x7f\xff\xff\x7f".to_vec() } else { hpack::block(&plain("GET", "/")) };
        frames.frame(HEADERS, END_STREAM, 1, &begun);
        let (sent, ended) = until_parted(&mut frames, flood);
        assert!(matches!(ended, Ended::GoneAway(_) | Ended::Closed), "{at}: {sent}, {ended:?}");
        others_are_served(proxy.addr());
    }
}

#[test]
fn a_head_that_never_ends_has_a_deadline() {
    let origin = site();
    let proxy = timed(&origin.endpoint(), "head: 200ms");
    let block = hpack::block(&plain("GET", "/quick"));
    let whole = frame(HEADERS, END_STREAM | END_HEADERS, 1, &block);
    let slow: [Vec<u8>; 3] = [
        whole[..whole.len() - 1].to_vec(), // in its only frame
        frame(HEADERS, END_STREAM, 1, &block),
        [frame(HEADERS, END_STREAM, 1, &block), frame(CONTINUATION, 0, 1, b"")].concat(),
    ];
    for bytes in slow {
        let mut frames = Frames::connect(proxy.addr());
        frames.send(bytes);
        others_are_served(proxy.addr());
        assert_eq!(frames.end(), Ended::GoneAway(ENHANCE_YOUR_CALM));
    }
    // Neither is a preface waited for.
    let mut frames = Frames::raw(proxy.addr());
    frames.send(&PREFACE[..20]);
    assert_eq!(frames.end(), Ended::Closed);
}

#[test]
fn bodies_that_do_not_come_are_given_up() {
    let origin = site();
    let proxy = timed(&origin.endpoint(), "body: 200ms");
    let mut frames = Frames::connect(proxy.addr());
    let streams = frames.settings[&3];
    for number in 0..streams {
        frames.head(number * 2 + 1, 0, &plain("POST", "/hang"));
    }
    others_are_served(proxy.addr());
    for number in 0..streams {
        assert_eq!(frames.reply(number * 2 + 1).status, 408);
    }
    // A frame that takes its time is no body.
    let mut slow = Frames::connect(proxy.addr());
    slow.head(1, 0, &plain("POST", "/hang"));
    slow.send(&frame(DATA, 0, 1, &[0; 1000])[..500]);
    assert_eq!(slow.reply(1).status, 408);
    frames.get(1001, "/quick");
    assert_eq!(frames.reply(1001).text(), "quick");
    proxy.wait_for_metric("gatewright_upstream_in_flight", "", 0);
}

#[test]
fn responses_that_are_not_taken_are_given_up() {
    let origin = site();
    let proxy = timed(&origin.endpoint(), "body: 200ms");
    // Whole ones and unfinished ones, behind windows that never open.
    for path in ["/quick", "/large", "/nowhere\u{0}"] {
        let path = path.trim_end_matches('\0');
        let mut frames = Frames::connect_with(proxy.addr(), &[(WINDOW, 0)]);
        let streams = frames.settings[&3];
        for number in 0..streams {
            frames.get(number * 2 + 1, path);
        }
        others_are_served(proxy.addr());
        for number in 0..streams {
            assert!(matches!(frames.outcome(number * 2 + 1), Ended::Reset(_)));
        }
        frames.sync();
        proxy.wait_for_metric("gatewright_upstream_in_flight", "", 0);
    }
}

#[test]
fn a_connection_that_is_never_read_is_closed_whatever_it_sends() {
    let origin = site();
    let proxy = timed(&origin.endpoint(), "body: 200ms");
    let mut frames = Frames::connect_with(proxy.addr(), &[(WINDOW, 0x7fff_ffff)]);
    frames.frame(WINDOW_UPDATE, 0, 0, &0x7000_0000u32.to_be_bytes());
    for number in 0..30 {
        frames.get(number * 2 + 1, "/large");
    }
    let mut others = 0;
    eventually("it is closed", || {
        if others < 4 {
            others += 1;
            others_are_served(proxy.addr());
        }
        frames.try_send(frame(PING, 0, 0, &[0; 8]));
        proxy.metric("gatewright_connections{", "") == 0
    });
}

#[test]
fn a_window_of_one_byte_gets_one_byte() {
    let origin = site();
    let proxy = Proxy::to(&origin.endpoint());
    let mut frames = Frames::connect_with(proxy.addr(), &[(WINDOW, 1)]);
    frames.generous = false;
    frames.get(1, "/large");
    for _ in 0..100 {
        assert_eq!(frames.read_body(1, 1), b"x");
        frames.frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1]);
    }
    others_are_served(proxy.addr());
    frames.frame(RST_STREAM, 0, 1, &[0, 0, 0, 8]);
    frames.sync();
    proxy.wait_for_metric("gatewright_upstream_in_flight", "", 0);
}

#[test]
fn pings_do_not_keep_an_idle_connection() {
    let origin = site();
    let proxy = timed(&origin.endpoint(), "idle: 300ms");
    let mut frames = Frames::connect(proxy.addr());
    frames.get(1, "/quick");
    frames.reply(1);
    frames.wait_for(std::time::Duration::from_millis(20)); // between two pings
    while frames.goaway.is_none() && frames.try_send(frame(PING, 0, 0, &[0; 8])) {
        while frames.read().is_ok() {}
    }
    frames.wait_for(crate::harness::PATIENCE);
    assert_eq!(frames.end(), Ended::GoneAway(NO_ERROR));
}

#[test]
fn a_bomb_of_fields_behind_closed_windows_takes_little_memory() {
    const CONNECTIONS: usize = 8;
    let origin = site();
    let (addr, dir) = (free_addr(), tempfile::tempdir().unwrap());
    let yaml = crate::harness::proxy::plain(&origin.endpoint(), "workers: 2");
    let program = Program::start(dir.path(), &yaml.replace("127.0.0.1:0", &addr.to_string()));
    eventually("it listens", || TcpStream::connect(addr).is_ok());
    others_are_served(addr);
    let before = program.resident_bytes();
    let mut bombs = Vec::new();
    for (remembered, times) in [(&b""[..], 490), (&[b'y'; 3000], 5)].into_iter().cycle().take(CONNECTIONS) {
        // One byte of a frame is a whole field to who reads it, and nothing of any answer is taken.
        let mut frames = Frames::connect_with(addr, &[(WINDOW, 0)]);
        let plain = hpack::block(&plain("GET", "/quick"));
        let first = [plain.clone(), hpack::remembered(b"a", remembered)].concat();
        frames.frame(HEADERS, END_STREAM | END_HEADERS, 1, &first);
        let block = [plain, hpack::indexed(62).repeat(times)].concat();
        for number in 1..128 {
            frames.frame(HEADERS, END_STREAM | END_HEADERS, number * 2 + 1, &block);
        }
        frames.sync();
        bombs.push(frames);
    }
    others_are_served(addr);
    let after = program.resident_bytes();
    let streams = CONNECTIONS * 128;
    assert!(after < before + streams * 32 * 1024, "{} bytes a stream", (after - before) / streams);
    drop(bombs);
    let mut client = Client::connect(addr);
    client.send_request("GET", "/quick", &[], b"");
    assert_eq!(client.read_response().status, 200);
}
