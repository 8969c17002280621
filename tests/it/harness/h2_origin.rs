//! An origin that speaks HTTP/2: the h2 crate in a thread of its own.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use h2::RecvStream;
use h2::server::{Builder, SendResponse};
use http::{HeaderMap, Request, Response};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// It runs until the test ends.
pub struct H2Origin {
    addr: SocketAddr,
    connections: Arc<AtomicUsize>,
    requests: Arc<Mutex<Vec<Asked>>>,
}

/// A request, whole.
#[derive(Debug, Clone)]
pub struct Asked {
    pub method: String,
    pub uri: String,
    pub fields: HeaderMap,
    pub body: Vec<u8>,
    pub trailers: Option<HeaderMap>,
}

/// What becomes of one stream.
pub type Served = Pin<Box<dyn Future<Output = ()> + Send>>;

impl H2Origin {
    /// Hands each stream, with the number of its connection, to `serve`.
    pub fn start(
        builder: &Builder,
        serve: impl Fn(usize, Request<RecvStream>, SendResponse<Bytes>) -> Served + Send + Sync + 'static,
    ) -> H2Origin {
        H2Origin::start_with(builder, None, serve)
    }

    /// Answers every request with `two`, by TLS.
    pub fn tls(config: Arc<ServerConfig>) -> H2Origin {
        H2Origin::start_with(&Builder::new(), Some(config.into()), |_, _, mut respond| {
            Box::pin(async move {
                if let Ok(mut stream) = respond.send_response(Response::new(()), false) {
                    let _gone = super::h2::push(&mut stream, Bytes::from_static(b"two"), true).await;
                }
            })
        })
    }

    fn start_with(
        builder: &Builder,
        tls: Option<TlsAcceptor>,
        serve: impl Fn(usize, Request<RecvStream>, SendResponse<Bytes>) -> Served + Send + Sync + 'static,
    ) -> H2Origin {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let addr = listener.local_addr().unwrap();
        let connections = Arc::<AtomicUsize>::default();
        let (counted, builder, serve) = (connections.clone(), builder.clone(), Arc::new(serve));
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = TcpListener::from_std(listener).unwrap();
                while let Ok((socket, _)) = listener.accept().await {
                    let number = counted.fetch_add(1, Ordering::Relaxed);
                    let (builder, serve, tls) = (builder.clone(), serve.clone(), tls.clone());
                    tokio::spawn(async move {
                        match tls {
                            None => live(socket, &builder, number, &*serve).await,
                            Some(tls) => {
                                if let Ok(stream) = tls.accept(socket).await {
                                    live(stream, &builder, number, &*serve).await;
                                }
                            }
                        }
                    });
                }
            });
        });
        H2Origin { addr, connections, requests: Arc::default() }
    }

    /// Answers every request, once it is whole, with what `answer` says.
    pub fn answering(
        answer: impl Fn(&Asked) -> (Response<()>, Vec<u8>, Option<HeaderMap>) + Send + Sync + 'static,
    ) -> H2Origin {
        let answer = Arc::new(answer);
        let requests = Arc::<Mutex<Vec<Asked>>>::default();
        let kept = requests.clone();
        let origin = H2Origin::start(&Builder::new(), move |_, request, mut respond| {
            let (answer, kept) = (answer.clone(), kept.clone());
            Box::pin(async move {
                let Ok(asked) = whole(request).await else { return };
                let (response, body, trailers) = answer(&asked);
                kept.lock().unwrap().push(asked);
                let ended = body.is_empty() && trailers.is_none();
                let Ok(mut stream) = respond.send_response(response, ended) else { return };
                if !body.is_empty() {
                    let _gone = super::h2::push(&mut stream, body.into(), trailers.is_none()).await;
                }
                if let Some(trailers) = trailers {
                    let _gone = stream.send_trailers(trailers);
                }
            })
        });
        H2Origin { requests, ..origin }
    }

    pub fn endpoint(&self) -> String {
        self.addr.to_string()
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    pub fn request(&self, nth: usize) -> Asked {
        self.requests.lock().unwrap()[nth].clone()
    }
}

async fn live<S: AsyncRead + AsyncWrite + Unpin>(
    socket: S,
    builder: &Builder,
    number: usize,
    serve: &impl Fn(usize, Request<RecvStream>, SendResponse<Bytes>) -> Served,
) {
    let Ok(mut connection) = builder.handshake(socket).await else { return };
    while let Some(Ok((request, respond))) = connection.accept().await {
        let goes_away = request.uri().path() == "/goaway";
        tokio::spawn(serve(number, request, respond));
        if goes_away {
            connection.graceful_shutdown();
        }
    }
}

/// Reads a request to its end.
pub async fn whole(request: Request<RecvStream>) -> Result<Asked, h2::Error> {
    let (parts, mut stream) = request.into_parts();
    let mut body = Vec::new();
    while let Some(part) = stream.data().await {
        let part = part?;
        stream.flow_control().release_capacity(part.len())?;
        body.extend_from_slice(&part);
    }
    let trailers = stream.trailers().await?;
    let (method, uri) = (parts.method.to_string(), parts.uri.to_string());
    Ok(Asked { method, uri, fields: parts.headers, body, trailers })
}
