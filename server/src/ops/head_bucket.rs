//! HeadBucket: does it exist, and is it mine?

use crate::context::RequestContext;
use crate::door::Door;
use s3s::dto::{HeadBucketInput, HeadBucketOutput};
use s3s::{S3Request, S3Result};

/// Answers the request.
pub async fn run(
    door: &Door,
    context: &RequestContext,
    request: S3Request<HeadBucketInput>,
) -> S3Result<HeadBucketOutput> {
    door.bucket(context, &request.input.bucket)?;
    Ok(HeadBucketOutput {
        bucket_region: Some(door.config.region.clone()),
        ..Default::default()
    })
}
