//! Opening the indexes, and letting them catch up with the log. What is wrong with them ends in a rebuild, never in an error.

use super::Options;
use super::fetch::SameRecord;
use super::open::{KvSource, Parts};
use super::replay::Replay;
use crate::apply::{Indexes, names_error};
use crate::durable;
use crate::error::{Error, Result};
use crate::format::{StoreId, Superblock};
use crate::index::Covered;
use crate::index::catalog::Catalog;
use crate::index::hash::HashIndex;
use crate::index::names::{NameIndex, NamesError};
use crate::io::DiskPath;
use crate::log::Segments;
use crate::position::{LogPoint, NodeId};
use crate::secret::StoreKey;
use crate::sync::{Arc, RwLock};

/// Opens the indexes and lets them catch up with the log of `superblock.node`, which ends at `end`.
pub(super) fn open_indexes(
    parts: &Parts,
    options: &Options,
    superblock: &Superblock,
    key: StoreKey,
    segments: &Segments,
    end: LogPoint,
) -> Result<Indexes> {
    let disk = &*parts.disk;
    let dir = DiskPath::root().join("index");
    durable::create_dir(disk, &dir).map_err(|source| Error::io("create", &dir, source))?;
    let (hash, opened) = HashIndex::open(
        Arc::clone(&parts.disk),
        Arc::clone(&parts.pages),
        superblock.store.0,
        options.hash,
    )?;
    if let Some(reason) = &opened.rebuild {
        tracing::info!(%reason, "the hash index is rebuilt from the log");
    }
    let names = open_names(&*parts.kv, superblock.store)?;
    let mut from_hash = point(&opened.covered, superblock.node);
    let from_names = point(&names.covered(), superblock.node);
    let mut indexes = Indexes {
        hash,
        names,
        catalog: RwLock::default(),
        key,
    };
    let catch_up = CatchUp {
        parts,
        superblock,
        segments,
        end,
    };
    if from_hash.max(from_names) > end {
        tracing::error!(
            log = %end, hash_index = %from_hash, name_index = %from_names,
            "the log ends before what the indexes had seen: part of it is lost; they are rebuilt from what is there"
        );
        indexes.hash.clear()?;
        indexes = catch_up.without_names(indexes)?;
        from_hash = LogPoint::default();
    }
    match catch_up.run(&indexes, from_hash) {
        Err(Error::NameIndex(NamesError::Rebuild(reason))) => {
            tracing::warn!(%reason, "the name index is damaged; it is rebuilt from the log");
            indexes = catch_up.without_names(indexes)?;
            catch_up.run(&indexes, from_hash)?;
        }
        other => other?,
    }
    Ok(indexes)
}

struct CatchUp<'a> {
    parts: &'a Parts,
    superblock: &'a Superblock,
    segments: &'a Segments,
    end: LogPoint,
}

impl CatchUp<'_> {
    /// Throws the name index away and puts an empty one in its place.
    fn without_names(&self, indexes: Indexes) -> Result<Indexes> {
        let Indexes {
            hash, names, key, ..
        } = indexes;
        drop(names);
        self.parts.kv.remove().map_err(names_error)?;
        Ok(Indexes {
            hash,
            names: open_names(&*self.parts.kv, self.superblock.store)?,
            catalog: RwLock::new(Catalog::default()),
            key,
        })
    }

    /// Shows each index the log from where it is complete, the hash index from `content_from`; fills the catalog, and
    /// makes the result durable.
    fn run(&self, indexes: &Indexes, content_from: LogPoint) -> Result<()> {
        let disk = &*self.parts.disk;
        let node = self.superblock.node;
        let same = SameRecord {
            disk,
            segments: self.segments,
        };
        let names_from = point(&indexes.names.covered(), node);
        let replay = Replay {
            disk,
            segments: self.segments,
            indexes,
            same: &same,
            node,
            content_from,
            names_from,
            end: self.end,
        };
        let replayed = replay.run(self.parts.kv.scratch().as_deref())?;
        indexes.load_catalog()?;
        if content_from.min(names_from) < self.end {
            tracing::info!(records = replayed, %content_from, %names_from, to = %self.end, "the indexes caught up with the log");
            let covered = Covered::from([(node, self.end)]);
            indexes.hash.checkpoint(&covered)?;
            indexes.names.persist().map_err(names_error)?;
        }
        Ok(())
    }
}

fn point(covered: &Covered, node: NodeId) -> LogPoint {
    covered.get(&node).copied().unwrap_or_default()
}

/// Opens the name index; one that cannot be used is thrown away, and starts empty.
fn open_names(kv: &dyn KvSource, store: StoreId) -> Result<NameIndex> {
    let (names, rebuilt) =
        NameIndex::open_or_empty(store.0, || kv.open(), || kv.remove()).map_err(names_error)?;
    if let Some(reason) = rebuilt {
        tracing::warn!(%reason, "the name index is rebuilt from the log");
    }
    Ok(names)
}
