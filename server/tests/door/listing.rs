//! ListObjects and ListObjectsV2: parameters and what the answer says of them.

use crate::client::Response;
use crate::server::TestServer;

const KEYS: [&str; 7] = ["a", "a/1", "a/2", "b%20c%2B%C3%A9", "d/1", "d/e/2", "z"];

async fn with_objects() -> TestServer {
    let server = TestServer::start().await;
    for key in KEYS {
        assert_eq!(
            server
                .client()
                .put(&format!("/media/{key}"), b"x")
                .await
                .status,
            200
        );
    }
    server
}

fn elements(answer: &Response, name: &str) -> Vec<String> {
    let text = answer.text();
    let start = format!("<{name}>");
    let pieces = text.split(start.as_str()).skip(1);
    pieces
        .map(|rest| rest.split('<').next().unwrap().to_owned())
        .collect()
}

async fn list(server: &TestServer, query: &str) -> (Vec<String>, Vec<String>, Response) {
    let answer = server
        .client()
        .get(&format!("/media?list-type=2{query}"))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let prefixes = answer.text();
    let prefixes = prefixes.split("<CommonPrefixes>").skip(1);
    let prefixes = prefixes
        .map(|it| it.split(['<', '>']).nth(2).unwrap().to_owned())
        .collect();
    (elements(&answer, "Key"), prefixes, answer)
}

#[tokio::test]
async fn prefix_delimiter_and_start_after() {
    let server = with_objects().await;
    let all = ["a", "a/1", "a/2", "b c+\u{e9}", "d/1", "d/e/2", "z"];
    let (keys, prefixes, answer) = list(&server, "").await;
    assert_eq!((keys, prefixes.len()), (all.map(str::to_owned).to_vec(), 0));
    assert_eq!(answer.element("KeyCount").as_deref(), Some("7"));
    assert_eq!(answer.element("IsTruncated").as_deref(), Some("false"));
    let (keys, prefixes, _) = list(&server, "&delimiter=%2F").await;
    assert_eq!(
        (keys, prefixes),
        (
            vec!["a".into(), "b c+\u{e9}".into(), "z".into()],
            vec!["a/".into(), "d/".into()]
        )
    );
    let (keys, prefixes, _) = list(&server, "&delimiter=%2F&prefix=d%2F").await;
    assert_eq!(
        (keys, prefixes),
        (vec!["d/1".to_owned()], vec!["d/e/".to_owned()])
    );
    let (keys, ..) = list(&server, "&start-after=d%2F1&delimiter=").await;
    assert_eq!(keys, ["d/e/2", "z"]);
    let (keys, ..) = list(&server, "&prefix=b&encoding-type=url").await;
    assert_eq!(keys, ["b%20c%2B%C3%A9"]);
    let (keys, _, answer) = list(&server, "&max-keys=0").await;
    assert_eq!(
        (keys.len(), answer.element("IsTruncated").as_deref()),
        (0, Some("false"))
    );
}

#[tokio::test]
async fn pages_join_without_gap_or_overlap() {
    let server = with_objects().await;
    for (query, entries) in [("", 7), ("&delimiter=%2F", 5)] {
        for size in 1..=entries {
            let mut token = String::new();
            let mut found = Vec::new();
            loop {
                let (keys, prefixes, answer) =
                    list(&server, &format!("{query}&max-keys={size}{token}")).await;
                assert!(keys.len() + prefixes.len() <= size);
                found.extend(keys);
                found.extend(prefixes);
                let Some(next) = answer.element("NextContinuationToken") else {
                    break;
                };
                assert_eq!(answer.element("IsTruncated").as_deref(), Some("true"));
                token = format!("&continuation-token={next}");
            }
            let count = found.len();
            found.sort();
            found.dedup();
            assert_eq!(
                (count, found.len()),
                (entries, entries),
                "{query} in pages of {size}"
            );
        }
    }
}

#[tokio::test]
async fn faulty_queries() {
    let server = with_objects().await;
    for (query, code) in [
        ("&max-keys=-1", "InvalidArgument"),
        ("&continuation-token=%2A%2A%2A", "InvalidArgument"),
        ("&encoding-type=xml", "InvalidArgument"),
        ("&allow-unordered=true", "NotImplemented"),
    ] {
        let answer = server
            .client()
            .get(&format!("/media?list-type=2{query}"))
            .await;
        assert_eq!(answer.code(), code, "{query}");
    }
    server
        .client()
        .get("/missing?list-type=2")
        .await
        .is(404, "NoSuchBucket");
}

#[tokio::test]
async fn with_a_token_start_after_says_nothing() {
    let server = with_objects().await;
    let (_, _, first) = list(&server, "&max-keys=2&start-after=a").await;
    assert_eq!(first.element("StartAfter").as_deref(), Some("a"));
    assert_eq!(first.element("ContinuationToken"), None);
    let token = first.element("NextContinuationToken").unwrap();
    let query = format!("&max-keys=2&start-after=z&continuation-token={token}");
    let (keys, _, second) = list(&server, &query).await;
    assert_eq!(keys, ["b c+\u{e9}", "d/1"]);
    assert_eq!(second.element("ContinuationToken"), Some(token));
    assert_eq!(second.element("StartAfter").as_deref(), Some("z"));
}

#[tokio::test]
async fn url_encoding_covers_every_name_and_no_token() {
    let server = with_objects().await;
    let query = "&encoding-type=url&prefix=b%20&delimiter=%2B&start-after=%C3%A9";
    let (_, _, answer) = list(&server, query).await;
    for (name, value) in [
        ("Prefix", "b%20"),
        ("Delimiter", "%2B"),
        ("StartAfter", "%C3%A9"),
        ("EncodingType", "url"),
    ] {
        assert_eq!(answer.element(name).as_deref(), Some(value), "{name}");
    }
    let query = "?encoding-type=url&delimiter=%2B&marker=a%2F2&max-keys=1";
    let answer = server.client().get(&format!("/media{query}")).await;
    for (name, value) in [
        ("Marker", "a/2"),
        ("NextMarker", "b%20c%2B"),
        ("IsTruncated", "true"),
    ] {
        assert_eq!(answer.element(name).as_deref(), Some(value), "{name}");
    }
    assert!(
        answer
            .text()
            .contains("<CommonPrefixes><Prefix>b%20c%2B</Prefix>")
    );
}

#[tokio::test]
async fn the_first_version_names_the_next_marker_only_with_a_delimiter() {
    let server = with_objects().await;
    let answer = server.client().get("/media?max-keys=2").await;
    assert_eq!(answer.element("IsTruncated").as_deref(), Some("true"));
    assert_eq!(answer.element("NextMarker"), None);
    assert_eq!(answer.element("Marker").as_deref(), Some(""));
    let target = "/media?max-keys=2&delimiter=%2F";
    let answer = server.client().get(target).await;
    assert_eq!(answer.element("NextMarker").as_deref(), Some("a/"));
    let answer = server.client().get("/media?max-keys=5000").await;
    assert_eq!(answer.element("MaxKeys").as_deref(), Some("1000"));
}
