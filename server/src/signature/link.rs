//! SigV4 in the query: a signed link. Pure.
//!
//! A link says itself from when and how long it holds. Its holder may add headers, but none that asks for something:
//! `x-amz-content-sha256` promises a body, which is held to it, and `x-amz-user-agent` is talk. A header that says just
//! what the link says in its query (`hoist`) asks for nothing new either.
//!
//! `s3s` takes the content of every link for unsigned, so a link that names the digest of its content is refused.

use super::{SKEW_MAX, UNSIGNED, amz_date, credential, hoist, signed_headers};
use crate::{errors, query, region};
use http::request::Parts;
use s3s::{S3Error, s3_error};
use std::time::{Duration, SystemTime};

/// How long a link may hold: 7 days, as in S3.
const SECONDS_MAX: u32 = 604_800;

/// Headers that the holder of a link may add.
const EXCUSED: [&str; 2] = ["x-amz-content-sha256", "x-amz-user-agent"];

/// Refuses a link that S3 would not look at, or that covers too little.
pub fn check(parts: &Parts, now: SystemTime) -> Result<(), S3Error> {
    if required(parts, "X-Amz-Algorithm")? != "AWS4-HMAC-SHA256" {
        return Err(errors::bad_link(
            "X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\"",
        ));
    }
    required(parts, "X-Amz-Signature")?;
    let list = required(parts, "X-Amz-SignedHeaders")?;
    let time = amz_date::parse(&required(parts, "X-Amz-Date")?).ok_or_else(|| {
        errors::bad_link("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"")
    })?;
    check_credential(&required(parts, "X-Amz-Credential")?, time)?;
    check_times(time, seconds(parts)?, now)?;
    check_payload(parts)?;
    signed_headers::check(&parts.headers, &list, |name| {
        EXCUSED.contains(&name) || hoist::says_the_same(parts, name)
    })
}

fn required(parts: &Parts, name: &str) -> Result<String, S3Error> {
    query::value(parts, name).ok_or_else(|| {
        errors::bad_link(
            "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, \
             X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.",
        )
    })
}

fn check_credential(text: &str, time: SystemTime) -> Result<(), S3Error> {
    let Some(credential) = credential::parse(text) else {
        return Err(errors::bad_link(
            "Error parsing the X-Amz-Credential parameter; the Credential is mal-formed; expecting \
             \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".",
        ));
    };
    if credential.service != "s3" {
        return Err(errors::bad_link(
            "Error parsing the X-Amz-Credential parameter; incorrect service. This endpoint belongs to \"s3\".",
        ));
    }
    if !region::is_plain(credential.region) {
        return Err(errors::bad_link(&format!(
            "Error parsing the X-Amz-Credential parameter; {}",
            region::wrong(credential.region)
        )));
    }
    if amz_date::format(time).get(..8) != Some(credential.date) {
        return Err(errors::bad_link(
            "Error parsing the X-Amz-Credential parameter; its date is not the same as X-Amz-Date.",
        ));
    }
    Ok(())
}

/// How long the link holds. The value is looked at as sent: nobody encodes a digit.
fn seconds(parts: &Parts) -> Result<Duration, S3Error> {
    required(parts, "X-Amz-Expires")?;
    let text = query::raw(parts, "X-Amz-Expires").unwrap_or_default();
    if text.starts_with('-') {
        return Err(errors::bad_link("X-Amz-Expires must be non-negative"));
    }
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(errors::bad_link("X-Amz-Expires should be a number"));
    }
    match text.parse::<u32>() {
        Ok(seconds @ 0..=SECONDS_MAX) => Ok(Duration::from_secs(seconds.into())),
        _ => Err(errors::bad_link(
            "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than \
             604800 seconds",
        )),
    }
}

fn check_times(time: SystemTime, holds: Duration, now: SystemTime) -> Result<(), S3Error> {
    match now.duration_since(time) {
        Ok(age) if age > holds => Err(s3_error!(AccessDenied, "Request has expired")),
        Err(ahead) if ahead.duration() > SKEW_MAX => {
            Err(s3_error!(AccessDenied, "Request is not valid yet"))
        }
        _ => Ok(()),
    }
}

fn check_payload(parts: &Parts) -> Result<(), S3Error> {
    let payload = query::pairs(parts)
        .find(|(name, _)| name.eq_ignore_ascii_case("x-amz-content-sha256"))
        .map_or(UNSIGNED, |(_, value)| value);
    if payload == UNSIGNED {
        Ok(())
    } else {
        Err(s3_error!(
            NotImplemented,
            "the content of a signed link is UNSIGNED-PAYLOAD; send its digest in Content-MD5 or x-amz-content-sha256"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{now, parts, refusal};
    use super::*;

    const GOOD: &str = "/b/k?X-Amz-Algorithm=AWS4-HMAC-SHA256\
        &X-Amz-Credential=AK%2F20130524%2Fr%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=600\
        &X-Amz-SignedHeaders=host%3Bx-amz-acl&X-Amz-Signature=x";
    const ACL: [(&str, &str); 1] = [("x-amz-acl", "private")];

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
    fn covered() {
        is(GOOD, &ACL, None);
        for excused in EXCUSED {
            is(GOOD, &[ACL[0], (excused, "x")], None);
        }
        let tags = ("x-amz-tagging", "a=b");
        is(GOOD, &[ACL[0], tags], Some(("AccessDenied", 403)));
        is(GOOD, &[], Some(("SignatureDoesNotMatch", 403)));
        let said = format!("{GOOD}&x-amz-tagging=a%3Db");
        is(&said, &[ACL[0], tags], None);
        is(
            &said,
            &[ACL[0], ("x-amz-tagging", "a=c")],
            Some(("AccessDenied", 403)),
        );
    }

    #[test]
    fn forms() {
        for (from, to) in [
            ("SHA256&", "SHA1&"),
            ("%2Fs3%2F", "%2Fsts%2F"),
            ("%2Fr%2F", "%2FUS%2F"),
            ("%2Faws4_request", ""),
            ("AK%2F20130524", "AK%2F20130525"),
            ("=20130524T", "=2013-05-24T"),
            ("=600", "="),
            ("=600", "=%36"),
            ("=600", "=-1"),
            ("=600", "=%2B6"),
            ("=600", "=604801"),
            ("=600", "=4294967297"),
            ("=600", "=1e3"),
        ] {
            let bad = GOOD.replacen(from, to, 1);
            is(&bad, &ACL, Some(("AuthorizationQueryParametersError", 400)));
        }
        let (path, query) = GOOD.split_once('?').unwrap();
        for dropped in query.split('&') {
            let rest = query.split('&').filter(|pair| *pair != dropped);
            let bad = format!("{path}?{}", rest.collect::<Vec<_>>().join("&"));
            is(&bad, &ACL, Some(("AuthorizationQueryParametersError", 400)));
        }
    }

    #[test]
    fn times() {
        let expired = Some(("AccessDenied", 403));
        for (date, seconds, refused) in [
            ("20130524T000000Z", "0", None),
            ("20130523T235959Z", "0", expired),
            ("20130523T235000Z", "600", None),
            ("20130523T235000Z", "599", expired),
            ("20130517T000000Z", "604800", None),
            ("20130516T235959Z", "604800", expired),
            ("20130524T001500Z", "1", None),
            ("20130524T001501Z", "1", expired),
        ] {
            let link = GOOD
                .replace("=20130524T000000Z", &format!("={date}"))
                .replace("AK%2F20130524", &format!("AK%2F{}", &date[..8]))
                .replace("=600", &format!("={seconds}"));
            is(&link, &ACL, refused);
        }
    }

    #[test]
    fn content_is_unsigned() {
        for name in ["X-Amz-Content-Sha256", "x-amz-content-sha256"] {
            is(&format!("{GOOD}&{name}=UNSIGNED-PAYLOAD"), &ACL, None);
            let digest = format!("{GOOD}&{name}={}", "0".repeat(64));
            is(&digest, &ACL, Some(("NotImplemented", 501)));
        }
    }
}
