//! UploadPartCopy: a part whose bytes come from an object.

use crate::context::RequestContext;
use crate::door::Door;
use s3s::dto::{UploadPartCopyInput, UploadPartCopyOutput};
use s3s::{S3Request, S3Result, s3_error};

/// Answers the request.
pub async fn run(
    _door: &Door,
    _context: &RequestContext,
    _request: S3Request<UploadPartCopyInput>,
) -> S3Result<UploadPartCopyOutput> {
    Err(s3_error!(NotImplemented))
}
