//! ListParts: the parts of an upload that are durable, by number.

use super::listing;
use super::outgoing::{checksum_value, etag};
use super::part_checksums::Plan;
use super::upload_id;
use crate::checksum::Algorithm;
use crate::conditions::seconds;
use crate::context::RequestContext;
use crate::door::Door;
use s3s::dto::{ChecksumAlgorithm, Initiator, ListPartsInput, ListPartsOutput, Part, StorageClass};
use s3s::{S3Request, S3Result, s3_error};

/// Answers the request.
pub async fn run(
    door: &Door,
    context: &RequestContext,
    request: S3Request<ListPartsInput>,
) -> S3Result<ListPartsOutput> {
    let input = request.input;
    let bucket = door.bucket(context, &input.bucket)?;
    let upload = upload_id::find(door, context, &bucket, &input.key, &input.upload_id).await?;
    let limit = listing::page_size(input.max_parts, "max-parts")?;
    let marker = input.part_number_marker.unwrap_or(0);
    let after = marker_number(marker)?;
    listing::turn(door, context).await?;
    let mut parts = Vec::new();
    if limit > 0 {
        // One more than the page holds says whether there is a next one.
        parts = door
            .store
            .parts(bucket.id, upload.id, after, limit + 1)
            .await
            .map_err(door.failed(context))?;
    }
    let is_truncated = parts.len() > limit;
    parts.truncate(limit);
    let last = parts.last().map(|part| i32::from(part.number));
    let plan = Plan::from_stored(&upload.attributes.checksums);
    let owner = listing::owner(door, context)?;
    let class = upload.attributes.storage_class;
    Ok(ListPartsOutput {
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(input.upload_id),
        part_number_marker: Some(marker),
        // As in S3, whether or not there is a next page.
        next_part_number_marker: Some(last.unwrap_or(0)),
        max_parts: Some(listing::count(limit)),
        is_truncated: Some(is_truncated),
        parts: Some(parts.into_iter().map(entry_of).collect::<S3Result<_>>()?),
        checksum_algorithm: plan.map(|it| ChecksumAlgorithm::from_static(it.algorithm.name())),
        checksum_type: plan.map(Plan::kind),
        initiator: Some(Initiator {
            display_name: owner.display_name.clone(),
            id: owner.id.clone(),
        }),
        owner: Some(owner),
        storage_class: Some(StorageClass::from(
            class.unwrap_or_else(|| StorageClass::STANDARD.to_owned()),
        )),
        ..Default::default()
    })
}

/// The part number that a page begins behind. Above the largest there is nothing.
fn marker_number(marker: i32) -> S3Result<u16> {
    if marker < 0 {
        return Err(s3_error!(
            InvalidArgument,
            "Argument part-number-marker must be an integer between 0 and 2147483647"
        ));
    }
    Ok(u16::try_from(marker).unwrap_or(u16::MAX))
}

fn entry_of(part: moraine_engine::Part) -> S3Result<Part> {
    let checksum = |algorithm| checksum_value(&part.checksums, algorithm);
    Ok(Part {
        checksum_crc32: checksum(Algorithm::Crc32),
        checksum_crc32c: checksum(Algorithm::Crc32c),
        checksum_crc64nvme: checksum(Algorithm::Crc64Nvme),
        checksum_sha1: checksum(Algorithm::Sha1),
        checksum_sha256: checksum(Algorithm::Sha256),
        e_tag: Some(etag(&part.etag)),
        last_modified: Some(seconds(part.modified_ms).into()),
        part_number: Some(i32::from(part.number)),
        size: Some(listing::size(part.size)?),
    })
}
