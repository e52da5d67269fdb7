//! What Prometheus reads is what its format allows, keeps to the conventions of its names, and counts every request once.

use crate::client::Client;
use crate::server::TestServer;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// Samples by name and labels, from a text in which each family has its HELP and TYPE once and in front.
fn samples(text: &str) -> BTreeMap<String, f64> {
    assert!(text.ends_with('\n'));
    let mut types = BTreeMap::new();
    let mut helped = BTreeSet::new();
    let mut found = BTreeMap::new();
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, help) = help.split_once(' ').unwrap();
            assert!(help.len() > 5 && helped.insert(name), "{line}");
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert!(helped.contains(name), "{line}: HELP comes first");
            named_well(name, kind);
            assert!(types.insert(name, kind).is_none(), "{line} comes twice");
        } else {
            let (sample, value) = line.rsplit_once(' ').unwrap();
            let name = sample.split('{').next().unwrap();
            let suffixes = ["_bucket", "_sum", "_count"];
            let family = suffixes.iter().find_map(|it| name.strip_suffix(it));
            let family = family.filter(|it| types.get(it) == Some(&"histogram"));
            assert!(
                types.contains_key(family.unwrap_or(name)),
                "{line} has no TYPE"
            );
            labels_are_well_formed(sample);
            let value: f64 = value.parse().unwrap();
            assert!(value >= 0.0 && value.is_finite(), "{line}");
            assert!(
                found.insert(sample.to_owned(), value).is_none(),
                "{line} comes twice"
            );
        }
    }
    found
}

fn named_well(name: &str, kind: &str) {
    let allowed = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '_';
    assert!(name.chars().all(allowed), "{name}");
    assert!(
        name.starts_with("moraine_") || name.starts_with("process_"),
        "{name}"
    );
    assert!(
        ["counter", "gauge", "histogram"].contains(&kind),
        "{name}: {kind}"
    );
    assert_eq!(name.ends_with("_total"), kind == "counter", "{name}");
    let scaled = [
        "ms",
        "us",
        "ns",
        "kib",
        "mib",
        "gib",
        "milliseconds",
        "microseconds",
    ];
    let odd = name.split('_').any(|word| scaled.contains(&word));
    assert!(!odd, "{name}: seconds and bytes are the units");
}

fn labels_are_well_formed(sample: &str) {
    let Some((_, labels)) = sample.split_once('{') else {
        return;
    };
    let labels = labels.strip_suffix('}').unwrap();
    for label in labels.split(',') {
        let (name, value) = label.split_once('=').unwrap();
        assert!(
            name.chars().all(|it| it.is_ascii_lowercase() || it == '_'),
            "{sample}"
        );
        let value = value
            .strip_prefix('"')
            .and_then(|it| it.strip_suffix('"'))
            .unwrap();
        assert!(
            value
                .chars()
                .all(|it| it.is_ascii_alphanumeric() || "+-._".contains(it)),
            "{sample}"
        );
    }
}

/// Each bucket of a histogram holds what the one before holds, and the last holds all.
fn histograms_add_up(samples: &BTreeMap<String, f64>) {
    let counts: Vec<_> = samples
        .iter()
        .filter(|(name, _)| name.contains("_count{"))
        .collect();
    assert!(!counts.is_empty());
    for (name, count) in counts {
        let (family, labels) = name.split_once("_count{").unwrap();
        let labels = labels.trim_end_matches('}');
        let prefix = format!("{family}_bucket{{{labels},le=\"");
        let mut buckets: Vec<(f64, f64)> = samples
            .iter()
            .filter_map(|(name, value)| {
                let end = name.strip_prefix(&prefix)?.trim_end_matches("\"}");
                Some((end.parse().unwrap(), *value))
            })
            .collect();
        buckets.sort_by(|one, two| one.0.total_cmp(&two.0));
        assert!(buckets.is_sorted_by(|one, two| one.1 <= two.1), "{name}");
        let (end, all) = buckets.last().unwrap();
        assert!(end.is_infinite() && all == count, "{name}");
    }
}

async fn scrape(server: &TestServer) -> BTreeMap<String, f64> {
    samples(&Client::new(server.admin, None).get("/metrics").await.text())
}

#[tokio::test]
async fn the_text_is_well_formed_and_bounded() {
    let server = TestServer::start().await;
    let before = scrape(&server).await.len();
    let client = server.client();
    client.put("/media/k", b"12345").await;
    client.get("/media/k").await;
    let first = scrape(&server).await;
    histograms_add_up(&first);
    assert!(first.len() > before);
    for round in 0..40 {
        client.put(&format!("/media/k{round}"), b"12345").await;
        client.get(&format!("/media/{round}?x{round}")).await;
        let odd = client.request(&format!("METHOD{round}"), "/media/k");
        odd.header("user-agent", &format!("agent-{round}"))
            .send()
            .await;
        server.anonymous().get(&format!("/nobody{round}/k")).await;
    }
    let later = scrape(&server).await;
    histograms_add_up(&later);
    let new: Vec<_> = later
        .keys()
        .filter(|name| !first.contains_key(*name))
        .collect();
    let known = later
        .keys()
        .filter(|name| name.contains("operation="))
        .count();
    assert!(
        new.len() <= 80 && known < 200,
        "labels that clients choose: {new:?}"
    );
    for name in [
        "moraine_recent_reads_total",
        "moraine_cached_reads_total",
        "moraine_cold_reads_total",
        "moraine_memory_waiting",
        "moraine_dedup_bytes_total",
        "moraine_http_requests_in_flight",
    ] {
        assert!(later.contains_key(name), "{name}");
    }
    assert!(
        later["moraine_recent_reads_total"] >= 1.0,
        "what was just written is read from memory"
    );
    assert!(later["moraine_dedup_hits_total"] >= 40.0);
}

/// A client that goes away in the middle leaves a line in the books, and nothing in flight.
#[tokio::test]
async fn a_client_that_goes_away_is_counted() {
    let server = TestServer::start().await;
    let whole = server
        .client()
        .request("PUT", "/media/k")
        .body(&[7; 5000])
        .sign();
    let cut = whole.head.len();
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(&whole.head[..cut]).await.unwrap();
    stream.write_all(&[7; 100]).await.unwrap();
    let in_flight = |found: &BTreeMap<String, f64>| found["moraine_http_requests_in_flight"];
    for _ in 0..200 {
        if in_flight(&scrape(&server).await) > 0.0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(in_flight(&scrape(&server).await), 1.0);
    drop(stream);
    let mut found = scrape(&server).await;
    for _ in 0..500 {
        if in_flight(&found) == 0.0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        found = scrape(&server).await;
    }
    assert_eq!(in_flight(&found), 0.0);
    let requests = found
        .iter()
        .filter(|(name, _)| name.starts_with("moraine_http_requests_total{"));
    assert_eq!(
        requests.map(|(_, count)| count).sum::<f64>(),
        1.0,
        "{found:?}"
    );
}
