//! GetObjectTagging: no object has tags. Clients ask before they copy a large object, and take an empty set for an answer.

use crate::context::RequestContext;
use crate::door::Door;
use crate::versions;
use s3s::dto::{GetObjectTaggingInput, GetObjectTaggingOutput};
use s3s::{S3Request, S3Result};

/// Answers the request.
pub async fn run(
    door: &Door,
    context: &RequestContext,
    request: S3Request<GetObjectTaggingInput>,
) -> S3Result<GetObjectTaggingOutput> {
    let input = request.input;
    let bucket = door.bucket(context, &input.bucket)?;
    versions::check(input.version_id.as_deref())?;
    door.store
        .head(bucket.id, input.key.as_bytes())
        .await
        .map_err(door.failed(context))?;
    Ok(GetObjectTaggingOutput {
        tag_set: Vec::new(),
        version_id: None,
    })
}
