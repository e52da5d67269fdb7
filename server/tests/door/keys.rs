//! Which keys there may be.

use crate::client::sha256;
use crate::server::TestServer;
use crate::signer::at;

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
        "a/../etc/..",
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
        "a/../etc/..",
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

/// A key as a client writes it, and what is said of it; what is asked at a host is asked at a path too.
#[tokio::test]
async fn keys_mean_the_same_by_path_and_by_host_to_the_signed_and_to_anyone() {
    let server = TestServer::start().await;
    let most = "k".repeat(1024);
    for key in [
        most.as_str(),
        "k",
        ".",
        "a/../b",
        "a/./b",
        "/k",
        "//k//",
        "k/",
        "a+b",
        "a%2Bb",
        "a%20b",
        "%20",
        "%20%20%20",
        "a%25b",
        "a%252Fb",
        "%3Fa=b%26c%23d",
        "a%0Ab%0D%09%01%7F",
        "%EF%BF%BE",
        "%C3%A9%F0%9F%A6%80",
        "a'()*!~;:@,$=&b",
        "open/k",
        "%3CKey%3E%22",
    ] {
        let body = sha256(key.as_bytes());
        let put = server.client().request("PUT", &format!("/open/{key}"));
        let put = put.body(body.as_bytes()).send().await;
        assert_eq!(put.status, 200, "{key}: {}", put.text());
        let signed = server.client().request("GET", &format!("/{key}"));
        let signed = signed.header("host", "open.s3.test").send().await;
        assert_eq!(signed.text(), body, "{key}");
        for (host, target) in [
            ("localhost", format!("/open/{key}")),
            ("open.s3.test", format!("/{key}")),
            ("s3.test", format!("/open%2F{key}")),
        ] {
            let get = at(&server, host, "GET", &target).await;
            assert_eq!(get.text(), body, "{host}{target}");
        }
    }
}

#[tokio::test]
async fn what_is_no_key_is_refused_alike() {
    let server = TestServer::start().await;
    let long = "k".repeat(1025);
    let wide = "%C3%A9".repeat(513);
    for (key, code) in [
        (long.as_str(), "KeyTooLongError"),
        (&wide, "KeyTooLongError"),
        ("%ff", "InvalidURI"),
        ("%C3", "InvalidURI"),
        ("%ED%A0%80", "InvalidURI"),
        ("%C0%AF", "InvalidURI"),
        ("..", "InvalidURI"),
        ("../open/k", "InvalidURI"),
        ("a/../../k", "InvalidURI"),
        ("%", "InvalidURI"),
        ("%zz", "InvalidURI"),
        ("%4", "InvalidURI"),
    ] {
        let path = format!("/open/{key}");
        for (host, target) in [("s3.test", &path), ("open.s3.test", &format!("/{key}"))] {
            for method in ["GET", "PUT", "DELETE"] {
                let request = server.client().request(method, target).header("host", host);
                let answer = request.send().await;
                assert_eq!(
                    (answer.status, answer.code().as_str()),
                    (400, code),
                    "{method} {host}{target}"
                );
            }
            at(&server, host, "GET", target).await.is(400, code);
        }
    }
    let open = server.store.bucket("open").unwrap().id;
    let all = server
        .store
        .list(open, moraine_engine::ListQuery::default());
    assert!(all.await.unwrap().entries.is_empty());
}

#[tokio::test]
async fn no_key_holds_a_nul() {
    let server = TestServer::start().await;
    for (host, target) in [("s3.test", "/open/a%00b"), ("open.s3.test", "/a%00b")] {
        let ask = |method| {
            let request = server.client().request(method, target);
            request.header("host", host).send()
        };
        ask("PUT").await.is(400, "InvalidArgument");
        ask("GET").await.is(404, "NoSuchKey");
        at(&server, host, "GET", target).await.is(404, "NoSuchKey");
    }
}

#[tokio::test]
async fn a_bucket_without_a_name_is_none() {
    let server = TestServer::start().await;
    for target in ["//", "//k", "/%2Fk", "///k"] {
        let signed = server.client().get(target).await;
        signed.is(400, "InvalidBucketName");
        let anyone = server.anonymous().get(target).await;
        let refused = match target {
            "//" => (403, "AccessDenied"),
            _ => (400, "InvalidBucketName"),
        };
        anyone.is(refused.0, refused.1);
    }
}
