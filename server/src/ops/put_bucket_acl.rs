//! PutBucketAcl: takes the ACL that a bucket has.

use crate::context::RequestContext;
use crate::door::Door;
use s3s::dto::{PutBucketAclInput, PutBucketAclOutput};
use s3s::{S3Request, S3Result, s3_error};

/// Answers the request.
pub async fn run(
    _door: &Door,
    _context: &RequestContext,
    _request: S3Request<PutBucketAclInput>,
) -> S3Result<PutBucketAclOutput> {
    Err(s3_error!(NotImplemented))
}
