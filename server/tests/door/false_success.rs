//! What asks for something that is not there is refused, not answered with success: checksums of unknown algorithms, storage
//! classes, keys of encryption, tags of buckets, namespaces.

use crate::client::Request;
use crate::multipart::{begin, upload};
use crate::server::TestServer;

const UNKNOWN: [&str; 6] = [
    "x-amz-checksum-sha512",
    "x-amz-checksum-md5",
    "x-amz-checksum-xxhash64",
    "x-amz-checksum-xxhash3",
    "x-amz-checksum-xxhash128",
    "x-amz-checksum-foo",
];

/// Requests with bodies of all kinds.
fn requests(server: &TestServer, id: &str, etag: &str) -> Vec<Request> {
    let request = |method, target: &str, body: &str| {
        let request = server.client().request(method, target);
        request.body(body.as_bytes())
    };
    let part = format!("/media/big?partNumber=1&uploadId={id}");
    let completion = format!(
        "<CompleteMultipartUpload><Part><ETag>{etag}</ETag><PartNumber>1</PartNumber></Part></CompleteMultipartUpload>"
    );
    let delete = "<Delete><Object><Key>there</Key></Object></Delete>";
    vec![
        request("PUT", "/media/k", "content"),
        request("PUT", &part, "content"),
        request("POST", &format!("/media/big?uploadId={id}"), &completion),
        request("POST", "/media?delete", delete),
        request("PUT", "/media/there?acl", "").header("x-amz-acl", "public-read"),
    ]
}

#[tokio::test]
async fn checksums_that_nobody_computes() {
    let server = TestServer::start().await;
    server.client().put("/media/there", b"x").await;
    let id = begin(&server, &[]).await;
    let etag = upload(&server, &id, 1, b"part").await;
    let named = ["x-amz-sdk-checksum-algorithm", "x-amz-checksum-algorithm"];
    let headers = UNKNOWN.map(|name| (name, "AAAA")).into_iter();
    for (name, value) in headers.chain(named.map(|name| (name, "SHA512"))) {
        for request in requests(&server, &id, &etag) {
            let answer = request.header(name, value).send().await;
            answer.is(501, "NotImplemented");
        }
    }
    let begin = server.client().request("POST", "/media/other?uploads");
    let begin = begin.header("x-amz-checksum-algorithm", "XXHASH64");
    begin.send().await.is(501, "NotImplemented");
    assert!(!server.holds("k").await && !server.holds("big").await);
    assert!(server.holds("there").await);
}

#[tokio::test]
async fn trailers_that_nobody_computes() {
    let server = TestServer::start().await;
    let body = b"1\r\nx\r\n0\r\nx-amz-checksum-sha512:AAAA\r\n\r\n";
    let put = server.client().request("PUT", "/media/k").body(body);
    let put = put
        .header("x-amz-trailer", "x-amz-checksum-sha512")
        .header("x-amz-decoded-content-length", "1")
        .content_sha256("STREAMING-UNSIGNED-PAYLOAD-TRAILER");
    let answer = put.send().await;
    answer.is(501, "NotImplemented");
    assert!(!server.holds("k").await);
}

#[tokio::test]
async fn checksums_of_parts_that_nobody_computes() {
    let server = TestServer::start().await;
    let id = begin(&server, &[]).await;
    let etag = upload(&server, &id, 1, b"part").await;
    let xml = format!(
        "<CompleteMultipartUpload><Part><ChecksumSHA512>AAAA</ChecksumSHA512><ETag>{etag}</ETag>\
         <PartNumber>1</PartNumber></Part></CompleteMultipartUpload>"
    );
    let target = format!("/media/big?uploadId={id}");
    let request = server.client().request("POST", &target);
    let answer = request.body(xml.as_bytes()).send().await;
    answer.is(501, "NotImplemented");
    assert!(!server.holds("big").await);
}

#[tokio::test]
async fn storage_classes() {
    let server = TestServer::start().await;
    let put = |class: &str| {
        let request = server.client().request("PUT", "/media/k").body(b"x");
        request.header("x-amz-storage-class", class).send()
    };
    put("BOGUS").await.is(400, "InvalidStorageClass");
    put("OUTPOSTS").await.is(400, "InvalidStorageClass");
    put("GLACIER").await.is(501, "NotImplemented");
    put("DEEP_ARCHIVE").await.is(501, "NotImplemented");
    assert!(!server.holds("k").await);
    assert_eq!(put("GLACIER_IR").await.status, 200);
    let head = server.client().request("HEAD", "/media/k").send().await;
    assert_eq!(head.header("x-amz-storage-class"), Some("GLACIER_IR"));
    let begin = server.client().request("POST", "/media/big?uploads");
    let begin = begin.header("x-amz-storage-class", "GLACIER").send().await;
    begin.is(501, "NotImplemented");
    let copy = server.client().request("PUT", "/media/copy");
    let copy = copy.header("x-amz-copy-source", "media/k");
    let copy = copy.header("x-amz-storage-class", "BOGUS").send().await;
    copy.is(400, "InvalidStorageClass");
}

#[tokio::test]
async fn keys_of_encryption() {
    let server = TestServer::start().await;
    server.client().put("/media/k", b"x").await;
    for name in [
        "x-amz-server-side-encryption-customer-algorithm",
        "x-amz-server-side-encryption-customer-key",
        "x-amz-server-side-encryption-customer-key-md5",
    ] {
        let get = server.client().request("GET", "/media/k");
        let answer = get.header(name, "AES256").send().await;
        answer.is(400, "InvalidRequest");
        let head = server.client().request("HEAD", "/media/k");
        let answer = head.header(name, "AES256").send().await;
        assert_eq!(answer.status, 400);
        let missing = server.client().request("GET", "/media/none");
        let answer = missing.header(name, "AES256").send().await;
        answer.is(404, "NoSuchKey");
    }
    let put = server.client().request("PUT", "/media/k2").body(b"x");
    let put = put.header("x-amz-server-side-encryption-bucket-key-enabled", "true");
    put.send().await.is(501, "NotImplemented");
    assert!(!server.holds("k2").await);
}

#[tokio::test]
async fn buckets_with_tags_or_a_namespace() {
    let server = TestServer::start().await;
    let create = |more: &str| {
        let xml = format!("<CreateBucketConfiguration>{more}</CreateBucketConfiguration>");
        let request = server.client().request("PUT", "/made");
        request.body(xml.as_bytes())
    };
    let tags = "<Tags><Tag><Key>a</Key><Value>b</Value></Tag></Tags>";
    create(tags).send().await.is(501, "NotImplemented");
    let region = "<LocationConstraint>eu-west-1</LocationConstraint>";
    let namespace = |value| create(region).header("x-amz-bucket-namespace", value);
    let refused = namespace("account-regional").send().await;
    refused.is(501, "NotImplemented");
    assert!(server.store.bucket("made").is_none());
    assert_eq!(namespace("global").send().await.status, 200);
}

#[tokio::test]
async fn parameters_of_clients_own() {
    let server = TestServer::start().await;
    let client = server.client();
    let put = client.put("/media/k?x-mine=1&x-id=PutObject", b"x");
    assert_eq!(put.await.status, 200);
    let put = server.client().put("/media/k?mine=1", b"x").await;
    put.is(501, "NotImplemented");
}

#[tokio::test]
async fn part_numbers_that_cannot_be() {
    let server = TestServer::start().await;
    server.client().put("/media/k", b"x").await;
    for (number, status, code) in [
        ("0", 400, "InvalidArgument"),
        ("10001", 400, "InvalidArgument"),
        ("-1", 400, "InvalidArgument"),
        ("10000", 416, "InvalidPartNumber"),
        ("2", 416, "InvalidPartNumber"),
    ] {
        let target = format!("/media/k?partNumber={number}");
        server.client().get(&target).await.is(status, code);
        let head = server.client().request("HEAD", &target).send().await;
        assert_eq!(head.status, status, "{number}");
    }
}
