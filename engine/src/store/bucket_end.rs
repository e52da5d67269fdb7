//! Deleting a bucket.
//!
//! One that holds objects is refused before anything is locked. The locks are then the bucket's and, last, the catalog's: a
//! bucket that is busy keeps only its own deletion waiting.

use super::Store;
use super::catalog_ops::catalog_lock;
use super::object::bucket_lock;
use crate::error::{Error, Result};
use crate::format::CatalogEntry;
use crate::index::names::{ListQuery, ListStart};
use crate::log::Item;
use crate::position::BucketId;

/// Uploads and parts that are ended in one step when their bucket is deleted.
const TOMBSTONES_AT_ONCE: usize = 1_000;

impl Store {
    /// Deletes an empty bucket. Uploads that were not completed go with it. If the future is dropped, the bucket may or may not
    /// be gone, and what is left of its uploads may stay, out of reach.
    ///
    /// # Errors
    /// [`Error::NoSuchBucket`], [`Error::BucketNotEmpty`].
    pub async fn delete_bucket(&self, bucket: BucketId) -> Result<()> {
        self.shared.check_bucket(bucket)?;
        if self.shared.indexes.names.has_names(bucket) {
            return Err(Error::BucketNotEmpty);
        }
        let guard = self.shared.locks.write(&bucket_lock(bucket)).await;
        // From here on no name can appear in it.
        self.check_empty(bucket).await?;
        let (first, mut next) = self.some_uploads(bucket, ListStart::First).await?;
        let catalog = self.shared.locks.write(&catalog_lock()).await;
        let found = self.shared.indexes.catalog.read().bucket_by_id(bucket);
        let found = found.ok_or(Error::NoSuchBucket)?;
        let entry = CatalogEntry::Bucket {
            id: bucket,
            name: found.name,
            tenant: found.tenant,
            public_read: found.public_read,
        };
        let keep = vec![guard.into(), catalog.into()];
        self.append_catalog(entry, true, first, keep).await?;
        while let Some(start) = next {
            let (more, behind) = self.some_uploads(bucket, start).await?;
            if !more.is_empty() {
                self.shared.append(more, Vec::new()).await?;
            }
            next = behind;
        }
        Ok(())
    }

    async fn check_empty(&self, bucket: BucketId) -> Result<()> {
        let mut start = Some(ListStart::First);
        while let Some(from) = start {
            let query = ListQuery {
                limit: 1,
                start: from,
                ..ListQuery::default()
            };
            let page = self.list(bucket, query).await?;
            if !page.entries.is_empty() {
                return Err(Error::BucketNotEmpty);
            }
            start = page.next;
        }
        Ok(())
    }

    /// Tombstones for some of the uploads and parts of a bucket that is going, and where the others begin. Those that share
    /// a step with its deletion stay or go with it; what a crash leaves of the others is out of reach.
    async fn some_uploads(
        &self,
        bucket: BucketId,
        start: ListStart,
    ) -> Result<(Vec<Item>, Option<ListStart>)> {
        let (rows, next) = self
            .reserved_rows(bucket, vec![0], start, TOMBSTONES_AT_ONCE)
            .await?;
        let tombstones = rows.iter().map(|(key, _)| self.shared.tombstone(key));
        Ok((tombstones.map(Item::new).collect(), next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{Geometry, NameKey};
    use crate::io::sim::SimConfig;
    use crate::store::{Attributes, CompletePart, Condition, Options};
    use crate::testing::SimStore;
    use bytes::Bytes;
    use std::pin::pin;
    use std::task::{Context, Waker};

    fn opened() -> SimStore {
        let geometry = Geometry {
            segment_bytes: 8 << 20,
            ..Geometry::default()
        };
        let options = Options {
            geometry,
            memory_bytes: 32 << 20,
            ..Options::default()
        };
        let mut sim = SimStore::new(7, SimConfig::default(), options);
        sim.open().unwrap();
        sim
    }

    async fn new_bucket(store: &Store) -> BucketId {
        let tenant = store.create_tenant("one").await.unwrap().id;
        let made = store.create_bucket(tenant, "media", false).await;
        made.unwrap().id
    }

    async fn put_part(
        store: &Store,
        bucket: BucketId,
        upload: crate::UploadId,
        part: u16,
    ) -> CompletePart {
        let writer = store.part_writer(bucket, upload, part, Some(10)).await;
        let mut writer = writer.unwrap();
        let body = Bytes::from(vec![u8::try_from(part).unwrap(); 10]);
        writer.write(body).await.unwrap();
        let staged = writer.finish().await.unwrap();
        let put = store.put_part(bucket, upload, part, staged, Vec::new());
        CompletePart {
            number: part,
            etag: put.await.unwrap().etag,
        }
    }

    #[test]
    fn a_busy_bucket_keeps_only_its_own_deletion_waiting() {
        let mut sim = opened();
        let store = sim.store().clone();
        let bucket = sim.block_on(new_bucket(&store));
        let busy = sim.block_on(store.shared.locks.read(&bucket_lock(bucket)));
        let mut deletion = pin!(store.delete_bucket(bucket));
        let mut context = Context::from_waker(Waker::noop());
        assert!(deletion.as_mut().poll(&mut context).is_pending());
        sim.block_on(store.create_tenant("two")).unwrap();
        drop(busy);
        sim.block_on(deletion).unwrap();
        assert!(store.bucket_by_id(bucket).is_none());
    }

    #[test]
    fn who_waits_for_an_upload_does_not_hold_its_bucket() {
        let mut sim = opened();
        let store = sim.store().clone();
        let bucket = sim.block_on(new_bucket(&store));
        let begun = store.create_upload(bucket, b"k", Attributes::default());
        let upload = sim.block_on(begun).unwrap();
        let parts = [sim.block_on(put_part(&store, bucket, upload, 1))];
        // As a completion holds it that reads long parts again.
        let key = NameKey::upload(bucket, upload);
        let working = sim.block_on(store.shared.locks.write(&key));
        let none = Condition::None;
        let mut complete = pin!(store.complete_upload(bucket, upload, &parts, 0, Vec::new(), none));
        let mut part = pin!(put_part(&store, bucket, upload, 2));
        let mut abort = pin!(store.abort_upload(bucket, upload));
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..3 {
            assert!(complete.as_mut().poll(&mut context).is_pending());
            assert!(part.as_mut().poll(&mut context).is_pending());
            assert!(abort.as_mut().poll(&mut context).is_pending());
        }
        sim.block_on(store.delete_bucket(bucket)).unwrap();
        drop(working);
        let error = sim.block_on(complete).unwrap_err();
        assert!(matches!(error, Error::NoSuchBucket), "{error}");
    }

    #[test]
    fn all_uploads_go_with_their_bucket() {
        let mut sim = opened();
        let store = sim.store().clone();
        let bucket = sim.block_on(new_bucket(&store));
        for _ in 0..=TOMBSTONES_AT_ONCE {
            let begun = store.create_upload(bucket, b"k", Attributes::default());
            sim.block_on(begun).unwrap();
        }
        sim.block_on(store.delete_bucket(bucket)).unwrap();
        let left = store.uploads(bucket, None, 1);
        assert!(sim.block_on(left).unwrap().is_empty());
    }
}
