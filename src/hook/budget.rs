//! What a call of a script or module may cost, and who ends it: one watchdog thread looks at every worker once a tick and
//! compares what the running call has used of its thread's CPU with what it may. Wall time would kill innocents when the
//! machine is busy. A call costs the worker four relaxed stores.

#![allow(unsafe_code, reason = "another thread's CPU clock")]
#![expect(clippy::disallowed_types, reason = "taken when a call is over its budget or a VM ends")]

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use crate::clock;
use crate::limits::{WATCHDOG_IDLE_TICK_MS, WATCHDOG_SHARE_WINDOW_MS, WATCHDOG_TICK_MS};

/// How an engine is interrupted from another thread, given the address that was entered with.
pub type Interrupt = fn(usize);

/// A worker, as the watchdog sees it.
pub struct Meter {
    /// Odd while a call runs.
    epoch: AtomicU64,
    /// The epoch of a call that has used up its budget.
    expired: AtomicU64,
    allowed_ns: AtomicU64,
    /// What to interrupt; 0: nothing.
    target: AtomicUsize,
    /// Whose call it is.
    usage: AtomicPtr<Usage>,
    clock: libc::clockid_t,
    /// Held while a call is being interrupted: nothing that may be a target ends meanwhile.
    interrupting: Mutex<()>,
}

/// What of a worker's time a policy uses, as the watchdog samples it.
#[derive(Debug, Default)]
pub struct Usage {
    /// CPU time in the window that runs.
    sampled_ns: AtomicU64,
    /// Of the last whole window, in percent.
    percent: AtomicU32,
}

/// A call that runs.
pub struct Running<'a>(&'a Meter);

/// What the watchdog last saw of a worker.
struct Seen {
    meter: Arc<Meter>,
    epoch: u64,
    /// Its thread's CPU time when this epoch was first seen.
    from_ns: u64,
    /// The same at the last look.
    last_ns: u64,
}

/// The watchdog's end of things.
#[derive(Default)]
struct Watch {
    meters: Mutex<Vec<Arc<Meter>>>,
    started: AtomicU32,
    /// Every policy's usage on every worker; they are never forgotten, as names are not.
    usages: Mutex<Vec<&'static Usage>>,
}

static INTERRUPT: OnceLock<Interrupt> = OnceLock::new();
static WATCH: OnceLock<Watch> = OnceLock::new();

thread_local! {
    static OWN: Cell<Option<&'static Arc<Meter>>> = const { Cell::new(None) };
    static USAGES: RefCell<HashMap<Arc<str>, &'static Usage>> = RefCell::default();
}

/// This thread's meter; the watchdog starts with the first.
#[must_use]
pub fn meter(interrupt: Interrupt) -> &'static Arc<Meter> {
    if let Some(own) = OWN.get() {
        return own;
    }
    INTERRUPT.get_or_init(|| interrupt);
    let meter = Arc::new(Meter::new());
    let watch = WATCH.get_or_init(Watch::default);
    watch.meters.lock().unwrap_or_else(PoisonError::into_inner).push(meter.clone());
    if watch.started.swap(1, Ordering::Relaxed) == 0 {
        let thread = std::thread::Builder::new().name("watchdog".into()).spawn(move || watch_over(watch));
        if let Err(error) = thread {
            tracing::error!(%error, "no watchdog: scripts run without a limit of their time");
        }
    }
    // One per worker's thread, for the life of the process.
    let meter: &'static Arc<Meter> = Box::leak(Box::new(meter));
    OWN.set(Some(meter));
    meter
}

/// What the policy of this name uses of this thread.
#[must_use]
pub fn usage(policy: &Arc<str>) -> &'static Usage {
    USAGES.with_borrow_mut(|usages| {
        *usages.entry(policy.clone()).or_insert_with(|| {
            let usage: &'static Usage = Box::leak(Box::default());
            let watch = WATCH.get_or_init(Watch::default);
            watch.usages.lock().unwrap_or_else(PoisonError::into_inner).push(usage);
            usage
        })
    })
}

/// CPU time of the calling thread, nanoseconds.
#[must_use]
pub fn thread_cpu_ns() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

fn watch_over(watch: &Watch) {
    let mut seen: Vec<Seen> = Vec::new();
    let mut window = clock::precise();
    loop {
        let busy = tick(watch, &mut seen);
        let passed = clock::precise().saturating_duration_since(window);
        if passed >= Duration::from_millis(WATCHDOG_SHARE_WINDOW_MS) {
            window += passed;
            let usages = watch.usages.lock().unwrap_or_else(PoisonError::into_inner);
            usages.iter().for_each(|usage| usage.turn(passed));
        }
        let wait = if busy { WATCHDOG_TICK_MS } else { WATCHDOG_IDLE_TICK_MS };
        #[expect(clippy::disallowed_methods, reason = "the watchdog's own thread")]
        std::thread::sleep(Duration::from_millis(wait));
    }
}

/// Looks at every worker once; says whether any has called a policy since the last look.
fn tick(watch: &Watch, seen: &mut Vec<Seen>) -> bool {
    {
        let meters = watch.meters.lock().unwrap_or_else(PoisonError::into_inner);
        for meter in meters.iter().skip(seen.len()) {
            seen.push(Seen { meter: meter.clone(), epoch: 0, from_ns: 0, last_ns: 0 });
        }
    }
    let mut busy = false;
    for one in seen {
        let epoch = one.meter.epoch.load(Ordering::Acquire);
        busy |= epoch != one.epoch;
        if epoch == one.epoch && epoch.is_multiple_of(2) {
            continue;
        }
        let now = one.meter.cpu_ns();
        let passed = now.saturating_sub(one.last_ns);
        one.last_ns = now;
        if epoch.is_multiple_of(2) {
            one.epoch = epoch;
        } else {
            busy = true;
            if epoch != one.epoch {
                one.epoch = epoch;
                one.from_ns = now;
            } else if now.saturating_sub(one.from_ns) > one.meter.allowed_ns.load(Ordering::Relaxed) {
                one.meter.interrupt(epoch);
            }
            // Whoever is met at a look is taken to have had the time since the one before: fair over many looks.
            one.meter.charge(passed.min(WATCHDOG_TICK_MS * 2_000_000));
        }
    }
    busy
}

// === impl Meter ===

impl Meter {
    fn new() -> Self {
        let mut clock: libc::clockid_t = 0;
        // SAFETY: writes the id of this thread's CPU clock to a place that is ours.
        unsafe { libc::pthread_getcpuclockid(libc::pthread_self(), &raw mut clock) };
        Self {
            epoch: AtomicU64::new(0),
            expired: AtomicU64::new(0),
            allowed_ns: AtomicU64::new(0),
            target: AtomicUsize::new(0),
            usage: AtomicPtr::new(std::ptr::null_mut()),
            clock,
            interrupting: Mutex::new(()),
        }
    }

    /// A call begins; it ends when what is returned is dropped.
    #[inline]
    pub fn enter(&self, target: usize, allowed_ns: u64, usage: &'static Usage) -> Running<'_> {
        self.usage.store(std::ptr::from_ref(usage).cast_mut(), Ordering::Relaxed);
        self.target.store(target, Ordering::Relaxed);
        self.allowed_ns.store(allowed_ns, Ordering::Relaxed);
        let epoch = self.epoch.load(Ordering::Relaxed);
        self.epoch.store(epoch | 1, Ordering::Release);
        Running(self)
    }

    /// Whether the call that runs has used up what it may.
    #[inline]
    #[must_use]
    pub fn is_expired(&self) -> bool {
        self.expired.load(Ordering::Relaxed) == self.epoch.load(Ordering::Relaxed)
    }

    /// Runs `end` while nothing is being interrupted: what was a target may go.
    pub fn quietly<R>(&self, end: impl FnOnce() -> R) -> R {
        let _quiet = self.interrupting.lock().unwrap_or_else(PoisonError::into_inner);
        end()
    }

    fn interrupt(&self, epoch: u64) {
        let _one_at_a_time = self.interrupting.lock().unwrap_or_else(PoisonError::into_inner);
        let target = self.target.load(Ordering::Relaxed);
        if self.epoch.load(Ordering::Acquire) == epoch && target != 0 {
            self.expired.store(epoch, Ordering::Relaxed);
            if let Some(interrupt) = INTERRUPT.get() {
                interrupt(target);
            }
        }
    }

    fn charge(&self, ns: u64) {
        // SAFETY: null, or one of the usages, which are never freed.
        if let Some(usage) = unsafe { self.usage.load(Ordering::Relaxed).as_ref() } {
            usage.sampled_ns.fetch_add(ns, Ordering::Relaxed);
        }
    }

    fn cpu_ns(&self) -> u64 {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: fills a place that is ours; a clock whose thread has ended is an error, which leaves zero.
        unsafe { libc::clock_gettime(self.clock, &raw mut time) };
        time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
    }
}

// === impl Usage ===

impl Usage {
    /// Percent of its worker that the policy has used of late.
    #[inline]
    #[must_use]
    pub fn percent(&self) -> u32 {
        self.percent.load(Ordering::Relaxed)
    }

    fn turn(&self, window: Duration) {
        let used = u128::from(self.sampled_ns.swap(0, Ordering::Relaxed));
        self.percent.store((used * 100 / window.as_nanos().max(1)) as u32, Ordering::Relaxed);
    }
}

impl Drop for Running<'_> {
    #[inline]
    fn drop(&mut self) {
        let epoch = self.0.epoch.load(Ordering::Relaxed);
        self.0.epoch.store(epoch + 1, Ordering::Release);
    }
}
