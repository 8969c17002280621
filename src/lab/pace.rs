//! Virtual time: when nothing on the lab's thread can go on, the clock moves to the next deadline, as far as a test lets it.

use std::cell::RefCell;
use std::future::Future;
use std::pin::pin;
use std::task::{Poll, Waker};

use crate::clock;

/// What the test's side waits for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Want {
    #[default]
    Nothing,
    /// That nothing goes on any more, time standing still.
    Stillness,
    /// That the clock reaches this.
    Until(u64),
    /// It was reached.
    Reached,
}

thread_local! {
    static WANT: RefCell<(Want, Option<Waker>)> = const { RefCell::new((Want::Nothing, None)) };
}

/// The event loop has nothing to do: called by it.
pub(super) fn idle() {
    let want = WANT.with_borrow(|(want, _)| *want);
    let now = match want {
        Want::Nothing | Want::Reached => return,
        Want::Stillness => Want::Reached,
        // A deadline that wakes nobody has to be followed by the next one: the test's side is woken each time.
        Want::Until(until) if clock::now() < until && clock::leap(until) => want,
        Want::Until(_) => Want::Reached,
    };
    let waker = WANT.with_borrow_mut(|(want, waker)| {
        *want = now;
        waker.take()
    });
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// Waits until nothing goes on any more.
pub(super) async fn settle() {
    wait_for(Want::Stillness, std::future::pending::<()>()).await;
}

/// Lets `ms` pass.
pub(super) async fn advance(ms: u64) {
    wait_for(Want::Until(clock::now().saturating_add(ms)), std::future::pending::<()>()).await;
    settle().await;
}

/// Runs a future, and time whenever everything waits; `None`: it had not ended after `ms`.
pub(super) async fn hurry<T>(ms: u64, future: impl Future<Output = T>) -> Option<T> {
    wait_for(Want::Until(clock::now().saturating_add(ms)), future).await
}

async fn wait_for<T>(wanted: Want, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    WANT.set((wanted, None));
    let done = std::future::poll_fn(|cx| {
        if let Poll::Ready(done) = future.as_mut().poll(cx) {
            return Poll::Ready(Some(done));
        }
        WANT.with_borrow_mut(|(want, waker)| match want {
            Want::Reached => Poll::Ready(None),
            _ => {
                *waker = Some(cx.waker().clone());
                Poll::Pending
            }
        })
    })
    .await;
    WANT.set((Want::Nothing, None));
    done
}
