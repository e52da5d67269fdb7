//! Reads without a signature.

use crate::client::Response;
use crate::server::TestServer;

const BODY: &[u8] = b"<script>0123456789</script>";

async fn with_objects() -> TestServer {
    let server = TestServer::start().await;
    let client = server.client();
    let public = client
        .request("PUT", "/media/public%20one%2B%C3%A9")
        .body(BODY)
        .header("x-amz-acl", "public-read")
        .header("cache-control", "public, max-age=315576000, immutable")
        .header("content-type", "text/html")
        .header("x-amz-meta-secret", "x");
    assert_eq!(public.send().await.status, 200);
    assert_eq!(client.put("/media/private", BODY).await.status, 200);
    assert_eq!(client.put("/open/k", BODY).await.status, 200);
    server
}

const PUBLIC: &str = "/media/public%20one%2B%C3%A9";

#[tokio::test]
async fn public_objects_are_given_with_harmless_headers() {
    let server = with_objects().await;
    for method in ["GET", "HEAD"] {
        let answer = server.anonymous().request(method, PUBLIC).send().await;
        assert_eq!(answer.status, 200);
        assert!(method == "HEAD" || answer.body == BODY);
        for (name, value) in [
            ("content-length", "27"),
            ("content-type", "text/html"),
            ("cache-control", "public, max-age=315576000, immutable"),
            ("accept-ranges", "bytes"),
            ("access-control-allow-origin", "*"),
            ("x-content-type-options", "nosniff"),
            (
                "content-security-policy",
                "default-src 'none'; form-action 'none'; sandbox",
            ),
        ] {
            assert_eq!(answer.header(name), Some(value), "{name}");
        }
        assert!(answer.header("etag").is_some() && answer.header("last-modified").is_some());
        assert!(
            !answer
                .headers
                .iter()
                .any(|(name, _)| name.starts_with("x-amz-"))
        );
    }
}

#[tokio::test]
async fn what_is_private_or_missing_looks_alike() {
    let server = with_objects().await;
    let private = server.anonymous().get("/media/private").await;
    let missing = server.anonymous().get("/media/missing").await;
    private.is(403, "AccessDenied");
    missing.is(403, "AccessDenied");
    let rest = |answer: &Response| answer.element("Message");
    assert_eq!(rest(&private), rest(&missing));
    server
        .anonymous()
        .get("/open/missing")
        .await
        .is(404, "NoSuchKey");
    server
        .anonymous()
        .get("/nobucket/k")
        .await
        .is(404, "NoSuchBucket");
    assert_eq!(server.anonymous().get("/open/k").await.body, BODY);
}

#[tokio::test]
async fn nothing_but_reading_an_object_is_open() {
    let server = with_objects().await;
    for (method, target) in [
        ("GET", "/"),
        ("GET", "/media"),
        ("GET", "/media/"),
        ("GET", "/open?list-type=2"),
        ("GET", "/open/"),
        ("GET", "/open/k?acl"),
        ("GET", "/open/k?uploadId=1"),
        ("GET", "/open/k?response-content-type=text/html"),
        ("PUT", "/open/k"),
        ("POST", "/open/k?uploads"),
        ("DELETE", "/open/k"),
        ("OPTIONS", "/open/k"),
    ] {
        let answer = server.anonymous().request(method, target).send().await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (403, "AccessDenied"),
            "{method} {target}"
        );
    }
    assert_eq!(server.anonymous().get("/open/k?v=3").await.status, 200);
    for target in ["/open/%", "/open/%zz", "/open/%ff", "/open/a%00b"] {
        server.anonymous().get(target).await.is(400, "InvalidURI");
    }
}

#[tokio::test]
async fn ranges_and_conditions_work_without_a_signature() {
    let server = with_objects().await;
    let get = |name: &'static str, value: String| {
        let request = server
            .anonymous()
            .request("GET", PUBLIC)
            .header(name, &value);
        async move { request.send().await }
    };
    let part = get("range", "bytes=8-17".to_owned()).await;
    assert_eq!(
        (part.status, part.body.as_slice()),
        (206, &b"0123456789"[..])
    );
    assert_eq!(part.header("content-range"), Some("bytes 8-17/27"));
    let none = get("range", "bytes=27-".to_owned()).await;
    assert_eq!(
        (none.status, none.header("content-range")),
        (416, Some("bytes */27"))
    );
    let several = get("range", "bytes=0-1,4-5".to_owned()).await;
    assert_eq!((several.status, several.body.as_slice()), (200, BODY));
    let all = server.anonymous().get(PUBLIC).await;
    let etag = all.header("etag").unwrap().to_owned();
    let modified = all.header("last-modified").unwrap().to_owned();
    assert_eq!(get("if-none-match", etag).await.status, 304);
    assert_eq!(get("if-modified-since", modified).await.status, 304);
}
