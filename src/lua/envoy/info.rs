//! `streamInfo()` and `connectionStreamInfo()`, and what there is none of here.

use std::net::SocketAddr;

use super::super::raw::{Frame, Hosted, Raise, Returned};
use super::{Method, Object, metadata, methods, nothing, push, text, tls, view};
use crate::hook::{ClientFacts, Peer};
use crate::http::head::Version;

pub(super) const METHODS: &[Method] = methods![
    c"protocol" => protocol,
    c"routeName" => route_name,
    c"virtualClusterName" => empty,
    c"downstreamDirectLocalAddress" => local_address,
    c"downstreamLocalAddress" => local_address,
    c"downstreamDirectRemoteAddress" => remote_address,
    c"downstreamRemoteAddress" => remote_address,
    c"requestedServerName" => server_name,
    c"downstreamSslConnection" => tls::connection,
    c"dynamicMetadata" => |frame: &Frame<'_>| push(frame, Object::DynamicMetadata, 0),
    c"dynamicTypedMetadata" => metadata::typed,
    c"filterState" => |frame: &Frame<'_>| push(frame, Object::FilterState, 0),
    c"drainConnectionUponCompletion" => no_drain,
];

pub(super) const CONNECTION: &[Method] = methods![
    c"dynamicMetadata" => |frame: &Frame<'_>| push(frame, Object::Metadata, super::handle::EMPTY),
    c"dynamicTypedMetadata" => nothing,
];

pub(super) const HOLDER: &[Method] = methods![
    c"metadata" => metadata::of_holder,
];

pub(super) const STATS: &[Method] = methods![
    c"counter" => no_stats,
    c"gauge" => no_stats,
    c"histogram" => no_stats,
];

fn no_stats(_: &Frame<'_>) -> Hosted {
    Err(Raise("`handle:stats()` has no counters here: they are Envoy's own, in its scope of statistics".to_owned()))
}

fn no_drain(_: &Frame<'_>) -> Hosted {
    Err(Raise(
        "`streamInfo:drainConnectionUponCompletion()` does not exist here: a policy cannot close the client's connection"
            .to_owned(),
    ))
}

fn empty(frame: &Frame<'_>) -> Hosted {
    frame.push_text(b"");
    Ok(Returned::Values(1))
}

fn protocol(frame: &Frame<'_>) -> Hosted {
    let version = view("streamInfo:protocol()", |view| Ok(view.request()?.version()))?;
    frame.push_text(match version {
        Version::Http10 => b"HTTP/1.0",
        Version::Http11 => b"HTTP/1.1",
        Version::Http2 => b"HTTP/2",
    });
    Ok(Returned::Values(1))
}

/// Empty while none is chosen: at a listener the script runs before.
fn route_name(frame: &Frame<'_>) -> Hosted {
    let name = view("streamInfo:routeName()", |view| {
        // At `route` there is none yet, and nothing to be told of it.
        Ok(view.route().ok().flatten().map(|route| route.name.clone()))
    })?;
    frame.push_text(name.as_deref().unwrap_or_default().as_bytes());
    Ok(Returned::Values(1))
}

fn of_client(frame: &Frame<'_>, look: impl FnOnce(&ClientFacts) -> String) -> Hosted {
    let told = view("streamInfo", |view| Ok(look(view.client()?)))?;
    frame.push_text(told.as_bytes());
    Ok(Returned::Values(1))
}

fn address(address: SocketAddr) -> String {
    SocketAddr::new(address.ip().to_canonical(), address.port()).to_string()
}

fn local_address(frame: &Frame<'_>) -> Hosted {
    of_client(frame, |client| client.local.map(address).unwrap_or_default())
}

fn remote_address(frame: &Frame<'_>) -> Hosted {
    of_client(frame, |client| match client.peer {
        Peer::Ip(peer) => address(peer),
        Peer::Unix | Peer::Memory => client.address_text.to_string(),
    })
}

fn server_name(frame: &Frame<'_>) -> Hosted {
    of_client(frame, |client| {
        let name = client.tls.as_ref().and_then(|tls| tls.server_name.as_deref());
        name.unwrap_or_default().to_owned()
    })
}

/// The name of a namespace, as an argument.
pub(super) fn namespace(frame: &Frame<'_>, method: &str) -> Result<String, Raise> {
    Ok(String::from_utf8_lossy(&text(frame, 2, method)?).into_owned())
}
