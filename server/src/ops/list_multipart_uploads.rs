//! ListMultipartUploads: the uploads of a bucket that were not completed.

use crate::context::RequestContext;
use crate::door::Door;
use s3s::dto::{ListMultipartUploadsInput, ListMultipartUploadsOutput};
use s3s::{S3Request, S3Result, s3_error};

/// Answers the request.
pub async fn run(
    _door: &Door,
    _context: &RequestContext,
    _request: S3Request<ListMultipartUploadsInput>,
) -> S3Result<ListMultipartUploadsOutput> {
    Err(s3_error!(NotImplemented))
}
