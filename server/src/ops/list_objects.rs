//! ListObjects: the first version of the listing, with a key as marker.

use crate::context::RequestContext;
use crate::door::Door;
use s3s::dto::{ListObjectsInput, ListObjectsOutput};
use s3s::{S3Request, S3Result, s3_error};

/// Answers the request.
pub async fn run(
    _door: &Door,
    _context: &RequestContext,
    _request: S3Request<ListObjectsInput>,
) -> S3Result<ListObjectsOutput> {
    Err(s3_error!(NotImplemented))
}
