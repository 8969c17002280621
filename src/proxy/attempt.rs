//! Attempts: balance, connect, send, await a head; and the loop that tries again where that is safe.

use super::flow::{Event, ResponseFlow};
use super::{Exchange, Source, body, deliver, filter, gather, grpc, reach};
use crate::clock::{self, NEVER};
use crate::failure::{Failure, Reason};
use crate::hook::{Hook, Side, Verdict};
use crate::http::admit;
use crate::http::h1::write::{Length, Persistence};
use crate::http::hop_by_hop;
use crate::http::name::{FieldName, Known};
use crate::limits::{
    ATTEMPTS_MAX, CONTINUE_AFTER_MS, FIRST_BYTE_TIMEOUT_MS, INTERIM_RESPONSES_MAX, UPSTREAM_IDLE_TIMEOUT_MS,
};
use crate::upstream::Connection;
use crate::upstream::directory::Busy;
use crate::wire::Address;

/// Obtains a response's head from the upstream that was chosen.
pub(super) async fn run(exchange: &mut Exchange) -> Result<(), Failure> {
    settle_upstream(exchange)?;
    let takes_bodies = exchange.takes_bodies();
    if takes_bodies {
        body::settle_request(exchange);
    }
    if exchange.flows.limits.gather_max > 0 {
        Box::pin(gather::request(exchange)).await?;
    }
    if takes_bodies {
        if exchange.speaks(Hook::RequestBody) && Box::pin(filter::open_request(exchange)).await? {
            return Ok(());
        }
        if exchange.speaks(Hook::ResponseBody) || exchange.speaks(Hook::UpstreamResponseBody) {
            ask_for_all(exchange);
        }
    }
    loop {
        let outcome = one(exchange).await;
        let id = exchange.upstream.as_ref().map_or(u32::MAX, |upstream| upstream.id.0);
        let status = outcome.is_ok().then(|| exchange.response.status());
        exchange.parts.metrics.attempted(id, status);
        let failure = match outcome {
            Ok(Came::Response) => return Ok(()),
            Ok(Came::Unwanted) => {
                again(exchange, id, &Failure::with(Reason::BadResponse, "a policy wants another one"));
                continue;
            }
            Err(failure) => failure,
        };
        let before = exchange.record.upstream_bytes_before;
        let bytes = exchange.flows.upstream.as_ref().map_or(before, |upstream| upstream.http.bytes());
        let refused = exchange.flows.upstream.as_ref().is_some_and(|upstream| upstream.http.was_refused());
        let sent = bytes.1 > before.1 && !refused;
        // What came before anything had left is no answer.
        (exchange.attempt.sent, exchange.attempt.answered) = (sent, sent && bytes.0 > before.0);
        exchange.count_upstream();
        if matches!(failure.reason(), Reason::FirstByteTimeout | Reason::UpstreamIdleTimeout)
            && let Some(place) = exchange.flows.upstream.as_ref().and_then(|upstream| upstream.place.as_ref())
        {
            place.retire();
        }
        exchange.flows.upstream = None;
        exchange.flows.response = ResponseFlow::Idle;
        exchange.attempt.busy = None;
        if failure.reason().fault() != crate::failure::Fault::Upstream {
            return Err(failure);
        }
        exchange.failure = Some(failure);
        let verdict = exchange.ask(Hook::UpstreamFailure).await?;
        let failure = exchange.failure.take().unwrap_or_else(|| Failure::new(Reason::Broken));
        match verdict {
            Verdict::Retry if can_repeat(exchange) => again(exchange, id, &failure),
            Verdict::Answer(answer) => {
                exchange.answer(*answer);
                return Ok(());
            }
            _ => return Err(failure),
        }
    }
}

/// What an attempt has led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Came {
    /// A response: the upstream's, or a policy's.
    Response,
    /// One that a policy does not want: another attempt is made.
    Unwanted,
}

/// Whether everything of the request is still there to be sent once more, and attempts are left.
fn can_repeat(exchange: &Exchange) -> bool {
    exchange.record.attempts < ATTEMPTS_MAX && !exchange.flows.request.begun
}

/// Clears away what is left of an attempt before the next.
fn again(exchange: &mut Exchange, upstream: u32, failure: &Failure) {
    exchange.count_upstream();
    exchange.flows.upstream = None;
    exchange.flows.response = ResponseFlow::Idle;
    exchange.attempt.busy = None;
    exchange.record.received = None;
    exchange.source = Source::Nothing;
    exchange.forget_response();
    let before = exchange.rare.as_mut().and_then(|rare| rare.before_attempt.take());
    if let Some(before) = before {
        exchange.request.restore(&before); // what `upstream_request` edits is for one attempt
    }
    exchange.parts.metrics.retried(upstream);
    exchange.record.retried(failure);
}

/// Who changes bodies wants them whole: a part of one could not be changed for what it is.
fn ask_for_all(exchange: &mut Exchange) {
    for name in ["range", "if-range"] {
        if let Ok(name) = FieldName::new(name) {
            exchange.request.remove(&name);
        }
    }
}

/// One attempt, up to the response's head.
async fn one(exchange: &mut Exchange) -> Result<Came, Failure> {
    if balance(exchange)? {
        return Ok(Came::Response);
    }
    if exchange.speaks(Hook::UpstreamRequest) {
        let before = exchange.request.mark();
        exchange.rare_mut().before_attempt = Some(before);
        if exchange.edit(Hook::UpstreamRequest).await? {
            return Ok(Came::Response);
        }
    }
    let connection = reach::connection(exchange).await?;
    send_head(exchange, connection)?;
    if await_head(exchange).await? {
        return Ok(Came::Response);
    }
    if exchange.parts.log.borrow().is_some() {
        exchange.record.first_byte();
    }
    if exchange.speaks(Hook::UpstreamResponse) {
        match exchange.ask(Hook::UpstreamResponse).await? {
            Verdict::Answer(answer) => exchange.answer(*answer),
            Verdict::Retry if can_repeat(exchange) => return Ok(Came::Unwanted),
            Verdict::Retry => tracing::debug!("it cannot be tried again: the response goes on"),
            _ => {}
        }
    }
    Ok(Came::Response)
}

/// From the verdicts so far to the upstream: its chain, its limits, its timeouts under the route's.
fn settle_upstream(exchange: &mut Exchange) -> Result<(), Failure> {
    let route = exchange.route.as_deref();
    let first = || Some(route?.facts.to.first()?.0);
    let id = exchange.chosen.or_else(first).ok_or(Reason::NoUpstream)?;
    let generation = exchange.generation.as_deref().ok_or(Reason::Broken)?;
    let upstream = generation.upstream(id).ok_or(Reason::NoUpstream)?;
    let route = route.map(|route| route.timeouts).unwrap_or_default();
    let pick = |route: Option<std::time::Duration>, upstream: Option<std::time::Duration>, default: u64| {
        route.or(upstream).map_or(default, clock::millis)
    };
    let timeouts = &upstream.timeouts;
    let limits = &mut exchange.flows.limits;
    limits.first_byte_ms = pick(route.first_byte, timeouts.first_byte, FIRST_BYTE_TIMEOUT_MS);
    limits.upstream_idle_ms = pick(route.idle, timeouts.idle, UPSTREAM_IDLE_TIMEOUT_MS);
    let total = pick(route.total, timeouts.total, NEVER).min(grpc::timeout_ms(&exchange.request).unwrap_or(NEVER));
    limits.total_at = limits.total_at.min(exchange.record.began_ms.saturating_add(total));
    if grpc::is_streamed(&exchange.request) {
        limits.window_bytes = 0;
    }
    exchange.upstream_active = upstream.lane.active(&exchange.request);
    exchange.upstream = Some(upstream.clone());
    Ok(())
}

/// Chooses the attempt's endpoint; says whether a policy has answered instead.
fn balance(exchange: &mut Exchange) -> Result<bool, Failure> {
    let upstream = exchange.upstream.clone().ok_or(Reason::NoUpstream)?;
    let mut endpoints = {
        let mut seen = exchange.parts.seen.borrow_mut();
        let entry = seen.entry(upstream.id).ok_or(Reason::NoUpstream)?;
        if exchange.attempt.in_flight.is_none() {
            exchange.attempt.in_flight = Some(entry.enter(upstream.requests_max)?);
        }
        exchange.attempt.entry = Some(entry);
        seen.endpoints(upstream.id)
    };
    let tried = exchange.attempt.tried;
    let all_tried = (0..endpoints.list.len()).all(|at| at < 64 && tried & (1 << at) != 0);
    endpoints.tried = if all_tried { 0 } else { tried };
    exchange.attempt.endpoints = Some(endpoints);
    exchange.record.attempts += 1;
    let verdict = exchange.ask_now(Hook::Balance)?;
    let id = match verdict {
        Verdict::Endpoint(id) => id,
        Verdict::Answer(answer) => {
            exchange.answer(*answer);
            return Ok(true);
        }
        _ => return Err(Failure::new(Reason::NoEndpoint)),
    };
    let attempt = &mut exchange.attempt;
    let list = attempt.endpoints.as_ref().map(|endpoints| endpoints.list.as_ref()).unwrap_or_default();
    let endpoint = list.get(id.0 as usize).cloned().ok_or(Reason::NoEndpoint)?;
    if id.0 < 64 {
        attempt.tried |= 1 << id.0;
    }
    attempt.busy = Some(Busy::new(endpoint));
    Ok(false)
}

fn send_head(exchange: &mut Exchange, mut connection: Box<Connection>) -> Result<(), Failure> {
    if !exchange.request.has(Known::Host)
        && let Some(endpoint) = exchange.attempt.endpoint()
    {
        // HTTP/1.0 without Host: the origin gets one all the same, as RFC 9112 section 3.2 asks of us.
        let name = if matches!(endpoint.address, Address::Ip(_)) { &*endpoint.name } else { "localhost" };
        exchange.request.set(&FieldName::from(Known::Host), name.as_bytes());
    }
    let admitted = exchange.admitted.as_mut().ok_or(Reason::Broken)?;
    admitted.upgrade &= !connection.http.is_stream(); // it cannot become a tunnel: asked without, as any proxy may
    let persistence = match (admitted.upgrade, connection.private) {
        (true, _) => Persistence::Upgrade,
        (false, true) => Persistence::Close,
        (false, false) => Persistence::Default,
    };
    let (length, trailers_welcome) = (admitted.length, admitted.trailers_welcome);
    exchange.record.upstream_bytes_before = connection.http.bytes();
    connection.http.send_request(&exchange.request, length, persistence, trailers_welcome)?;
    exchange.flows.request.chunked = admitted.length == Length::Chunked;
    if admitted.expects_continue && !exchange.flows.request.begun {
        exchange.flows.continue_at = clock::now() + CONTINUE_AFTER_MS;
    }
    exchange.flows.begin_attempt(connection);
    Ok(())
}

/// Waits for a response's head; says whether a policy has answered at `request_body` instead.
async fn await_head(exchange: &mut Exchange) -> Result<bool, Failure> {
    let mut interim = 0;
    loop {
        match exchange.flows.event(&mut exchange.response).await? {
            Event::RequestPiece(piece) if exchange.is_filtered(Side::Request) => {
                if Box::pin(filter::pass(exchange, Side::Request, Some(piece), true)).await? {
                    return Ok(true);
                }
            }
            Event::Room(side) => {
                if Box::pin(filter::pass(exchange, side, None, true)).await? {
                    return Ok(true);
                }
            }
            Event::RequestPiece(piece) => exchange.flows.pass_up(piece),
            Event::ContinueDue => deliver::say_continue(exchange),
            Event::ResponseHead => {
                let status = exchange.response.status();
                let upgrade = exchange.admitted.as_ref().is_some_and(|admitted| admitted.upgrade);
                let received = admit::response(&mut exchange.response, exchange.request.method(), upgrade)
                    .map_err(|reason| Failure::with(Reason::BadResponse, reason.label()))?;
                if received.upgrade && !hop_by_hop::was_offered(&exchange.request, &exchange.response) {
                    return Err(Failure::with(Reason::BadResponse, "101 to a protocol that was not offered"));
                }
                if upgrade && exchange.flows.client.http.is_stream() {
                    check_handshake(exchange)?;
                }
                if status >= 200 || received.upgrade {
                    exchange.flows.response = ResponseFlow::Held;
                    if let Some(upstream) = &mut exchange.flows.upstream {
                        upstream.http.expect_body(received.framing);
                    }
                    exchange.record.received = Some((received.length, received.persistent));
                    exchange.source = if received.upgrade { Source::Tunnel } else { Source::Upstream };
                    return Ok(false);
                }
                interim += 1;
                if interim > INTERIM_RESPONSES_MAX {
                    return Err(Failure::with(Reason::BadResponse, "too many interim responses"));
                }
                deliver::interim(exchange, status);
            }
            Event::ResponsePiece(_) | Event::Flushed => {}
        }
    }
}

/// By HTTP/2 any 2xx opens the tunnel, and the key was ours: what HTTP/1.1 leaves to its client is looked at here.
fn check_handshake(exchange: &Exchange) -> Result<(), Failure> {
    match exchange.response.status() {
        101 if !crate::http::h2::is_accepted(&exchange.request, &exchange.response) => {
            Err(Failure::with(Reason::BadResponse, "101 with a wrong Sec-WebSocket-Accept"))
        }
        200..300 => Err(Failure::with(Reason::BadResponse, "no WebSocket: a success that is not 101")),
        _ => Ok(()),
    }
}

/// Whether the request may be sent again after `reason`.
pub(super) fn may_retry(exchange: &Exchange, reason: Reason) -> bool {
    let tried = crate::upstream::repeat::Tried {
        method: exchange.request.method(),
        reason,
        sent: exchange.attempt.sent,
        answered: exchange.attempt.answered,
        body_gone: exchange.flows.request.begun,
    };
    exchange.record.attempts < ATTEMPTS_MAX && crate::upstream::repeat::is_safe(tried)
}
