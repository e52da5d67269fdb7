//! Bodies in the aws-chunked coding: signed and unsigned, with and without trailers, complete and not.

use crate::client::{Request, Response, Signed, crc32};
use crate::server::TestServer;
use moraine_server::Limits;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

const BODY: &[u8] = b"every byte of this counts";
const UNSIGNED: &str = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";
const SIGNED: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
const SIGNED_TRAILER: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER";

fn begin(server: &TestServer, kind: &str) -> Request {
    server
        .client()
        .request("PUT", "/media/k")
        .content_sha256(kind)
        .without_length()
        .header("content-encoding", "aws-chunked")
        .header("x-amz-decoded-content-length", &BODY.len().to_string())
}

/// Sends `coded` with its own length.
async fn unsigned(server: &TestServer, coded: &str) -> Response {
    let request = begin(server, UNSIGNED)
        .header("x-amz-trailer", "x-amz-checksum-crc32")
        .header("content-length", &coded.len().to_string());
    let mut signed = request.sign();
    signed.body = coded.as_bytes().to_vec();
    signed.send(server.address).await
}

fn chunks() -> String {
    let (one, two) = BODY.split_at(10);
    let text = |bytes| std::str::from_utf8(bytes).unwrap();
    format!(
        "{:x}\r\n{}\r\n{:x}\r\n{}\r\n",
        one.len(),
        text(one),
        two.len(),
        text(two)
    )
}

#[tokio::test]
async fn complete_bodies_are_stored() {
    let server = TestServer::start().await;
    let coded = format!(
        "{}0\r\nx-amz-checksum-crc32:{}\r\n\r\n",
        chunks(),
        crc32(BODY)
    );
    let put = unsigned(&server, &coded).await;
    assert_eq!(put.status, 200, "{}", put.text());
    assert_eq!(
        put.header("x-amz-checksum-crc32"),
        Some(crc32(BODY).as_str())
    );
    let get = server.client().get("/media/k").await;
    assert_eq!(get.body, BODY);
    assert_eq!(get.header("content-encoding"), None);
}

#[tokio::test]
async fn a_transfer_in_chunks_without_a_length_is_stored() {
    let server = TestServer::start().await;
    let coded = format!(
        "{}0\r\nx-amz-checksum-crc32:{}\r\n\r\n",
        chunks(),
        crc32(BODY)
    );
    let request = begin(&server, UNSIGNED)
        .header("x-amz-trailer", "x-amz-checksum-crc32")
        .header("transfer-encoding", "chunked");
    let mut signed = request.sign();
    signed.body = format!("{:x}\r\n{coded}\r\n0\r\n\r\n", coded.len()).into_bytes();
    assert_eq!(signed.send(server.address).await.status, 200);
    assert_eq!(server.client().get("/media/k").await.body, BODY);
}

#[tokio::test]
async fn other_codings_of_the_content_are_kept() {
    let server = TestServer::start().await;
    let coded = format!(
        "{}0\r\nx-amz-checksum-crc32:{}\r\n\r\n",
        chunks(),
        crc32(BODY)
    );
    let mut signed = server
        .client()
        .request("PUT", "/media/k")
        .content_sha256(UNSIGNED)
        .without_length()
        .header("content-encoding", "gzip, aws-chunked")
        .header("x-amz-decoded-content-length", &BODY.len().to_string())
        .header("x-amz-trailer", "x-amz-checksum-crc32")
        .header("content-length", &coded.len().to_string())
        .sign();
    signed.body = coded.into_bytes();
    assert_eq!(signed.send(server.address).await.status, 200);
    assert_eq!(
        server
            .client()
            .get("/media/k")
            .await
            .header("content-encoding"),
        Some("gzip")
    );
}

#[tokio::test]
async fn faulty_bodies_leave_nothing() {
    let server = TestServer::start().await;
    let crc = crc32(BODY);
    let wrong = crc32(b"other");
    let data = chunks();
    let (one, _) = data.split_at(15);
    for (what, coded, code) in [
        (
            "wrong trailer",
            format!("{data}0\r\nx-amz-checksum-crc32:{wrong}\r\n\r\n"),
            "BadDigest",
        ),
        (
            "missing trailer",
            format!("{data}0\r\n\r\n"),
            "MalformedTrailerError",
        ),
        (
            "another trailer",
            format!("{data}0\r\nx-amz-checksum-crc32c:{crc}\r\n\r\n"),
            "MalformedTrailerError",
        ),
        (
            "one trailer too many",
            format!("{data}0\r\nx-amz-checksum-crc32:{crc}\r\nx-amz-checksum-sha1:x\r\n\r\n"),
            "MalformedTrailerError",
        ),
        (
            "half a trailer",
            format!("{data}0\r\nx-amz-checksum-crc32:{}", &crc[..4]),
            "BadDigest",
        ),
        ("missing last chunk", data.clone(), "IncompleteBody"),
        ("missing second chunk", one.to_owned(), "IncompleteBody"),
        (
            "fewer bytes than announced",
            format!(
                "{one}0\r\nx-amz-checksum-crc32:{}\r\n\r\n",
                crc32(&BODY[..10])
            ),
            "IncompleteBody",
        ),
        (
            "more bytes than announced",
            format!("{data}1\r\nx\r\n0\r\nx-amz-checksum-crc32:{crc}\r\n\r\n"),
            "IncompleteBody",
        ),
        (
            "oversized chunk",
            format!("800001\r\n{data}"),
            "InvalidRequest",
        ),
        ("no size", format!("x\r\n{data}"), "InvalidRequest"),
        (
            "a chunk longer than its size",
            data.replacen('a', "8", 1),
            "InvalidRequest",
        ),
    ] {
        let answer = unsigned(&server, &coded).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (400, code),
            "{what}"
        );
        assert!(!server.holds("k").await, "{what}");
    }
}

/// `BODY` in two signed chunks, and the signature of the last chunk.
fn signed_chunks(signed: &Signed) -> (String, String) {
    let (one, two) = BODY.split_at(10);
    let mut coded = String::new();
    let mut previous = signed.signature.clone();
    for chunk in [one, two, b""] {
        previous = signed.chunk_signature(&previous, chunk);
        coded.push_str(&format!("{:x};chunk-signature={previous}\r\n", chunk.len()));
        if !chunk.is_empty() {
            coded.push_str(std::str::from_utf8(chunk).unwrap());
            coded.push_str("\r\n");
        }
    }
    (coded, previous)
}

#[tokio::test]
async fn signed_chunks_are_stored_and_tampered_ones_are_not() {
    let server = TestServer::start().await;
    // Two chunk lines with signatures of 64 digits, the last one, and the data.
    let length = (1 + 17 + 64 + 2) * 3 + BODY.len() + 4 + 2;
    let begin = || {
        begin(&server, SIGNED)
            .header("content-length", &length.to_string())
            .sign()
    };
    let mut signed = begin();
    let (coded, _) = signed_chunks(&signed);
    signed.body = format!("{}\r\n", coded.replacen("every", "Every", 1)).into_bytes();
    assert_eq!(signed.body.len(), length);
    signed
        .send(server.address)
        .await
        .is(403, "SignatureDoesNotMatch");
    assert!(!server.holds("k").await);
    let mut signed = begin();
    let (coded, _) = signed_chunks(&signed);
    signed.body = format!("{coded}\r\n").into_bytes();
    assert_eq!(signed.send(server.address).await.status, 200);
    assert_eq!(server.client().get("/media/k").await.body, BODY);
}

#[tokio::test]
async fn signed_trailers_are_checked() {
    let server = TestServer::start().await;
    let trailer = format!("x-amz-checksum-crc32:{}\n", crc32(BODY));
    for (tampered, status) in [(true, 403), (false, 200)] {
        // The lines of the chunks, the data, the trailer, its signature, and the line ends.
        let length = (1 + 17 + 64 + 2) * 3
            + BODY.len()
            + 4
            + (trailer.len() + 1)
            + ("x-amz-trailer-signature:".len() + 64 + 2)
            + 2;
        let mut signed = begin(&server, SIGNED_TRAILER)
            .header("x-amz-trailer", "x-amz-checksum-crc32")
            .header("content-length", &length.to_string())
            .sign();
        let (coded, last) = signed_chunks(&signed);
        let mut signature = signed.trailer_signature(&last, &trailer);
        if tampered {
            signature = signed.trailer_signature(&last, "x-amz-checksum-crc32:other\n");
        }
        let trailer = trailer.trim_end();
        signed.body =
            format!("{coded}{trailer}\r\nx-amz-trailer-signature:{signature}\r\n\r\n").into_bytes();
        assert_eq!(signed.body.len(), length);
        let answer = signed.send(server.address).await;
        assert_eq!(answer.status, status, "{}", answer.text());
        assert_eq!(server.holds("k").await, !tampered);
    }
}

#[tokio::test]
async fn a_coded_body_needs_its_decoded_length() {
    let server = TestServer::start().await;
    let request = server
        .client()
        .request("PUT", "/media/k")
        .content_sha256(UNSIGNED);
    let request = request
        .header("x-amz-trailer", "x-amz-checksum-crc32")
        .body(b"");
    request
        .content_sha256(UNSIGNED)
        .send()
        .await
        .is(411, "MissingContentLength");
}

/// A body of one chunk of that many bytes.
fn one_chunk(server: &TestServer, size: usize) -> Signed {
    let data = "x".repeat(size);
    let crc = crc32(data.as_bytes());
    let coded = format!("{size:x}\r\n{data}\r\n0\r\nx-amz-checksum-crc32:{crc}\r\n\r\n");
    let mut signed = server
        .client()
        .request("PUT", "/media/k")
        .content_sha256(UNSIGNED)
        .without_length()
        .header("x-amz-decoded-content-length", &size.to_string())
        .header("x-amz-trailer", "x-amz-checksum-crc32")
        .header("content-length", &coded.len().to_string())
        .sign();
    signed.body = coded.into_bytes();
    signed
}

#[tokio::test]
async fn the_memory_for_chunks_is_bounded_over_all_connections() {
    let server = TestServer::with(Limits {
        chunk_memory: 1 << 20,
        memory_wait: Duration::from_millis(300),
        ..Limits::default()
    })
    .await;
    let first = one_chunk(&server, 1 << 20);
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(&first.head).await.unwrap();
    stream.write_all(&first.body[..100_000]).await.unwrap();
    // The first chunk may not have its memory at once, but then keeps it.
    let mut refused = false;
    for _ in 0..50 {
        let second = one_chunk(&server, 65_537).send(server.address).await;
        if second.status == 503 {
            second.is(503, "SlowDown");
            assert_eq!(second.header("connection"), Some("close"));
            refused = true;
            break;
        }
        server.client().request("DELETE", "/media/k").send().await;
    }
    assert!(refused && !server.holds("k").await);
    let free = one_chunk(&server, 65_536).send(server.address).await;
    assert_eq!(free.status, 200);
    stream.write_all(&first.body[100_000..]).await.unwrap();
    let answer = crate::client::read(&mut tokio::io::BufReader::new(stream), false).await;
    assert_eq!(answer.status, 200);
    let second = one_chunk(&server, 1 << 20).send(server.address).await;
    assert_eq!(second.status, 200);
}
