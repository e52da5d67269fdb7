//! CopyObject: what a copy keeps, what it may be made of, and when it is refused.

use crate::client::{Request, Response, base64, crc32, sha256};
use crate::multipart::{PART, begin, complete, part, upload};
use crate::server::TestServer;
use moraine_server::Limits;
use std::time::Duration;

const PAST: &str = "Thu, 01 Jan 2015 00:00:00 GMT";
const FUTURE: &str = "Fri, 01 Jan 2100 00:00:00 GMT";

fn copy(server: &TestServer, source: &str, target: &str) -> Request {
    let request = server.client().request("PUT", target);
    request.header("x-amz-copy-source", source)
}

async fn head(server: &TestServer, target: &str) -> Response {
    let request = server.client().request("HEAD", target);
    request
        .header("x-amz-checksum-mode", "ENABLED")
        .send()
        .await
}

/// An object with every attribute.
async fn rich(server: &TestServer, target: &str) {
    let put = server
        .client()
        .request("PUT", target)
        .header("content-type", "image/png")
        .header("cache-control", "public, max-age=1")
        .header("content-disposition", "inline; filename=\"a.png\"")
        .header("content-encoding", "gzip")
        .header("content-language", "eo")
        .header("expires", "0")
        .header("x-amz-meta-one", "first")
        .header("x-amz-acl", "public-read")
        .header("x-amz-checksum-crc32", &crc32(b"content"))
        .body(b"content");
    assert_eq!(put.send().await.status, 200);
}

#[tokio::test]
async fn a_copy_keeps_all_but_the_acl() {
    let server = TestServer::start().await;
    rich(&server, "/media/a").await;
    let answer = copy(&server, "media/a", "/open/b")
        .header("content-type", "text/plain")
        .header("x-amz-meta-two", "ignored")
        .send()
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let etag = head(&server, "/media/a").await;
    let etag = etag.header("etag").unwrap().to_owned();
    let said = answer.element("ETag").unwrap().replace("&quot;", "\"");
    assert_eq!(said, etag);
    assert!(answer.element("LastModified").is_some());
    assert_eq!(answer.element("ChecksumCRC32"), Some(crc32(b"content")));
    assert!(answer.header("x-amz-version-id").is_none());
    let found = head(&server, "/open/b").await;
    for (name, value) in [
        ("etag", etag.as_str()),
        ("content-type", "image/png"),
        ("cache-control", "public, max-age=1"),
        ("content-disposition", "inline; filename=\"a.png\""),
        ("content-encoding", "gzip"),
        ("content-language", "eo"),
        ("expires", "0"),
        ("x-amz-meta-one", "first"),
        ("x-amz-checksum-crc32", &crc32(b"content")),
    ] {
        assert_eq!(found.header(name), Some(value), "{name}");
    }
    assert!(found.header("x-amz-meta-two").is_none());
    assert_eq!(server.client().get("/open/b").await.body, b"content");
    copy(&server, "media/a", "/media/c").send().await;
    assert_eq!(server.anonymous().get("/media/c").await.status, 403);
    let public = copy(&server, "media/a", "/media/c").header("x-amz-acl", "public-read");
    assert_eq!(public.send().await.status, 200);
    assert_eq!(server.anonymous().get("/media/c").await.status, 200);
}

#[tokio::test]
async fn a_copy_may_replace_what_belongs_to_the_name() {
    let server = TestServer::start().await;
    rich(&server, "/media/a").await;
    let answer = copy(&server, "media/a", "/media/b")
        .header("x-amz-metadata-directive", "REPLACE")
        .header("content-type", "text/plain")
        .header("x-amz-meta-two", "second")
        .send()
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let found = head(&server, "/media/b").await;
    assert_eq!(found.header("content-type"), Some("text/plain"));
    assert_eq!(found.header("x-amz-meta-two"), Some("second"));
    assert_eq!(
        found.header("x-amz-checksum-crc32"),
        Some(crc32(b"content").as_str())
    );
    for gone in ["x-amz-meta-one", "cache-control", "expires"] {
        assert!(found.header(gone).is_none(), "{gone}");
    }
    let odd = copy(&server, "media/a", "/media/c").header("x-amz-metadata-directive", "MERGE");
    odd.send().await.is(400, "InvalidArgument");
    let tags = copy(&server, "media/a", "/media/c")
        .header("x-amz-tagging-directive", "REPLACE")
        .header("x-amz-tagging", "a=b");
    tags.send().await.is(501, "NotImplemented");
    assert!(!server.holds("c").await);
}

#[tokio::test]
async fn sources_are_named_as_s3_names_them() {
    let server = TestServer::start().await;
    for (path, body) in [
        ("/media/a%20b.jpg", &b"space"[..]),
        ("/media/a%2Bb.jpg", b"plus"),
        ("/media/%C3%A9/x%3Fy", b"odd"),
    ] {
        assert_eq!(server.client().put(path, body).await.status, 200);
    }
    for (source, body) in [
        ("media/a%20b.jpg", &b"space"[..]),
        ("/media/a+b.jpg", b"space"),
        ("media/a%2Bb.jpg", b"plus"),
        ("media/%C3%A9/x%3Fy?versionId=null", b"odd"),
        ("%2Fmedia%2F%c3%a9%2Fx%3Fy", b"odd"),
    ] {
        let answer = copy(&server, source, "/media/copy").send().await;
        assert_eq!(answer.status, 200, "{source}: {}", answer.text());
        let copied = server.client().get("/media/copy").await.body;
        assert_eq!(copied, body, "{source}");
    }
}

#[tokio::test]
async fn sources_that_cannot_be() {
    let server = TestServer::start().await;
    server.client().put("/media/k", b"x").await;
    for (source, status, code) in [
        ("media/missing", 404, "NoSuchKey"),
        ("nowhere/k", 404, "NoSuchBucket"),
        (
            "media/k?versionId=3sL4kqtJlcpXroDTDmJ",
            404,
            "NoSuchVersion",
        ),
        ("media/k?versionId=%20", 400, "InvalidArgument"),
        ("media/k?versionId=", 400, "InvalidArgument"),
        ("media/k?other=1", 400, "InvalidArgument"),
        ("media/%zz", 400, "InvalidArgument"),
        ("media/%ff", 400, "InvalidArgument"),
        ("media", 400, "InvalidArgument"),
        ("media/", 400, "InvalidArgument"),
        ("/", 400, "InvalidArgument"),
        ("//k", 400, "InvalidArgument"),
    ] {
        let answer = copy(&server, source, "/media/copy").send().await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (status, code),
            "{source}: {}",
            answer.text()
        );
    }
    assert!(!server.holds("copy").await);
}

#[tokio::test]
async fn another_tenants_object_is_no_source() {
    let server = TestServer::start().await;
    rich(&server, "/media/public").await;
    server.client().put("/open/k", b"open").await;
    server.client().put("/media/private", b"private").await;
    for source in ["media/public", "media/private", "open/k", "media/missing"] {
        let request = server.other().request("PUT", "/theirs/copy");
        let request = request.header("x-amz-copy-source", source);
        request.send().await.is(403, "AccessDenied");
    }
    assert_eq!(server.other().get("/theirs/copy").await.status, 404);
    let foreign = server
        .other()
        .request("PUT", "/media/copy")
        .header("x-amz-copy-source", "theirs/k");
    foreign.send().await.is(403, "AccessDenied");
    let expected = copy(&server, "media/public", "/media/copy")
        .header("x-amz-source-expected-bucket-owner", "123456789012");
    expected.send().await.is(403, "AccessDenied");
    assert!(!server.holds("copy").await);
}

#[tokio::test]
async fn a_copy_onto_itself_changes_something() {
    let server = TestServer::start().await;
    rich(&server, "/media/a").await;
    let same = copy(&server, "media/a", "/media/a").send().await;
    same.is(400, "InvalidRequest");
    assert!(same.text().contains("to itself"), "{}", same.text());
    let replaced = copy(&server, "media/a", "/media/a")
        .header("x-amz-metadata-directive", "REPLACE")
        .header("content-type", "text/plain");
    assert_eq!(replaced.send().await.status, 200);
    let found = head(&server, "/media/a").await;
    assert_eq!(found.header("content-type"), Some("text/plain"));
    let class = copy(&server, "media/a", "/media/a").header("x-amz-storage-class", "STANDARD_IA");
    assert_eq!(class.send().await.status, 200);
    let found = head(&server, "/media/a").await;
    assert_eq!(found.header("x-amz-storage-class"), Some("STANDARD_IA"));
    assert_eq!(server.client().get("/media/a").await.body, b"content");
}

#[tokio::test]
async fn conditions_on_the_source() {
    let server = TestServer::start().await;
    let etag = server.client().put("/media/a", b"x").await;
    let etag = etag.header("etag").unwrap().to_owned();
    let (is, not) = (
        "x-amz-copy-source-if-match",
        "x-amz-copy-source-if-none-match",
    );
    let since = "x-amz-copy-source-if-modified-since";
    let before = "x-amz-copy-source-if-unmodified-since";
    for (conditions, status) in [
        (vec![(is, etag.as_str())], 200),
        (vec![(is, "\"other\"")], 412),
        (vec![(not, "\"other\"")], 200),
        (vec![(not, etag.as_str())], 412),
        (vec![(since, PAST)], 200),
        (vec![(since, FUTURE)], 412),
        (vec![(before, FUTURE)], 200),
        (vec![(before, PAST)], 412),
        // An ETag that matches outweighs a date that does not, on either side.
        (vec![(is, etag.as_str()), (before, PAST)], 200),
        (vec![(not, etag.as_str()), (since, PAST)], 412),
        (vec![(since, "yesterday")], 200),
    ] {
        let mut request = copy(&server, "media/a", "/media/b");
        for (name, value) in &conditions {
            request = request.header(name, value);
        }
        assert_eq!(request.send().await.status, status, "{conditions:?}");
    }
}

#[tokio::test]
async fn conditions_on_the_destination() {
    let server = TestServer::start().await;
    server.client().put("/media/a", b"x").await;
    let attempt = |name: &'static str, value: &str| {
        let request = copy(&server, "media/a", "/media/b").header(name, value);
        async move { request.send().await }
    };
    attempt("if-match", "\"other\"").await.is(404, "NoSuchKey");
    assert_eq!(attempt("if-none-match", "*").await.status, 200);
    attempt("if-none-match", "*")
        .await
        .is(412, "PreconditionFailed");
    attempt("if-match", "\"other\"")
        .await
        .is(412, "PreconditionFailed");
    let etag = head(&server, "/media/b").await;
    let etag = etag.header("etag").unwrap().to_owned();
    assert_eq!(attempt("if-match", &etag).await.status, 200);
}

#[tokio::test]
async fn no_bytes_are_copied() {
    let server = TestServer::start().await;
    let body = part(3, 6 << 20);
    server.client().put("/media/a", &body).await;
    let before = server.store.stats();
    for n in 0..10 {
        let answer = copy(&server, "media/a", &format!("/media/copy{n}")).send();
        assert_eq!(answer.await.status, 200);
    }
    let after = server.store.stats();
    assert_eq!(after.bytes_out, before.bytes_out);
    assert!(after.log_bytes_written - before.log_bytes_written < 1 << 20);
    assert_eq!(server.client().get("/media/copy9").await.body, body);
}

#[tokio::test]
async fn a_checksum_that_is_asked_for_is_computed_or_kept() {
    let server = TestServer::start().await;
    let body = part(5, 3 << 20);
    server.client().put("/media/plain", &body).await;
    let digest = |text: String| {
        let bytes: Vec<u8> = (0..32)
            .map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap())
            .collect();
        base64(&bytes)
    };
    let expected = digest(sha256(&body));
    let answer = copy(&server, "media/plain", "/media/sum")
        .header("x-amz-checksum-algorithm", "SHA256")
        .send()
        .await;
    assert_eq!(answer.element("ChecksumSHA256"), Some(expected.clone()));
    assert_eq!(
        answer.element("ChecksumType").as_deref(),
        Some("FULL_OBJECT")
    );
    let found = head(&server, "/media/sum").await;
    assert_eq!(
        found.header("x-amz-checksum-sha256"),
        Some(expected.as_str())
    );
    // Who has it already is not read for it.
    let read = server.store.stats().bytes_out;
    let again =
        copy(&server, "media/sum", "/media/again").header("x-amz-checksum-algorithm", "SHA256");
    assert_eq!(again.send().await.element("ChecksumSHA256"), Some(expected));
    assert_eq!(server.store.stats().bytes_out, read);
    let unknown = copy(&server, "media/sum", "/media/x").header("x-amz-checksum-algorithm", "MD4");
    unknown.send().await.is(501, "NotImplemented");
}

#[tokio::test]
async fn a_copy_of_parts_is_verified_like_its_source() {
    let server = TestServer::start().await;
    let headers = [("x-amz-checksum-algorithm", "CRC32")];
    let id = begin(&server, &headers).await;
    let first = upload(&server, &id, 1, &part(1, PART)).await;
    let second = upload(&server, &id, 2, b"last").await;
    complete(&server, &id, &[(1, &first), (2, &second)]).await;
    let answer = copy(&server, "media/big", "/media/copy").send().await;
    assert_eq!(answer.element("ChecksumType").as_deref(), Some("COMPOSITE"));
    let (source, found) = (
        head(&server, "/media/big").await,
        head(&server, "/media/copy").await,
    );
    for name in ["etag", "x-amz-checksum-crc32", "x-amz-checksum-type"] {
        assert!(source.header(name).is_some(), "{name}");
        assert_eq!(found.header(name), source.header(name), "{name}");
    }
    let part = server.client().get("/media/copy?partNumber=2").await;
    assert_eq!(part.body, b"last");
}

#[tokio::test]
async fn a_long_copy_answers_before_it_ends() {
    let limits = Limits {
        silence_max: Duration::ZERO,
        ..Limits::default()
    };
    let server = TestServer::with(limits).await;
    server.client().put("/media/a", b"x").await;
    let done = copy(&server, "media/a", "/media/b").send().await;
    assert_eq!(done.status, 200);
    assert!(done.element("ETag").is_some(), "{}", done.text());
    assert_eq!(done.header("content-type"), Some("application/xml"));
    assert_eq!(server.client().get("/media/b").await.body, b"x");
    let failed = copy(&server, "media/a", "/media/b").header("if-none-match", "*");
    let failed = failed.send().await;
    failed.is(200, "PreconditionFailed");
    assert!(failed.element("RequestId").is_some(), "{}", failed.text());
    assert_eq!(failed.text().matches("<?xml").count(), 1);
    // What can be known at once is said with its status.
    let missing = copy(&server, "media/missing", "/media/b").send().await;
    missing.is(404, "NoSuchKey");
}

#[tokio::test]
async fn a_source_that_is_not_there_is_named() {
    let server = TestServer::start().await;
    let id = begin(&server, &[]).await;
    let part = format!("/media/big?partNumber=1&uploadId={id}");
    for target in ["/media/k", part.as_str()] {
        let answer = copy(&server, "nobkt/none", target).send().await;
        answer.is(404, "NoSuchBucket");
        assert_eq!(answer.element("BucketName").as_deref(), Some("nobkt"));
        let answer = copy(&server, "media/none", target).send().await;
        answer.is(404, "NoSuchKey");
        assert_eq!(answer.element("Key").as_deref(), Some("none"));
    }
    let answer = copy(&server, "media/none", "/nobkt/k").send().await;
    answer.is(404, "NoSuchBucket");
    assert_eq!(answer.element("BucketName").as_deref(), Some("nobkt"));
}

#[tokio::test]
async fn results_of_copies_are_in_the_namespace() {
    let root = "Result xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><";
    for silence_max in [Limits::default().silence_max, Duration::ZERO] {
        let limits = Limits {
            silence_max,
            ..Limits::default()
        };
        let server = TestServer::with(limits).await;
        rich(&server, "/media/a").await;
        let id = begin(&server, &[]).await;
        let part = format!("/media/big?partNumber=1&uploadId={id}");
        for target in ["/media/k", part.as_str()] {
            let answer = copy(&server, "media/a", target).send().await;
            assert!(
                answer.complete && answer.text().contains(root),
                "{}",
                answer.text()
            );
        }
    }
}
