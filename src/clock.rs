//! The only reader of time. Coarse milliseconds per worker for every deadline, precise instants for what is measured.
//!
//! Every wait of the program goes through an [`Alarm`]: tests and the lab own time by [`freeze`] and [`advance`].
//! Deadlines are cells in one wheel per thread: moving a deadline further away, which every request does, writes one
//! word. A bucket that comes due looks at the cell and moves the entry on if the deadline has moved meanwhile.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::sync::OnceLock;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant, SystemTime};

use slab::Slab;

use crate::limits::{CLOCK_TICK_MS, CLOCK_WHEEL_TICKS};

/// A deadline that wakes the task which polled it last. One per connection, not one per wait.
#[derive(Debug)]
pub struct Alarm(usize);

/// A wait of its own, for what is not on the request path.
#[derive(Debug)]
pub struct Sleep {
    alarm: Alarm,
    at_ms: u64,
}

/// No deadline.
pub const NEVER: u64 = u64::MAX;

struct Slot {
    /// When it expires, milliseconds of [`now`].
    at_ms: u64,
    /// The tick in whose bucket the live entry of this slot sits; `NEVER`: in none.
    tick: u64,
    waker: Option<Waker>,
}

struct Wheel {
    slots: Slab<Slot>,
    buckets: Vec<Vec<usize>>,
    /// The last tick that was swept.
    swept: u64,
    /// Entries in all buckets.
    entries: usize,
    driver: Option<Waker>,
    /// The tick the driver sleeps for: only an earlier one has to wake it.
    awaited: u64,
}

thread_local! {
    static NOW_MS: Cell<u64> = const { Cell::new(0) };
    static FROZEN: Cell<bool> = const { Cell::new(false) };
    /// What the wall clock said at which [`now`], where a test has set it.
    static SET: Cell<Option<(SystemTime, u64)>> = const { Cell::new(None) };
    static WHEEL: RefCell<Wheel> = RefCell::new(Wheel::new());
}

/// Milliseconds since the process started, as of the worker's last look: at most one turn of its event loop old.
#[must_use]
pub fn now() -> u64 {
    let now = NOW_MS.get();
    if now == 0 { refresh() } else { now }
}

/// A precise instant, to measure with.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "this module is the one reader of time")]
pub fn precise() -> Instant {
    Instant::now()
}

/// The wall clock, for logs.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "this module is the one reader of time")]
pub fn wall() -> SystemTime {
    match SET.get() {
        Some((wall, at_ms)) => wall + Duration::from_millis(now().saturating_sub(at_ms)),
        None => SystemTime::now(),
    }
}

/// Looks at the clock. A worker's runtime calls it whenever it wakes.
pub fn refresh() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    if !FROZEN.get() {
        let start = START.get_or_init(precise);
        let elapsed = u64::try_from(start.elapsed().as_millis()).unwrap_or(NEVER - 1);
        NOW_MS.set(elapsed + 1);
    }
    NOW_MS.get()
}

/// Stops this thread's clock: from here on only [`advance`] moves it.
pub fn freeze() {
    refresh();
    FROZEN.set(true);
}

/// Stops this thread's clock, and lets the wall clock go with it, from `wall` on.
pub fn freeze_at(wall: SystemTime) {
    freeze();
    SET.set(Some((wall, now())));
}

/// Moves a frozen clock to the next deadline, or to `until` if none comes before; says whether one did. For a thread on
/// which nothing is left to do but to wait.
pub fn leap(until: u64) -> bool {
    let due = WHEEL.with_borrow(Wheel::next_due).map(|tick| (tick * CLOCK_TICK_MS).max(now()));
    let due = due.filter(|due| *due <= until);
    NOW_MS.set(due.unwrap_or(until).max(now()));
    sweep();
    due.is_some()
}

/// Moves a frozen clock and wakes what has come due.
pub fn advance(by: Duration) {
    NOW_MS.set(now() + millis(by));
    sweep();
}

/// A duration as milliseconds.
#[must_use]
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(NEVER / 2)
}

/// Waits; off the request path only.
#[must_use]
pub fn sleep(duration: Duration) -> Sleep {
    Sleep { alarm: Alarm::new(), at_ms: now().saturating_add(millis(duration)) }
}

/// Sweeps this thread's wheel for ever: one task per thread, asleep while no deadline is pending.
pub async fn drive() {
    loop {
        let wait = std::future::poll_fn(|cx| {
            WHEEL.with_borrow_mut(|wheel| match wheel.next_due() {
                Some(tick) => Poll::Ready(tick),
                None => {
                    wheel.await_tick(NEVER, cx);
                    Poll::Pending
                }
            })
        });
        let tick = wait.await;
        let due_ms = tick * CLOCK_TICK_MS;
        let now = refresh();
        if due_ms > now {
            nap(tick, Duration::from_millis((due_ms - now).max(CLOCK_TICK_MS))).await;
            refresh();
        }
        sweep();
    }
}

/// Sleeps, but not past a deadline that is set meanwhile and comes due before `tick`.
async fn nap(tick: u64, duration: Duration) {
    #[allow(clippy::disallowed_methods, reason = "the one sleep that all waits share")]
    let mut sleep = std::pin::pin!(tokio::time::sleep(duration));
    let mut begun = false;
    std::future::poll_fn(|cx| {
        let interrupted = WHEEL.with_borrow_mut(|wheel| {
            let interrupted = begun && wheel.driver.is_none();
            wheel.await_tick(tick, cx);
            interrupted
        });
        begun = true;
        if interrupted { Poll::Ready(()) } else { sleep.as_mut().poll(cx) }
    })
    .await;
}

fn sweep() {
    let due = WHEEL.with_borrow_mut(Wheel::sweep);
    due.into_iter().for_each(Waker::wake);
}

// === impl Alarm ===

impl Alarm {
    /// An alarm of this thread, not set.
    #[must_use]
    pub fn new() -> Self {
        let slot = Slot { at_ms: NEVER, tick: NEVER, waker: None };
        Self(WHEEL.with_borrow_mut(|wheel| wheel.slots.insert(slot)))
    }

    /// Whether `at_ms` has passed; if not, the task is woken when it has. Each call replaces the deadline.
    pub fn poll(&self, cx: &Context<'_>, at_ms: u64) -> bool {
        if at_ms == NEVER {
            return false;
        }
        if at_ms <= now() {
            return true;
        }
        WHEEL.with_borrow_mut(|wheel| wheel.set(self.0, at_ms, cx.waker()));
        false
    }
}

impl Default for Alarm {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        let _gone = WHEEL.try_with(|wheel| wheel.borrow_mut().slots.try_remove(self.0));
    }
}

// === impl Sleep ===

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.alarm.poll(cx, self.at_ms) { Poll::Ready(()) } else { Poll::Pending }
    }
}

// === impl Wheel ===

impl Wheel {
    fn new() -> Self {
        Self {
            slots: Slab::new(),
            buckets: vec![Vec::new(); CLOCK_WHEEL_TICKS],
            swept: 0,
            entries: 0,
            driver: None,
            awaited: NEVER,
        }
    }

    fn set(&mut self, key: usize, at_ms: u64, waker: &Waker) {
        let Some(slot) = self.slots.get_mut(key) else { return };
        slot.at_ms = at_ms;
        match &mut slot.waker {
            Some(known) if known.will_wake(waker) => {}
            known => *known = Some(waker.clone()),
        }
        let tick = at_ms.div_ceil(CLOCK_TICK_MS);
        if tick < slot.tick {
            if self.entries == 0 {
                self.swept = self.swept.max(now() / CLOCK_TICK_MS);
            }
            self.enter(key, tick);
        }
    }

    /// Puts a slot into the bucket of `tick`, or of the furthest tick the wheel reaches.
    fn enter(&mut self, key: usize, tick: u64) {
        let tick = tick.clamp(self.swept + 1, self.swept + CLOCK_WHEEL_TICKS as u64 - 1);
        self.slots[key].tick = tick;
        self.buckets[tick as usize % CLOCK_WHEEL_TICKS].push(key);
        self.entries += 1;
        if tick < self.awaited
            && let Some(driver) = self.driver.take()
        {
            driver.wake();
        }
    }

    fn await_tick(&mut self, tick: u64, cx: &Context<'_>) {
        self.awaited = tick;
        self.driver = Some(cx.waker().clone());
    }

    fn next_due(&self) -> Option<u64> {
        if self.entries == 0 {
            return None;
        }
        let ahead = 1..=CLOCK_WHEEL_TICKS as u64;
        ahead.map(|n| self.swept + n).find(|tick| !self.buckets[*tick as usize % CLOCK_WHEEL_TICKS].is_empty())
    }

    /// Sweeps every tick up to now; returns whom to wake.
    fn sweep(&mut self) -> Vec<Waker> {
        let until = now() / CLOCK_TICK_MS;
        let mut woken = Vec::new();
        while self.swept < until {
            if self.entries == 0 {
                self.swept = until;
                break;
            }
            self.swept += 1;
            let bucket = std::mem::take(&mut self.buckets[self.swept as usize % CLOCK_WHEEL_TICKS]);
            self.entries -= bucket.len();
            for key in bucket {
                let Some(slot) = self.slots.get_mut(key) else { continue };
                if slot.tick != self.swept {
                    continue; // an earlier entry took its place, or the key has a new owner
                }
                slot.tick = NEVER;
                let tick = slot.at_ms.div_ceil(CLOCK_TICK_MS);
                if tick <= self.swept {
                    woken.extend(slot.waker.take());
                } else if slot.at_ms != NEVER {
                    self.enter(key, tick);
                }
            }
        }
        woken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    struct Count(AtomicUsize);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn an_alarm_wakes_once_at_its_last_deadline() {
        freeze();
        let count = Arc::new(Count(AtomicUsize::new(0)));
        let waker = Waker::from(count.clone());
        let cx = Context::from_waker(&waker);
        let alarm = Alarm::new();
        let start = now();
        assert!(!alarm.poll(&cx, start + 1_000));
        assert!(!alarm.poll(&cx, start + 50_000));
        advance(Duration::from_millis(2_000));
        assert_eq!(count.0.load(Ordering::Relaxed), 0, "the deadline moved on");
        advance(Duration::from_millis(49_000));
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        assert!(alarm.poll(&cx, start + 50_000));
        let later = now() + 500;
        assert!(!alarm.poll(&cx, later + 60_000));
        assert!(!alarm.poll(&cx, later));
        advance(Duration::from_millis(600));
        assert_eq!(count.0.load(Ordering::Relaxed), 2, "an earlier deadline takes effect");
    }

    #[test]
    fn a_dropped_alarm_wakes_nobody() {
        freeze();
        let count = Arc::new(Count(AtomicUsize::new(0)));
        let waker = Waker::from(count.clone());
        let cx = Context::from_waker(&waker);
        let alarm = Alarm::new();
        assert!(!alarm.poll(&cx, now() + 100));
        drop(alarm);
        advance(Duration::from_secs(1));
        assert_eq!(count.0.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn an_early_alarm_is_not_late_because_a_later_one_is_awaited() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let test = async {
                let late = Alarm::new();
                std::future::poll_fn(|cx| {
                    late.poll(cx, refresh() + 60_000);
                    Poll::Ready(())
                })
                .await;
                for _ in 0..3 {
                    tokio::task::yield_now().await; // the driver goes to sleep
                }
                let start = precise();
                refresh();
                sleep(Duration::from_millis(50)).await;
                assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
            };
            tokio::select! { () = drive() => {}, () = test => {} }
        });
    }
}
