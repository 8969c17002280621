//! The demo's origin: in this process, met in memory, on every worker. It says what arrived.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use crate::config::plan::ListenerTimeouts;
use crate::drain::Drain;
use crate::http::Rules;
use crate::http::forwarded::Lines;
use crate::limits::{CLIENT_BODY_TIMEOUT_MS, CLIENT_IDLE_TIMEOUT_MS, HEAD_TIMEOUT_MS, LISTENER_CONNECTIONS_MAX};
use crate::listen::accept::{self, Door};
use crate::listen::bind::Listening;
use crate::listen::reply::{self, Asked, Reply};
use crate::listen::{Serve, Settings};

/// Opens the origin on this worker under `memory:NAME`. It drains with the worker.
pub fn furnish(name: &str, drain: &Drain) {
    let serve: Serve = Rc::new(|mut client, head| {
        Box::pin(async move {
            match reply::receive(&mut client, head).await {
                Ok(asked) => reply::send(client, Some(&asked), Reply { status: 200, ..answer(&asked) }).await,
                Err(reason) => {
                    let body = format!("{}\n", reason.public()).into_bytes();
                    reply::send(client, None, Reply { status: 400, media_type: "text/plain", body }).await
                }
            }
        })
    });
    let settings = Settings {
        name: name.into(),
        id: 0,
        open_max: LISTENER_CONNECTIONS_MAX,
        index: 0,
        rules: Arc::new(Rules::default()),
        lines: Lines::new(&Rules::default().forwarded),
        timeouts: ListenerTimeouts {
            head: Duration::from_millis(HEAD_TIMEOUT_MS),
            idle: Duration::from_millis(CLIENT_IDLE_TIMEOUT_MS),
            body: Duration::from_millis(CLIENT_BODY_TIMEOUT_MS),
        },
        trusted: Vec::new(),
    };
    let door = Door {
        settings: Rc::new(RefCell::new(Rc::new(settings))),
        serve,
        drain: drain.child(),
        open: Arc::new(AtomicUsize::new(0)),
        count: Rc::new(|_, _| {}),
    };
    tokio::task::spawn_local(accept::run(Listening::Memory, name.into(), Rc::new(door)));
}

fn answer(asked: &Asked) -> Reply {
    let mut body = format!("The origin got:\n\n{} {}\n", asked.head.method(), asked.head.target());
    for (name, value) in asked.head.fields() {
        body.push_str(&format!("{}: {}\n", String::from_utf8_lossy(name), String::from_utf8_lossy(value)));
    }
    if !asked.body.is_empty() {
        body.push_str(&format!("\n{}\n", String::from_utf8_lossy(&asked.body)));
    }
    Reply { status: 200, media_type: "text/plain; charset=utf-8", body: body.into_bytes() }
}
