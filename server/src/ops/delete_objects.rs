//! DeleteObjects: up to 1,000 keys in one request.

use crate::context::RequestContext;
use crate::door::Door;
use s3s::dto::{DeleteObjectsInput, DeleteObjectsOutput};
use s3s::{S3Request, S3Result, s3_error};

/// Answers the request.
pub async fn run(
    _door: &Door,
    _context: &RequestContext,
    _request: S3Request<DeleteObjectsInput>,
) -> S3Result<DeleteObjectsOutput> {
    Err(s3_error!(NotImplemented))
}
