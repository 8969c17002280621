//! The demo's origin: in this process, met in memory, on every worker. It says what arrived.

use std::rc::Rc;

use crate::drain::Drain;
use crate::limits::LISTENER_CONNECTIONS_MAX;
use crate::listen::Serve;
use crate::listen::accept;
use crate::listen::bind::Listening;
use crate::listen::reply::{self, Asked, Reply};

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
    let door = reply::door(name, LISTENER_CONNECTIONS_MAX, serve, drain.child());
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
