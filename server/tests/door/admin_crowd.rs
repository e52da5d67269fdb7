//! The admin listener among clients who hold its connections, or leave in the middle.

use crate::client::Client;
use crate::server::{ADMIN_TOKEN, TestServer};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// More than the listener serves at once.
const CROWD: usize = 80;

/// Connections that each sent `bytes` and read nothing.
async fn crowd(server: &TestServer, bytes: &[u8]) -> Vec<TcpStream> {
    let mut streams = Vec::new();
    for _ in 0..CROWD {
        let mut stream = TcpStream::connect(server.admin).await.unwrap();
        // Some are turned away.
        let _ = stream.write_all(bytes).await;
        streams.push(stream);
    }
    streams
}

async fn is_alive(server: &TestServer) -> bool {
    let admin = Client::new(server.admin, None);
    let answer = tokio::time::timeout(Duration::from_secs(8), admin.get("/healthz")).await;
    answer.is_ok_and(|answer| answer.status == 200)
}

#[tokio::test]
async fn health_is_told_among_connections_that_ask_nothing() {
    let server = TestServer::start().await;
    let _crowd = crowd(&server, b"").await;
    assert!(is_alive(&server).await);
}

#[tokio::test]
async fn health_is_told_among_connections_that_read_nothing() {
    let server = TestServer::start().await;
    let request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let _crowd = crowd(&server, request.repeat(2000).as_bytes()).await;
    assert!(is_alive(&server).await);
}

#[tokio::test]
async fn a_rotation_whose_client_leaves_is_made_or_not() {
    let server = TestServer::start().await;
    let tenant = server.media.tenant;
    let mut rotated = 0;
    for round in 0..20 {
        let keys = server.store.access_keys(tenant);
        let [old] = keys.as_slice() else {
            panic!("{keys:?} after {round} rounds");
        };
        let mut stream = TcpStream::connect(server.admin).await.unwrap();
        let request = format!(
            "POST /v1/keys/{}/rotate HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {ADMIN_TOKEN}\r\n\
             Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}",
            old.access_key
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_micros(100 * round)).await;
        drop(stream);
        for _ in 0..20 {
            tokio::time::sleep(Duration::from_millis(10)).await;
            if server.store.access_key(&old.access_key).is_none() {
                rotated += 1;
                break;
            }
        }
    }
    assert_eq!(server.store.access_keys(tenant).len(), 1);
    assert!(rotated > 0);
}
