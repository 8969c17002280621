//! Dialling an endpoint, and shaking hands with it by TLS.

use std::io;
use std::task::Poll;

use rustls::{Error, InvalidMessage};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::{TlsConnector, TlsStream};

use crate::clock::Alarm;
use crate::failure::{Failure, Reason};
use crate::hook::Endpoint;
use crate::tls::client::Dial;
use crate::wire::{Address, Wire, memory};

/// Which protocols are offered by ALPN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    /// What the upstream may speak.
    All,
    /// It is known what the endpoint chooses.
    Http1,
}

/// Connects to an endpoint until `deadline_ms` of the clock, the TLS handshake included; `begins` is said before it.
/// Cancel safe: a dropped future closes what it had opened.
pub async fn connect(
    endpoint: &Endpoint,
    begins: &[u8],
    tls: Option<(&Dial, Offer)>,
    alarm: &Alarm,
    deadline_ms: u64,
) -> Result<Wire, Failure> {
    let mut dialling = std::pin::pin!(reach(endpoint, begins, tls));
    let dialled = std::future::poll_fn(|cx| match dialling.as_mut().poll(cx) {
        Poll::Ready(dialled) => Poll::Ready(Some(dialled)),
        Poll::Pending if alarm.poll(cx, deadline_ms) => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    });
    dialled.await.unwrap_or_else(|| Err(Failure::with(Reason::ConnectTimeout, &endpoint.name)))
}

async fn reach(endpoint: &Endpoint, begins: &[u8], tls: Option<(&Dial, Offer)>) -> Result<Wire, Failure> {
    let failed = |error| Failure::with(Reason::ConnectFailed, format_args!("{}: {error}", endpoint.name));
    let mut wire = dial(&endpoint.address).await.map_err(failed)?;
    if !begins.is_empty() {
        wire.write_all(begins).await.map_err(failed)?;
    }
    match tls {
        Some((tls, offer)) => Box::pin(shake(wire, endpoint, tls, offer)).await,
        None => Ok(wire),
    }
}

async fn dial(address: &Address) -> io::Result<Wire> {
    match address {
        Address::Ip(at) => {
            let stream = TcpStream::connect(at).await?;
            let _best_effort = stream.set_nodelay(true);
            Ok(Wire::Tcp(stream))
        }
        Address::Unix(path) => UnixStream::connect(path).await.map(Wire::Unix),
        Address::Memory(name) => memory::connect(name).map(Wire::Memory),
        Address::Name { .. } => Err(io::Error::other("the name was not resolved")),
    }
}

async fn shake(wire: Wire, endpoint: &Endpoint, tls: &Dial, offer: Offer) -> Result<Wire, Failure> {
    let address = if let Address::Ip(at) = &endpoint.address { Some(at.ip()) } else { None };
    let Some(name) = tls.name(endpoint.host.as_deref(), address) else {
        return Err(Failure::with(Reason::TlsFailed, format_args!("{}: no name to ask for", endpoint.name)));
    };
    let asked = name.to_str().into_owned();
    match TlsConnector::from(tls.config(offer == Offer::Http1)).connect(name, wire).await {
        Ok(stream) => Ok(Wire::Tls(Box::new(TlsStream::Client(stream)))),
        Err(error) => {
            let why = explain(&error);
            Err(Failure::with(Reason::TlsFailed, format_args!("{} as {asked}: {why}", endpoint.name)))
        }
    }
}

fn explain(error: &io::Error) -> String {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(Error::InvalidMessage(InvalidMessage::InvalidContentType)) => "it does not speak TLS".to_owned(),
        _ if error.kind() == io::ErrorKind::UnexpectedEof => "it closed the connection during the handshake".to_owned(),
        _ => error.to_string(),
    }
}
