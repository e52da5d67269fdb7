//! Multipart uploads: the upload and its parts are names in the reserved part of the bucket's keys, so liveness,
//! replication and expiry need no second mechanism.
//!
//! A part holds its upload's lock shared while it is named; completing and aborting hold it alone: a part cannot appear
//! in an upload that is ending. Locks are taken in one order: upload, bucket, key. Completing reads bytes again where parts
//! are odd, for as long as that takes, so the lock that is held meanwhile is the upload's alone.

use super::Store;
use super::assemble::assemble;
use super::blob_writer::{BlobWriter, Kind, StagedBlob};
use super::object::{Attributes, Condition, Object, bucket_lock, hex};
use super::part_list::{choose, multipart_etag};
use crate::apply::names_error;
use crate::canary::{self, Canary};
use crate::error::{Error, Result};
use crate::format::{Checksum, NameKey, NameRecord, UploadId};
use crate::id::Id;
use crate::index::names::{ListEntry as RowEntry, ListStart, NameRow};
use crate::log::{Item, Keep};
use crate::position::BucketId;
use crate::stats::Counters;
use crate::sync::Arc;

/// The largest part number.
pub const PARTS_MAX: u16 = 10_000;

/// An upload in progress.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Upload {
    /// Its id: ids of uploads that began later are greater, as far as the clock goes forward.
    pub id: UploadId,
    /// The key that it will become.
    pub key: Vec<u8>,
    /// The attributes that the object will have.
    pub attributes: Attributes,
    /// Milliseconds since 1970.
    pub created_ms: u64,
}

/// A part of an upload.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Part {
    /// 1 to 10,000.
    pub number: u16,
    /// Its length in bytes.
    pub size: u64,
    /// The MD5 of its content in hexadecimal.
    pub etag: String,
    /// Checksums that the client sent and that were verified.
    pub checksums: Vec<Checksum>,
    /// Milliseconds since 1970.
    pub modified_ms: u64,
    /// The id of its manifest.
    pub(crate) manifest: Id,
}

/// A part as a completion names it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CompletePart {
    /// 1 to 10,000.
    pub number: u16,
    /// The ETag that the part was answered with, without quotes.
    pub etag: String,
}

impl Upload {
    fn of_row(id: UploadId, row: &NameRow) -> Option<Self> {
        let record = NameRecord::decode(row.live.as_ref()?).ok()?;
        Some(Self {
            id,
            key: record.object_key.clone()?,
            attributes: Attributes::of(&record),
            created_ms: record.last_modified_ms,
        })
    }
}

impl Part {
    fn of_row(number: u16, row: &NameRow) -> Option<Self> {
        let record = NameRecord::decode(row.live.as_ref()?).ok()?;
        Some(Self {
            number,
            size: record.size,
            etag: record.etag.clone(),
            checksums: record.checksums.clone(),
            modified_ms: record.last_modified_ms,
            manifest: record.blob?,
        })
    }
}

fn check_part_number(part: u16) -> Result<()> {
    if (1..=PARTS_MAX).contains(&part) {
        Ok(())
    } else {
        Err(Error::Invalid {
            what: "part number",
            why: "it is 1 to 10,000",
        })
    }
}

impl Store {
    /// Begins an upload.
    ///
    /// # Errors
    /// [`Error::NoSuchBucket`], [`Error::Invalid`], [`Error::NoSpace`], [`Error::Poisoned`].
    pub async fn create_upload(
        &self,
        bucket: BucketId,
        key: &[u8],
        attributes: Attributes,
    ) -> Result<UploadId> {
        self.shared.check_writable()?;
        let object = NameKey::object(bucket, key).map_err(|_| Error::Invalid {
            what: "key",
            why: "a key is 1 to 1,024 bytes of UTF-8 without NUL",
        })?;
        let in_bucket = self.shared.locks.read(&bucket_lock(bucket)).await;
        self.shared.check_bucket(bucket)?;
        let created_ms = self.shared.clock.now_ms();
        let mut bytes = [0; 16];
        self.shared.entropy.fill(&mut bytes);
        let id = upload_id(created_ms, bytes);
        let mut record = NameRecord {
            last_modified_ms: created_ms,
            object_key: Some(object.key),
            ..NameRecord::new(NameKey::upload(bucket, id), None, 0)
        };
        attributes.fill(&mut record);
        self.shared
            .append(
                vec![Item::new(self.shared.name_draft(&record)?)],
                vec![in_bucket.into()],
            )
            .await?;
        Ok(id)
    }

    /// Takes the body of a part in.
    ///
    /// # Errors
    /// [`Error::NoSuchUpload`], [`Error::Invalid`].
    pub async fn part_writer(
        &self,
        bucket: BucketId,
        upload: UploadId,
        part: u16,
        size_hint: Option<u64>,
    ) -> Result<BlobWriter> {
        check_part_number(part)?;
        self.upload(bucket, upload).await?;
        let base = self.guess_base(bucket, upload, part, size_hint).await?;
        Ok(BlobWriter::new(
            Arc::clone(&self.shared),
            Kind::Part { base },
            size_hint,
        ))
    }

    /// Where a part probably begins: parts are of equal size but for the last, which is smaller. The first part tells
    /// the size, or this one does. A wrong guess costs a second look at the bytes on completion.
    async fn guess_base(
        &self,
        bucket: BucketId,
        upload: UploadId,
        part: u16,
        size_hint: Option<u64>,
    ) -> Result<u64> {
        let before = u64::from(part - 1);
        if before == 0 {
            return Ok(0);
        }
        let first = self.shared.row(NameKey::part(bucket, upload, 1)).await?;
        let known = first
            .as_ref()
            .and_then(|row| Part::of_row(1, row))
            .map(|part| part.size);
        let base = known.or(size_hint).unwrap_or(0).checked_mul(before);
        // Values of subtrees exist only at offsets that are multiples of the extent, and no object is longer than the limit.
        let geometry = &self.shared.geometry;
        let possible = |base: &u64| {
            base.is_multiple_of(u64::from(geometry.extent_bytes)) && *base <= geometry.object_max()
        };
        Ok(base.filter(possible).unwrap_or(0))
    }

    /// Makes a staged body a part of an upload. When this returns, it is durable.
    ///
    /// # Errors
    /// [`Error::NoSuchUpload`], [`Error::NoSpace`], [`Error::Poisoned`].
    pub async fn put_part(
        &self,
        bucket: BucketId,
        upload: UploadId,
        part: u16,
        staged: StagedBlob,
        checksums: Vec<Checksum>,
    ) -> Result<Part> {
        check_part_number(part)?;
        if !staged.part {
            return Err(Error::Invalid {
                what: "part",
                why: "its body was not taken in as a part",
            });
        }
        self.shared.check_writable()?;
        let key = NameKey::part(bucket, upload, part);
        let in_upload = self
            .shared
            .locks
            .read(&NameKey::upload(bucket, upload))
            .await;
        let in_upload = Some(in_upload).filter(|_| !canary::is(Canary::PartUnlocked));
        let in_bucket = self.shared.locks.read(&bucket_lock(bucket)).await;
        let guard = self.shared.locks.write(&key).await;
        self.upload(bucket, upload).await?;
        let record = NameRecord {
            etag: hex(&staged.md5),
            last_modified_ms: self.shared.clock.now_ms(),
            checksums,
            ..NameRecord::new(key, Some(staged.id), staged.size)
        };
        let mut item = Item::new(self.shared.name_draft(&record)?);
        item.needs = staged.held.needs;
        let mut keep = vec![in_bucket.into(), guard.into()];
        keep.extend(in_upload.map(Keep::from));
        keep.extend(staged.held.pins.into_iter().map(Keep::from));
        self.shared.append(vec![item], keep).await?;
        Ok(Part {
            number: part,
            size: record.size,
            etag: hex(&staged.md5),
            checksums: record.checksums,
            modified_ms: record.last_modified_ms,
            manifest: staged.id,
        })
    }

    /// An upload in progress.
    ///
    /// # Errors
    /// [`Error::NoSuchUpload`]; [`Error::NoSuchBucket`] if its bucket was deleted, for that ends its uploads.
    pub async fn upload(&self, bucket: BucketId, upload: UploadId) -> Result<Upload> {
        self.shared.check_bucket(bucket)?;
        let row = self.shared.row(NameKey::upload(bucket, upload)).await?;
        row.and_then(|row| Upload::of_row(upload, &row))
            .ok_or(Error::NoSuchUpload)
    }

    /// The parts of an upload with numbers above `after`, at most `limit`.
    ///
    /// # Errors
    /// [`Error::NoSuchUpload`].
    pub async fn parts(
        &self,
        bucket: BucketId,
        upload: UploadId,
        after: u16,
        limit: usize,
    ) -> Result<Vec<Part>> {
        self.upload(bucket, upload).await?;
        let mut parts = Vec::new();
        let mut start = ListStart::AfterKey(upload_prefix(bucket, upload).key_at(after));
        while parts.len() < limit {
            let prefix = upload_prefix(bucket, upload).0;
            let (rows, next) = self
                .reserved_rows(bucket, prefix, start, limit - parts.len())
                .await?;
            let numbered = rows.iter().filter_map(|(key, row)| {
                let (_, number) = key.as_upload()?;
                Part::of_row(number?, row)
            });
            parts.extend(numbered);
            match next {
                Some(next) => start = next,
                None => break,
            }
        }
        Ok(parts)
    }

    /// The uploads of a bucket with ids above `after`, at most `limit`.
    ///
    /// # Errors
    /// Those of the name index.
    pub async fn uploads(
        &self,
        bucket: BucketId,
        after: Option<UploadId>,
        limit: usize,
    ) -> Result<Vec<Upload>> {
        let mut uploads = Vec::new();
        let mut start = after.map_or(ListStart::First, |id| {
            ListStart::AfterPrefix(upload_prefix(bucket, id).0)
        });
        while uploads.len() < limit {
            let (rows, next) = self.reserved_rows(bucket, vec![0], start, 1_000).await?;
            let found = rows.iter().filter_map(|(key, row)| match key.as_upload()? {
                (id, None) => Upload::of_row(id, row),
                (_, Some(_)) => None,
            });
            uploads.extend(found.take(limit - uploads.len()));
            match next {
                Some(next) => start = next,
                None => break,
            }
        }
        Ok(uploads)
    }

    /// Live rows of the reserved keys, and where to go on.
    pub(super) async fn reserved_rows(
        &self,
        bucket: BucketId,
        prefix: Vec<u8>,
        start: ListStart,
        limit: usize,
    ) -> Result<(Vec<(NameKey, NameRow)>, Option<ListStart>)> {
        let shared = Arc::clone(&self.shared);
        let list = move || {
            let names = &shared.indexes.names;
            names
                .list_reserved(bucket, &prefix, start, limit)
                .map_err(names_error)
        };
        let page = self.shared.lookup.run(list).await?;
        let rows = page.entries.into_iter().filter_map(|entry| match entry {
            RowEntry::Key { key, row } => Some((NameKey { bucket, key }, row)),
            RowEntry::Prefix(_) => None,
        });
        Ok((rows.collect(), page.next))
    }

    /// Ends an upload: its parts become one object, in one step. When this returns, the object is durable and visible.
    ///
    /// `min_part_bytes` is the least length of every part but the last. The ETag is the MD5 of the parts' MD5s, a hyphen
    /// and their number.
    ///
    /// # Errors
    /// [`Error::NoSuchUpload`], [`Error::InvalidPart`], [`Error::PartTooSmall`], [`Error::Invalid`] if the parts are not
    /// in ascending order or none, [`Error::PreconditionFailed`], [`Error::TooLarge`]; as [`Store::put`]. The upload
    /// stays.
    pub async fn complete_upload(
        &self,
        bucket: BucketId,
        upload: UploadId,
        parts: &[CompletePart],
        min_part_bytes: u64,
        checksums: Vec<Checksum>,
        condition: Condition,
    ) -> Result<Object> {
        self.shared.check_writable()?;
        let in_upload = self
            .shared
            .locks
            .write(&NameKey::upload(bucket, upload))
            .await;
        let begun = self.upload(bucket, upload).await?;
        let known = self
            .parts(bucket, upload, 0, usize::from(PARTS_MAX))
            .await?;
        let chosen = choose(&known, parts, min_part_bytes)?;
        let (id, size, held) = assemble(&self.shared, &chosen).await?;
        for need in &held.needs {
            need.decided().await;
            if let Some(error) = need.failure() {
                return Err(error);
            }
        }
        let key = NameKey {
            bucket,
            key: begun.key,
        };
        let in_bucket = self.shared.locks.read(&bucket_lock(bucket)).await;
        let guard = self.shared.locks.write(&key).await;
        condition.check(self.shared.object(&key).await?.as_ref())?;
        self.shared.check_bucket(bucket)?;
        let mut record = NameRecord {
            etag: multipart_etag(&chosen)?,
            last_modified_ms: self.shared.clock.now_ms(),
            parts: chosen.iter().map(|part| part.size).collect(),
            ..NameRecord::new(key.clone(), Some(id), size)
        };
        Attributes {
            checksums,
            ..begun.attributes
        }
        .fill(&mut record);
        let tombstones = self.tombstones(bucket, upload, &known);
        let keep = vec![in_bucket.into(), in_upload.into(), guard.into()];
        let object = self
            .shared
            .append_name(&record, held, tombstones, keep)
            .await?;
        Counters::add(&self.shared.counters.puts, 1);
        Ok(object)
    }

    /// Ends an upload without an object.
    ///
    /// # Errors
    /// [`Error::NoSuchUpload`].
    pub async fn abort_upload(&self, bucket: BucketId, upload: UploadId) -> Result<()> {
        self.shared.check_writable()?;
        let in_upload = self
            .shared
            .locks
            .write(&NameKey::upload(bucket, upload))
            .await;
        let known = self
            .parts(bucket, upload, 0, usize::from(PARTS_MAX))
            .await?;
        let in_bucket = self.shared.locks.read(&bucket_lock(bucket)).await;
        self.shared.check_bucket(bucket)?;
        let tombstones = self.tombstones(bucket, upload, &known);
        self.shared
            .append(
                tombstones.into_iter().map(Item::new).collect(),
                vec![in_bucket.into(), in_upload.into()],
            )
            .await?;
        Ok(())
    }

    /// Tombstones for the parts of an upload, and for itself.
    fn tombstones(
        &self,
        bucket: BucketId,
        upload: UploadId,
        parts: &[Part],
    ) -> Vec<crate::log::Draft> {
        let parts = parts
            .iter()
            .map(|part| NameKey::part(bucket, upload, part.number));
        parts
            .chain([NameKey::upload(bucket, upload)])
            .map(|key| self.shared.tombstone(&key))
            .collect()
    }
}

/// An id that begins with the time, in 48 bits, so that ids are in the order of time; ten random bytes follow. Uploads are
/// listed in that order, and a listing can go on behind an upload that is gone.
fn upload_id(created_ms: u64, random: [u8; 16]) -> UploadId {
    let time = u128::from(created_ms) << 80;
    let rest = u128::from_be_bytes(random) & ((1 << 80) - 1);
    UploadId((time | rest).to_be_bytes())
}

/// What all reserved keys of an upload begin with.
struct UploadPrefix(Vec<u8>);

impl UploadPrefix {
    /// The key of a part; of the upload itself for 0.
    fn key_at(mut self, part: u16) -> Vec<u8> {
        self.0.extend_from_slice(&part.to_be_bytes());
        self.0
    }
}

fn upload_prefix(bucket: BucketId, upload: UploadId) -> UploadPrefix {
    let mut key = NameKey::upload(bucket, upload).key;
    key.truncate(key.len() - size_of::<u16>());
    UploadPrefix(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_uploads_have_greater_ids() {
        let at = |ms| upload_id(ms, [0xAB; 16]);
        assert_eq!(at(0x0102_0304_0506).0[..7], [1, 2, 3, 4, 5, 6, 0xAB]);
        assert!(upload_id(1, [0xFF; 16]) < upload_id(2, [0; 16]));
    }
}
