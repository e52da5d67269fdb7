//! Headers and user metadata come back as they were sent.

use crate::client::crc32;
use crate::server::TestServer;

async fn back(server: &TestServer, name: &str, value: &str) -> Option<String> {
    let put = server
        .client()
        .request("PUT", "/media/k")
        .header(name, value);
    let put = put.body(b"x").send().await;
    assert_eq!(put.status, 200, "{name}: {value}: {}", put.text());
    let get = server.client().get("/media/k").await;
    let head = server.client().request("HEAD", "/media/k").send().await;
    assert_eq!(get.header(name), head.header(name), "{name}: {value}");
    get.header(name).map(str::to_owned)
}

#[tokio::test]
async fn headers_are_kept_verbatim() {
    let server = TestServer::start().await;
    for (name, value) in [
        ("content-type", "image/svg+xml; charset=\"utf-8\""),
        ("cache-control", "public, max-age=315576000, immutable"),
        (
            "content-disposition",
            "attachment; filename=\"a \\\"b\\\".png\"; filename*=UTF-8''%e2%82%ac.png",
        ),
        ("content-language", "eo, de-CH"),
        ("content-encoding", "gzip"),
        ("expires", "Wed, 21 Oct 2015 07:28:00 GMT"),
        ("expires", "0"),
        ("expires", "never"),
        ("expires", "Wednesday, 21-Oct-15 07:28:00 GMT"),
    ] {
        assert_eq!(back(&server, name, value).await.as_deref(), Some(value));
    }
}

#[tokio::test]
async fn metadata_is_kept_verbatim() {
    let server = TestServer::start().await;
    for value in [
        "plain",
        "with a space, and a comma",
        "=?UTF-8?B?w6k=?=",
        "=?UTF-8?Q?caf=C3=A9?=",
        "=?ISO-8859-1?Q?caf=E9?=",
        "=?nonsense?=",
    ] {
        let found = back(&server, "x-amz-meta-name", value).await;
        assert_eq!(found.as_deref(), Some(value));
    }
    let put = server
        .client()
        .request("PUT", "/media/k")
        .header("X-Amz-Meta-MIXED-Case", "1");
    put.send().await;
    let get = server.client().get("/media/k").await;
    let names: Vec<&str> = get.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert!(names.contains(&"x-amz-meta-mixed-case"), "{names:?}");
}

#[tokio::test]
async fn a_streamed_body_with_an_odd_header_is_checked_like_any() {
    let server = TestServer::start().await;
    let body: &[u8] = b"streamed";
    let coded = format!(
        "8\r\nstreamed\r\n0\r\nx-amz-checksum-crc32:{}\r\n\r\n",
        crc32(body)
    );
    let request = |trailer: &str| {
        server
            .client()
            .request("PUT", "/media/k")
            .content_sha256("STREAMING-UNSIGNED-PAYLOAD-TRAILER")
            .without_length()
            .header("content-encoding", "aws-chunked")
            .header("x-amz-decoded-content-length", "8")
            .header("x-amz-trailer", trailer)
            .header("content-length", &coded.len().to_string())
            .header("expires", "0")
    };
    let mut signed = request("x-amz-checksum-crc32").sign();
    signed.body = coded.clone().into_bytes();
    let put = signed.send(server.address).await;
    assert_eq!(put.status, 200, "{}", put.text());
    assert_eq!(
        put.header("x-amz-checksum-crc32"),
        Some(crc32(body).as_str())
    );
    let get = server.client().get("/media/k").await;
    assert_eq!(get.body, body);
    assert_eq!(get.header("expires"), Some("0"));
    let mut wrong = request("x-amz-checksum-crc32").sign();
    wrong.body = coded.replace("streamed", "streaked").into_bytes();
    wrong.send(server.address).await.is(400, "BadDigest");
}

#[tokio::test]
async fn bare_utf8_comes_back_in_a_header_that_may_be() {
    let server = TestServer::start().await;
    let found = back(&server, "x-amz-meta-name", "caf\u{e9}").await;
    assert_eq!(found.as_deref(), Some("=?UTF-8?B?Y2Fmw6k=?="));
    // What came back once is what comes back for good.
    let again = back(&server, "x-amz-meta-name", "=?UTF-8?B?Y2Fmw6k=?=").await;
    assert_eq!(again, found);
}

#[tokio::test]
async fn bytes_of_no_known_charset_are_refused() {
    let server = TestServer::start().await;
    let request = server
        .client()
        .request("PUT", "/media/k")
        .header("x-amz-meta-name", "caf\u{e9}");
    let mut signed = request.sign();
    let text = String::from_utf8(signed.head).unwrap();
    let (before, after) = text.split_once('\u{e9}').unwrap();
    signed.head = [before.as_bytes(), b"\xe9", after.as_bytes()].concat();
    let answer = signed.send(server.address).await;
    assert!((400..500).contains(&answer.status), "{}", answer.text());
    assert!(!server.holds("k").await);
}

#[tokio::test]
async fn an_upload_and_a_copy_keep_an_expires_that_is_no_date() {
    let server = TestServer::start().await;
    let id = crate::multipart::begin(&server, &[("expires", "-1")]).await;
    let etag = crate::multipart::upload(&server, &id, 1, b"x").await;
    crate::multipart::complete(&server, &id, &[(1, &etag)]).await;
    let copy = server
        .client()
        .request("PUT", "/media/copy")
        .header("x-amz-copy-source", "media/big")
        .header("x-amz-metadata-directive", "REPLACE")
        .header("expires", "-2");
    assert_eq!(copy.send().await.status, 200);
    for (target, expires) in [("/media/big", "-1"), ("/media/copy", "-2")] {
        let head = server.client().request("HEAD", target).send().await;
        assert_eq!(head.header("expires"), Some(expires), "{target}");
    }
}
