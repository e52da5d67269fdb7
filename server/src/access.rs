//! Who may do what: a key reaches the buckets of its tenant and no others, and an operation takes no parameter that it
//! does not know.
//!
//! The second rule is needed because `s3s` routes what it does not know to the plain operation: `DELETE /BUCKET?x` would
//! delete the bucket, and `PUT /BUCKET/KEY?x` store an object, whatever `x` asks for. Of two sub-resources it takes the
//! one that it looks for first, so a request names one.

use crate::checksum;
use crate::context::RequestContext;
use crate::errors;
use crate::query;
use crate::second_pass::Verified;
use crate::signature;
use moraine_engine::Store;
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::path::check_bucket_name;
use s3s::validation::NameValidation;
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

/// Which names in a request's bucket place can be a bucket's: those that S3 allows, and those of buckets that are there,
/// because the engine lets in shorter ones.
pub struct Names(pub Store);

impl NameValidation for Names {
    fn validate_bucket_name(&self, name: &str) -> bool {
        check_bucket_name(name) || self.0.bucket(name).is_some()
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
        check_parameters(cx.s3_op().name(), cx.uri().query().unwrap_or_default())?;
        checksum::check_known(cx.headers())
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
    let names = || {
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        pairs.map(|pair| pair.split_once('=').map_or(pair, |(name, _)| name))
    };
    let resources: Vec<&str> = names()
        .filter(|name| SUBRESOURCES.contains(name))
        .take(2)
        .collect();
    if let [one, other] = resources.as_slice() {
        return Err(s3_error!(
            InvalidArgument,
            "Conflicting query string parameters: {one}, {other}"
        ));
    }
    // The second pass comes without the signature itself.
    let v2 = names().any(|name| matches!(name, "Signature" | "AWSAccessKeyId"));
    for name in names() {
        let known = known.contains(&name)
            || is_general(name)
            || v2 && signature::V2_HEADERS.contains(&name);
        if !known {
            return Err(s3_error!(
                NotImplemented,
                "the parameter {name} is not implemented"
            ));
        }
    }
    Ok(())
}

/// What a bucket or an object has besides itself: a request is about one of them.
const SUBRESOURCES: [&str; 26] = [
    "accelerate",
    "acl",
    "analytics",
    "attributes",
    "cors",
    "delete",
    "encryption",
    "inventory",
    "legal-hold",
    "lifecycle",
    "location",
    "logging",
    "metrics",
    "notification",
    "object-lock",
    "policy",
    "replication",
    "requestPayment",
    "restore",
    "retention",
    "tagging",
    "torrent",
    "uploads",
    "versioning",
    "versions",
    "website",
];

/// Parameters of signatures, which say nothing about what is asked for, headers in links, and what clients may add for
/// their own book-keeping (`x-id`, `x-anything`): S3 ignores whatever begins with `x-`.
fn is_general(name: &str) -> bool {
    matches!(name, "Signature" | "AWSAccessKeyId" | "Expires")
        || name.starts_with("x-")
        || query::is_amz(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(operation: &str, query: &str) -> bool {
        check_parameters(operation, query).is_ok()
    }

    #[test]
    fn one_sub_resource() {
        let code = |query| {
            let error = check_parameters("GetObjectAcl", query).unwrap_err();
            error.code().as_str().to_owned()
        };
        assert_eq!(code("acl&tagging"), "InvalidArgument");
        assert_eq!(code("versionId=null&tagging=&acl="), "InvalidArgument");
        assert_eq!(code("acl&uploadId=1"), "NotImplemented");
        assert!(allowed("GetObjectAcl", "acl&versionId=null"));
    }

    #[test]
    fn headers_of_version_2_links() {
        let put = "content-type=a&content-md5=b";
        assert!(!allowed("PutObject", put));
        assert!(allowed("PutObject", &format!("{put}&Signature=x")));
    }

    #[test]
    fn unknown_parameters_never_reach_the_plain_operation() {
        assert!(allowed("PutObject", "x-id=PutObject&x-my-own=1&x-"));
        assert!(!allowed("PutObject", "xid=PutObject"));
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
