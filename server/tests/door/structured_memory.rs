//! The memory for XML, on its way in and out: how much is held at once, who waits, and who is refused in time.

use crate::client::{Client, Request, Response, base64, crc32, md5, read};
use crate::server::TestServer;
use moraine_engine::{Attributes, Condition};
use moraine_server::Limits;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

const SHORT: Duration = Duration::from_millis(500);
/// More than a busy machine takes for what finds room at once.
const LONG_ENOUGH: Duration = Duration::from_secs(4);
const SOON: Duration = Duration::from_secs(20);

/// Bytes of a large request to delete: above what is free.
const LARGE: usize = 80 * 1024;
/// What it is counted as.
const COST: usize = LARGE * 6;

/// A request to delete a key that is `size` bytes long.
fn delete(server: &TestServer, size: usize) -> Request {
    delete_of(&server.client(), "/media?delete", size)
}

fn delete_of(client: &Client, target: &str, size: usize) -> Request {
    let frame = "<Delete><Object><Key>k</Key></Object></Delete>";
    let blanks = " ".repeat(size - frame.len());
    let body = frame.replacen("<Object>", &format!("{blanks}<Object>"), 1);
    client
        .request("POST", target)
        .header("content-md5", &base64(&md5(body.as_bytes())))
        .body(body.as_bytes())
        .content_sha256("UNSIGNED-PAYLOAD")
}

type Stream = BufReader<TcpStream>;

/// Sends all of a request but its last byte, which is returned; as much of it as the server takes, since it may refuse it.
async fn begin(server: &TestServer, request: Request) -> (Stream, u8) {
    let signed = request.sign();
    let mut bytes = [signed.head, signed.body].concat();
    let last = bytes.pop().unwrap();
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let _ = stream.write_all(&bytes).await;
    (BufReader::new(stream), last)
}

async fn answer(stream: &mut Stream) -> Response {
    let answer = tokio::time::timeout(SOON, read(stream, false));
    answer.await.unwrap()
}

async fn until(go_on: &mut watch::Receiver<bool>) {
    go_on.wait_for(|go_on| *go_on).await.unwrap();
}

async fn tight(xml: usize, answers: usize, wait: Duration) -> TestServer {
    TestServer::with(Limits {
        xml_memory: xml,
        answer_memory: answers,
        memory_wait: wait,
        held_max: SOON,
        connections_per_address: 0,
        ..Limits::default()
    })
    .await
}

#[tokio::test]
async fn of_many_xml_bodies_at_once_only_so_many_are_held() {
    const MANY: usize = 300;
    const ROOM: usize = 5;
    let server = tight(COST * ROOM * 2, 32 << 20, LONG_ENOUGH).await;
    let mut clients = JoinSet::new();
    let (refused, mut refusals) = mpsc::channel(MANY);
    let (go_on, _) = watch::channel(false);
    let mut requests: Vec<_> = (0..MANY).map(|_| delete(&server, LARGE)).collect();
    for request in requests.drain(..) {
        let (stream, last) = begin(&server, request).await;
        let (refused, mut finish) = (refused.clone(), go_on.subscribe());
        clients.spawn(async move {
            let mut stream = stream;
            // Who was let in is waited for; the others are told.
            tokio::select! {
                early = answer(&mut stream) => {
                    early.is(503, "SlowDown");
                    refused.send(()).await.unwrap();
                    false
                }
                () = until(&mut finish) => {
                    stream.write_all(&[last]).await.unwrap();
                    let answer = answer(&mut stream).await;
                    assert_eq!(answer.status, 200, "{}", answer.text());
                    true
                }
            }
        });
    }
    for _ in 0..MANY - ROOM {
        let refusal = tokio::time::timeout(SOON, refusals.recv());
        refusal.await.unwrap().unwrap();
    }
    // All that one tenant may have is held now. Who needs little of it is served, and so is another tenant.
    let other = delete_of(&server.other(), "/theirs?delete", LARGE);
    assert_eq!(other.send().await.status, 200);
    let small = delete(&server, 60 * 1024).send().await;
    assert_eq!(small.status, 200, "{}", small.text());
    go_on.send(true).unwrap();
    let done = clients.join_all().await;
    assert_eq!(done.into_iter().filter(|done| *done).count(), ROOM);
    assert_eq!(delete(&server, LARGE).send().await.status, 200);
}

#[tokio::test]
async fn who_trickles_xml_while_others_wait_is_cut_off() {
    let server = TestServer::with(Limits {
        xml_memory: COST * 2,
        memory_wait: Duration::from_secs(1),
        held_max: Duration::from_secs(1),
        pressed_window: SHORT,
        pressed_rate_min: 0,
        ..Limits::default()
    })
    .await;
    let (mut slow, _) = begin(&server, delete(&server, LARGE)).await;
    let cut_off = tokio::spawn(async move { answer(&mut slow).await });
    // Who waits may give up in the moment before; the next one finds it overdue.
    while !cut_off.is_finished() {
        delete(&server, LARGE).send().await;
    }
    cut_off.await.unwrap().is(400, "RequestTimeout");
    assert_eq!(delete(&server, LARGE).send().await.status, 200);
}

/// Fills `media` with keys so long that a page of them is more than a megabyte.
async fn fill(server: &TestServer) {
    let mut puts = JoinSet::new();
    for number in 0..1000 {
        let (store, bucket) = (server.store.clone(), server.media.id);
        puts.spawn(async move {
            let key = format!("{number:04}{}", "k".repeat(1020));
            let staged = store.blob_writer(Some(0)).finish().await.unwrap();
            let (attributes, condition) = (Attributes::default(), Condition::None);
            let put = store.put(bucket, key.as_bytes(), staged, attributes, condition);
            put.await.unwrap();
        });
    }
    puts.join_all().await;
}

/// Asks for a page and takes its head, but nothing of the page beyond what fits into the buffers.
async fn unread_page(server: &TestServer) -> (Stream, String) {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(server.address).await.unwrap();
    let head = server
        .client()
        .request("GET", "/media?list-type=2")
        .sign()
        .head;
    stream.write_all(&head).await.unwrap();
    let mut status = vec![0; 12];
    let read = tokio::time::timeout(SOON, stream.read_exact(&mut status));
    read.await.unwrap().unwrap();
    (BufReader::new(stream), String::from_utf8(status).unwrap())
}

#[tokio::test]
async fn of_large_answers_only_so_many_are_on_their_way() {
    let server = tight(48 << 20, 10 << 20, LONG_ENOUGH).await;
    fill(&server).await;
    let mut pages = Vec::new();
    for _ in 0..12 {
        pages.push(unread_page(&server).await);
    }
    let given = pages.iter().filter(|page| page.1 == "HTTP/1.1 200");
    let given = given.count();
    let refused = pages.iter().filter(|page| page.1 == "HTTP/1.1 503");
    assert!(given > 0 && given < 5, "{given}");
    assert_eq!(given + refused.count(), pages.len());
    // A small answer needs none of it.
    let small = server.client().get("/media?max-keys=20").await;
    assert_eq!(small.status, 200);
    drop(pages);
    let mut free = false;
    for _ in 0..50 {
        free |= server.client().get("/media").await.status == 200;
    }
    assert!(free);
}

/// A body of one aws-chunked chunk of that many bytes.
fn one_chunk(client: &Client, target: &str, size: usize) -> Request {
    let data = "x".repeat(size);
    let crc = crc32(data.as_bytes());
    let coded = format!("{size:x}\r\n{data}\r\n0\r\nx-amz-checksum-crc32:{crc}\r\n\r\n");
    client
        .request("PUT", target)
        .header("x-amz-decoded-content-length", &size.to_string())
        .header("x-amz-trailer", "x-amz-checksum-crc32")
        .body(coded.as_bytes())
        .content_sha256("STREAMING-UNSIGNED-PAYLOAD-TRAILER")
}

#[tokio::test]
async fn who_drips_into_chunks_leaves_memory_to_others() {
    const CHUNK: usize = 256 * 1024;
    let server = TestServer::with(Limits {
        chunk_memory: CHUNK * 4,
        memory_wait: Duration::from_secs(1),
        held_max: Duration::from_secs(1),
        pressed_window: SHORT,
        pressed_rate_min: 0,
        ..Limits::default()
    })
    .await;
    let mut slow = JoinSet::new();
    for number in 0..2 {
        let request = one_chunk(&server.client(), &format!("/media/{number}"), CHUNK);
        let signed = request.sign();
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        // Half of the chunk.
        let bytes = [&signed.head, &signed.body[..CHUNK / 2]].concat();
        stream.write_all(&bytes).await.unwrap();
        slow.spawn(async move { answer(&mut BufReader::new(stream)).await });
    }
    let other = one_chunk(&server.other(), "/theirs/k", CHUNK);
    assert_eq!(other.send().await.status, 200);
    let cut_off = loop {
        one_chunk(&server.client(), "/media/k", CHUNK).send().await;
        if let Some(cut_off) = slow.try_join_next() {
            break cut_off.unwrap();
        }
    };
    cut_off.is(400, "RequestTimeout");
}
