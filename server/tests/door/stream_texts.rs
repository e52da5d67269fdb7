//! The texts of the errors that `s3s` gives a body's stream. Its types are private, so the server tells them apart by
//! these texts: a version that changes one fails here.

use crate::client::{Client, Credentials, Request, crc32, sha256};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use s3s::auth::SimpleAuth;
use s3s::dto::{PutObjectInput, PutObjectOutput};
use s3s::service::S3ServiceBuilder;
use s3s::{Body, S3, S3Request, S3Response, S3Result};
use std::sync::{Arc, Mutex};

/// Reads bodies and keeps the text of the error.
#[derive(Clone, Default)]
struct Reader(Arc<Mutex<Option<String>>>);

#[async_trait::async_trait]
impl S3 for Reader {
    async fn put_object(
        &self,
        request: S3Request<PutObjectInput>,
    ) -> S3Result<S3Response<PutObjectOutput>> {
        let error = Body::from(request.input.body.unwrap())
            .collect()
            .await
            .err();
        *self.0.lock().unwrap() = error.map(|error| error.to_string());
        Ok(S3Response::new(PutObjectOutput::default()))
    }
}

fn request() -> Request {
    let credentials = Credentials::from(("AK", "SK"));
    Client::new("127.0.0.1:1".parse().unwrap(), Some(credentials)).request("PUT", "/bucket/key")
}

/// The error's text when `s3s` reads `body` behind the head of `request`.
async fn text(request: Request, body: &[u8]) -> Option<String> {
    let head = String::from_utf8(request.sign().head).unwrap();
    let mut lines = head.trim_end().split("\r\n");
    let mut first = lines.next().unwrap().split(' ');
    let mut builder = http::Request::builder()
        .method(first.next().unwrap())
        .uri(first.next().unwrap());
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap();
        builder = builder.header(name, value);
    }
    // In frames of 100 bytes, as a socket might give them.
    let frames: Vec<_> = body
        .chunks(100)
        .map(|chunk| Ok::<_, std::io::Error>(Frame::data(bytes::Bytes::copy_from_slice(chunk))))
        .collect();
    let body = StreamBody::new(futures_util::stream::iter(frames));
    let reader = Reader::default();
    let mut service = S3ServiceBuilder::new(reader.clone());
    service.set_auth(SimpleAuth::from_single("AK", "SK"));
    let request = builder.body(Body::http_body_unsync(body)).unwrap();
    let response = service.build().call(request).await.unwrap();
    assert_eq!(response.status(), 200);
    reader.0.lock().unwrap().clone()
}

fn coded(kind: &str) -> Request {
    request()
        .content_sha256(kind)
        .without_length()
        .header("x-amz-decoded-content-length", "3")
        .header("x-amz-trailer", "x-amz-checksum-crc32")
}

const UNSIGNED: &str = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";

#[tokio::test]
async fn sha256_mismatch() {
    let request = request()
        .content_sha256(&sha256(b"x"))
        .without_length()
        .header("content-length", "3");
    assert_eq!(
        text(request, b"abc").await.as_deref(),
        Some("UploadStreamError: Sha256Mismatch")
    );
}

#[tokio::test]
async fn length_mismatch() {
    let request = request()
        .content_sha256(&sha256(b"abc"))
        .without_length()
        .header("content-length", "2");
    assert_eq!(
        text(request, b"abc").await.as_deref(),
        Some("UploadStreamError: LengthMismatch")
    );
}

#[tokio::test]
async fn incomplete_upload() {
    let request = request()
        .content_sha256(&sha256(b"abc"))
        .without_length()
        .header("content-length", "4");
    assert_eq!(
        text(request, b"abc").await.as_deref(),
        Some("UploadStreamError: Incomplete")
    );
}

#[tokio::test]
async fn incomplete_chunk() {
    let text = text(coded(UNSIGNED), b"3\r\nab").await;
    assert_eq!(text.as_deref(), Some("AwsChunkedStreamError: Incomplete"));
}

#[tokio::test]
async fn chunk_format() {
    let text = text(coded(UNSIGNED), b"x\r\nabc\r\n").await;
    assert_eq!(text.as_deref(), Some("AwsChunkedStreamError: FormatError"));
}

#[tokio::test]
async fn chunk_signature() {
    let body = format!("3;chunk-signature={}\r\nabc\r\n", "0".repeat(64));
    let text = text(coded("STREAMING-AWS4-HMAC-SHA256-PAYLOAD"), body.as_bytes()).await;
    assert_eq!(
        text.as_deref(),
        Some("AwsChunkedStreamError: SignatureMismatch")
    );
}

#[tokio::test]
async fn long_chunk_line() {
    let body = format!("3;{}\r\nabc\r\n", "x".repeat(2000));
    let text = text(coded(UNSIGNED), body.as_bytes()).await.unwrap();
    let start = "AwsChunkedStreamError: Underlying: AwsChunkedStreamError: ChunkMetaTooLarge: ";
    assert!(text.starts_with(start), "{text}");
}

#[tokio::test]
async fn long_trailers() {
    let body = format!("3\r\nabc\r\n0\r\nx:{}\r\n\r\n", "y".repeat(20_000));
    let text = text(coded(UNSIGNED), body.as_bytes()).await.unwrap();
    assert!(
        text.starts_with("AwsChunkedStreamError: TrailersTooLarge: "),
        "{text}"
    );
}

#[tokio::test]
async fn many_trailers() {
    let trailers: String = (0..200).map(|n| format!("x-{n}:y\r\n")).collect();
    let body = format!("3\r\nabc\r\n0\r\n{trailers}\r\n");
    let text = text(coded(UNSIGNED), body.as_bytes()).await.unwrap();
    assert!(
        text.starts_with("AwsChunkedStreamError: TooManyTrailerHeaders: "),
        "{text}"
    );
}

/// What `s3s` lets pass, and the server therefore watches itself. When this fails, some of that can go.
#[tokio::test]
async fn what_passes_in_silence() {
    let crc = crc32(b"abc");
    for body in [
        "3\r\nabc\r\n".to_owned(),
        "3\r\nabc\r\n0\r\n\r\n".to_owned(),
        "2\r\nab\r\n0\r\n\r\n".to_owned(),
        format!("3\r\nabd\r\n0\r\nx-amz-checksum-crc32:{crc}\r\n\r\n"),
    ] {
        assert_eq!(text(coded(UNSIGNED), body.as_bytes()).await, None, "{body}");
    }
}
