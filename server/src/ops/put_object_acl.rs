//! PutObjectAcl: changes who may read an object, and nothing else of it.

use crate::acl;
use crate::context::RequestContext;
use crate::door::Door;
use crate::versions;
use s3s::dto::{PutObjectAclInput, PutObjectAclOutput};
use s3s::{S3Request, S3Result};

/// Answers the request.
pub async fn run(
    door: &Door,
    context: &RequestContext,
    request: S3Request<PutObjectAclInput>,
) -> S3Result<PutObjectAclOutput> {
    let input = request.input;
    let bucket = door.bucket(context, &input.bucket)?;
    versions::check(input.version_id.as_deref())?;
    let policy = input.access_control_policy.as_ref();
    let acl = acl::from_request(&request.headers, policy, bucket.tenant)?;
    door.store
        .set_acl(bucket.id, input.key.as_bytes(), acl)
        .await
        .map_err(door.failed(context))?;
    Ok(PutObjectAclOutput::default())
}
