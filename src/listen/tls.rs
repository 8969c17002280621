//! The TLS handshake with a client: its first message is read and shown to policies, a certificate is chosen, and what
//! was settled becomes facts. A handshake that fails ends its connection and nothing else, with one line in the log.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::server::{Accepted, Acceptor};
use rustls::{Error, HandshakeKind, InvalidMessage, ServerConfig, ServerConnection};
use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};
use tokio_rustls::server::TlsStream;
use tokio_rustls::{StartHandshake, TlsStream as Either};

use super::accept::Door;
use super::enter::{Entered, Protocol};
use crate::clock::{self, Alarm};
use crate::drain::Level;
use crate::hook::{CertificateId, ClientCertificate, ClientFacts, HelloFacts, Hook, TlsFacts, Verdict};
use crate::limits::DRAIN_IDLE_GRACE_MS;
use crate::observe::handshake::{Shaken, Unshaken};
use crate::tls::certificate::Certificate;
use crate::tls::server::Terms;
use crate::tls::{SUITES, suite_name, version_name};
use crate::wire::Wire;

/// What somebody gets who speaks HTTP to a listener that speaks TLS.
const PLAIN: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 54\r\nConnection: close\r\n\r\n\
    This port speaks HTTPS: the address begins https://.\r\n";

/// A handshake that came to nothing.
struct Failed {
    why: Unshaken,
    detail: String,
}

/// A wire read by a function that knows no polls.
struct Polled<'a, 'b>(&'a mut Wire, &'a mut Context<'b>);

/// Shakes hands, within the time that a head may take.
pub(super) async fn shake(wire: Wire, facts: ClientFacts, door: &Door, terms: &Arc<Terms>) -> Option<Entered> {
    let (id, limit) = {
        let settings = door.settings.borrow();
        (settings.id, clock::millis(settings.timeouts.head))
    };
    let (listener, address) = (facts.listener.clone(), facts.address_text.clone());
    let mut handshake = std::pin::pin!(settle(wire, facts, door, terms));
    let (guard, alarm) = (door.drain.guard(), Alarm::new());
    let mut until = clock::now() + limit;
    let mut draining = false;
    let outcome = std::future::poll_fn(|cx| {
        if let Poll::Ready(outcome) = handshake.as_mut().poll(cx) {
            return Poll::Ready(Some(outcome));
        }
        match guard.poll_level(cx) {
            Level::Running => {}
            Level::Draining if draining => {}
            Level::Draining => {
                draining = true;
                until = until.min(clock::now() + DRAIN_IDLE_GRACE_MS);
            }
            Level::Cut => return Poll::Ready(None),
        }
        if alarm.poll(cx, until) {
            return Poll::Ready(Some(Err(Failed { why: Unshaken::Timeout, detail: String::new() })));
        }
        Poll::Pending
    });
    match outcome.await? {
        Ok((entered, shaken)) => {
            (door.shaken)(id, Ok(shaken));
            Some(entered)
        }
        Err(Failed { why, detail }) => {
            (door.shaken)(id, Err(why));
            if why == Unshaken::Closed {
                // Probes of load balancers do nothing else all day.
                tracing::debug!(%listener, client = %address, detail, "TLS handshake failed: {why}");
            } else {
                tracing::info!(%listener, client = %address, detail, "TLS handshake failed: {why}");
            }
            None
        }
    }
}

async fn settle(
    mut wire: Wire,
    mut facts: ClientFacts,
    door: &Door,
    terms: &Arc<Terms>,
) -> Result<(Entered, Shaken), Failed> {
    let accepted = hear(&mut wire).await?;
    let config = choose(&accepted, &facts, door, terms).await?;
    let stream = StartHandshake::from_parts(accepted, wire).into_stream(config).await.map_err(Failed::from)?;
    let (_, connection) = stream.get_ref();
    let protocol = Protocol::of(connection.alpn_protocol());
    let (settled, shaken) = facts_of(connection, terms);
    facts.tls = Some(Box::new(settled));
    facts.secure = true;
    Ok((Entered { wire: stream.into(), facts, protocol }, shaken))
}

/// Reads the client's first message.
async fn hear(wire: &mut Wire) -> Result<Accepted, Failed> {
    let mut acceptor = Acceptor::default();
    loop {
        let read = std::future::poll_fn(|cx| match acceptor.read_tls(&mut Polled(wire, cx)) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
            read => Poll::Ready(read),
        });
        if read.await? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        let (error, mut alert) = match acceptor.accept() {
            Ok(None) => continue,
            Ok(Some(accepted)) => return Ok(accepted),
            Err(refused) => refused,
        };
        let failed = Failed::new(&error);
        let mut last = Vec::new();
        if failed.why == Unshaken::NotTls {
            last.extend_from_slice(PLAIN);
        } else {
            alert.write_all(&mut last)?;
        }
        wire.write_all(&last).await?;
        wire.shutdown().await?;
        return Err(failed);
    }
}

/// Asks at `client_hello`; the default is the certificate that covers the name.
async fn choose(
    accepted: &Accepted,
    facts: &ClientFacts,
    door: &Door,
    terms: &Terms,
) -> Result<Arc<ServerConfig>, Failed> {
    let hello = || {
        let hello = accepted.client_hello();
        HelloFacts {
            server_name: hello.server_name().map(|name| name.to_ascii_lowercase().into()),
            protocols: hello.alpn().into_iter().flatten().map(Box::from).collect(),
            certificates: terms.covered.clone(),
        }
    };
    let Some(asking) = (door.ask)(Hook::ClientHello, facts, &hello) else { return Ok(terms.by_name()) };
    let refused = |detail: String| Failed { why: Unshaken::RefusedByPolicy, detail };
    match asking.await {
        Ok(Verdict::Close) => Err(refused(String::new())),
        Ok(Verdict::Certificate(CertificateId(place))) => {
            let chosen = terms.chosen(place as usize);
            chosen.ok_or_else(|| refused(format!("a policy chose certificate {place}, and there is none")))
        }
        Ok(_) => Ok(terms.by_name()),
        Err(failure) => Err(refused(failure.to_string())),
    }
}

fn facts_of(connection: &ServerConnection, terms: &Terms) -> (TlsFacts, Shaken) {
    let suite = connection.negotiated_cipher_suite().map(|suite| suite.suite());
    let resumed = connection.handshake_kind() == Some(HandshakeKind::Resumed);
    let shown = connection.peer_certificates().and_then(|chain| chain.first());
    let facts = TlsFacts {
        version: version_name(connection.protocol_version()),
        cipher: suite.map_or("unknown", suite_name),
        server_name: connection.server_name().map(|name| name.to_ascii_lowercase().into()),
        resumed,
        certificate: shown.and_then(|der| known(der)).map(Arc::new),
        told: terms.headers,
        names: terms.names.clone(),
    };
    let place = SUITES.iter().position(|one| Some(one.suite()) == suite).unwrap_or(0);
    (facts, Shaken { suite: place, resumed })
}

/// It was verified: it parses.
fn known(der: &[u8]) -> Option<ClientCertificate> {
    let certificate = Certificate::parse(der).ok()?;
    Some(ClientCertificate {
        subject: certificate.subject,
        names: certificate.alternatives,
        fingerprint: certificate.fingerprint.hex().into(),
        encoded: STANDARD.encode(der).into(),
    })
}

// === impl Failed ===

impl Failed {
    fn new(error: &Error) -> Self {
        let why = match error {
            Error::InvalidMessage(InvalidMessage::InvalidContentType) => Unshaken::NotTls,
            Error::PeerIncompatible(_) | Error::NoApplicationProtocol | Error::General(_) => Unshaken::Incompatible,
            Error::NoCertificatesPresented => Unshaken::NoCertificate,
            Error::InvalidCertificate(_) => Unshaken::BadCertificate,
            Error::AlertReceived(_) => Unshaken::RefusedByClient,
            _ => Unshaken::Malformed,
        };
        Self { why, detail: error.to_string() }
    }
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
            Some(inner) => Self::new(inner),
            None => Self { why: Unshaken::Closed, detail: error.to_string() },
        }
    }
}

// === impl Polled, Wire ===

impl io::Read for Polled<'_, '_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let mut buffer = ReadBuf::new(room);
        match AsyncRead::poll_read(Pin::new(&mut *self.0), self.1, &mut buffer) {
            Poll::Ready(read) => read.map(|()| buffer.filled().len()),
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

impl From<TlsStream<Wire>> for Wire {
    fn from(stream: TlsStream<Wire>) -> Self {
        Self::Tls(Box::new(Either::Server(stream)))
    }
}

#[cfg(test)]
mod tests;
