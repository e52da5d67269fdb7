//! UploadPartCopy: a part whose bytes are those of an object, or a range of it.
//!
//! The bytes are read and taken in like those of any part, because the part's ETag is their MD5. Nothing is written where
//! the extents of the source are cut alike, which they are if the range begins at a multiple of 1 MiB.

use super::copy_source;
use super::copying::{Content, or_late};
use super::intake::in_time;
use super::outgoing::{checksum_value, etag};
use super::part_checksums::Plan;
use super::upload_id;
use super::upload_part::{NOT_IMPLEMENTED, part_number};
use crate::attributes::refuse;
use crate::checksum::{Algorithm, Hasher};
use crate::conditions::seconds;
use crate::context::RequestContext;
use crate::door::Door;
use moraine_engine::{Bucket, Checksum, Object, Part, Upload};
use s3s::dto::{CopyPartResult, Timestamp, UploadPartCopyInput, UploadPartCopyOutput};
use s3s::{S3Request, S3Result, s3_error};
use std::ops::Range;
use std::sync::Arc;

/// Answers the request.
pub async fn run(
    door: &Door,
    context: &RequestContext,
    request: S3Request<UploadPartCopyInput>,
) -> S3Result<UploadPartCopyOutput> {
    let shared = RequestContext::of(&request)?;
    let (headers, input) = (request.headers, request.input);
    refuse(&headers, &NOT_IMPLEMENTED)?;
    let bucket = door.bucket(context, &input.bucket)?;
    let number = part_number(input.part_number)?;
    let upload = upload_id::find(door, context, &bucket, &input.key, &input.upload_id).await?;
    let source = copy_source::find(door, context, &headers).await?;
    let range = copy_source::range(&headers, source.size)?;
    let limit = door.config.limits.body_bytes_max;
    if range.end - range.start > limit {
        return Err(s3_error!(
            InvalidRequest,
            "The specified copy source is larger than the maximum allowable size for a copy source: \
             {limit}"
        ));
    }
    let work = Work {
        source,
        range,
        bucket,
        upload,
        number,
    };
    let (owned, owned_context) = (door.clone(), Arc::clone(&shared));
    let result = or_late(door, &shared, async move {
        work.run(&owned, &owned_context).await
    });
    Ok(UploadPartCopyOutput {
        copy_part_result: result.await?,
        ..Default::default()
    })
}

/// What is left to do once everything was checked.
struct Work {
    source: Object,
    range: Range<u64>,
    bucket: Bucket,
    upload: Upload,
    number: u16,
}

impl Work {
    async fn run(self, door: &Door, context: &RequestContext) -> S3Result<CopyPartResult> {
        let length = self.range.end - self.range.start;
        let (bucket, upload) = (self.bucket.id, self.upload.id);
        let writer = door
            .store
            .part_writer(bucket, upload, self.number, Some(length));
        let mut writer = writer.await.map_err(door.failed(context))?;
        let mut hasher = Hasher::default();
        if let Some(plan) = Plan::from_stored(&self.upload.attributes.checksums) {
            hasher.add(plan.algorithm);
        }
        let mut content = Content::open(door, context, &self.source, self.range).await?;
        while let Some(bytes) = content.next(door, context).await? {
            hasher.update(&bytes);
            in_time(door, context, writer.write(bytes)).await?;
        }
        drop(content);
        let blob = in_time(door, context, writer.finish()).await?;
        let checksums = hasher
            .finish()
            .into_iter()
            .map(|(algorithm, value)| Checksum {
                algorithm: algorithm.name().to_owned(),
                value,
                composite: false,
            })
            .collect();
        let part = door
            .store
            .put_part(bucket, upload, self.number, blob, checksums)
            .await
            .map_err(door.failed(context))?;
        Ok(result(&part))
    }
}

fn result(part: &Part) -> CopyPartResult {
    let value = |algorithm| checksum_value(&part.checksums, algorithm);
    CopyPartResult {
        checksum_crc32: value(Algorithm::Crc32),
        checksum_crc32c: value(Algorithm::Crc32c),
        checksum_crc64nvme: value(Algorithm::Crc64Nvme),
        checksum_sha1: value(Algorithm::Sha1),
        checksum_sha256: value(Algorithm::Sha256),
        e_tag: Some(etag(&part.etag)),
        last_modified: Some(Timestamp::from(seconds(part.modified_ms))),
    }
}
