//! A client that speaks HTTP/2: the h2 crate in a runtime of its own. Frames that no library would send are `frames`.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use h2::client::SendRequest;
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request, Response};
use rustls::ClientConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::PATIENCE;

/// One connection.
pub struct Client {
    runtime: Runtime,
    sender: SendRequest<Bytes>,
}

/// A response, whole.
#[derive(Debug)]
pub struct Whole {
    pub status: u16,
    pub fields: HeaderMap,
    pub body: Vec<u8>,
    pub trailers: Option<HeaderMap>,
    /// Statuses of interim responses.
    pub interim: Vec<u16>,
}

/// A request whose response is awaited.
pub struct Asked {
    pub response: h2::client::ResponseFuture,
    pub body: SendStream<Bytes>,
}

impl Client {
    /// Connects with prior knowledge.
    pub fn connect(addr: SocketAddr) -> Client {
        Client::with(addr, &h2::client::Builder::new())
    }

    pub fn with(addr: SocketAddr, builder: &h2::client::Builder) -> Client {
        Client::over(builder, async move { TcpStream::connect(addr).await.unwrap() })
    }

    /// Connects by TLS, asking for this name; ALPN must agree on HTTP/2.
    pub fn tls(addr: SocketAddr, config: Arc<ClientConfig>, name: &'static str) -> Client {
        Client::over(&h2::client::Builder::new(), async move {
            let tcp = TcpStream::connect(addr).await.unwrap();
            let stream = TlsConnector::from(config).connect(name.try_into().unwrap(), tcp).await.unwrap();
            assert_eq!(stream.get_ref().1.alpn_protocol(), Some(b"h2".as_slice()));
            stream
        })
    }

    fn over<S>(builder: &h2::client::Builder, connect: impl Future<Output = S>) -> Client
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let sender = runtime.block_on(async {
            let socket = connect.await;
            let (sender, connection) = builder.handshake(socket).await.unwrap();
            tokio::spawn(async move {
                let _ended = connection.await;
            });
            sender
        });
        Client { runtime, sender }
    }

    /// Begins a request.
    pub fn ask(&self, request: Request<()>, ended: bool) -> Asked {
        let (response, body) = self
            .runtime
            .block_on(async {
                let mut sender = timeout(PATIENCE, self.sender.clone().ready()).await.expect("room for a stream")?;
                sender.send_request(request, ended)
            })
            .unwrap();
        Asked { response, body }
    }

    /// Runs something on the connection's runtime, within the patience of an actor.
    #[track_caller]
    pub fn wait<T>(&self, what: impl Future<Output = T>) -> T {
        self.runtime.block_on(async { timeout(PATIENCE, what).await.expect("never came") })
    }

    /// Reads a response to its end.
    #[track_caller]
    pub fn read(&self, asked: Asked) -> Result<Whole, h2::Error> {
        self.wait(read(asked.response))
    }

    #[track_caller]
    pub fn get(&self, uri: &str) -> Whole {
        let asked = self.ask(Request::get(uri).body(()).unwrap(), true);
        self.read(asked).unwrap()
    }

    #[track_caller]
    pub fn send(&self, request: Request<()>, body: &[u8]) -> Result<Whole, h2::Error> {
        let mut asked = self.ask(request, body.is_empty());
        if !body.is_empty() {
            let body = Bytes::copy_from_slice(body);
            self.wait(push(&mut asked.body, body, true))?;
        }
        self.read(asked)
    }
}

/// Sends a body as the windows allow.
pub async fn push(stream: &mut SendStream<Bytes>, mut body: Bytes, end: bool) -> Result<(), h2::Error> {
    while !body.is_empty() {
        stream.reserve_capacity(body.len());
        let capacity = match stream.capacity() {
            0 => std::future::poll_fn(|cx| stream.poll_capacity(cx)).await.expect("the stream is open")?,
            capacity => capacity,
        };
        let part = body.split_to(capacity.min(body.len()));
        stream.send_data(part, end && body.is_empty())?;
    }
    Ok(())
}

async fn read(mut response: h2::client::ResponseFuture) -> Result<Whole, h2::Error> {
    let mut interim = Vec::new();
    let response: Response<RecvStream> = std::future::poll_fn(|cx| {
        while let std::task::Poll::Ready(Some(Ok(one))) = response.poll_informational(cx) {
            interim.push(one.status().as_u16());
        }
        std::pin::Pin::new(&mut response).poll(cx)
    })
    .await?;
    let (parts, mut stream) = response.into_parts();
    let mut body = Vec::new();
    while let Some(part) = stream.data().await {
        let part = part?;
        stream.flow_control().release_capacity(part.len())?;
        body.extend_from_slice(&part);
    }
    let trailers = stream.trailers().await?;
    Ok(Whole { status: parts.status.as_u16(), fields: parts.headers, body, trailers, interim })
}
