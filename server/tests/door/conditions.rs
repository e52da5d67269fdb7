//! Conditional reads and writes.

use crate::server::TestServer;

#[tokio::test]
async fn reads() {
    let server = TestServer::start().await;
    let etag = server
        .client()
        .put("/media/k", b"x")
        .await
        .header("etag")
        .unwrap()
        .to_owned();
    let get = |name: &'static str, value: String| {
        let request = server
            .client()
            .request("GET", "/media/k")
            .header(name, &value);
        async move { request.send().await }
    };
    assert_eq!(get("if-match", etag.clone()).await.status, 200);
    get("if-match", "\"other\"".to_owned())
        .await
        .is(412, "PreconditionFailed");
    assert_eq!(
        get("if-none-match", "\"other\"".to_owned()).await.status,
        200
    );
    let not_modified = get("if-none-match", etag.clone()).await;
    assert_eq!(not_modified.status, 304);
    assert_eq!(not_modified.header("etag"), Some(etag.as_str()));
    let future = "Fri, 01 Jan 2100 00:00:00 GMT".to_owned();
    let past = "Thu, 01 Jan 2015 00:00:00 GMT".to_owned();
    assert_eq!(get("if-modified-since", past.clone()).await.status, 200);
    assert_eq!(get("if-unmodified-since", future).await.status, 200);
    get("if-unmodified-since", past)
        .await
        .is(412, "PreconditionFailed");
}

#[tokio::test]
async fn writes() {
    let server = TestServer::start().await;
    let put = |name: &'static str, value: String, body: &'static [u8]| {
        let request = server
            .client()
            .request("PUT", "/media/k")
            .body(body)
            .header(name, &value);
        async move { request.send().await }
    };
    let first = put("if-none-match", "*".to_owned(), b"one").await;
    assert_eq!(first.status, 200);
    put("if-none-match", "*".to_owned(), b"two")
        .await
        .is(412, "PreconditionFailed");
    put("if-match", "\"other\"".to_owned(), b"two")
        .await
        .is(412, "PreconditionFailed");
    assert_eq!(server.client().get("/media/k").await.body, b"one");
    let etag = first.header("etag").unwrap().to_owned();
    assert_eq!(put("if-match", etag, b"two").await.status, 200);
    assert_eq!(server.client().get("/media/k").await.body, b"two");
    put("if-none-match", "\"x\"".to_owned(), b"two")
        .await
        .is(501, "NotImplemented");
}

#[tokio::test]
async fn an_etag_of_nothing_is_not_found() {
    let server = TestServer::start().await;
    let put = server
        .client()
        .request("PUT", "/media/k")
        .header("if-match", "\"abc\"");
    put.send().await.is(404, "NoSuchKey");
    assert!(!server.holds("k").await);
    let id = crate::multipart::begin(&server, &[]).await;
    let etag = crate::multipart::upload(&server, &id, 1, b"part").await;
    let complete = |name: &'static str, value: &str| {
        let xml = format!(
            "<CompleteMultipartUpload><Part><ETag>{etag}</ETag><PartNumber>1</PartNumber></Part></CompleteMultipartUpload>"
        );
        let request = server
            .client()
            .request("POST", &format!("/media/big?uploadId={id}"));
        let request = request.body(xml.as_bytes()).header(name, value);
        async move { request.send().await }
    };
    complete("if-match", "\"abc\"").await.is(404, "NoSuchKey");
    server.client().put("/media/big", b"x").await;
    complete("if-none-match", "*")
        .await
        .is(412, "PreconditionFailed");
    complete("if-match", "\"abc\"")
        .await
        .is(412, "PreconditionFailed");
    let current = format!("\"{}\"", crate::client::hex(&crate::client::md5(b"x")));
    assert_eq!(complete("if-match", &current).await.status, 200);
}

#[tokio::test]
async fn deletes() {
    let server = TestServer::start().await;
    let delete = |value: String| {
        let request = server.client().request("DELETE", "/media/k");
        let request = request.header("if-match", &value);
        async move { request.send().await }
    };
    // There is nothing to protect, but who says that there must be something is told.
    assert_eq!(delete("\"abc\"".to_owned()).await.status, 204);
    delete("*".to_owned()).await.is(412, "PreconditionFailed");
    let etag = server.client().put("/media/k", b"x").await;
    let etag = etag.header("etag").unwrap().to_owned();
    delete("\"abc\"".to_owned())
        .await
        .is(412, "PreconditionFailed");
    assert!(server.holds("k").await);
    assert_eq!(delete(etag).await.status, 204);
    assert!(!server.holds("k").await);
    server.client().put("/media/k", b"x").await;
    assert_eq!(delete("*".to_owned()).await.status, 204);
    assert!(!server.holds("k").await);
}

#[tokio::test]
async fn conditions_that_are_lists_or_nonsense() {
    let server = TestServer::start().await;
    let etag = server.client().put("/media/k", b"x").await;
    let etag = etag.header("etag").unwrap().replace('"', "");
    for (name, value, status) in [
        ("if-none-match", format!("other, {etag}"), 304),
        ("if-match", format!("other, {etag}"), 200),
        ("if-match", "other, another".to_owned(), 412),
        ("if-modified-since", "yesterday".to_owned(), 200),
        ("if-unmodified-since", "0".to_owned(), 200),
    ] {
        for method in ["GET", "HEAD"] {
            let request = server.client().request(method, "/media/k");
            let answer = request.header(name, &value).send().await;
            assert_eq!(answer.status, status, "{method} {name}: {value}");
        }
    }
}
