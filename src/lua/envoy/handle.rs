//! The stream handle: what `envoy_on_request` and `envoy_on_response` are called with.

use std::net::{IpAddr, SocketAddr};

use super::super::bind;
use super::super::raw::{Frame, Hosted, Kind, Raise, Returned};
use super::{Method, Object, body, call, crypto, halt, headers, methods, nothing, push, run, side, text, view};
use crate::hook::{Hook, Side, slot};

pub(super) const METHODS: &[Method] = methods![
    c"headers" => |frame: &Frame<'_>| push(frame, Object::Headers, side() as u32),
    c"body" => body::whole,
    c"bodyChunks" => body::chunks,
    c"trailers" => body::trailers,
    c"httpCall" => call::http_call,
    c"respond" => call::respond,
    c"streamInfo" => |frame: &Frame<'_>| push(frame, Object::StreamInfo, 0),
    c"metadata" => |frame: &Frame<'_>| push(frame, Object::Metadata, OF_POLICY),
    c"filterContext" => |frame: &Frame<'_>| push(frame, Object::Metadata, OF_POLICY),
    c"route" => |frame: &Frame<'_>| push(frame, Object::Holder, OF_POLICY),
    c"virtualHost" => |frame: &Frame<'_>| push(frame, Object::Holder, EMPTY),
    c"connection" => |frame: &Frame<'_>| push(frame, Object::Connection, 0),
    c"connectionStreamInfo" => |frame: &Frame<'_>| push(frame, Object::ConnectionInfo, 0),
    c"requestHeaders" => |frame: &Frame<'_>| push(frame, Object::Headers, headers::REQUEST_READ_ONLY),
    c"stats" => |frame: &Frame<'_>| push(frame, Object::Stats, 0),
    c"importPublicKey" => crypto::import,
    c"verifySignature" => crypto::verify,
    c"base64Escape" => crypto::base64_escape,
    c"base64Decode" => crypto::base64_decode,
    c"timestamp" => crypto::timestamp,
    c"timestampString" => crypto::timestamp_string,
    // At `route` no route is chosen yet, behind it none is chosen again.
    c"clearRouteCache" => nothing,
    c"setUpstreamOverrideHost" => override_host,
];

/// Metadata that is what the policy was given as `with`.
pub(super) const OF_POLICY: u32 = 0;
/// Metadata of what has none here.
pub(super) const EMPTY: u32 = 1;

/// `object:logInfo(message)` and its like
pub(super) fn log(frame: &Frame<'_>, level: tracing::Level) -> Hosted {
    let message = text(frame, 2, "log")?;
    bind::write_log(level, &String::from_utf8_lossy(&message), "");
    Ok(Returned::Values(0))
}

/// `handle:setUpstreamOverrideHost(address, strict)`
fn override_host(frame: &Frame<'_>) -> Hosted {
    if side() == Side::Response {
        return Err(Raise("setUpstreamOverrideHost is for the request".to_owned()));
    }
    let host = String::from_utf8_lossy(&text(frame, 2, "setUpstreamOverrideHost")?).into_owned();
    if host.parse::<SocketAddr>().is_err() && host.parse::<IpAddr>().is_err() {
        return Err(Raise("host is not a valid IP address".to_owned()));
    }
    let strict = frame.kind(3) != Kind::Nil && frame.truth(3);
    slot::with(|view| {
        if let Some(streams) = run::streams(view) {
            streams.host = Some((host, strict));
        }
    });
    Ok(Returned::Values(0))
}

/// Whether a body follows the head of this side, as far as hooks of bodies will see one.
pub(super) fn is_followed(side: Side) -> Result<bool, Raise> {
    view("handle:bodyChunks()", |view| {
        let whole = match side {
            Side::Response if view.request()?.method() == "HEAD" => return Ok(false),
            Side::Response if matches!(view.response()?.status(), 204 | 206 | 304) => return Ok(false),
            _ => view.body(side, crate::hook::Form::AsSent)?,
        };
        Ok(whole.is_none_or(|body| !body.bytes.is_empty()))
    })
}

/// Goes on at the next chunk, or with the trailers.
pub(super) fn go_on_later(frame: &Frame<'_>, what: super::Halt) -> Hosted {
    match super::hook() {
        Some(Hook::Route | Hook::Request | Hook::RequestBody | Hook::Response | Hook::ResponseBody) => {
            halt(frame, what)
        }
        _ => Err(Raise("object used outside of proper scope".to_owned())),
    }
}
