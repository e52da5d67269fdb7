//! Uploads in parts.

use crate::client::{base64, crc32, hex, md5};
use crate::server::TestServer;
use moraine_server::Limits;
use std::time::Duration;

pub const PART: usize = 5 * 1024 * 1024;

pub fn part(fill: u8, length: usize) -> Vec<u8> {
    (0..length).map(|at| fill ^ at.to_le_bytes()[1]).collect()
}

pub async fn begin(server: &TestServer, headers: &[(&str, &str)]) -> String {
    let mut request = server.client().request("POST", "/media/big?uploads");
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let answer = request.send().await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.element("UploadId").unwrap()
}

pub async fn upload(server: &TestServer, id: &str, number: u32, bytes: &[u8]) -> String {
    let target = format!("/media/big?partNumber={number}&uploadId={id}");
    let answer = server
        .client()
        .request("PUT", &target)
        .body(bytes)
        .send()
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.header("etag").unwrap().to_owned()
}

pub async fn complete(
    server: &TestServer,
    id: &str,
    parts: &[(u32, &str)],
) -> crate::client::Response {
    let parts: String = parts
        .iter()
        .map(|(number, etag)| {
            format!("<Part><ETag>{etag}</ETag><PartNumber>{number}</PartNumber></Part>")
        })
        .collect();
    let xml = format!(
        "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{parts}</CompleteMultipartUpload>"
    );
    let request = server
        .client()
        .request("POST", &format!("/media/big?uploadId={id}"));
    request.body(xml.as_bytes()).send().await
}

#[tokio::test]
async fn parts_in_any_order_become_one_object() {
    let server = TestServer::start().await;
    let (one, two) = (part(1, PART), part(2, 1234));
    let id = begin(
        &server,
        &[("content-type", "video/mp4"), ("x-amz-acl", "public-read")],
    )
    .await;
    let second = upload(&server, &id, 7, &two).await;
    let first = upload(&server, &id, 2, &one).await;
    assert!(!server.holds("big").await);
    // One ETag in quotes as XML may have them, one without.
    let (first, second) = (first.replace('"', "&quot;"), second.replace('"', ""));
    let answer = complete(&server, &id, &[(2, &first), (7, &second)]).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let digests = [md5(&one), md5(&two)].concat();
    let etag = format!("\"{}-2\"", hex(&md5(&digests)));
    assert!(
        answer.text().replace("&quot;", "\"").contains(&etag),
        "{}",
        answer.text()
    );
    assert_eq!(answer.element("Bucket").as_deref(), Some("media"));
    assert_eq!(answer.element("Key").as_deref(), Some("big"));
    let head = server
        .client()
        .request("HEAD", "/media/big?partNumber=2")
        .send()
        .await;
    assert_eq!(
        (head.status, head.header("content-length")),
        (206, Some("1234"))
    );
    assert_eq!(head.header("x-amz-mp-parts-count"), Some("2"));
    let last = server.client().get("/media/big?partNumber=2").await;
    assert!(last.status == 206 && last.body == two);
    assert_eq!(
        last.header("content-range"),
        Some("bytes 5242880-5244113/5244114")
    );
    server
        .client()
        .get("/media/big?partNumber=3")
        .await
        .is(416, "InvalidPartNumber");
    let get = server.anonymous().get("/media/big").await;
    assert!(get.body == [one, two].concat());
    assert_eq!(get.header("etag"), Some(etag.as_str()));
    assert_eq!(get.header("content-type"), Some("video/mp4"));
}

#[tokio::test]
async fn faulty_completions_leave_no_object() {
    let server = TestServer::start().await;
    let id = begin(&server, &[]).await;
    let first = upload(&server, &id, 1, b"small").await;
    let second = upload(&server, &id, 2, b"last").await;
    let other = format!("\"{}\"", "0".repeat(32));
    complete(&server, &id, &[(1, &first), (2, &second)])
        .await
        .is(400, "EntityTooSmall");
    complete(&server, &id, &[(1, &other)])
        .await
        .is(400, "InvalidPart");
    complete(&server, &id, &[(1, &first), (3, &second)])
        .await
        .is(400, "InvalidPart");
    complete(&server, &id, &[(2, &second), (1, &first)])
        .await
        .is(400, "InvalidPartOrder");
    complete(&server, &id, &[(1, &first), (1, &first)])
        .await
        .is(400, "InvalidPartOrder");
    complete(&server, &id, &[]).await.is(400, "MalformedXML");
    complete(&server, "0123", &[(1, &first)])
        .await
        .is(404, "NoSuchUpload");
    assert!(!server.holds("big").await);
    assert_eq!(complete(&server, &id, &[(1, &first)]).await.status, 200);
    assert!(server.holds("big").await);
}

#[tokio::test]
async fn faulty_parts_are_not_kept() {
    let server = TestServer::start().await;
    let id = begin(&server, &[]).await;
    let put = |number: &str| {
        let target = format!("/media/big?partNumber={number}&uploadId={id}");
        server.client().request("PUT", &target).body(b"part")
    };
    put("1")
        .header("content-md5", &base64(&md5(b"x")))
        .send()
        .await
        .is(400, "BadDigest");
    put("1")
        .header("x-amz-checksum-crc32", &crc32(b"x"))
        .send()
        .await
        .is(400, "BadDigest");
    put("0").send().await.is(400, "InvalidArgument");
    put("10001").send().await.is(400, "InvalidArgument");
    let etag = format!("\"{}\"", hex(&md5(b"part")));
    complete(&server, &id, &[(1, &etag)])
        .await
        .is(400, "InvalidPart");
    let elsewhere = format!("/media/other?partNumber=1&uploadId={id}");
    server
        .client()
        .put(&elsewhere, b"part")
        .await
        .is(404, "NoSuchUpload");
}

#[tokio::test]
async fn an_aborted_upload_is_gone() {
    let server = TestServer::start().await;
    let id = begin(&server, &[]).await;
    let etag = upload(&server, &id, 1, b"part").await;
    let abort = server
        .client()
        .request("DELETE", &format!("/media/big?uploadId={id}"));
    assert_eq!(abort.send().await.status, 204);
    complete(&server, &id, &[(1, &etag)])
        .await
        .is(404, "NoSuchUpload");
    let again = server
        .client()
        .request("DELETE", &format!("/media/big?uploadId={id}"));
    again.send().await.is(404, "NoSuchUpload");
    let late = format!("/media/big?partNumber=1&uploadId={id}");
    server
        .client()
        .put(&late, b"part")
        .await
        .is(404, "NoSuchUpload");
}

#[tokio::test]
async fn checksums_of_parts_become_the_objects() {
    let server = TestServer::start().await;
    let (one, two) = (part(1, PART), part(2, 99));
    let whole = [one.clone(), two.clone()].concat();
    let raw = |bytes: &[u8]| base64_simd::STANDARD.decode_to_vec(crc32(bytes)).unwrap();
    let composite = format!("{}-2", crc32(&[raw(&one), raw(&two)].concat()));
    for (kind, expected) in [("COMPOSITE", composite), ("FULL_OBJECT", crc32(&whole))] {
        let headers = [
            ("x-amz-checksum-algorithm", "CRC32"),
            ("x-amz-checksum-type", kind),
        ];
        let id = begin(&server, &headers).await;
        let first = upload(&server, &id, 1, &one).await;
        let second = upload(&server, &id, 2, &two).await;
        let answer = complete(&server, &id, &[(1, &first), (2, &second)]).await;
        assert_eq!(
            answer.element("ChecksumCRC32"),
            Some(expected.clone()),
            "{}",
            answer.text()
        );
        assert_eq!(answer.element("ChecksumType").as_deref(), Some(kind));
        let get = server
            .client()
            .request("HEAD", "/media/big")
            .header("x-amz-checksum-mode", "ENABLED");
        let get = get.send().await;
        assert_eq!(get.header("x-amz-checksum-crc32"), Some(expected.as_str()));
        assert_eq!(get.header("x-amz-checksum-type"), Some(kind));
    }
}

#[tokio::test]
async fn what_a_completion_says_of_the_whole_is_checked() {
    let server = TestServer::start().await;
    let id = begin(
        &server,
        &[
            ("x-amz-checksum-algorithm", "CRC32"),
            ("x-amz-checksum-type", "FULL_OBJECT"),
        ],
    )
    .await;
    let etag = upload(&server, &id, 1, b"part").await;
    let complete = |name: &'static str, value: String| {
        let xml = format!(
            "<CompleteMultipartUpload><Part><ETag>{etag}</ETag><PartNumber>1</PartNumber></Part></CompleteMultipartUpload>"
        );
        let request = server
            .client()
            .request("POST", &format!("/media/big?uploadId={id}"));
        let request = request.body(xml.as_bytes()).header(name, &value);
        async move { request.send().await }
    };
    complete("x-amz-checksum-crc32", crc32(b"x"))
        .await
        .is(400, "BadDigest");
    complete("x-amz-mp-object-size", "5".to_owned())
        .await
        .is(400, "InvalidRequest");
    assert!(!server.holds("big").await);
    assert_eq!(
        complete("x-amz-checksum-crc32", crc32(b"part"))
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn a_long_completion_answers_before_it_ends() {
    let limits = Limits {
        silence_max: Duration::ZERO,
        ..Limits::default()
    };
    let server = TestServer::with(limits).await;
    let id = begin(&server, &[]).await;
    let first = upload(&server, &id, 1, b"small").await;
    let second = upload(&server, &id, 2, b"last").await;
    let failed = complete(&server, &id, &[(1, &first), (2, &second)]).await;
    failed.is(200, "EntityTooSmall");
    assert_eq!(
        failed.text().matches("<?xml").count(),
        1,
        "{}",
        failed.text()
    );
    assert!(!server.holds("big").await);
    let done = complete(&server, &id, &[(1, &first)]).await;
    assert_eq!(
        done.element("Key").as_deref(),
        Some("big"),
        "{}",
        done.text()
    );
    assert_eq!(done.header("transfer-encoding"), Some("chunked"));
    assert!(server.holds("big").await);
}
