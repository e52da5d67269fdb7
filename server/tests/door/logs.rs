//! The log: one line for each request, that says who asked for what and how it went. Neither a secret nor a signature is
//! ever in it, at any level, and nothing that a client sends begins a line of its own.

use crate::server::{KEY, TestServer};
use serde_json::Value;
use std::future::Future;
use std::io::Write;
use std::sync::{Arc, Mutex};
use tracing_subscriber::fmt::MakeWriter;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// What `requests` gives, and the log of everything that happened in them, at the highest level.
fn logged<T>(json: bool, requests: impl Future<Output = T>) -> (T, String) {
    let log = Log::default();
    let builder = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(log.clone())
        .with_ansi(false);
    let run = || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(requests)
    };
    // The default of this thread alone, which runs everything that the server does.
    let given = if json {
        tracing::subscriber::with_default(builder.json().flatten_event(true).finish(), run)
    } else {
        tracing::subscriber::with_default(builder.finish(), run)
    };
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    (given, text)
}

/// The lines about requests.
fn lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|line| line["target"] == "request")
        .collect()
}

#[test]
fn no_secret_at_trace_level() {
    for json in [false, true] {
        let (secrets, text) = logged(json, secret_requests());
        assert!(
            text.contains("PutObject"),
            "our own lines are there\n{text}"
        );
        for secret in secrets {
            assert!(!text.contains(&secret), "{secret} is in\n{text}");
        }
        assert!(!text.contains("s3s::"), "s3s logs nothing\n{text}");
    }
}

/// Good and bad requests; returns what must not be in the log.
async fn secret_requests() -> Vec<String> {
    let server = TestServer::start().await;
    let mut secrets = vec![KEY.1.to_owned()];
    for target in [
        "/media/k",
        "/nobucket/k",
        "/media/k?tagging",
        "/media/k?acl",
    ] {
        let signed = server.client().request("PUT", target).body(b"x").sign();
        secrets.push(signed.signature.clone());
        signed.send(server.address).await;
    }
    let mut bad = server.client().request("GET", "/media/k").sign();
    secrets.push(bad.signature.clone());
    let other = bad.signature.replacen(|_: char| true, "z", 1);
    bad.head = String::from_utf8(bad.head)
        .unwrap()
        .replace(&bad.signature, &other)
        .into_bytes();
    secrets.push(other);
    bad.send(server.address)
        .await
        .is(403, "SignatureDoesNotMatch");
    let link = server.client().request("GET", "/media/k").presign(60);
    let signature = link.split("X-Amz-Signature=").nth(1).unwrap();
    secrets.push(signature.to_owned());
    assert_eq!(server.anonymous().get(&link).await.status, 200);
    // Keys swapped, an old link, and headers that carry secrets of others.
    let authorization = "AWS4-HMAC-SHA256 Credential=swappedSecretKey/20261122/us-east-1/s3/aws4_request, \
         SignedHeaders=host;x-amz-date, Signature=signatureOfNobody";
    for (target, name, value) in [
        ("/media/k", "authorization", authorization),
        (
            "/media/k",
            "authorization",
            "AWS swappedSecretKey:signatureOfNobody",
        ),
        ("/media/k", "authorization", "Bearer tokenOfSomebody"),
        (
            "/media/k?AWSAccessKeyId=a&Expires=1&Signature=signatureOfNobody",
            "x",
            "y",
        ),
        (
            "/media/k?X-Amz-Security-Token=tokenOfSomebody",
            "cookie",
            "session=cookieOfSomebody",
        ),
        ("/media/k", "x-amz-security-token", "tokenOfSomebody"),
        ("/media/k", "x-cache-buster-secret", "tokenOfSomebody"),
    ] {
        let request = server.anonymous().request("GET", target);
        request.header(name, value).send().await;
    }
    for secret in [
        "swappedSecretKey",
        "signatureOfNobody",
        "tokenOfSomebody",
        "cookieOfSomebody",
    ] {
        secrets.push(secret.to_owned());
    }
    secrets
}

#[test]
fn one_line_for_each_request() {
    let (length, text) = logged(true, async {
        let server = TestServer::start().await;
        let client = server.client();
        let put = client.request("PUT", "/media/a%20b").body(b"hello");
        put.header("user-agent", "an-agent/1").send().await;
        client.get("/media/a%20b").await;
        let stranger = server.anonymous().request("GET", "/media/a%20b?x=y");
        stranger.header("user-agent", "a\u{e9}\tb").send().await;
        client.get("/media/missing").await;
        server.anonymous().get("/media/a%20b").await.body.len()
    });
    let found = lines(&text);
    assert_eq!(found.len(), 5, "{text}");
    let put = &found[0];
    for (field, expected) in [
        ("level", Value::from("DEBUG")),
        ("message", "request".into()),
        ("operation", "PutObject".into()),
        ("access_key", KEY.0.into()),
        ("method", "PUT".into()),
        ("path", "/media/a%20b".into()),
        ("status", 200.into()),
        ("received", 5.into()),
        ("sent", 0.into()),
        ("complete", true.into()),
        ("agent", "an-agent/1".into()),
    ] {
        assert_eq!(put[field], expected, "{field} of {put}");
    }
    assert!(put["tenant"].is_string() && put["took_us"].is_u64() && put["id"].is_string());
    assert_eq!(found[1]["sent"], 5);
    for refused in &found[2..] {
        assert_eq!(refused["level"], "INFO", "{refused}");
    }
    assert_eq!(found[2]["path"], "/media/a%20b", "without the query");
    assert_eq!(found[2]["error"], "AccessDenied");
    assert_eq!(found[2]["access_key"], Value::Null);
    assert_eq!(found[2]["agent"], "a%C3%A9%09b");
    assert_eq!(found[3]["error"], "NoSuchKey");
    assert_eq!(found[4]["sent"], length);
    let mut ids: Vec<&Value> = found.iter().map(|line| &line["id"]).collect();
    ids.dedup();
    assert_eq!(ids.len(), 5, "each has an id of its own");
}

#[test]
fn nothing_from_a_client_begins_a_line() {
    let ((), text) = logged(false, async {
        let server = TestServer::start().await;
        let client = server.client();
        for key in [
            "a%0Ab",
            "%0D%0AWARN%20x",
            "%1B%5B31m",
            "%E2%80%AE",
            "%22%20x=%22",
        ] {
            client.put(&format!("/media/{key}"), b"x").await;
        }
        let agent = "x\" status=500 \u{202e}".to_owned();
        let request = server.anonymous().request("GET", "/media/k");
        request.header("user-agent", &agent).send().await;
        let long = format!("/media/{}", "k".repeat(5000));
        let answer = client.get(&long).await;
        assert!(answer.status >= 400);
    });
    let about: Vec<&str> = text
        .lines()
        .filter(|line| line.contains(" request: "))
        .collect();
    assert_eq!(about.len(), 7, "{text}");
    assert!(
        text.chars()
            .all(|it| it == '\n' || (' '..='~').contains(&it)),
        "{text}"
    );
    assert!(about.iter().all(|line| line.len() < 2500), "{text}");
}
