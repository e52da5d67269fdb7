//! Reads without a signature, answered in front of `s3s`: what a browser or a CDN sends.
//!
//! `GET` and `HEAD` of an object, if its ACL is `public-read` or the operator made the bucket's objects readable by anyone.
//! Nothing else: in particular no listing, ever, and no writing, which is refused before a byte of the body is read.
//!
//! An object that anyone may not read and one that does not exist answer alike, 403, so that nobody can probe for keys;
//! only in a bucket whose objects anyone may read is a missing one a 404. A bucket that does not exist is a 404, as in
//! S3.
//!
//! Pages of every origin may read the answers, refusals included, or a web client could not tell a missing picture from a
//! broken line. A refusal is not to be stored: a CDN asks for a picture while it is on its way here, and what it would
//! remember of the 404 outlives the moment. Asking again costs one look into an index.

use crate::address::Address;
use crate::attributes::DEFAULT_CONTENT_TYPE;
use crate::body::BlobBody;
use crate::conditions::{self, Verdict};
use crate::context::RequestContext;
use crate::door::Door;
use crate::errors;
use crate::preflight;
use crate::query;
use crate::range::{self, RangeSpec};
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LANGUAGE,
    CONTENT_LENGTH, CONTENT_RANGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, EXPIRES,
    HeaderName, HeaderValue, LAST_MODIFIED, RANGE, X_CONTENT_TYPE_OPTIONS,
};
use http::request::Parts;
use http::{HeaderMap, Method, Response, StatusCode};
use moraine_engine::{Acl, Bucket, Object};
use s3s::path::check_bucket_name;
use s3s::{Body, S3Error, S3Result, s3_error};
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

/// Why a read is refused.
struct Refused {
    error: S3Error,
    /// For a range that the object does not have: its size.
    size: Option<u64>,
}

impl From<S3Error> for Refused {
    fn from(error: S3Error) -> Self {
        Self { error, size: None }
    }
}

/// Answers a request without a signature. `refuse` makes an answer of an error.
pub async fn answer(
    door: &Door,
    parts: &Parts,
    address: &Address,
    context: &RequestContext,
    refuse: impl FnOnce(S3Error, &RequestContext) -> Response<Body>,
) -> Response<Body> {
    let result = match parts.method {
        Method::OPTIONS => preflight::answer(parts, context).map_err(Refused::from),
        Method::GET | Method::HEAD => {
            context.set_operation(OPERATION);
            read(door, parts, address, context).await
        }
        _ => Err(s3_error!(AccessDenied).into()),
    };
    result.unwrap_or_else(|Refused { error, size }| {
        let mut response = refuse(error, context);
        let headers = response.headers_mut();
        if let Some(size) = size {
            let range = range::content_range_unsatisfiable(size);
            set(headers, CONTENT_RANGE, &range);
        }
        harmless(headers);
        set(headers, CACHE_CONTROL, "no-store");
        response
    })
}

async fn read(
    door: &Door,
    parts: &Parts,
    address: &Address,
    context: &RequestContext,
) -> Result<Response<Body>, Refused> {
    let (Some(bucket), Some(key)) = (&address.bucket, &address.key) else {
        return Err(s3_error!(AccessDenied).into());
    };
    check_parameters(parts)?;
    let Some(bucket) = door.store.bucket(bucket) else {
        return Err(no_bucket(bucket).into());
    };
    if key.len() > KEY_BYTES_MAX {
        return Err(s3_error!(KeyTooLongError).into());
    }
    let object = find(door, context, &bucket, key.as_bytes()).await?;
    match conditions::judge(&parts.headers, &object.etag, object.modified_ms) {
        Verdict::Proceed => {}
        Verdict::NotModified => return Ok(not_modified(&object)),
        Verdict::Failed => return Err(s3_error!(PreconditionFailed).into()),
    }
    let range = select(&parts.headers, &object).map_err(|range::Unsatisfiable| Refused {
        error: s3_error!(InvalidRange),
        size: Some(object.size),
    })?;
    let head = parts.method == Method::HEAD;
    Ok(give(door, context, &object, range, head).await?)
}

/// Bytes of a key, as in S3.
const KEY_BYTES_MAX: usize = 1024;

fn no_bucket(name: &str) -> S3Error {
    if check_bucket_name(name) {
        s3_error!(NoSuchBucket)
    } else {
        s3_error!(InvalidBucketName)
    }
}

fn check_parameters(parts: &Parts) -> S3Result<()> {
    for name in query::names(parts) {
        if SUBRESOURCES.contains(&name) {
            return Err(s3_error!(AccessDenied));
        }
        if name.starts_with("response-") {
            return Err(s3_error!(
                InvalidRequest,
                "Request specific response headers cannot be used for anonymous GET requests."
            ));
        }
    }
    Ok(())
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
    harmless(headers);
}

/// The headers of every answer to a read: pages may have it, and it does nothing by itself.
fn harmless(headers: &mut HeaderMap) {
    preflight::allow_reading(headers);
    set(headers, X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(
        headers,
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; form-action 'none'; sandbox",
    );
}

fn not_modified(object: &Object) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    describe(response.headers_mut(), object);
    for name in [
        CONTENT_TYPE,
        CONTENT_DISPOSITION,
        CONTENT_ENCODING,
        CONTENT_LANGUAGE,
    ] {
        response.headers_mut().remove(name);
    }
    response
}

/// Sets a header. A stored value that cannot be a header's, which no write lets in, is left out.
fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
        headers.insert(name, value);
    }
}
