//! ListBuckets: the tenant's buckets, by name. All in one answer, unless the client asks for pages; the token of a page is
//! the last name of the page before, in URL-safe base64.

use super::listing;
use crate::conditions::seconds;
use crate::context::RequestContext;
use crate::door::Door;
use s3s::dto::{Bucket, ListBucketsInput, ListBucketsOutput};
use s3s::{S3Request, S3Result, s3_error};

/// The largest page: what S3 gives.
const BUCKETS_MAX: usize = 10_000;

/// Answers the request.
pub async fn run(
    door: &Door,
    context: &RequestContext,
    request: S3Request<ListBucketsInput>,
) -> S3Result<ListBucketsOutput> {
    let input = request.input;
    // S3 says the region only to those who give a parameter.
    let says_region = input.max_buckets.is_some()
        || input.continuation_token.is_some()
        || input.prefix.is_some()
        || input.bucket_region.is_some();
    let tenant = context.tenant().ok_or_else(|| s3_error!(AccessDenied))?;
    let limit = page_size(input.max_buckets)?;
    let after = input
        .continuation_token
        .as_deref()
        .map(resume)
        .transpose()?
        .unwrap_or_default();
    let prefix = input.prefix.unwrap_or_default();
    let region = &door.config.region;
    let here = input
        .bucket_region
        .is_none_or(|it| it.is_empty() || it == *region);
    let mut buckets: Vec<Bucket> = door
        .store
        .buckets(tenant)
        .into_iter()
        .filter(|bucket| here && bucket.name > after && bucket.name.starts_with(&prefix))
        .map(|bucket| Bucket {
            bucket_region: says_region.then(|| region.clone()),
            creation_date: Some(seconds(bucket.created_ms).into()),
            name: Some(bucket.name),
        })
        .collect();
    let more = buckets.len() > limit;
    buckets.truncate(limit);
    let last = buckets.last().and_then(|bucket| bucket.name.as_deref());
    Ok(ListBucketsOutput {
        continuation_token: last.filter(|_| more).map(token),
        buckets: Some(buckets),
        owner: Some(listing::owner(door, context)?),
        prefix: (!prefix.is_empty()).then_some(prefix),
    })
}

fn page_size(asked: Option<i32>) -> S3Result<usize> {
    let Some(asked) = asked else {
        return Ok(usize::MAX);
    };
    usize::try_from(asked)
        .ok()
        .filter(|count| (1..=BUCKETS_MAX).contains(count))
        .ok_or_else(|| {
            s3_error!(
                InvalidArgument,
                "Argument max-buckets must be an integer between 1 and {BUCKETS_MAX}"
            )
        })
}

fn token(name: &str) -> String {
    base64_simd::URL_SAFE_NO_PAD.encode_to_string(name)
}

fn resume(token: &str) -> S3Result<String> {
    let name = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(token).ok();
    name.and_then(|name| String::from_utf8(name).ok())
        .filter(|name| !name.is_empty())
        .ok_or_else(|| {
            s3_error!(
                InvalidArgument,
                "The continuation token provided is incorrect"
            )
        })
}
