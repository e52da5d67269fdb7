//! A completion whose answer was lost is answered again; and what every completion's answer says.

use crate::client::crc32;
use crate::multipart::{begin, complete, upload};
use crate::server::TestServer;

#[tokio::test]
async fn the_same_completion_is_answered_again() {
    let server = TestServer::start().await;
    let headers = [("x-amz-checksum-algorithm", "CRC32")];
    let id = begin(&server, &headers).await;
    let etag = upload(&server, &id, 1, b"part").await;
    let first = complete(&server, &id, &[(1, &etag)]).await;
    assert_eq!(first.status, 200, "{}", first.text());
    let again = complete(&server, &id, &[(1, &etag)]).await;
    assert_eq!((again.status, again.text()), (200, first.text()));
    // Also when the object has changed since: it is the same answer, and changes nothing.
    server.client().put("/media/big", b"newer").await;
    let again = complete(&server, &id, &[(1, &etag)]).await;
    assert_eq!((again.status, again.text()), (200, first.text()));
    assert_eq!(server.client().get("/media/big").await.body, b"newer");
}

#[tokio::test]
async fn another_completion_of_the_same_upload_is_not() {
    let server = TestServer::start().await;
    let id = begin(&server, &[]).await;
    let etag = upload(&server, &id, 1, b"part").await;
    let other = upload(&server, &id, 2, b"more").await;
    assert_eq!(complete(&server, &id, &[(1, &etag)]).await.status, 200);
    for parts in [[(2, other.as_str())], [(1, other.as_str())]] {
        complete(&server, &id, &parts).await.is(404, "NoSuchUpload");
    }
    let elsewhere = server
        .client()
        .request("POST", &format!("/media/small?uploadId={id}"));
    let xml = format!(
        "<CompleteMultipartUpload><Part><ETag>{etag}</ETag><PartNumber>1</PartNumber></Part></CompleteMultipartUpload>"
    );
    let answer = elsewhere.body(xml.as_bytes()).send().await;
    answer.is(404, "NoSuchUpload");
    let put = format!("/media/big?partNumber=1&uploadId={id}");
    server
        .client()
        .put(&put, b"x")
        .await
        .is(404, "NoSuchUpload");
}

#[tokio::test]
async fn completions_at_once_agree() {
    let server = TestServer::start().await;
    for round in 0..5 {
        let id = begin(&server, &[]).await;
        let etag = upload(&server, &id, 1, format!("{round}").as_bytes()).await;
        let parts = [(1, etag.as_str())];
        let all = futures_util::future::join_all((0..8).map(|_| complete(&server, &id, &parts)));
        for answer in all.await {
            assert_eq!(answer.status, 200, "{}", answer.text());
        }
    }
}

#[tokio::test]
async fn an_answer_says_where_the_object_is() {
    let server = TestServer::start().await;
    let target = "/media/a%20b/%C3%A9.mp4";
    let begun = server
        .client()
        .request("POST", &format!("{target}?uploads"));
    let id = begun.send().await.element("UploadId").unwrap();
    let put = format!("{target}?partNumber=1&uploadId={id}");
    let put = server
        .client()
        .request("PUT", &put)
        .body(b"part")
        .header("x-amz-checksum-crc32", &crc32(b"part"));
    let put = put.send().await;
    // The upload was begun without a checksum, as new SDKs may: the part's is told and may be named all the same.
    assert_eq!(
        put.header("x-amz-checksum-crc32"),
        Some(crc32(b"part").as_str())
    );
    let xml = format!(
        "<CompleteMultipartUpload><Part><ETag>{}</ETag><PartNumber>1</PartNumber><ChecksumCRC32>{}</ChecksumCRC32></Part></CompleteMultipartUpload>",
        put.header("etag").unwrap(),
        crc32(b"part")
    );
    let answer = server
        .client()
        .request("POST", &format!("{target}?uploadId={id}"))
        .body(xml.as_bytes())
        .send()
        .await;
    assert_eq!(answer.element("Bucket").as_deref(), Some("media"));
    assert_eq!(answer.element("Key").as_deref(), Some("a b/\u{e9}.mp4"));
    let location = format!("http://{}{target}", server.address);
    assert_eq!(answer.element("Location"), Some(location));
}
