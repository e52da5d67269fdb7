//! DeleteBucket: only an empty one.

use crate::context::RequestContext;
use crate::door::Door;
use s3s::dto::{DeleteBucketInput, DeleteBucketOutput};
use s3s::{S3Request, S3Result};

/// Answers the request.
pub async fn run(
    door: &Door,
    context: &RequestContext,
    request: S3Request<DeleteBucketInput>,
) -> S3Result<DeleteBucketOutput> {
    let bucket = door.bucket(context, &request.input.bucket)?;
    door.store
        .delete_bucket(bucket.id)
        .await
        .map_err(door.failed(context))?;
    Ok(DeleteBucketOutput::default())
}
