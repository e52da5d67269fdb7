//! GetBucketVersioning: the answer of a bucket that never had versions, which is one without a status.

use crate::context::RequestContext;
use crate::door::Door;
use s3s::dto::{GetBucketVersioningInput, GetBucketVersioningOutput};
use s3s::{S3Request, S3Result};

/// Answers the request.
pub async fn run(
    door: &Door,
    context: &RequestContext,
    request: S3Request<GetBucketVersioningInput>,
) -> S3Result<GetBucketVersioningOutput> {
    door.bucket(context, &request.input.bucket)?;
    Ok(GetBucketVersioningOutput::default())
}
