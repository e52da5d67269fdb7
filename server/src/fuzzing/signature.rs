//! The guards and what they ask of signatures, on any head that `hyper` would hand over: what passes is within the limits
//! and covers everything that matters.

use super::head;
use crate::config::Limits;
use crate::guards::{self, Proof};
use crate::{query, signature};
use http::header::{AUTHORIZATION, HOST};
use http::request::Parts;
use std::time::SystemTime;

/// Attacks `guards` and `signature`, at the time that the request claims.
pub fn signature(data: &[u8]) {
    let Some(mut parts) = head(data) else {
        return;
    };
    let proof = guards::proof(&parts);
    let _ = guards::is_aws_chunked(&parts.headers);
    if guards::check(&parts, time(&parts)).is_err() {
        return;
    }
    assert_eq!(parts.headers.get_all(HOST).iter().count(), 1);
    assert!(parts.headers.get_all(AUTHORIZATION).iter().count() <= 1);
    let target = parts.uri.path_and_query().map_or("", |it| it.as_str());
    assert!(target.starts_with('/') && target.len() <= Limits::TARGET_BYTES_MAX);
    let sizes = parts
        .headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len());
    assert!(sizes.sum::<usize>() <= Limits::HEADER_BYTES_MAX);
    match proof {
        Proof::None => (),
        Proof::Header => in_header(&parts),
        Proof::Query => in_query(&parts),
    }
    let before = parts.headers.clone();
    if signature::settle(&mut parts, proof).is_ok() {
        for (name, value) in &before {
            assert!(parts.headers.get_all(name).iter().any(|it| it == value));
        }
    }
}

fn time(parts: &Parts) -> SystemTime {
    let header = parts.headers.get("x-amz-date");
    let header = header.and_then(|value| value.to_str().ok().map(str::to_owned));
    header
        .or_else(|| query::value(parts, "X-Amz-Date"))
        .and_then(|text| signature::amz_date::parse(&text))
        .unwrap_or(SystemTime::UNIX_EPOCH)
}

fn in_header(parts: &Parts) {
    let Some(value) = parts.headers.get(AUTHORIZATION) else {
        panic!("signed by a header that is not there");
    };
    let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
    assert!(text.starts_with("AWS4-HMAC-SHA256"), "{text}");
    let after = text.split_once("/aws4_request,").map(|(_, rest)| rest);
    let list = after.and_then(|rest| rest.trim_start().strip_prefix("SignedHeaders="));
    let Some(list) = list else {
        panic!("{text} has no list");
    };
    let list = list.split([',', ' ']).next().unwrap_or_default();
    covered(parts, list, &["x-amz-user-agent"]);
    let twice = query::names(parts).any(|name| name == "X-Amz-Signature");
    assert!(!twice, "two signatures");
}

fn in_query(parts: &Parts) {
    let query = parts.uri.query().unwrap_or_default();
    let named = |name: &str| {
        let value = |pair: &'_ str| {
            pair.strip_prefix(name)?
                .strip_prefix('=')
                .map(str::to_owned)
        };
        query.split('&').find_map(value)
    };
    if named("X-Amz-Signature").is_none() {
        return;
    }
    let seconds = named("X-Amz-Expires").and_then(|text| text.parse::<u64>().ok());
    assert!(seconds.is_some_and(|seconds| seconds <= 604_800), "{query}");
    let list = named("X-Amz-SignedHeaders").unwrap_or_default();
    let list = list.replace("%3B", ";").replace("%3b", ";");
    covered(parts, &list, &["x-amz-content-sha256", "x-amz-user-agent"]);
}

fn covered(parts: &Parts, list: &str, exempt: &[&str]) {
    let list = format!(";{list};");
    assert!(list.contains(";host;"), "{list}");
    for name in parts.headers.keys().map(http::HeaderName::as_str) {
        let said = || query::names(parts).any(|it| it.eq_ignore_ascii_case(name));
        let matters = name.starts_with("x-amz-")
            && name != "x-amz-cf-id"
            && !exempt.contains(&name)
            && !said();
        assert!(
            !matters || list.contains(&format!(";{name};")),
            "{name} is not in {list}"
        );
    }
}
