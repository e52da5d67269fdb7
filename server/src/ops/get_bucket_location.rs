//! GetBucketLocation: the configured region; `us-east-1` is the empty answer, as S3 has it.

use crate::context::RequestContext;
use crate::door::Door;
use s3s::dto::{BucketLocationConstraint, GetBucketLocationInput, GetBucketLocationOutput};
use s3s::{S3Request, S3Result};

/// Answers the request.
pub async fn run(
    door: &Door,
    context: &RequestContext,
    request: S3Request<GetBucketLocationInput>,
) -> S3Result<GetBucketLocationOutput> {
    door.bucket(context, &request.input.bucket)?;
    let region = &door.config.region;
    let location_constraint =
        (region != "us-east-1").then(|| BucketLocationConstraint::from(region.clone()));
    Ok(GetBucketLocationOutput {
        location_constraint,
    })
}
