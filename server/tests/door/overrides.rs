//! `response-*` parameters: a signed read may name the headers of its own answer.

use crate::server::TestServer;

const QUERY: &str = "response-cache-control=no-store&response-content-disposition=\
     attachment%3B%20filename%3D%22a%20b.png%22&response-content-encoding=identity&\
     response-content-language=eo&response-content-type=text%2Fplain%3B%20charset%3Dutf-8&\
     response-expires=Fri%2C%2001%20Jan%202100%2000%3A00%3A00%20GMT";
const HEADERS: [(&str, &str); 6] = [
    ("cache-control", "no-store"),
    ("content-disposition", "attachment; filename=\"a b.png\""),
    ("content-encoding", "identity"),
    ("content-language", "eo"),
    ("content-type", "text/plain; charset=utf-8"),
    ("expires", "Fri, 01 Jan 2100 00:00:00 GMT"),
];

async fn stored(server: &TestServer) {
    let put = server
        .client()
        .request("PUT", "/media/k")
        .header("content-type", "image/png")
        .header("cache-control", "public")
        .header("expires", "never")
        .header("x-amz-acl", "public-read")
        .body(b"content");
    assert_eq!(put.send().await.status, 200);
}

#[tokio::test]
async fn signed_reads_name_their_headers() {
    let server = TestServer::start().await;
    stored(&server).await;
    let target = format!("/media/k?{QUERY}");
    for method in ["GET", "HEAD"] {
        let answer = server.client().request(method, &target).send().await;
        assert_eq!(answer.status, 200);
        for (name, value) in HEADERS {
            assert_eq!(answer.header(name), Some(value), "{method} {name}");
        }
        let plain = server.client().request(method, "/media/k").send().await;
        assert_eq!(plain.header("content-type"), Some("image/png"));
        assert_eq!(plain.header("expires"), Some("never"));
    }
}

#[tokio::test]
async fn links_name_their_headers() {
    let server = TestServer::start().await;
    stored(&server).await;
    let link = server
        .client()
        .request("GET", &format!("/media/k?{QUERY}"))
        .presign(60);
    let answer = server.anonymous().get(&link).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.body, b"content");
    for (name, value) in HEADERS {
        assert_eq!(answer.header(name), Some(value), "{name}");
    }
}

#[tokio::test]
async fn ranges_and_conditions_keep_them() {
    let server = TestServer::start().await;
    stored(&server).await;
    let target = "/media/k?response-content-type=text%2Fplain";
    let part = server
        .client()
        .request("GET", target)
        .header("range", "bytes=1-2");
    let part = part.send().await;
    assert_eq!((part.status, part.body.as_slice()), (206, &b"on"[..]));
    assert_eq!(part.header("content-type"), Some("text/plain"));
}

#[tokio::test]
async fn a_header_cannot_be_smuggled_in() {
    let server = TestServer::start().await;
    stored(&server).await;
    let target = "/media/k?response-content-type=a%0D%0Ax-evil%3A%201";
    for method in ["GET", "HEAD"] {
        let answer = server.client().request(method, target).send().await;
        assert!(answer.header("x-evil").is_none(), "{method}");
        assert_eq!(answer.status, 400, "{method}");
    }
}

#[tokio::test]
async fn anyone_else_may_not() {
    let server = TestServer::start().await;
    stored(&server).await;
    let anyone = server.anonymous();
    assert_eq!(anyone.get("/media/k").await.status, 200);
    let answer = anyone.get(&format!("/media/k?{QUERY}")).await;
    assert!(answer.status == 400 || answer.status == 403);
    assert_ne!(
        answer.header("content-type"),
        Some("text/plain; charset=utf-8")
    );
}
