//! DeleteObject: 204, whether or not there was an object.

use crate::attributes::{delete_condition, refuse};
use crate::context::RequestContext;
use crate::door::Door;
use crate::versions;
use s3s::dto::{DeleteObjectInput, DeleteObjectOutput};
use s3s::{S3Request, S3Result};

/// Answers the request.
pub async fn run(
    door: &Door,
    context: &RequestContext,
    request: S3Request<DeleteObjectInput>,
) -> S3Result<DeleteObjectOutput> {
    refuse(
        &request.headers,
        &["x-amz-if-match-last-modified-time", "x-amz-if-match-size"],
    )?;
    let input = request.input;
    let bucket = door.bucket(context, &input.bucket)?;
    versions::check(input.version_id.as_deref())?;
    let condition = delete_condition(&request.headers)?;
    door.store
        .delete(bucket.id, input.key.as_bytes(), condition)
        .await
        .map_err(door.failed(context))?;
    Ok(DeleteObjectOutput::default())
}
