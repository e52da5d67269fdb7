//! The answer to a long CompleteMultipartUpload, made well-formed.
//!
//! `s3s` begins it with an XML declaration, sends blanks while the work goes on, and then, if the work failed, an error
//! document with a declaration of its own. Two declarations are not XML: the second is left out. What its names hold that XML
//! cannot carry leaves as references, like everywhere.

use super::readable;
use bytes::{Buf, Bytes};
use http_body::{Body, Frame};
use std::pin::Pin;
use std::task::{Context, Poll};

/// An XML answer with one declaration.
pub struct OneDeclaration {
    inner: s3s::Body,
    begun: bool,
}

impl OneDeclaration {
    /// Passes on `inner`, whose declarations each begin a frame.
    pub const fn new(inner: s3s::Body) -> Self {
        Self {
            inner,
            begun: false,
        }
    }
}

impl Body for OneDeclaration {
    type Data = Bytes;
    type Error = s3s::StdError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, s3s::StdError>>> {
        let frame = std::task::ready!(Pin::new(&mut self.inner).poll_frame(cx));
        let begun = std::mem::replace(&mut self.begun, true);
        Poll::Ready(frame.map(|frame| {
            frame.map(|frame| {
                if begun {
                    frame.map_data(|data| readable(without_declaration(data)))
                } else {
                    frame
                }
            })
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }
}

fn without_declaration(mut bytes: Bytes) -> Bytes {
    if bytes.starts_with(b"<?xml") {
        let end = bytes.windows(2).position(|pair| pair == b"?>");
        bytes.advance(end.map_or(0, |at| at + 2));
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::{BodyExt, StreamBody};

    #[tokio::test]
    async fn only_the_first_declaration_passes() {
        let frames = [
            "<?xml version=\"1.0\"?>",
            " ",
            " ",
            "<?xml version=\"1.0\"?><Error/>",
        ];
        let frames = frames.map(|text| Ok::<_, std::io::Error>(Frame::data(Bytes::from(text))));
        let body = StreamBody::new(futures_util::stream::iter(frames));
        let body = OneDeclaration::new(s3s::Body::http_body_unsync(body));
        let text = body.collect().await.unwrap().to_bytes();
        assert_eq!(text, "<?xml version=\"1.0\"?>  <Error/>");
    }
}
