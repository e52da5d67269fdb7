//! ListObjectVersions: every object as its only version.

use crate::context::RequestContext;
use crate::door::Door;
use s3s::dto::{ListObjectVersionsInput, ListObjectVersionsOutput};
use s3s::{S3Request, S3Result, s3_error};

/// Answers the request.
pub async fn run(
    _door: &Door,
    _context: &RequestContext,
    _request: S3Request<ListObjectVersionsInput>,
) -> S3Result<ListObjectVersionsOutput> {
    Err(s3_error!(NotImplemented))
}
