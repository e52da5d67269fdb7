//! GetBucketAcl: who may use a bucket.

use crate::context::RequestContext;
use crate::door::Door;
use s3s::dto::{GetBucketAclInput, GetBucketAclOutput};
use s3s::{S3Request, S3Result, s3_error};

/// Answers the request.
pub async fn run(
    _door: &Door,
    _context: &RequestContext,
    _request: S3Request<GetBucketAclInput>,
) -> S3Result<GetBucketAclOutput> {
    Err(s3_error!(NotImplemented))
}
