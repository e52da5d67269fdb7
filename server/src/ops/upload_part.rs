//! UploadPart: like PutObject, under the part's number. Parts come in any order and may be replaced.

use super::intake::Intake;
use super::outgoing::{checksum_value, etag};
use super::part_checksums::Plan;
use super::upload_id;
use crate::attributes::refuse;
use crate::checksum::Algorithm;
use crate::config::Limits;
use crate::context::RequestContext;
use crate::door::Door;
use s3s::dto::{UploadPartInput, UploadPartOutput};
use s3s::{S3Request, S3Result, s3_error};

/// The keys of encryption that a client would have to hand over.
pub const NOT_IMPLEMENTED: [&str; 3] = [
    "x-amz-server-side-encryption-customer-algorithm",
    "x-amz-server-side-encryption-customer-key",
    "x-amz-server-side-encryption-customer-key-md5",
];

/// Answers the request.
pub async fn run(
    door: &Door,
    context: &RequestContext,
    mut request: S3Request<UploadPartInput>,
) -> S3Result<UploadPartOutput> {
    refuse(&request.headers, &NOT_IMPLEMENTED)?;
    let body = request.input.body.take();
    let bucket = door.bucket(context, &request.input.bucket)?;
    let number = part_number(request.input.part_number)?;
    let upload = upload_id::find(
        door,
        context,
        &bucket,
        &request.input.key,
        &request.input.upload_id,
    )
    .await?;
    let plan = Plan::from_stored(&upload.attributes.checksums);
    let intake = Intake::new(door, context, &request, plan.map(|plan| plan.algorithm))?;
    let writer = door
        .store
        .part_writer(bucket.id, upload.id, number, intake.length())
        .await
        .map_err(door.failed(context))?;
    let received = intake.receive(door, context, body, writer).await?;
    let part = door
        .store
        .put_part(
            bucket.id,
            upload.id,
            number,
            received.blob,
            received.checksums,
        )
        .await
        .map_err(door.failed(context))?;
    let value = |algorithm| checksum_value(&part.checksums, algorithm);
    Ok(UploadPartOutput {
        checksum_crc32: value(Algorithm::Crc32),
        checksum_crc32c: value(Algorithm::Crc32c),
        checksum_crc64nvme: value(Algorithm::Crc64Nvme),
        checksum_sha1: value(Algorithm::Sha1),
        checksum_sha256: value(Algorithm::Sha256),
        e_tag: Some(etag(&part.etag)),
        ..Default::default()
    })
}

/// A part's number as the engine has it.
pub fn part_number(number: i32) -> S3Result<u16> {
    u16::try_from(number)
        .ok()
        .filter(|number| (1..=Limits::PARTS_MAX).contains(number))
        .ok_or_else(|| {
            s3_error!(
                InvalidArgument,
                "Part number must be an integer between 1 and 10000, inclusive"
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn part_numbers() {
        assert_eq!(part_number(1).ok(), Some(1));
        assert_eq!(part_number(10_000).ok(), Some(10_000));
        for number in [0, -1, 10_001, 65_537] {
            assert!(part_number(number).is_err());
        }
    }
}
