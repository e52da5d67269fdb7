//! Bare servers on the same `hyper` and the same `tokio` as the store's: what is left of a request when nothing is looked
//! up, checked, stored or signed. A ceiling, not a rival.
//!
//! Bodies are hashed as they arrive, on the network threads: with as many threads as cores and more connections than
//! threads nothing idles meanwhile, and no body is handed to another core (`peer --pool` hands it over, to compare).

mod get;
mod put;

pub use get::Objects;
pub use put::{Hashing, Put};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};

/// What a server does.
pub enum Peer {
    /// Answers GET from memory.
    Get(Objects),
    /// Takes bodies, and throws them away.
    Put(Put),
}

impl Peer {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        match self {
            Self::Get(objects) => objects.answer(&request),
            Self::Put(put) => put.answer(request).await,
        }
    }
}

/// Serves until the process ends; how it fails is said on the standard error.
pub async fn serve(listener: TcpListener, peer: Peer) {
    let peer = Arc::new(peer);
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(connection(stream, Arc::clone(&peer)));
            }
            Err(error) => eprintln!("peer: accept: {error}"),
        }
    }
}

async fn connection(stream: TcpStream, peer: Arc<Peer>) {
    if let Err(error) = stream.set_nodelay(true) {
        eprintln!("peer: TCP_NODELAY: {error}");
    }
    let service = service_fn(move |request| {
        let peer = Arc::clone(&peer);
        async move { Ok::<_, Infallible>(peer.answer(request).await) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service);
    // Whoever measures sees a broken connection on its own side.
    let _ = served.await;
}
