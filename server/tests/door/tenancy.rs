//! A key reaches its tenant's buckets and no others.

use crate::server::{OTHER_KEY, TestServer};

#[tokio::test]
async fn every_operation_on_another_tenants_bucket_is_denied() {
    let server = TestServer::start().await;
    server.client().put("/media/k", b"x").await;
    for (method, target) in [
        ("GET", "/media/k"),
        ("GET", "/media/missing"),
        ("PUT", "/media/k"),
        ("DELETE", "/media/k"),
        ("DELETE", "/media"),
        ("GET", "/media?list-type=2"),
        ("GET", "/media?location"),
        ("POST", "/media/k?uploads"),
        ("PUT", "/media/k?partNumber=1&uploadId=1"),
        ("DELETE", "/media/k?uploadId=1"),
    ] {
        let answer = server.other().request(method, target).send().await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (403, "AccessDenied"),
            "{method} {target}"
        );
    }
    for target in ["/media", "/media/k"] {
        assert_eq!(
            server.other().request("HEAD", target).send().await.status,
            403
        );
    }
    assert_eq!(server.client().get("/media/k").await.body, b"x");
}

#[tokio::test]
async fn buckets_are_listed_and_made_per_tenant() {
    let server = TestServer::start().await;
    let list = server.client().get("/").await.text();
    assert!(
        list.contains("<Name>media</Name>") && !list.contains("theirs"),
        "{list}"
    );
    assert_eq!(
        server.client().request("PUT", "/fresh").send().await.status,
        200
    );
    assert_eq!(
        server
            .client()
            .request("HEAD", "/fresh")
            .send()
            .await
            .status,
        200
    );
    server
        .client()
        .request("PUT", "/fresh")
        .send()
        .await
        .is(409, "BucketAlreadyOwnedByYou");
    server
        .client()
        .request("PUT", "/theirs")
        .send()
        .await
        .is(409, "BucketAlreadyExists");
    server
        .client()
        .request("PUT", "/No_Bucket")
        .send()
        .await
        .is(400, "InvalidBucketName");
    assert_eq!(
        server
            .client()
            .request("HEAD", "/missing")
            .send()
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn a_bucket_is_private_and_goes_only_when_it_is_empty() {
    let server = TestServer::start().await;
    let public = server
        .client()
        .request("PUT", "/public")
        .header("x-amz-acl", "public-read");
    public.send().await.is(501, "NotImplemented");
    assert_eq!(
        server.client().request("PUT", "/fresh").send().await.status,
        200
    );
    server.client().put("/fresh/k", b"x").await;
    server
        .client()
        .request("DELETE", "/fresh")
        .send()
        .await
        .is(409, "BucketNotEmpty");
    assert_eq!(
        server
            .client()
            .request("DELETE", "/fresh/k")
            .send()
            .await
            .status,
        204
    );
    assert_eq!(
        server
            .client()
            .request("DELETE", "/fresh")
            .send()
            .await
            .status,
        204
    );
    assert_eq!(
        server
            .client()
            .request("HEAD", "/fresh")
            .send()
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn false_signatures_and_unknown_keys_are_refused() {
    let server = TestServer::start().await;
    let with = |key: (&str, &str)| {
        crate::client::Client::new(server.address, Some(crate::client::Credentials::from(key)))
    };
    with((OTHER_KEY.0, "wrong"))
        .get("/theirs/k")
        .await
        .is(403, "SignatureDoesNotMatch");
    with(("AKIANOBODY", "x"))
        .get("/theirs/k")
        .await
        .is(403, "InvalidAccessKeyId");
    let owner = server.client().request("GET", "/media/k");
    owner
        .header("x-amz-expected-bucket-owner", "somebody")
        .send()
        .await
        .is(403, "AccessDenied");
}

#[tokio::test]
async fn a_signed_link_works_until_it_is_altered() {
    let server = TestServer::start().await;
    server.client().put("/media/k", b"x").await;
    let link = server.client().request("GET", "/media/k").presign(60);
    let get = server.anonymous().get(&link).await;
    assert_eq!(
        (get.status, get.body.as_slice()),
        (200, &b"x"[..]),
        "{}",
        get.text()
    );
    let altered = link.replace("/media/k", "/media/other");
    server
        .anonymous()
        .get(&altered)
        .await
        .is(403, "SignatureDoesNotMatch");
    let named = "/media/k?response-content-disposition=attachment";
    let named = server.client().request("GET", named).presign(60);
    let get = server.anonymous().get(&named).await;
    assert_eq!(get.header("content-disposition"), Some("attachment"));
}
