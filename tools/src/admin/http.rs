//! One request and its answer over a connection of its own. Bounded in time and size.

use super::Target;
use crate::failure::Failure;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use std::time::Duration;
use tokio::net::TcpStream;

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the answer may take. Deleting a bucket with many abandoned uploads takes longest.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(120);
/// Bytes of an answer: a list of 100,000 buckets is below it.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// A status and a body.
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The body.
    pub body: Bytes,
}

/// Sends one request and waits for all of its answer.
pub fn send(
    target: &Target,
    method: Method,
    path: &str,
    body: Option<Vec<u8>>,
) -> Result<Answer, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("cannot use the network: {error}")))?;
    runtime.block_on(exchange(target, method, path, body))
}

async fn exchange(
    target: &Target,
    method: Method,
    path: &str,
    body: Option<Vec<u8>>,
) -> Result<Answer, Failure> {
    let url = format!("http://{}", target.authority);
    let request = request(target, method, path, body)?;
    let connecting = TcpStream::connect((target.host.as_str(), target.port));
    let stream = match tokio::time::timeout(CONNECT_TIMEOUT, connecting).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            return Err(Failure::new(format!(
                "no server answers at {url} ({error}): start `moraine serve`, or name its address with --admin"
            )));
        }
        Err(_) => return Err(Failure::new(format!("{url} cannot be reached in time"))),
    };
    let broken = |error: &dyn std::fmt::Display| {
        Failure::new(format!(
            "the connection to {url} broke ({error}): see with `moraine status` whether the change was made"
        ))
    };
    let answer = async {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| broken(&error))?;
        tokio::spawn(connection);
        let response = sender
            .send_request(request)
            .await
            .map_err(|error| broken(&error))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX);
        let body = body.collect().await.map_err(|error| broken(&error))?;
        Ok(Answer {
            status,
            body: body.to_bytes(),
        })
    };
    match tokio::time::timeout(ANSWER_TIMEOUT, answer).await {
        Ok(answer) => answer,
        Err(_) => Err(broken(&"no answer in time")),
    }
}

fn request(
    target: &Target,
    method: Method,
    path: &str,
    body: Option<Vec<u8>>,
) -> Result<Request<Full<Bytes>>, Failure> {
    let mut bearer = HeaderValue::try_from(format!("Bearer {}", target.token.expose()))
        .expect("a token is hexadecimal");
    bearer.set_sensitive(true);
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, &target.authority)
        .header(AUTHORIZATION, bearer);
    if body.is_some() {
        request = request.header(CONTENT_TYPE, "application/json");
    }
    request
        .body(Full::from(body.unwrap_or_default()))
        .map_err(|error| Failure::new(format!("{path:?} cannot be asked for: {error}")))
}
