//! GetBucketVersioning: there is no versioning.

use crate::context::RequestContext;
use crate::door::Door;
use s3s::dto::{GetBucketVersioningInput, GetBucketVersioningOutput};
use s3s::{S3Request, S3Result, s3_error};

/// Answers the request.
pub async fn run(
    _door: &Door,
    _context: &RequestContext,
    _request: S3Request<GetBucketVersioningInput>,
) -> S3Result<GetBucketVersioningOutput> {
    Err(s3_error!(NotImplemented))
}
