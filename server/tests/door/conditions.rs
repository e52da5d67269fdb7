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
