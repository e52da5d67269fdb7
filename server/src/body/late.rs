//! The body of an answer that began before its work was done, because some clients give up after 5 s of silence.
//!
//! It begins with the XML declaration, sends a blank now and then, and ends with the document that the work gave: a result,
//! or an error inside an answer with status 200, which clients look for, since S3 does the same. The work goes on as long as
//! somebody takes the answer, and ends with it.

use super::{in_namespace, readable};
use bytes::Bytes;
use http_body::{Body, Frame};
use s3s::xml::{Serialize, Serializer};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Interval, MissedTickBehavior};

const DECLARATION: &[u8] = b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>";
/// Between two blanks.
const BLANK_INTERVAL: Duration = Duration::from_millis(500);

/// What is left to do: it ends with a document without a declaration.
type Work = Pin<Box<dyn Future<Output = Bytes> + Send>>;

enum State {
    Begin(Work),
    Working(Work, Interval),
    Ended,
}

/// An answer that has begun.
pub struct Late(State);

impl Late {
    /// An answer that ends with what `work` gives.
    pub fn new(work: impl Future<Output = Bytes> + Send + 'static) -> Self {
        Self(State::Begin(Box::pin(work)))
    }
}

impl fmt::Debug for Late {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Late")
    }
}

/// A document without a declaration, which every parser reads. One that cannot be written, which does not happen in memory, is none.
pub fn document(content: &impl Serialize) -> Bytes {
    let mut out = Vec::new();
    match content.serialize(&mut Serializer::new(&mut out)) {
        Ok(()) => in_namespace(readable(out.into())),
        Err(_) => Bytes::from_static(b"<Error><Code>InternalError</Code></Error>"),
    }
}

impl Body for Late {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let frame = |bytes| Poll::Ready(Some(Ok(Frame::data(bytes))));
        match std::mem::replace(&mut self.0, State::Ended) {
            State::Begin(work) => {
                let mut blanks =
                    tokio::time::interval_at(Instant::now() + BLANK_INTERVAL, BLANK_INTERVAL);
                blanks.set_missed_tick_behavior(MissedTickBehavior::Delay);
                self.0 = State::Working(work, blanks);
                frame(Bytes::from_static(DECLARATION))
            }
            State::Working(mut work, mut blanks) => match work.as_mut().poll(cx) {
                Poll::Ready(document) => frame(document),
                Poll::Pending => {
                    let tick = blanks.poll_tick(cx);
                    self.0 = State::Working(work, blanks);
                    match tick {
                        Poll::Ready(_) => frame(Bytes::from_static(b" ")),
                        Poll::Pending => Poll::Pending,
                    }
                }
            },
            State::Ended => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.0, State::Ended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;
    use s3s::s3_error;

    async fn frame(late: &mut Late) -> Bytes {
        let frame = late.frame().await.unwrap().unwrap();
        frame.into_data().unwrap()
    }

    #[tokio::test]
    async fn blanks_come_until_the_work_is_done() {
        let (finish, finished) = tokio::sync::oneshot::channel::<()>();
        let mut late = Late::new(async {
            finished.await.unwrap();
            document(&s3_error!(NoSuchKey))
        });
        assert_eq!(frame(&mut late).await, DECLARATION);
        assert_eq!(frame(&mut late).await, " ");
        finish.send(()).unwrap();
        let rest = late.collect().await.unwrap().to_bytes();
        assert_eq!(rest.trim_ascii(), b"<Error><Code>NoSuchKey</Code></Error>");
    }

    #[tokio::test]
    async fn what_is_done_at_once_needs_no_blanks() {
        let late = Late::new(async { Bytes::from_static(b"<a/>") });
        let all = late.collect().await.unwrap().to_bytes();
        assert_eq!(all, [DECLARATION, b"<a/>"].concat());
    }
}
