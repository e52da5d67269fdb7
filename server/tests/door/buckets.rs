//! Buckets: making, finding, listing and deleting them.

use crate::server::TestServer;
use crate::xml;

#[tokio::test]
async fn buckets_are_listed_in_pages() {
    let server = TestServer::start().await;
    for name in ["m-1", "m-2", "zoo"] {
        let put = server.client().request("PUT", &format!("/{name}"));
        assert_eq!(put.send().await.status, 200);
    }
    let page = async |query: &str| xml::parse(&server.client().get(query).await.body);
    let names = |root: &xml::Element| root.child("Buckets").unwrap().texts("Bucket", "Name");
    let root = page("/").await;
    assert_eq!(names(&root), ["m-1", "m-2", "media", "open", "zoo"]);
    let owner = root.child("Owner").unwrap();
    assert_eq!(owner.get("DisplayName"), Some("one"));
    assert_eq!(root.get("ContinuationToken"), None);
    let (mut found, mut token) = (Vec::new(), String::new());
    loop {
        let root = page(&format!("/?max-buckets=2&prefix=m{token}")).await;
        assert_eq!(root.get("Prefix"), Some("m"));
        found.extend(names(&root));
        match root.get("ContinuationToken") {
            Some(next) => token = format!("&continuation-token={next}"),
            None => break,
        }
    }
    assert_eq!(found, ["m-1", "m-2", "media"]);
    for query in [
        "max-buckets=0",
        "max-buckets=10001",
        "continuation-token=%2A",
        "continuation-token=",
    ] {
        let answer = server.client().get(&format!("/?{query}")).await;
        answer.is(400, "InvalidArgument");
    }
    assert_eq!(names(&page("/?bucket-region=mars-1").await), [""; 0]);
}

#[tokio::test]
async fn any_region_makes_a_bucket_here() {
    let server = TestServer::start().await;
    let body = |region: &str| {
        format!(
            "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
             <LocationConstraint>{region}</LocationConstraint></CreateBucketConfiguration>"
        )
    };
    for (name, region) in [("first", "eu-west-1"), ("second", "mars-1"), ("third", "")] {
        let put = server.client().request("PUT", &format!("/{name}"));
        let put = put
            .header("x-amz-acl", "private")
            .header("x-amz-object-ownership", "ObjectWriter")
            .body(body(region).as_bytes());
        let answer = put.send().await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.header("location"), Some(format!("/{name}").as_str()));
    }
    for query in ["?location", "?location="] {
        let answer = server.client().get(&format!("/first{query}")).await;
        let root = xml::parse(&answer.body);
        assert_eq!(
            (root.name.as_str(), root.text.as_str()),
            ("LocationConstraint", "")
        );
    }
    let head = server.client().request("HEAD", "/first").send().await;
    assert_eq!(head.status, 200);
    assert_eq!(head.header("x-amz-bucket-region"), Some("us-east-1"));
}

#[tokio::test]
async fn what_a_bucket_cannot_be_is_refused() {
    let server = TestServer::start().await;
    for name in [
        "ab",
        "Media",
        "me_dia",
        "-media",
        "media-",
        "me..dia",
        "192.168.5.4",
        "xn--media",
        "sthree-media",
        "media-s3alias",
        "media--ol-s3",
        &"m".repeat(64),
    ] {
        let put = server.client().request("PUT", &format!("/{name}"));
        put.send().await.is(400, "InvalidBucketName");
    }
    for (header, value, code) in [
        ("x-amz-acl", "public-read", "NotImplemented"),
        ("x-amz-grant-read", "id=1", "NotImplemented"),
        ("x-amz-bucket-object-lock-enabled", "true", "NotImplemented"),
        (
            "x-amz-object-ownership",
            "BucketOwnerEnforced",
            "NotImplemented",
        ),
        ("x-amz-acl", "mine", "InvalidArgument"),
    ] {
        let put = server
            .client()
            .request("PUT", "/fresh")
            .header(header, value);
        assert_eq!(put.send().await.code(), code, "{header}: {value}");
    }
    let xml = "<CreateBucketConfiguration><LocationConstraint>";
    let put = server
        .client()
        .request("PUT", "/fresh")
        .body(xml.as_bytes());
    put.send().await.is(400, "MalformedXML");
    let head = server.client().request("HEAD", "/fresh").send().await;
    assert_eq!(head.status, 404);
}

#[tokio::test]
async fn a_bucket_that_exists_is_that_whatever_is_asked_for() {
    let server = TestServer::start().await;
    for acl in ["private", "public-read", "public-read-write"] {
        for (bucket, code) in [
            ("media", "BucketAlreadyOwnedByYou"),
            ("theirs", "BucketAlreadyExists"),
        ] {
            let put = server.client().request("PUT", &format!("/{bucket}"));
            put.header("x-amz-acl", acl).send().await.is(409, code);
        }
    }
}

#[tokio::test]
async fn a_bucket_goes_with_its_uploads() {
    let server = TestServer::start().await;
    assert_eq!(server.client().put("/fresh", b"").await.status, 200);
    let begin = server.client().request("POST", "/fresh/k?uploads");
    let id = begin.send().await.element("UploadId").unwrap();
    let part = format!("/fresh/k?partNumber=1&uploadId={id}");
    assert_eq!(server.client().put(&part, b"x").await.status, 200);
    let delete = server.client().request("DELETE", "/fresh").send().await;
    assert_eq!(delete.status, 204);
    server
        .client()
        .put(&part, b"x")
        .await
        .is(404, "NoSuchBucket");
    // One of the same name knows nothing of them.
    assert_eq!(server.client().put("/fresh", b"").await.status, 200);
    server
        .client()
        .put(&part, b"x")
        .await
        .is(404, "NoSuchUpload");
    let root = xml::parse(&server.client().get("/fresh?uploads").await.body);
    assert!(root.all("Upload").is_empty());
}
