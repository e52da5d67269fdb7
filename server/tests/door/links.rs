//! Links signed with SigV4: what they hold for, for how long, and which headers they bring.

use crate::client::Response;
use crate::server::TestServer;
use crate::signer::{Signer, earlier, later};

async fn get(server: &TestServer, signer: &Signer, expires: &str) -> Response {
    let link = signer.link(expires);
    signer.open(server, &link, &[], b"").await
}

async fn with_object() -> TestServer {
    let server = TestServer::start().await;
    server.client().put("/media/k", b"x").await;
    server
}

#[tokio::test]
async fn a_link_holds_from_its_date_for_its_time() {
    let server = with_object().await;
    let mut signer = Signer::new(&server, "GET", "/media/k");
    for (time, expires, message) in [
        (later(0), "604800", None),
        (earlier(590), "600", None),
        (earlier(610), "600", Some("Request has expired")),
        (earlier(30), "0", Some("Request has expired")),
        // Clocks may be apart by a quarter of an hour, and no more.
        (later(800), "600", None),
        (later(1000), "600", Some("Request is not valid yet")),
    ] {
        signer.time = time;
        let answer = get(&server, &signer, expires).await;
        match message {
            None => assert_eq!(answer.body, b"x", "{expires}"),
            Some(message) => {
                answer.is(403, "AccessDenied");
                assert_eq!(answer.element("Message").as_deref(), Some(message));
            }
        }
    }
}

#[tokio::test]
async fn times_that_are_none() {
    let server = with_object().await;
    let signer = Signer::new(&server, "GET", "/media/k");
    for expires in ["-1", "604801", "99999999999999999999", "1.5", "x", "%2B1"] {
        let answer = get(&server, &signer, expires).await;
        answer.is(400, "AuthorizationQueryParametersError");
    }
    let twice = format!("{}&X-Amz-Expires=604800", signer.link("0"));
    let answer = signer.open(&server, &twice, &[], b"").await;
    answer.is(400, "AuthorizationQueryParametersError");
}

#[tokio::test]
async fn a_link_is_for_one_method_one_key_and_one_query() {
    let server = with_object().await;
    server.client().put("/media/l", b"y").await;
    let signer = Signer::new(&server, "GET", "/media/k");
    let link = signer.link("60");
    for (method, altered) in [
        ("HEAD", link.clone()),
        ("PUT", link.clone()),
        ("DELETE", link.clone()),
        ("GET", link.replace("/media/k", "/media/l")),
        ("GET", link.replace("/media/k", "/media//k")),
        ("GET", format!("{link}&acl")),
        ("GET", format!("{link}&response-content-type=text%2Fhtml")),
        ("GET", link.replace("Expires=60", "Expires=61")),
        ("GET", link.replace("some-region", "other-region")),
    ] {
        let mut other = signer.clone();
        other.method = method;
        let answer = other.open(&server, &altered, &[], b"").await;
        assert_eq!(answer.status, 403, "{method} {altered}");
        if method != "HEAD" {
            answer.is(403, "SignatureDoesNotMatch");
        }
    }
    assert_eq!(server.client().get("/media/k").await.body, b"x");
}

#[tokio::test]
async fn credentials_that_do_not_fit() {
    let server = with_object().await;
    let signer = Signer::new(&server, "GET", "/media/k");
    let answer = |spoil: fn(&mut Signer)| {
        let (server, mut signer) = (&server, signer.clone());
        spoil(&mut signer);
        async move { get(server, &signer, "60").await }
    };
    let bad = "AuthorizationQueryParametersError";
    answer(|it| it.service = "sts").await.is(400, bad);
    answer(|it| it.day = Some("20130524")).await.is(400, bad);
    answer(|it| it.day = Some("2013")).await.is(400, bad);
    answer(|it| it.key.0 = "AKIANOBODY")
        .await
        .is(403, "InvalidAccessKeyId");
    answer(|it| it.key.1 = "wrong")
        .await
        .is(403, "SignatureDoesNotMatch");
    // Parts of a signature are a signature, or a torn link to a public object would pass for none.
    server.client().put("/open/k", b"x").await;
    let link = Signer::new(&server, "GET", "/open/k").link("60");
    let torn = link.split("&X-Amz-Signature").next().unwrap();
    signer
        .open(&server, torn, &[], b"")
        .await
        .is(400, "AuthorizationQueryParametersError");
}

#[tokio::test]
async fn a_session_token_is_not_ours() {
    let server = with_object().await;
    let signer = Signer::new(&server, "GET", "/media/k?X-Amz-Security-Token=x");
    get(&server, &signer, "60").await.is(400, "InvalidToken");
}

#[tokio::test]
async fn a_link_to_write_as_a_current_sdk_makes_it() {
    let server = TestServer::start().await;
    // The SDK for JavaScript moves headers into the query, and adds the checksum of a body that it does not know.
    let query = "X-Amz-Content-Sha256=UNSIGNED-PAYLOAD&x-amz-acl=public-read&x-amz-checksum-crc32=AAAAAA%3D%3D\
                 &x-amz-meta-author=J%C3%BCrgen%20%2B%20co&x-amz-sdk-checksum-algorithm=CRC32&x-id=PutObject";
    let signer = Signer::new(&server, "PUT", &format!("/media/k?{query}"));
    let link = signer.link("900");
    let sent = [("Content-Type", "image/png"), ("Origin", "https://x.test")];
    let put = signer.open(&server, &link, &sent, b"content").await;
    assert_eq!(put.status, 200, "{}", put.text());
    let public = server.anonymous().get("/media/k").await;
    assert_eq!(public.body, b"content");
    assert_eq!(public.header("content-type"), Some("image/png"));
    let object = server.store.head(server.media.id, b"k").await.unwrap();
    let metadata = format!("{:?}", object.attributes);
    assert!(metadata.contains("author"), "{metadata}");
}

#[tokio::test]
async fn a_link_to_read_as_a_current_sdk_makes_it() {
    let server = with_object().await;
    let query = "X-Amz-Content-Sha256=UNSIGNED-PAYLOAD&response-content-disposition=attachment%3B%20filename%3Da.txt\
                 &x-amz-checksum-mode=ENABLED&x-id=GetObject";
    let signer = Signer::new(&server, "GET", &format!("/media/k?{query}"));
    let answer = get(&server, &signer, "900").await;
    assert_eq!(answer.body, b"x", "{}", answer.text());
    assert_eq!(
        answer.header("content-disposition"),
        Some("attachment; filename=a.txt")
    );
}

#[tokio::test]
async fn headers_in_a_link_are_held_to() {
    let server = TestServer::start().await;
    let put = |query: &str, body: &'static [u8]| {
        let signer = Signer::new(&server, "PUT", &format!("/media/k?{query}"));
        let (server, link) = (&server, signer.link("60"));
        async move { signer.open(server, &link, &[], body).await }
    };
    // What is not supported as a header is not supported in a link.
    put("x-amz-server-side-encryption=AES256", b"x")
        .await
        .is(501, "NotImplemented");
    put("x-amz-acl=nonsense", b"x")
        .await
        .is(400, "InvalidArgument");
    // The checksum of "hello world", which the signer knew.
    let checksum = "x-amz-checksum-crc32=DUoRhQ%3D%3D";
    put(checksum, b"hello").await.is(400, "BadDigest");
    put("x-amz-meta-a=b%0D%0Ax-amz-acl%3Apublic-read", b"x")
        .await
        .is(400, "InvalidArgument");
    assert!(!server.holds("k").await);
    assert_eq!(put(checksum, b"hello world").await.status, 200);
}

#[tokio::test]
async fn a_holder_adds_no_headers_that_ask_for_something() {
    let server = TestServer::start().await;
    let plain = Signer::new(&server, "PUT", "/media/k");
    let hoisted = Signer::new(&server, "PUT", "/media/k?x-amz-acl=private");
    let listed = plain.clone().header("x-amz-acl", "private");
    let open = ("x-amz-acl", "public-read");
    for (signer, header, code) in [
        (&plain, open, "AccessDenied"),
        (&plain, ("x-amz-copy-source", "media/l"), "AccessDenied"),
        (&hoisted, open, "AccessDenied"),
        (&listed, open, "SignatureDoesNotMatch"),
        (&listed, ("x-amz-tagging", "a=b"), "SignatureDoesNotMatch"),
    ] {
        let link = signer.link("60");
        let answer = signer.open(&server, &link, &[header], b"x").await;
        answer.is(403, code);
    }
    assert!(!server.holds("k").await);
    // Saying again what the link says is no request for more.
    let private = ("x-amz-acl", "private");
    for signer in [&hoisted, &listed] {
        let link = signer.link("60");
        let answer = signer.open(&server, &link, &[private], b"x").await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
}

#[tokio::test]
async fn a_promised_body_is_checked() {
    let server = TestServer::start().await;
    let signer = Signer::new(&server, "PUT", "/media/k");
    let digest = crate::client::sha256(b"x");
    let promise = [("x-amz-content-sha256", digest.as_str())];
    let link = signer.link("60");
    let other = signer.open(&server, &link, &promise, b"y").await;
    other.is(400, "XAmzContentSHA256Mismatch");
    assert!(!server.holds("k").await);
    let kept = signer.open(&server, &link, &promise, b"x").await;
    assert_eq!(kept.status, 200);
}
