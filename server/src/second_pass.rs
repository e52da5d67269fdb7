//! Requests with a header that S3 takes and `s3s` would refuse: their headers are put aside, and they pass `s3s` again.
//!
//! `s3s` reads the headers of a request into types, and answers 400 where one does not parse: a `Range` of two ranges, a
//! date that is none, a list of ETags, an `Expires` that is no date, metadata in another charset or given twice, a copy
//! from a bucket with a short name. S3 ignores the first two and takes the others. Signatures cover those headers, so they cannot be taken away before the
//! signature was checked; and between that check and the reading `s3s` lets nobody change a request. But it does let a
//! route take a request over. So: once the signature was found true, such a request goes, without the offending headers and
//! without its signature, through a second `s3s` that checks none, with a proof that only this file can make; the access
//! check takes that proof for the signature. The operation then gets the headers as they were ([`restore`]).
//!
//! A body with keys to delete goes that way too: once it was gathered, and its digests were found true, references to the
//! characters that `s3s` takes for none are resolved in it.

use crate::body::without_high_references;
use crate::config::Limits;
use crate::context::RequestContext;
use bytes::Bytes;
use http::header::{
    AUTHORIZATION, CONTENT_LENGTH, EXPIRES, HeaderName, HeaderValue, IF_MATCH, IF_MODIFIED_SINCE,
    IF_NONE_MATCH, IF_UNMODIFIED_SINCE, RANGE,
};
use http::{Extensions, HeaderMap, Method, Request, Uri};
use moraine_engine::Store;
use s3s::dto::{CopySource, ETagCondition, Range, Timestamp, TimestampFormat};
use s3s::route::S3Route;
use s3s::service::S3Service;
use s3s::{Body, S3Request, S3Response, S3Result, TrailingHeaders, s3_error};
use std::sync::Arc;

const COPY_SOURCE: HeaderName = HeaderName::from_static("x-amz-copy-source");

/// That the first pass found the signature of this key true.
#[derive(Clone)]
pub struct Verified {
    access_key: String,
}

impl Verified {
    /// Whose key signed the request.
    pub fn access_key(&self) -> &str {
        &self.access_key
    }
}

/// What the second pass does not see.
#[derive(Clone)]
struct Original {
    headers: HeaderMap,
    trailing: Option<TrailingHeaders>,
}

/// Gives a request that passed twice what it had at first.
pub fn restore<T>(request: &mut S3Request<T>) {
    if let Some(original) = request.extensions.remove::<Original>() {
        request.headers = original.headers;
        request.trailing_headers = original.trailing;
    }
}

/// Takes over the requests that need it.
pub struct SecondPass {
    /// Checks no signatures.
    pub s3: S3Service,
    /// Knows whose a key is.
    pub store: Store,
}

#[async_trait::async_trait]
impl S3Route for SecondPass {
    fn is_match(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        _: &mut Extensions,
    ) -> bool {
        !offending(method, headers).is_empty() || is_batch(method, uri)
    }

    async fn call(&self, mut request: S3Request<Body>) -> S3Result<S3Response<Body>> {
        let denied = || s3_error!(AccessDenied);
        let credentials = request.credentials.ok_or_else(denied)?;
        let key = self.store.access_key(&credentials.access_key);
        // Before the body, whose memory is of the tenant's share.
        if let (Some(context), Some(key)) = (request.extensions.get::<Arc<RequestContext>>(), key) {
            context.set_tenant(key.tenant);
        }
        let mut headers = request.headers.clone();
        if is_batch(&request.method, &request.uri) {
            let document = gathered(&mut request.input).await?;
            let document = without_high_references(document);
            if headers.contains_key(CONTENT_LENGTH) {
                headers.insert(CONTENT_LENGTH, HeaderValue::from(document.len()));
            }
            request.input = Body::from(document);
        }
        for name in offending(&request.method, &headers) {
            if name == COPY_SOURCE {
                // It tells a copy from a put; which source it is, the operation reads in the original.
                headers.insert(name, HeaderValue::from_static("bucket/key"));
            } else {
                headers.remove(name);
            }
        }
        headers.remove(AUTHORIZATION);
        let mut again = Request::new(request.input);
        *again.method_mut() = request.method;
        *again.uri_mut() = unsigned(&request.uri)?;
        *again.headers_mut() = headers;
        *again.extensions_mut() = request.extensions;
        again.extensions_mut().insert(Verified {
            access_key: credentials.access_key,
        });
        again.extensions_mut().insert(Original {
            headers: request.headers,
            trailing: request.trailing_headers,
        });
        let answer = self.s3.call(again).await;
        let answer = answer.map_err(|_| s3_error!(InternalError, "the S3 service failed"))?;
        let (parts, body) = answer.into_parts();
        let mut response = S3Response::with_headers(body, parts.headers);
        response.status = Some(parts.status);
        Ok(response)
    }
}

/// Whether the body holds keys.
fn is_batch(method: &Method, uri: &Uri) -> bool {
    let mut pairs = uri.query().unwrap_or_default().split('&');
    method == Method::POST && pairs.any(|pair| pair == "delete" || pair.starts_with("delete="))
}

/// All of the body, whose digests are held against it on its way. What is wrong with one that cannot be gathered is in the
/// request's context, as where `s3s` gathers it.
async fn gathered(body: &mut Body) -> S3Result<Bytes> {
    let bytes = body.store_all_limited(Limits::XML_BYTES_MAX).await;
    bytes.map_err(|_| s3_error!(InternalError, "the body could not be gathered"))
}

/// The target without a signature.
fn unsigned(uri: &Uri) -> S3Result<Uri> {
    let Some(query) = uri.query() else {
        return Ok(uri.clone());
    };
    let is_signature = |pair: &&str| {
        let name = pair.split_once('=').map_or(*pair, |(name, _)| name);
        !matches!(name, "X-Amz-Signature" | "Signature")
    };
    let left: Vec<&str> = query.split('&').filter(is_signature).collect();
    format!("{}?{}", uri.path(), left.join("&"))
        .parse()
        .map_err(|_| s3_error!(InvalidURI))
}

/// The headers that `s3s` would refuse.
fn offending(method: &Method, headers: &HeaderMap) -> Vec<HeaderName> {
    let reads = [IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE];
    let writes = [
        EXPIRES,
        HeaderName::from_static("x-amz-copy-source-if-modified-since"),
        HeaderName::from_static("x-amz-copy-source-if-unmodified-since"),
    ];
    let etags = [
        IF_MATCH,
        IF_NONE_MATCH,
        HeaderName::from_static("x-amz-copy-source-if-match"),
        HeaderName::from_static("x-amz-copy-source-if-none-match"),
    ];
    let mut found = Vec::new();
    let mut check = |name: HeaderName, parses: fn(&[u8]) -> bool| {
        let mut values = headers.get_all(&name).iter();
        if values.any(|value| !value.is_empty() && !parses(value.as_bytes())) {
            found.push(name);
        }
    };
    if matches!(*method, Method::GET | Method::HEAD) {
        check(RANGE, is_range);
        reads.into_iter().for_each(|name| check(name, is_date));
    } else {
        writes.into_iter().for_each(|name| check(name, is_date));
        let metadata = headers.keys().cloned();
        let metadata = metadata.filter(|name| name.as_str().starts_with("x-amz-meta-"));
        metadata.for_each(|name| check(name, is_plain));
        check(COPY_SOURCE, is_source);
    }
    etags.into_iter().for_each(|name| check(name, is_etag));
    let twice = |name: &&HeaderName| {
        name.as_str().starts_with("x-amz-meta-") && headers.get_all(*name).iter().count() > 1
    };
    found.extend(headers.keys().filter(twice).cloned());
    found
}

fn is_range(value: &[u8]) -> bool {
    std::str::from_utf8(value).is_ok_and(|text| Range::parse(text).is_ok())
}

fn is_date(value: &[u8]) -> bool {
    let text = std::str::from_utf8(value);
    text.is_ok_and(|text| Timestamp::parse(TimestampFormat::HttpDate, text).is_ok())
}

fn is_etag(value: &[u8]) -> bool {
    ETagCondition::parse_http_header(value).is_ok()
}

fn is_source(value: &[u8]) -> bool {
    std::str::from_utf8(value).is_ok_and(|text| CopySource::parse(text).is_ok())
}

/// Whether `s3s` will not try to decode it. What is not UTF-8 it refuses, and so does the operation.
fn is_plain(value: &[u8]) -> bool {
    !value.trim_ascii().starts_with(b"=?")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(method: Method, headers: &[(&'static str, &str)]) -> usize {
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
        offending(&method, &headers.collect()).len()
    }

    #[test]
    fn ordinary_requests_pass_once() {
        let date = "Fri, 01 Jan 2100 00:00:00 GMT";
        let read = [
            ("range", "bytes=0-4"),
            ("if-modified-since", date),
            ("if-none-match", "\"abc\""),
            ("if-match", "*"),
            ("accept", "*/*"),
        ];
        assert_eq!(found(Method::GET, &read), 0);
        let write = [
            ("expires", date),
            ("x-amz-meta-a", "b"),
            ("if-none-match", "*"),
            ("range", "nonsense"),
        ];
        assert_eq!(found(Method::PUT, &write), 0);
    }

    #[test]
    fn what_s3s_would_refuse_passes_twice() {
        for (name, value) in [
            ("range", "bytes=0-1,3-4"),
            ("range", "Bytes=0-"),
            ("if-modified-since", "yesterday"),
            ("if-none-match", "a, b"),
        ] {
            assert_eq!(found(Method::HEAD, &[(name, value)]), 1, "{name}");
        }
        for (name, value) in [
            ("expires", "0"),
            ("x-amz-meta-a", "=?ISO-8859-1?Q?caf=E9?="),
            ("x-amz-copy-source-if-unmodified-since", "0"),
            ("x-amz-copy-source", "b/k"),
        ] {
            assert_eq!(found(Method::PUT, &[(name, value)]), 1, "{name}");
        }
    }

    #[test]
    fn only_batches_have_keys_in_their_bodies() {
        let batch = |method, uri: &str| is_batch(&method, &uri.parse().unwrap());
        assert!(batch(Method::POST, "/b?delete"));
        assert!(batch(Method::POST, "/b?x-id=DeleteObjects&delete="));
        assert!(!batch(Method::POST, "/b?deleted"));
        assert!(!batch(Method::POST, "/b/k?uploads"));
        assert!(!batch(Method::GET, "/b?delete"));
    }

    #[test]
    fn the_signature_is_taken_out_of_the_target() {
        let stripped = |uri: &str| unsigned(&uri.parse().unwrap()).unwrap().to_string();
        assert_eq!(stripped("/b/k"), "/b/k");
        assert_eq!(
            stripped("/b/k%20?a=1&X-Amz-Signature=x&b=%20"),
            "/b/k%20?a=1&b=%20"
        );
        assert_eq!(stripped("/b/k?Signature=x&Expires=1"), "/b/k?Expires=1");
    }
}
