//! What happens when the memory for bodies is used up: refusals in time, and no half objects.

use crate::client::{Client, read};
use crate::server::TestServer;
use bytes::Bytes;
use moraine_engine::BlobReader;
use moraine_server::Limits;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

pub const SHORT: Duration = Duration::from_millis(300);

/// Long enough for an answer that comes in time, and shorter than the default limits.
pub const IN_TIME: Duration = Duration::from_secs(8);

/// Two extents and a bit.
fn large() -> Vec<u8> {
    (0..(2_u32 << 20) + 5).flat_map(u32::to_le_bytes).collect()
}

/// A server with an object `/open/large`.
pub async fn start(limits: Limits) -> TestServer {
    let server = TestServer::with(limits).await;
    assert_eq!(
        server.client().put("/open/large", &large()).await.status,
        200
    );
    server
}

/// Begins to read the object.
async fn reader(server: &TestServer) -> BlobReader {
    let open = server.store.bucket("open").unwrap().id;
    let object = server.store.head(open, b"large").await.unwrap();
    server.store.read(&object, 0..object.size).await.unwrap()
}

/// Takes all the memory for large bodies, as readers do who do not let go of what they read.
pub async fn exhaust(server: &TestServer) -> Vec<Bytes> {
    exhaust_by(server, reader(server).await).await
}

/// Each read asks for memory as soon as the last one has got its own, so that it is always somebody's turn.
async fn exhaust_by(server: &TestServer, mut reading: BlobReader) -> Vec<Bytes> {
    let mut held = Vec::new();
    loop {
        match tokio::time::timeout(SHORT, reading.next()).await {
            Ok(Some(chunk)) => held.push(chunk.unwrap()),
            Ok(None) => reading = reader(server).await,
            Err(_) => return held,
        }
    }
}

#[tokio::test]
async fn a_body_that_finds_no_memory_is_refused_in_time() {
    let server = start(Limits {
        memory_wait: SHORT,
        ..Limits::default()
    })
    .await;
    let held = exhaust(&server).await;
    assert!(server.store.under_pressure());
    let body = large();
    let client = server.client();
    let put = tokio::time::timeout(IN_TIME, client.put("/media/k", &body)).await;
    let put = put.unwrap();
    put.is(503, "SlowDown");
    assert_eq!(put.header("connection"), Some("close"));
    assert!(!server.holds("k").await);
    // Small bodies have a share of their own.
    assert_eq!(server.client().put("/media/small", b"x").await.status, 200);
    drop(held);
    assert_eq!(server.client().put("/media/k", &large()).await.status, 200);
}

#[tokio::test]
async fn an_answer_that_finds_no_memory_is_refused_in_time() {
    let server = start(Limits {
        read_wait: SHORT,
        ..Limits::default()
    })
    .await;
    let held = exhaust(&server).await;
    for client in [server.client(), server.anonymous()] {
        let get = tokio::time::timeout(IN_TIME, client.get("/open/large")).await;
        get.unwrap().is(503, "SlowDown");
    }
    drop(held);
    assert_eq!(server.client().get("/open/large").await.body, large());
}

#[tokio::test]
async fn an_answer_that_runs_out_of_memory_breaks_off() {
    let server = start(Limits {
        read_wait: Duration::from_secs(1),
        ..Limits::default()
    })
    .await;
    let mut held = exhaust(&server).await;
    for client in [server.client(), server.anonymous()] {
        loop {
            // Memory is given in turn: one read of the answer, then this one, which keeps it.
            let mut stream = TcpStream::connect(server.address).await.unwrap();
            let head = client.request("GET", "/open/large").sign().head;
            stream.write_all(&head).await.unwrap();
            tokio::time::sleep(SHORT).await;
            let keep = exhaust_by(&server, reader(&server).await);
            let last = held.pop();
            let answer = async move {
                // The other one waits by then, and takes what the answer gives back.
                tokio::time::sleep(SHORT / 3).await;
                drop(last);
                let mut stream = BufReader::new(stream);
                let answer = tokio::time::timeout(IN_TIME, read(&mut stream, false)).await;
                answer.unwrap()
            };
            let (kept, answer) = tokio::join!(biased; keep, answer);
            held.extend(kept);
            if answer.status == 200 {
                assert!(!answer.complete && large().starts_with(&answer.body));
                break;
            }
            // The answer was so late that its turn never came.
            answer.is(503, "SlowDown");
        }
    }
}

#[tokio::test]
async fn under_pressure_a_slow_body_ends_sooner() {
    let server = start(Limits {
        pressed_window: SHORT,
        ..Limits::default()
    })
    .await;
    let request = server
        .client()
        .request("PUT", "/media/k")
        .content_sha256("UNSIGNED-PAYLOAD")
        .without_length()
        .header("content-length", "100000");
    let mut stream = BufReader::new(TcpStream::connect(server.address).await.unwrap());
    stream.write_all(&request.sign().head).await.unwrap();
    stream.write_all(b"only this").await.unwrap();
    let answer = tokio::time::timeout(SHORT * 5, read(&mut stream, false)).await;
    assert!(answer.is_err(), "there is no pressure as yet: {answer:?}");
    let _held = exhaust(&server).await;
    // Long before the pause that is allowed otherwise.
    let answer = tokio::time::timeout(Duration::from_secs(15), read(&mut stream, false)).await;
    answer.unwrap().is(400, "RequestTimeout");
    assert!(!server.holds("k").await);
}

#[tokio::test]
async fn under_pressure_a_slow_reader_is_given_up_sooner() {
    let server = start(Limits {
        pressed_send_window: SHORT,
        ..Limits::default()
    })
    .await;
    // More than the kernel takes off the server's hands.
    let body = vec![7; 24 << 20];
    assert_eq!(server.client().put("/media/k", &body).await.status, 200);
    let mut held = exhaust(&server).await;
    held.truncate(held.len() - 8);
    assert!(server.store.under_pressure());
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = server.client().request("GET", "/media/k").sign().head;
    stream.write_all(&head).await.unwrap();
    let given_up = async {
        let line = "moraine_http_requests_total{operation=\"GetObject\",status=\"200\"} 1";
        let admin = Client::new(server.admin, None);
        while !admin.get("/metrics").await.text().contains(line) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), given_up)
        .await
        .unwrap();
    let mut taken = Vec::new();
    let _ = stream.read_to_end(&mut taken).await;
    assert!(taken.len() < body.len());
}
