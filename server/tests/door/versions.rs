//! Version ids where no versions are kept: `null` is the only one, and no answer names it.

use crate::server::TestServer;

#[tokio::test]
async fn null_is_the_version_that_there_is() {
    let server = TestServer::start().await;
    let put = server.client().put("/media/k", b"x").await;
    assert!(put.header("x-amz-version-id").is_none());
    for (method, target, status) in [
        ("GET", "/media/k?versionId=null", 200),
        ("HEAD", "/media/k?versionId=null", 200),
        ("GET", "/media/k?acl&versionId=null", 200),
        ("GET", "/media/k?tagging&versionId=null", 200),
        ("DELETE", "/media/k?versionId=null", 204),
    ] {
        let answer = server.client().request(method, target).send().await;
        assert_eq!(answer.status, status, "{method} {target}");
        assert!(answer.header("x-amz-version-id").is_none(), "{target}");
    }
    assert!(!server.holds("k").await);
}

#[tokio::test]
async fn other_versions_do_not_exist() {
    let server = TestServer::start().await;
    server.client().put("/media/k", b"x").await;
    let id = "3sL4kqtJlcpXroDTDmJrmSpXd3dIbrHY";
    for target in ["/media/k?", "/media/k?acl&", "/media/k?tagging&"] {
        let get = |id: &str| {
            let target = format!("{target}versionId={id}");
            let client = server.client();
            async move { client.get(&target).await }
        };
        get(id).await.is(404, "NoSuchVersion");
        get("a%20b").await.is(400, "InvalidArgument");
        get("").await.is(400, "InvalidArgument");
    }
    for (method, target) in [
        ("DELETE", format!("/media/k?versionId={id}")),
        ("PUT", format!("/media/k?acl&versionId={id}")),
    ] {
        let request = server.client().request(method, &target);
        let answer = request.header("x-amz-acl", "public-read").send().await;
        answer.is(404, "NoSuchVersion");
    }
    let head = server
        .client()
        .request("HEAD", &format!("/media/k?versionId={id}"));
    let head = head.send().await;
    assert_eq!(head.status, 404);
    assert!(server.holds("k").await);
    assert_eq!(server.anonymous().get("/media/k").await.status, 403);
}

#[tokio::test]
async fn a_bucket_never_had_versions() {
    let server = TestServer::start().await;
    let answer = server.client().get("/media?versioning").await;
    assert_eq!(answer.status, 200);
    let text = answer.text();
    assert!(text.contains("VersioningConfiguration"), "{text}");
    assert!(!text.contains("<Status"), "{text}");
    server
        .client()
        .get("/nowhere?versioning")
        .await
        .is(404, "NoSuchBucket");
}

#[tokio::test]
async fn an_object_has_no_tags() {
    let server = TestServer::start().await;
    server.client().put("/media/k", b"x").await;
    let answer = server.client().get("/media/k?tagging").await;
    assert_eq!(answer.status, 200);
    let text = answer.text();
    assert!(
        text.contains("<TagSet") && !text.contains("<Tag>"),
        "{text}"
    );
    server
        .client()
        .get("/media/missing?tagging")
        .await
        .is(404, "NoSuchKey");
}
