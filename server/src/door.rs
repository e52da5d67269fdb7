//! The operations as `s3s` calls them. Whatever is not listed here answers `NotImplemented`.

use crate::completions::Completions;
use crate::config::ServerConfig;
use crate::context::RequestContext;
use crate::errors;
use crate::metrics::Metrics;
use crate::ops;
use crate::second_pass;
use crate::shares::Shares;
use moraine_engine::{BlobReader, Bucket, Error, HotName, Object, Store, Tenant};
use s3s::dto::*;
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};
use std::ops::Range;
use std::sync::Arc;
use tracing::instrument::WithSubscriber;

/// What every operation works with.
#[derive(Clone)]
pub struct Door {
    /// The engine.
    pub store: Store,
    /// The counters.
    pub metrics: Arc<Metrics>,
    /// The limits.
    pub config: Arc<ServerConfig>,
    /// The copies that may read their source now.
    pub copies: Shares,
    /// The listings that may be made now.
    pub listings: Shares,
    /// The uploads that may be completed now.
    pub completing: Shares,
    /// The uploads that were completed lately.
    pub completions: Arc<Completions>,
}

impl Door {
    /// A door to `store`.
    pub fn new(store: Store, config: Arc<ServerConfig>, metrics: Arc<Metrics>) -> Self {
        let listings = ops::listing::turns(&config.limits);
        Self {
            store,
            metrics,
            config,
            copies: ops::copying::turns(),
            listings,
            completing: ops::complete_multipart_upload::turns(),
            completions: Arc::default(),
        }
    }

    /// The tenant who signed the request.
    pub fn tenant(&self, context: &RequestContext) -> S3Result<Tenant> {
        let id = context.tenant().ok_or_else(|| s3_error!(AccessDenied))?;
        self.store.tenant(id).ok_or_else(|| s3_error!(AccessDenied))
    }

    /// Prepares to read a range of an object, in bounded time.
    pub async fn read(
        &self,
        context: &RequestContext,
        object: &Object,
        range: Range<u64>,
    ) -> S3Result<BlobReader> {
        self.opened(context, self.store.read(object, range)).await
    }

    /// As [`Self::read`], of a name that was found.
    pub async fn read_found(
        &self,
        context: &RequestContext,
        name: &Arc<HotName>,
        range: Range<u64>,
    ) -> S3Result<BlobReader> {
        self.opened(context, self.store.read_found(name, range))
            .await
    }

    async fn opened(
        &self,
        context: &RequestContext,
        opening: impl Future<Output = Result<BlobReader, Error>>,
    ) -> S3Result<BlobReader> {
        match tokio::time::timeout(self.config.limits.read_wait, opening).await {
            Ok(opened) => opened.map_err(self.failed(context)),
            Err(_) => {
                tracing::warn!(request = %context.id, "a read waited too long to begin");
                Err(errors::slow_down())
            }
        }
    }

    /// The bucket of that name, if it belongs to the tenant who signed the request. The access check has asked the same;
    /// here it also holds for a bucket that appeared in between.
    pub fn bucket(&self, context: &RequestContext, name: &str) -> S3Result<Bucket> {
        let bucket = self
            .store
            .bucket(name)
            .ok_or_else(|| s3_error!(NoSuchBucket))?;
        if context.tenant() == Some(bucket.tenant) {
            Ok(bucket)
        } else {
            Err(s3_error!(AccessDenied))
        }
    }

    /// Turns an engine error into an S3 error.
    pub fn failed(&self, context: &RequestContext) -> impl Fn(Error) -> s3s::S3Error {
        move |error| errors::from_engine(&error, context, &self.metrics)
    }

    /// Runs an operation: its log lines go where the server's go, although `s3s` around it is silenced.
    async fn enter<T>(
        &self,
        context: &RequestContext,
        operation: impl Future<Output = S3Result<T>>,
    ) -> S3Result<S3Response<T>> {
        context.set_entered();
        let result = operation.with_subscriber(context.log.clone()).await;
        let answer = |output| S3Response::with_headers(output, context.verbatim());
        result.map(answer).map_err(|mut error| {
            context.set_error(error.code().as_str());
            errors::complete(&mut error, context);
            error
        })
    }
}

macro_rules! operations {
    ($($operation:ident($input:ident) -> $output:ident;)*) => {
        #[async_trait::async_trait]
        impl S3 for Door {
            $(
                async fn $operation(&self, mut request: S3Request<$input>) -> S3Result<S3Response<$output>> {
                    second_pass::restore(&mut request);
                    let context = RequestContext::of(&request)?;
                    self.enter(&context, ops::$operation::run(self, &context, request)).await
                }
            )*
        }
    };
}

operations! {
    list_buckets(ListBucketsInput) -> ListBucketsOutput;
    create_bucket(CreateBucketInput) -> CreateBucketOutput;
    head_bucket(HeadBucketInput) -> HeadBucketOutput;
    get_bucket_location(GetBucketLocationInput) -> GetBucketLocationOutput;
    delete_bucket(DeleteBucketInput) -> DeleteBucketOutput;
    put_object(PutObjectInput) -> PutObjectOutput;
    get_object(GetObjectInput) -> GetObjectOutput;
    head_object(HeadObjectInput) -> HeadObjectOutput;
    delete_object(DeleteObjectInput) -> DeleteObjectOutput;
    list_objects_v2(ListObjectsV2Input) -> ListObjectsV2Output;
    create_multipart_upload(CreateMultipartUploadInput) -> CreateMultipartUploadOutput;
    upload_part(UploadPartInput) -> UploadPartOutput;
    complete_multipart_upload(CompleteMultipartUploadInput) -> CompleteMultipartUploadOutput;
    abort_multipart_upload(AbortMultipartUploadInput) -> AbortMultipartUploadOutput;
    copy_object(CopyObjectInput) -> CopyObjectOutput;
    upload_part_copy(UploadPartCopyInput) -> UploadPartCopyOutput;
    delete_objects(DeleteObjectsInput) -> DeleteObjectsOutput;
    list_objects(ListObjectsInput) -> ListObjectsOutput;
    list_object_versions(ListObjectVersionsInput) -> ListObjectVersionsOutput;
    list_parts(ListPartsInput) -> ListPartsOutput;
    list_multipart_uploads(ListMultipartUploadsInput) -> ListMultipartUploadsOutput;
    get_object_acl(GetObjectAclInput) -> GetObjectAclOutput;
    put_object_acl(PutObjectAclInput) -> PutObjectAclOutput;
    get_bucket_acl(GetBucketAclInput) -> GetBucketAclOutput;
    put_bucket_acl(PutBucketAclInput) -> PutBucketAclOutput;
    get_bucket_versioning(GetBucketVersioningInput) -> GetBucketVersioningOutput;
    get_object_tagging(GetObjectTaggingInput) -> GetObjectTaggingOutput;
}
