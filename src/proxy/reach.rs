//! From the endpoint that was chosen to a connection on which it can be asked: one from the pool, a stream of one that is
//! shared, or a new one.

use std::task::Poll;

use super::Exchange;
use crate::clock;
use crate::config::plan::Protocol;
use crate::failure::{Failure, Reason};
use crate::hook::Endpoint;
use crate::http::h1::write::Length;
use crate::limits::CONNECT_TIMEOUT_MS;
use crate::listen::Client;
use crate::snapshot::UpstreamAlive;
use crate::tls::client::{Dial, H2};
use crate::upstream::connect::Offer;
use crate::upstream::directory::Connected;
use crate::upstream::h2::{Flight, Joined, Place, Shared};
use crate::upstream::{Connection, Key, connect, repeat};
use crate::wire::{Http, Http1, Wire, proxy_header};

/// A connection for this attempt.
pub(super) async fn connection(exchange: &mut Exchange) -> Result<Box<Connection>, Failure> {
    let upstream = exchange.upstream.clone().ok_or(Reason::NoUpstream)?;
    let endpoint = exchange.attempt.endpoint().cloned().ok_or(Reason::NoEndpoint)?;
    let key = Key::new(&endpoint, upstream.dial.as_deref());
    if upstream.protocol != Protocol::Http1
        && let Some(connection) = Box::pin(stream(exchange, &upstream, &endpoint, key)).await?
    {
        return Ok(connection);
    }
    let has_body = exchange.admitted.as_ref().is_some_and(|admitted| admitted.length != Length::None);
    let certain = has_body || !repeat::is_idempotent(exchange.request.method());
    let entry = exchange.attempt.entry.ok_or(Reason::NoUpstream)?;
    let counted = Some(entry.connect(upstream.connections_max)?);
    let private = upstream.proxy_protocol.is_some();
    if !private && let Some(mut connection) = exchange.parts.pool.take(key, certain) {
        connection.counted = counted;
        return Ok(connection);
    }
    let until = until(exchange, &upstream);
    let began = clock::precise();
    let tls = upstream.dial.as_deref().map(|tls| (tls, Offer::Http1));
    let mut begins = Vec::new();
    if let Some(version) = upstream.proxy_protocol {
        proxy_header::write(version, exchange.flows.client.facts.ends(), &mut begins);
    }
    // Boxed, as all that is rare: an exchange is as large as the largest of what it may wait for.
    let wire = Box::pin(dial(&mut exchange.flows.client, &endpoint, &begins, tls, until)).await?;
    exchange.record.connected(began);
    let mut connection = alone(wire, counted, key);
    connection.private = private;
    Ok(connection)
}

/// A stream on a connection that is shared, dialled if there is none with room and nobody else dials. `None`: the endpoint
/// is known to choose HTTP/1.1.
async fn stream(
    exchange: &mut Exchange,
    upstream: &UpstreamAlive,
    endpoint: &Endpoint,
    key: Key,
) -> Result<Option<Box<Connection>>, Failure> {
    let tls = upstream.dial.as_deref().map(|tls| (tls, Offer::All));
    let entry = exchange.attempt.entry.ok_or(Reason::NoUpstream)?;
    let until = until(exchange, upstream);
    loop {
        let pool = exchange.parts.pool.clone();
        match Shared::join(&pool, key) {
            Joined::Place(place) => return Ok(Some(on(place, key))),
            Joined::Apart => return Ok(None),
            Joined::Follow(flight) => follow(&mut exchange.flows.client, &flight, until).await?,
            Joined::Lead(lead) => {
                let counted = match entry.connect(upstream.connections_max) {
                    Ok(counted) => counted,
                    // No further connection may be opened: its turn on one that is crowded, if there is any.
                    Err(over) => return lead.crowd().map(|place| Some(on(place, key))).ok_or_else(|| over.into()),
                };
                let began = clock::precise();
                match dial(&mut exchange.flows.client, endpoint, &[], tls, until).await {
                    Ok(wire) => {
                        exchange.record.connected(began);
                        if tls.is_none() || wire.agreed() == Some(H2) {
                            let place = lead.open(wire, tls.is_some(), Some(counted)).await?;
                            return Ok(Some(on(place, key)));
                        }
                        if upstream.protocol == Protocol::Auto {
                            lead.part();
                            return Ok(Some(alone(wire, Some(counted), key)));
                        }
                        let failure = format!("{}: it does not speak HTTP/2", endpoint.name);
                        let failure = Failure::with(Reason::TlsFailed, failure);
                        lead.fail(&failure);
                        return Err(failure);
                    }
                    Err(failure) => {
                        if failure.reason() != Reason::ClientClosed {
                            lead.fail(&failure);
                        }
                        return Err(failure);
                    }
                }
            }
        }
    }
}

fn alone(wire: Wire, counted: Option<Connected>, key: Key) -> Box<Connection> {
    Box::new(Connection { http: Http::One(Http1::new(wire)), private: false, reused: false, counted, key, place: None })
}

fn on(place: Place, key: Key) -> Box<Connection> {
    Box::new(Connection { http: place.http(), private: false, reused: false, counted: None, key, place: Some(place) })
}

/// Milliseconds of the clock until which a connection is tried.
fn until(exchange: &Exchange, upstream: &UpstreamAlive) -> u64 {
    let route = exchange.route.as_ref().and_then(|route| route.timeouts.connect);
    let limit = route.or(upstream.timeouts.connect).map_or(CONNECT_TIMEOUT_MS, clock::millis);
    clock::now().saturating_add(limit).min(exchange.flows.limits.total_at)
}

/// Connects, and watches the client meanwhile: its reset cancels.
async fn dial(
    client: &mut Client,
    endpoint: &Endpoint,
    begins: &[u8],
    tls: Option<(&Dial, Offer)>,
    until: u64,
) -> Result<Wire, Failure> {
    let Client { http, alarm, .. } = client;
    let mut connecting = std::pin::pin!(connect::connect(endpoint, begins, tls, alarm, until));
    std::future::poll_fn(|cx| match connecting.as_mut().poll(cx) {
        Poll::Pending => http.poll_watch(cx).map(|error| Err(Failure::with(Reason::ClientClosed, error))),
        connected => connected,
    })
    .await
}

/// Waits for somebody else's dialling, and watches the client meanwhile.
async fn follow(client: &mut Client, flight: &Flight, until: u64) -> Result<(), Failure> {
    std::future::poll_fn(|cx| match flight.poll_over(cx) {
        Poll::Ready(over) => Poll::Ready(over),
        Poll::Pending if client.alarm.poll(cx, until) => Poll::Ready(Err(Failure::new(Reason::ConnectTimeout))),
        Poll::Pending => client.http.poll_watch(cx).map(|error| Err(Failure::with(Reason::ClientClosed, error))),
    })
    .await
}
