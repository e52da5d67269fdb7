//! Ranges of an object, signed.

use crate::server::TestServer;

const BODY: &[u8] = b"0123456789";

#[tokio::test]
async fn table() {
    let server = TestServer::start().await;
    server.client().put("/media/k", BODY).await;
    for (range, body, content_range) in [
        ("bytes=0-0", &b"0"[..], "bytes 0-0/10"),
        ("bytes=2-4", b"234", "bytes 2-4/10"),
        ("bytes=2-", b"23456789", "bytes 2-9/10"),
        ("bytes=-3", b"789", "bytes 7-9/10"),
        ("bytes=-30", BODY, "bytes 0-9/10"),
        ("bytes=5-500", b"56789", "bytes 5-9/10"),
    ] {
        for method in ["GET", "HEAD"] {
            let answer = server
                .client()
                .request(method, "/media/k")
                .header("range", range)
                .send();
            let answer = answer.await;
            assert_eq!(answer.status, 206, "{range}");
            assert_eq!(
                answer.header("content-range"),
                Some(content_range),
                "{range}"
            );
            assert_eq!(
                answer.header("content-length"),
                Some(body.len().to_string().as_str())
            );
            assert!(method == "HEAD" || answer.body == body, "{range}");
        }
    }
}

#[tokio::test]
async fn ranges_without_bytes_are_416() {
    let server = TestServer::start().await;
    server.client().put("/media/k", BODY).await;
    server.client().put("/media/empty", b"").await;
    for (target, range, content_range) in [
        ("/media/k", "bytes=10-", "bytes */10"),
        ("/media/k", "bytes=-0", "bytes */10"),
        ("/media/empty", "bytes=0-", "bytes */0"),
    ] {
        let answer = server
            .client()
            .request("GET", target)
            .header("range", range)
            .send()
            .await;
        answer.is(416, "InvalidRange");
        assert_eq!(answer.header("content-range"), Some(content_range));
        assert_eq!(answer.header("content-type"), Some("application/xml"));
    }
}

#[tokio::test]
async fn a_large_object_streams_out_in_any_range() {
    let server = TestServer::start().await;
    // Three extents and a bit: ranges that begin and end inside, at and across their borders.
    let body: Vec<u8> = (0..3_500_000_u32)
        .flat_map(|n| n.to_le_bytes()[..1].to_vec())
        .collect();
    assert_eq!(server.client().put("/media/k", &body).await.status, 200);
    assert_eq!(server.client().get("/media/k").await.body, body);
    for (first, last) in [
        (0, 0),
        (1_048_575, 1_048_576),
        (5, 3_499_998),
        (2_097_152, 3_145_727),
    ] {
        let range = format!("bytes={first}-{last}");
        let answer = server
            .client()
            .request("GET", "/media/k")
            .header("range", &range)
            .send()
            .await;
        assert_eq!(answer.status, 206);
        assert!(answer.body == body[first..=last], "{range}");
    }
}

#[tokio::test]
async fn ranges_that_are_none_are_ignored_signed_or_not() {
    let server = TestServer::start().await;
    let put = server.client().request("PUT", "/media/k").body(BODY);
    put.header("x-amz-acl", "public-read").send().await;
    let link = server.client().request("GET", "/media/k").presign(60);
    for (range, body) in [
        ("bytes=0-1,3-4", BODY),
        ("bytes=5-3", BODY),
        ("bytes=a-b", BODY),
        ("items=0-1", BODY),
        ("nonsense", BODY),
        ("bytes=0-99999999999999999999", BODY),
        ("Bytes=8-", b"89"),
        ("bytes=2-9223372036854775808", b"23456789"),
    ] {
        for (client, target) in [
            (server.client(), "/media/k"),
            (server.anonymous(), "/media/k"),
            (server.anonymous(), link.as_str()),
        ] {
            let request = client.request("GET", target).header("range", range);
            let answer = request.send().await;
            let status = if body == BODY { 200 } else { 206 };
            assert_eq!(answer.status, status, "{range} {target}");
            assert_eq!(answer.body, body, "{range} {target}");
            let request = client.request("HEAD", target).header("range", range);
            if target == "/media/k" {
                assert_eq!(request.send().await.status, status, "{range}");
            }
        }
    }
}

#[tokio::test]
async fn who_may_not_read_may_not_with_an_odd_range_either() {
    let server = TestServer::start().await;
    server.client().put("/media/k", BODY).await;
    let odd = |client: crate::client::Client| {
        let request = client.request("GET", "/media/k");
        let request = request.header("range", "bytes=0-1,3-4");
        async move { request.send().await }
    };
    odd(server.other()).await.is(403, "AccessDenied");
    odd(server.anonymous()).await.is(403, "AccessDenied");
    let wrong = ("AKIATESTONE", "another secret");
    let wrong = crate::client::Client::new(server.address, Some(wrong.into()));
    odd(wrong).await.is(403, "SignatureDoesNotMatch");
    let mut signed = server
        .client()
        .request("GET", "/media/k")
        .header("range", "bytes=0-1,3-4")
        .sign();
    let head = String::from_utf8(signed.head).unwrap();
    signed.head = head.replace("3-4", "3-5").into_bytes();
    let tampered = signed.send(server.address).await;
    tampered.is(403, "SignatureDoesNotMatch");
}

#[tokio::test]
async fn a_range_of_another_state_is_ignored() {
    let server = TestServer::start().await;
    let etag = server.client().put("/media/k", BODY).await;
    let etag = etag.header("etag").unwrap().to_owned();
    for (condition, status) in [(etag.as_str(), 206), ("\"other\"", 200), ("W/\"x\"", 200)] {
        let request = server.client().request("GET", "/media/k");
        let request = request.header("range", "bytes=0-1");
        let answer = request.header("if-range", condition).send().await;
        assert_eq!(answer.status, status, "{condition}");
    }
}
