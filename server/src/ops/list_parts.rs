//! ListParts: the parts of an upload.

use crate::context::RequestContext;
use crate::door::Door;
use s3s::dto::{ListPartsInput, ListPartsOutput};
use s3s::{S3Request, S3Result, s3_error};

/// Answers the request.
pub async fn run(
    _door: &Door,
    _context: &RequestContext,
    _request: S3Request<ListPartsInput>,
) -> S3Result<ListPartsOutput> {
    Err(s3_error!(NotImplemented))
}
