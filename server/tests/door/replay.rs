//! Requests as real clients sent them, byte for byte, answered as S3 would answer them.
//!
//! `wire/` holds what two SDK generations put on the wire, with the access key `AK` and the secret `SK`: each request with
//! the scheme that it was sent over (behind a TLS front the bytes are the same), its head, and its body, where `z*N` is N
//! times the letter. Their signatures hold for a quarter of an hour around the time of the capture, so a process of its own
//! plays them, whose clock libfaketime sets. The upload ids in them are made up.

use crate::client::{Client, Credentials, Response, hex, md5};
use crate::server::TestServer;
use moraine_engine::Bucket;
use std::path::PathBuf;
use std::process::Command;

const RUBY: &str = include_str!("wire/mastodon_ruby_2024.txt");
const DEFAULTS: &str = include_str!("wire/defaults_2025_js_python.txt");

/// Between the captures.
const CLOCK: &str = "@2026-11-22 02:42:00";

/// One request.
struct Capture {
    head: String,
    body: Vec<u8>,
}

fn captures(text: &str) -> Vec<Capture> {
    text.split("### ")
        .skip(1)
        .map(|block| {
            let mut capture = Capture {
                head: String::new(),
                body: Vec::new(),
            };
            for line in block.lines().skip(1).filter(|line| !line.is_empty()) {
                match line.strip_prefix("body ") {
                    Some(body) => capture.body = unescaped(body),
                    None => capture.head.push_str(&format!("{line}\r\n")),
                }
            }
            capture
        })
        .collect()
}

fn unescaped(body: &str) -> Vec<u8> {
    match body.strip_prefix("z*") {
        Some(count) => vec![b'z'; count.parse().unwrap()],
        None => body.replace("\\r", "\r").replace("\\n", "\n").into_bytes(),
    }
}

impl Capture {
    /// Method and target.
    fn name(&self) -> String {
        let line = self.head.lines().next().unwrap();
        line.strip_suffix(" HTTP/1.1").unwrap().to_owned()
    }

    async fn send(&self, server: &TestServer) -> Response {
        let mut body = self.body.clone();
        let head = self.head.to_lowercase();
        if head.contains("transfer-encoding: chunked") {
            // The captures hold what HTTP carried, without its own chunks.
            let start = format!("{:x}\r\n", body.len()).into_bytes();
            body = [&start, body.as_slice(), b"\r\n0\r\n\r\n"].concat();
        }
        let bytes = [self.head.as_bytes(), b"\r\n", &body].concat();
        let head_only = self.head.starts_with("HEAD ");
        server.anonymous().exchange(&bytes, head_only).await
    }
}

/// A server that knows the key of the captures and has their buckets.
async fn server() -> (TestServer, Bucket, Client) {
    let server = TestServer::start().await;
    let tenant = server.store.create_tenant("captured").await.unwrap().id;
    let key = server
        .store
        .create_access_key(tenant, Some("AK"), Some("SK"));
    key.await.unwrap();
    let bucket = server
        .store
        .create_bucket(tenant, "b", false)
        .await
        .unwrap();
    let other = server.store.create_bucket(tenant, "bkt", false).await;
    other.unwrap();
    let client = Client::new(server.address, Some(Credentials::from(("AK", "SK"))));
    (server, bucket, client)
}

/// What S3 answers: the status, the code of an error, headers, and texts in the body.
struct Expected {
    status: u16,
    code: &'static str,
    headers: &'static [(&'static str, &'static str)],
    texts: &'static [&'static str],
}

const fn status(status: u16) -> Expected {
    Expected {
        status,
        code: "",
        headers: &[],
        texts: &[],
    }
}

const NO_UPLOAD: Expected = Expected {
    code: "NoSuchUpload",
    ..status(404)
};

const HELLO_ETAG: (&str, &str) = ("etag", "\"5eb63bbbe01eeed093cb22bb8f5acdc3\"");
const HELLO_CRC: (&str, &str) = ("x-amz-checksum-crc32", "DUoRhQ==");

/// The requests of `RUBY`, in order.
const OF_RUBY: [(&str, Expected); 19] = [
    (
        "PUT /b/cache/media_attachments/files/1/original/a.jpeg",
        Expected {
            headers: &[HELLO_ETAG],
            ..status(200)
        },
    ),
    (
        "POST /b/big.mp4?uploads",
        Expected {
            texts: &["<Bucket>b</Bucket>", "<Key>big.mp4</Key>", "<UploadId>"],
            ..status(200)
        },
    ),
    ("PUT /b/big.mp4?partNumber=2&uploadId=UPID", NO_UPLOAD),
    ("PUT /b/big.mp4?partNumber=1&uploadId=UPID", NO_UPLOAD),
    ("POST /b/big.mp4?uploadId=UPID", NO_UPLOAD),
    (
        "POST /b?delete",
        Expected {
            texts: &["<DeleteResult"],
            ..status(200)
        },
    ),
    (
        "PUT /b/cache/media_attachments/files/1/original/a.jpeg?acl",
        status(200),
    ),
    (
        "GET /b?list-type=2",
        Expected {
            texts: &[
                "<Name>b</Name>",
                "<KeyCount>2</KeyCount>",
                "<Key>big.mp4</Key>",
                "<Key>cache/media_attachments/files/1/original/a.jpeg</Key>",
            ],
            ..status(200)
        },
    ),
    (
        "GET /b?list-type=2&prefix=cache%2F&start-after=k1",
        Expected {
            texts: &["<KeyCount>0</KeyCount>", "<StartAfter>k1</StartAfter>"],
            ..status(200)
        },
    ),
    (
        "PUT /b/new%20key%2B%C3%A9.jpg",
        Expected {
            texts: &[
                "<CopyObjectResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">",
                "5eb63bbbe01eeed093cb22bb8f5acdc3",
                "<LastModified>2026-11-22T02:4",
            ],
            ..status(200)
        },
    ),
    (
        "DELETE /b/cache/media_attachments/files/1/original/a.jpeg",
        status(204),
    ),
    // The object was put back here: see `play`.
    (
        "HEAD /b/cache/media_attachments/files/1/original/a.jpeg",
        Expected {
            headers: &[HELLO_ETAG, ("content-length", "11")],
            ..status(200)
        },
    ),
    (
        "HEAD /b/cache/media_attachments/files/1/original/a.jpeg?partNumber=1",
        Expected {
            headers: &[HELLO_ETAG, ("content-length", "11")],
            ..status(206)
        },
    ),
    (
        "GET /b/cache/media_attachments/files/1/original/a.jpeg",
        Expected {
            headers: &[HELLO_ETAG, ("content-length", "11")],
            texts: &["hello world"],
            ..status(200)
        },
    ),
    (
        "HEAD /b/big.mp4?partNumber=1",
        Expected {
            headers: &[
                ("content-length", "5242880"),
                ("content-range", "bytes 0-5242879/6000000"),
                ("x-amz-mp-parts-count", "2"),
            ],
            ..status(206)
        },
    ),
    (
        "GET /b/big.mp4",
        Expected {
            headers: &[
                ("content-length", "5242880"),
                ("content-range", "bytes 0-5242879/6000000"),
            ],
            ..status(206)
        },
    ),
    (
        "GET /b/big.mp4",
        Expected {
            headers: &[
                ("content-length", "757120"),
                ("content-range", "bytes 5242880-5999999/6000000"),
            ],
            ..status(206)
        },
    ),
    (
        "GET /b/cache/media_attachments/files/1/original/a.jpeg",
        Expected {
            texts: &["hello world"],
            ..status(200)
        },
    ),
    (
        "DELETE /b/cache/media_attachments/files/1/original/a.jpeg",
        status(204),
    ),
];

/// The requests of `DEFAULTS`, in order.
const OF_DEFAULTS: [(&str, Expected); 6] = [
    ("PUT /b/stream.bin?x-id=PutObject", STORED),
    ("PUT /b/stream.bin?x-id=PutObject", STORED),
    ("PUT /bkt/a.txt", STORED),
    ("PUT /bkt/a.txt?uploadId=U&partNumber=1", NO_UPLOAD),
    ("PUT /bkt/a.txt", STORED),
    ("PUT /bkt/a.txt?uploadId=U&partNumber=1", NO_UPLOAD),
];

const STORED: Expected = Expected {
    headers: &[HELLO_ETAG, HELLO_CRC],
    ..status(200)
};

#[test]
fn the_captures_are_what_was_sent() {
    let names = |text: &str| -> Vec<String> { captures(text).iter().map(Capture::name).collect() };
    assert_eq!(names(RUBY), OF_RUBY.map(|(name, _)| name));
    assert_eq!(names(DEFAULTS), OF_DEFAULTS.map(|(name, _)| name));
    for capture in captures(RUBY) {
        let header = |name: &str| {
            let line = capture.head.lines().find(|line| line.starts_with(name))?;
            line.split_once(": ").map(|(_, value)| value.to_owned())
        };
        if let Some(digest) = header("Content-Md5") {
            let ours = crate::client::base64(&md5(&capture.body));
            assert_eq!(digest, ours, "{}", capture.name());
        }
        if let Some(length) = header("Content-Length") {
            assert_eq!(length, capture.body.len().to_string());
        }
    }
}

#[tokio::test]
async fn captured_requests_are_too_old_by_now() {
    let (server, _, _) = server().await;
    for capture in captures(RUBY).iter().chain(&captures(DEFAULTS)) {
        let answer = capture.send(&server).await;
        assert_eq!(answer.status, 403, "{}", capture.name());
        if !capture.head.starts_with("HEAD ") {
            answer.is(403, "RequestTimeTooSkewed");
        }
    }
}

#[test]
fn captured_requests_with_the_clock_set() {
    let Some(library) = library() else {
        let required = std::env::var_os("MORAINE_REQUIRE_FAKETIME").is_some();
        assert!(
            !required,
            "libfaketime is missing: apt-get install faketime"
        );
        eprintln!("skipped: libfaketime is missing (Debian package faketime)");
        return;
    };
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "replay::play", "--ignored", "--nocapture"])
        .env("LD_PRELOAD", library)
        .env("FAKETIME", CLOCK)
        .env("TZ", "UTC")
        .env("NO_FAKE_STAT", "1")
        .env("DONT_FAKE_MONOTONIC", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .env("MORAINE_REPLAY", "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let played = output.status.success() && text.contains("1 passed");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(played, "{text}\n{errors}");
}

/// Where Debian puts it, whatever the architecture.
fn library() -> Option<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib").ok()?;
    let mut found = folders
        .flatten()
        .map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"))
        .filter(|path| path.exists());
    found.next()
}

#[tokio::test]
#[ignore = "captured_requests_with_the_clock_set runs it"]
async fn play() {
    if std::env::var_os("MORAINE_REPLAY").is_none() {
        eprintln!("skipped: captured_requests_with_the_clock_set runs it");
        return;
    }
    let (server, bucket, client) = server().await;
    prepare(&client).await;
    let key = b"cache/media_attachments/files/1/original/a.jpeg";
    let target = "/b/cache/media_attachments/files/1/original/a.jpeg";
    for (capture, (name, expected)) in captures(RUBY).iter().zip(OF_RUBY) {
        let answer = capture.send(&server).await;
        judge(name, &expected, &answer);
        match name.split_once(' ').unwrap() {
            ("DELETE", _) => {
                assert!(server.store.head(bucket.id, key).await.is_err());
                assert_eq!(client.put(target, b"hello world").await.status, 200);
            }
            ("PUT", path) if path == target => public_and_cached(&server, target).await,
            ("PUT", copy @ "/b/new%20key%2B%C3%A9.jpg") => public_and_cached(&server, copy).await,
            ("PUT", path) if path.ends_with("?acl") => {
                server.anonymous().get(target).await.is(403, "AccessDenied");
            }
            ("POST", "/b?delete") => {
                assert!(!answer.text().contains("<Deleted>"), "{}", answer.text());
                for gone in [&b"a&<b"[..], b"c"] {
                    assert!(server.store.head(bucket.id, gone).await.is_err());
                }
            }
            _ => {}
        }
    }
    for (capture, (name, expected)) in captures(DEFAULTS).iter().zip(OF_DEFAULTS) {
        judge(name, &expected, &capture.send(&server).await);
        if expected.status == 200 {
            let path = name.split([' ', '?']).nth(1).unwrap();
            let stored = client.get(path).await;
            assert_eq!(stored.body, b"hello world", "{name}");
            assert_eq!(stored.header("content-encoding"), None, "{name}");
            assert_eq!(client.request("DELETE", path).send().await.status, 204);
        }
    }
}

/// What the captures read and remove: an object of two parts, and two small ones.
async fn prepare(client: &Client) {
    for small in ["/b/a%26%3Cb", "/b/c"] {
        assert_eq!(client.put(small, b"x").await.status, 200);
    }
    let begin = client.request("POST", "/b/big.mp4?uploads").send().await;
    let id = begin.element("UploadId").unwrap();
    let mut xml = String::new();
    for (number, size) in [(1, 5_242_880), (2, 757_120)] {
        let part = vec![b'z'; size];
        let target = format!("/b/big.mp4?partNumber={number}&uploadId={id}");
        assert_eq!(client.put(&target, &part).await.status, 200);
        let etag = hex(&md5(&part));
        xml += &format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>");
    }
    let xml = format!("<CompleteMultipartUpload>{xml}</CompleteMultipartUpload>");
    let target = format!("/b/big.mp4?uploadId={id}");
    let complete = client.request("POST", &target).body(xml.as_bytes());
    assert_eq!(complete.send().await.status, 200);
}

async fn public_and_cached(server: &TestServer, target: &str) {
    let read = server.anonymous().get(target).await;
    assert_eq!(read.body, b"hello world");
    for (name, value) in [
        ("content-type", "image/jpeg"),
        ("cache-control", "public, max-age=315576000, immutable"),
    ] {
        assert_eq!(read.header(name), Some(value));
    }
}

#[track_caller]
fn judge(name: &str, expected: &Expected, answer: &Response) {
    let text = answer.text();
    assert_eq!(answer.status, expected.status, "{name}: {text}");
    assert_eq!(answer.code(), expected.code, "{name}: {text}");
    for (header, value) in expected.headers {
        assert_eq!(answer.header(header), Some(*value), "{name}: {header}");
    }
    for part in expected.texts {
        assert!(text.contains(part), "{name}: {part}: {text}");
    }
    assert!(answer.header("x-amz-request-id").is_some(), "{name}");
}
