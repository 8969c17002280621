//! Upstreams of a test: origins in memory that answer what the test says.

use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use super::ask::{add_fields, get, pair, text};
use crate::clock;
use crate::drain::Drain;
use crate::hook::Plain;
use crate::http::h1::trailers::Trailers;
use crate::http::h1::write::{Length, Persistence};
use crate::http::head::Head;
use crate::limits::LISTENER_CONNECTIONS_MAX;
use crate::listen::Serve;
use crate::listen::accept;
use crate::listen::bind::Listening;
use crate::listen::h1::Client;
use crate::listen::reply::{self, Asked};
use crate::lua::author::{Bench, Paused};
use crate::wire::Chunk;

/// An endpoint of an upstream.
pub(super) struct Endpoint {
    pub(super) upstream: Arc<str>,
    /// As the configuration has it.
    pub(super) written: Arc<str>,
    /// Its place among the upstream's, from 1.
    pub(super) place: usize,
    /// Where it is met.
    pub(super) at: Arc<str>,
}

/// Opens an endpoint on this thread.
pub(super) fn open(endpoint: Endpoint, bench: &Rc<Bench>, drain: &Drain) {
    let (bench, at) = (bench.clone(), endpoint.at.clone());
    let endpoint = Rc::new(endpoint);
    let serve: Serve = Rc::new(move |mut client, head| {
        let (bench, endpoint) = (bench.clone(), endpoint.clone());
        Box::pin(async move {
            let Ok(asked) = reply::receive(&mut client, head).await else { return None };
            let answer = answer(&bench, &endpoint, &asked);
            if let Some(Plain::Number(seconds)) = get(&answer, "delay") {
                clock::sleep(Duration::from_secs_f64(seconds.clamp(0.0, 1e6))).await;
            }
            if matches!(get(&answer, "close"), Some(Plain::Bool(true))) {
                return None;
            }
            send(client, &asked, &answer).await
        })
    });
    let door = reply::door(&at, LISTENER_CONNECTIONS_MAX, serve, drain.child());
    tokio::task::spawn_local(accept::run(Listening::Memory, at, Rc::new(door)));
}

/// Asks the test. What is wrong with its answer it has been told itself.
fn answer(bench: &Rc<Bench>, endpoint: &Endpoint, asked: &Asked) -> Plain {
    let head = &asked.head;
    let entry = |name: &str, value: Plain| (name.as_bytes().into(), value);
    let request = Plain::Map(vec![
        entry("method", head.method().into()),
        entry("target", head.target().into()),
        entry("path", head.path().into()),
        entry("query", head.query().map_or(Plain::Nil, Plain::from)),
        entry("fields", Plain::List(head.fields().map(|(name, value)| pair(name, value)).collect())),
        entry("body", Plain::Text(asked.body.clone().into())),
        entry("upstream", (&*endpoint.upstream).into()),
        entry("endpoint", (&*endpoint.written).into()),
        entry("endpoint_number", Plain::Number(endpoint.place as f64)),
    ]);
    match bench.call("__answer").go_on(&[request], true) {
        Paused::Returned(answer) => answer,
        Paused::Asks(_) => broken("a fake upstream cannot wait; let it return `delay`"),
        Paused::Failed(why, _) => broken(&why),
    }
}

fn broken(why: &str) -> Plain {
    let entry = |name: &str, value: Plain| (name.as_bytes().into(), value);
    tracing::warn!(why, "the fake upstream failed");
    Plain::Map(vec![entry("status", Plain::Number(500.0)), entry("body", why.into())])
}

async fn send(mut client: Box<Client>, asked: &Asked, answer: &Plain) -> Option<Box<Client>> {
    let status = match get(answer, "status") {
        Some(Plain::Number(status)) if (200.0..600.0).contains(status) => *status as u16,
        _ => 200,
    };
    let mut head = Head::response(status);
    if let Err(why) = add_fields(&mut head, get(answer, "fields")) {
        tracing::warn!(why, "the fake upstream's answer");
    }
    let body = get(answer, "body").and_then(Plain::text).unwrap_or_default().to_vec();
    let trailers = trailers(answer);
    let bodiless = asked.head.method() == "HEAD" || matches!(status, 204 | 304);
    let length = match (bodiless, &trailers) {
        (true, _) => Length::None,
        (false, Some(_)) => Length::Chunked,
        (false, None) => Length::Exactly(body.len() as u64),
    };
    // `cut`: the connection ends in the middle of the body.
    let cut = text(answer, "cut").is_some() || matches!(get(answer, "cut"), Some(Plain::Bool(true)));
    let body = if cut { body[..body.len() / 2].to_vec() } else { body };
    let persistence = if asked.persistent { Persistence::Default } else { Persistence::Close };
    client.http.send_response(&head, length, persistence);
    if !bodiless {
        let chunked = length == Length::Chunked;
        client.http.queue_chunk(Chunk::from_vec(body), chunked);
        if !cut {
            client.http.queue_end(chunked, trailers.as_ref());
        }
    }
    let sent = std::future::poll_fn(|cx| match client.http.poll_flush(cx) {
        Poll::Ready(flushed) => Poll::Ready(flushed.is_ok()),
        Poll::Pending => Poll::Pending,
    });
    (sent.await && asked.persistent && !cut).then_some(client)
}

fn trailers(answer: &Plain) -> Option<Trailers> {
    let Some(Plain::List(pairs)) = get(answer, "trailers") else { return None };
    let mut trailers = Trailers::default();
    for one in pairs {
        if let Plain::List(pair) = one
            && let [Plain::Text(name), Plain::Text(value)] = pair.as_slice()
            && let Err(reason) = trailers.add(&String::from_utf8_lossy(name), value)
        {
            tracing::warn!(why = reason.label(), "the fake upstream's trailers");
        }
    }
    (!pairs.is_empty()).then_some(trailers)
}
