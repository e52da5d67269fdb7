//! PutObjectAcl: changes who may read an object.

use crate::context::RequestContext;
use crate::door::Door;
use s3s::dto::{PutObjectAclInput, PutObjectAclOutput};
use s3s::{S3Request, S3Result, s3_error};

/// Answers the request.
pub async fn run(
    _door: &Door,
    _context: &RequestContext,
    _request: S3Request<PutObjectAclInput>,
) -> S3Result<PutObjectAclOutput> {
    Err(s3_error!(NotImplemented))
}
