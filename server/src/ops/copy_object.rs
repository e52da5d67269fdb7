//! CopyObject: gives an object's content another name.

use crate::context::RequestContext;
use crate::door::Door;
use s3s::dto::{CopyObjectInput, CopyObjectOutput};
use s3s::{S3Request, S3Result, s3_error};

/// Answers the request.
pub async fn run(
    _door: &Door,
    _context: &RequestContext,
    _request: S3Request<CopyObjectInput>,
) -> S3Result<CopyObjectOutput> {
    Err(s3_error!(NotImplemented))
}
