//! SigV4 in the `Authorization` header. Pure.

use super::credential::{self, Credential};
use super::{SKEW_MAX, amz_date, is_payload, signed_headers, text};
use crate::region;
use http::header::{AUTHORIZATION, DATE, HeaderValue};
use http::request::Parts;
use s3s::{S3Error, s3_error};
use std::time::{Duration, SystemTime};

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// Headers that are not signed because they ask for nothing.
const EXCUSED: &str = "x-amz-user-agent";

/// What the header says, but for the signature.
struct Authorization<'a> {
    credential: Credential<'a>,
    signed_headers: &'a str,
}

/// Refuses a header signature that S3 would not look at, or that covers too little.
pub fn check(parts: &Parts, now: SystemTime) -> Result<(), S3Error> {
    let value = text(&parts.headers, AUTHORIZATION.as_str()).unwrap_or_default();
    let Some(Authorization {
        credential,
        signed_headers,
    }) = parse(value)
    else {
        return Err(malformed("it is not as S3 wants it"));
    };
    if credential.service != "s3" {
        return Err(malformed(&format!(
            "incorrect service {:?}. This endpoint belongs to \"s3\"",
            credential.service
        )));
    }
    if !region::is_plain(credential.region) {
        return Err(malformed(&region::wrong(credential.region)));
    }
    let time = date(parts)?;
    if amz_date::format(time).get(..8) != Some(credential.date) {
        return Err(malformed(&format!(
            "Invalid credential date {:?}. This date is not the same as X-Amz-Date",
            credential.date
        )));
    }
    if apart(time, now) > SKEW_MAX {
        return Err(s3_error!(
            RequestTimeTooSkewed,
            "The difference between the request time and the server's time is too large."
        ));
    }
    let Some(payload) = text(&parts.headers, "x-amz-content-sha256") else {
        return Err(s3_error!(
            InvalidRequest,
            "Missing required header for this request: x-amz-content-sha256"
        ));
    };
    if !is_payload(payload) {
        return Err(s3_error!(
            InvalidArgument,
            "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-..., or a valid sha256 value"
        ));
    }
    signed_headers::check(&parts.headers, signed_headers, |name| name == EXCUSED)
}

/// `s3s` knows only `x-amz-date`; S3 also takes a `Date`.
pub fn settle(parts: &mut Parts) -> Result<(), S3Error> {
    if !parts.headers.contains_key("x-amz-date") {
        let time = amz_date::format(date(parts)?);
        let value = HeaderValue::from_str(&time).map_err(|_| no_date())?;
        parts.headers.insert("x-amz-date", value);
    }
    Ok(())
}

fn date(parts: &Parts) -> Result<SystemTime, S3Error> {
    if parts.headers.contains_key("x-amz-date") {
        return text(&parts.headers, "x-amz-date")
            .and_then(amz_date::parse)
            .ok_or_else(no_date);
    }
    text(&parts.headers, DATE.as_str())
        .and_then(|value| httpdate::parse_http_date(value).ok())
        .ok_or_else(no_date)
}

fn no_date() -> S3Error {
    s3_error!(
        AccessDenied,
        "AWS authentication requires a valid Date or x-amz-date header"
    )
}

fn malformed(why: &str) -> S3Error {
    s3_error!(
        AuthorizationHeaderMalformed,
        "The authorization header is malformed; {why}"
    )
}

fn apart(one: SystemTime, other: SystemTime) -> Duration {
    one.duration_since(other)
        .unwrap_or_else(|error| error.duration())
}

/// The three fields in the order that all clients and `s3s` use.
fn parse(value: &str) -> Option<Authorization<'_>> {
    let rest = value.strip_prefix(ALGORITHM)?;
    let fields = rest.trim_start();
    if fields.len() == rest.len() {
        return None;
    }
    let fields = fields.strip_prefix("Credential=")?;
    let end = "/aws4_request";
    let (before, after) = fields.split_at_checked(fields.find(end)? + end.len())?;
    let after = after.strip_prefix(',')?.trim_start();
    let (signed_headers, after) = after.strip_prefix("SignedHeaders=")?.split_once(',')?;
    let signature = after.trim_start().strip_prefix("Signature=")?.trim_end();
    if signature.is_empty() || signature.contains([' ', '\t', ',']) {
        return None;
    }
    Some(Authorization {
        credential: credential::parse(before)?,
        signed_headers,
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{DATE as NOW, now, parts, refusal};
    use super::*;

    const SIGNED: &str = "host;x-amz-content-sha256;x-amz-date";

    fn value(scope: &str, list: &str) -> String {
        format!("{ALGORITHM} Credential=AK/{scope}, SignedHeaders={list}, Signature=abc")
    }

    fn request(authorization: &str, more: &[(&str, &str)]) -> Parts {
        let mut headers = vec![("authorization", authorization)];
        headers.extend_from_slice(more);
        parts("/b/k", &headers)
    }

    fn code(authorization: &str, date: &str, payload: &str) -> Option<(String, u16)> {
        let headers = [("x-amz-date", date), ("x-amz-content-sha256", payload)];
        refusal(&request(authorization, &headers), now())
    }

    fn expected(code: &str, status: u16) -> Option<(String, u16)> {
        Some((code.to_owned(), status))
    }

    #[test]
    fn forms() {
        let scope = "20130524/any-region/s3/aws4_request";
        let good = value(scope, SIGNED);
        let narrow = good.replace(", ", ",");
        let wide = good.replace(", ", ",  ").replace("SHA256 ", "SHA256   ");
        for good in [&good, &narrow, &wide] {
            assert_eq!(code(good, NOW, "UNSIGNED-PAYLOAD"), None, "{good}");
        }
        for bad in [
            "AWS4-HMAC-SHA256",
            "AWS4-HMAC-SHA256 nonsense",
            "AWS4-HMAC-SHA256-X Credential=",
            &good.replace("SHA256 ", "SHA256"),
            &good.replace("SignedHeaders", "signedheaders"),
            &good.replace(", Signature=abc", ""),
            &good.replace("abc", ""),
            &good.replace("abc", "a c"),
            &good.replace("abc", "abc, SignedHeaders=host"),
            &good.replace("Credential=AK", "Credential="),
            &good.replace("aws4_request", "aws4"),
            &good.replace("/s3/", "/sts/"),
            &good.replace("/s3/", "/ec2/"),
            &good.replace("any-region", "US"),
            &good.replace("20130524", "20130523"),
            &good.replace("20130524", "2013-5-24"),
        ] {
            let refused = code(bad, NOW, "UNSIGNED-PAYLOAD");
            assert_eq!(
                refused,
                expected("AuthorizationHeaderMalformed", 400),
                "{bad}"
            );
        }
    }

    #[test]
    fn a_region_cannot_hide_another_list() {
        let scope = "20130524/SignedHeaders=host;x-amz-acl,/s3/aws4_request";
        let request = request(
            &value(scope, SIGNED),
            &[
                ("x-amz-date", NOW),
                ("x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
                ("x-amz-acl", "public-read"),
            ],
        );
        let refused = refusal(&request, now());
        assert_eq!(refused, expected("AuthorizationHeaderMalformed", 400));
    }

    #[test]
    fn clocks() {
        let value = |day| value(&format!("{day}/r/s3/aws4_request"), SIGNED);
        for (date, refused) in [
            ("20130524T001500Z", false),
            ("20130524T001501Z", true),
            ("20130523T234500Z", false),
            ("20130523T234459Z", true),
        ] {
            let answer = code(&value(&date[..8]), date, "UNSIGNED-PAYLOAD");
            let skewed = expected("RequestTimeTooSkewed", 403);
            assert_eq!(answer, skewed.filter(|_| refused), "{date}");
        }
        let odd = code(&value("20130524"), "24 May 2013", "UNSIGNED-PAYLOAD");
        assert_eq!(odd, expected("AccessDenied", 403));
    }

    #[test]
    fn a_date_will_do() {
        let scope = "20130524/r/s3/aws4_request";
        let list = "date;host;x-amz-content-sha256";
        let payload = ("x-amz-content-sha256", "UNSIGNED-PAYLOAD");
        let date = ("date", "Fri, 24 May 2013 00:00:00 GMT");
        let mut good = request(&value(scope, list), &[payload, date]);
        assert_eq!(refusal(&good, now()), None);
        settle(&mut good).unwrap();
        assert_eq!(good.headers["x-amz-date"], NOW);
        let without = request(&value(scope, "host;x-amz-content-sha256"), &[payload]);
        assert_eq!(refusal(&without, now()), expected("AccessDenied", 403));
    }

    #[test]
    fn payloads() {
        let value = value("20130524/r/s3/aws4_request", SIGNED);
        let digest = "0123456789abcdef".repeat(4);
        for good in [digest.as_str(), "STREAMING-UNSIGNED-PAYLOAD-TRAILER"] {
            assert_eq!(code(&value, NOW, good), None, "{good}");
        }
        let capitals = digest.to_uppercase();
        for bad in ["", "x", "unsigned-payload", capitals.as_str()] {
            let refused = code(&value, NOW, bad);
            assert_eq!(refused, expected("InvalidArgument", 400), "{bad}");
        }
        let without = request(
            &super::tests::value("20130524/r/s3/aws4_request", "host;x-amz-date"),
            &[("x-amz-date", NOW)],
        );
        assert_eq!(refusal(&without, now()), expected("InvalidRequest", 400));
    }
}
