//! UploadPartCopy: ranges of objects become parts.

use crate::client::{Request, crc32, hex, md5};
use crate::multipart::{PART, begin, complete, part};
use crate::server::TestServer;
use moraine_server::Limits;
use std::time::Duration;

fn copy(server: &TestServer, id: &str, number: u32, source: &str) -> Request {
    let target = format!("/media/big?partNumber={number}&uploadId={id}");
    let request = server.client().request("PUT", &target);
    request.header("x-amz-copy-source", source)
}

#[tokio::test]
async fn ranges_become_parts_without_being_written_again() {
    let server = TestServer::start().await;
    let body = part(1, PART + (2 << 20) + 99);
    server.client().put("/open/source", &body).await;
    let id = begin(&server, &[]).await;
    let before = server.store.stats().log_bytes_written;
    let last = body.len() - 1;
    let ranges = [
        format!("bytes=0-{}", PART - 1),
        format!("bytes={PART}-{last}"),
    ];
    let mut etags = Vec::new();
    for (number, range) in (1..).zip(&ranges) {
        let answer = copy(&server, &id, number, "open/source")
            .header("x-amz-copy-source-range", range)
            .send()
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(answer.element("LastModified").is_some());
        etags.push(answer.element("ETag").unwrap());
    }
    let md5s = [md5(&body[..PART]), md5(&body[PART..])];
    let plain: Vec<String> = etags.iter().map(|it| it.replace("&quot;", "\"")).collect();
    assert_eq!(plain, md5s.map(|it| format!("\"{}\"", hex(&it))));
    let parts = [(1, etags[0].as_str()), (2, etags[1].as_str())];
    assert_eq!(complete(&server, &id, &parts).await.status, 200);
    assert!(server.store.stats().log_bytes_written - before < 1 << 20);
    assert!(server.client().get("/media/big").await.body == body);
}

#[tokio::test]
async fn a_range_that_begins_anywhere_is_a_part_too() {
    let server = TestServer::start().await;
    let body = part(7, 3_000_000);
    server.client().put("/media/source", &body).await;
    let id = begin(&server, &[]).await;
    let answer = copy(&server, &id, 3, "media/source")
        .header("x-amz-copy-source-range", "bytes=1234567-2345678")
        .send()
        .await;
    let etag = answer.element("ETag").unwrap();
    assert_eq!(complete(&server, &id, &[(3, &etag)]).await.status, 200);
    let found = server.client().get("/media/big").await.body;
    assert!(found == body[1_234_567..=2_345_678]);
}

#[tokio::test]
async fn without_a_range_it_is_all_even_nothing() {
    let server = TestServer::start().await;
    server.client().put("/media/empty", b"").await;
    let id = begin(&server, &[]).await;
    let answer = copy(&server, &id, 1, "/media/empty").send().await;
    let etag = answer.element("ETag").unwrap();
    assert_eq!(complete(&server, &id, &[(1, &etag)]).await.status, 200);
    assert_eq!(server.client().get("/media/big").await.body, b"");
}

#[tokio::test]
async fn faulty_copies_are_no_parts() {
    let server = TestServer::start().await;
    server.client().put("/media/source", b"0123456789").await;
    let id = begin(&server, &[]).await;
    for range in [
        "bytes=0-10",
        "bytes=5-4",
        "bytes=0-",
        "bytes=-5",
        "0-5",
        "bytes=0-1,3-4",
    ] {
        let answer = copy(&server, &id, 1, "media/source")
            .header("x-amz-copy-source-range", range)
            .send()
            .await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (400, "InvalidArgument"),
            "{range}"
        );
    }
    for (source, status, code) in [
        ("media/missing", 404, "NoSuchKey"),
        ("nowhere/k", 404, "NoSuchBucket"),
        ("theirs/k", 403, "AccessDenied"),
    ] {
        copy(&server, &id, 1, source).send().await.is(status, code);
    }
    let source = "media/source";
    copy(&server, &id, 0, source)
        .send()
        .await
        .is(400, "InvalidArgument");
    copy(&server, "0123", 1, source)
        .send()
        .await
        .is(404, "NoSuchUpload");
    let condition = copy(&server, &id, 1, source).header("x-amz-copy-source-if-match", "\"x\"");
    condition.send().await.is(412, "PreconditionFailed");
    let parts = server
        .client()
        .get(&format!("/media/big?uploadId={id}"))
        .await;
    assert!(!parts.text().contains("<Part>"), "{}", parts.text());
    let etag = format!("\"{}\"", hex(&md5(b"0123456789")));
    complete(&server, &id, &[(1, &etag)])
        .await
        .is(400, "InvalidPart");
}

#[tokio::test]
async fn another_tenant_copies_no_part() {
    let server = TestServer::start().await;
    server.client().put("/open/k", b"x").await;
    let begun = server.other().request("POST", "/theirs/big?uploads");
    let id = begun.send().await.element("UploadId").unwrap();
    let request = server
        .other()
        .request("PUT", &format!("/theirs/big?partNumber=1&uploadId={id}"))
        .header("x-amz-copy-source", "open/k");
    request.send().await.is(403, "AccessDenied");
}

#[tokio::test]
async fn parts_get_the_checksum_of_their_upload() {
    let server = TestServer::start().await;
    server.client().put("/media/source", b"0123456789").await;
    let headers = [
        ("x-amz-checksum-algorithm", "CRC32"),
        ("x-amz-checksum-type", "FULL_OBJECT"),
    ];
    let id = begin(&server, &headers).await;
    let answer = copy(&server, &id, 1, "media/source")
        .header("x-amz-copy-source-range", "bytes=2-5")
        .send()
        .await;
    assert_eq!(answer.element("ChecksumCRC32"), Some(crc32(b"2345")));
    let etag = answer.element("ETag").unwrap();
    let done = complete(&server, &id, &[(1, &etag)]).await;
    assert_eq!(done.element("ChecksumCRC32"), Some(crc32(b"2345")));
}

#[tokio::test]
async fn a_long_copy_answers_before_it_ends() {
    let limits = Limits {
        silence_max: Duration::ZERO,
        ..Limits::default()
    };
    let server = TestServer::with(limits).await;
    server.client().put("/media/source", b"0123456789").await;
    let id = begin(&server, &[]).await;
    let answer = copy(&server, &id, 1, "media/source").send().await;
    assert_eq!(answer.header("transfer-encoding"), Some("chunked"));
    let etag = answer.element("ETag").unwrap();
    let done = complete(&server, &id, &[(1, &etag)]).await;
    assert!(done.element("Key").is_some(), "{}", done.text());
    assert_eq!(server.client().get("/media/big").await.body, b"0123456789");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_copies_at_once_take_turns() {
    let server = TestServer::start().await;
    // More at once than may read at once, and more bytes than the memory for bodies.
    let body = part(9, 4 << 20);
    server.client().put("/media/source", &body).await;
    let id = begin(&server, &[]).await;
    let copies = (1..=40).map(|number| copy(&server, &id, number, "media/source").send());
    for answer in futures_util::future::join_all(copies).await {
        let etag = answer.element("ETag").map(|it| it.replace("&quot;", "\""));
        assert_eq!(
            etag,
            Some(format!("\"{}\"", hex(&md5(&body)))),
            "{}",
            answer.text()
        );
    }
}
