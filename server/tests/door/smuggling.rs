//! Requests that two readers could cut apart in two ways, and those that are not HTTP/1.1 as S3 speaks it: an error or the
//! end of the connection, and nothing behind them is ever served.

use crate::server::TestServer;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longer than a connection is read on after its last answer.
const IN_TIME: Duration = Duration::from_secs(20);

/// Sends `bytes` and nothing more, and returns all that comes back before the connection ends.
async fn all_that_comes(server: &TestServer, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let _ = stream.write_all(bytes).await;
    let _ = stream.shutdown().await;
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    // A reset is an end too.
    let _ = tokio::time::timeout(IN_TIME, read).await.unwrap();
    String::from_utf8(answer).unwrap()
}

/// A whole, true request that stores `/media/hidden`.
fn hidden(server: &TestServer) -> Vec<u8> {
    let request = server.client().request("PUT", "/media/hidden").body(b"x");
    let signed = request.sign();
    [signed.head, signed.body].concat()
}

/// Sends `request` with a request hidden behind it: there is one answer at most, with one of `statuses` (0 for none), and
/// nothing is stored.
async fn refused(server: &TestServer, request: &[u8], statuses: &[u16]) {
    let bytes = [request, &hidden(server)].concat();
    let answer = all_that_comes(server, &bytes).await;
    let shown = request.escape_ascii();
    let status = answer.get(9..12).map_or(0, |it| it.parse().unwrap());
    assert!(statuses.contains(&status), "{shown}: {answer}");
    assert!(answer.matches("HTTP/1.").count() <= 1, "{shown}: {answer}");
    assert!(!server.holds("hidden").await, "{shown}");
}

/// The head of a public read with more headers.
fn get(headers: &str) -> Vec<u8> {
    format!("GET /open/k HTTP/1.1\r\nHost: x\r\n{headers}\r\n\r\n").into_bytes()
}

#[tokio::test]
async fn what_is_behind_a_plain_request_is_served() {
    // Or the tests below could not fail.
    let server = TestServer::start().await;
    let bytes = [get("Accept: */*"), hidden(&server)].concat();
    let answer = all_that_comes(&server, &bytes).await;
    assert_eq!(answer.matches("HTTP/1.").count(), 2, "{answer}");
    assert!(server.holds("hidden").await);
}

#[tokio::test]
async fn lengths_that_are_not_one_plain_length() {
    let server = TestServer::start().await;
    for headers in [
        "Content-Length: 0\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 0",
        "Content-Length: 0\r\nContent-Length: 0",
        "Content-Length: 0\r\nContent-Length: 5",
        "Content-Length: 0, 0",
        "Content-Length: 5, 5",
        "Content-Length: -1",
        "Content-Length: +0",
        "Content-Length: 0x0",
        "Content-Length: 0 0",
        "Content-Length:",
        "Content-Length: 99999999999999999999",
        "Transfer-Encoding: gzip",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding: \"chunked\"",
        "Transfer-Encoding:\x0bchunked",
    ] {
        let request = [get(headers), b"0\r\n\r\n".to_vec()].concat();
        refused(&server, &request, &[400, 0]).await;
    }
}

#[tokio::test]
async fn the_largest_length_is_waited_for_in_vain() {
    let server = TestServer::start().await;
    for length in ["9223372036854775807", "18446744073709551613"] {
        let request = get(&format!("Content-Length: {length}"));
        refused(&server, &request, &[404, 400]).await;
    }
}

#[tokio::test]
async fn heads_that_are_not_well_formed() {
    let server = TestServer::start().await;
    for headers in [
        "X: y\r\n folded: z",
        "X: y\r\n\tfolded",
        "X : y",
        "Content-Length : 5",
        " X: y",
        "X",
        ": y",
        "X: a\nTransfer-Encoding: chunked",
        "X: a\rb",
        "X: a\0b",
        "X\0: a",
        "X(: a",
        "Host: second",
        "Authorization: a\r\nAuthorization: b",
    ] {
        refused(&server, &get(headers), &[400, 0]).await;
    }
}

#[tokio::test]
async fn lines_that_end_with_a_bare_line_feed() {
    let server = TestServer::start().await;
    for request in [
        "GET /open/k HTTP/1.1\nHost: x\n\n",
        "GET /open/k HTTP/1.1\r\nHost: x\n\r\n",
        "GET /open/k HTTP/1.1\r\nHost: x\r\n\n",
    ] {
        refused(&server, request.as_bytes(), &[400, 0]).await;
    }
}

#[tokio::test]
async fn request_lines_that_are_not_well_formed() {
    let server = TestServer::start().await;
    for line in [
        "GET /open/k",
        "GET  /open/k HTTP/1.1",
        "GET /open/k  HTTP/1.1",
        " GET /open/k HTTP/1.1",
        "GET\t/open/k\tHTTP/1.1",
        "GET /open/\x01 HTTP/1.1",
        "GET /open/\x7f HTTP/1.1",
        "GET /open/a b HTTP/1.1",
        "GET /open/k HTTP/1.2",
        "GET /open/k HTTP/2.0",
        "GET /open/k HTTP/0.9",
        "GET /open/k HTTP/1.1 x",
        "G\x00T /open/k HTTP/1.1",
        "GET open/k HTTP/1.1",
        "GET * HTTP/1.1",
        "OPTIONS * HTTP/1.1",
        "GET http://x/open/k HTTP/1.1",
        "GET //open/k HTTP/1.1",
        "GET ?x HTTP/1.1",
    ] {
        let request = format!("{line}\r\nHost: x\r\nConnection: close\r\n\r\n");
        refused(&server, request.as_bytes(), &[400, 403, 404, 505, 0]).await;
    }
    refused(&server, b"GET /open/k\r\n", &[400, 0]).await;
    refused(&server, b"\x16\x03\x01\x02\x00\x01\x00\x01", &[400, 0]).await;
}

#[tokio::test]
async fn other_protocols_and_methods() {
    let server = TestServer::start().await;
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    refused(&server, preface, &[400, 505, 0]).await;
    for line in [
        "CONNECT elsewhere:80 HTTP/1.1",
        "CONNECT /open/k HTTP/1.1",
        "TRACE /open/k HTTP/1.1",
        "PATCH /open/k HTTP/1.1",
        "get /open/k HTTP/1.1",
        "PROPFIND /open/k HTTP/1.1",
    ] {
        let request = format!("{line}\r\nHost: x\r\nConnection: close\r\n\r\n");
        refused(&server, request.as_bytes(), &[405, 400, 0]).await;
    }
    // An offer to speak something else is not taken up.
    let upgrade = get("Connection: Upgrade, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AA");
    refused(&server, &upgrade, &[404]).await;
}

#[tokio::test]
async fn chunks_that_are_not_well_formed() {
    let server = TestServer::start().await;
    let client = server.client();
    for body in [
        "x\r\n",
        "-1\r\n\r\n",
        "1\nx\r\n0\r\n\r\n",
        "1\r\nxy\r\n0\r\n\r\n",
        "1\r\nx\n0\r\n\r\n",
        "ffffffffffffffffff\r\n",
        "1;a=\"\nb\"\r\nx\r\n0\r\n\r\n",
        "0\r\nContent-Length: 5\n\r\n",
        "\r\n",
        "1 1\r\nx\r\n0\r\n\r\n",
    ] {
        let put = client
            .request("PUT", "/media/k")
            .content_sha256("UNSIGNED-PAYLOAD")
            .without_length()
            .header("transfer-encoding", "chunked");
        let request = [put.sign().head, body.as_bytes().to_vec()].concat();
        refused(&server, &request, &[400, 0]).await;
        assert!(!server.holds("k").await, "{body:?}");
    }
}

#[tokio::test]
async fn http_1_0_is_served_once() {
    let server = TestServer::start().await;
    server.client().put("/open/k", b"x").await;
    let request = b"GET /open/k HTTP/1.0\r\nHost: x\r\n\r\n";
    let bytes = [&request[..], &hidden(&server)].concat();
    let answer = all_that_comes(&server, &bytes).await;
    assert!(answer.starts_with("HTTP/1.0 200") && answer.ends_with("\r\n\r\nx"));
    assert!(!server.holds("hidden").await);
    let chunked =
        b"PUT /media/k HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    refused(&server, chunked, &[400, 0]).await;
}
