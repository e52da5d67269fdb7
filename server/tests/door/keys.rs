//! Which keys there may be.

use crate::server::TestServer;

#[tokio::test]
async fn bad_keys_are_refused() {
    let server = TestServer::start().await;
    let long = "k".repeat(1025);
    server
        .client()
        .put(&format!("/media/{long}"), b"x")
        .await
        .is(400, "KeyTooLongError");
    server
        .client()
        .put("/media/a%00b", b"x")
        .await
        .is(400, "InvalidArgument");
    server
        .client()
        .put("/media/%ff", b"x")
        .await
        .is(400, "InvalidURI");
    server
        .client()
        .get("/media/missing")
        .await
        .is(404, "NoSuchKey");
}

#[tokio::test]
async fn odd_keys_come_back_as_they_went_in() {
    let server = TestServer::start().await;
    let most = "k".repeat(1024);
    for key in [
        most.as_str(),
        "a//b/",
        "/absolute",
        "../../etc",
        "%25%2B%20%3F%23",
        "%F0%9F%A6%80",
    ] {
        let target = format!("/media/{key}");
        assert_eq!(
            server.client().put(&target, key.as_bytes()).await.status,
            200,
            "{key}"
        );
    }
    for key in [
        most.as_str(),
        "a//b/",
        "/absolute",
        "../../etc",
        "%25%2B%20%3F%23",
        "%F0%9F%A6%80",
    ] {
        assert_eq!(
            server.client().get(&format!("/media/{key}")).await.body,
            key.as_bytes()
        );
    }
    let all = server.store.list(
        server.media.id,
        moraine_engine::ListQuery {
            limit: 100,
            ..Default::default()
        },
    );
    assert_eq!(all.await.unwrap().entries.len(), 6);
}

#[tokio::test]
async fn deleting_what_is_not_there_is_fine() {
    let server = TestServer::start().await;
    server.client().put("/media/k", b"x").await;
    for _ in 0..2 {
        assert_eq!(
            server
                .client()
                .request("DELETE", "/media/k")
                .send()
                .await
                .status,
            204
        );
        assert!(!server.holds("k").await);
    }
    let versioned = server.client().request("DELETE", "/media/k?versionId=null");
    assert_eq!(versioned.send().await.status, 204);
    server
        .client()
        .request("DELETE", "/media/k?versionId=7")
        .send()
        .await
        .is(404, "NoSuchVersion");
}
