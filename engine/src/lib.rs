//! A content-addressed, deduplicating, append-only segment store.
//!
//! The log is the store; the hash index, the name index and the catalog are caches of it that are rebuilt from
//! segment footers at any time. `FORMAT.md` beside this crate gives every byte on disk.
//!
//! ```
//! use moraine_engine::{Attributes, Condition, ListQuery, Options, Store};
//! # pollster::block_on(async {
//! # let dir = std::env::temp_dir().join(format!("moraine-doc-{}", std::process::id()));
//! let store = Store::open(&dir, Options::default())?;
//! let tenant = store.create_tenant("mastodon.example").await?;
//! let bucket = store.create_bucket(tenant.id, "media", false).await?.id;
//!
//! let mut body = store.blob_writer(None);
//! body.write("the bytes of a picture".into()).await?;
//! let staged = body.finish().await?;
//! let key = b"cache/picture.jpeg";
//! store.put(bucket, key, staged, Attributes::default(), Condition::None).await?;
//!
//! let object = store.head(bucket, key).await?;
//! let mut reader = store.read(&object, 4..9).await?;
//! assert_eq!(reader.next().await.unwrap()?, "bytes");
//!
//! let page = store.list(bucket, ListQuery { limit: 10, ..ListQuery::default() }).await?;
//! assert_eq!(page.entries.len(), 1);
//! assert!(store.delete(bucket, key, Condition::None).await?);
//! store.close().await?;
//! # std::fs::remove_dir_all(&dir).unwrap();
//! # Ok::<(), moraine_engine::Error>(())
//! # }).unwrap();
//! ```
#![deny(unsafe_code)]

mod apply;
mod budget;
pub mod canary;
pub mod clock;
mod digest;
mod durable;
mod error;
pub mod format;
pub mod fsck;
mod id;
pub mod index;
pub mod inspect;
pub mod io;
mod log;
mod position;
mod secret;
mod stats;
mod store;
mod sync;
#[cfg(any(test, feature = "sim"))]
pub mod testing;

pub use budget::SMALL_BODY_BYTES;
pub use error::{DamageKind, Error, Place, Result};
pub use format::{Acl, Checksum, Geometry, TenantId, UploadId};
pub use id::{Id, ParseIdError};
pub use index::catalog::{AccessKey, Bucket, Tenant};
pub use index::names::{ListQuery, ListStart, Usage};
pub use io::probe::IoChoice;
#[cfg(feature = "measure")]
pub use log::alone as measure;
pub use position::{
    BucketId, Hlc, Incarnation, LogPoint, NodeId, Offset, Position, SegmentNumber, Version,
};
pub use secret::Secret;
pub use stats::Stats;
#[cfg(any(test, feature = "sim"))]
pub use store::Stepper;
pub use store::{
    Attributes, BlobReader, BlobWriter, CHUNK_BYTES, CompletePart, Condition, Content,
    DELETE_MANY_MAX, Deletion, DiskUse, Health, ListEntry, ListPage, Object, Options, PARTS_MAX,
    Part, StagedBlob, Store, TenantUsage, Upload,
};
