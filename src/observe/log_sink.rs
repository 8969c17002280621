//! The writer of the access log: one thread, a bounded queue of whole buffers, and a count of what was lost.
//!
//! Whatever happens to the disk or to whoever reads our standard output, serving goes on: a full queue and a failed
//! write drop lines, which the metrics count and a warning mentions now and then.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender, TrySendError};
use std::time::Duration;

use super::metrics::Metrics;
use crate::clock;
use crate::limits::{LOG_FINISH_MS, LOG_QUEUE_BUFFERS, LOG_WARN_MS};

/// Where the access log goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Standard output.
    Stdout,
    /// A file, appended to.
    File(PathBuf),
}

/// The log's owner; dropping it waits, within a limit, until all that was sent is written.
#[derive(Debug)]
pub struct LogSink {
    sender: LogSender,
    ended: Receiver<()>,
}

/// Hands buffers to the writer; one per worker.
#[derive(Debug, Clone)]
pub struct LogSender {
    queue: SyncSender<Message>,
    reopen: Arc<AtomicBool>,
    metrics: Arc<Metrics>,
}

#[derive(Debug)]
enum Message {
    Lines(Vec<u8>),
    /// Look at the flag.
    Nudge,
    End,
}

struct Writer {
    target: Target,
    out: Box<dyn Write + Send>,
    reopen: Arc<AtomicBool>,
    metrics: Arc<Metrics>,
    /// The last write broke off inside a line.
    torn: bool,
    /// Lines lost since the last warning.
    unsaid: u64,
    /// What had been dropped, here or at the queue, as of the last look.
    known_dropped: u64,
    warned_ms: Option<u64>,
}

// === impl LogSink ===

impl LogSink {
    /// Opens the target and starts the writer.
    pub fn start(target: Target, metrics: Arc<Metrics>) -> io::Result<Self> {
        let out = open(&target)?;
        Self::spawn(target, out, metrics)
    }

    fn spawn(target: Target, out: Box<dyn Write + Send>, metrics: Arc<Metrics>) -> io::Result<Self> {
        let (queue, messages) = mpsc::sync_channel(LOG_QUEUE_BUFFERS);
        let (ending, ended) = mpsc::sync_channel(1);
        let reopen = Arc::new(AtomicBool::new(false));
        let known_dropped = metrics.log_dropped_total();
        let mut writer = Writer {
            target,
            out,
            reopen: reopen.clone(),
            metrics: metrics.clone(),
            torn: false,
            unsaid: 0,
            known_dropped,
            warned_ms: None,
        };
        std::thread::Builder::new().name("access-log".into()).spawn(move || {
            writer.run(&messages);
            // Nobody waits: the process ends anyway.
            let _unheard = ending.send(());
        })?;
        Ok(Self { sender: LogSender { queue, reopen, metrics }, ended })
    }

    /// An end for one more worker.
    #[must_use]
    pub fn sender(&self) -> LogSender {
        self.sender.clone()
    }

    /// Opens the file anew, after somebody has moved it away.
    pub fn reopen(&self) {
        self.sender.reopen.store(true, Ordering::Release);
        // A full queue has the writer awake already.
        let _full = self.sender.queue.try_send(Message::Nudge);
    }
}

impl Drop for LogSink {
    fn drop(&mut self) {
        // A writer that cannot get on within the limit is left behind.
        let mut tries = LOG_FINISH_MS / 10;
        while let Err(TrySendError::Full(_)) = self.sender.queue.try_send(Message::End) {
            tries = tries.saturating_sub(1);
            if tries == 0 {
                return;
            }
            std::thread::park_timeout(Duration::from_millis(10));
        }
        let _late: Result<(), RecvTimeoutError> = self.ended.recv_timeout(Duration::from_millis(LOG_FINISH_MS));
    }
}

// === impl LogSender ===

impl LogSender {
    /// Hands whole lines over. Never waits: over the bound they are dropped and counted.
    pub fn send(&self, lines: Vec<u8>) {
        if let Err(TrySendError::Full(Message::Lines(lines)) | TrySendError::Disconnected(Message::Lines(lines))) =
            self.queue.try_send(Message::Lines(lines))
        {
            self.metrics.log_dropped(count(&lines));
        }
    }
}

/// Lines in a buffer: no line has a line end inside.
fn count(lines: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', lines).count() as u64
}

fn open(target: &Target) -> io::Result<Box<dyn Write + Send>> {
    Ok(match target {
        // Straight to the descriptor: std's own buffer would cut our lines apart.
        Target::Stdout => Box::new(File::from(io::stdout().as_fd().try_clone_to_owned()?)),
        Target::File(path) => Box::new(OpenOptions::new().create(true).append(true).open(path)?),
    })
}

// === impl Writer ===

impl Writer {
    fn run(&mut self, messages: &Receiver<Message>) {
        while let Ok(message) = messages.recv() {
            if self.reopen.swap(false, Ordering::AcqRel) {
                self.reopen();
            }
            match message {
                Message::Lines(lines) => self.write(&lines),
                Message::Nudge => {}
                Message::End => break,
            }
            self.look_at_the_queue();
        }
        // What others sent after the end was begun.
        while let Ok(message) = messages.try_recv() {
            if let Message::Lines(lines) = message {
                self.write(&lines);
            }
        }
    }

    fn reopen(&mut self) {
        if self.target == Target::Stdout {
            return;
        }
        match open(&self.target) {
            Ok(out) => {
                self.out = out;
                self.torn = false;
            }
            Err(why) => {
                tracing::warn!(log = ?self.target, %why, "access log cannot be reopened, the old file stays")
            }
        }
    }

    fn write(&mut self, lines: &[u8]) {
        let (done, failed) = self.write_some(lines);
        let Some(why) = failed else { return };
        let rest = lines.get(done..).unwrap_or_default();
        if done > 0 {
            self.torn = lines.get(done - 1) != Some(&b'\n');
        }
        let dropped = count(rest);
        self.metrics.log_dropped(dropped);
        self.unsaid += dropped;
        self.known_dropped += dropped;
        self.warn(&why.to_string());
    }

    /// How much was written, and what stopped it.
    fn write_some(&mut self, lines: &[u8]) -> (usize, Option<io::Error>) {
        if self.torn {
            match self.out.write_all(b"\n") {
                Ok(()) => self.torn = false,
                Err(why) => return (0, Some(why)),
            }
        }
        let mut done = 0;
        while let Some(rest) = lines.get(done..).filter(|rest| !rest.is_empty()) {
            match self.out.write(rest) {
                Ok(0) => return (done, Some(io::ErrorKind::WriteZero.into())),
                Ok(n) => done += n,
                Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
                Err(why) => return (done, Some(why)),
            }
        }
        (done, None)
    }

    /// Lines that never came this far.
    fn look_at_the_queue(&mut self) {
        let dropped = self.metrics.log_dropped_total();
        if dropped > self.known_dropped {
            self.unsaid += dropped - self.known_dropped;
            self.known_dropped = dropped;
            self.warn("it is written more slowly than it grows");
        }
    }

    fn warn(&mut self, why: &str) {
        let now = clock::refresh();
        if self.warned_ms.is_none_or(|warned| now >= warned + LOG_WARN_MS) {
            tracing::warn!(log = ?self.target, why, lines = self.unsaid, "access log loses lines");
            self.warned_ms = Some(now);
            self.unsaid = 0;
        }
    }
}

#[expect(clippy::disallowed_types, reason = "a test looks into its disk")]
#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    /// Takes bytes while it may; then fails as a full disk does.
    #[derive(Clone, Default)]
    struct Disk(Arc<Mutex<(Vec<u8>, Option<usize>)>>);

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let (held, room) = &mut *self.0.lock().unwrap();
            let n = room.map_or(bytes.len(), |room| room.saturating_sub(held.len()).min(bytes.len()));
            if n == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            held.extend_from_slice(&bytes[..n]);
            Ok(n)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Takes nothing until it is let.
    struct Stuck(Receiver<()>);

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.recv().ok();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_was_sent_is_written_before_the_end_and_reopen_follows_a_rotation() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("access.log");
        let metrics = Metrics::new(1);
        let sink = LogSink::start(Target::File(path.clone()), metrics.clone()).unwrap();
        sink.sender().send(b"one\n".to_vec());
        let moved = dir.path().join("access.log.1");
        while std::fs::read(&path).unwrap().is_empty() {
            std::thread::yield_now();
        }
        std::fs::rename(&path, &moved).unwrap();
        sink.sender().send(b"two\n".to_vec());
        while std::fs::read(&moved).unwrap().len() < 8 {
            std::thread::yield_now();
        }
        sink.reopen();
        sink.sender().send(b"three\n".to_vec());
        drop(sink);
        assert_eq!(std::fs::read_to_string(&moved).unwrap(), "one\ntwo\n");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "three\n");
        assert_eq!(metrics.log_dropped_total(), 0);
    }

    #[test]
    fn a_full_disk_costs_lines_and_nothing_else() {
        let (disk, metrics) = (Disk::default(), Metrics::new(1));
        disk.0.lock().unwrap().1 = Some(10);
        let sink = LogSink::spawn(Target::Stdout, Box::new(disk.clone()), metrics.clone()).unwrap();
        sink.sender().send(b"first\nsecond\nthird\n".to_vec());
        sink.sender().send(b"fourth\n".to_vec());
        while metrics.log_dropped_total() < 3 {
            std::thread::yield_now();
        }
        disk.0.lock().unwrap().1 = None;
        sink.sender().send(b"fifth\n".to_vec());
        drop(sink);
        assert_eq!(metrics.log_dropped_total(), 3);
        assert_eq!(disk.0.lock().unwrap().0, b"first\nseco\nfifth\n", "a torn line does not spoil the next");
    }

    #[test]
    fn nobody_waits_for_a_writer_that_is_stuck() {
        let (let_go, stuck) = mpsc::sync_channel(1);
        let metrics = Metrics::new(1);
        let sink = LogSink::spawn(Target::Stdout, Box::new(Stuck(stuck)), metrics.clone()).unwrap();
        for _ in 0..LOG_QUEUE_BUFFERS + 20 {
            sink.sender().send(b"a\nb\n".to_vec());
        }
        let dropped = metrics.log_dropped_total();
        assert!((36..=40).contains(&dropped), "{dropped}");
        drop(let_go);
        drop(sink);
        assert_eq!(metrics.log_dropped_total(), dropped, "all that was queued is written");
    }

    #[test]
    fn a_missing_directory_is_said_at_the_start() {
        let why = LogSink::start(Target::File("/no/such/dir/log".into()), Metrics::new(1)).unwrap_err();
        assert_eq!(why.kind(), io::ErrorKind::NotFound);
    }
}
