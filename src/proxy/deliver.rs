//! A response's head and body to the client, to the last byte; and what then becomes of both connections.

use super::flow::{Event, ResponseFlow};
use super::{Exchange, Source, answer, body, filter, grpc, tunnel};
use crate::clock;
use crate::drain::Level;
use crate::failure::{Failure, Fault, Reason};
use crate::hook::{Hook, Side};
use crate::http::h1::write::{Length, Persistence};
use crate::http::head::{Head, Version};
use crate::http::name::FieldName;
use crate::limits::DISCARD_BYTES_MAX;
use crate::listen::{Client, h1};
use crate::wire::Chunk;
use crate::wire::http1::Piece;

/// What becomes of the client's connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// The next request may come.
    Keep,
    /// The rest of the request's body is read and thrown away first.
    Discard,
    Close,
    /// Closed after a while in which the client may read our answer: it may still be sending.
    Linger,
    /// The client must not take what it got for the whole.
    Reset,
}

/// Sends the response and returns what the client's connection is good for.
pub(super) async fn run(exchange: &mut Exchange) -> Ending {
    if exchange.takes_bodies() {
        body::settle_response(exchange);
        if exchange.speaks(Hook::ResponseBody) || exchange.speaks(Hook::UpstreamResponseBody) {
            let opened = Box::pin(filter::open_response(exchange)).await;
            answer::settle_late(exchange, opened);
        }
    }
    if exchange.record.failed.is_some_and(|reason| matches!(reason, Reason::ClientClosed | Reason::ClientStalled)) {
        return Ending::Close;
    }
    if matches!(exchange.source, Source::Tunnel) {
        return Box::pin(tunnel::run(exchange)).await; // boxed, as all that is rare
    }
    let keep = may_keep(exchange);
    let length = queue_head(exchange, keep);
    loop {
        match exchange.flows.event(&mut exchange.response).await {
            Ok(Event::ResponsePiece(piece)) if exchange.is_filtered(Side::Response) => {
                let passed = Box::pin(filter::pass(exchange, Side::Response, Some(piece), false)).await;
                if let Err(failure) = passed {
                    return Box::pin(break_off(exchange, &failure, length)).await;
                }
                if exchange.flows.has_exchanged_all() {
                    give_back_upstream(exchange);
                }
            }
            Ok(Event::ResponsePiece(piece)) => {
                exchange.flows.pass_down(piece);
                if matches!(length, Length::Exactly(_)) && exchange.flows.is_response_read() {
                    exchange.flows.pass_down(Piece::End(None)); // no need to ask again
                }
                if exchange.flows.has_exchanged_all() {
                    give_back_upstream(exchange);
                }
            }
            Ok(event @ (Event::RequestPiece(_) | Event::Room(_))) if exchange.rare.is_some() => {
                if let Err(failure) = Box::pin(filter::late(exchange, event)).await {
                    return Box::pin(break_off(exchange, &failure, length)).await;
                }
            }
            Ok(Event::RequestPiece(piece)) => exchange.flows.pass_up(piece),
            Ok(Event::Flushed) => break,
            Ok(Event::ContinueDue | Event::ResponseHead | Event::Room(_)) => {}
            Err(failure) => return Box::pin(break_off(exchange, &failure, length)).await,
        }
    }
    give_back_upstream(exchange);
    let flows = &exchange.flows;
    if flows.client.http.is_stream() {
        return Ending::Close;
    }
    match (keep && length != Length::Close, flows.request.read) {
        (true, true) => Ending::Keep,
        (true, false) => Ending::Discard,
        (false, true) if !flows.client.http.has_unread() && exchange.unread.is_none() => Ending::Close,
        (false, _) => Ending::Linger,
    }
}

/// Parts with the client as the exchange ended; gives it back if the next request may come.
pub(super) async fn part(mut client: Box<Client>, ending: Ending) -> Option<Box<Client>> {
    match ending {
        Ending::Keep => Some(client),
        Ending::Close => {
            h1::end(&mut client).await;
            None
        }
        Ending::Reset => None,
        Ending::Discard => {
            if Box::pin(discard(&mut client)).await {
                return Some(client);
            }
            Box::pin(h1::close(client)).await;
            None
        }
        Ending::Linger => {
            Box::pin(h1::close(client)).await;
            None
        }
    }
}

/// Passes on an interim response.
pub(super) fn interim(exchange: &mut Exchange, status: u16) {
    let modern = exchange.request.version() != Version::Http10;
    let expects = exchange.admitted.as_ref().is_some_and(|admitted| admitted.expects_continue);
    if !modern || (status == 100 && !expects) {
        return; // RFC 9110 section 15.2: never to HTTP/1.0; 100 only to who asked for it
    }
    if status == 100 {
        say_continue(exchange);
        return;
    }
    exchange.flows.client.http.send_interim(&exchange.response);
}

/// Tells the client to send its body, once.
pub(super) fn say_continue(exchange: &mut Exchange) {
    exchange.flows.continue_at = clock::NEVER;
    if let Some(admitted) = &mut exchange.admitted
        && std::mem::replace(&mut admitted.expects_continue, false)
    {
        exchange.flows.client.http.send_interim(&Head::response(100));
    }
}

fn may_keep(exchange: &Exchange) -> bool {
    let Some(admitted) = &exchange.admitted else { return false };
    let flows = &exchange.flows;
    let body_left = !flows.request.read;
    let ours = matches!(exchange.source, Source::Own(_));
    let client_gone = flows.client.http.has_ended() && !flows.client.http.has_unread();
    // Still waiting for 100: whether a body follows our final answer is the client's to decide, so nothing may follow.
    let undecided = body_left && admitted.expects_continue;
    admitted.persistent
        && !flows.client.last
        && !undecided
        && !client_gone
        && !(ours
            && (body_left || exchange.record.failed.is_some_and(|reason| reason.fault() == Fault::Client && body_left)))
        && flows.client.guard.level() == Level::Running
}

/// Queues the head, and the body if it is ours; says how the body is framed.
fn queue_head(exchange: &mut Exchange, keep: bool) -> Length {
    let old = exchange.request.version() == Version::Http10;
    let says_keep_alive = exchange.admitted.as_ref().is_some_and(|admitted| admitted.says_keep_alive);
    let bodiless = exchange.request.method() == "HEAD" || matches!(exchange.response.status(), 204 | 304);
    let length = match &exchange.source {
        Source::Own(_) if matches!(exchange.response.status(), 204 | 304) => Length::None,
        Source::Own(body) => Length::Exactly(body.len() as u64),
        _ => match exchange.record.received {
            Some((Length::Chunked, _)) if old => Length::Close,
            Some((length, _)) => length,
            None => Length::None,
        },
    };
    if let Some(pseudonym) =
        exchange.settings.rules.forwarded.via.as_ref().filter(|_| exchange.settings.rules.forwarded.via_response)
    {
        crate::http::forwarded::via(&mut exchange.response, pseudonym);
    }
    let persistence = match (keep && length != Length::Close, says_keep_alive) {
        (false, _) => Persistence::Close,
        (true, true) => Persistence::KeepAlive,
        (true, false) => Persistence::Default,
    };
    if matches!(exchange.source, Source::Own(_)) {
        add_date(&mut exchange.response);
    }
    let flows = &mut exchange.flows;
    flows.client.http.send_response(&exchange.response, length, persistence);
    match std::mem::replace(&mut exchange.source, Source::Nothing) {
        Source::Own(body) => {
            if !bodiless && !body.is_empty() {
                flows.client.http.queue_chunk(Chunk::from_vec(body), false);
            }
            flows.client.http.queue_end(false, None);
            flows.response = ResponseFlow::Ended;
            exchange.source = Source::Own(Vec::new());
        }
        source => {
            flows.settle(length == Length::Chunked);
            exchange.source = source;
        }
    }
    length
}

/// The response cannot be completed: the client gets what there is and must see that it is not all.
async fn break_off(exchange: &mut Exchange, failure: &Failure, length: Length) -> Ending {
    exchange.record.fail(failure);
    exchange.count_upstream();
    let code = exchange.flows.upstream.take().and_then(|upstream| upstream.http.reset_code());
    if exchange.flows.client.http.is_stream() {
        return break_off_stream(exchange, failure, code).await;
    }
    if failure.reason().fault() != Fault::Upstream {
        // Where the close is what ends a body, an orderly one would say that this was all of it.
        return if length == Length::Close { Ending::Reset } else { Ending::Close };
    }
    exchange.flows.cut_down();
    exchange.flows.limits.total_at = clock::NEVER;
    let flushed = exchange.flows.event(&mut exchange.response).await;
    if length == Length::Close || flushed.is_err() { Ending::Reset } else { Ending::Close }
}

/// By HTTP/2 a reset says that this was not all, and why, if the upstream has said so; gRPC has words of its own.
async fn break_off_stream(exchange: &mut Exchange, failure: &Failure, code: Option<u32>) -> Ending {
    let words = grpc::last_words(exchange, failure).filter(|_| failure.reason().fault() != Fault::Client);
    let (Some(words), None) = (words, code) else {
        exchange.flows.client.http.reset(code);
        return Ending::Close;
    };
    exchange.flows.pass_down(Piece::End(Some(Box::new(words))));
    exchange.flows.limits.total_at = clock::NEVER;
    let flushed = exchange.flows.event(&mut exchange.response).await;
    if flushed.is_err() { Ending::Reset } else { Ending::Close }
}

/// The upstream's connection serves again only if nothing is left on it, either way. It is given back, and its limits
/// with it, before the client has the last byte: whoever asks next must not find them taken.
pub(super) fn give_back_upstream(exchange: &mut Exchange) {
    exchange.count_upstream();
    exchange.attempt.in_flight = None;
    let Some(upstream) = exchange.flows.upstream.take() else { return };
    let persistent = exchange.record.received.is_some_and(|(_, persistent)| persistent);
    let request = &exchange.flows.request;
    let http = &upstream.http;
    let clean = http.is_body_done() && http.is_flushed() && !http.has_unread() && !http.has_ended();
    if persistent && !upstream.private && clean && request.is_passed() && !request.refused {
        exchange.parts.pool.put(upstream);
    }
}

/// Reads what is left of a request's body; says whether it came to its end within the limits.
async fn discard(client: &mut Client) -> bool {
    let until = clock::now() + clock::millis(client.settings.borrow().timeouts.body);
    let mut left = DISCARD_BYTES_MAX;
    std::future::poll_fn(|cx| {
        loop {
            match client.http.poll_piece(cx) {
                std::task::Poll::Ready(Ok(Piece::End(_))) => return std::task::Poll::Ready(true),
                std::task::Poll::Ready(Ok(Piece::Chunk(chunk))) => {
                    left = left.saturating_sub(chunk.bytes().len() as u64)
                }
                std::task::Poll::Ready(Err(_)) => return std::task::Poll::Ready(false),
                std::task::Poll::Pending => break,
            }
            if left == 0 {
                return std::task::Poll::Ready(false);
            }
        }
        let over = client.alarm.poll(cx, until) || client.guard.poll_level(cx) != Level::Running;
        if over { std::task::Poll::Ready(false) } else { std::task::Poll::Pending }
    })
    .await
}

fn add_date(head: &mut Head) {
    if let (None, Ok(name)) = (head.find("date"), FieldName::new("date")) {
        head.set(&name, crate::http::date::format(clock::wall()).as_bytes());
    }
}
