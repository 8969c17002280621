//! The stop signal: a tree of process (one per worker thread), listener, connection. Stopping a node stops all below it.
//!
//! A guard is one thing that must end before its node has ended. A guard that is idle leaves immediately; one that is
//! busy finishes what it does; when the limit is over the node is cut and the guard drops what it holds.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};

use slab::Slab;

/// How far the end has come. It only ever rises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Running,
    /// Finish what was begun, begin nothing.
    Draining,
    /// The limit is over: end now.
    Cut,
}

/// One node of the tree; cheap to clone.
#[derive(Debug, Clone)]
pub struct Drain(Rc<Node>);

/// One living thing below a node.
#[derive(Debug)]
pub struct Guard {
    node: Rc<Node>,
    key: usize,
}

#[derive(Debug)]
struct Node {
    level: Cell<Level>,
    guards: RefCell<Slab<Option<Waker>>>,
    children: RefCell<Vec<Weak<Node>>>,
    /// Held by a child, so that the parent counts it.
    _parent: Option<Guard>,
    waiting: RefCell<Option<Waker>>,
}

// === impl Drain ===

impl Drain {
    /// A root.
    #[must_use]
    pub fn new() -> Self {
        Self(Rc::new(Node::new(Level::Running, None)))
    }

    /// A node below this one, which this one waits for.
    #[must_use]
    pub fn child(&self) -> Self {
        let node = Rc::new(Node::new(self.0.level.get(), Some(self.guard())));
        let mut children = self.0.children.borrow_mut();
        children.retain(|child| child.strong_count() > 0);
        children.push(Rc::downgrade(&node));
        Self(node)
    }

    /// Registers one living thing.
    #[must_use]
    pub fn guard(&self) -> Guard {
        let key = self.0.guards.borrow_mut().insert(None);
        Guard { node: self.0.clone(), key }
    }

    /// Raises the level here and below.
    pub fn stop(&self, level: Level) {
        self.0.stop(level);
    }

    #[must_use]
    pub fn level(&self) -> Level {
        self.0.level.get()
    }

    /// How many things live directly below.
    #[must_use]
    pub fn living(&self) -> usize {
        self.0.guards.borrow().len()
    }

    /// Ready when nothing lives below.
    pub fn poll_ended(&self, cx: &Context<'_>) -> Poll<()> {
        if self.0.guards.borrow().is_empty() {
            return Poll::Ready(());
        }
        *self.0.waiting.borrow_mut() = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Waits until nothing lives below.
    pub async fn ended(&self) {
        std::future::poll_fn(|cx| self.poll_ended(cx)).await;
    }
}

impl Default for Drain {
    fn default() -> Self {
        Self::new()
    }
}

// === impl Guard ===

impl Guard {
    /// Another living thing beside this one.
    #[must_use]
    pub fn beside(&self) -> Self {
        Drain(self.node.clone()).guard()
    }

    /// The node it stands at.
    #[must_use]
    pub fn node(&self) -> Drain {
        Drain(self.node.clone())
    }

    /// The level now; the task is woken when it rises.
    pub fn poll_level(&self, cx: &Context<'_>) -> Level {
        if let Some(slot) = self.node.guards.borrow_mut().get_mut(self.key) {
            match slot {
                Some(known) if known.will_wake(cx.waker()) => {}
                slot => *slot = Some(cx.waker().clone()),
            }
        }
        self.node.level.get()
    }

    #[must_use]
    pub fn level(&self) -> Level {
        self.node.level.get()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let mut guards = self.node.guards.borrow_mut();
        guards.try_remove(self.key);
        let ended = guards.is_empty();
        drop(guards);
        let waiting = if ended { self.node.waiting.borrow_mut().take() } else { None };
        if let Some(waiting) = waiting {
            waiting.wake();
        }
    }
}

// === impl Node ===

impl Node {
    fn new(level: Level, parent: Option<Guard>) -> Self {
        Self {
            level: Cell::new(level),
            guards: RefCell::new(Slab::new()),
            children: RefCell::new(Vec::new()),
            _parent: parent,
            waiting: RefCell::new(None),
        }
    }

    fn stop(&self, level: Level) {
        if level <= self.level.get() {
            return;
        }
        self.level.set(level);
        for (_, waker) in self.guards.borrow_mut().iter_mut() {
            if let Some(waker) = waker.take() {
                waker.wake();
            }
        }
        for child in self.children.borrow().iter().filter_map(Weak::upgrade) {
            child.stop(level);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stopping_a_parent_stops_what_is_below_and_waits_for_it() {
        let cx = Context::from_waker(Waker::noop());
        let process = Drain::new();
        let listener = process.child();
        let connection = listener.guard();
        process.stop(Level::Draining);
        assert_eq!(connection.poll_level(&cx), Level::Draining);
        assert_eq!(process.living(), 1);
        assert!(process.poll_ended(&cx).is_pending());
        drop(connection);
        drop(listener);
        assert!(process.poll_ended(&cx).is_ready());
    }
}
