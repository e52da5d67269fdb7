//! ACLs of objects and buckets: what is said of them, and what changes them.

use crate::client::{Request, Response};
use crate::server::TestServer;

const ALL_USERS: &str = "http://acs.amazonaws.com/groups/global/AllUsers";

async fn acl(server: &TestServer, target: &str) -> Response {
    server.client().get(&format!("{target}?acl")).await
}

fn change(server: &TestServer, target: &str) -> Request {
    server.client().request("PUT", &format!("{target}?acl"))
}

async fn status_of_anyone(server: &TestServer, target: &str) -> u16 {
    server.anonymous().get(target).await.status
}

/// A policy with the owner's grant, and more.
fn policy(owner: &str, more: &str) -> String {
    format!(
        "<AccessControlPolicy xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Owner><ID>{owner}</ID></Owner>\
         <AccessControlList><Grant><Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
         xsi:type=\"CanonicalUser\"><ID>{owner}</ID></Grantee><Permission>FULL_CONTROL</Permission></Grant>\
         {more}</AccessControlList></AccessControlPolicy>"
    )
}

fn to_all(permission: &str) -> String {
    format!(
        "<Grant><Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"Group\">\
         <URI>{ALL_USERS}</URI></Grantee><Permission>{permission}</Permission></Grant>"
    )
}

#[tokio::test]
async fn a_canned_acl_changes_who_may_read_and_nothing_else() {
    let server = TestServer::start().await;
    let put = server
        .client()
        .request("PUT", "/media/k")
        .header("content-type", "image/png")
        .header("cache-control", "public, max-age=315576000, immutable")
        .header("x-amz-meta-a", "b")
        .body(b"content");
    put.send().await;
    let before = server.client().request("HEAD", "/media/k").send().await;
    for (canned, anyone) in [("public-read", 200), ("private", 403), ("public-read", 200)] {
        // As Ruby's SDK sends it.
        let answer = change(&server, "/media/k")
            .header("x-amz-acl", canned)
            .header("content-type", "application/xml")
            .send()
            .await;
        assert_eq!((answer.status, answer.text().as_str()), (200, ""));
        assert_eq!(status_of_anyone(&server, "/media/k").await, anyone);
    }
    let after = server.client().request("HEAD", "/media/k").send().await;
    for name in [
        "etag",
        "last-modified",
        "content-type",
        "cache-control",
        "x-amz-meta-a",
        "content-length",
    ] {
        assert!(before.header(name).is_some(), "{name}");
        assert_eq!(after.header(name), before.header(name), "{name}");
    }
    assert_eq!(server.client().get("/media/k").await.body, b"content");
}

#[tokio::test]
async fn an_acl_is_told() {
    let server = TestServer::start().await;
    server.client().put("/media/k", b"x").await;
    let private = acl(&server, "/media/k").await;
    assert_eq!(private.status, 200);
    let owner = server.media.tenant.to_string();
    assert_eq!(private.element("ID"), Some(owner.clone()));
    assert_eq!(private.element("DisplayName").as_deref(), Some("one"));
    assert_eq!(
        private.element("Permission").as_deref(),
        Some("FULL_CONTROL")
    );
    assert_eq!(private.text().matches("<Grant>").count(), 1);
    assert!(private.text().contains("xsi:type=\"CanonicalUser\""));
    let public = change(&server, "/media/k").header("x-amz-acl", "public-read");
    public.send().await;
    let public = acl(&server, "/media/k").await.text();
    assert_eq!(public.matches("<Grant>").count(), 2);
    assert!(public.contains(&to_all("READ")[7..]), "{public}");
}

#[tokio::test]
async fn a_document_says_the_same_as_a_canned_acl() {
    let server = TestServer::start().await;
    server.client().put("/media/k", b"x").await;
    let owner = server.media.tenant.to_string();
    for (document, anyone) in [
        (policy(&owner, &to_all("READ")), 200),
        (policy(&owner, ""), 403),
    ] {
        let answer = change(&server, "/media/k").body(document.as_bytes()).send();
        assert_eq!(answer.await.status, 200);
        assert_eq!(status_of_anyone(&server, "/media/k").await, anyone);
    }
    // What was told is taken back.
    change(&server, "/media/k")
        .header("x-amz-acl", "public-read")
        .send()
        .await;
    let told = acl(&server, "/media/k").await.body;
    let private = change(&server, "/media/k").header("x-amz-acl", "private");
    private.send().await;
    assert_eq!(
        change(&server, "/media/k").body(&told).send().await.status,
        200
    );
    assert_eq!(status_of_anyone(&server, "/media/k").await, 200);
}

#[tokio::test]
async fn grants_in_headers_are_acls_wherever_one_is_given() {
    let server = TestServer::start().await;
    server.client().put("/media/source", b"x").await;
    let grant = format!("uri=\"{ALL_USERS}\"");
    let request = |method: &str, target: &str| {
        let request = server.client().request(method, target);
        request.header("x-amz-grant-read", &grant)
    };
    assert_eq!(request("PUT", "/media/put").send().await.status, 200);
    let copy = request("PUT", "/media/copy").header("x-amz-copy-source", "media/source");
    assert_eq!(copy.send().await.status, 200);
    assert_eq!(request("PUT", "/media/source?acl").send().await.status, 200);
    let begun = request("POST", "/media/big?uploads").send().await;
    let id = begun.element("UploadId").unwrap();
    let etag = crate::multipart::upload(&server, &id, 1, b"part").await;
    crate::multipart::complete(&server, &id, &[(1, &etag)]).await;
    for target in ["/media/put", "/media/copy", "/media/source", "/media/big"] {
        assert_eq!(status_of_anyone(&server, target).await, 200, "{target}");
    }
}

#[tokio::test]
async fn what_is_neither_private_nor_public_is_refused() {
    let server = TestServer::start().await;
    server.client().put("/media/k", b"x").await;
    let owner = server.media.tenant.to_string();
    let header = |name: &str, value: &str| change(&server, "/media/k").header(name, value);
    let document = |text: &str| change(&server, "/media/k").body(text.as_bytes());
    for (request, status, code) in [
        (
            header("x-amz-acl", "public-read-write"),
            501,
            "NotImplemented",
        ),
        (header("x-amz-acl", "everybody"), 400, "InvalidArgument"),
        (
            header("x-amz-grant-write-acp", &format!("id={owner},id=1")),
            501,
            "NotImplemented",
        ),
        (header("x-amz-grant-read", "anyone"), 400, "InvalidArgument"),
        (
            document(&policy(&owner, &to_all("WRITE"))),
            501,
            "NotImplemented",
        ),
        (document(&policy("1", "")), 403, "AccessDenied"),
        (document("<AccessControlPolicy/>"), 400, "MalformedACLError"),
        (document("<Else/>"), 400, "MalformedXML"),
        (document("<AccessControlPolicy>"), 400, "MalformedXML"),
        (
            document(&policy(&owner, "")).header("x-amz-acl", "public-read"),
            400,
            "UnexpectedContent",
        ),
        (change(&server, "/media/k"), 400, "MissingSecurityHeader"),
        (
            header("x-amz-acl", "private").header("x-amz-grant-read", &format!("id={owner}")),
            400,
            "InvalidRequest",
        ),
    ] {
        request.send().await.is(status, code);
    }
    assert_eq!(status_of_anyone(&server, "/media/k").await, 403);
    let new = server
        .client()
        .request("PUT", "/media/new")
        .header("x-amz-grant-read", "emailAddress=\"a@b.c\"");
    new.send().await.is(501, "NotImplemented");
    assert!(!server.holds("new").await);
}

#[tokio::test]
async fn what_does_not_exist_has_no_acl() {
    let server = TestServer::start().await;
    acl(&server, "/media/missing").await.is(404, "NoSuchKey");
    let public = change(&server, "/media/missing").header("x-amz-acl", "public-read");
    public.send().await.is(404, "NoSuchKey");
    acl(&server, "/nowhere/k").await.is(404, "NoSuchBucket");
    acl(&server, "/nowhere").await.is(404, "NoSuchBucket");
    server.client().put("/media/k", b"x").await;
    let other = server.other();
    other.get("/media/k?acl").await.is(403, "AccessDenied");
    other.get("/media?acl").await.is(403, "AccessDenied");
    let stolen = other
        .request("PUT", "/media/k?acl")
        .header("x-amz-acl", "public-read");
    stolen.send().await.is(403, "AccessDenied");
    assert_eq!(status_of_anyone(&server, "/media/k").await, 403);
}

#[tokio::test]
async fn a_bucket_is_private_and_stays_so() {
    let server = TestServer::start().await;
    for bucket in ["/media", "/open"] {
        let told = acl(&server, bucket).await;
        assert_eq!(told.status, 200);
        assert_eq!(told.text().matches("<Grant>").count(), 1);
        assert_eq!(told.element("ID"), Some(server.media.tenant.to_string()));
    }
    for (bucket, canned, status) in [
        ("/media", "private", 200),
        ("/media", "public-read", 501),
        ("/open", "private", 501),
        ("/open", "public-read", 501),
    ] {
        let answer = change(&server, bucket)
            .header("x-amz-acl", canned)
            .send()
            .await;
        assert_eq!(
            answer.status,
            status,
            "{bucket} {canned}: {}",
            answer.text()
        );
    }
    server.client().put("/open/k", b"x").await;
    assert_eq!(status_of_anyone(&server, "/open/k").await, 200);
    assert_eq!(status_of_anyone(&server, "/media?list-type=2").await, 403);
}
