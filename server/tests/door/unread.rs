//! Refusals before the body is read, and what becomes of the connection then.

use crate::client::{Request, Response, base64, md5, read};
use crate::server::TestServer;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

const SOON: Duration = Duration::from_secs(8);

async fn connect(server: &TestServer) -> BufReader<TcpStream> {
    BufReader::new(TcpStream::connect(server.address).await.unwrap())
}

/// A PUT whose signature is wrong, with a body that nobody should wait for.
fn forged(server: &TestServer, expect: bool) -> Vec<u8> {
    let mut request = server
        .client()
        .request("PUT", "/media/k")
        .content_sha256("UNSIGNED-PAYLOAD")
        .without_length()
        .header("content-length", "5000000000");
    if expect {
        request = request.header("expect", "100-continue");
    }
    let head = String::from_utf8(request.sign().head).unwrap();
    head.replacen("/media/k", "/media/l", 1).into_bytes()
}

#[tokio::test]
async fn a_wrong_signature_is_refused_with_the_body_unread() {
    let server = TestServer::start().await;
    for expect in [true, false] {
        let mut stream = connect(&server).await;
        stream.write_all(&forged(&server, expect)).await.unwrap();
        let mut first = [0; 12];
        let answer = tokio::time::timeout(SOON, stream.read_exact(&mut first));
        answer.await.unwrap().unwrap();
        assert_eq!(&first, b"HTTP/1.1 403", "{}", first.escape_ascii());
        let mut rest = Vec::new();
        let ended = tokio::time::timeout(SOON, stream.read_to_end(&mut rest));
        ended.await.unwrap().unwrap();
        let rest = String::from_utf8(rest).unwrap().to_ascii_lowercase();
        assert!(rest.contains("connection: close"), "{rest}");
    }
}

#[tokio::test]
async fn a_client_that_sends_on_still_sees_the_refusal() {
    let server = TestServer::start().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(&forged(&server, false)).await.unwrap();
    // More than the buffers between the two take.
    stream.write_all(&vec![0; 20 << 20]).await.unwrap();
    let answer = read(&mut BufReader::new(stream), false).await;
    answer.is(403, "SignatureDoesNotMatch");
}

#[tokio::test]
async fn a_client_that_never_stops_sending_is_cut_off() {
    let server = TestServer::start().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(&forged(&server, false)).await.unwrap();
    let piece = vec![0; 1 << 20];
    let sending = async { while stream.write_all(&piece).await.is_ok() {} };
    tokio::time::timeout(Duration::from_secs(60), sending)
        .await
        .unwrap();
}

#[tokio::test]
async fn the_client_is_asked_for_the_body_once_the_signature_is_accepted() {
    let server = TestServer::start().await;
    let request = server.client().request("PUT", "/media/k").body(b"body");
    let signed = request.header("expect", "100-continue").sign();
    let mut stream = connect(&server).await;
    stream.write_all(&signed.head).await.unwrap();
    let mut first = [0; 25];
    stream.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(&signed.body).await.unwrap();
    assert_eq!(read(&mut stream, false).await.status, 200);
}

async fn on(stream: &mut BufReader<TcpStream>, request: Request) -> Response {
    let signed = request.sign();
    let bytes = [signed.head, signed.body].concat();
    stream.write_all(&bytes).await.unwrap();
    read(stream, false).await
}

#[tokio::test]
async fn the_connection_goes_on_after_an_error_whose_body_was_read() {
    let server = TestServer::start().await;
    let client = server.client();
    let mut stream = connect(&server).await;
    let other = base64(&md5(b"other"));
    let put = client.request("PUT", "/media/k").body(b"body");
    let answer = on(&mut stream, put.header("content-md5", &other)).await;
    answer.is(400, "BadDigest");
    let put = client.request("PUT", "/media/k").body(b"body");
    let answer = on(&mut stream, put.content_sha256(&"0".repeat(64))).await;
    answer.is(400, "XAmzContentSHA256Mismatch");
    let create = client.request("PUT", "/another").body(b"<A/>");
    let answer = on(&mut stream, create.header("content-md5", &other)).await;
    answer.is(400, "BadDigest");
    let create = client.request("PUT", "/another").body(b"<A/>");
    on(&mut stream, create).await.is(400, "MalformedXML");
    let get = client.request("GET", "/media/k");
    on(&mut stream, get).await.is(404, "NoSuchKey");
    let put = client.request("PUT", "/media/k").body(b"body");
    assert_eq!(on(&mut stream, put).await.status, 200);
    assert!(server.store.bucket("another").is_none());
}

#[tokio::test]
async fn a_client_that_waits_to_be_asked_for_nothing_keeps_no_connection() {
    let server = TestServer::start().await;
    for (body, kept) in [(&b""[..], false), (b"body", true)] {
        let request = server.client().request("PUT", "/media/k").body(body);
        let answer = request.header("expect", "100-continue").send().await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("connection"), (!kept).then_some("close"));
    }
}
