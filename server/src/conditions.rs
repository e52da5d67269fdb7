//! Conditional reads: RFC 9110, section 13.2.2, in its order. Pure.

use http::HeaderMap;
use http::header::{
    HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE,
};
use std::time::{Duration, SystemTime};

/// What the conditions of a read say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Answer as if there were none.
    Proceed,
    /// 304.
    NotModified,
    /// 412.
    Failed,
}

/// The names of the four headers.
pub struct Names {
    if_match: HeaderName,
    if_none_match: HeaderName,
    if_modified_since: HeaderName,
    if_unmodified_since: HeaderName,
}

impl Names {
    /// Of what is read.
    pub const OF_READ: Self = Self {
        if_match: IF_MATCH,
        if_none_match: IF_NONE_MATCH,
        if_modified_since: IF_MODIFIED_SINCE,
        if_unmodified_since: IF_UNMODIFIED_SINCE,
    };
    /// Of what is copied from.
    pub const OF_SOURCE: Self = Self {
        if_match: HeaderName::from_static("x-amz-copy-source-if-match"),
        if_none_match: HeaderName::from_static("x-amz-copy-source-if-none-match"),
        if_modified_since: HeaderName::from_static("x-amz-copy-source-if-modified-since"),
        if_unmodified_since: HeaderName::from_static("x-amz-copy-source-if-unmodified-since"),
    };
}

/// Judges the conditions in `headers` for an object with `etag` (without quotes) that was last modified at `modified_ms`.
pub fn judge(headers: &HeaderMap, etag: &str, modified_ms: u64) -> Verdict {
    judge_by(&Names::OF_READ, headers, etag, modified_ms)
}

/// The same, by other names.
pub fn judge_by(names: &Names, headers: &HeaderMap, etag: &str, modified_ms: u64) -> Verdict {
    if headers.contains_key(&names.if_match) {
        if !matches_any(headers, &names.if_match, etag) {
            return Verdict::Failed;
        }
    } else if let Some(since) = date(headers, &names.if_unmodified_since)
        && seconds(modified_ms) > since
    {
        return Verdict::Failed;
    }
    if headers.contains_key(&names.if_none_match) {
        if matches_any(headers, &names.if_none_match, etag) {
            return Verdict::NotModified;
        }
    } else if let Some(since) = date(headers, &names.if_modified_since)
        && seconds(modified_ms) <= since
    {
        return Verdict::NotModified;
    }
    Verdict::Proceed
}

/// Whether a `Range` counts: it does unless an `If-Range` names another state of the object.
pub fn range_applies(headers: &HeaderMap, etag: &str, modified_ms: u64) -> bool {
    let Some(condition) = headers.get(IF_RANGE) else {
        return true;
    };
    match condition.to_str() {
        Ok(text) if text.starts_with('"') => unquoted(text) == etag,
        Ok(text) => httpdate::parse_http_date(text).is_ok_and(|it| it == seconds(modified_ms)),
        Err(_) => false,
    }
}

/// The time of `modified_ms` in the whole seconds that HTTP dates have.
pub fn seconds(modified_ms: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(modified_ms / 1000)
}

fn date(headers: &HeaderMap, name: &HeaderName) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(name)?.to_str().ok()?).ok()
}

/// Whether a list of ETags names `etag`. Weak ones count, and so do ones without quotes, which some clients send.
fn matches_any(headers: &HeaderMap, name: &HeaderName, etag: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|entry| entry == "*" || unquoted(entry) == etag)
}

/// An ETag without its weakness and its quotes.
pub fn unquoted(entry: &str) -> &str {
    let entry = entry.strip_prefix("W/").unwrap_or(entry);
    entry
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or(entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ETAG: &str = "abc";
    const MODIFIED_MS: u64 = 1_000_000_500;
    const BEFORE: &str = "Mon, 12 Jan 1970 13:46:39 GMT";
    const EXACTLY: &str = "Mon, 12 Jan 1970 13:46:40 GMT";

    fn verdict(headers: &[(HeaderName, &str)]) -> Verdict {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.clone(), value.parse().unwrap()))
            .collect();
        judge(&headers, ETAG, MODIFIED_MS)
    }

    #[test]
    fn table() {
        assert_eq!(verdict(&[]), Verdict::Proceed);
        assert_eq!(verdict(&[(IF_MATCH, "\"abc\"")]), Verdict::Proceed);
        assert_eq!(verdict(&[(IF_MATCH, "*")]), Verdict::Proceed);
        assert_eq!(verdict(&[(IF_MATCH, "\"x\"")]), Verdict::Failed);
        assert_eq!(
            verdict(&[(IF_NONE_MATCH, "\"x\", W/\"abc\"")]),
            Verdict::NotModified
        );
        assert_eq!(verdict(&[(IF_NONE_MATCH, "*")]), Verdict::NotModified);
        assert_eq!(verdict(&[(IF_NONE_MATCH, "\"x\"")]), Verdict::Proceed);
        assert_eq!(
            verdict(&[(IF_MODIFIED_SINCE, EXACTLY)]),
            Verdict::NotModified
        );
        assert_eq!(verdict(&[(IF_MODIFIED_SINCE, BEFORE)]), Verdict::Proceed);
        assert_eq!(
            verdict(&[(IF_MODIFIED_SINCE, "yesterday")]),
            Verdict::Proceed
        );
        assert_eq!(verdict(&[(IF_UNMODIFIED_SINCE, EXACTLY)]), Verdict::Proceed);
        assert_eq!(verdict(&[(IF_UNMODIFIED_SINCE, BEFORE)]), Verdict::Failed);
    }

    #[test]
    fn if_range_names_the_state_that_the_range_is_of() {
        let applies = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(IF_RANGE, value.parse().unwrap());
            range_applies(&headers, ETAG, MODIFIED_MS)
        };
        assert!(range_applies(&HeaderMap::new(), ETAG, MODIFIED_MS));
        assert!(applies("\"abc\""));
        assert!(applies(EXACTLY));
        assert!(!applies("\"x\""));
        assert!(!applies("W/\"abc\""));
        assert!(!applies(BEFORE));
    }

    #[test]
    fn etags_come_before_dates() {
        assert_eq!(
            verdict(&[(IF_MATCH, "\"abc\""), (IF_UNMODIFIED_SINCE, BEFORE)]),
            Verdict::Proceed
        );
        assert_eq!(
            verdict(&[(IF_NONE_MATCH, "\"x\""), (IF_MODIFIED_SINCE, EXACTLY)]),
            Verdict::Proceed
        );
    }
}
