//! One connection of a client: HTTP/1.1, from the first byte to a close that does not cut off the last answer.
//!
//! When an answer leaves before its request's body has arrived in full, closing at once would make the kernel reset the
//! connection, and the client might never see the answer. So the server says that it sends no more, and reads on for a
//! bounded while.

use crate::config::{Limits, ServerConfig};
use crate::front::Front;
use crate::patience::{Demands, Patience};
use crate::wire::Wire;
use http::Request;
use http::header::CONNECTION;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::watch;

/// How long the server reads on after its last answer, and how much.
const LINGER: Duration = Duration::from_secs(5);
const LINGER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Serves `stream` until it ends, or until `stop` says so and the request in flight has ended.
pub async fn serve(
    stream: TcpStream,
    front: Arc<Front>,
    config: Arc<ServerConfig>,
    mut stop: watch::Receiver<bool>,
) {
    // Small answers leave at once.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY");
    }
    let demands = Demands {
        idle_max: config.limits.send_idle,
        rate_min: 0,
        pressed_rate_min: config.limits.pressed_rate_min,
        pressed_window: config.limits.pressed_send_window,
    };
    let wire = Wire::new(stream, Patience::new(demands, front.pressed()));
    let two_lengths = wire.two_lengths();
    let unread = Arc::new(AtomicBool::new(false));
    let closing = Arc::clone(&unread);
    let service = service_fn(move |request: Request<Incoming>| {
        let (front, closing) = (Arc::clone(&front), Arc::clone(&closing));
        let two_lengths = two_lengths.load(Ordering::Acquire);
        Box::pin(async move {
            let response = front.serve(request, two_lengths).await;
            if response.headers().contains_key(CONNECTION) {
                closing.store(true, Ordering::Release);
            }
            Ok::<_, Infallible>(response)
        })
    });
    let mut connection = builder(&config).serve_connection(TokioIo::new(wire), service);
    let mut stopping = false;
    let result = loop {
        let polled = std::future::poll_fn(|cx| connection.poll_without_shutdown(cx));
        tokio::select! {
            result = polled => break result,
            _ = stop.wait_for(|stop| *stop), if !stopping => {
                stopping = true;
                std::pin::Pin::new(&mut connection).graceful_shutdown();
            }
        }
    };
    if let Err(error) = &result {
        tracing::debug!(%error, "connection");
    }
    let stream = connection.into_parts().io.into_inner().into_inner();
    if result.is_err() || unread.load(Ordering::Acquire) {
        linger(stream).await;
    }
}

fn builder(config: &ServerConfig) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(config.limits.head_timeout)
        .max_headers(Limits::HEADERS_MAX)
        .max_buf_size(Limits::READ_BUFFER)
        .half_close(true);
    builder
}

async fn linger(mut stream: TcpStream) {
    if stream.shutdown().await.is_err() {
        return;
    }
    let read_on = async {
        let mut scratch = vec![0; Limits::READ_BUFFER];
        let mut left = LINGER_BYTES_MAX;
        while let Ok(count @ 1..) = tokio::io::AsyncReadExt::read(&mut stream, &mut scratch).await {
            left = left.saturating_sub(count);
            if left == 0 {
                break;
            }
        }
    };
    let _ = tokio::time::timeout(LINGER, read_on).await;
}
