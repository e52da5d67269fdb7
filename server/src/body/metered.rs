//! The outermost body of every answer: counts what was sent, and closes the request's books when it is done or dropped.

use crate::admission::Serving;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll};

/// Called once, with the number of bytes that were sent and whether that was all of them.
pub type Close = Box<dyn FnOnce(u64, bool) + Send>;

/// The outermost body of every answer.
pub struct Metered {
    inner: s3s::Body,
    sent: u64,
    complete: bool,
    close: Option<Close>,
    serving: Option<Serving>,
}

impl Metered {
    /// Meters `inner`.
    pub fn new(inner: s3s::Body, close: Close) -> Self {
        let complete = inner.is_end_stream();
        Self {
            inner,
            sent: 0,
            complete,
            close: Some(close),
            serving: None,
        }
    }

    /// Keeps `serving` until the answer is done or dropped.
    pub fn keep(mut self, serving: Serving) -> Self {
        self.serving = Some(serving);
        self
    }
}

impl Body for Metered {
    type Data = Bytes;
    type Error = s3s::StdError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, s3s::StdError>>> {
        let frame = std::task::ready!(Pin::new(&mut self.inner).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                let count = frame.data_ref().map_or(0, Bytes::len);
                self.sent += u64::try_from(count).unwrap_or(0);
                self.complete = self.inner.is_end_stream();
            }
            Some(Err(_)) => self.complete = false,
            None => self.complete = true,
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for Metered {
    fn drop(&mut self) {
        if let Some(close) = self.close.take() {
            close(self.sent, self.complete);
        }
    }
}
