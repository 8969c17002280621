//! Bytes both ways until both sides have ended: tunnels, later TCP streams. Half-close is passed on; silence is limited.

use std::io;
use std::task::{Context, Poll};

use crate::clock::{self, Alarm};
use crate::drain::{Guard, Level};
use crate::wire::{Buffer, Wire};

/// One side of a relay: its stream, and what had been read from it already.
pub struct Side<'a> {
    pub wire: &'a mut Wire,
    pub unread: &'a mut Option<Buffer>,
}

/// How a relay ended.
#[derive(Debug)]
pub enum End {
    /// Both sides have closed.
    Complete,
    Idle,
    /// The drain limit was over.
    Cut,
    First(io::Error),
    Second(io::Error),
}

/// Bytes that went each way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Moved {
    pub first_to_second: u64,
    pub second_to_first: u64,
}

/// Which side failed.
enum Broken {
    Source(io::Error),
    /// It takes no more; what it has said may still have to be passed on, and then its own end or error counts.
    Sink,
}

#[derive(Default)]
struct Way {
    ended: bool,
    shut: bool,
}

/// Relays until both sides have ended, one breaks, or neither has said anything for `idle_ms`.
pub async fn run(
    mut first: Side<'_>,
    mut second: Side<'_>,
    idle_ms: u64,
    alarm: &Alarm,
    guard: &Guard,
) -> (End, Moved) {
    let (mut there, mut back) = (Way::default(), Way::default());
    let mut moved = Moved::default();
    let mut quiet_since = clock::now();
    let end = std::future::poll_fn(|cx| {
        let before = moved;
        match pass(cx, &mut there, &mut first, &mut second, &mut moved.first_to_second) {
            Ok(()) => {}
            Err(Broken::Source(error)) => return Poll::Ready(End::First(error)),
            Err(Broken::Sink) => there.give_up(),
        }
        match pass(cx, &mut back, &mut second, &mut first, &mut moved.second_to_first) {
            Ok(()) => {}
            Err(Broken::Source(error)) => return Poll::Ready(End::Second(error)),
            Err(Broken::Sink) => back.give_up(),
        }
        if there.shut && back.shut {
            return Poll::Ready(End::Complete);
        }
        // Nobody may be reading there: its half has ended, or the other side takes no more.
        if let Poll::Ready(error) = first.wire.poll_reset(cx) {
            return Poll::Ready(End::First(error));
        }
        if let Poll::Ready(error) = second.wire.poll_reset(cx) {
            return Poll::Ready(End::Second(error));
        }
        if guard.poll_level(cx) == Level::Cut {
            return Poll::Ready(End::Cut);
        }
        if moved != before {
            quiet_since = clock::now();
        }
        if alarm.poll(cx, quiet_since + idle_ms) { Poll::Ready(End::Idle) } else { Poll::Pending }
    })
    .await;
    (end, moved)
}

// === impl Way ===

impl Way {
    /// Nothing more goes this way.
    fn give_up(&mut self) {
        (self.ended, self.shut) = (true, true);
    }
}

/// Moves what can be moved one way now.
fn pass(
    cx: &mut Context<'_>,
    way: &mut Way,
    from: &mut Side<'_>,
    to: &mut Side<'_>,
    moved: &mut u64,
) -> Result<(), Broken> {
    loop {
        if way.shut {
            return Ok(());
        }
        while let Some(buffer) = from.unread.as_mut() {
            match to.wire.poll_write(cx, &[io::IoSlice::new(buffer.bytes())]) {
                Poll::Ready(Ok(written)) => {
                    *moved += written as u64;
                    buffer.consume(written);
                    if buffer.is_empty() {
                        *from.unread = None;
                    }
                }
                Poll::Ready(Err(_)) => return Err(Broken::Sink),
                Poll::Pending => return Ok(()),
            }
        }
        if way.ended {
            if !way.shut && to.wire.poll_shutdown(cx).is_ready() {
                way.shut = true;
            }
            return Ok(());
        }
        let mut buffer = Buffer::take();
        match from.wire.poll_read(cx, &mut buffer) {
            Poll::Ready(Ok(0)) => way.ended = true,
            Poll::Ready(Ok(_)) => *from.unread = Some(buffer),
            Poll::Ready(Err(error)) => return Err(Broken::Source(error)),
            Poll::Pending => {
                let flushed = to.wire.poll_flush(cx); // what is kept back waits for us, not for more
                return if matches!(flushed, Poll::Ready(Err(_))) { Err(Broken::Sink) } else { Ok(()) };
            }
        }
    }
}
