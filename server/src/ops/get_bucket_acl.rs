//! GetBucketAcl: the owner's full control. Nobody else ever lists a bucket or writes to it, whoever may read its objects.

use crate::acl;
use crate::context::RequestContext;
use crate::door::Door;
use moraine_engine::Acl;
use s3s::dto::{GetBucketAclInput, GetBucketAclOutput};
use s3s::{S3Request, S3Result};

/// Answers the request.
pub async fn run(
    door: &Door,
    context: &RequestContext,
    request: S3Request<GetBucketAclInput>,
) -> S3Result<GetBucketAclOutput> {
    door.bucket(context, &request.input.bucket)?;
    let owner = door.tenant(context)?;
    Ok(GetBucketAclOutput {
        grants: Some(acl::grants(Acl::Private, &owner)),
        owner: Some(acl::owner(&owner)),
    })
}
