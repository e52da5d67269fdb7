//! XML bodies that are not what they should be: refused before anything acts on them.

use crate::client::{Request, base64, crc32, md5, read};
use crate::server::TestServer;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// An upload of one part, ready to be completed.
struct Ready {
    server: TestServer,
    id: String,
    etag: String,
}

impl Ready {
    async fn new() -> Self {
        let server = TestServer::start().await;
        let begun = server.client().request("POST", "/media/k?uploads");
        let id = begun.send().await.element("UploadId").unwrap();
        let target = format!("/media/k?partNumber=1&uploadId={id}");
        let part = server.client().put(&target, b"a part").await;
        let etag = part.header("etag").unwrap().replace('"', "");
        Self { server, id, etag }
    }

    fn xml(&self) -> String {
        let etag = &self.etag;
        format!(
            "<CompleteMultipartUpload><Part><ETag>{etag}</ETag><PartNumber>1</PartNumber></Part></CompleteMultipartUpload>"
        )
    }

    fn complete(&self) -> Request {
        let target = format!("/media/k?uploadId={}", self.id);
        self.server.client().request("POST", &target)
    }

    async fn refused(&self, xml: &str) {
        let answer = self.complete().body(xml.as_bytes()).send().await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (400, "MalformedXML"),
            "{xml}"
        );
        assert!(!self.server.holds("k").await, "{xml}");
    }

    /// The upload was left as it was.
    async fn can_still_be_completed(&self) {
        let answer = self.complete().body(self.xml().as_bytes()).send().await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(self.server.holds("k").await);
    }
}

#[tokio::test]
async fn junk_does_not_complete_an_upload() {
    let ready = Ready::new().await;
    let xml = ready.xml();
    for wrong in [
        format!("{xml}junk"),
        format!("junk{xml}"),
        format!("{xml}{xml}"),
        format!("{xml}<Other/>"),
        format!("{xml}\0"),
        xml.replace("<Part>", "junk<Part>"),
        xml.replace(
            "</CompleteMultipartUpload>",
            "junk</CompleteMultipartUpload>",
        ),
        xml.replace("CompleteMultipartUpload>", "Complete>"),
        xml.replace("CompleteMultipartUpload>", "Delete>"),
        xml.replace("</CompleteMultipartUpload>", ""),
        xml.replace("</Part>", ""),
        xml.replace("</PartNumber>", "</Partnumber>"),
        xml.replace(">1<", ">1x<"),
        xml.replace(">1<", "><"),
        xml.replace(">1<", ">0x1<"),
        xml.replace(">1<", ">&one;<"),
        xml.replace(">1<", "><![CDATA[1]]><"),
        xml.replace(">1<", "><!-- 1 -->1<"),
        xml.replace(">1<", "><?php 1 ?>1<"),
        xml.replace("<Part>", "<Part a=b>"),
        format!("<!DOCTYPE a [<!ENTITY one '1'>]>{xml}"),
        format!("<?xml version='1.0'?><?xml version='1.0'?>{xml}"),
        "junk".to_owned(),
        " ".to_owned(),
        "<CompleteMultipartUpload/>".to_owned(),
        String::new(),
        "<a>".repeat(100_000),
        format!("{}{xml}{}", "<a>".repeat(16), "</a>".repeat(16)),
    ] {
        ready.refused(&wrong).await;
    }
    ready.can_still_be_completed().await;
}

#[tokio::test]
async fn bytes_that_are_not_utf8_do_not_complete_an_upload() {
    let ready = Ready::new().await;
    for junk in [&b"\xff"[..], b"\xc0\xaf", b"\xed\xa0\x80"] {
        let xml = ready.xml();
        let (before, after) = xml.split_once("<Part>").unwrap();
        let inside = [
            before.as_bytes(),
            b"<A>",
            junk,
            b"</A><Part>",
            after.as_bytes(),
        ]
        .concat();
        let answer = ready.complete().body(&inside).send().await;
        answer.is(400, "MalformedXML");
    }
    ready.can_still_be_completed().await;
}

#[tokio::test]
async fn digests_of_the_body_are_checked() {
    let ready = Ready::new().await;
    let xml = ready.xml();
    let with = |value: &str| {
        let complete = ready.complete().body(xml.as_bytes());
        complete.header("content-md5", value).send()
    };
    with(&base64(&md5(b"other"))).await.is(400, "BadDigest");
    with("AAAA").await.is(400, "InvalidDigest");
    with("what?").await.is(400, "InvalidDigest");
    assert!(!ready.server.holds("k").await);
    let right = with(&base64(&md5(xml.as_bytes()))).await;
    assert_eq!(right.status, 200, "{}", right.text());
}

#[tokio::test]
async fn checksums_of_the_body_are_checked() {
    let server = TestServer::start().await;
    let xml = b"<CreateBucketConfiguration/>";
    let with = |value: &str| {
        let create = server.client().request("PUT", "/another").body(xml);
        create.header("x-amz-checksum-crc32", value).send()
    };
    with(&crc32(b"other")).await.is(400, "BadDigest");
    with("AAAA").await.is(400, "InvalidRequest");
    assert!(server.store.bucket("another").is_none());
    assert_eq!(with(&crc32(xml)).await.status, 200);
}

#[tokio::test]
async fn a_tampered_body_acts_on_nothing() {
    let ready = Ready::new().await;
    let mut signed = ready.complete().body(ready.xml().as_bytes()).sign();
    signed.body[2] ^= 1;
    let answer = signed.send(ready.server.address).await;
    assert_eq!(answer.status, 400, "{}", answer.text());
    let unsigned = ready.complete().body(ready.xml().as_bytes());
    let answer = unsigned.content_sha256(&"0".repeat(64)).send().await;
    answer.is(400, "XAmzContentSHA256Mismatch");
    ready.can_still_be_completed().await;
}

#[tokio::test]
async fn coded_bodies_and_trailers_are_refused() {
    let ready = Ready::new().await;
    let xml = ready.xml();
    let coded = format!(
        "{:x}\r\n{xml}\r\n0\r\nx-amz-checksum-crc32:{}\r\n\r\n",
        xml.len(),
        crc32(xml.as_bytes())
    );
    let request = ready
        .complete()
        .body(coded.as_bytes())
        .content_sha256("STREAMING-UNSIGNED-PAYLOAD-TRAILER")
        .header("x-amz-decoded-content-length", &xml.len().to_string())
        .header("x-amz-trailer", "x-amz-checksum-crc32");
    request.send().await.is(501, "NotImplemented");
    let request = ready.complete().body(xml.as_bytes());
    let request = request.header("x-amz-trailer", "x-amz-checksum-crc32");
    request.send().await.is(501, "NotImplemented");
    ready.can_still_be_completed().await;
}

#[tokio::test]
async fn chunks_without_a_length_are_refused() {
    let ready = Ready::new().await;
    for sha256 in ["UNSIGNED-PAYLOAD", &"0".repeat(64)] {
        let request = ready.complete().content_sha256(sha256).without_length();
        let mut signed = request.header("transfer-encoding", "chunked").sign();
        let xml = ready.xml();
        signed.body = format!("{:x}\r\n{xml}\r\n0\r\n\r\n", xml.len()).into_bytes();
        let answer = signed.send(ready.server.address).await;
        answer.is(411, "MissingContentLength");
    }
    ready.can_still_be_completed().await;
}

#[tokio::test]
async fn a_large_body_is_never_asked_for() {
    let ready = Ready::new().await;
    let request = ready
        .complete()
        .content_sha256("UNSIGNED-PAYLOAD")
        .without_length()
        .header("content-length", "2097153")
        .header("expect", "100-continue");
    let stream = TcpStream::connect(ready.server.address).await.unwrap();
    let mut stream = BufReader::new(stream);
    stream.write_all(&request.sign().head).await.unwrap();
    let mut first = [0; 12];
    stream.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 400");
}

#[tokio::test]
async fn a_broken_body_is_refused_before_it_has_arrived() {
    let ready = Ready::new().await;
    let request = ready
        .complete()
        .content_sha256("UNSIGNED-PAYLOAD")
        .without_length()
        .header("content-length", "2000000");
    let stream = TcpStream::connect(ready.server.address).await.unwrap();
    let mut stream = BufReader::new(stream);
    let deep = "<a>".repeat(100);
    let bytes = [request.sign().head, deep.into_bytes()].concat();
    stream.write_all(&bytes).await.unwrap();
    let answer = tokio::time::timeout(Duration::from_secs(8), read(&mut stream, false));
    answer.await.unwrap().is(400, "MalformedXML");
}

#[tokio::test]
async fn a_sub_resource_of_an_object_is_xml() {
    let server = TestServer::start().await;
    server.client().put("/media/k", b"x").await;
    for name in ["acl", "tagging", "retention", "legal-hold"] {
        let target = format!("/media/k?{name}");
        let large = vec![b' '; 3 << 20];
        let answer = server.client().put(&target, &large).await;
        assert!(
            [400, 501].contains(&answer.status),
            "{name}: {}",
            answer.text()
        );
    }
    assert_eq!(server.client().get("/media/k").await.body, b"x");
}
