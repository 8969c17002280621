//! Idle connections to endpoints, one pool per worker. It outlives reloads: the key is where a connection leads to.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::directory::Connected;
use super::h2::{Place, Shared};
use crate::clock;
use crate::hook::Endpoint;
use crate::limits::{POOL_IDLE_MS, POOL_IDLE_PER_ENDPOINT_MAX};
use crate::tls::client::Dial;
use crate::wire::Http;

/// A connection to an endpoint.
pub struct Connection {
    pub http: Http,
    /// It began with a PROXY header: it belongs to one client, and serves nobody else.
    pub private: bool,
    /// It has served before: the endpoint may have closed it without our knowing.
    pub reused: bool,
    /// What counts it, process-wide, while it serves: idle ones are not counted, or those of one worker would keep
    /// another from connecting.
    pub counted: Option<Connected>,
    /// Where it leads to.
    pub key: Key,
    /// The stream's place on a connection that is shared.
    pub place: Option<Place>,
}

/// Where a connection leads to, and on which terms. Only who asks for the same may use it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    endpoint: u64,
    /// Of TLS: names, authorities, certificate and protocols have one number ([`Dial::number`]); 0: in plain.
    terms: u64,
}

/// The idle connections of one worker.
#[derive(Default)]
pub struct Pool {
    pub shared: Shared,
    idle: RefCell<HashMap<Key, Vec<Idle>, foldhash::fast::RandomState>>,
}

struct Idle {
    connection: Box<Connection>,
    since_ms: u64,
}

// === impl Key ===

impl Key {
    #[must_use]
    pub fn new(endpoint: &Endpoint, tls: Option<&Dial>) -> Self {
        Self { endpoint: endpoint.number, terms: tls.map_or(0, |tls| tls.number) }
    }
}

// === impl Pool ===

impl Pool {
    #[must_use]
    pub fn new() -> Rc<Self> {
        Rc::default()
    }

    /// The connection that was used last, if one is still good. Bytes or an end on an idle connection close it: they
    /// never answer the next request. `certain`: ask the kernel too, for a request that cannot be repeated.
    pub fn take(&self, key: Key, certain: bool) -> Option<Box<Connection>> {
        let mut idle = self.idle.borrow_mut();
        let list = idle.get_mut(&key)?;
        while let Some(mut entry) = list.pop() {
            if entry.connection.http.is_quiet(certain) {
                entry.connection.reused = true;
                return Some(entry.connection);
            }
        }
        None
    }

    /// Keeps a connection whose exchange ended cleanly.
    pub fn put(&self, mut connection: Box<Connection>) {
        connection.counted = None;
        let key = connection.key;
        let entry = Idle { connection, since_ms: clock::now() };
        let mut idle = self.idle.borrow_mut();
        if let Some(list) = idle.get_mut(&key) {
            if list.len() < POOL_IDLE_PER_ENDPOINT_MAX {
                list.push(entry);
            }
            return;
        }
        idle.insert(key, vec![entry]);
    }

    /// Closes what has been idle for too long, or has ended meanwhile. Called about once a second.
    pub fn sweep(&self) {
        self.shared.sweep();
        let oldest = clock::now().saturating_sub(POOL_IDLE_MS);
        self.idle.borrow_mut().retain(|_, list| {
            list.retain_mut(|entry| entry.since_ms >= oldest && entry.connection.http.is_quiet(false));
            !list.is_empty()
        });
    }

    /// How many connections are idle.
    #[must_use]
    pub fn len(&self) -> usize {
        self.idle.borrow().values().map(Vec::len).sum()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.idle.borrow().is_empty()
    }
}
