//! A blob on its way out. Ends with an error, and so with a broken connection, when the engine fails in the middle or
//! gives another number of bytes than was announced: never with wrong or missing bytes that look complete.

use crate::errors;
use crate::metrics::Metrics;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use moraine_engine::BlobReader;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::error::Elapsed;

/// What a read gave in time.
type Chunk = Result<Option<moraine_engine::Result<Bytes>>, Elapsed>;

enum State {
    First(Bytes, BlobReader),
    Idle(BlobReader),
    Reading(Pin<Box<dyn Future<Output = (BlobReader, Chunk)> + Send>>),
    Ended,
}

/// Why a blob could not be sent to its end.
#[derive(Debug, thiserror::Error)]
pub enum BlobBroken {
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] moraine_engine::Error),
    /// The engine gave nothing for too long.
    #[error("there was no memory to read the blob into, or the disk was too slow")]
    Wait,
    /// The engine gave another number of bytes than the range holds.
    #[error("the blob has another length than its name says")]
    Length,
}

/// A blob on its way out.
pub struct BlobBody {
    state: State,
    left: u64,
    wait: Duration,
    request: String,
    metrics: Arc<Metrics>,
}

impl BlobBody {
    /// Sends the `length` bytes of `reader`. The first of them are read at once, so that a blob that cannot be read at all
    /// is an error before the answer has begun. No read may take longer than `wait`.
    pub async fn start(
        mut reader: BlobReader,
        length: u64,
        wait: Duration,
        request: &str,
        metrics: Arc<Metrics>,
    ) -> Result<Self, BlobBroken> {
        let state = if length == 0 {
            State::Ended
        } else {
            let first = tokio::time::timeout(wait, reader.next()).await;
            let first = first
                .map_err(|_| BlobBroken::Wait)?
                .ok_or(BlobBroken::Length)??;
            State::First(first, reader)
        };
        Ok(Self {
            state,
            left: length,
            wait,
            request: request.to_owned(),
            metrics,
        })
    }

    fn send(
        &mut self,
        bytes: Bytes,
        reader: BlobReader,
    ) -> Poll<Option<Result<Frame<Bytes>, BlobBroken>>> {
        let count = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let Some(left) = self.left.checked_sub(count) else {
            return self.fail(BlobBroken::Length);
        };
        self.left = left;
        self.state = if left == 0 {
            State::Ended
        } else {
            State::Idle(reader)
        };
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }

    fn fail(&mut self, error: BlobBroken) -> Poll<Option<Result<Frame<Bytes>, BlobBroken>>> {
        self.state = State::Ended;
        errors::report_broken(&error, &self.request, &self.metrics);
        Poll::Ready(Some(Err(error)))
    }
}

impl Body for BlobBody {
    type Data = Bytes;
    type Error = BlobBroken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BlobBroken>>> {
        loop {
            match std::mem::replace(&mut self.state, State::Ended) {
                State::First(bytes, reader) => return self.send(bytes, reader),
                State::Idle(mut reader) => {
                    let wait = self.wait;
                    self.state = State::Reading(Box::pin(async move {
                        let chunk = tokio::time::timeout(wait, reader.next()).await;
                        (reader, chunk)
                    }));
                }
                State::Reading(mut read) => {
                    let Poll::Ready((reader, chunk)) = read.as_mut().poll(cx) else {
                        self.state = State::Reading(read);
                        return Poll::Pending;
                    };
                    return match chunk {
                        Ok(Some(Ok(bytes))) => self.send(bytes, reader),
                        Ok(Some(Err(error))) => self.fail(error.into()),
                        Ok(None) => self.fail(BlobBroken::Length),
                        Err(_) => self.fail(BlobBroken::Wait),
                    };
                }
                State::Ended => return Poll::Ready(None),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
