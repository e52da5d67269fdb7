//! What leaves in XML can be read by a parser, whatever the keys are; and errors say what they are about.

use crate::server::TestServer;
use crate::xml::{self, path, url_decoded};

/// Keys with all that XML cannot carry, or that parsers change.
const KEYS: [&str; 5] = [
    "a\r\n\tb",
    "\u{1}\u{2}\u{1f}\u{7f}\u{85}",
    "<&>\"'",
    "\u{fffe}\u{ffff}\u{fffd}\u{2028}\u{1f600}",
    " blank ",
];

#[tokio::test]
async fn strange_keys_are_read_back_from_every_listing() {
    let server = TestServer::start().await;
    let mut keys = KEYS;
    keys.sort_unstable();
    for key in keys {
        let target = format!("/media/{}", path(key));
        assert_eq!(
            server.client().put(&target, b"x").await.status,
            200,
            "{key:?}"
        );
        let begin = server
            .client()
            .request("POST", &format!("{target}?uploads"));
        let begun = begin.send().await;
        assert_eq!(xml::parse(&begun.body).get("Key"), Some(key));
    }
    for (query, element) in [
        ("?", "Contents"),
        ("?list-type=2", "Contents"),
        ("?versions", "Version"),
        ("?uploads", "Upload"),
    ] {
        for encoding in ["", "&encoding-type=url"] {
            let answer = server
                .client()
                .get(&format!("/media{query}{encoding}"))
                .await;
            let found = xml::parse(&answer.body).texts(element, "Key");
            let decoded = found.into_iter().map(|key| match encoding {
                "" => key,
                _ => url_decoded(&key),
            });
            assert_eq!(decoded.collect::<Vec<_>>(), keys, "{query}{encoding}");
        }
    }
}

#[tokio::test]
async fn a_completed_upload_names_its_key() {
    let server = TestServer::start().await;
    let target = format!("/media/{}", path(KEYS[1]));
    let begin = server
        .client()
        .request("POST", &format!("{target}?uploads"));
    let id = begin.send().await.element("UploadId").unwrap();
    let part = format!("{target}?partNumber=1&uploadId={id}");
    let etag = server.client().put(&part, b"x").await;
    let etag = etag.header("etag").unwrap();
    let body = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part></CompleteMultipartUpload>"
    );
    let complete = server
        .client()
        .request("POST", &format!("{target}?uploadId={id}"));
    let answer = complete.body(body.as_bytes()).send().await;
    assert_eq!(xml::parse(&answer.body).get("Key"), Some(KEYS[1]));
}

#[tokio::test]
async fn errors_name_what_they_are_about() {
    let server = TestServer::start().await;
    for (key, is_named) in [
        (KEYS[0], true),
        (KEYS[1], false),
        (KEYS[2], true),
        (KEYS[3], false),
    ] {
        let target = format!("/media/{}", path(key));
        let answer = server.client().get(&target).await;
        let root = xml::parse(&answer.body);
        assert_eq!(root.get("Code"), Some("NoSuchKey"));
        assert_eq!(root.get("RequestId"), answer.header("x-amz-request-id"));
        // What strict parsers could not read is not there, and they learn the code all the same.
        let named = format!("/media/{key}");
        let (key, resource) = if is_named {
            (Some(key), named)
        } else {
            (None, target)
        };
        assert_eq!(root.get("Key"), key);
        assert_eq!(root.get("Resource"), Some(resource.as_str()));
    }
    let answer = server.client().get("/missing/k").await;
    let root = xml::parse(&answer.body);
    assert_eq!(root.get("BucketName"), Some("missing"));
    assert_eq!(root.get("Resource"), Some("/missing/k"));
    // Refusals of the guards and of anonymous reads as well.
    let answer = server.anonymous().get("/media/%C3%A9").await;
    let root = xml::parse(&answer.body);
    assert_eq!(root.get("Code"), Some("AccessDenied"));
    assert_eq!(root.get("Resource"), Some("/media/\u{e9}"));
}

#[tokio::test]
async fn objects_that_are_xml_are_left_alone() {
    let server = TestServer::start().await;
    let body = b"<Error><RequestId>\r\x01</RequestId></Error>";
    let put = server.client().request("PUT", "/open/k").body(body);
    let put = put.header("content-type", "application/xml");
    assert_eq!(put.send().await.status, 200);
    for client in [server.client(), server.anonymous()] {
        assert_eq!(client.get("/open/k").await.body, body);
        let head = client.request("HEAD", "/open/k").send().await;
        let length = body.len().to_string();
        assert_eq!(head.header("content-length"), Some(length.as_str()));
    }
}
