//! The end of a process: what was begun is finished, up to a limit.

use std::sync::Mutex;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use gatewright::control::{Ended, Event};

use crate::harness::{Client, Origin, Proxy, eventually, origin};

#[test]
fn what_was_begun_is_finished() {
    let (open, gate) = mpsc::channel();
    let gate = Mutex::new(gate);
    let origin = Origin::start(move |_| {
        gate.lock().unwrap().recv().ok();
        origin::ok("late")
    });
    let proxy = Proxy::to(&origin.endpoint());
    let addr = proxy.addr();
    let (mut busy, mut idle) = (Client::connect(addr), Client::connect(addr));
    open.send(()).unwrap();
    idle.send_request("GET", "/", &[], b"");
    assert_eq!(idle.read_response().status, 200);
    busy.send_request("GET", "/", &[], b"");
    origin.request(1);
    proxy.inner.send(Event::Stop);
    idle.expect_closed();
    eventually("nobody listens", || !Client::is_listening(addr));
    open.send(()).unwrap();
    let response = busy.read_response();
    assert_eq!((response.text().as_str(), response.field("connection")), ("late", Some("close")));
    busy.expect_closed();
    assert_eq!(proxy.inner.wait(), Ended::Clean);
}

#[test]
fn a_process_with_nothing_to_do_ends_soon() {
    let origin = Origin::answering(origin::ok("x"));
    let proxy = Proxy::to(&origin.endpoint());
    let began = Instant::now();
    assert_eq!(proxy.inner.stop(), Ended::Clean);
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

#[test]
fn the_second_interrupt_ends_at_once() {
    let origin = Origin::silent();
    let proxy = Proxy::to(&origin.endpoint());
    let mut client = Client::connect(proxy.addr());
    client.send_request("GET", "/", &[], b"");
    origin.request(0);
    proxy.inner.send(Event::Stop);
    let began = Instant::now();
    proxy.inner.send(Event::Now);
    assert_eq!(proxy.inner.wait(), Ended::Forced);
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    client.read_to_end();
    origin.wait_for_open(0);
}

#[test]
fn the_limit_ends_what_does_not_end() {
    let origin = Origin::silent();
    let proxy = Proxy::to(&origin.endpoint());
    let mut client = Client::connect(proxy.addr());
    client.send_request("GET", "/", &[], b"");
    origin.request(0);
    proxy.inner.limit_drain(100);
    proxy.inner.send(Event::Stop);
    assert_eq!(proxy.inner.wait(), Ended::Forced);
    client.read_to_end();
}
