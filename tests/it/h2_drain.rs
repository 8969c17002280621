//! The end of HTTP/2 connections: a GOAWAY that loses no request, at the end of the process, of a listener, of patience.

use std::sync::{Mutex, mpsc};

use gatewright::control::{Ended as End, Event};

use crate::harness::frames::*;
use crate::harness::proxy::plain as yaml;
use crate::harness::{Origin, Proxy, origin};

/// An origin that answers `/late` when it is told to.
fn late() -> (Origin, mpsc::Sender<()>) {
    let (open, gate) = mpsc::channel();
    let gate = Mutex::new(gate);
    let origin = Origin::start(move |request| {
        if request.target == "/late" {
            gate.lock().unwrap().recv().ok();
        }
        origin::ok(&request.target)
    });
    (origin, open) // dropped from the last on: a script that waits must not be waited for
}

#[test]
fn streams_in_flight_complete_and_new_ones_are_the_next_connections() {
    let (origin, open) = late();
    let proxy = Proxy::to(&origin.endpoint());
    let mut frames = Frames::connect(proxy.addr());
    frames.get(1, "/late");
    origin.request(0);
    frames.polite = false;
    proxy.inner.send(Event::Stop);
    while frames.goaway.is_none() {
        frames.read().expect("GOAWAY");
    }
    // The first one names no stream: what is on its way to us is served.
    assert_eq!(frames.goaway, Some((NO_ERROR, 0x7fff_ffff)));
    frames.get(3, "/on-its-way");
    assert_eq!(frames.reply(3).text(), "/on-its-way");
    // Its ping is answered: nothing more is on its way, and the last one is named.
    frames.frame(PING, ACK, 0, b"\x0b\x7b\xa2\xf0\x8b\x9b\xfe\x54");
    while frames.goaway == Some((NO_ERROR, 0x7fff_ffff)) {
        frames.read().expect("the last GOAWAY");
    }
    assert_eq!(frames.goaway, Some((NO_ERROR, 3)));
    frames.get(5, "/too-late");
    open.send(()).unwrap();
    assert_eq!(frames.reply(1).text(), "/late");
    assert_eq!(frames.end(), Ended::GoneAway(NO_ERROR));
    assert_eq!(frames.so_far(5), None);
    assert_eq!(proxy.inner.wait(), End::Clean);
    assert!(origin.requests().iter().all(|request| request.target != "/too-late"));
}

#[test]
fn a_client_that_answers_no_ping_is_not_waited_for() {
    let (origin, _open) = late();
    let proxy = Proxy::to(&origin.endpoint());
    let mut frames = Frames::connect(proxy.addr());
    frames.polite = false;
    proxy.inner.send(Event::Stop);
    assert_eq!(frames.end(), Ended::GoneAway(NO_ERROR));
    assert_eq!(proxy.inner.wait(), End::Clean);
}

#[test]
fn a_reload_that_keeps_the_listener_disturbs_no_connection() {
    let (origin, open) = late();
    let text = yaml(&origin.endpoint(), "");
    let proxy = Proxy::start(&text);
    let mut frames = Frames::connect(proxy.addr());
    frames.get(1, "/late");
    origin.request(0);
    proxy.reload(&text.replace("path: \"/*\"", "path: \"/new/*\"")).unwrap();
    frames.get(3, "/new/a");
    assert_eq!(frames.reply(3).text(), "/new/a");
    frames.get(5, "/old");
    assert_eq!(frames.reply(5).status, 404);
    open.send(()).unwrap();
    assert_eq!(frames.reply(1).text(), "/late");
    assert_eq!(frames.goaway, None);
}

#[test]
fn a_listener_that_goes_says_so_and_finishes() {
    let (origin, open) = late();
    let text = yaml(&origin.endpoint(), "");
    let both = text.replace("listeners: {", "listeners: { more: { bind: \"127.0.0.2:0\" },");
    let proxy = Proxy::start(&both);
    let mut frames = Frames::connect(proxy.addr_of("more"));
    let mut others = Frames::connect(proxy.addr());
    frames.get(1, "/late");
    origin.request(0);
    proxy.reload(&text).unwrap();
    while frames.goaway.is_none() {
        frames.read().expect("GOAWAY");
    }
    open.send(()).unwrap();
    assert_eq!(frames.reply(1).text(), "/late");
    assert_eq!(frames.end(), Ended::GoneAway(NO_ERROR));
    others.get(1, "/here");
    assert_eq!(others.reply(1).text(), "/here");
    assert_eq!(others.goaway, None);
}

#[test]
fn the_limit_of_a_drain_cuts_what_is_left() {
    let (origin, open) = late();
    let proxy = Proxy::to(&origin.endpoint());
    let mut frames = Frames::connect(proxy.addr());
    frames.get(1, "/late");
    origin.request(0);
    proxy.inner.limit_drain(100);
    proxy.inner.send(Event::Stop);
    assert_eq!(proxy.inner.wait(), End::Forced);
    assert!(matches!(frames.outcome(1), Ended::GoneAway(_) | Ended::Closed | Ended::Reset(_)));
    drop(open);
}
