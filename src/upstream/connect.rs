//! Dialling an endpoint.

use std::io;
use std::task::Poll;

use tokio::net::{TcpStream, UnixStream};

use crate::clock::Alarm;
use crate::failure::{Failure, Reason};
use crate::wire::{Address, Wire, memory};

/// Connects to `address` until `deadline_ms` of the clock, and says what `begins` the connection. Cancel safe: a dropped
/// future closes what it had opened.
pub async fn connect(address: &Address, begins: &[u8], alarm: &Alarm, deadline_ms: u64) -> Result<Wire, Failure> {
    let mut dialling = std::pin::pin!(async {
        let mut wire = dial(address).await?;
        if !begins.is_empty() {
            tokio::io::AsyncWriteExt::write_all(&mut wire, begins).await?;
        }
        Ok::<_, io::Error>(wire)
    });
    let dialled = std::future::poll_fn(|cx| match dialling.as_mut().poll(cx) {
        Poll::Ready(dialled) => Poll::Ready(Some(dialled)),
        Poll::Pending if alarm.poll(cx, deadline_ms) => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    });
    match dialled.await {
        Some(Ok(wire)) => Ok(wire),
        Some(Err(error)) => Err(Failure::with(Reason::ConnectFailed, format_args!("{address}: {error}"))),
        None => Err(Failure::with(Reason::ConnectTimeout, address)),
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
