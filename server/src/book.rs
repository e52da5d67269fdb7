//! What is written down about a request once its answer has left: one line of the log and the counters.
//!
//! The lines have a target of their own, `request`, so that an operator can have all of them (`MORAINE_LOG=info,request=debug`),
//! none (`info,request=off`), or, by default, those that did not end well: a store of media answers the same few kinds of
//! request all day, and the counters know them.
//!
//! Nothing secret is in a line: of the target only the path, never the query, which may hold a signature; no headers but
//! the user agent; the access key only if it is one of ours, since some clients are set up with the two keys swapped.
//! Nothing that a client sends can begin a new line or hide one: what is not printable ASCII is percent-encoded, and what
//! is long is cut.

use crate::body::Metered;
use crate::context::RequestContext;
use crate::metrics::Metrics;
use crate::preflight;
use crate::public;
use http::header::{HeaderName, HeaderValue, USER_AGENT};
use http::request::Parts;
use http::{Method, Response, StatusCode, Uri};
use s3s::Body;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amz-request-id");
/// The target of the lines.
const TARGET: &str = "request";
/// Bytes of a path in a line: a bucket, and a key of 1,024 bytes of which most need no encoding.
const PATH_BYTES_MAX: usize = 1536;
/// Bytes of a user agent in a line: the longest of the SDKs have about 250.
const AGENT_BYTES_MAX: usize = 256;
/// Bytes of a method in a line: those that mean anything are shorter.
const METHOD_BYTES_MAX: usize = 16;

/// The status of a request whose client went away before there was an answer, as nginx has it. No client ever sees it.
const CLIENT_GONE: u16 = 499;

/// The books on one request. Dropped before the answer is there, they are closed for a client that went away.
pub struct Book(Option<Entry>);

/// What is written down about a request.
struct Entry {
    context: Arc<RequestContext>,
    metrics: Arc<Metrics>,
    method: Method,
    uri: Uri,
    agent: Option<HeaderValue>,
    started: Instant,
}

impl Book {
    /// Opened when the head of the request is there.
    pub fn open(
        parts: &Parts,
        context: &Arc<RequestContext>,
        metrics: &Arc<Metrics>,
        started: Instant,
    ) -> Self {
        metrics.in_flight.fetch_add(1, Ordering::Relaxed);
        Self(Some(Entry {
            context: Arc::clone(context),
            metrics: Arc::clone(metrics),
            method: parts.method.clone(),
            uri: parts.uri.clone(),
            agent: parts.headers.get(USER_AGENT).cloned(),
            started,
        }))
    }

    /// The path that was asked for, as sent.
    pub fn path(&self) -> &str {
        self.0.as_ref().map_or("", |entry| entry.uri.path())
    }

    /// Names the request to the client, and closes the book once the last byte of the answer has left.
    pub fn finish(mut self, mut response: Response<Body>) -> Response<Metered> {
        if let Some(entry) = &self.0
            && let Ok(id) = HeaderValue::from_str(&entry.context.id)
            && !matches!(
                entry.context.operation(),
                public::OPERATION | preflight::OPERATION
            )
        {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        let status = response.status();
        let entry = self.0.take();
        response.map(|body| {
            let close = move |sent, complete| {
                if let Some(entry) = entry {
                    entry.close(status, sent, complete);
                }
            };
            Metered::new(body, Box::new(close))
        })
    }
}

impl Drop for Book {
    fn drop(&mut self) {
        if let (Some(entry), Ok(status)) = (self.0.take(), StatusCode::from_u16(CLIENT_GONE)) {
            entry.close(status, 0, false);
        }
    }
}

impl Entry {
    fn close(self, status: StatusCode, sent: u64, complete: bool) {
        let context = &self.context;
        let took = self.started.elapsed();
        let complete = complete || self.method == Method::HEAD;
        let (operation, error) = (context.operation(), context.error());
        let received = context.bytes_in();
        self.metrics.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.metrics.bytes_in.fetch_add(received, Ordering::Relaxed);
        self.metrics.bytes_out.fetch_add(sent, Ordering::Relaxed);
        self.metrics.record(operation, status.as_u16(), error, took);
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(
                    target: TARGET,
                    id = context.id,
                    peer = context.peer.to_string(),
                    tenant = context.tenant().map(|it| it.to_string()),
                    access_key = context.access_key(),
                    operation,
                    method = printable(self.method.as_str().as_bytes(), METHOD_BYTES_MAX),
                    path = printable(self.uri.path().as_bytes(), PATH_BYTES_MAX),
                    status = status.as_u16(),
                    error,
                    fault = context.fault().map(|it| it.to_string()),
                    received,
                    sent,
                    complete,
                    took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
                    agent = self.agent.as_ref().map(|it| printable(it.as_bytes(), AGENT_BYTES_MAX)),
                    "request"
                )
            };
        }
        if status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED {
            line!(warn);
        } else if !status.is_success() && status != StatusCode::NOT_MODIFIED || !complete {
            line!(info);
        } else {
            line!(debug);
        }
    }
}

/// The bytes as one line can hold them: everything but printable ASCII percent-encoded, cut where it has more than `max`.
fn printable(bytes: &[u8], max: usize) -> String {
    let (kept, cut) = bytes.split_at_checked(max).unwrap_or((bytes, &[]));
    let mut out = String::with_capacity(kept.len());
    for byte in kept {
        if matches!(byte, b' '..=b'~') {
            out.push(char::from(*byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    if !cut.is_empty() {
        out.push_str("...");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_begins_a_line() {
        assert_eq!(printable(b"/b/a%0Ab c", 99), "/b/a%0Ab c");
        assert_eq!(
            printable(b"x\r\ny\x1b[31m\xe2\x80\xae\x7f", 99),
            "x%0D%0Ay%1B[31m%E2%80%AE%7F"
        );
    }

    #[test]
    fn what_is_long_is_cut() {
        assert_eq!(printable(b"abcdef", 6), "abcdef");
        assert_eq!(printable(b"abcdef", 3), "abc...");
        assert_eq!(printable(b"\xff\xff", 1), "%FF...");
    }
}
