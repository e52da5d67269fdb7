//! Buckets as names of hosts, and hosts that are none.

use crate::server::TestServer;
use crate::signer::{Signer, at, later};
use moraine_server::{BadDomain, ServeError, Server, ServerConfig};

fn host(bucket: &str) -> String {
    format!("{bucket}.s3.test")
}

#[tokio::test]
async fn a_bucket_in_the_host_is_the_bucket_in_the_path() {
    let server = TestServer::start().await;
    let put = server.client().request("PUT", "/a/k%20%2B");
    let put = put.header("host", "MEDIA.s3.TEST.:8900").body(b"x");
    assert_eq!(put.send().await.status, 200);
    for (target, name) in [
        ("/media/a/k%20%2B", "s3.test"),
        ("/a/k%20%2B", "media.s3.test"),
        ("/media/a/k%20%2B", "localhost"),
    ] {
        let get = server.client().request("GET", target).header("host", name);
        assert_eq!(get.send().await.body, b"x", "{name}{target}");
    }
    let list = server.client().request("GET", "/?list-type=2");
    let list = list.header("host", &host("media")).send().await;
    assert_eq!(list.element("Name").as_deref(), Some("media"));
    assert_eq!(list.element("Key").as_deref(), Some("a/k +"));
    let delete = server.client().request("DELETE", "/a/k%20%2B");
    let delete = delete.header("host", &host("media")).send().await;
    assert_eq!(delete.status, 204);
    assert!(!server.holds("a/k +").await);
}

#[tokio::test]
async fn buckets_are_made_and_removed_by_host() {
    let server = TestServer::start().await;
    let ask = |method, bucket: &str| {
        let request = server.client().request(method, "/");
        request.header("host", &host(bucket)).send()
    };
    assert_eq!(ask("PUT", "with.dots-1").await.status, 200);
    assert_eq!(ask("HEAD", "with.dots-1").await.status, 200);
    assert!(server.store.bucket("with.dots-1").is_some());
    assert_eq!(ask("DELETE", "with.dots-1").await.status, 204);
    ask("PUT", "no_bucket").await.is(400, "InvalidBucketName");
    for (bucket, status, code) in [
        ("theirs", 403, "AccessDenied"),
        ("missing", 404, "NoSuchBucket"),
    ] {
        let list = server.client().request("GET", "/?list-type=2");
        let list = list.header("host", &host(bucket)).send().await;
        list.is(status, code);
    }
}

#[tokio::test]
async fn a_host_that_names_a_bucket_decides() {
    let server = TestServer::start().await;
    // As some servers are configured: the bucket in the endpoint, and in the path again.
    let put = server.client().request("PUT", "/media/k").body(b"x");
    let put = put.header("host", &host("media")).send().await;
    assert_eq!(put.status, 200);
    assert!(server.holds("media/k").await && !server.holds("k").await);
    let get = server.client().request("GET", "/media/k");
    assert_eq!(get.header("host", &host("media")).send().await.body, b"x");
    let other = server.client().get("/media/media/k").await;
    assert_eq!(other.body, b"x");
    // What such a client takes for a listing is an object that is not there, and no other operation.
    let list = server.client().request("GET", "/media?list-type=2");
    let list = list.header("host", &host("media")).send().await;
    list.is(501, "NotImplemented");
}

#[tokio::test]
async fn the_body_of_a_put_to_a_host_is_content() {
    let server = TestServer::start().await;
    let xml = b"<a><![CDATA[b]]></a>";
    let put = server.client().request("PUT", "/k").body(xml);
    let put = put.header("host", &host("media")).send().await;
    assert_eq!(put.status, 200);
    let create = server.client().request("PUT", "/").body(xml);
    let create = create.header("host", &host("fresh")).send().await;
    create.is(400, "MalformedXML");
}

#[tokio::test]
async fn anyone_reads_what_is_public_by_host() {
    let server = TestServer::start().await;
    server.client().put("/open/k", b"x").await;
    server.client().put("/media/k", b"x").await;
    for (name, target) in [
        ("open.s3.test", "/k"),
        ("Open.S3.Test:80", "/k"),
        ("s3.test", "/open/k"),
        ("elsewhere.test", "/open/k"),
    ] {
        let get = at(&server, name, "GET", target).await;
        assert_eq!(get.body, b"x", "{name}{target}");
    }
    for (name, target, status, code) in [
        ("media.s3.test", "/k", 403, "AccessDenied"),
        ("open.s3.test", "/missing", 404, "NoSuchKey"),
        ("missing.s3.test", "/k", 404, "NoSuchBucket"),
        ("no_bucket.s3.test", "/k", 400, "InvalidBucketName"),
        ("open.s3.test", "/", 403, "AccessDenied"),
        ("s3.test", "/", 403, "AccessDenied"),
    ] {
        at(&server, name, "GET", target).await.is(status, code);
    }
}

#[tokio::test]
async fn links_hold_at_the_host_that_they_were_signed_for() {
    let server = TestServer::start().await;
    server.client().put("/media/k", b"x").await;
    let mut signer = Signer::new(&server, "GET", "/k");
    signer.host = host("media");
    let link = signer.link("60");
    assert_eq!(signer.open(&server, &link, &[], b"").await.body, b"x");
    let elsewhere = at(&server, "open.s3.test", "GET", &link).await;
    elsewhere.is(403, "SignatureDoesNotMatch");
    // SigV2 does not sign the host, but the bucket that it names.
    let link = signer.link_v2(later(60), "/media/k");
    assert_eq!(signer.open(&server, &link, &[], b"").await.body, b"x");
    let elsewhere = at(&server, "open.s3.test", "GET", &link).await;
    elsewhere.is(403, "SignatureDoesNotMatch");
}

#[tokio::test]
async fn what_is_no_domain_does_not_start() {
    let server = TestServer::start().await;
    for bad in ["https://s3.test", "10.0.0.1", "*.s3.test", ""] {
        let config = ServerConfig {
            listen: "127.0.0.1:0".parse().unwrap(),
            admin_listen: "127.0.0.1:0".parse().unwrap(),
            domains: vec!["good.test".to_owned(), bad.to_owned()],
            ..ServerConfig::default()
        };
        let bound = Server::bind(server.store.clone(), config).await;
        assert!(
            matches!(bound, Err(ServeError::Domain(BadDomain(name))) if name == bad),
            "{bad}"
        );
    }
}
