//! The admin listener: what the process says about itself. Reading goes by TCP or by the unix socket; whatever changes
//! something goes by the socket alone, whose file permissions are the guard.

mod doors;

pub use doors::Doors;

use crate::control::{Event, Handle};
use crate::failure::Reason;
use crate::http::head::Head;
use crate::listen::Client;
use crate::listen::reply::{self, Reply};
use crate::observe::open_metrics;

const TEXT: &str = "text/plain; charset=utf-8";

async fn serve(
    mut client: Box<Client>,
    head: Result<Head, Reason>,
    handle: Handle,
    may_act: bool,
) -> Option<Box<Client>> {
    let asked = match reply::receive(&mut client, head).await {
        Ok(asked) => asked,
        Err(reason) => return reply::send(client, None, text(400, reason.public())).await,
    };
    let answer = answer(asked.head.method(), asked.head.path(), &handle, may_act).await;
    reply::send(client, Some(&asked), answer).await
}

async fn answer(method: &str, path: &str, handle: &Handle, may_act: bool) -> Reply {
    match (method, path) {
        ("GET" | "HEAD", "/livez") => text(200, "ok"),
        ("GET" | "HEAD", "/readyz") => match handle.look(|control| control.is_ready()).await {
            Some(true) => text(200, "ready"),
            _ => text(503, "not ready: draining, or nothing is served yet"),
        },
        ("GET" | "HEAD", "/metrics") => {
            let body = handle.look(|control| control.render_metrics()).await.unwrap_or_default().into_bytes();
            Reply { status: 200, media_type: open_metrics::CONTENT_TYPE, body }
        }
        ("GET" | "HEAD", "/version") => text(200, concat!("gatewright ", env!("CARGO_PKG_VERSION"))),
        ("POST", "/reload") if may_act => match handle.reload(None).await {
            Ok(generation) => text(200, &format!("generation {generation} serves")),
            Err(refused) => text(422, refused.trim_end()),
        },
        ("POST", "/drain") if may_act => {
            handle.send(Event::Stop).await;
            text(202, "draining")
        }
        ("POST", "/reload" | "/drain") => text(403, "actions go by the admin socket: admin: { socket: PATH }"),
        (_, "/livez" | "/readyz" | "/metrics" | "/version" | "/reload" | "/drain") => text(405, "not this method"),
        _ => text(404, "known here: /livez /readyz /metrics /version, and POST /reload /drain on the socket"),
    }
}

fn text(status: u16, body: &str) -> Reply {
    Reply { status, media_type: TEXT, body: format!("{body}\n").into_bytes() }
}
