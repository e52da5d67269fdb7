//! CreateBucket. Any region is accepted, since requests may be signed for any. A bucket is private: one whose objects
//! anyone may read is made by the operator, because no canned ACL of S3 means just that.

use crate::attributes::refuse;
use crate::context::RequestContext;
use crate::door::Door;
use s3s::dto::{CreateBucketInput, CreateBucketOutput};
use s3s::{S3Request, S3Result, s3_error};

/// Answers the request.
pub async fn run(
    door: &Door,
    context: &RequestContext,
    request: S3Request<CreateBucketInput>,
) -> S3Result<CreateBucketOutput> {
    let input = request.input;
    refuse(
        &request.headers,
        &[
            "x-amz-grant-full-control",
            "x-amz-grant-read",
            "x-amz-grant-read-acp",
            "x-amz-grant-write",
            "x-amz-grant-write-acp",
        ],
    )?;
    if input.acl.is_some_and(|acl| acl.as_str() != "private") {
        return Err(s3_error!(
            NotImplemented,
            "only private buckets can be created"
        ));
    }
    if input.object_lock_enabled_for_bucket == Some(true) {
        return Err(s3_error!(NotImplemented, "object lock is not implemented"));
    }
    let tenant = context.tenant().ok_or_else(|| s3_error!(AccessDenied))?;
    let bucket = door
        .store
        .create_bucket(tenant, &input.bucket, false)
        .await
        .map_err(door.failed(context))?;
    Ok(CreateBucketOutput {
        location: Some(format!("/{}", bucket.name)),
    })
}
