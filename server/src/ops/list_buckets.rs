//! ListBuckets: the tenant's buckets, by name. All in one answer, so no continuation.

use crate::conditions::seconds;
use crate::context::RequestContext;
use crate::door::Door;
use s3s::dto::{Bucket, ListBucketsInput, ListBucketsOutput, Owner};
use s3s::{S3Request, S3Result, s3_error};

/// Answers the request.
pub async fn run(
    door: &Door,
    context: &RequestContext,
    request: S3Request<ListBucketsInput>,
) -> S3Result<ListBucketsOutput> {
    let input = request.input;
    if input.max_buckets.is_some() || input.continuation_token.is_some() {
        return Err(s3_error!(
            NotImplemented,
            "paging of buckets is not implemented"
        ));
    }
    let tenant = context.tenant().ok_or_else(|| s3_error!(AccessDenied))?;
    let prefix = input.prefix.unwrap_or_default();
    let buckets = door
        .store
        .buckets(tenant)
        .into_iter()
        .filter(|bucket| bucket.name.starts_with(&prefix))
        .map(|bucket| Bucket {
            bucket_region: None,
            creation_date: Some(seconds(bucket.created_ms).into()),
            name: Some(bucket.name),
        })
        .collect();
    let name = door
        .store
        .tenants()
        .into_iter()
        .find(|it| it.id == tenant)
        .map(|it| it.name);
    Ok(ListBucketsOutput {
        buckets: Some(buckets),
        owner: Some(Owner {
            display_name: name,
            id: Some(tenant.to_string()),
        }),
        prefix: (!prefix.is_empty()).then_some(prefix),
        ..Default::default()
    })
}
