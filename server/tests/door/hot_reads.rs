//! Public objects that were asked for before: answered on the spot, in nothing different from the first time.

use crate::client::{Client, Response};
use crate::server::TestServer;

const BODY: &[u8] = b"a picture that many look at";

/// Asks until the name and the content are in memory, and returns the last answer.
async fn asked_often(client: &Client, target: &str) -> Response {
    for _ in 0..5 {
        assert_eq!(client.get(target).await.status, 200);
    }
    client.get(target).await
}

async fn with_object() -> TestServer {
    let server = TestServer::start().await;
    let put = server
        .client()
        .request("PUT", "/media/k")
        .body(BODY)
        .header("x-amz-acl", "public-read")
        .header("content-type", "image/webp");
    assert_eq!(put.send().await.status, 200);
    server
}

fn without_date(response: &Response) -> Vec<(String, String)> {
    let headers = response.headers.iter().cloned();
    headers.filter(|(name, _)| name != "date").collect()
}

/// Answers that were given at once, so far.
async fn at_once(server: &TestServer) -> u64 {
    let metrics = Client::new(server.admin, None).get("/metrics").await.text();
    let mut values = metrics
        .lines()
        .filter_map(|line| line.strip_prefix("moraine_http_at_once_total "));
    values.next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn the_answer_stays_the_same_also_after_a_restart() {
    let server = with_object().await;
    let first = server.anonymous().get("/media/k").await;
    let later = asked_often(&server.anonymous(), "/media/k").await;
    assert_eq!(without_date(&later), without_date(&first));
    assert!(at_once(&server).await > 0, "before the restart");
    let server = server.restart(|_| {}).await;
    for _ in 0..6 {
        let answer = server.anonymous().get("/media/k").await;
        assert_eq!((answer.status, answer.body.as_slice()), (200, BODY));
        assert_eq!(without_date(&answer), without_date(&first));
    }
    let head = server.anonymous().request("HEAD", "/media/k").send().await;
    assert_eq!(head.status, 200);
    assert_eq!(without_date(&head), without_date(&first));
    assert!(at_once(&server).await > 0, "after the restart");
}

#[tokio::test]
async fn a_host_that_names_the_bucket_finds_the_same() {
    let server = with_object().await;
    asked_often(&server.anonymous(), "/media/k").await;
    for target in ["/k", "/%6B", "/k?x=1"] {
        let get = server.anonymous().request("GET", target);
        let answer = get.header("host", "media.s3.test").send().await;
        assert_eq!((answer.status, answer.body.as_slice()), (200, BODY));
    }
}

#[tokio::test]
async fn conditions_and_ranges_hold() {
    let server = with_object().await;
    let anonymous = server.anonymous();
    let etag = asked_often(&anonymous, "/media/k").await;
    let etag = etag.header("etag").unwrap().to_owned();
    for (name, value, status) in [
        ("if-none-match", etag.as_str(), 304),
        ("if-match", "\"other\"", 412),
        ("if-match", etag.as_str(), 200),
        ("range", "bytes=2-8", 206),
        ("range", "bytes=99-", 416),
    ] {
        let get = anonymous.request("GET", "/media/k").header(name, value);
        let answer = get.send().await;
        assert_eq!(answer.status, status, "{name}: {value}");
        if status == 206 {
            assert_eq!(answer.body, &BODY[2..=8]);
        }
    }
}

#[tokio::test]
async fn what_is_refused_is_refused_however_often_it_was_given() {
    let server = with_object().await;
    let anonymous = server.anonymous();
    asked_often(&anonymous, "/media/k").await;
    let acl = |value| {
        let put = server.client().request("PUT", "/media/k?acl");
        put.header("x-amz-acl", value)
    };
    assert_eq!(acl("private").send().await.status, 200);
    anonymous.get("/media/k").await.is(403, "AccessDenied");
    asked_often(&server.client(), "/media/k").await;
    anonymous.get("/media/k").await.is(403, "AccessDenied");
    assert_eq!(acl("public-read").send().await.status, 200);
    assert_eq!(asked_often(&anonymous, "/media/k").await.body, BODY);
    for (method, target, code) in [
        ("GET", "/media/k?acl", "AccessDenied"),
        ("PUT", "/media/k", "AccessDenied"),
        ("DELETE", "/media/k", "AccessDenied"),
    ] {
        let answer = anonymous.request(method, target).send().await;
        answer.is(403, code);
    }
    let delete = server.client().request("DELETE", "/media/k");
    assert_eq!(delete.send().await.status, 204);
    anonymous.get("/media/k").await.is(403, "AccessDenied");
}

#[tokio::test]
async fn what_replaces_it_is_given_at_once() {
    let server = with_object().await;
    for round in 0..20 {
        let body = format!("content number {round}");
        let put = server.client().request("PUT", "/media/k");
        let put = put.header("x-amz-acl", "public-read");
        assert_eq!(put.body(body.as_bytes()).send().await.status, 200);
        let answer = asked_often(&server.anonymous(), "/media/k").await;
        assert_eq!(answer.body, body.as_bytes());
        assert_eq!(
            answer.header("content-length"),
            Some(body.len().to_string().as_str())
        );
    }
}

#[tokio::test]
async fn every_answer_is_in_the_books() {
    let server = with_object().await;
    for _ in 0..7 {
        server.anonymous().get("/media/k").await;
    }
    let metrics = Client::new(server.admin, None).get("/metrics").await.text();
    for line in [
        "moraine_http_requests_total{operation=\"PublicRead\",status=\"200\"} 7".to_owned(),
        "moraine_http_request_seconds_count{operation=\"PublicRead\"} 7".to_owned(),
        format!("moraine_http_sent_bytes_total {}", 7 * BODY.len()),
        "moraine_http_requests_in_flight 0".to_owned(),
    ] {
        assert!(metrics.lines().any(|it| it == line), "{line}");
    }
    assert!(at_once(&server).await > 0);
}
