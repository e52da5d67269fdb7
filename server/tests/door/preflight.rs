//! What browsers ask before they read, and what their pages may see.

use crate::client::Response;
use crate::server::TestServer;
use crate::signer::{Signer, at, send};

async fn ask(server: &TestServer, target: &str, headers: &[(&str, &str)]) -> Response {
    let headers: Vec<(String, String)> = headers
        .iter()
        .map(|&(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    send(server, "OPTIONS", target, "localhost", &headers, b"").await
}

const ORIGIN: (&str, &str) = ("Origin", "https://social.example");

fn method(name: &str) -> (&str, &str) {
    ("Access-Control-Request-Method", name)
}

#[tokio::test]
async fn reading_is_allowed_wherever_and_whatever_it_is() {
    let server = TestServer::start().await;
    server.client().put("/open/k", b"x").await;
    let link = Signer::new(&server, "GET", "/media/k").link("60");
    let mut answers = Vec::new();
    for target in [
        "/open/k",
        "/open/missing",
        "/media/k",
        "/nobucket/k",
        "/",
        &link,
    ] {
        for name in ["GET", "HEAD"] {
            let answer = ask(&server, target, &[ORIGIN, method(name)]).await;
            assert_eq!(answer.status, 200, "{target}");
            let mut headers = answer.headers.clone();
            headers.retain(|(name, _)| !name.eq_ignore_ascii_case("date"));
            answers.push((headers, answer.body));
        }
    }
    let (first, rest) = answers.split_first().unwrap();
    assert!(rest.iter().all(|it| it == first), "{answers:?}");
    let header = |name: &str| {
        let found = first.0.iter().find(|(it, _)| it.eq_ignore_ascii_case(name));
        found.unwrap().1.clone()
    };
    assert_eq!(header("access-control-allow-origin"), "*");
    assert_eq!(header("access-control-allow-methods"), "GET, HEAD");
    assert_eq!(header("access-control-max-age"), "86400");
    let allowed = header("access-control-allow-headers").to_lowercase();
    let allowed: Vec<&str> = allowed.split(", ").collect();
    for name in [
        "range",
        "if-match",
        "if-none-match",
        "if-modified-since",
        "if-range",
    ] {
        assert!(allowed.contains(&name), "{name}");
    }
    assert!(!allowed.contains(&"authorization") && !allowed.contains(&"cookie"));
}

#[tokio::test]
async fn writing_is_not() {
    let server = TestServer::start().await;
    for name in ["PUT", "POST", "DELETE", "PATCH", "get", "*", ""] {
        let answer = ask(&server, "/open/k", &[ORIGIN, method(name)]).await;
        answer.is(403, "AccessForbidden");
        assert_eq!(answer.header("access-control-allow-methods"), None);
    }
}

#[tokio::test]
async fn a_question_is_complete() {
    let server = TestServer::start().await;
    let ask = |headers: Vec<(&'static str, &'static str)>| {
        let server = &server;
        async move { ask(server, "/open/k", &headers).await }
    };
    ask(vec![]).await.is(400, "BadRequest");
    ask(vec![ORIGIN]).await.is(400, "BadRequest");
    ask(vec![method("GET")]).await.is(400, "BadRequest");
}

#[tokio::test]
async fn pages_see_answers_and_refusals() {
    let server = TestServer::start().await;
    server.client().put("/open/k", b"x").await;
    for target in ["/open/k", "/open/missing", "/media/k", "/nobucket/k", "/"] {
        let answer = at(&server, "localhost", "GET", target).await;
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        let exposed = answer.header("access-control-expose-headers").unwrap();
        for name in [
            "Accept-Ranges",
            "Content-Length",
            "Content-Range",
            "ETag",
            "Last-Modified",
        ] {
            assert!(exposed.contains(name), "{name}");
        }
    }
}

#[tokio::test]
async fn a_page_that_has_a_link_may_read() {
    let server = TestServer::start().await;
    server.client().put("/media/k", b"x").await;
    let signer = Signer::new(&server, "GET", "/media/k");
    let get = signer.open(&server, &signer.link("60"), &[], b"").await;
    assert_eq!(get.body, b"x");
    assert_eq!(get.header("access-control-allow-origin"), Some("*"));
    // Who signs with a header is no page.
    let get = server.client().get("/media/k").await;
    assert_eq!(get.header("access-control-allow-origin"), None);
}
