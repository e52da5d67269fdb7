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
use crate::body::BlobBody;
use crate::conditions::{self, Verdict};
use crate::context::RequestContext;
use crate::door::Door;
use crate::errors;
use crate::face::{Face, harmless, set};
use crate::preflight;
use crate::query;
use crate::range::{self, RangeSpec};
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, RANGE};
use http::request::Parts;
use http::{HeaderMap, Method, Response, StatusCode};
use moraine_engine::{Acl, Bucket, HotName, Object};
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
        Verdict::NotModified => return not_modified(&object).map_err(Refused::from),
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

/// Whether the object's own ACL lets anyone read it.
pub fn is_open(object: &Object) -> bool {
    object.attributes.acl == Acl::PublicRead
}

/// The object, if anyone may read it.
async fn find(
    door: &Door,
    context: &RequestContext,
    bucket: &Bucket,
    key: &[u8],
) -> S3Result<Arc<HotName>> {
    let found = door.store.find(bucket.id, key).await;
    match found {
        Ok(object) if bucket.public_read || is_open(&object) => Ok(object),
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
    object: &Arc<HotName>,
    range: Option<Range<u64>>,
    head: bool,
) -> S3Result<Response<Body>> {
    let bytes = range.clone().unwrap_or(0..object.size);
    let length = bytes.end - bytes.start;
    let body = if head {
        Body::empty()
    } else {
        let reader = door.read_found(context, object, bytes).await?;
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
    *headers = face(object)?.whole();
    if let Some(range) = range {
        headers.insert(CONTENT_LENGTH, length.into());
        set(
            headers,
            CONTENT_RANGE,
            &range::content_range(&range, object.size),
        );
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    Ok(response)
}

fn not_modified(object: &HotName) -> S3Result<Response<Body>> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    *response.headers_mut() = face(object)?.not_modified();
    Ok(response)
}

fn face(object: &HotName) -> S3Result<&Face> {
    object
        .annex(Face::of)
        .ok_or_else(|| s3_error!(InternalError, "the object's headers cannot be said"))
}
