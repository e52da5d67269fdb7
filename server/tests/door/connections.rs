//! Who gets a connection: bounds in all and by address, and who makes room when there is none.

use crate::client::{Client, Response, read};
use crate::server::TestServer;
use moraine_server::{Limits, ServerConfig};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

async fn metric(server: &TestServer, name: &str) -> u64 {
    let metrics = Client::new(server.admin, None).get("/metrics").await.text();
    let line = metrics.lines().find(|line| line.starts_with(name)).unwrap();
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

/// A connection with a request in it that does not end.
async fn busy(server: &TestServer) -> TcpStream {
    let request = server.client().request("PUT", "/media/busy").body(b"body");
    let signed = request.header("expect", "100-continue").sign();
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(&signed.head).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 100");
    stream
}

async fn few(connections: usize) -> TestServer {
    TestServer::with(Limits {
        connections,
        ..Limits::default()
    })
    .await
}

#[tokio::test]
async fn those_that_wait_make_room() {
    let server = few(2).await;
    let _busy = busy(&server).await;
    let mut half = TcpStream::connect(server.address).await.unwrap();
    half.write_all(b"GET /media/k HT").await.unwrap();
    assert_eq!(server.client().put("/media/k", b"x").await.status, 200);
    assert_eq!(half.read(&mut [0]).await.unwrap_or(0), 0);
    let name = "moraine_http_made_room_connections_total";
    assert_eq!(metric(&server, name).await, 1);
}

#[tokio::test]
async fn without_room_the_answer_is_503() {
    let server = few(2).await;
    let _busy = (busy(&server).await, busy(&server).await);
    let refused = server.client().put("/media/k", b"x").await;
    refused.is(503, "SlowDown");
    assert_eq!(refused.header("connection"), Some("close"));
    assert!(!server.holds("k").await);
    let name = "moraine_http_refused_connections_total{reason=\"total\"}";
    assert_eq!(metric(&server, name).await, 1);
}

/// A server to whom the test's own address is a stranger's.
async fn by_address(connections_per_address: usize) -> TestServer {
    TestServer::configured(ServerConfig {
        proxies: Vec::new(),
        limits: Limits {
            connections_per_address,
            ..Limits::default()
        },
        ..ServerConfig::default()
    })
    .await
}

#[tokio::test]
async fn an_address_has_a_bound() {
    let server = by_address(2).await;
    let first = TcpStream::connect(server.address).await.unwrap();
    let _second = TcpStream::connect(server.address).await.unwrap();
    // Also to those who wait for the answer before they ask.
    let stream = TcpStream::connect(server.address).await.unwrap();
    let refused = read(&mut BufReader::new(stream), false).await;
    refused.is(503, "SlowDown");
    let name = "moraine_http_refused_connections_total{reason=\"address\"}";
    assert_eq!(metric(&server, name).await, 1);
    drop(first);
    until_served(&server).await.is(404, "NoSuchKey");
}

/// Asks until there is a place.
async fn until_served(server: &TestServer) -> Response {
    loop {
        let answer = server.client().get("/media/k").await;
        if answer.status != 503 {
            return answer;
        }
    }
}

#[tokio::test]
async fn a_proxy_has_none() {
    let server = TestServer::with(Limits {
        connections_per_address: 1,
        ..Limits::default()
    })
    .await;
    let _first = TcpStream::connect(server.address).await.unwrap();
    server.client().get("/media/k").await.is(404, "NoSuchKey");
}

#[tokio::test]
async fn a_connection_on_which_nothing_is_asked_ends_soon() {
    let server = TestServer::with(Limits {
        first_head_timeout: Duration::from_millis(200),
        ..Limits::default()
    })
    .await;
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    let mut half = TcpStream::connect(server.address).await.unwrap();
    half.write_all(b"GET /media/k HT").await.unwrap();
    assert_eq!(silent.read(&mut [0]).await.unwrap_or(0), 0);
    assert_eq!(half.read(&mut [0]).await.unwrap_or(0), 0);
}

#[tokio::test]
async fn a_connection_on_which_something_was_asked_may_idle_longer() {
    let server = TestServer::with(Limits {
        first_head_timeout: Duration::from_millis(200),
        ..Limits::default()
    })
    .await;
    let head = server.client().request("GET", "/media/k").sign().head;
    let stream = TcpStream::connect(server.address).await.unwrap();
    let mut stream = BufReader::new(stream);
    stream.write_all(&head).await.unwrap();
    assert_eq!(read(&mut stream, false).await.status, 404);
    tokio::time::sleep(Duration::from_millis(400)).await;
    stream.write_all(&head).await.unwrap();
    assert_eq!(read(&mut stream, false).await.status, 404);
}

#[tokio::test]
async fn five_hundred_that_say_nothing_leave_room_for_one_who_works() {
    let server = few(400).await;
    let mut silent = Vec::new();
    for n in 0..500 {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        if n % 2 == 0 {
            let _ = stream.write_all(b"PUT /media/hidden HTTP/1.1\r\nHos").await;
        }
        silent.push(stream);
        if n % 50 == 0 {
            let key = format!("/media/{n}");
            assert_eq!(server.client().put(&key, b"x").await.status, 200);
            assert_eq!(server.client().get(&key).await.body, b"x");
        }
    }
    assert!(!server.holds("hidden").await);
}
