//! What one commit changes: a pure plan of (state of the index, records), idempotent, always comparing versions.

use super::error::{NamesError, Result};
use super::kv::{Change, Kv, Table};
use super::row::{self, KEY_MAX, NameRow};
use super::state::{STATE_KEY, State, Usage};
use crate::format::NameKey;
use crate::id::Id;
use crate::position::{BucketId, Position, Version};
use bytes::Bytes;
use std::collections::BTreeMap;

/// A name, tombstone or catalog record, as far as the index needs it decoded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NameChange {
    /// The name.
    pub key: NameKey,
    /// The record's version.
    pub version: Version,
    /// Where the record begins.
    pub at: Position,
    /// The record's payload; `None` for a tombstone.
    pub payload: Option<Bytes>,
    /// The blob that the payload names, if any.
    pub blob: Option<Id>,
    /// The size that the payload states.
    pub size: u64,
}

impl NameChange {
    /// The row that it asks for.
    pub(super) fn row(&self) -> NameRow {
        let live = self.payload.is_some();
        NameRow {
            version: self.version,
            at: self.at,
            size: if live { self.size } else { 0 },
            blob: self.blob.filter(|_| live),
            live: self.payload.clone(),
        }
    }
}

/// One commit in the making. Later changes see what earlier ones planned.
pub(super) struct Plan<'a> {
    kv: &'a dyn Kv,
    /// At most one change per row, as a commit wants it.
    rows: BTreeMap<(Table, Vec<u8>), Option<Vec<u8>>>,
    /// The new usage of every bucket that changes.
    usage: BTreeMap<BucketId, Usage>,
}

impl<'a> Plan<'a> {
    pub fn new(kv: &'a dyn Kv) -> Self {
        Self {
            kv,
            rows: BTreeMap::new(),
            usage: BTreeMap::new(),
        }
    }

    /// Takes the record in, unless the index has the same version of the name or a newer one. `usage` tells what a
    /// bucket held before this commit.
    pub fn add(&mut self, change: &NameChange, usage: &dyn Fn(BucketId) -> Usage) -> Result<()> {
        let NameKey { bucket, key } = &change.key;
        if key.len() > KEY_MAX {
            return Err(NamesError::KeyTooLong {
                len: key.len(),
                max: KEY_MAX,
            });
        }
        let place = (Table::Names, row::names_key(*bucket, key));
        let old = match self.rows.get(&place) {
            Some(Some(planned)) => Some(NameRow::decode(planned)?),
            Some(None) => None,
            None => self
                .kv
                .get(place.0, &place.1)?
                .map(|stored| NameRow::decode(&stored))
                .transpose()?,
        };
        if old
            .as_ref()
            .is_some_and(|old| old.version >= change.version)
        {
            return Ok(());
        }
        let new = change.row();
        self.reverse(&change.key, old.as_ref(), &new);
        self.count(&change.key, old.as_ref(), &new, usage)?;
        self.rows.insert(place, Some(new.encode()));
        Ok(())
    }

    fn reverse(&mut self, name: &NameKey, old: Option<&NameRow>, new: &NameRow) {
        let size = row::reverse_value(new.size);
        let old = old.and_then(|old| old.blob);
        for (blob, value) in [(old, None), (new.blob, Some(size))] {
            if let Some(blob) = blob {
                let key = row::reverse_key(&blob, name);
                self.rows.insert((Table::Reverse, key), value);
            }
        }
    }

    fn count(
        &mut self,
        name: &NameKey,
        old: Option<&NameRow>,
        new: &NameRow,
        usage: &dyn Fn(BucketId) -> Usage,
    ) -> Result<()> {
        if name.bucket == BucketId(0) {
            return Ok(());
        }
        let before = || usage(name.bucket);
        let counters = self.usage.entry(name.bucket).or_insert_with(before);
        let reserved = row::is_reserved(&name.key);
        if let Some(old) = old.filter(|old| old.live.is_some()) {
            counters.subtract(reserved, old.size).ok_or_else(|| {
                NamesError::contradiction("a bucket's usage is less than its names")
            })?;
        }
        if new.live.is_some() {
            counters.add(reserved, new.size);
        }
        Ok(())
    }

    /// The commit: the planned rows, the counters, and the state that they bring the index to.
    pub fn finish(self, state: &State) -> (Vec<Change>, BTreeMap<BucketId, Usage>) {
        let meta = |key, value| Change {
            table: Table::Meta,
            key,
            value: Some(value),
        };
        let mut changes: Vec<Change> = self
            .rows
            .into_iter()
            .map(|((table, key), value)| Change { table, key, value })
            .collect();
        for (bucket, usage) in &self.usage {
            changes.push(meta(Usage::key(*bucket), usage.encode()));
        }
        changes.push(meta(STATE_KEY.to_vec(), state.encode()));
        (changes, self.usage)
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}
