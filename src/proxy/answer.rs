//! Responses of our own: the one place where a failure becomes a status, and the failure pages.
//!
//! The client is told what it may know and the request's id; reasons and details stay in the log.

use super::flow::ResponseFlow;
use super::{Exchange, Source, grpc};
use crate::failure::{Failure, Reason};
use crate::hook::{Answer, Hook};
use crate::http::Server;
use crate::http::h1::write::reason_phrase;
use crate::http::head::Head;
use crate::http::media::{self, Page};
use crate::http::name::FieldName;

/// The methods that are forwarded, for `Allow`.
const METHODS: &[u8] = b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// Which status a reason is answered with.
#[must_use]
pub fn status(reason: Reason) -> u16 {
    use Reason as R;
    match reason {
        R::BadRequestLine | R::BadMethod | R::BadTarget | R::BadVersion | R::BareLineEnd | R::BadField => 400,
        R::FoldedField | R::MissingHost | R::RepeatedHost | R::BadHost | R::AmbiguousLength | R::BadLength => 400,
        R::BadTransferEncoding | R::BadChunk | R::BadCoding => 400,
        R::PolicyRefused => 403,
        R::NoRoute => 404,
        R::MethodRefused => 405,
        R::HeadTimeout | R::BodyTimeout | R::ClientSlow => 408,
        R::BodyTooLarge => 413,
        R::TargetTooLong => 414,
        R::ExpectationUnknown => 417,
        R::Misdirected => 421,
        R::RequestRate => 429,
        R::HeadTooLarge | R::TooManyFields => 431,
        // Never seen by a client; the log calls it what nginx calls it.
        R::ClientStalled | R::ClientClosed | R::ListenerConnections | R::AddressConnections => 499,
        R::BadProxyHeader => 499,
        R::PolicyFailed | R::MayNotWait | R::Broken | R::NoUpstream => 500,
        R::TransferCodingUnknown => 501,
        R::ConnectFailed
        | R::TlsFailed
        | R::UpstreamClosed
        | R::UpstreamTruncated
        | R::BadResponse
        | R::ResponseTooLarge => 502,
        R::NoEndpoint
        | R::ResolveFailed
        | R::ConnectionsExceeded
        | R::RequestsExceeded
        | R::Draining
        | R::BodiesExceeded => 503,
        R::ConnectTimeout | R::FirstByteTimeout | R::UpstreamIdleTimeout | R::TotalTimeout => 504,
        R::VersionUnsupported => 505,
        R::LoopDetected => 508,
    }
}

/// Makes a policy's answer the response of this exchange.
pub(super) fn from_policy(exchange: &mut Exchange, answer: Answer) {
    begin(exchange, answer.status);
    if let Some(why) = answer.why {
        exchange.record.detail = Some(why.into());
    }
    for (name, value) in &answer.fields {
        let Ok(name) = FieldName::new(name) else { continue };
        if !name.known().is_framing() && crate::http::name::is_field_value(value) {
            exchange.response.add(&name, value);
        }
    }
    exchange.needs_page = answer.body.is_none() && answer.status >= 400;
    exchange.source = Source::Own(answer.body.unwrap_or_default());
}

/// `OPTIONS` with `Max-Forwards: 0`: we are who it asks.
pub(super) fn options_here(exchange: &mut Exchange) {
    begin(exchange, 200);
    if let Ok(allow) = FieldName::new("allow") {
        exchange.response.add(&allow, METHODS);
    }
    exchange.source = Source::Own(Vec::new());
}

/// After `obtain`: a failure, or an answer without a body, becomes a page.
pub(super) async fn settle(exchange: &mut Exchange, obtained: Result<(), Failure>) {
    if let Err(failure) = obtained {
        fail(exchange, failure);
    }
    if !std::mem::take(&mut exchange.needs_page) {
        return grpc::settle(exchange);
    }
    write_page(exchange);
    grpc::settle(exchange);
    if exchange.speaks(Hook::FailurePage)
        && let Err(failure) = exchange.edit(Hook::FailurePage).await
    {
        tracing::warn!(%failure, "the plain page is sent");
    }
}

/// After the `response` hook: its failures let the response go as it is; its answers may want a page.
pub(super) fn settle_late(exchange: &mut Exchange, edited: Result<bool, Failure>) {
    if let Err(failure) = edited {
        fail(exchange, failure);
    }
    if std::mem::take(&mut exchange.needs_page) {
        write_page(exchange);
    }
    grpc::settle(exchange);
}

/// The Server field as the listener wants it; a policy at `response` may still say otherwise.
pub(super) fn name_server(exchange: &mut Exchange) {
    let Ok(field) = FieldName::new("server") else { return };
    match &exchange.settings.rules.server {
        Server::Pass => {}
        Server::Remove => drop(exchange.response.remove(&field)),
        Server::Replace(name) => exchange.response.set(&field, name.as_bytes()),
    }
}

fn fail(exchange: &mut Exchange, failure: Failure) {
    let reason = failure.reason();
    exchange.record.fail(&failure);
    exchange.record.answered_by = None;
    begin(exchange, status(reason));
    if reason == Reason::MethodRefused
        && let Ok(allow) = FieldName::new("allow")
    {
        exchange.response.add(&allow, METHODS);
    }
    exchange.source = Source::Own(Vec::new());
    exchange.needs_page = true;
    exchange.failure = Some(failure);
}

/// A response of our own begins: what an upstream sends is no longer wanted.
fn begin(exchange: &mut Exchange, status: u16) {
    exchange.flows.upstream = None;
    exchange.flows.response = ResponseFlow::Idle;
    exchange.forget_response();
    exchange.flows.limits.total_at = crate::clock::NEVER; // it may be over; our own answer is small
    exchange.response = Head::response(status);
    exchange.record.received = None;
}

fn write_page(exchange: &mut Exchange) {
    let status = exchange.response.status();
    let kind = media::page(exchange.request.find("accept"));
    let route = exchange.route.as_ref().map(|route| route.index);
    let generation = exchange.generation.clone();
    let written = generation.as_ref().and_then(|generation| generation.failure_page(status, route, exchange.listener));
    let id = exchange.id.as_str();
    let message = exchange.failure.as_ref().map_or("", |failure| failure.reason().public());
    let (media_type, body) = match (written, kind) {
        (Some(page), Page::Html | Page::Plain) => {
            let text = page.body.replace("{request.id}", id).replace("{response.status}", &status.to_string());
            let json = page.file.extension().is_some_and(|extension| extension == "json");
            (if json { "application/problem+json" } else { "text/html; charset=utf-8" }, text)
        }
        (_, Page::Json) => ("application/problem+json", problem(status, message, id)),
        (None, Page::Html) => ("text/html; charset=utf-8", html(status, message, id)),
        (None, Page::Plain) => {
            let title = reason_phrase(status);
            ("text/plain; charset=utf-8", format!("{status} {title}\n{message}\nrequest id: {id}\n"))
        }
    };
    if let Ok(content_type) = FieldName::new("content-type") {
        exchange.response.set(&content_type, media_type.as_bytes());
    }
    if let Ok(cache_control) = FieldName::new("cache-control") {
        exchange.response.set(&cache_control, b"no-store");
    }
    exchange.source = Source::Own(body.into_bytes());
}

/// RFC 9457.
fn problem(status: u16, message: &str, id: &str) -> String {
    let mut problem = serde_json::json!({
        "type": "about:blank", "title": reason_phrase(status), "status": status, "request_id": id,
    });
    if !message.is_empty() {
        problem["detail"] = message.into();
    }
    problem.to_string()
}

fn html(status: u16, message: &str, id: &str) -> String {
    let title = reason_phrase(status);
    let id = id.replace('&', "&amp;").replace('<', "&lt;");
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{status} {title}</title></head>\n\
         <body><h1>{status} {title}</h1><p>{message}</p><p>Request id: <code>{id}</code></p></body></html>\n"
    )
}
