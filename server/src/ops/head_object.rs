//! HeadObject: what GetObject would say, without the bytes.

use super::outgoing::{Selected, checksum_type, checksum_value, etag};
use crate::attributes;
use crate::checksum::Algorithm;
use crate::conditions::seconds;
use crate::context::RequestContext;
use crate::door::Door;
use http::HeaderValue;
use http::header::EXPIRES;
use s3s::dto::{HeadObjectInput, HeadObjectOutput};
use s3s::{S3Request, S3Result, s3_error};

/// Answers the request.
pub async fn run(
    door: &Door,
    context: &RequestContext,
    request: S3Request<HeadObjectInput>,
) -> S3Result<HeadObjectOutput> {
    let input = request.input;
    check_overrides(&input)?;
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
    Ok(HeadObjectOutput {
        accept_ranges: Some("bytes".to_owned()),
        cache_control: input
            .response_cache_control
            .or_else(|| stored.cache_control.clone()),
        checksum_crc32: value(Algorithm::Crc32),
        checksum_crc32c: value(Algorithm::Crc32c),
        checksum_crc64nvme: value(Algorithm::Crc64Nvme),
        checksum_sha1: value(Algorithm::Sha1),
        checksum_sha256: value(Algorithm::Sha256),
        checksum_type: checksum_type(checksums),
        content_disposition: input
            .response_content_disposition
            .or_else(|| stored.content_disposition.clone()),
        content_encoding: input
            .response_content_encoding
            .or_else(|| stored.content_encoding.clone()),
        content_language: input
            .response_content_language
            .or_else(|| stored.content_language.clone()),
        content_length: Some(length),
        content_range: selected.content_range(),
        content_type: Some(
            input
                .response_content_type
                .unwrap_or_else(|| selected.content_type()),
        ),
        e_tag: Some(etag(&object.etag)),
        expires: input.response_expires,
        last_modified: Some(seconds(object.modified_ms).into()),
        metadata: attributes::metadata(stored),
        parts_count: selected.parts_count,
        storage_class: selected.storage_class(),
        ..Default::default()
    })
}

/// Refuses what no header can say, as `s3s` does for GetObject.
fn check_overrides(input: &HeadObjectInput) -> S3Result<()> {
    let overrides = [
        &input.response_cache_control,
        &input.response_content_disposition,
        &input.response_content_encoding,
        &input.response_content_language,
        &input.response_content_type,
    ];
    for value in overrides.into_iter().flatten() {
        HeaderValue::from_str(value)
            .map_err(|_| s3_error!(InvalidRequest, "invalid overridden header: {value:?}"))?;
    }
    Ok(())
}
