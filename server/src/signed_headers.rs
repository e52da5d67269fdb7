//! Which headers a SigV4 signature covers: all that matter, and none that is not there. Pure.
//!
//! `s3s` checks the signature over the headers that the client lists, but not the list: an `x-amz-acl` that someone adds
//! on the way would pass, and a header that was signed and then removed counts as if it had never been listed.
//!
//! It also decodes the names of query parameters, so that `X-Amz-Signed%48eaders` is a list to it. No client encodes a
//! name, so an encoded one is refused: what is looked at here is then what `s3s` goes by.

use crate::errors;
use crate::guards::{self, Proof};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use http::request::Parts;
use s3s::{S3Error, s3_error};

/// Headers that a signed link does not cover because whoever uses it adds them, and that ask for nothing.
const UNSIGNED_IN_LINKS: [&str; 2] = ["x-amz-content-sha256", "x-amz-user-agent"];

/// How long a signed link may hold, in seconds: 7 days, as in S3.
const LINK_SECONDS_MAX: u32 = 604_800;

/// Refuses a request whose signature covers too little or what is not there.
pub fn check(parts: &Parts, proof: Proof) -> Result<(), S3Error> {
    if proof == Proof::None {
        return Ok(());
    }
    if guards::query_names(parts).any(|name| name.contains(['%', '+'])) {
        return Err(s3_error!(
            InvalidArgument,
            "the name of a query parameter is percent-encoded"
        ));
    }
    if proof == Proof::Query {
        return check_link(parts);
    }
    let header = parts
        .headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let list = header
        .and_then(|value| value.split("SignedHeaders=").nth(1))
        .and_then(|rest| rest.split([',', ' ']).next())
        .ok_or_else(|| s3_error!(AuthorizationHeaderMalformed))?;
    covers(&parts.headers, list, &[])
}

fn check_link(parts: &Parts) -> Result<(), S3Error> {
    // A SigV2 link has no list: it always covers the x-amz-* headers.
    if parameter(parts, "X-Amz-Signature").is_none() {
        return Ok(());
    }
    let Some(list) = parameter(parts, "X-Amz-SignedHeaders") else {
        return Err(errors::bad_link("X-Amz-SignedHeaders is missing"));
    };
    let seconds = parameter(parts, "X-Amz-Expires")
        .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|text| text.parse::<u32>().ok());
    if seconds.is_none_or(|seconds| seconds > LINK_SECONDS_MAX) {
        return Err(errors::bad_link(
            "X-Amz-Expires must be a number of seconds from 0 to 604800",
        ));
    }
    let list = list.replace("%3B", ";").replace("%3b", ";");
    covers(&parts.headers, &list, &UNSIGNED_IN_LINKS)
}

/// The value of a query parameter, as sent.
fn parameter<'a>(parts: &'a Parts, name: &str) -> Option<&'a str> {
    let query = parts.uri.query().unwrap_or_default();
    query
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .find_map(|(it, value)| (it == name).then_some(value))
}

fn covers(headers: &HeaderMap, list: &str, exempt: &[&str]) -> Result<(), S3Error> {
    let listed: Vec<&str> = list.split(';').collect();
    if !listed.contains(&"host") {
        return Err(s3_error!(AccessDenied, "the Host header is not signed"));
    }
    if listed.iter().any(|name| !headers.contains_key(*name)) {
        return Err(s3_error!(
            AccessDenied,
            "a header that was signed is missing"
        ));
    }
    let unsigned = headers.keys().map(|name| name.as_str()).find(|name| {
        name.starts_with("x-amz-") && !listed.contains(name) && !exempt.contains(name)
    });
    match unsigned {
        None => Ok(()),
        Some(_) => Err(s3_error!(
            AccessDenied,
            "There were headers present in the request which were not signed"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn passes(target: &str, headers: &[(&str, &str)]) -> bool {
        let mut request = Request::builder().uri(target).header("host", "x");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        check(&parts, crate::guards::proof(&parts)).is_ok()
    }

    #[test]
    fn in_headers() {
        let with = |list: &str, more: &[(&str, &str)]| {
            let value =
                format!("AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders={list}, Signature=c");
            let mut headers = vec![("authorization", value.as_str())];
            headers.extend_from_slice(more);
            passes("/b/k", &headers)
        };
        assert!(with("host", &[]));
        assert!(with("host;x-amz-acl", &[("x-amz-acl", "private")]));
        assert!(with("host", &[("range", "bytes=0-1")]));
        assert!(!with("host", &[("x-amz-acl", "public-read")]));
        assert!(!with("host;x-amz-acl", &[]));
        assert!(!with("x-amz-acl", &[("x-amz-acl", "private")]));
        assert!(!passes(
            "/b/k",
            &[("authorization", "AWS4-HMAC-SHA256 nonsense")]
        ));
    }

    #[test]
    fn in_links() {
        let link =
            "/b/k?X-Amz-Expires=604800&X-Amz-SignedHeaders=host%3Bx-amz-acl&X-Amz-Signature=x";
        assert!(passes(
            link,
            &[("x-amz-acl", "private"), ("x-amz-content-sha256", "x")]
        ));
        assert!(!passes(link, &[]));
        assert!(!passes(
            link,
            &[("x-amz-acl", "private"), ("x-amz-tagging", "x")]
        ));
    }
    #[test]
    fn encoded_names_are_refused() {
        let rest = "X-Amz-Expires=60&X-Amz-Signature=x";
        assert!(passes(
            &format!("/b/k?X-Amz-SignedHeaders=host&{rest}"),
            &[]
        ));
        for name in ["X-Amz-Signed%48eaders", "X-Amz+SignedHeaders", "x-%69d"] {
            let link = format!("/b/k?{name}=host&{rest}");
            assert!(!passes(&link, &[]), "{link}");
            let link = format!("/b/k?X-Amz-SignedHeaders=host&{rest}&{name}=host");
            assert!(!passes(&link, &[]), "{link}");
        }
        // In front of a header: s3s would go by the link.
        let header = "AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=c";
        assert!(!passes(
            "/b/k?X-Amz-%53ignature=x",
            &[("authorization", header)]
        ));
    }

    #[test]
    fn links_have_a_list_and_an_end() {
        assert!(!passes("/b/k?X-Amz-Expires=60&X-Amz-Signature=x", &[]));
        for expires in [
            "",
            "&X-Amz-Expires=604801",
            "&X-Amz-Expires=4294967297",
            "&X-Amz-Expires=-1",
            "&X-Amz-Expires=%36",
        ] {
            let link = format!("/b/k?X-Amz-SignedHeaders=host&X-Amz-Signature=x{expires}");
            assert!(!passes(&link, &[]), "{link}");
        }
        assert!(passes("/b/k?AWSAccessKeyId=a&Expires=1&Signature=x", &[]));
    }
}
