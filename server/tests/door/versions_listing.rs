//! ListObjectVersions, and what the other listings say of an entry beyond its key.

use crate::client::crc32;
use crate::server::TestServer;
use crate::xml;

#[tokio::test]
async fn every_object_is_its_only_version() {
    let server = TestServer::start().await;
    for key in ["a", "b", "d/1"] {
        server.client().put(&format!("/media/{key}"), b"xyz").await;
    }
    server.client().request("DELETE", "/media/b").send().await;
    let answer = server.client().get("/media?versions&delimiter=%2F").await;
    let root = xml::parse(&answer.body);
    assert_eq!(root.name, "ListVersionsResult");
    assert_eq!(root.texts("CommonPrefixes", "Prefix"), ["d/"]);
    assert!(root.all("DeleteMarker").is_empty());
    let version = root.child("Version").unwrap();
    for (name, value) in [
        ("Key", "a"),
        ("VersionId", "null"),
        ("IsLatest", "true"),
        ("Size", "3"),
        ("ETag", "\"d16fb36f0911f878998c136191af705e\""),
        ("StorageClass", "STANDARD"),
    ] {
        assert_eq!(version.get(name), Some(value), "{name}");
    }
    let owner = version.child("Owner").unwrap();
    assert_eq!(owner.get("DisplayName"), Some("one"));
    for name in ["KeyMarker", "VersionIdMarker", "Prefix"] {
        assert_eq!(root.get(name), Some(""), "{name}");
    }
}

#[tokio::test]
async fn pages_go_on_by_key_and_version() {
    let server = TestServer::start().await;
    for key in ["a", "b/1", "c"] {
        server.client().put(&format!("/media/{key}"), b"x").await;
    }
    let page = async |query: &str| {
        let answer = server
            .client()
            .get(&format!("/media?versions&delimiter=%2F&max-keys=1{query}"))
            .await;
        xml::parse(&answer.body)
    };
    let first = page("").await;
    assert_eq!(first.get("NextKeyMarker"), Some("a"));
    assert_eq!(first.get("NextVersionIdMarker"), Some("null"));
    let second = page("&key-marker=a&version-id-marker=null").await;
    assert_eq!(second.texts("CommonPrefixes", "Prefix"), ["b/"]);
    assert_eq!(second.get("NextKeyMarker"), Some("b/"));
    assert_eq!(second.get("NextVersionIdMarker"), None);
    assert_eq!(second.get("VersionIdMarker"), Some("null"));
    let third = page("&key-marker=b%2F").await;
    assert_eq!(third.texts("Version", "Key"), ["c"]);
    assert_eq!(third.get("IsTruncated"), Some("false"));
    assert_eq!(third.get("NextKeyMarker"), None);
}

#[tokio::test]
async fn markers_that_cannot_be() {
    let server = TestServer::start().await;
    for query in [
        "version-id-marker=null",
        "key-marker=a&version-id-marker=nul",
        "max-keys=-1",
        "max-keys=many",
        "encoding-type=base64",
    ] {
        let answer = server
            .client()
            .get(&format!("/media?versions&{query}"))
            .await;
        answer.is(400, "InvalidArgument");
    }
}

#[tokio::test]
async fn entries_say_owner_and_checksum_where_s3_does() {
    let server = TestServer::start().await;
    let put = server.client().request("PUT", "/media/k").body(b"x");
    let put = put
        .header("x-amz-checksum-crc32", &crc32(b"x"))
        .header("x-amz-storage-class", "STANDARD_IA");
    assert_eq!(put.send().await.status, 200);
    for (query, element, owned) in [
        ("?", "Contents", true),
        ("?list-type=2", "Contents", false),
        ("?list-type=2&fetch-owner=false", "Contents", false),
        ("?list-type=2&fetch-owner=true", "Contents", true),
        ("?versions", "Version", true),
    ] {
        let answer = server.client().get(&format!("/media{query}")).await;
        let root = xml::parse(&answer.body);
        let entry = root.child(element).unwrap();
        let owner = entry.child("Owner");
        assert_eq!(owner.is_some(), owned, "{query}");
        if let Some(owner) = owner {
            let id = owner.get("ID").unwrap();
            assert!(id.len() == 16 && id.bytes().all(|it| it.is_ascii_hexdigit()));
            assert_eq!(owner.get("DisplayName"), Some("one"));
        }
        assert_eq!(entry.get("ChecksumAlgorithm"), Some("CRC32"), "{query}");
        assert_eq!(entry.get("ChecksumType"), Some("FULL_OBJECT"), "{query}");
        assert_eq!(entry.get("StorageClass"), Some("STANDARD_IA"), "{query}");
    }
}
