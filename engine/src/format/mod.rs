//! Every structure on disk: pure encoding and decoding, no I/O. `FORMAT.md` gives the bytes and the arguments.
//!
//! | file | structure |
//! | --- | --- |
//! | [`superblock`](Superblock) | who this store is, and which run of the node this is |
//! | [`segment_header`](SegmentHeader) | the two copies at the start of each segment |
//! | [`batch`](BatchHeader) | what one sync made durable, and what was synced before it |
//! | [`record`](RecordHeader), [`extension`](Extension) | one framed entry of the log and its checksums |
//! | [`manifest`](Manifest) | the extents of a longer blob |
//! | [`name`](NameRecord), [`catalog`](CatalogRecord), [`start`](StartRecord) | payloads in a tagged encoding |
//! | [`footer`](Footer), [`footer_builder`](FooterBuilder) | what a sealed segment says about itself |
//!
//! Invariants:
//! - A length is used only after the checksum that covers it and a range check.
//! - A decoder never panics, whatever the bytes; it returns a [`FormatError`] that names the structure.
//! - Encoders of headers panic on sizes out of range: that is a bug, and nothing has been written yet. Payload encoders do not
//!   check limits; who queues a payload compares its length with [`Geometry::payload_max`].
//! - What is unknown but compatible (CBOR keys, compatible flags) survives; what is unknown and not compatible is refused.

mod batch;
mod bytes;
mod catalog;
mod cbor;
mod error;
mod extension;
mod footer;
mod footer_builder;
mod geometry;
mod identity;
mod kind;
mod manifest;
mod name;
mod name_key;
mod payload;
mod record;
mod segment_header;
mod stamp;
mod start;
mod superblock;
mod tombstone;
mod trailer;

pub use batch::{BATCH_HEADER_LEN, BatchHeader};
pub use bytes::{is_zero, pad_to};
pub use catalog::{CATALOG_MAX, CatalogEntry, CatalogRecord, SEALED_MAX, TenantId};
pub use cbor::Unknown;
pub use error::FormatError;
pub use extension::{Digests, Extension};
pub use footer::{Footer, TableEntry, Totals};
pub use footer_builder::{FooterBuilder, Gap};
pub use geometry::Geometry;
pub use identity::{Binding, StoreId};
pub use kind::RecordKind;
pub use manifest::{MANIFEST_ENTRY_LEN, MANIFEST_HEADER_LEN, Manifest, ManifestExtent};
pub use manifest::{chaining_value, merge};
pub use name::{Acl, Checksum, NAME_MAX, NameRecord};
pub use name_key::{KEY_MAX, NameKey, NameKeyError, ParseUploadIdError, UploadId};
pub use payload::Payload;
pub use record::{RECORD_HEADER_LEN, RecordHeader, RecordView, encode_record, record_len};
pub use segment_header::{LiveRange, SegmentHeader};
pub use stamp::Stamp;
pub use start::StartRecord;
pub use superblock::{FORMAT_VERSION, SUPERBLOCK_LEN, Superblock, SuperblockError, key_check};
pub use tombstone::Tombstone;
pub use trailer::{TRAILER_LEN, Trailer};
