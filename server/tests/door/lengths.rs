//! Bodies whose length is told by a header, by chunks, or not at all.

use crate::client::{Request, Response, sha256};
use crate::server::TestServer;
use moraine_server::Limits;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

const BODY: &[u8] = b"Nobody knew how long this would become.";

/// In HTTP chunks of 10 bytes.
fn in_chunks(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for chunk in body.chunks(10) {
        out.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
        out.extend_from_slice(chunk);
        out.extend(b"\r\n");
    }
    out.extend(b"0\r\n\r\n");
    out
}

fn unsigned(server: &TestServer, target: &str) -> Request {
    server
        .client()
        .request("PUT", target)
        .content_sha256("UNSIGNED-PAYLOAD")
        .without_length()
}

async fn chunked(server: &TestServer, request: Request, body: &[u8]) -> Response {
    let mut signed = request.header("transfer-encoding", "chunked").sign();
    signed.body = body.to_vec();
    signed.send(server.address).await
}

#[tokio::test]
async fn a_body_in_chunks_is_stored() {
    let server = TestServer::start().await;
    let answer = chunked(&server, unsigned(&server, "/media/k"), &in_chunks(BODY)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(server.client().get("/media/k").await.body, BODY);
    let answer = chunked(&server, unsigned(&server, "/media/none"), &in_chunks(b"")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(server.client().get("/media/none").await.body, b"");
}

#[tokio::test]
async fn a_part_in_chunks_is_stored() {
    let server = TestServer::start().await;
    let begun = server.client().request("POST", "/media/k?uploads");
    let id = begun.send().await.element("UploadId").unwrap();
    let target = format!("/media/k?partNumber=1&uploadId={id}");
    let answer = chunked(&server, unsigned(&server, &target), &in_chunks(BODY)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[tokio::test]
async fn a_link_takes_a_body_in_chunks() {
    let server = TestServer::start().await;
    let link = server.client().request("PUT", "/media/k").presign(60);
    let head = format!(
        "PUT {link} HTTP/1.1\r\nHost: {}\r\nTransfer-Encoding: chunked\r\n\r\n",
        server.address
    );
    let bytes = [head.into_bytes(), in_chunks(BODY)].concat();
    assert_eq!(server.anonymous().raw(&bytes).await.status, 200);
    assert_eq!(server.client().get("/media/k").await.body, BODY);
}

#[tokio::test]
async fn chunks_that_do_not_end_leave_nothing() {
    let server = TestServer::start().await;
    let body = in_chunks(BODY);
    for cut in [0, 3, 20, body.len() - 5, body.len() - 1] {
        let request = unsigned(&server, "/media/k").header("transfer-encoding", "chunked");
        let head = request.sign().head;
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream
            .write_all(&[&head, &body[..cut]].concat())
            .await
            .unwrap();
        stream.shutdown().await.unwrap();
        let answer = crate::client::read(&mut tokio::io::BufReader::new(stream), false).await;
        assert!([400, 0].contains(&answer.status), "{cut}: {answer:?}");
        assert!(!server.holds("k").await, "cut at {cut}");
    }
}

#[tokio::test]
async fn chunks_without_an_end_are_counted() {
    let limits = Limits {
        body_bytes_max: 30,
        ..Limits::default()
    };
    let server = TestServer::with(limits).await;
    let (exact, more) = (in_chunks(&BODY[..30]), in_chunks(&BODY[..31]));
    let answer = chunked(&server, unsigned(&server, "/media/k"), &exact).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let answer = chunked(&server, unsigned(&server, "/media/l"), &more).await;
    answer.is(400, "EntityTooLarge");
    assert!(!server.holds("l").await);
}

#[tokio::test]
async fn the_hash_of_a_body_needs_its_length() {
    let server = TestServer::start().await;
    let request = server
        .client()
        .request("PUT", "/media/k")
        .content_sha256(&sha256(BODY))
        .without_length();
    let answer = chunked(&server, request, &in_chunks(BODY)).await;
    answer.is(411, "MissingContentLength");
    assert!(!server.holds("k").await);
}

#[tokio::test]
async fn a_body_of_no_length_at_all_is_refused() {
    let server = TestServer::start().await;
    let request = unsigned(&server, "/media/k").send().await;
    request.is(411, "MissingContentLength");
    let hashed = server.client().request("PUT", "/media/k").without_length();
    hashed.send().await.is(411, "MissingContentLength");
    let link = server.client().request("PUT", "/media/k").presign(60);
    let head = format!("PUT {link} HTTP/1.1\r\nHost: {}\r\n\r\n", server.address);
    let answer = server.anonymous().raw(head.as_bytes()).await;
    answer.is(411, "MissingContentLength");
    assert!(!server.holds("k").await);
}

#[tokio::test]
async fn a_body_larger_than_any_object_is_refused_unread() {
    let server = TestServer::start().await;
    for length in ["5368709121", "9223372036854775807"] {
        let request = unsigned(&server, "/media/k")
            .header("content-length", length)
            .header("expect", "100-continue");
        let answer = request.send().await;
        answer.is(400, "EntityTooLarge");
        assert_eq!(answer.header("connection"), Some("close"));
    }
}
