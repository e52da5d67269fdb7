//! PutBucketAcl: a bucket is private, so making it private succeeds; nothing else is implemented.
//!
//! Whether anyone may read a bucket's objects is the operator's setting. Making such a bucket private through S3 would have
//! to change that setting, so it is refused as well: an answer of success would leave the objects open.

use crate::acl;
use crate::context::RequestContext;
use crate::door::Door;
use moraine_engine::Acl;
use s3s::dto::{PutBucketAclInput, PutBucketAclOutput};
use s3s::{S3Request, S3Result, s3_error};

/// Answers the request.
pub async fn run(
    door: &Door,
    context: &RequestContext,
    request: S3Request<PutBucketAclInput>,
) -> S3Result<PutBucketAclOutput> {
    let input = request.input;
    let bucket = door.bucket(context, &input.bucket)?;
    let policy = input.access_control_policy.as_ref();
    let acl = acl::from_request(&request.headers, policy, bucket.tenant)?;
    if acl == Acl::Private && !bucket.public_read {
        return Ok(PutBucketAclOutput::default());
    }
    Err(s3_error!(
        NotImplemented,
        "who may read a bucket's objects is set by the operator, or by each object's ACL"
    ))
}
