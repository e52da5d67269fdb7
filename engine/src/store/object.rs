//! Objects: what a name means, and how it is written.

use super::HotName;
use super::Store;
use super::blob_writer::{BlobWriter, Held, Kind, StagedBlob};
use super::read::BlobReader;
use super::shared::Shared;
use crate::apply::names_error;
use crate::canary::{self, Canary};
use crate::error::{Error, Result};
use crate::format::{Acl, Checksum, NameKey, NameRecord, RecordKind, Tombstone};
use crate::id::Id;
use crate::index::names::{ListEntry as RowEntry, ListQuery, ListStart, NameRow};
use crate::log::{Draft, Item, Keep};
use crate::position::{BucketId, Position, Version};
use crate::stats::Counters;
use crate::sync::Arc;
use std::ops::Range;

/// What belongs to a name and not to the bytes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Attributes {
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// `Cache-Control`.
    pub cache_control: Option<String>,
    /// `Content-Disposition`.
    pub content_disposition: Option<String>,
    /// `Content-Encoding`, without `aws-chunked`.
    pub content_encoding: Option<String>,
    /// `Content-Language`.
    pub content_language: Option<String>,
    /// `Expires`.
    pub expires: Option<String>,
    /// User metadata: name and value.
    pub metadata: Vec<(String, String)>,
    /// Who may read.
    pub acl: Acl,
    /// Checksums that the client sent and that were verified.
    pub checksums: Vec<Checksum>,
    /// The storage class that the client asked for; kept, without effect.
    pub storage_class: Option<String>,
}

/// A name and what it means.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Object {
    /// Its bucket.
    pub bucket: BucketId,
    /// Its key.
    pub key: Vec<u8>,
    /// When it was written, and by whom.
    pub version: Version,
    /// Where its name record lies.
    pub at: Position,
    /// The id of its content.
    pub blob: Id,
    /// The length of its content in bytes.
    pub size: u64,
    /// The ETag, without quotes.
    pub etag: String,
    /// Milliseconds since 1970.
    pub modified_ms: u64,
    /// The sizes of the parts it was uploaded in; empty for a single put.
    pub part_sizes: Vec<u64>,
    /// Its attributes.
    pub attributes: Attributes,
}

/// What must hold for a write to be done.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Condition {
    /// Nothing.
    #[default]
    None,
    /// There is no such key.
    IfAbsent,
    /// The key has this ETag.
    IfMatch(String),
    /// There is such a key.
    IfPresent,
}

/// A page of a listing.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ListPage {
    /// In ascending order of the keys' bytes.
    pub entries: Vec<ListEntry>,
    /// Where the next page begins; `None` if this is the last.
    pub next: Option<ListStart>,
}

/// A line of a listing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ListEntry {
    /// An object.
    Object(Box<Object>),
    /// A common prefix, with the delimiter at its end.
    Prefix(Vec<u8>),
}

impl Attributes {
    /// The attributes in a name record.
    pub(crate) fn of(record: &NameRecord) -> Self {
        Self {
            content_type: record.content_type.clone(),
            cache_control: record.cache_control.clone(),
            content_disposition: record.content_disposition.clone(),
            content_encoding: record.content_encoding.clone(),
            content_language: record.content_language.clone(),
            expires: record.expires.clone(),
            metadata: record.user_metadata.clone(),
            acl: record.acl,
            checksums: record.checksums.clone(),
            storage_class: record.storage_class.clone(),
        }
    }

    /// Puts the attributes into a name record.
    pub(crate) fn fill(self, record: &mut NameRecord) {
        record.content_type = self.content_type;
        record.cache_control = self.cache_control;
        record.content_disposition = self.content_disposition;
        record.content_encoding = self.content_encoding;
        record.content_language = self.content_language;
        record.expires = self.expires;
        record.user_metadata = self.metadata;
        record.acl = self.acl;
        record.checksums = self.checksums;
        record.storage_class = self.storage_class;
    }
}

impl Object {
    /// The object that a live row with content describes; `None` for a tombstone or an upload.
    pub(crate) fn of_row(row: &NameRow) -> Option<Self> {
        let record = NameRecord::decode(row.live.as_ref()?).ok()?;
        Self::of_record(&record, row.version, row.at)
    }

    pub(crate) fn of_record(record: &NameRecord, version: Version, at: Position) -> Option<Self> {
        Some(Self {
            bucket: record.key.bucket,
            key: record.key.key.clone(),
            version,
            at,
            blob: record.blob?,
            size: record.size,
            etag: record.etag.clone(),
            modified_ms: record.last_modified_ms,
            part_sizes: record.parts.clone(),
            attributes: Attributes::of(record),
        })
    }
}

impl Condition {
    /// Whether a write may be done. An ETag that is wanted of a key that does not exist is another error than a wrong one:
    /// whoever wants to replace an object must learn that it is gone.
    pub(crate) fn check(&self, current: Option<&Object>) -> Result<()> {
        match (self, current) {
            (Self::None, _) | (Self::IfAbsent, None) => Ok(()),
            (Self::IfAbsent, Some(_)) => Err(Error::PreconditionFailed),
            (Self::IfMatch(_), None) => Err(Error::NoSuchKey),
            (Self::IfMatch(etag), Some(object)) if object.etag == *etag => Ok(()),
            (Self::IfMatch(_), Some(_)) => Err(Error::PreconditionFailed),
            (Self::IfPresent, None) => Err(Error::PreconditionFailed),
            (Self::IfPresent, Some(_)) => Ok(()),
        }
    }

    /// Whether a key may be deleted. Where there is none, an ETag has nothing to protect: the key is as it shall be.
    pub(crate) fn check_deletion(&self, current: Option<&Object>) -> Result<()> {
        match (self, current) {
            (Self::IfMatch(_), None) => Ok(()),
            _ => self.check(current),
        }
    }
}

/// The lower-case hexadecimal digits of some bytes.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes
        .iter()
        .fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

impl Shared {
    /// The row of a name, read on a lookup thread.
    pub(crate) async fn row(self: &Arc<Self>, key: NameKey) -> Result<Option<NameRow>> {
        let shared = Arc::clone(self);
        self.lookup
            .run(move || shared.indexes.names.get(&key).map_err(names_error))
            .await
    }

    /// The object with this key, if there is one; remembered for the next who asks.
    async fn named(self: &Arc<Self>, key: &NameKey) -> Result<Option<Arc<HotName>>> {
        let hot = &self.indexes.hot;
        if let Some(name) = hot.get(key.bucket, &key.key) {
            return Ok(Some(name));
        }
        let ticket = hot.ticket(key.bucket, &key.key);
        let Some(object) = self.object(key).await? else {
            return Ok(None);
        };
        let name = Arc::new(HotName::new(object));
        let bucket = self.indexes.catalog.read().bucket_by_id(key.bucket);
        if let Some(bucket) = bucket {
            hot.keep(ticket, bucket.tenant, &name);
        }
        Ok(Some(name))
    }

    /// The object with this key, if there is one.
    pub(crate) async fn object(self: &Arc<Self>, key: &NameKey) -> Result<Option<Object>> {
        let row = self.row(key.clone()).await?;
        Ok(row.as_ref().and_then(Object::of_row))
    }

    /// Makes sure that a bucket exists.
    pub(crate) fn check_bucket(&self, bucket: BucketId) -> Result<()> {
        if self.indexes.catalog.read().has_bucket(bucket) {
            Ok(())
        } else {
            Err(Error::NoSuchBucket)
        }
    }

    /// A draft of a name record, checked against the limits.
    pub(crate) fn name_draft(&self, record: &NameRecord) -> Result<Draft> {
        let payload = record.encode();
        if payload.len() > self.geometry.name_max() {
            return Err(Error::Invalid {
                what: "attributes",
                why: "together they are too long",
            });
        }
        Ok(self.stamped(RecordKind::Name, record.key.bucket, payload))
    }

    /// A draft of a tombstone.
    pub(crate) fn tombstone(&self, key: &NameKey) -> Draft {
        let payload = Tombstone::new(key.clone()).encode();
        self.stamped(RecordKind::Tombstone, key.bucket, payload)
    }

    /// Appends a name record and returns the object it makes.
    pub(crate) async fn append_name(
        &self,
        record: &NameRecord,
        held: Held,
        then: Vec<Draft>,
        mut keep: Vec<Keep>,
    ) -> Result<Object> {
        let mut item = Item::new(self.name_draft(record)?);
        item.needs = held.needs;
        keep.extend(held.pins.into_iter().map(Keep::from));
        let mut items = vec![item];
        items.extend(then.into_iter().map(Item::new));
        let placed = self.append(items, keep).await?;
        Object::of_record(record, placed.version, placed.at).ok_or(Error::Closed)
    }
}

pub(super) fn object_key(bucket: BucketId, key: &[u8]) -> Result<NameKey> {
    NameKey::object(bucket, key).map_err(|_| Error::Invalid {
        what: "key",
        why: "a key is 1 to 1,024 bytes of UTF-8 without NUL",
    })
}

impl Store {
    /// Takes a body in. `size_hint` is its announced length, if there is one: small bodies draw on memory kept for them.
    pub fn blob_writer(&self, size_hint: Option<u64>) -> BlobWriter {
        BlobWriter::new(Arc::clone(&self.shared), Kind::Blob, size_hint)
    }

    /// Gives a staged body a name. When this returns, both are durable and visible.
    ///
    /// # Errors
    /// [`Error::NoSuchBucket`], [`Error::PreconditionFailed`], [`Error::NoSuchKey`] if an ETag is wanted of a key that does
    /// not exist, [`Error::Invalid`], [`Error::NoSpace`], [`Error::Poisoned`]: the key is unchanged. If the future is
    /// dropped, the key may or may not have changed.
    pub async fn put(
        &self,
        bucket: BucketId,
        key: &[u8],
        staged: StagedBlob,
        attributes: Attributes,
        condition: Condition,
    ) -> Result<Object> {
        let key = object_key(bucket, key)?;
        if staged.part {
            return Err(Error::Invalid {
                what: "body",
                why: "it was taken in as a part",
            });
        }
        self.shared.check_writable()?;
        self.shared.check_bucket(bucket)?;
        let in_bucket = self.shared.locks.read(&bucket_lock(bucket)).await;
        let guard = self.shared.locks.write(&key).await;
        if condition != Condition::None {
            condition.check(self.shared.object(&key).await?.as_ref())?;
        }
        if !canary::is(Canary::BucketCheckedOnce) {
            self.shared.check_bucket(bucket)?;
        }
        let mut record = NameRecord {
            etag: hex(&staged.md5),
            last_modified_ms: self.shared.clock.now_ms(),
            ..NameRecord::new(key.clone(), Some(staged.id), staged.size)
        };
        attributes.fill(&mut record);
        let keep = vec![in_bucket.into(), guard.into()];
        let object = self
            .shared
            .append_name(&record, staged.held, Vec::new(), keep)
            .await?;
        Counters::add(&self.shared.counters.puts, 1);
        Ok(object)
    }

    /// What a key means. Waits for a name that the log writer already holds rather than answering that there is none.
    ///
    /// # Errors
    /// [`Error::NoSuchKey`].
    pub async fn head(&self, bucket: BucketId, key: &[u8]) -> Result<Object> {
        Ok(self.find(bucket, key).await?.object().clone())
    }

    /// As [`Store::head`], for those who read on: what is found out about the name is remembered with it.
    ///
    /// # Errors
    /// [`Error::NoSuchKey`].
    pub async fn find(&self, bucket: BucketId, key: &[u8]) -> Result<Arc<HotName>> {
        let key = object_key(bucket, key).map_err(|_| Error::NoSuchKey)?;
        if let Some(name) = self.shared.named(&key).await? {
            return Ok(name);
        }
        if self.shared.locks.is_busy(&key) {
            let _guard = self.shared.locks.read(&key).await;
            if let Some(name) = self.shared.named(&key).await? {
                return Ok(name);
            }
        }
        Err(Error::NoSuchKey)
    }

    /// Reads a range of an object's content.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a range outside the object; [`Error::Damaged`] or [`Error::Missing`] if its manifest cannot
    /// be read. Damage of the content itself shows while reading.
    pub async fn read(&self, object: &Object, range: Range<u64>) -> Result<BlobReader> {
        BlobReader::open(Arc::clone(&self.shared), object, range, None).await
    }

    /// Deletes a key; whether there was one. When this returns, the deletion is durable. Where there is none,
    /// [`Condition::IfMatch`] has nothing to protect: that is no error.
    ///
    /// # Errors
    /// [`Error::NoSuchBucket`], [`Error::PreconditionFailed`], [`Error::NoSpace`], [`Error::Poisoned`]: the key is
    /// unchanged.
    pub async fn delete(&self, bucket: BucketId, key: &[u8], condition: Condition) -> Result<bool> {
        let key = object_key(bucket, key)?;
        self.shared.check_writable()?;
        self.shared.check_bucket(bucket)?;
        let guard = self.shared.locks.write(&key).await;
        let current = self.shared.object(&key).await?;
        condition.check_deletion(current.as_ref())?;
        if current.is_none() {
            return Ok(false);
        }
        self.shared
            .append(
                vec![Item::new(self.shared.tombstone(&key))],
                vec![guard.into()],
            )
            .await?;
        Counters::add(&self.shared.counters.deletes, 1);
        Ok(true)
    }

    /// Gives an object's content another name, without touching its bytes. Attributes are the source's unless given.
    ///
    /// # Errors
    /// As [`Store::put`]; [`Error::Missing`] if the source's content went away meanwhile.
    pub async fn copy(
        &self,
        source: &Object,
        bucket: BucketId,
        key: &[u8],
        attributes: Option<Attributes>,
        condition: Condition,
    ) -> Result<Object> {
        let key = object_key(bucket, key)?;
        self.shared.check_writable()?;
        let held = Held {
            pins: vec![self.shared.pins.pin(source.blob)],
            needs: Vec::new(),
        };
        let in_bucket = self.shared.locks.read(&bucket_lock(bucket)).await;
        let guard = self.shared.locks.write(&key).await;
        condition.check(self.shared.object(&key).await?.as_ref())?;
        self.shared.check_bucket(bucket)?;
        let (shared, blob) = (Arc::clone(&self.shared), source.blob);
        self.shared.lookup.run(move || shared.locate(&blob)).await?;
        let mut record = NameRecord {
            etag: source.etag.clone(),
            last_modified_ms: self.shared.clock.now_ms(),
            parts: source.part_sizes.clone(),
            ..NameRecord::new(key.clone(), Some(source.blob), source.size)
        };
        attributes
            .unwrap_or_else(|| source.attributes.clone())
            .fill(&mut record);
        let object = self
            .shared
            .append_name(
                &record,
                held,
                Vec::new(),
                vec![in_bucket.into(), guard.into()],
            )
            .await?;
        Counters::add(&self.shared.counters.puts, 1);
        Ok(object)
    }

    /// Changes who may read an object; nothing else of it changes, unknown attributes included.
    ///
    /// # Errors
    /// [`Error::NoSuchKey`]; as [`Store::put`].
    pub async fn set_acl(&self, bucket: BucketId, key: &[u8], acl: Acl) -> Result<Object> {
        let key = object_key(bucket, key)?;
        self.shared.check_writable()?;
        let guard = self.shared.locks.write(&key).await;
        let row = self.shared.row(key).await?.ok_or(Error::NoSuchKey)?;
        let payload = row.live.as_ref().ok_or(Error::NoSuchKey)?;
        let mut record = NameRecord::decode(payload).map_err(|_| Error::NoSuchKey)?;
        record.acl = acl;
        self.shared
            .append_name(&record, Held::default(), Vec::new(), vec![guard.into()])
            .await
    }

    /// A page of a bucket's keys, in order.
    ///
    /// # Errors
    /// [`Error::NoSuchBucket`].
    pub async fn list(&self, bucket: BucketId, query: ListQuery) -> Result<ListPage> {
        self.shared.check_bucket(bucket)?;
        let shared = Arc::clone(&self.shared);
        let page = self
            .shared
            .lookup
            .run(move || {
                shared
                    .indexes
                    .names
                    .list(bucket, &query)
                    .map_err(names_error)
            })
            .await?;
        let entries = page.entries.into_iter().filter_map(|entry| match entry {
            RowEntry::Key { row, .. } => {
                Object::of_row(&row).map(|object| ListEntry::Object(Box::new(object)))
            }
            RowEntry::Prefix(prefix) => Some(ListEntry::Prefix(prefix)),
        });
        Ok(ListPage {
            entries: entries.collect(),
            next: page.next,
        })
    }
}

/// The lock that a bucket's deletion holds alone and every new name in it shares: the entry of the bucket in the catalog. It is
/// held for the step in which a name appears, and for nothing that takes as long as a client likes.
pub(crate) fn bucket_lock(bucket: BucketId) -> NameKey {
    NameKey {
        bucket: BucketId(0),
        key: bucket.0.to_be_bytes().to_vec(),
    }
}
