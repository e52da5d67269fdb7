//! DeleteBucket: only an empty one. It is carried to its end also if the client goes away: uploads of a bucket that is gone
//! would be out of reach.

use crate::context::RequestContext;
use crate::door::Door;
use s3s::dto::{DeleteBucketInput, DeleteBucketOutput};
use s3s::{S3Request, S3Result, s3_error};
use tracing::instrument::WithSubscriber;

/// Answers the request.
pub async fn run(
    door: &Door,
    context: &RequestContext,
    request: S3Request<DeleteBucketInput>,
) -> S3Result<DeleteBucketOutput> {
    let bucket = door.bucket(context, &request.input.bucket)?;
    let store = door.store.clone();
    let deletion = async move { store.delete_bucket(bucket.id).await };
    tokio::spawn(deletion.with_subscriber(context.log.clone()))
        .await
        .map_err(|_| s3_error!(InternalError))?
        .map_err(door.failed(context))?;
    Ok(DeleteBucketOutput::default())
}
