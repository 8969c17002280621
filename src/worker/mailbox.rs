//! How the control thread speaks to a worker: few messages, bounded, each answered.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot};

use crate::config::diagnostic::Diagnostic;
use crate::config::plan::Place;
use crate::limits::MAILBOX_MESSAGES_MAX;
use crate::listen::bind::Listening;
use crate::observe::access_log::Format;
use crate::observe::log_sink::LogSender;
use crate::snapshot::Snapshot;

/// What a worker may be told.
pub enum Message {
    /// Build a generation beside the running one.
    Prepare(Arc<Snapshot>, Reply<Result<(), Diagnostic>>),
    /// Make the prepared generation of this number the running one.
    Commit(u64, Vec<DoorPlan>, LogPlan, Reply<()>),
    /// Forget the prepared generation.
    Discard,
    /// Finish what was begun.
    Drain,
    /// End now.
    Cut,
}

/// One listener of the new plan, in the plan's order.
pub struct DoorPlan {
    /// The listener's number in the metrics.
    pub id: u32,
    /// What a door is known by over reloads.
    pub place: Place,
    /// The socket, if it was not open before.
    pub listening: Option<Listening>,
    /// Connections of the listener, process-wide.
    pub open: Arc<AtomicUsize>,
}

/// What becomes of a worker's end of the access log.
#[derive(Clone)]
pub enum LogPlan {
    Keep,
    Replace(Option<(Format, LogSender)>),
}

/// Where an answer goes.
pub struct Reply<T>(oneshot::Sender<T>);

/// The control thread's end.
pub struct Mailbox {
    messages: mpsc::Sender<Message>,
    thread: Option<JoinHandle<()>>,
}

/// The worker's end.
pub(super) struct Messages(mpsc::Receiver<Message>);

/// A mailbox of a worker yet to be started.
pub(super) fn new() -> (Mailbox, Messages) {
    let (sender, receiver) = mpsc::channel(MAILBOX_MESSAGES_MAX);
    (Mailbox { messages: sender, thread: None }, Messages(receiver))
}

// === impl Mailbox ===

impl Mailbox {
    pub(super) fn of(self, thread: JoinHandle<()>) -> Self {
        Self { thread: Some(thread), ..self }
    }

    /// Asks for a generation; the answer comes when the worker is ready for it.
    pub async fn prepare(&self, snapshot: Arc<Snapshot>) -> Option<oneshot::Receiver<Result<(), Diagnostic>>> {
        let (reply, answer) = oneshot::channel();
        self.send(Message::Prepare(snapshot, Reply(reply))).await.then_some(answer)
    }

    /// Tells the worker to switch.
    pub async fn commit(&self, number: u64, doors: Vec<DoorPlan>, log: LogPlan) -> Option<oneshot::Receiver<()>> {
        let (reply, answer) = oneshot::channel();
        self.send(Message::Commit(number, doors, log, Reply(reply))).await.then_some(answer)
    }

    /// Sends a message that wants no answer; `false`: the worker is gone.
    pub async fn send(&self, message: Message) -> bool {
        self.messages.send(message).await.is_ok()
    }

    /// Whether the worker's thread has ended.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

// === impl Messages ===

impl Messages {
    pub(super) async fn next(&mut self) -> Option<Message> {
        self.0.recv().await
    }
}

// === impl Reply ===

impl<T> Reply<T> {
    pub(super) fn send(self, answer: T) {
        let _nobody_waits = self.0.send(answer);
    }
}
