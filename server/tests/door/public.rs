//! Reads without a signature.

use crate::client::Response;
use crate::server::TestServer;
use crate::signer::at;

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
        ("PUT", "/open/k"),
        ("POST", "/open/k?uploads"),
        ("DELETE", "/open/k"),
    ] {
        let answer = server.anonymous().request(method, target).send().await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (403, "AccessDenied"),
            "{method} {target}"
        );
    }
    assert_eq!(server.anonymous().get("/open/k?v=3").await.status, 200);
    for target in ["/open/%", "/open/%zz", "/open/%ff"] {
        server.anonymous().get(target).await.is(400, "InvalidURI");
    }
    let named = "/open/k?response-content-type=text/html";
    server
        .anonymous()
        .get(named)
        .await
        .is(400, "InvalidRequest");
}

#[tokio::test]
async fn there_is_no_listing_by_path_or_by_host() {
    let server = with_objects().await;
    let question = "max-keys=1&x-random=0123456789abcdef";
    for (host, target) in [
        ("localhost", format!("/open?{question}")),
        ("localhost", format!("/open/?{question}")),
        ("s3.test", format!("/open/?{question}")),
        ("open.s3.test", format!("/?{question}")),
        ("open.s3.test", "/?list-type=2&prefix=".to_owned()),
        ("open.s3.test", "/?versions".to_owned()),
        ("open.s3.test", "/?uploads".to_owned()),
        ("localhost", format!("/?{question}")),
    ] {
        let answer = at(&server, host, "GET", &target).await;
        answer.is(403, "AccessDenied");
        assert!(!answer.text().contains("ListBucketResult"));
        assert_eq!(at(&server, host, "HEAD", &target).await.status, 403);
    }
}

#[tokio::test]
async fn refusals_are_not_kept() {
    let server = with_objects().await;
    for (target, code) in [
        ("/open/missing", "NoSuchKey"),
        ("/media/missing", "AccessDenied"),
        ("/nobucket/k", "NoSuchBucket"),
        ("/open/", "AccessDenied"),
    ] {
        let answer = server.anonymous().get(target).await;
        assert_eq!(answer.code(), code);
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("content-type"), Some("application/xml"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        let named = |prefix: &str| {
            let mut names = answer.headers.iter().map(|(name, _)| name.to_lowercase());
            names.any(|name| name.starts_with(prefix))
        };
        assert!(!named("x-amz-") && !named("set-cookie"), "{target}");
        let head = at(&server, "localhost", "HEAD", target).await;
        assert_eq!((head.status, head.body.len()), (answer.status, 0));
    }
}

#[tokio::test]
async fn writers_are_refused_before_they_send() {
    let server = with_objects().await;
    for method in ["PUT", "POST", "DELETE"] {
        let head = format!(
            "{method} /open/new HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n\
             Content-Length: 4000000000\r\n\r\n"
        );
        let answer = server.anonymous().raw(head.as_bytes()).await;
        answer.is(403, "AccessDenied");
        assert_eq!(answer.header("connection"), Some("close"));
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
    none.is(416, "InvalidRange");
    assert_eq!(none.header("content-range"), Some("bytes */27"));
    let several = get("range", "bytes=0-1,4-5".to_owned()).await;
    assert_eq!((several.status, several.body.as_slice()), (200, BODY));
    let all = server.anonymous().get(PUBLIC).await;
    let etag = all.header("etag").unwrap().to_owned();
    let modified = all.header("last-modified").unwrap().to_owned();
    for (name, value) in [("if-none-match", &etag), ("if-modified-since", &modified)] {
        let answer = get(name, value.clone()).await;
        assert_eq!((answer.status, answer.body.len()), (304, 0));
        for kept in ["etag", "last-modified", "cache-control"] {
            assert_eq!(answer.header(kept), all.header(kept), "{kept}");
        }
        assert_eq!(answer.header("content-type"), None);
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    }
    get("if-match", "\"x\"".to_owned())
        .await
        .is(412, "PreconditionFailed");
}

#[tokio::test]
async fn a_range_of_another_state_is_not_given() {
    let server = with_objects().await;
    let all = server.anonymous().get(PUBLIC).await;
    let etag = all.header("etag").unwrap().to_owned();
    for (method, condition, status, length) in [
        ("GET", etag.as_str(), 206, "10"),
        ("HEAD", etag.as_str(), 206, "10"),
        ("GET", "\"other\"", 200, "27"),
        ("HEAD", "\"other\"", 200, "27"),
    ] {
        let request = server.anonymous().request(method, PUBLIC);
        let request = request.header("range", "bytes=8-17");
        let answer = request.header("if-range", condition).send().await;
        assert_eq!(answer.status, status, "{method} {condition}");
        assert_eq!(answer.header("content-length"), Some(length));
        let range = (status == 206).then_some("bytes 8-17/27");
        assert_eq!(answer.header("content-range"), range);
    }
}
