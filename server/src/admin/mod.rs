//! The admin listener: is the process alive, can it serve, its counters, and the API for tenants, keys and buckets.
//!
//! | file | what it does |
//! | --- | --- |
//! | `api` | `/v1/`: who may ask, where a request goes, its body |
//! | `tenants`, `keys`, `buckets`, `status` | what is answered there |
//! | `change` | what changes something, apart from the connection that asked for it |
//! | `answer` | JSON answers and errors |
//! | `content` | the count of distinct content, made when it is asked for |
//!
//! `/v1/` wants a token; the rest is open to whoever reaches the listener, and tells nothing about names. `/healthz` is 200
//! while the process runs. `/readyz` is 200 if it can serve reads and writes, else 503 with the reason in a sentence: it is being
//! stopped, or the store is read-only. `/metrics` is for Prometheus.
//!
//! Nobody can keep others from asking, token or not. A connection is for one request and ends in bounded time; its client must
//! send and take at a rate; and when all places are taken, the one that has waited longest for its client makes room, be it
//! for a head or for the answer to be taken (`admission`).

mod answer;
pub mod api;
mod buckets;
mod change;
mod content;
mod keys;
mod status;
mod tenants;

use crate::admission::{Admission, Place};
use crate::connection::{End, drive, leave};
use crate::metrics::Metrics;
use crate::patience::{Demands, Patience};
use crate::wire::Wire;
use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use moraine_engine::{Health, Secret, Store};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Connections at once: a few scrapers and probes.
pub const CONNECTIONS_MAX: usize = 64;
/// How long a connection may take for its head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection may take in all: a head, a body, a change that waits for others, and a long answer.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(150);
/// What who takes an answer is held to.
const DEMANDS: Demands = Demands {
    idle_max: Duration::from_secs(10),
    rate_min: 4 * 1024,
    pressed_rate_min: 0,
    pressed_window: Duration::from_secs(10),
};
/// Bytes of a head.
const READ_BUFFER: usize = 16 * 1024;

/// What the admin listener tells about.
#[derive(Clone)]
pub struct Admin {
    store: Store,
    metrics: Arc<Metrics>,
    /// What the API wants to be shown; without one it is closed.
    token: Option<Secret>,
    started: Instant,
    content: Arc<content::ContentCounter>,
}

impl Admin {
    /// Over a store and the counters of its server.
    pub fn new(store: Store, metrics: Arc<Metrics>, token: Option<Secret>) -> Self {
        Self {
            store,
            metrics,
            token,
            started: Instant::now(),
            content: Arc::default(),
        }
    }

    /// Serves until dropped.
    pub async fn run(self, listener: TcpListener) {
        let admission = Admission::new(CONNECTIONS_MAX, 0, &[]);
        let mut connections = JoinSet::new();
        loop {
            let (stream, peer) = crate::server::accept(&listener).await;
            match admission.admit(peer).await {
                Ok(place) => {
                    let served = self.clone().serve(stream, Arc::new(place));
                    connections.spawn(async {
                        if tokio::time::timeout(CONNECTION_TIMEOUT, served)
                            .await
                            .is_err()
                        {
                            tracing::debug!("an admin connection took too long");
                        }
                    });
                }
                Err(_) => tracing::warn!("the admin listener has no room: a connection is refused"),
            }
            while connections.try_join_next().is_some() {}
        }
    }

    async fn serve(self, stream: TcpStream, place: Arc<Place>) {
        place.wait();
        let served = Arc::clone(&place);
        let service = service_fn(move |request: Request<Incoming>| {
            let admin = self.clone();
            let serving = served.serve();
            Box::pin(async move {
                let answer = if api::is_for(request.uri().path()) {
                    api::answer(&admin, request).await
                } else {
                    admin.answer(&request)
                };
                drop(serving);
                Ok::<_, Infallible>(answer)
            })
        });
        let wire = Wire::new(stream, Patience::new(DEMANDS, Arc::new(|| false)));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .keep_alive(false)
            .header_read_timeout(HEAD_TIMEOUT)
            .max_buf_size(READ_BUFFER)
            .serve_connection(TokioIo::new(wire), service);
        // It ends with its one request, so nothing has to tell it to stop.
        let (_never, stop) = watch::channel(false);
        if let End::Closed { stream, .. } = drive(connection, &place, HEAD_TIMEOUT, stop).await {
            leave(stream, &place).await;
        }
    }

    fn answer<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        let known = matches!(request.uri().path(), "/healthz" | "/readyz" | "/metrics");
        if !known {
            return text(StatusCode::NOT_FOUND, "not found\n".to_owned());
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n".to_owned());
            response
                .headers_mut()
                .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        match request.uri().path() {
            "/readyz" => self.ready(),
            "/metrics" => self.metrics(),
            _ => text(StatusCode::OK, "alive\n".to_owned()),
        }
    }

    fn ready(&self) -> Response<Full<Bytes>> {
        if self.metrics.draining.load(Ordering::Relaxed) {
            return text(
                StatusCode::SERVICE_UNAVAILABLE,
                "the server is stopping\n".to_owned(),
            );
        }
        match self.store.health() {
            Health::Ok => text(StatusCode::OK, "ready\n".to_owned()),
            Health::ReadOnly { reason } => text(
                StatusCode::SERVICE_UNAVAILABLE,
                format!("the store is read-only: {reason}\n"),
            ),
        }
    }

    fn metrics(&self) -> Response<Full<Bytes>> {
        let read_only = matches!(self.store.health(), Health::ReadOnly { .. });
        let mut response = text(
            StatusCode::OK,
            self.metrics.render(&self.store.stats(), read_only),
        );
        response.headers_mut().insert(
            CONTENT_TYPE,
            HeaderValue::from_static("text/plain; version=0.0.4"),
        );
        response
    }
}

fn text(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
