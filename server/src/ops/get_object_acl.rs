//! GetObjectAcl: the owner's full control, and everybody's reading where the object is public-read.
//!
//! It tells what the object's own ACL says. That anyone may read what is in a bucket is the operator's setting, and no ACL.

use crate::acl;
use crate::context::RequestContext;
use crate::door::Door;
use crate::versions;
use s3s::dto::{GetObjectAclInput, GetObjectAclOutput};
use s3s::{S3Request, S3Result};

/// Answers the request.
pub async fn run(
    door: &Door,
    context: &RequestContext,
    request: S3Request<GetObjectAclInput>,
) -> S3Result<GetObjectAclOutput> {
    let input = request.input;
    let bucket = door.bucket(context, &input.bucket)?;
    versions::check(input.version_id.as_deref())?;
    let object = door
        .store
        .head(bucket.id, input.key.as_bytes())
        .await
        .map_err(door.failed(context))?;
    let owner = door.tenant(context)?;
    Ok(GetObjectAclOutput {
        grants: Some(acl::grants(object.attributes.acl, &owner)),
        owner: Some(acl::owner(&owner)),
        ..Default::default()
    })
}
