//! Stopping: what is in flight ends, nothing new begins, the store is closed.

use crate::client::read;
use crate::server::TestServer;
use moraine_server::Limits;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

#[tokio::test]
async fn a_request_in_flight_ends_well() {
    let mut server = TestServer::start().await;
    let signed = server
        .client()
        .request("PUT", "/media/k")
        .body(b"in flight")
        .sign();
    let mut stream = BufReader::new(TcpStream::connect(server.address).await.unwrap());
    stream.write_all(&signed.head).await.unwrap();
    stream.write_all(b"in ").await.unwrap();
    // Answered on another connection: by now the first one was accepted.
    server
        .client()
        .get("/media/other")
        .await
        .is(404, "NoSuchKey");
    let idle = TcpStream::connect(server.address).await;
    server.begin_stop();
    stream.write_all(b"flight").await.unwrap();
    let answer = read(&mut stream, false).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
    drop(idle);
    let address = server.address;
    server.stopped().await.unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_request_that_does_not_end_is_cut_off() {
    let limits = Limits {
        drain: Duration::from_millis(100),
        ..Limits::default()
    };
    let mut server = TestServer::with(limits).await;
    let signed = server
        .client()
        .request("PUT", "/media/k")
        .body(b"in flight")
        .sign();
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(&signed.head).await.unwrap();
    server
        .client()
        .get("/media/other")
        .await
        .is(404, "NoSuchKey");
    server.begin_stop();
    server.stopped().await.unwrap();
}
