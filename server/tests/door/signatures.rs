//! SigV4 in the `Authorization` header: which signatures are looked at, and what is said of the others.

use crate::client::sha256;
use crate::server::TestServer;
use crate::signer::{Signer, earlier, later, send};

#[tokio::test]
async fn clocks_may_be_a_quarter_of_an_hour_apart() {
    let server = TestServer::start().await;
    server.client().put("/media/k", b"x").await;
    let mut signer = Signer::new(&server, "GET", "/media/k");
    for time in [earlier(890), later(890)] {
        signer.time = time;
        let answer = signer.clone().dated().send(&server, b"").await;
        assert_eq!(answer.body, b"x", "{}", answer.text());
    }
    for time in [earlier(910), later(910), earlier(400_000_000)] {
        signer.time = time;
        let answer = signer.clone().dated().send(&server, b"").await;
        answer.is(403, "RequestTimeTooSkewed");
        // From this header clients learn what time it is here.
        assert!(answer.header("date").is_some());
    }
}

#[tokio::test]
async fn credentials_that_do_not_fit() {
    let server = TestServer::start().await;
    let answer = |spoil: fn(&mut Signer)| {
        let (server, mut signer) = (&server, Signer::new(&server, "GET", "/media/k"));
        spoil(&mut signer);
        async move { signer.dated().send(server, b"").await }
    };
    let malformed = "AuthorizationHeaderMalformed";
    answer(|it| it.service = "ec2").await.is(400, malformed);
    answer(|it| it.service = "sts").await.is(400, malformed);
    answer(|it| it.day = Some("20130524"))
        .await
        .is(400, malformed);
    answer(|it| it.day = Some("today")).await.is(400, malformed);
    answer(|it| it.key.0 = "AKIANOBODY")
        .await
        .is(403, "InvalidAccessKeyId");
    answer(|it| it.key.0 = "").await.is(400, malformed);
    answer(|it| it.key.1 = "wrong")
        .await
        .is(403, "SignatureDoesNotMatch");
    answer(|_| ()).await.is(404, "NoSuchKey");
}

#[tokio::test]
async fn any_region_will_do_if_it_is_written_like_one() {
    let server = TestServer::start().await;
    server.client().put("/media/k", b"x").await;
    let mut signer = Signer::new(&server, "GET", "/media/k");
    for region in ["us-east-1", "auto", "fr-par", "", "0"] {
        signer.region = region;
        let answer = signer.clone().dated().send(&server, b"").await;
        assert_eq!(answer.body, b"x", "{}", answer.text());
    }
    // From these two a client learns for which region to sign again.
    for region in ["US", "my_region"] {
        signer.region = region;
        let answer = signer.clone().dated().send(&server, b"").await;
        answer.is(400, "AuthorizationHeaderMalformed");
        assert_eq!(answer.element("Region").as_deref(), Some("us-east-1"));
        assert_eq!(answer.header("x-amz-bucket-region"), Some("us-east-1"));
        let link = signer.link("60");
        let answer = signer.open(&server, &link, &[], b"").await;
        answer.is(400, "AuthorizationQueryParametersError");
        assert_eq!(answer.element("Region").as_deref(), Some("us-east-1"));
    }
}

#[tokio::test]
async fn headers_that_are_no_signature() {
    let server = TestServer::start().await;
    for (value, code) in [
        ("AWS4-HMAC-SHA256", "AuthorizationHeaderMalformed"),
        (
            "AWS4-HMAC-SHA256 Credential=",
            "AuthorizationHeaderMalformed",
        ),
        ("AWS AK:c2ln", "InvalidRequest"),
        ("Basic QUs6U0s=", "InvalidArgument"),
        ("Bearer abc", "InvalidArgument"),
        ("", "InvalidArgument"),
    ] {
        let request = server.anonymous().request("GET", "/media/k");
        let answer = request.header("authorization", value).send().await;
        answer.is(400, code);
    }
}

#[tokio::test]
async fn what_must_be_signed() {
    let server = TestServer::start().await;
    let signer = Signer::new(&server, "PUT", "/media/k");
    let dated = signer.clone().dated();
    let add = |name: &'static str, value: &'static str| {
        let (server, dated) = (&server, dated.clone());
        async move {
            let mut headers = dated.headers.clone();
            headers.push(("authorization".to_owned(), dated.authorization()));
            headers.push((name.to_owned(), value.to_owned()));
            send(server, "PUT", &dated.path, &dated.host, &headers, b"x").await
        }
    };
    for (name, value) in [
        ("x-amz-acl", "public-read"),
        ("X-Amz-Meta-A", "b"),
        ("x-amz-copy-source", "media/l"),
        ("x-amz-decoded-content-length", "1"),
    ] {
        add(name, value).await.is(403, "AccessDenied");
    }
    add("x-amz-security-token", "x")
        .await
        .is(400, "InvalidToken");
    add("x-amz-date", "20130524T000000Z")
        .await
        .is(400, "InvalidRequest");
    assert!(!server.holds("k").await);
    // What a browser or a network on the way adds asks for nothing.
    assert_eq!(add("x-amz-user-agent", "x").await.status, 200);
    assert_eq!(add("x-amz-cf-id", "x").await.status, 200);
    assert_eq!(add("x-amzn-trace-id", "x").await.status, 200);
}

#[tokio::test]
async fn the_list_of_signed_headers_is_taken_at_its_word() {
    let server = TestServer::start().await;
    let dated = Signer::new(&server, "PUT", "/media/k").dated();
    let with = |from: &str, to: &str, extra: Option<(&str, &str)>| {
        let value = dated.authorization().replacen(from, to, 1);
        let mut headers = dated.headers.clone();
        headers.push(("authorization".to_owned(), value));
        headers.extend(extra.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let (server, path, host) = (&server, dated.path.clone(), dated.host.clone());
        async move { send(server, "PUT", &path, &host, &headers, b"x").await }
    };
    // Listed, but not there.
    with("=host;", "=content-type;host;", None)
        .await
        .is(403, "SignatureDoesNotMatch");
    // Listed, but not as it would be looked up.
    let typed = Some(("content-type", "text/html"));
    with("=host;", "=Content-Type;host;", typed)
        .await
        .is(403, "SignatureDoesNotMatch");
    with("=host;", "=", None).await.is(403, "AccessDenied");
    with("SignedHeaders=host;", "SignedHeaders=;", None)
        .await
        .is(403, "AccessDenied");
    assert!(!server.holds("k").await);
}

#[tokio::test]
async fn a_date_header_will_do() {
    let server = TestServer::start().await;
    let date = |time| httpdate::fmt_http_date(time);
    let mut signer = Signer::new(&server, "PUT", "/media/k");
    signer.payload = sha256(b"x");
    let payload = signer.payload.clone();
    let signer = signer.header("x-amz-content-sha256", &payload);
    let good = signer.clone().header("date", &date(signer.time));
    let answer = good.send(&server, b"x").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let old = signer.clone().header("date", &date(earlier(1000)));
    let code = old.send(&server, b"x").await.code();
    // Near midnight the credential's day differs as well.
    assert!(
        ["RequestTimeTooSkewed", "AuthorizationHeaderMalformed"].contains(&code.as_str()),
        "{code}"
    );
    // Of two dates the one in `x-amz-date` counts.
    let both = signer.clone().header("date", &date(earlier(1000)));
    let both = both.header("x-amz-date", &crate::client::amz_date(signer.time));
    assert_eq!(both.send(&server, b"x").await.status, 200);
    signer.send(&server, b"x").await.is(403, "AccessDenied");
    let odd = signer.clone().header("date", "yesterday");
    odd.send(&server, b"x").await.is(403, "AccessDenied");
}

#[tokio::test]
async fn parameters_are_given_once_and_decode() {
    let server = TestServer::start().await;
    server.client().put("/media/k", b"x").await;
    for (target, code) in [
        ("/media/k?acl&acl", "InvalidArgument"),
        ("/media/k?uploadId=a&uploadId=b", "InvalidArgument"),
        ("/media?prefix=a&prefix=b&list-type=2", "InvalidArgument"),
        ("/media/k?acl&tagging", "InvalidArgument"),
        ("/media?uploads&versions", "InvalidArgument"),
        ("/media?list-type=2&prefix=%zz", "InvalidURI"),
        ("/media?list-type=2&prefix=%ff", "InvalidURI"),
    ] {
        let answer = server.client().request("GET", target).send().await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (400, code),
            "{target}"
        );
    }
}

#[tokio::test]
async fn a_payload_is_named_in_one_of_the_known_ways() {
    let server = TestServer::start().await;
    for payload in ["", "unsigned-payload", "abc"] {
        let put = server.client().request("PUT", "/media/k").body(b"x");
        let answer = put.content_sha256(payload).send().await;
        answer.is(400, "InvalidArgument");
    }
    let date = crate::client::amz_date(later(0));
    let bare = Signer::new(&server, "PUT", "/media/k").header("x-amz-date", &date);
    bare.send(&server, b"x").await.is(400, "InvalidRequest");
    assert!(!server.holds("k").await);
}
