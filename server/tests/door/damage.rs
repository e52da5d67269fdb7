//! Damage on the disk: an error to the client who meets it, never wrong bytes, and the server goes on.

use crate::client::Client;
use crate::server::TestServer;
use std::path::Path;

/// Occurs once in the log: where `mark` was put.
fn marker(mark: u8) -> Vec<u8> {
    (0..64_u8).map(|n| n.wrapping_mul(37) ^ mark).collect()
}

/// Changes one bit in the middle of each place in the log that holds `marker`.
fn flip(folder: &Path, marker: &[u8]) {
    let mut flipped = 0;
    for node in std::fs::read_dir(folder.join("log")).unwrap() {
        for segment in std::fs::read_dir(node.unwrap().path()).unwrap() {
            let path = segment.unwrap().path();
            let mut bytes = std::fs::read(&path).unwrap();
            let places: Vec<usize> = bytes
                .windows(marker.len())
                .enumerate()
                .filter(|(_, window)| *window == marker)
                .map(|(at, _)| at)
                .collect();
            for at in &places {
                bytes[at + 32] ^= 4;
            }
            if !places.is_empty() {
                std::fs::write(&path, bytes).unwrap();
            }
            flipped += places.len();
        }
    }
    assert!(flipped > 0, "the marker is in the log");
}

#[tokio::test]
async fn wrong_bytes_never_leave() {
    let server = TestServer::start().await;
    let mut large = vec![7; 3 << 20];
    large[2_500_000..2_500_064].copy_from_slice(&marker(1));
    let small = [b"small ".to_vec(), marker(2)].concat();
    let client = server.client();
    for (key, body) in [
        ("large", &large),
        ("small", &small),
        ("whole", &b"whole".to_vec()),
    ] {
        assert_eq!(client.put(&format!("/open/{key}"), body).await.status, 200);
    }
    let server = server
        .restart(|folder| {
            flip(folder, &marker(1));
            flip(folder, &marker(2));
        })
        .await;
    for client in [server.client(), server.anonymous()] {
        // The first extents are fine, so the answer begins; then the connection breaks.
        let get = client.get("/open/large").await;
        assert_eq!(get.status, 200);
        assert!(!get.complete && large.starts_with(&get.body));
        let range = client
            .request("GET", "/open/large")
            .header("range", "bytes=0-99");
        assert_eq!(range.send().await.body, large[..100]);
        client.get("/open/small").await.is(500, "InternalError");
        assert_eq!(client.get("/open/whole").await.body, b"whole");
    }
    let metrics = Client::new(server.admin, None).get("/metrics").await.text();
    for line in [
        "moraine_http_broken_reads_total 2",
        "moraine_http_damaged_reads_total 4",
    ] {
        assert!(
            metrics.lines().any(|it| it == line),
            "{line} is missing from\n{metrics}"
        );
    }
}

#[tokio::test]
async fn a_restart_forgets_nothing() {
    let server = TestServer::start().await;
    let put = server
        .client()
        .request("PUT", "/media/k")
        .body(b"x")
        .header("x-amz-acl", "public-read");
    let etag = put.header("content-type", "image/png").send().await;
    let etag = etag.header("etag").map(str::to_owned);
    let server = server
        .restart(|folder| std::fs::remove_dir_all(folder.join("index")).unwrap())
        .await;
    let get = server.anonymous().get("/media/k").await;
    assert_eq!((get.status, get.body.as_slice()), (200, &b"x"[..]));
    assert_eq!(get.header("etag").map(str::to_owned), etag);
    assert_eq!(get.header("content-type"), Some("image/png"));
}
