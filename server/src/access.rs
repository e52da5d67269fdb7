//! Who may do what: a key reaches the buckets of its tenant and no others, and an operation takes no parameter that it
//! does not know.
//!
//! The second rule is needed because `s3s` routes what it does not know to the plain operation: `DELETE /BUCKET?x` would
//! delete the bucket, and `PUT /BUCKET/KEY?x` store an object, whatever `x` asks for.

use crate::context::RequestContext;
use crate::errors;
use crate::second_pass::Verified;
use moraine_engine::Store;
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::{S3Result, s3_error};
use std::sync::Arc;

/// Looks up secret keys in the catalog.
pub struct Keys(pub Store);

#[async_trait::async_trait]
impl S3Auth for Keys {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        let key = self.0.access_key(access_key).ok_or_else(|| {
            s3_error!(
                InvalidAccessKeyId,
                "The access key id you provided does not exist."
            )
        })?;
        Ok(SecretKey::from(key.secret.expose()))
    }
}

/// Checks each request once its signature was found true.
pub struct Access(pub Store);

#[async_trait::async_trait]
impl S3Access for Access {
    async fn check(&self, cx: &mut S3AccessContext<'_>) -> S3Result<()> {
        let context = cx
            .extensions_mut()
            .get::<Arc<RequestContext>>()
            .cloned()
            .ok_or_else(|| s3_error!(InternalError, "the request has no context"))?;
        context.set_operation(operation(cx.s3_op().name()).map_or("Other", |(name, _)| name));
        let verified = cx.extensions_mut().get::<Verified>().cloned();
        self.check_with(cx, &context, verified.as_ref())
            .map_err(|mut error| {
                context.set_error(error.code().as_str());
                errors::complete(&mut error, &context);
                error
            })
    }
}

impl Access {
    fn check_with(
        &self,
        cx: &S3AccessContext<'_>,
        context: &RequestContext,
        verified: Option<&Verified>,
    ) -> S3Result<()> {
        let denied = || s3_error!(AccessDenied);
        let signed = cx.credentials().map(|it| it.access_key.as_str());
        let access_key = signed.or(verified.map(Verified::access_key));
        let key = access_key.and_then(|it| self.0.access_key(it));
        let key = key.ok_or_else(denied)?;
        context.set_tenant(key.tenant);
        context.set_access_key(&key.access_key);
        if let Some(owner) = cx.headers().get("x-amz-expected-bucket-owner")
            && owner.as_bytes() != key.tenant.to_string().as_bytes()
        {
            return Err(denied());
        }
        // Creating a bucket that another tenant has is told apart by the operation: the name is taken.
        if cx.s3_op().name() != "CreateBucket"
            && let Some(name) = cx.s3_path().get_bucket_name()
            && let Some(bucket) = self.0.bucket(name)
            && bucket.tenant != key.tenant
        {
            return Err(denied());
        }
        check_parameters(cx.s3_op().name(), cx.uri().query().unwrap_or_default())
    }
}

/// The operations that there are, and their parameters; those of signatures are known everywhere.
const OPERATIONS: [(&str, &[&str]); 27] = [
    ("AbortMultipartUpload", &["uploadId"]),
    ("CompleteMultipartUpload", &["uploadId"]),
    ("CopyObject", &[]),
    ("CreateBucket", &[]),
    ("CreateMultipartUpload", &["uploads"]),
    ("DeleteBucket", &[]),
    ("DeleteObject", &["versionId"]),
    ("DeleteObjects", &["delete"]),
    ("GetBucketAcl", &["acl"]),
    ("GetBucketLocation", &["location"]),
    ("GetBucketVersioning", &["versioning"]),
    ("GetObject", READ),
    ("GetObjectAcl", &["acl", "versionId"]),
    ("GetObjectTagging", &["tagging", "versionId"]),
    ("HeadBucket", &[]),
    ("HeadObject", READ),
    (
        "ListBuckets",
        &[
            "max-buckets",
            "continuation-token",
            "prefix",
            "bucket-region",
        ],
    ),
    (
        "ListMultipartUploads",
        &[
            "uploads",
            "prefix",
            "delimiter",
            "key-marker",
            "upload-id-marker",
            "max-uploads",
            "encoding-type",
        ],
    ),
    (
        "ListObjectVersions",
        &[
            "versions",
            "prefix",
            "delimiter",
            "key-marker",
            "version-id-marker",
            "max-keys",
            "encoding-type",
        ],
    ),
    (
        "ListObjects",
        &["prefix", "delimiter", "marker", "max-keys", "encoding-type"],
    ),
    (
        "ListObjectsV2",
        &[
            "list-type",
            "prefix",
            "delimiter",
            "start-after",
            "continuation-token",
            "max-keys",
            "encoding-type",
            "fetch-owner",
        ],
    ),
    (
        "ListParts",
        &["uploadId", "part-number-marker", "max-parts"],
    ),
    ("PutBucketAcl", &["acl"]),
    ("PutObject", &[]),
    ("PutObjectAcl", &["acl", "versionId"]),
    ("UploadPart", &["partNumber", "uploadId"]),
    ("UploadPartCopy", &["partNumber", "uploadId"]),
];

const READ: &[&str] = &[
    "versionId",
    "partNumber",
    "response-content-type",
    "response-content-language",
    "response-expires",
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
];

/// The operation of that name, with its parameters.
fn operation(name: &str) -> Option<(&'static str, &'static [&'static str])> {
    OPERATIONS.into_iter().find(|(known, _)| *known == name)
}

fn check_parameters(name: &str, query: &str) -> S3Result<()> {
    let Some((_, known)) = operation(name) else {
        return Err(s3_error!(NotImplemented, "{name} is not implemented"));
    };
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let name = pair.split_once('=').map_or(pair, |(name, _)| name);
        if !known.contains(&name) && !is_general(name) {
            return Err(s3_error!(
                NotImplemented,
                "the parameter {name} is not implemented"
            ));
        }
    }
    Ok(())
}

/// Parameters of signatures and of SDKs' book-keeping, which say nothing about what is asked for.
fn is_general(name: &str) -> bool {
    matches!(name, "Signature" | "AWSAccessKeyId" | "Expires" | "x-id")
        || name
            .get(..6)
            .is_some_and(|start| start.eq_ignore_ascii_case("x-amz-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(operation: &str, query: &str) -> bool {
        check_parameters(operation, query).is_ok()
    }

    #[test]
    fn unknown_parameters_never_reach_the_plain_operation() {
        assert!(allowed("PutObject", "x-id=PutObject"));
        assert!(!allowed("PutObject", "uploadId=1"));
        assert!(!allowed("PutObject", "renameObject"));
        assert!(allowed("DeleteBucket", ""));
        assert!(!allowed("DeleteBucket", "metadataConfiguration"));
        assert!(!allowed("CreateBucket", "abac"));
        assert!(!allowed("GetBucketCors", "cors"));
        assert!(allowed(
            "GetObject",
            "X-Amz-Signature=1&x-amz-checksum-mode=ENABLED&response-expires=x"
        ));
        assert!(allowed(
            "ListObjectsV2",
            "list-type=2&prefix=&delimiter=%2F"
        ));
    }
}
