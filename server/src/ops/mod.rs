//! One S3 operation per file, and what several of them share: how a body is taken in ([`intake`]), how an object is
//! given out ([`outgoing`]), how an upload is found ([`upload_id`]), how pages of listings are made ([`listing`]), and what
//! a copy reads ([`copy_source`], [`copying`]).

pub mod abort_multipart_upload;
pub mod complete_multipart_upload;
pub mod copy_object;
pub(crate) mod copy_source;
pub mod copying;
pub mod create_bucket;
pub mod create_multipart_upload;
pub mod delete_bucket;
pub mod delete_object;
pub mod delete_objects;
pub mod get_bucket_acl;
pub mod get_bucket_location;
pub mod get_bucket_versioning;
pub mod get_object;
pub mod get_object_acl;
pub mod get_object_tagging;
pub mod head_bucket;
pub mod head_object;
mod intake;
pub mod list_buckets;
pub mod list_multipart_uploads;
pub mod list_object_versions;
pub mod list_objects;
pub mod list_objects_v2;
pub mod list_parts;
pub(crate) mod listing;
mod outgoing;
mod part_checksums;
pub mod put_bucket_acl;
pub mod put_object;
pub mod put_object_acl;
mod upload_id;
pub mod upload_part;
pub mod upload_part_copy;
