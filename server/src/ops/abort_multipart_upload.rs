//! AbortMultipartUpload: the parts are dead from here on.

use super::upload_id;
use crate::context::RequestContext;
use crate::door::Door;
use s3s::dto::{AbortMultipartUploadInput, AbortMultipartUploadOutput};
use s3s::{S3Request, S3Result};

/// Answers the request.
pub async fn run(
    door: &Door,
    context: &RequestContext,
    request: S3Request<AbortMultipartUploadInput>,
) -> S3Result<AbortMultipartUploadOutput> {
    let input = request.input;
    let bucket = door.bucket(context, &input.bucket)?;
    let upload = upload_id::find(door, context, &bucket, &input.key, &input.upload_id).await?;
    door.store
        .abort_upload(bucket.id, upload.id)
        .await
        .map_err(door.failed(context))?;
    Ok(AbortMultipartUploadOutput::default())
}
