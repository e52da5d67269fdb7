//! Reads without a signature, answered in front of `s3s`: what a browser or a CDN sends.
//!
//! `GET` and `HEAD` of `/BUCKET/KEY`, if the object's ACL is `public-read` or the operator made the bucket's objects
//! readable by anyone. Nothing else: in particular no listing, ever.
//!
//! An object that anyone may not read and one that does not exist answer alike, 403, so that nobody can probe for keys;
//! only in a bucket whose objects anyone may read is a missing one a 404. A bucket that does not exist is a 404, as in
//! S3.

use crate::attributes::DEFAULT_CONTENT_TYPE;
use crate::body::BlobBody;
use crate::conditions::{self, Verdict};
use crate::context::RequestContext;
use crate::door::Door;
use crate::errors;
use crate::guards;
use crate::range::{self, RangeSpec};
use http::header::{
    ACCEPT_RANGES, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, CACHE_CONTROL,
    CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, EXPIRES, HeaderName, HeaderValue, LAST_MODIFIED,
    RANGE, X_CONTENT_TYPE_OPTIONS,
};
use http::request::Parts;
use http::{HeaderMap, Method, Response, StatusCode};
use moraine_engine::{Acl, Bucket, Object};
use s3s::{Body, S3Result, s3_error};
use std::ops::Range;
use std::sync::Arc;

/// The operation's name in metrics and log lines.
pub const OPERATION: &str = "PublicRead";

/// Sub-resources of an object: asking for one is not reading the object. Other parameters are ignored, as in S3.
const SUBRESOURCES: [&str; 13] = [
    "acl",
    "attributes",
    "legal-hold",
    "partNumber",
    "restore",
    "retention",
    "select",
    "tagging",
    "torrent",
    "uploadId",
    "uploads",
    "versionId",
    "versions",
];

/// Answers a request without a signature.
pub async fn answer(
    door: &Door,
    parts: &Parts,
    context: &RequestContext,
) -> S3Result<Response<Body>> {
    let denied = || s3_error!(AccessDenied);
    let head = parts.method == Method::HEAD;
    if !head && parts.method != Method::GET {
        return Err(denied());
    }
    if guards::query_names(parts).any(is_subresource) {
        return Err(denied());
    }
    let (bucket, key) = split(parts.uri.path())?.ok_or_else(denied)?;
    context.set_operation(OPERATION);
    let bucket = door
        .store
        .bucket(&bucket)
        .ok_or_else(|| s3_error!(NoSuchBucket))?;
    let object = find(door, context, &bucket, &key).await?;
    match conditions::judge(&parts.headers, &object.etag, object.modified_ms) {
        Verdict::Proceed => {}
        Verdict::NotModified => return Ok(not_modified(&object)),
        Verdict::Failed => return Err(s3_error!(PreconditionFailed)),
    }
    let range = match select(&parts.headers, &object) {
        Ok(range) => range,
        Err(range::Unsatisfiable) => return Ok(unsatisfiable(&object)),
    };
    give(door, context, &object, range, head).await
}

fn is_subresource(name: &str) -> bool {
    SUBRESOURCES.contains(&name) || name.starts_with("response-")
}

/// The object, if anyone may read it.
async fn find(
    door: &Door,
    context: &RequestContext,
    bucket: &Bucket,
    key: &[u8],
) -> S3Result<Object> {
    let found = door.store.head(bucket.id, key).await;
    match found {
        Ok(object) if bucket.public_read || object.attributes.acl == Acl::PublicRead => Ok(object),
        Ok(_) | Err(moraine_engine::Error::NoSuchKey) if !bucket.public_read => {
            Err(s3_error!(AccessDenied))
        }
        Ok(_) => Err(s3_error!(AccessDenied)),
        Err(error) => Err(errors::from_engine(&error, context, &door.metrics)),
    }
}

fn select(
    headers: &HeaderMap,
    object: &Object,
) -> Result<Option<Range<u64>>, range::Unsatisfiable> {
    headers
        .get(RANGE)
        .and_then(|value| value.to_str().ok())
        .and_then(RangeSpec::parse)
        .filter(|_| conditions::range_applies(headers, &object.etag, object.modified_ms))
        .map(|spec| spec.resolve(object.size))
        .transpose()
}

async fn give(
    door: &Door,
    context: &RequestContext,
    object: &Object,
    range: Option<Range<u64>>,
    head: bool,
) -> S3Result<Response<Body>> {
    let bytes = range.clone().unwrap_or(0..object.size);
    let length = bytes.end - bytes.start;
    let body = if head {
        Body::empty()
    } else {
        let reader = door.read(context, object, bytes).await?;
        let body = BlobBody::start(
            reader,
            length,
            door.config.limits.read_wait,
            &context.id,
            Arc::clone(&door.metrics),
        )
        .await;
        Body::http_body_unsync(
            body.map_err(|error| errors::from_broken(&error, context, &door.metrics))?,
        )
    };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    describe(headers, object);
    set(headers, CONTENT_LENGTH, &length.to_string());
    if let Some(range) = range {
        set(
            headers,
            CONTENT_RANGE,
            &range::content_range(&range, object.size),
        );
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    Ok(response)
}

/// The headers of every answer that reveals an object. What clients uploaded is never given the rights of this origin:
/// no type is guessed, no script runs.
fn describe(headers: &mut HeaderMap, object: &Object) {
    let stored = &object.attributes;
    let content_type = stored
        .content_type
        .as_deref()
        .unwrap_or(DEFAULT_CONTENT_TYPE);
    set(headers, CONTENT_TYPE, content_type);
    for (name, value) in [
        (CACHE_CONTROL, &stored.cache_control),
        (CONTENT_DISPOSITION, &stored.content_disposition),
        (CONTENT_ENCODING, &stored.content_encoding),
        (CONTENT_LANGUAGE, &stored.content_language),
        (EXPIRES, &stored.expires),
    ] {
        if let Some(value) = value {
            set(headers, name, value);
        }
    }
    set(headers, ETAG, &format!("\"{}\"", object.etag));
    let modified = httpdate::fmt_http_date(conditions::seconds(object.modified_ms));
    set(headers, LAST_MODIFIED, &modified);
    set(headers, ACCEPT_RANGES, "bytes");
    set(headers, X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(
        headers,
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; form-action 'none'; sandbox",
    );
    set(headers, ACCESS_CONTROL_ALLOW_ORIGIN, "*");
    set(
        headers,
        ACCESS_CONTROL_EXPOSE_HEADERS,
        "Content-Length, Content-Range, ETag",
    );
}

fn not_modified(object: &Object) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    describe(response.headers_mut(), object);
    response.headers_mut().remove(CONTENT_TYPE);
    response
}

fn unsatisfiable(object: &Object) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
    let headers = response.headers_mut();
    set(
        headers,
        CONTENT_RANGE,
        &range::content_range_unsatisfiable(object.size),
    );
    set(headers, ACCESS_CONTROL_ALLOW_ORIGIN, "*");
    response
}

/// Sets a header. A stored value that cannot be a header's, which no write lets in, is left out.
fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
        headers.insert(name, value);
    }
}

/// The bucket and the key in a path. `None` if there is no key. A `%` that is not followed by two hexadecimal digits, and
/// what is not UTF-8 or holds a NUL, is refused.
fn split(path: &str) -> S3Result<Option<(String, Vec<u8>)>> {
    let bad = || s3_error!(InvalidURI);
    let path = path.strip_prefix('/').ok_or_else(bad)?;
    let Some((bucket, key)) = path.split_once('/').filter(|(_, key)| !key.is_empty()) else {
        return Ok(None);
    };
    let bucket = String::from_utf8(decode(bucket).ok_or_else(bad)?).map_err(|_| bad())?;
    let key = decode(key)
        .filter(|key| std::str::from_utf8(key).is_ok())
        .ok_or_else(bad)?;
    if key.contains(&0) {
        return Err(bad());
    }
    Ok(Some((bucket, key)))
}

/// The bytes of a percent-encoded text; `None` if a `%` is not followed by two hexadecimal digits.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let high = char::from(bytes.next()?).to_digit(16)?;
        let low = char::from(bytes.next()?).to_digit(16)?;
        out.push(u8::try_from(high * 16 + low).ok()?);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(path: &str) -> Option<(String, String)> {
        let (bucket, key) = split(path).ok()??;
        Some((bucket, String::from_utf8(key).unwrap()))
    }

    #[test]
    fn paths() {
        let is = |path, bucket: &str, key: &str| {
            assert_eq!(
                parsed(path),
                Some((bucket.to_owned(), key.to_owned())),
                "{path}"
            );
        };
        is("/b/k", "b", "k");
        is("/b/a%20b+c%2Fd//e/../f", "b", "a b+c/d//e/../f");
        is("/b/%C3%A9", "b", "\u{e9}");
        for path in [
            "/", "/b", "/b/", "/b/%", "/b/%4", "/b/%+1", "/b/%ff", "/b/a%00b", "b/k",
        ] {
            assert_eq!(parsed(path), None, "{path}");
        }
    }
}
