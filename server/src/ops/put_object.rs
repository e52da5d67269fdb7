//! PutObject: answers 200 once the bytes were checked against everything the client said, and are durable.

use super::intake::Intake;
use super::outgoing::{checksum_value, etag};
use crate::attributes;
use crate::checksum::Algorithm;
use crate::context::RequestContext;
use crate::door::Door;
use s3s::dto::{ChecksumType, PutObjectInput, PutObjectOutput};
use s3s::{S3Request, S3Result};

/// Answers the request.
pub async fn run(
    door: &Door,
    context: &RequestContext,
    mut request: S3Request<PutObjectInput>,
) -> S3Result<PutObjectOutput> {
    let body = request.input.body.take();
    let intake = Intake::new(door, context, &request, None)?;
    let input = request.input;
    let bucket = door.bucket(context, &input.bucket)?;
    let condition = attributes::condition(&request.headers)?;
    let mut attributes = attributes::from_request(&request.headers, bucket.tenant)?;
    let writer = door.store.blob_writer(intake.length());
    let received = intake.receive(door, context, body, writer).await?;
    attributes.checksums = received.checksums;
    let object = door
        .store
        .put(
            bucket.id,
            input.key.as_bytes(),
            received.blob,
            attributes,
            condition,
        )
        .await
        .map_err(door.failed(context))?;
    let checksums = &object.attributes.checksums;
    let value = |algorithm| checksum_value(checksums, algorithm);
    Ok(PutObjectOutput {
        checksum_crc32: value(Algorithm::Crc32),
        checksum_crc32c: value(Algorithm::Crc32c),
        checksum_crc64nvme: value(Algorithm::Crc64Nvme),
        checksum_sha1: value(Algorithm::Sha1),
        checksum_sha256: value(Algorithm::Sha256),
        checksum_type: (!checksums.is_empty())
            .then(|| ChecksumType::from_static(ChecksumType::FULL_OBJECT)),
        e_tag: Some(etag(&object.etag)),
        ..Default::default()
    })
}
