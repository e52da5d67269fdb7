//! ListMultipartUploads and ListParts.

use crate::client::{Response, crc32};
use crate::server::TestServer;
use crate::xml::{self, Element, path, url};
use moraine_engine::Attributes;
use std::collections::BTreeMap;

async fn begin(server: &TestServer, key: &str) -> String {
    let target = format!("/media/{}?uploads", path(key));
    let answer = server.client().request("POST", &target).send().await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.element("UploadId").unwrap()
}

async fn abort(server: &TestServer, key: &str, id: &str) {
    let target = format!("/media/{}?uploadId={id}", path(key));
    let answer = server.client().request("DELETE", &target).send().await;
    assert_eq!(answer.status, 204);
}

async fn list(server: &TestServer, query: &str) -> Element {
    let answer = server.client().get(&format!("/media?uploads{query}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    xml::parse(&answer.body)
}

/// Keys with the uploads of each in the order they began in.
async fn some_uploads(server: &TestServer) -> Vec<(String, String)> {
    let mut begun: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for key in ["b", "d/1", "a", "b", "d/2", "z\r\u{e9}", "b", "d/e/3", "d"] {
        begun.entry(key).or_default().push(begin(server, key).await);
        // Uploads that began in one millisecond are in no particular order.
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    let each = begun.into_iter().flat_map(|(key, ids)| {
        let pair = move |id| (key.to_owned(), id);
        ids.into_iter().map(pair)
    });
    each.collect()
}

fn shown(root: &Element) -> Vec<(String, String)> {
    let keys = root.texts("Upload", "Key");
    keys.into_iter()
        .zip(root.texts("Upload", "UploadId"))
        .collect()
}

#[tokio::test]
async fn uploads_are_in_the_order_of_key_and_time() {
    let server = TestServer::start().await;
    let all = some_uploads(&server).await;
    let root = list(&server, "").await;
    assert_eq!(shown(&root), all);
    assert_eq!(root.get("IsTruncated"), Some("false"));
    for name in ["KeyMarker", "UploadIdMarker", "Prefix"] {
        assert_eq!(root.get(name), Some(""), "{name}");
    }
    let upload = root.all("Upload")[0];
    assert_eq!(upload.get("StorageClass"), Some("STANDARD"));
    for name in ["Owner", "Initiator"] {
        let person = upload.child(name).unwrap();
        assert_eq!(person.get("DisplayName"), Some("one"));
    }
    let root = list(&server, "&prefix=d&delimiter=%2F").await;
    assert_eq!(root.texts("Upload", "Key"), ["d"]);
    assert_eq!(root.texts("CommonPrefixes", "Prefix"), ["d/"]);
    let root = list(&server, "&prefix=z&encoding-type=url").await;
    assert_eq!(root.texts("Upload", "Key"), ["z%0D%C3%A9"]);
}

#[tokio::test]
async fn pages_of_every_size_join_also_when_uploads_go_meanwhile() {
    let server = TestServer::start().await;
    let mut all = some_uploads(&server).await;
    for (delimiter, size) in [("", 1), ("", 2), ("", 9), ("%2F", 1), ("%2F", 3)] {
        let (mut found, mut prefixes, mut marker) = (Vec::new(), Vec::new(), String::new());
        loop {
            let query = format!("&delimiter={delimiter}&max-uploads={size}{marker}");
            let root = list(&server, &query).await;
            let count = root.all("Upload").len() + root.all("CommonPrefixes").len();
            assert!(count <= size);
            found.extend(shown(&root));
            prefixes.extend(root.texts("CommonPrefixes", "Prefix"));
            let Some(key) = root.get("NextKeyMarker") else {
                assert_eq!(root.get("IsTruncated"), Some("false"));
                break;
            };
            assert_eq!(root.get("IsTruncated"), Some("true"));
            let id = root.get("NextUploadIdMarker").unwrap_or_default();
            marker = format!("&key-marker={}&upload-id-marker={id}", url(key));
        }
        let own = |(key, _): &&(String, String)| delimiter.is_empty() || !key.contains('/');
        let expected: Vec<_> = all.iter().filter(own).cloned().collect();
        assert_eq!(found, expected, "{delimiter} in pages of {size}");
        let groups: &[&str] = if delimiter.is_empty() { &[] } else { &["d/"] };
        assert_eq!(prefixes, groups);
    }
    // Clean-up: a page, all of it aborted, and on behind an upload that is gone.
    let root = list(&server, "&max-uploads=3").await;
    for (key, id) in shown(&root) {
        abort(&server, &key, &id).await;
    }
    let (key, id) = all.drain(..3).next_back().unwrap();
    let query = format!("&key-marker={key}&upload-id-marker={id}");
    assert_eq!(shown(&list(&server, &query).await), all);
    let query = format!("&key-marker={key}");
    let behind: Vec<_> = all.iter().filter(|(it, _)| *it > key).cloned().collect();
    assert_eq!(shown(&list(&server, &query).await), behind);
}

/// More uploads than the engine is asked for at a time, begun in the opposite order of their keys.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_the_smallest_of_many() {
    let server = TestServer::start().await;
    let key = |n: usize| format!("k{n:04}");
    let begun = (0..1300).rev().map(|n| {
        let (store, bucket) = (server.store.clone(), server.media.id);
        tokio::spawn(async move {
            let key = key(n).into_bytes();
            let begin = store.create_upload(bucket, &key, Attributes::default());
            begin.await.unwrap()
        })
    });
    for begun in begun.collect::<Vec<_>>() {
        begun.await.unwrap();
    }
    let root = list(&server, "&max-uploads=3&key-marker=k0600").await;
    assert_eq!(root.texts("Upload", "Key"), [key(601), key(602), key(603)]);
    let root = list(&server, "").await;
    let expected: Vec<String> = (0..1000).map(key).collect();
    assert_eq!(root.texts("Upload", "Key"), expected);
    let root = list(&server, "&key-marker=k0999").await;
    assert_eq!(root.all("Upload").len(), 300);
    assert_eq!(root.get("IsTruncated"), Some("false"));
}

#[tokio::test]
async fn queries_that_cannot_be() {
    let server = TestServer::start().await;
    for query in [
        "max-uploads=-1",
        "encoding-type=x",
        "key-marker=a&upload-id-marker=x",
    ] {
        let answer = server
            .client()
            .get(&format!("/media?uploads&{query}"))
            .await;
        answer.is(400, "InvalidArgument");
    }
    let root = list(&server, "&max-uploads=0").await;
    assert_eq!(root.get("IsTruncated"), Some("false"));
    server
        .other()
        .get("/media?uploads")
        .await
        .is(403, "AccessDenied");
}

async fn put_part(server: &TestServer, id: &str, number: u16, body: &[u8]) -> Response {
    let target = format!("/media/k?partNumber={number}&uploadId={id}");
    let request = server.client().request("PUT", &target).body(body);
    let checksum = crc32(body);
    let answer = request
        .header("x-amz-checksum-crc32", &checksum)
        .send()
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer
}

#[tokio::test]
async fn parts_are_listed_by_number_in_pages() {
    let server = TestServer::start().await;
    let begin = server.client().request("POST", "/media/k?uploads");
    let begin = begin
        .header("x-amz-checksum-algorithm", "CRC32")
        .header("x-amz-storage-class", "GLACIER_IR");
    let id = begin.send().await.element("UploadId").unwrap();
    for number in [2, 10_000, 1, 7] {
        put_part(&server, &id, number, format!("part {number}").as_bytes()).await;
    }
    let target = format!("/media/k?uploadId={id}");
    let root = xml::parse(&server.client().get(&target).await.body);
    assert_eq!(root.texts("Part", "PartNumber"), ["1", "2", "7", "10000"]);
    assert_eq!(root.texts("Part", "Size"), ["6", "6", "6", "10"]);
    assert_eq!(root.texts("Part", "ChecksumCRC32")[2], crc32(b"part 7"));
    for (name, value) in [
        ("Bucket", "media"),
        ("Key", "k"),
        ("UploadId", &id),
        ("StorageClass", "GLACIER_IR"),
        ("ChecksumAlgorithm", "CRC32"),
        ("ChecksumType", "COMPOSITE"),
        ("IsTruncated", "false"),
    ] {
        assert_eq!(root.get(name), Some(value), "{name}");
    }
    let (mut marker, mut found) = (String::from("0"), Vec::new());
    loop {
        let page = format!("{target}&max-parts=3&part-number-marker={marker}");
        let root = xml::parse(&server.client().get(&page).await.body);
        found.extend(root.texts("Part", "PartNumber"));
        marker = root.get("NextPartNumberMarker").unwrap().to_owned();
        if root.get("IsTruncated") == Some("false") {
            break;
        }
        assert_eq!(marker, "7");
    }
    assert_eq!(found, ["1", "2", "7", "10000"]);
}

#[tokio::test]
async fn parts_of_what_is_not_an_upload_of_the_key() {
    let server = TestServer::start().await;
    let id = begin(&server, "k").await;
    let get = async |target: &str| server.client().get(target).await;
    get(&format!("/media/other?uploadId={id}"))
        .await
        .is(404, "NoSuchUpload");
    get("/media/k?uploadId=nonsense")
        .await
        .is(404, "NoSuchUpload");
    for query in ["max-parts=-1", "part-number-marker=-1", "max-parts=x"] {
        get(&format!("/media/k?uploadId={id}&{query}"))
            .await
            .is(400, "InvalidArgument");
    }
    let behind = get(&format!("/media/k?uploadId={id}&part-number-marker=70000")).await;
    assert!(xml::parse(&behind.body).all("Part").is_empty());
    abort(&server, "k", &id).await;
    get(&format!("/media/k?uploadId={id}"))
        .await
        .is(404, "NoSuchUpload");
}
