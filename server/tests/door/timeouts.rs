//! Clients that stop in the middle lose their connection, and leave nothing.

use crate::client::{Client, read};
use crate::server::TestServer;
use moraine_server::Limits;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

#[tokio::test]
async fn a_body_that_stops_coming_is_given_up() {
    let limits = Limits {
        body_idle: Duration::from_millis(200),
        ..Limits::default()
    };
    let server = TestServer::with(limits).await;
    let request = server
        .client()
        .request("PUT", "/media/k")
        .content_sha256("UNSIGNED-PAYLOAD");
    let signed = request
        .without_length()
        .header("content-length", "100")
        .sign();
    let mut stream = BufReader::new(TcpStream::connect(server.address).await.unwrap());
    stream
        .write_all(&[signed.head, b"only this".to_vec()].concat())
        .await
        .unwrap();
    let answer = read(&mut stream, false).await;
    answer.is(400, "RequestTimeout");
    assert_eq!(answer.header("connection"), Some("close"));
    assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
    assert!(!server.holds("k").await);
}

#[tokio::test]
async fn a_head_that_stops_coming_is_given_up() {
    let limits = Limits {
        head_timeout: Duration::from_millis(200),
        ..Limits::default()
    };
    let server = TestServer::with(limits).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"GET /media/k HT").await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert!(
        answer.is_empty() || answer.starts_with(b"HTTP/1.1 408"),
        "{}",
        answer.escape_ascii()
    );
}

#[tokio::test]
async fn an_answer_that_nobody_takes_is_given_up() {
    let limits = Limits {
        send_idle: Duration::from_millis(200),
        ..Limits::default()
    };
    let server = TestServer::with(limits).await;
    // More than the kernel takes off the server's hands.
    let body = vec![7; 24 << 20];
    assert_eq!(server.client().put("/media/k", &body).await.status, 200);
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream
        .write_all(&server.client().request("GET", "/media/k").sign().head)
        .await
        .unwrap();
    let broken = "operation=\"GetObject\",status=\"200\"} 1";
    loop {
        // The books on the read are closed only when it is given up: nobody will ever take it.
        let metrics = Client::new(server.admin, None).get("/metrics").await.text();
        if metrics.contains(broken) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut taken = Vec::new();
    let _ = stream.read_to_end(&mut taken).await;
    assert!(taken.len() < body.len());
}
