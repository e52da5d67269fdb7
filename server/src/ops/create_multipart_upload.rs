//! CreateMultipartUpload: keeps the attributes that the object will have, and which checksum it will carry.

use super::part_checksums::Plan;
use crate::attributes;
use crate::context::RequestContext;
use crate::door::Door;
use s3s::dto::{CreateMultipartUploadInput, CreateMultipartUploadOutput};
use s3s::{S3Request, S3Result};

/// Answers the request.
pub async fn run(
    door: &Door,
    context: &RequestContext,
    request: S3Request<CreateMultipartUploadInput>,
) -> S3Result<CreateMultipartUploadOutput> {
    let input = request.input;
    let bucket = door.bucket(context, &input.bucket)?;
    let mut attributes = attributes::from_request(&request.headers, bucket.tenant)?;
    let plan = Plan::from_request(
        input.checksum_algorithm.as_ref().map(|it| it.as_str()),
        input.checksum_type.as_ref().map(|it| it.as_str()),
    )?;
    attributes.checksums = plan.map(Plan::to_stored).into_iter().collect();
    let upload = door
        .store
        .create_upload(bucket.id, input.key.as_bytes(), attributes)
        .await
        .map_err(door.failed(context))?;
    Ok(CreateMultipartUploadOutput {
        bucket: Some(input.bucket),
        checksum_algorithm: plan.map(|plan| plan.algorithm.name().to_owned().into()),
        checksum_type: plan.map(Plan::kind),
        key: Some(input.key),
        upload_id: Some(upload.to_string()),
        ..Default::default()
    })
}
