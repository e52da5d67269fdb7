//! CreateBucket. Any region is accepted, since requests may be signed for any. A bucket is private: one whose objects
//! anyone may read is made by the operator, because no canned ACL of S3 means just that. Where the bucket exists, that is
//! the answer, whatever ACL was asked for: clients that make sure of their bucket before an upload send the ACL of their
//! objects with that.
//!
//! Of the names that S3 refuses, `s3s` refuses those of the wrong shape for every request; those that S3 keeps for itself
//! are refused here.

use crate::attributes::refuse;
use crate::context::RequestContext;
use crate::door::Door;
use http::HeaderMap;
use moraine_engine::Error;
use s3s::dto::{CreateBucketConfiguration, CreateBucketInput, CreateBucketOutput, ObjectOwnership};
use s3s::{S3Request, S3Result, s3_error};

/// What no bucket's name begins with, by the rules of S3.
const RESERVED_PREFIXES: [&str; 3] = ["xn--", "sthree-", "amzn-s3-demo-"];

/// What no bucket's name ends with: names of access points and of other kinds of buckets.
const RESERVED_SUFFIXES: [&str; 5] = ["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"];

/// Headers that ask for what is not there.
const NOT_IMPLEMENTED: [&str; 5] = [
    "x-amz-grant-full-control",
    "x-amz-grant-read",
    "x-amz-grant-read-acp",
    "x-amz-grant-write",
    "x-amz-grant-write-acp",
];

/// Answers the request.
pub async fn run(
    door: &Door,
    context: &RequestContext,
    request: S3Request<CreateBucketInput>,
) -> S3Result<CreateBucketOutput> {
    let input = request.input;
    if is_reserved(&input.bucket) {
        return Err(s3_error!(InvalidBucketName));
    }
    let tenant = context.tenant().ok_or_else(|| s3_error!(AccessDenied))?;
    if let Some(bucket) = door.store.bucket(&input.bucket) {
        let same_tenant = bucket.tenant == tenant;
        return Err(door.failed(context)(Error::BucketExists { same_tenant }));
    }
    refuse(&request.headers, &NOT_IMPLEMENTED)?;
    check_namespace(&request.headers)?;
    check_acl(input.acl.as_ref().map(|acl| acl.as_str()))?;
    if input.object_lock_enabled_for_bucket == Some(true) {
        return Err(s3_error!(NotImplemented, "object lock is not implemented"));
    }
    check_ownership(input.object_ownership.as_ref().map(ObjectOwnership::as_str))?;
    check_configuration(input.create_bucket_configuration)?;
    let bucket = door
        .store
        .create_bucket(tenant, &input.bucket, false)
        .await
        .map_err(door.failed(context))?;
    Ok(CreateBucketOutput {
        location: Some(format!("/{}", bucket.name)),
    })
}

fn is_reserved(name: &str) -> bool {
    RESERVED_PREFIXES.iter().any(|it| name.starts_with(it))
        || RESERVED_SUFFIXES.iter().any(|it| name.ends_with(it))
}

/// There is one namespace of buckets, which S3 calls the global one.
fn check_namespace(headers: &HeaderMap) -> S3Result<()> {
    match headers.get("x-amz-bucket-namespace") {
        Some(value) if !matches!(value.as_bytes(), b"" | b"global") => Err(s3_error!(
            NotImplemented,
            "a namespace of an account's own is not implemented"
        )),
        _ => Ok(()),
    }
}

fn check_acl(acl: Option<&str>) -> S3Result<()> {
    match acl {
        None | Some("" | "private") => Ok(()),
        Some("public-read" | "public-read-write" | "authenticated-read") => Err(s3_error!(
            NotImplemented,
            "only private buckets can be created"
        )),
        Some(_) => Err(s3_error!(InvalidArgument, "x-amz-acl is not a canned ACL")),
    }
}

/// The tenant owns every object of its buckets, which is what both of the settings come to that leave ACLs in force.
fn check_ownership(ownership: Option<&str>) -> S3Result<()> {
    match ownership {
        None
        | Some("" | ObjectOwnership::OBJECT_WRITER | ObjectOwnership::BUCKET_OWNER_PREFERRED) => {
            Ok(())
        }
        Some(ObjectOwnership::BUCKET_OWNER_ENFORCED) => Err(s3_error!(
            NotImplemented,
            "a bucket without ACLs is not implemented"
        )),
        Some(_) => Err(s3_error!(
            InvalidArgument,
            "x-amz-object-ownership is not one of its values"
        )),
    }
}

fn check_configuration(configuration: Option<CreateBucketConfiguration>) -> S3Result<()> {
    let Some(configuration) = configuration else {
        return Ok(());
    };
    if configuration.bucket.is_some() || configuration.location.is_some() {
        return Err(s3_error!(
            NotImplemented,
            "directory buckets are not implemented"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_s3_keeps_for_itself() {
        for name in [
            "xn--media",
            "sthree-media",
            "media-s3alias",
            "m--ol-s3",
            "a.mrap",
        ] {
            assert!(is_reserved(name), "{name}");
        }
        for name in ["media", "s3alias-media", "three-media"] {
            assert!(!is_reserved(name), "{name}");
        }
    }

    #[test]
    fn only_private_buckets_whose_acls_count() {
        assert!(check_acl(Some("private")).is_ok());
        let code = check_acl(Some("public-read")).unwrap_err();
        assert_eq!(code.code().as_str(), "NotImplemented");
        let code = check_acl(Some("everybody")).unwrap_err();
        assert_eq!(code.code().as_str(), "InvalidArgument");
        assert!(check_ownership(Some("ObjectWriter")).is_ok());
        let code = check_ownership(Some("BucketOwnerEnforced")).unwrap_err();
        assert_eq!(code.code().as_str(), "NotImplemented");
    }
}
