//! The admin listener: what the process says about itself. Reading goes by TCP or by the unix socket; whatever changes
//! something, or shows the configuration, goes by the socket alone, whose file permissions are the guard.

mod asked;
mod doors;
mod who;

use asked::Asked;
pub use doors::Doors;

use crate::control::{Event, Handle};
use crate::failure::Reason;
use crate::http::head::Head;
use crate::listen::Client;
use crate::listen::reply::{self, Reply};
use crate::observe::open_metrics;

const TEXT: &str = "text/plain; charset=utf-8";
const KNOWN: &str = "known here: /livez /readyz /metrics /version; on the socket also GET /history /diff /policies, and \
                     POST /reload /drain /rollback /unpin /policies";

/// How a request came.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Way {
    /// By TCP, or by whom the kernel does not name: it may look at what anybody may see.
    Open,
    /// By the unix socket; who it is.
    Socket(String),
}

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
    let way = if may_act { who::asks(&client).map_or(Way::Open, Way::Socket) } else { Way::Open };
    let answer = answer(&asked.head, &handle, way).await;
    reply::send(client, Some(&asked), answer).await
}

async fn answer(head: &Head, handle: &Handle, way: Way) -> Reply {
    match (head.method(), head.path()) {
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
        (method, path) => match (Asked::read(method, path, head.query()), way) {
            (None, _) if matches!(path, "/livez" | "/readyz" | "/metrics" | "/version") => text(405, "not this method"),
            (None, _) if asked::is_known(path) => text(405, "not this method"),
            (None, _) => text(404, KNOWN),
            (Some(_), Way::Open) => text(403, "this goes by the admin socket, over HTTP/1.1: admin: { socket: PATH }"),
            (Some(Err(why)), _) => text(400, &why),
            (Some(Ok(asked)), Way::Socket(who)) => steer(asked, handle, who).await,
        },
    }
}

async fn steer(asked: Asked, handle: &Handle, who: String) -> Reply {
    let said = match asked {
        Asked::Drain => {
            tracing::info!(by = who, "told to drain");
            handle.send(Event::Stop).await;
            return text(202, "draining");
        }
        Asked::Act(action) => handle.act(action, Some(who)).await,
        Asked::History => handle.look(|control| Ok(control.told_history())).await.unwrap_or_else(ending),
        Asked::Policies => handle.look(|control| Ok(control.told_policies())).await.unwrap_or_else(ending),
        Asked::Diff(sides) => handle.look(move |control| control.told_diff(sides)).await.unwrap_or_else(ending),
    };
    match said {
        Ok(said) => text(200, said.trim_end()),
        Err(refused) => text(422, refused.trim_end()),
    }
}

fn ending() -> Result<String, String> {
    Err("the process is ending".into())
}

fn text(status: u16, body: &str) -> Reply {
    Reply { status, media_type: TEXT, body: format!("{body}\n").into_bytes() }
}
