//! ListObjects, ListObjectsV2 and ListObjectVersions against a small model, over keys with strange characters, page by
//! page with the markers that a client would use.

use crate::client::{Client, Response};
use crate::server::TestServer;
use crate::xml::{self, Element, path, url, url_decoded};
use std::collections::BTreeSet;

/// Listings that are compared.
const CASES: u64 = 2_000;

/// What keys, prefixes and delimiters are made of.
const PIECES: [&str; 20] = [
    "a",
    "b",
    "/",
    "//",
    "::",
    ":",
    " ",
    "+",
    "%",
    "&",
    "<",
    "\"",
    "\r",
    "\n",
    "\t",
    "\u{1}",
    "\u{fffe}",
    "\u{e9}",
    "\u{20ac}",
    "\u{1f600}",
];

/// The delimiters of a case: often none, often the usual one, sometimes of several bytes or characters.
const DELIMITERS: [&str; 8] = ["", "", "/", "/", "::", "\u{e9}", "\u{20ac}", "\r"];

/// A generator that a seed repeats: xorshift.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit as u64).unwrap()
    }

    fn text(&mut self, pieces: usize) -> String {
        let count = self.below(pieces + 1);
        (0..count)
            .map(|_| PIECES[self.below(PIECES.len())])
            .collect()
    }
}

/// One listing from a client's view.
#[derive(Clone, Debug)]
struct Case {
    version: Version,
    prefix: String,
    delimiter: &'static str,
    after: String,
    size: usize,
    encoded: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Version {
    One,
    Two,
    Versions,
}

impl Case {
    fn random(random: &mut Random) -> Self {
        Self {
            version: [Version::One, Version::Two, Version::Versions][random.below(3)],
            prefix: random.text(2),
            delimiter: DELIMITERS[random.below(DELIMITERS.len())],
            after: match random.below(3) {
                0 => random.text(3),
                _ => String::new(),
            },
            size: 1 + random.below(8),
            encoded: random.below(2) == 0,
        }
    }

    fn query(&self, marker: &str) -> String {
        let (kind, begin) = match self.version {
            Version::One => ("", "marker"),
            Version::Two => ("list-type=2&", "start-after"),
            Version::Versions => ("versions&", "key-marker"),
        };
        let encoding = if self.encoded {
            "&encoding-type=url"
        } else {
            ""
        };
        format!(
            "/media?{kind}prefix={}&delimiter={}&{begin}={}&max-keys={}{encoding}",
            url(&self.prefix),
            url(self.delimiter),
            url(marker),
            self.size
        )
    }

    /// A name as the answer has it.
    fn name(&self, text: &str) -> String {
        if self.encoded {
            url_decoded(text)
        } else {
            text.to_owned()
        }
    }
}

/// An entry: the name, and whether it is a common prefix.
type Entry = (String, bool);

/// What S3 lists: keys behind the marker that do not belong to a group, and each group that has one; but not the group
/// whose name is the marker.
fn model(keys: &BTreeSet<String>, case: &Case) -> Vec<Entry> {
    let mut entries = BTreeSet::new();
    for key in keys {
        let Some(rest) = key.strip_prefix(&case.prefix) else {
            continue;
        };
        let at = (!case.delimiter.is_empty())
            .then(|| rest.find(case.delimiter))
            .flatten();
        let entry = match at {
            Some(at) => (
                key[..case.prefix.len() + at + case.delimiter.len()].to_owned(),
                true,
            ),
            None => (key.clone(), false),
        };
        if *key > case.after && !(entry.1 && entry.0 == case.after) {
            entries.insert(entry);
        }
    }
    entries.into_iter().collect()
}

/// The entries of all pages, each page asked for with what the one before gave.
async fn listed(client: &Client, case: &Case) -> Vec<Entry> {
    let mut found = Vec::new();
    let mut target = case.query(&case.after);
    loop {
        let answer = client.get(&target).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let root = xml::parse(&answer.body);
        let page = entries(&root, case);
        assert!(page.len() <= case.size, "{} entries", page.len());
        assert_eq!(case.name(root.get("Prefix").unwrap()), case.prefix);
        let last = page.last().cloned();
        found.extend(page);
        let truncated = root.get("IsTruncated").unwrap() == "true";
        let marker = next_marker(&root, case, &answer);
        if !truncated {
            assert_eq!(marker, None);
            return found;
        }
        target = match (case.version, marker) {
            (Version::Two, Some(token)) => {
                format!("{}&continuation-token={}", case.query(""), url(&token))
            }
            (Version::One, None) => {
                assert_eq!(case.delimiter, "", "NextMarker is missing");
                case.query(&last.unwrap().0)
            }
            (_, Some(marker)) => case.query(&case.name(&marker)),
            (_, None) => panic!("truncated without a marker: {}", answer.text()),
        };
    }
}

fn next_marker(root: &Element, case: &Case, answer: &Response) -> Option<String> {
    let name = match case.version {
        Version::One => "NextMarker",
        Version::Two => "NextContinuationToken",
        Version::Versions => "NextKeyMarker",
    };
    let marker = root.get(name).map(str::to_owned);
    assert!(
        case.version != Version::One || !case.delimiter.is_empty() || marker.is_none(),
        "{}",
        answer.text()
    );
    marker
}

/// The entries of a page, in their order.
fn entries(root: &Element, case: &Case) -> Vec<Entry> {
    let element = match case.version {
        Version::Versions => "Version",
        _ => "Contents",
    };
    let keys = root.texts(element, "Key");
    let prefixes = root.texts("CommonPrefixes", "Prefix");
    if case.version == Version::Two {
        let count = (keys.len() + prefixes.len()).to_string();
        assert_eq!(root.get("KeyCount"), Some(count.as_str()));
    }
    let mut entries: Vec<Entry> = keys.iter().map(|key| (case.name(key), false)).collect();
    assert!(entries.is_sorted(), "{entries:?}");
    let prefixes: Vec<Entry> = prefixes.iter().map(|it| (case.name(it), true)).collect();
    assert!(prefixes.is_sorted(), "{prefixes:?}");
    entries.extend(prefixes);
    entries.sort();
    entries
}

#[tokio::test(flavor = "multi_thread")]
async fn listings_agree_with_a_model() {
    let seed = std::env::var("LISTING_SEED").ok();
    let seed: u64 = seed.and_then(|it| it.parse().ok()).unwrap_or_else(|| {
        let now = std::time::UNIX_EPOCH.elapsed().unwrap();
        now.as_secs() * 1000 + u64::from(now.subsec_millis())
    });
    println!(
        "repeat: LISTING_SEED={seed} cargo test --workspace --all-features --test door listings_agree"
    );
    let mut random = Random(seed | 1);
    let server = TestServer::start().await;
    let client = server.client();
    let mut keys = BTreeSet::new();
    for _ in 0..120 {
        let key = random.text(6);
        if !key.is_empty() && keys.insert(key.clone()) {
            let put = client.put(&format!("/media/{}", path(&key)), b"x").await;
            assert_eq!(put.status, 200, "{key:?}: {}", put.text());
        }
        // Deleted names lie between the others.
        if random.below(4) == 0
            && let Some(key) = keys.iter().nth(random.below(keys.len().max(1))).cloned()
        {
            let target = format!("/media/{}", path(&key));
            assert_eq!(client.request("DELETE", &target).send().await.status, 204);
            keys.remove(&key);
        }
    }
    for number in 0..CASES {
        let case = Case::random(&mut random);
        let found = listed(&client, &case).await;
        assert_eq!(found, model(&keys, &case), "case {number}: {case:?}");
    }
}
