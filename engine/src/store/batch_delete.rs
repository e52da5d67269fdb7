//! Deleting many keys at once: their tombstones go to the log together and share its syncs.
//!
//! Each key is deleted, or not, by itself: the tombstones are separate steps, and a crash may leave some of them. The locks
//! of all keys are taken before the first key is looked at, in the order of the keys and each once, so two batches cannot
//! wait for each other in a circle. Whoever else holds a key's lock waits for no other key's. Each lock is then held by its
//! tombstone until that is applied, also if the caller gives up.

use super::Store;
use super::key_locks::KeyGuard;
use super::object::{Condition, Object, object_key};
use crate::apply::names_error;
use crate::error::{Error, Result};
use crate::format::NameKey;
use crate::log::{Item, Placed};
use crate::position::BucketId;
use crate::stats::Counters;
use crate::sync::{Arc, oneshot};
use std::collections::BTreeMap;

/// Keys of one call: what S3 takes in one request. Their tombstones have at most 1.2 MiB.
pub const DELETE_MANY_MAX: usize = 1_000;

/// A key to delete, and what must hold for it.
pub type Deletion = (Vec<u8>, Condition);

/// A name that is to be deleted: its lock, what it means until then, and which deletion takes it away.
struct Doomed {
    guard: Option<KeyGuard>,
    object: Option<Object>,
    by: Option<usize>,
}

/// What is to be done for one deletion.
enum Sentence {
    Nothing,
    /// Nothing if that earlier deletion of the same key succeeds; else it has failed like that one.
    After(usize),
    Append(Box<Item>),
}

/// What became of one deletion.
enum Fate {
    Decided(Result<bool>),
    After(usize),
    Queued(oneshot::Receiver<Result<Placed>>),
}

impl Store {
    /// Deletes keys, each as [`Store::delete`] would; what became of each, in their order. A key that is there twice is
    /// deleted by the first whose condition holds; where that fails, the later ones fail with it. When this returns, the
    /// deletions are durable.
    ///
    /// # Errors
    /// For a key, those of [`Store::delete`]. For all: [`Error::NoSuchBucket`], [`Error::Poisoned`],
    /// [`Error::Invalid`] if there are more than [`DELETE_MANY_MAX`]; no key is changed.
    pub async fn delete_many(
        &self,
        bucket: BucketId,
        deletions: Vec<Deletion>,
    ) -> Result<Vec<Result<bool>>> {
        if deletions.len() > DELETE_MANY_MAX {
            return Err(Error::Invalid {
                what: "keys",
                why: "at most 1,000 are deleted at once",
            });
        }
        self.shared.check_writable()?;
        self.shared.check_bucket(bucket)?;
        let deletions: Vec<(Result<NameKey>, Condition)> = deletions
            .into_iter()
            .map(|(key, condition)| (object_key(bucket, &key), condition))
            .collect();
        let mut doomed = self.lock_all(&deletions).await?;
        let mut items = Vec::new();
        let fates: Vec<Fate> = deletions
            .into_iter()
            .enumerate()
            .map(
                |(index, (key, condition))| match self.doom(&mut doomed, index, key, &condition) {
                    Ok(Sentence::Append(item)) => {
                        let (item, receipt) = item.with_receipt();
                        items.push(item);
                        Fate::Queued(receipt)
                    }
                    Ok(Sentence::After(earlier)) => Fate::After(earlier),
                    Ok(Sentence::Nothing) => Fate::Decided(Ok(false)),
                    Err(error) => Fate::Decided(Err(error)),
                },
            )
            .collect();
        // Of the names that stay, nothing is waited for.
        drop(doomed);
        // An inbox that is closed has told each item.
        let _ = self.shared.inbox.push(items);
        let mut results: Vec<Result<bool>> = Vec::with_capacity(fates.len());
        for fate in fates {
            results.push(match fate {
                Fate::Decided(result) => result,
                Fate::After(earlier) => match results.get(earlier) {
                    Some(Err(error)) => Err(error.clone()),
                    _ => Ok(false),
                },
                Fate::Queued(receipt) => {
                    let placed = receipt.await.unwrap_or(Err(Error::Closed));
                    placed.map(|_| true)
                }
            });
        }
        let deleted = results.iter().filter(|it| matches!(it, Ok(true))).count();
        Counters::add(&self.shared.counters.deletes, deleted as u64);
        Ok(results)
    }

    /// Locks every key, and says what each means.
    async fn lock_all(
        &self,
        deletions: &[(Result<NameKey>, Condition)],
    ) -> Result<BTreeMap<NameKey, Doomed>> {
        let mut doomed: BTreeMap<NameKey, Doomed> = deletions
            .iter()
            .filter_map(|(key, _)| key.as_ref().ok())
            .map(|key| {
                let nothing = Doomed {
                    guard: None,
                    object: None,
                    by: None,
                };
                (key.clone(), nothing)
            })
            .collect();
        for (key, doomed) in &mut doomed {
            doomed.guard = Some(self.shared.locks.write(key).await);
        }
        let shared = Arc::clone(&self.shared);
        let look = move || {
            for (key, doomed) in &mut doomed {
                let row = shared.indexes.names.get(key).map_err(names_error)?;
                doomed.object = row.as_ref().and_then(Object::of_row);
            }
            Ok(doomed)
        };
        self.shared.lookup.run(look).await
    }

    /// What the deletion with this index does to its key. A tombstone takes the key's lock along.
    fn doom(
        &self,
        doomed: &mut BTreeMap<NameKey, Doomed>,
        index: usize,
        key: Result<NameKey>,
        condition: &Condition,
    ) -> Result<Sentence> {
        let key = key?;
        let Some(found) = doomed.get_mut(&key) else {
            return Ok(Sentence::Nothing);
        };
        condition.check_deletion(found.object.as_ref())?;
        if found.object.take().is_none() {
            return Ok(found.by.map_or(Sentence::Nothing, Sentence::After));
        }
        found.by = Some(index);
        let mut item = Item::new(self.shared.tombstone(&key));
        item.keep.extend(found.guard.take().map(Into::into));
        Ok(Sentence::Append(Box::new(item)))
    }
}
