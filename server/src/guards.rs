//! What is refused before `s3s` sees it, because `s3s` would take it, misread it or spend memory on it. Pure.

use crate::address::{Address, percent_decoded};
use crate::config::Limits;
use crate::errors;
use crate::query;
use crate::signature;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST, TRANSFER_ENCODING};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method};
use s3s::{S3Error, s3_error};
use std::time::SystemTime;

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

/// How the request proves who sends it: the presence of a signature, not its truth. A preflight question proves nothing,
/// even if it is about a signed link.
pub fn proof(parts: &Parts) -> Proof {
    if parts.method == Method::OPTIONS {
        Proof::None
    } else if parts.headers.contains_key(AUTHORIZATION) {
        Proof::Header
    } else if signature::in_query(parts) {
        Proof::Query
    } else {
        Proof::None
    }
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
pub fn is_content(parts: &Parts, address: &Address) -> bool {
    parts.method == Method::PUT
        && address.key.is_some()
        && !query::names(parts).any(|name| XML_OF_OBJECTS.contains(&name))
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

/// Refuses what must not reach `s3s`. `now` is the time of the request's arrival.
pub fn check(parts: &Parts, now: SystemTime) -> Result<(), S3Error> {
    check_shape(parts)?;
    check_head(parts)?;
    signature::check(parts, proof(parts), now)
}

/// Refuses headers that must not reach `s3s`. A link may bring more of them in its query, so they are looked at again once
/// those are in their place.
pub fn check_head(parts: &Parts) -> Result<(), S3Error> {
    check_headers(&parts.headers)?;
    if parts.method == Method::POST && is_form(&parts.headers) {
        // s3s gathers the file of a form in memory before it checks who sent it.
        return Err(s3_error!(NotImplemented, "POST forms are not implemented"));
    }
    Ok(())
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
    if percent_decoded(parts.uri.path()).is_none() {
        // s3s would keep the percent sign as it is.
        return Err(s3_error!(InvalidURI));
    }
    let mut hosts = parts.headers.get_all(HOST).iter();
    match (hosts.next().map(HeaderValue::to_str), hosts.next()) {
        (Some(Ok(_)), None) => Ok(()),
        _ => Err(s3_error!(InvalidRequest, "a request has one Host header")),
    }
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
        check_scheme(value.as_bytes())?;
    }
    Ok(())
}

fn check_scheme(authorization: &[u8]) -> Result<(), S3Error> {
    if authorization.starts_with(b"AWS4-HMAC-SHA256") {
        Ok(())
    } else if authorization.starts_with(b"AWS ") {
        // SigV2 in a header has no clock check in s3s.
        Err(s3_error!(
            InvalidRequest,
            "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256."
        ))
    } else {
        Err(s3_error!(InvalidArgument, "Unsupported Authorization Type"))
    }
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
        check(&parts(method, target, headers), SystemTime::UNIX_EPOCH)
            .err()
            .map(|it| it.code().as_str().to_owned())
    }

    #[test]
    fn ordinary_requests_pass() {
        assert_eq!(code("GET", "/b/k?x=1", &[]), None);
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
        for scheme in ["Basic QUs6U0s=", "Bearer x", "x", ""] {
            let header = ("authorization", scheme);
            refused("GET", "/b", &[header], "InvalidArgument");
        }
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
    fn only_a_put_to_a_key_has_content() {
        let content = |method, query: &str, key: Option<&str>| {
            let address = Address {
                bucket: Some("b".to_owned()),
                key: key.map(str::to_owned),
            };
            is_content(&parts(method, &format!("/?{query}"), &[]), &address)
        };
        assert!(content("PUT", "", Some("k")));
        assert!(content("PUT", "uploadId=1", Some("k")));
        assert!(!content("PUT", "", None));
        assert!(!content("POST", "", Some("k")));
        assert!(!content("PUT", "acl", Some("k")));
        assert!(!content("PUT", "x-id=PutObjectTagging&tagging=", Some("k")));
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
        assert_eq!(
            proof(&parts("OPTIONS", "/b/k?X-Amz-Signature=1", &[])),
            Proof::None
        );
    }
}
