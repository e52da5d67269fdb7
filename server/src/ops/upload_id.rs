//! Upload ids as clients see them.

use crate::context::RequestContext;
use crate::door::Door;
use moraine_engine::{Bucket, Upload, UploadId};
use s3s::{S3Result, s3_error};

/// The upload of that id, if it is one for `key`.
pub async fn find(
    door: &Door,
    context: &RequestContext,
    bucket: &Bucket,
    key: &str,
    id: &str,
) -> S3Result<Upload> {
    let id: UploadId = id.parse().map_err(|_| s3_error!(NoSuchUpload))?;
    let upload = door
        .store
        .upload(bucket.id, id)
        .await
        .map_err(door.failed(context))?;
    if upload.key == key.as_bytes() {
        Ok(upload)
    } else {
        Err(s3_error!(NoSuchUpload))
    }
}
