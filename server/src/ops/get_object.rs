//! GetObject: all of an object, or one range or part of it. `s3s` applies the `response-*` parameters.

use super::outgoing::{Selected, checksum_type, checksum_value, etag};
use crate::attributes;
use crate::body::BlobBody;
use crate::checksum::Algorithm;
use crate::conditions::seconds;
use crate::context::RequestContext;
use crate::door::Door;
use crate::errors;
use http::header::EXPIRES;
use s3s::dto::{GetObjectInput, GetObjectOutput, StreamingBlob};
use s3s::{Body, S3Request, S3Result, s3_error};
use std::sync::Arc;

/// Answers the request.
pub async fn run(
    door: &Door,
    context: &RequestContext,
    request: S3Request<GetObjectInput>,
) -> S3Result<GetObjectOutput> {
    let input = request.input;
    let selected = Selected::find(
        door,
        context,
        &request.headers,
        (&input.bucket, &input.key),
        input.version_id.as_deref(),
        input.part_number,
    )
    .await?;
    let object = &selected.object;
    let range = selected.range.clone().unwrap_or(0..object.size);
    let reader = door.read_found(context, object, range).await?;
    let body = BlobBody::start(
        reader,
        selected.length(),
        door.config.limits.read_wait,
        &context.id,
        Arc::clone(&door.metrics),
    )
    .await
    .map_err(|error| errors::from_broken(&error, context, &door.metrics))?;
    let checksums = selected.checksums(input.checksum_mode.as_ref().map(|it| it.as_str()));
    let value = |algorithm| checksum_value(checksums, algorithm);
    let stored = &object.attributes;
    let length = i64::try_from(selected.length())
        .map_err(|_| s3_error!(InternalError, "the object's length cannot be said"))?;
    if input.response_expires.is_none()
        && let Some(expires) = attributes::expires(stored)
    {
        context.set_verbatim(EXPIRES, expires);
    }
    Ok(GetObjectOutput {
        accept_ranges: Some("bytes".to_owned()),
        body: Some(StreamingBlob::from(Body::http_body_unsync(body))),
        cache_control: stored.cache_control.clone(),
        checksum_crc32: value(Algorithm::Crc32),
        checksum_crc32c: value(Algorithm::Crc32c),
        checksum_crc64nvme: value(Algorithm::Crc64Nvme),
        checksum_sha1: value(Algorithm::Sha1),
        checksum_sha256: value(Algorithm::Sha256),
        checksum_type: checksum_type(checksums),
        content_disposition: stored.content_disposition.clone(),
        content_encoding: stored.content_encoding.clone(),
        content_language: stored.content_language.clone(),
        content_length: Some(length),
        content_range: selected.content_range(),
        content_type: Some(selected.content_type()),
        e_tag: Some(etag(&object.etag)),
        last_modified: Some(seconds(object.modified_ms).into()),
        metadata: attributes::metadata(stored),
        parts_count: selected.parts_count,
        storage_class: selected.storage_class(),
        ..Default::default()
    })
}
