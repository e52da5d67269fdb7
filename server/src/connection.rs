//! One connection of a client: HTTP/1.1, from the first byte to a close that does not cut off the last answer.
//!
//! When an answer leaves before its request's body has arrived in full, closing at once would make the kernel reset the
//! connection, and the client might never see the answer. So the server says that it sends no more, and reads on for a
//! bounded while.

use crate::admission::Place;
use crate::body::Metered;
use crate::config::{Limits, ServerConfig};
use crate::front::Front;
use crate::patience::{Demands, Patience};
use crate::wire::Wire;
use http::header::CONNECTION;
use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::{HttpService, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::SockRef;
use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::watch;

/// How long the server reads on after its last answer, and how much.
const LINGER: Duration = Duration::from_secs(5);
const LINGER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Serves `stream` of `peer` until it ends, or until `stop` says so and the request in flight has ended. While it waits for
/// its client it makes room for another connection when told so.
pub async fn serve(
    stream: TcpStream,
    peer: IpAddr,
    place: Arc<Place>,
    front: Arc<Front>,
    config: Arc<ServerConfig>,
    stop: watch::Receiver<bool>,
) {
    tune(&stream);
    place.wait();
    let metrics = front.metrics();
    let wire = Wire::new(stream, Patience::new(demands(&config), front.pressed()));
    let ambiguous = wire.ambiguous();
    let unread = Arc::new(AtomicBool::new(false));
    let (closing, served) = (Arc::clone(&unread), Arc::clone(&place));
    let service = service_fn(move |request: Request<Incoming>| {
        let (front, closing) = (Arc::clone(&front), Arc::clone(&closing));
        let ambiguous = ambiguous.load(Ordering::Acquire);
        let serving = served.serve();
        let (parts, body) = request.into_parts();
        if !ambiguous
            && body.is_end_stream()
            && let Some(response) = front.answer_now(&parts, peer)
        {
            return Answer::Now(Some(response.map(|body| body.keep(serving))));
        }
        Answer::Later(Box::pin(async move {
            let response = front.serve((parts, body), peer, ambiguous).await;
            if response.headers().contains_key(CONNECTION) {
                closing.store(true, Ordering::Release);
            }
            Ok::<_, Infallible>(response.map(|body| body.keep(serving)))
        }))
    });
    let connection = builder(&config).serve_connection(TokioIo::new(wire), service);
    let first_head = config.limits.first_head_timeout;
    match drive(connection, &place, first_head, stop).await {
        End::Closed { stream, clean } if !clean || unread.load(Ordering::Acquire) => {
            leave(stream, &place).await;
        }
        End::MadeRoom => {
            metrics.made_room.fetch_add(1, Ordering::Relaxed);
        }
        End::Closed { .. } | End::NeverAsked => {}
    }
}

/// An answer that is there, or on its way.
enum Answer<F> {
    Now(Option<Response<Metered>>),
    Later(Pin<Box<F>>),
}

impl<F: Future<Output = Result<Response<Metered>, Infallible>>> Future for Answer<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        match &mut *self {
            // Like every future, not to be asked again once it was ready.
            Self::Now(response) => response
                .take()
                .map_or(Poll::Pending, |it| Poll::Ready(Ok(it))),
            Self::Later(answer) => answer.as_mut().poll(cx),
        }
    }
}

/// How a connection ended.
pub enum End {
    /// By what was said on it; `clean` if that was HTTP.
    Closed { stream: TcpStream, clean: bool },
    /// Its client sent no whole head in time.
    NeverAsked,
    /// Another one needed its place.
    MadeRoom,
}

/// Drives a connection to its end; its client has `first_head` for the first head.
pub async fn drive<S, B>(
    mut connection: http1::Connection<TokioIo<Wire>, S>,
    place: &Place,
    first_head: Duration,
    mut stop: watch::Receiver<bool>,
) -> End
where
    S: HttpService<Incoming, ResBody = B, Error = Infallible> + Unpin,
    S::Future: Unpin,
    B: Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let never_asked = tokio::time::sleep(first_head);
    tokio::pin!(never_asked);
    let mut stopping = false;
    let result = loop {
        let polled = std::future::poll_fn(|cx| connection.poll_without_shutdown(cx));
        tokio::select! {
            biased;
            result = polled => break result,
            _ = stop.wait_for(|stop| *stop), if !stopping => {
                stopping = true;
                std::pin::Pin::new(&mut connection).graceful_shutdown();
            }
            () = place.told_to_leave() => return End::MadeRoom,
            () = &mut never_asked, if !place.was_asked() => {
                if !place.was_asked() {
                    return End::NeverAsked;
                }
            }
        }
    };
    if let Err(error) = &result {
        tracing::debug!(%error, "connection");
    }
    End::Closed {
        stream: connection.into_parts().io.into_inner().into_inner(),
        clean: result.is_ok(),
    }
}

fn tune(stream: &TcpStream) {
    // Small answers leave at once.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY");
    }
    if let Err(error) = SockRef::from(stream).set_tcp_notsent_lowat(Limits::UNSENT_BYTES) {
        tracing::debug!(%error, "TCP_NOTSENT_LOWAT");
    }
}

/// What who takes an answer is held to.
fn demands(config: &ServerConfig) -> Demands {
    Demands {
        idle_max: config.limits.send_idle,
        rate_min: config.limits.send_rate_min,
        pressed_rate_min: config.limits.pressed_rate_min,
        pressed_window: config.limits.pressed_send_window,
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

/// Says that no more is sent, and reads on for a while, unless another connection needs the place.
pub async fn leave(stream: TcpStream, place: &Place) {
    place.wait();
    tokio::select! {
        () = linger(stream) => {}
        () = place.told_to_leave() => {}
    }
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
