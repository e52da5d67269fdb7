//! The conditions of a read, against RFC 9110, section 13.2.2, written down once more.

use super::head;
use crate::conditions::{self, Verdict};
use http::HeaderMap;
use std::time::{Duration, SystemTime};

const ETAG: &str = "abc";
const MODIFIED_S: u64 = 1_000_000;

/// Attacks `conditions`, for an object with the ETag `abc` that was modified on 12 January 1970.
pub fn conditions(data: &[u8]) {
    let Some(parts) = head(data) else {
        return;
    };
    let headers = &parts.headers;
    let modified_ms = MODIFIED_S * 1000 + 500;
    let verdict = conditions::judge(headers, ETAG, modified_ms);
    assert_eq!(verdict, twin(headers));
    let other = conditions::judge(&HeaderMap::new(), ETAG, modified_ms);
    assert_eq!(other, Verdict::Proceed, "without conditions");
    if conditions::range_applies(headers, ETAG, modified_ms) {
        let stated = headers.get("if-range").map(|value| value.as_bytes());
        assert!(
            stated.is_none_or(|it| it.starts_with(b"\"") || date(headers, "if-range").is_some())
        );
    }
}

fn twin(headers: &HeaderMap) -> Verdict {
    let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(MODIFIED_S);
    let old = |name| date(headers, name).is_some_and(|since| modified <= since);
    let young = |name| date(headers, name).is_some_and(|since| modified > since);
    let failed = if headers.contains_key("if-match") {
        !names(headers, "if-match")
    } else {
        young("if-unmodified-since")
    };
    let not_modified = if headers.contains_key("if-none-match") {
        names(headers, "if-none-match")
    } else {
        old("if-modified-since")
    };
    match (failed, not_modified) {
        (true, _) => Verdict::Failed,
        (false, true) => Verdict::NotModified,
        (false, false) => Verdict::Proceed,
    }
}

fn date(headers: &HeaderMap, name: &str) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(name)?.to_str().ok()?).ok()
}

/// Whether one entry of the list is the ETag in any of its forms.
fn names(headers: &HeaderMap, name: &str) -> bool {
    let forms = ["*", "abc", "\"abc\"", "W/abc", "W/\"abc\""];
    headers.get_all(name).iter().any(|value| {
        value
            .to_str()
            .is_ok_and(|text| text.split(',').any(|entry| forms.contains(&entry.trim())))
    })
}
