//! DeleteObjects: what is deleted, what becomes an entry of errors, and what refuses the whole request.

use crate::client::{Client, Request, Response, base64, crc32, md5};
use crate::server::TestServer;
use crate::xml::{self, Element, escaped, path};
use moraine_engine::{Attributes, Condition};

/// An `Object` of the request: a key and what else is said of it.
fn object(key: &str, more: &str) -> String {
    format!("<Object><Key>{}</Key>{more}</Object>", escaped(key))
}

fn body(objects: &str, quiet: bool) -> String {
    let quiet = if quiet { "<Quiet>true</Quiet>" } else { "" };
    format!(
        "<?xml version=\"1.0\"?><Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{objects}{quiet}</Delete>"
    )
}

fn request(client: &Client, body: &str) -> Request {
    let request = client.request("POST", "/media?delete");
    request
        .header("content-md5", &base64(&md5(body.as_bytes())))
        .body(body.as_bytes())
}

async fn delete(server: &TestServer, objects: &str, quiet: bool) -> Element {
    let answer = request(&server.client(), &body(objects, quiet))
        .send()
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    xml::parse(&answer.body)
}

async fn put(server: &TestServer, key: &str) -> Response {
    let answer = server
        .client()
        .put(&format!("/media/{}", path(key)), b"x")
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer
}

#[tokio::test]
async fn keys_go_whether_or_not_they_were_there() {
    let server = TestServer::start().await;
    let strange = "a b/&<>\"'+%\r\n\t\u{e9}\u{1f600}";
    for key in ["one", "two", strange, "kept"] {
        put(&server, key).await;
    }
    let objects = ["one", "missing", strange, "one"].map(|key| object(key, ""));
    let root = delete(&server, &objects.concat(), false).await;
    assert_eq!(
        root.texts("Deleted", "Key"),
        ["one", "missing", strange, "one"]
    );
    assert!(root.all("Error").is_empty());
    for (key, there) in [
        ("one", false),
        (strange, false),
        ("two", true),
        ("kept", true),
    ] {
        assert_eq!(server.holds(key).await, there, "{key:?}");
    }
    let root = delete(&server, &object("two", ""), true).await;
    assert_eq!((root.children.len(), server.holds("two").await), (0, false));
}

#[tokio::test]
async fn the_only_version_is_null() {
    let server = TestServer::start().await;
    put(&server, "one").await;
    put(&server, "two").await;
    let objects = [
        object("one", "<VersionId>null</VersionId>"),
        object("two", "<VersionId>3HL4kqtJvjVBH40Nrjfkd</VersionId>"),
    ];
    let root = delete(&server, &objects.concat(), false).await;
    let deleted = root.child("Deleted").unwrap();
    assert_eq!(deleted.get("Key"), Some("one"));
    assert_eq!(deleted.get("VersionId"), Some("null"));
    let error = root.child("Error").unwrap();
    assert_eq!(error.get("Code"), Some("NoSuchVersion"));
    assert_eq!(error.get("Key"), Some("two"));
    assert!(!server.holds("one").await && server.holds("two").await);
}

#[tokio::test]
async fn what_cannot_be_deleted_is_an_entry_and_the_rest_is_done() {
    let server = TestServer::start().await;
    let etag = put(&server, "matching")
        .await
        .header("etag")
        .unwrap()
        .to_owned();
    for key in ["changed", "sized", "plain"] {
        put(&server, key).await;
    }
    let objects = [
        object("", ""),
        object(&"k".repeat(1025), ""),
        object(
            "matching",
            &format!("<ETag>{}</ETag>", etag.replace('"', "&quot;")),
        ),
        object("changed", "<ETag>&quot;0123&quot;</ETag>"),
        object("sized", "<Size>1</Size>"),
        object("plain", ""),
    ];
    let root = delete(&server, &objects.concat(), true).await;
    let codes = root.texts("Error", "Code");
    let expected = [
        "InvalidArgument",
        "KeyTooLongError",
        "PreconditionFailed",
        "NotImplemented",
    ];
    assert_eq!(codes, expected);
    assert_eq!(root.texts("Error", "Message").len(), expected.len());
    for (key, there) in [
        ("matching", false),
        ("plain", false),
        ("changed", true),
        ("sized", true),
    ] {
        assert_eq!(server.holds(key).await, there, "{key}");
    }
}

#[tokio::test]
async fn requests_that_are_refused_delete_nothing() {
    let server = TestServer::start().await;
    put(&server, "k0").await;
    let many: String = (0..1001).map(|n| object(&format!("k{n}"), "")).collect();
    for (objects, code) in [
        (many.as_str(), "MalformedXML"),
        ("", "MalformedXML"),
        (
            "<Object><VersionId>null</VersionId></Object>",
            "MalformedXML",
        ),
        ("<Object><Key>k0</Object>", "MalformedXML"),
    ] {
        let answer = request(&server.client(), &body(objects, false))
            .send()
            .await;
        answer.is(400, code);
    }
    assert!(server.holds("k0").await);
    let theirs = body(&object("k0", ""), false);
    request(&server.other(), &theirs)
        .send()
        .await
        .is(403, "AccessDenied");
    let thousand: String = (0..1000).map(|n| object(&format!("k{n}"), "")).collect();
    let root = delete(&server, &thousand, false).await;
    assert_eq!(root.all("Deleted").len(), 1000);
}

#[tokio::test]
async fn a_body_that_nothing_vouches_for_is_refused() {
    let server = TestServer::start().await;
    let body = body(&object("k", ""), false);
    let unsigned = || {
        let request = server.client().request("POST", "/media?delete");
        request
            .body(body.as_bytes())
            .content_sha256("UNSIGNED-PAYLOAD")
    };
    put(&server, "k").await;
    unsigned().send().await.is(400, "InvalidRequest");
    assert!(server.holds("k").await);
    let guarded = unsigned().header("x-amz-checksum-crc32", &crc32(body.as_bytes()));
    assert_eq!(guarded.send().await.status, 200);
    let signed = server.client().request("POST", "/media?delete");
    assert_eq!(signed.body(body.as_bytes()).send().await.status, 200);
    assert!(!server.holds("k").await);
}

/// Names that are there no longer lie before those that are: a listing looks at more of them than one scan takes.
#[tokio::test(flavor = "multi_thread")]
async fn listings_find_what_lies_behind_ten_thousand_deleted_names() {
    let server = TestServer::start().await;
    let keys: Vec<String> = (0..10_500).map(|n| format!("gone/{n:06}")).collect();
    for portion in keys.chunks(500) {
        let puts = portion.iter().map(|key| {
            let (store, bucket, key) = (server.store.clone(), server.media.id, key.clone());
            tokio::spawn(async move {
                let staged = store.blob_writer(Some(0)).finish().await.unwrap();
                let (attributes, condition) = (Attributes::default(), Condition::None);
                store
                    .put(bucket, key.as_bytes(), staged, attributes, condition)
                    .await
                    .unwrap();
            })
        });
        for put in puts.collect::<Vec<_>>() {
            put.await.unwrap();
        }
    }
    put(&server, "last").await;
    for portion in keys.chunks(1000) {
        let objects: String = portion.iter().map(|key| object(key, "")).collect();
        let root = delete(&server, &objects, true).await;
        assert!(root.children.is_empty());
    }
    for query in [
        "list-type=2&max-keys=1",
        "max-keys=1",
        "versions&max-keys=1",
    ] {
        let answer = server.client().get(&format!("/media?{query}")).await;
        let root = xml::parse(&answer.body);
        let entries = [root.all("Contents"), root.all("Version")].concat();
        assert_eq!(entries.len(), 1, "{}", answer.text());
        assert_eq!(entries[0].get("Key"), Some("last"));
        assert_eq!(root.get("IsTruncated"), Some("false"));
    }
}

#[tokio::test]
async fn keys_may_be_written_with_references() {
    let server = TestServer::start().await;
    let key = "a\u{1f600}\u{10ffff}&#128512;";
    put(&server, key).await;
    put(&server, "other").await;
    let written = "<Object><Key>a&#128512;&#x10FFFF;&amp;#128512;</Key></Object>";
    let root = delete(&server, written, false).await;
    assert_eq!(root.texts("Deleted", "Key"), [key]);
    let gone = server.client().get(&format!("/media/{}", path(key))).await;
    gone.is(404, "NoSuchKey");
    assert!(server.holds("other").await);
    // Digests and the signature are of what was sent.
    let sent = body("<Object><Key>other&#128512;</Key></Object>", false);
    let meant = body("<Object><Key>other\u{1f600}</Key></Object>", false);
    let wrong = request(&server.client(), &sent);
    let wrong = wrong.header("x-amz-checksum-crc32", &crc32(meant.as_bytes()));
    wrong.send().await.is(400, "BadDigest");
    let sha256 = crate::client::sha256(meant.as_bytes());
    let wrong = request(&server.client(), &sent).content_sha256(&sha256);
    let answer = wrong.send().await;
    answer.is(400, "XAmzContentSHA256Mismatch");
}
