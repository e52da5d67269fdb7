//! What is refused before `s3s` sees it, because `s3s` would take it, misread it or spend memory on it. Pure.

use crate::config::Limits;
use crate::errors;
use crate::signed_headers;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST, TRANSFER_ENCODING};
use http::request::Parts;
use http::{HeaderMap, Method};
use s3s::{S3Error, s3_error};

/// How a request proves who sends it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Proof {
    /// Not at all.
    None,
    /// An `Authorization` header.
    Header,
    /// A signature in the query.
    Query,
}

/// How the request proves who sends it: the presence of a signature, not its truth.
pub fn proof(parts: &Parts) -> Proof {
    if parts.headers.contains_key(AUTHORIZATION) {
        Proof::Header
    } else if signed_query(parts) {
        Proof::Query
    } else {
        Proof::None
    }
}

fn signed_query(parts: &Parts) -> bool {
    query_names(parts).any(|name| name == "X-Amz-Signature" || name == "Signature")
}

/// The names of the query's parameters, as sent.
pub fn query_names(parts: &Parts) -> impl Iterator<Item = &str> {
    parts
        .uri
        .query()
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').map_or(pair, |(name, _)| name))
}

/// Whether the body is coded as aws-chunked.
pub fn is_aws_chunked(headers: &HeaderMap) -> bool {
    headers
        .get("x-amz-content-sha256")
        .is_some_and(|value| value.as_bytes().starts_with(b"STREAMING-"))
}

/// Whether the hash of the plain body is given and signed.
pub fn has_payload_hash(headers: &HeaderMap) -> bool {
    headers
        .get("x-amz-content-sha256")
        .is_some_and(|value| value.len() == 64)
}

/// Sub-resources of an object that a `PUT` sets with an XML body.
const XML_OF_OBJECTS: [&str; 4] = ["acl", "legal-hold", "retention", "tagging"];

/// Whether the body would be the content of an object or a part: that of a `PUT` to a key, and not to something about it.
/// All others are XML.
pub fn is_content(parts: &Parts) -> bool {
    if query_names(parts).any(|name| XML_OF_OBJECTS.contains(&name)) {
        return false;
    }
    // s3s splits the path once it is decoded.
    let path = parts.uri.path().replace("%2F", "/").replace("%2f", "/");
    let path = path.trim_start_matches('/');
    let key = path.split_once('/').map_or("", |(_, key)| key);
    parts.method == Method::PUT && !key.is_empty()
}

/// The methods that S3 and browsers use.
const METHODS: [Method; 6] = [
    Method::GET,
    Method::HEAD,
    Method::PUT,
    Method::POST,
    Method::DELETE,
    Method::OPTIONS,
];

/// Refuses what must not reach `s3s`.
pub fn check(parts: &Parts) -> Result<(), S3Error> {
    check_shape(parts)?;
    check_headers(&parts.headers)?;
    if parts.method == Method::POST && is_form(&parts.headers) {
        // s3s gathers the file of a form in memory before it checks who sent it.
        return Err(s3_error!(NotImplemented, "POST forms are not implemented"));
    }
    if parts.headers.contains_key(AUTHORIZATION) && signed_query(parts) {
        return Err(s3_error!(
            InvalidArgument,
            "Only one auth mechanism allowed"
        ));
    }
    signed_headers::check(parts, proof(parts))
}

fn check_shape(parts: &Parts) -> Result<(), S3Error> {
    if !METHODS.contains(&parts.method) {
        return Err(s3_error!(MethodNotAllowed));
    }
    let target = parts.uri.path_and_query().map_or(0, |it| it.as_str().len());
    if target > Limits::TARGET_BYTES_MAX {
        return Err(s3_error!(InvalidURI, "the request's target is too long"));
    }
    if parts.uri.authority().is_some() || !parts.uri.path().starts_with('/') {
        return Err(s3_error!(InvalidURI, "the request's target is not a path"));
    }
    if !is_well_escaped(parts.uri.path()) {
        // s3s would keep the percent sign as it is.
        return Err(s3_error!(InvalidURI));
    }
    if climbs(parts.uri.path()) {
        return Err(s3_error!(
            InvalidURI,
            "the key has more .. than names in front of them"
        ));
    }
    if parts.headers.get_all(HOST).iter().count() != 1 {
        return Err(s3_error!(InvalidRequest, "a request has one Host header"));
    }
    Ok(())
}

/// Whether every percent sign is followed by two hexadecimal digits.
fn is_well_escaped(path: &str) -> bool {
    path.split('%').skip(1).all(|rest| {
        rest.as_bytes()
            .first_chunk::<2>()
            .is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    })
}

/// Whether a key climbs out of its bucket: read from the left, it has more `..` than other segments. S3 refuses those, and
/// what mirrors a bucket to a file system relies on that. All else in a key stands for itself.
fn climbs(path: &str) -> bool {
    let plain = path.replace("%2F", "/").replace("%2f", "/");
    let plain = plain.replace("%2E", ".").replace("%2e", ".");
    let key = plain.trim_start_matches('/').split('/').skip(1);
    let mut depth = 0_usize;
    for segment in key {
        match (segment, depth) {
            ("..", 0) => return true,
            ("..", _) => depth -= 1,
            _ => depth += 1,
        }
    }
    false
}

fn check_headers(headers: &HeaderMap) -> Result<(), S3Error> {
    let bytes: usize = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    if bytes > Limits::HEADER_BYTES_MAX {
        return Err(errors::headers_too_large());
    }
    if headers.contains_key(CONTENT_LENGTH) && headers.contains_key(TRANSFER_ENCODING) {
        return Err(s3_error!(InvalidRequest, "a body has one length"));
    }
    for name in [
        "x-amz-content-sha256",
        "x-amz-decoded-content-length",
        "x-amz-date",
    ] {
        if headers.get_all(name).iter().count() > 1 {
            return Err(s3_error!(InvalidRequest, "{name} is given more than once"));
        }
    }
    let mut authorizations = headers.get_all(AUTHORIZATION).iter();
    if let Some(value) = authorizations.next() {
        if authorizations.next().is_some() {
            return Err(s3_error!(
                InvalidArgument,
                "Only one auth mechanism allowed"
            ));
        }
        if !value.as_bytes().starts_with(b"AWS4-HMAC-SHA256") {
            // SigV2 in a header has no clock check in s3s.
            return Err(s3_error!(
                InvalidRequest,
                "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256."
            ));
        }
    }
    Ok(())
}

fn is_form(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|value| {
        let kind = value
            .as_bytes()
            .split(|byte| *byte == b';')
            .next()
            .unwrap_or_default();
        kind.trim_ascii()
            .eq_ignore_ascii_case(b"multipart/form-data")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn parts(method: &str, target: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder()
            .method(method)
            .uri(target)
            .header(HOST, "localhost");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn code(method: &str, target: &str, headers: &[(&str, &str)]) -> Option<String> {
        check(&parts(method, target, headers))
            .err()
            .map(|it| it.code().as_str().to_owned())
    }

    #[test]
    fn ordinary_requests_pass() {
        assert_eq!(code("GET", "/b/k?x=1", &[]), None);
        assert_eq!(
            code(
                "PUT",
                "/b/k",
                &[(
                    "authorization",
                    "AWS4-HMAC-SHA256 Credential=x, SignedHeaders=host, Signature=y"
                )]
            ),
            None
        );
        assert_eq!(
            code("POST", "/b?delete", &[("content-type", "application/xml")]),
            None
        );
    }

    #[test]
    fn refused() {
        let refused = |method, target, headers: &[(&str, &str)], expected: &str| {
            assert_eq!(code(method, target, headers).as_deref(), Some(expected));
        };
        refused(
            "POST",
            "/b",
            &[("content-type", "Multipart/Form-Data; boundary=x")],
            "NotImplemented",
        );
        refused(
            "GET",
            "/b",
            &[("authorization", "AWS AK:sig")],
            "InvalidRequest",
        );
        refused(
            "GET",
            "/b?X-Amz-Signature=x",
            &[("authorization", "AWS4-HMAC-SHA256 x")],
            "InvalidArgument",
        );
        refused(
            "PUT",
            "/b/k",
            &[("content-length", "1"), ("transfer-encoding", "chunked")],
            "InvalidRequest",
        );
        refused("GET", "http://other/b", &[], "InvalidURI");
        refused("OPTIONS", "*", &[], "InvalidURI");
        for method in ["TRACE", "CONNECT", "PATCH", "get", "PROPFIND"] {
            refused(method, "/b/k", &[], "MethodNotAllowed");
        }
        refused("GET", "/b", &[("host", "second")], "InvalidRequest");
        let large = "x".repeat(Limits::HEADER_BYTES_MAX);
        refused(
            "GET",
            "/b",
            &[("x", &large)],
            "RequestHeaderSectionTooLarge",
        );
        let long = format!("/b/{}", "k".repeat(Limits::TARGET_BYTES_MAX));
        refused("GET", &long, &[], "InvalidURI");
        for path in ["/b/a%zz", "/b/%", "/b/%4", "/b/%%41", "/b/%+1"] {
            refused("GET", path, &[], "InvalidURI");
        }
    }

    #[test]
    fn keys_do_not_climb_out_of_their_bucket() {
        for path in [
            "/b/a/../c",
            "/b/a/b/../../c",
            "/b/...",
            "/b/..a",
            "/b/a..",
            "/b//../k",
        ] {
            assert!(!climbs(path), "{path}");
        }
        for path in [
            "/b/..",
            "/b/../k",
            "/b/a/../../k",
            "/b/%2e%2E/k",
            "/b%2F..%2fk",
        ] {
            assert!(climbs(path), "{path}");
        }
        assert_eq!(code("PUT", "/b/../k", &[]).as_deref(), Some("InvalidURI"));
    }

    #[test]
    fn only_a_put_to_a_key_has_content() {
        let content = |method, target| is_content(&parts(method, target, &[]));
        assert!(content("PUT", "/b/k?uploadId=1"));
        assert!(content("PUT", "/b%2Fk"));
        for (method, target) in [
            ("PUT", "/b"),
            ("PUT", "/b/"),
            ("PUT", "/b%2f"),
            ("POST", "/b/k"),
            ("PUT", "/b/k?acl"),
            ("PUT", "/b/k?x-id=PutObjectTagging&tagging="),
        ] {
            assert!(!content(method, target), "{method} {target}");
        }
    }

    #[test]
    fn proofs() {
        assert_eq!(
            proof(&parts("GET", "/b/k?X-Amz-Signatures=1", &[])),
            Proof::None
        );
        assert_eq!(
            proof(&parts("GET", "/b/k?a=b&X-Amz-Signature=1", &[])),
            Proof::Query
        );
        assert_eq!(proof(&parts("GET", "/b/k?Signature=1", &[])), Proof::Query);
        assert_eq!(
            proof(&parts("GET", "/b/k", &[("authorization", "x")])),
            Proof::Header
        );
    }
}
