//! GetObjectTagging: an object has no tags.

use crate::context::RequestContext;
use crate::door::Door;
use s3s::dto::{GetObjectTaggingInput, GetObjectTaggingOutput};
use s3s::{S3Request, S3Result, s3_error};

/// Answers the request.
pub async fn run(
    _door: &Door,
    _context: &RequestContext,
    _request: S3Request<GetObjectTaggingInput>,
) -> S3Result<GetObjectTaggingOutput> {
    Err(s3_error!(NotImplemented))
}
