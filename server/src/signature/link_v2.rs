//! SigV2 in the query, which some tools still sign with. Pure.
//!
//! Such a link covers the method, the path, `Content-Type`, `Content-MD5`, its end, all `x-amz-*` headers and the
//! parameters that S3 once named. Those decide the operation: of the parameters that are not covered, the ones that the
//! access check lets pass only page through a listing (a link to a listing shows all of it, in S3 too). What `s3s` would
//! leave out of what it signs, and an operation would still see, is refused: headers given twice, or not UTF-8.
//!
//! The end of a link has no limit, as in S3, but it is a plain number of seconds.

use super::{UNSIGNED, signed_headers, text};
use crate::query;
use http::header::{CONTENT_TYPE, HeaderName};
use http::request::Parts;
use s3s::{S3Error, s3_error};
use std::time::{Duration, SystemTime};

/// Digits of the seconds at which a link ends: until the year 2286.
const DIGITS_MAX: usize = 10;

const CONTENT_MD5: HeaderName = HeaderName::from_static("content-md5");

/// Refuses a link that S3 would not look at, or that covers too little.
pub fn check(parts: &Parts, now: SystemTime) -> Result<(), S3Error> {
    for name in ["Signature", "Expires", "AWSAccessKeyId"] {
        if query::raw(parts, name).is_none_or(str::is_empty) {
            return Err(s3_error!(
                AccessDenied,
                "Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters"
            ));
        }
    }
    let end = end(parts).ok_or_else(|| {
        s3_error!(
            AccessDenied,
            "Invalid date (should be seconds since epoch) in Expires"
        )
    })?;
    if now > end {
        return Err(s3_error!(AccessDenied, "Request has expired"));
    }
    check_headers(parts)
}

fn end(parts: &Parts) -> Option<SystemTime> {
    let text = query::raw(parts, "Expires")?;
    if text.len() > DIGITS_MAX || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(text.parse().ok()?))
}

fn check_headers(parts: &Parts) -> Result<(), S3Error> {
    let headers = &parts.headers;
    for name in [CONTENT_TYPE, CONTENT_MD5] {
        if headers.get_all(&name).iter().count() > 1 {
            return Err(s3_error!(InvalidRequest, "{name} is given more than once"));
        }
    }
    let covered = |name: &str| name.starts_with("x-amz-") || name.starts_with("content-");
    let odd = headers
        .keys()
        .map(HeaderName::as_str)
        .find(|name| covered(name) && !signed_headers::is_text(headers, name));
    if odd.is_some() {
        return Err(s3_error!(SignatureDoesNotMatch));
    }
    let payloads = query::pairs(parts)
        .filter(|(name, _)| name.eq_ignore_ascii_case("x-amz-content-sha256"))
        .map(|(_, value)| value)
        .chain(text(headers, "x-amz-content-sha256"));
    // s3s neither checks a digest nor takes chunks apart here.
    for payload in payloads {
        if payload != UNSIGNED {
            return Err(s3_error!(
                NotImplemented,
                "x-amz-content-sha256 with a link of signature version 2 is UNSIGNED-PAYLOAD"
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{now, parts, refusal};
    use super::*;

    /// One second after [`now`].
    const GOOD: &str = "/b/k?AWSAccessKeyId=AK&Expires=1369353601&Signature=c2ln";

    #[track_caller]
    fn is(target: &str, headers: &[(&str, &str)], expected: Option<(&str, u16)>) {
        let expected = expected.map(|(code, status)| (code.to_owned(), status));
        assert_eq!(
            refusal(&parts(target, headers), now()),
            expected,
            "{target}"
        );
    }

    #[test]
    fn ends() {
        is(GOOD, &[], None);
        for (end, refused) in [
            ("1369353600", false),
            ("1369353599", true),
            ("0", true),
            ("9999999999", false),
            ("99999999999", true),
            ("-1", true),
            ("%2B1369353601", true),
            ("+1369353601", true),
            ("1369353601.5", true),
            ("", true),
        ] {
            let target = GOOD.replace("1369353601", end);
            is(&target, &[], refused.then_some(("AccessDenied", 403)));
        }
    }

    #[test]
    fn three_parameters() {
        for bad in [
            "/b/k?AWSAccessKeyId=AK&Expires=1369353601",
            "/b/k?AWSAccessKeyId=AK&Signature=x",
            "/b/k?Expires=1369353601&Signature=x",
            "/b/k?AWSAccessKeyId=AK&Expires=1369353601&Signature=",
        ] {
            is(bad, &[], Some(("AccessDenied", 403)));
        }
        let twice = format!("{GOOD}&Expires=1369353602");
        is(&twice, &[], Some(("InvalidArgument", 400)));
    }

    #[test]
    fn what_would_not_be_signed() {
        for name in ["content-type", "content-md5"] {
            is(GOOD, &[(name, "x")], None);
            is(
                GOOD,
                &[(name, "x"), (name, "y")],
                Some(("InvalidRequest", 400)),
            );
        }
        let mut odd = parts(GOOD, &[]);
        let value = http::HeaderValue::from_bytes(b"\xff").unwrap();
        odd.headers.insert("x-amz-meta-a", value);
        let refused = refusal(&odd, now());
        assert_eq!(refused, Some(("SignatureDoesNotMatch".to_owned(), 403)));
    }

    #[test]
    fn content_is_unsigned() {
        is(GOOD, &[("x-amz-content-sha256", UNSIGNED)], None);
        let streaming = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";
        let refused = Some(("NotImplemented", 501));
        is(GOOD, &[("x-amz-content-sha256", streaming)], refused);
        let query = format!("{GOOD}&x-amz-content-sha256={streaming}");
        is(&query, &[], refused);
    }
}
