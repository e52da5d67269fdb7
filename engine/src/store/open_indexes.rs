//! Opening the indexes, and letting them catch up with the log. What is wrong with them ends in a rebuild, never in an error.
//!
//! That holds for their shape too: where a folder should be and is none, or a file is none, the index goes and is made anew. A link is
//! another matter. Whoever put `index`, `index/hash` or `index/names` elsewhere wants it there: where such a link leads to no folder,
//! because its disk is not mounted yet, the store is not opened, and nothing is changed ([`Error::LinkAstray`]). What a
//! rebuild needs beside the index itself, it may not get: one that cannot sort (no room, an error, a run that does not come back as it
//! was written) gives up, and the records are applied one by one, which needs no room but the index's own and takes some times as
//! long. Where even that is wanting, the store is not opened ([`Error::NoRoomForIndexes`]): with half of its names it would call the
//! others deleted. A mark that finds no room is put off, as at any checkpoint.

use super::Options;
use super::fetch::SameRecord;
use super::index_room;
use super::open::{KvSource, Parts};
use super::replay::{Replay, Sorted};
use crate::apply::{Indexes, names_error};
use crate::durable;
use crate::error::{Error, Result};
use crate::format::{StoreId, Superblock};
use crate::index::Covered;
use crate::index::catalog::Catalog;
use crate::index::hash::{HashIndex, HashOpen};
use crate::index::hot_names::HotNames;
use crate::index::names::{NameIndex, NamesError};
use crate::io::{Disk, DiskPath};
use crate::log::Segments;
use crate::position::{LogPoint, NodeId};
use crate::secret::StoreKey;
use crate::sync::{Arc, RwLock};
use std::io;

/// Opens the indexes and lets them catch up with the log of `superblock.node`, which ends at `end`.
pub(super) fn open_indexes(
    parts: &Parts,
    options: &Options,
    superblock: &Superblock,
    key: StoreKey,
    segments: &Segments,
    end: LogPoint,
) -> Result<Indexes> {
    let opened = complete(parts, options, superblock, key, segments, end);
    opened.map_err(|error| {
        if !error.is_full_disk() {
            return error;
        }
        tracing::error!(%error, "there is no room for the indexes");
        Error::NoRoomForIndexes {
            need: index_room::needed(&*parts.disk, segments),
            free: parts.disk.space().map_or(0, |space| space.free),
        }
    })
}

fn complete(
    parts: &Parts,
    options: &Options,
    superblock: &Superblock,
    key: StoreKey,
    segments: &Segments,
    end: LogPoint,
) -> Result<Indexes> {
    check_links(parts)?;
    make_folder(&*parts.disk)?;
    if let Some(place) = parts.kv.spill()
        && let Err(error) = place.clear()
    {
        tracing::warn!(%error, "what a rebuild left in index/rebuild could not be removed");
    }
    let (hash, opened) = open_hash(parts, options, superblock)?;
    if let Some(reason) = &opened.rebuild {
        tracing::info!(%reason, "the hash index is rebuilt from the log");
    }
    let names = open_names(&*parts.kv, superblock.store)?;
    let mut from_hash = point(&opened.covered, superblock.node);
    let from_names = point(&names.covered(), superblock.node);
    let mut indexes = Indexes {
        hash,
        names,
        hot: HotNames::new(parts.cache_seed),
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
    catch_up.whatever_it_takes(indexes, from_hash)
}

struct CatchUp<'a> {
    parts: &'a Parts,
    superblock: &'a Superblock,
    segments: &'a Segments,
    end: LogPoint,
}

impl CatchUp<'_> {
    /// Lets the indexes catch up. A name index that is found damaged is made anew; one that cannot be made by sorting is made record
    /// by record.
    fn whatever_it_takes(&self, mut indexes: Indexes, content_from: LogPoint) -> Result<Indexes> {
        let mut anew = indexes.names.covered().is_empty();
        let mut sorted = true;
        loop {
            match self.run(&indexes, content_from, sorted) {
                Ok(()) => return Ok(indexes),
                Err(Error::NameIndex(NamesError::Rebuild(reason))) if !anew => {
                    tracing::warn!(%reason, "the name index is damaged; it is rebuilt from the log");
                    anew = true;
                }
                Err(Error::NameIndex(error)) if anew && sorted => {
                    tracing::warn!(%error, "the name index could not be sorted: it is rebuilt record by record, which takes longer");
                    sorted = false;
                }
                Err(error) => return Err(error),
            }
            indexes = self.without_names(indexes)?;
        }
    }

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
            hot: HotNames::new(self.parts.cache_seed),
            catalog: RwLock::new(Catalog::default()),
            key,
        })
    }

    /// Shows each index the log from where it is complete, the hash index from `content_from`; fills the catalog, and
    /// makes the result durable. With `sorted`, an empty name index is made at once.
    fn run(&self, indexes: &Indexes, content_from: LogPoint, sorted: bool) -> Result<()> {
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
        let replayed = replay.run(sorted.then(|| Sorted(self.parts.kv.spill())))?;
        indexes.load_catalog()?;
        if content_from.min(names_from) < self.end {
            tracing::info!(records = replayed, %content_from, %names_from, to = %self.end, "the indexes caught up with the log");
            let covered = Covered::from([(node, self.end)]);
            match indexes.hash.checkpoint(&covered) {
                Err(error) if error.passes() => {
                    tracing::warn!(%error, "a checkpoint is put off: nothing is lost");
                }
                made => made?,
            }
            indexes.names.persist().map_err(names_error)?;
        }
        Ok(())
    }
}

/// Refuses links that do not lead to a folder.
fn check_links(parts: &Parts) -> Result<()> {
    let index = DiskPath::root().join("index");
    for path in [index.clone(), index.join("hash"), index.join("names")] {
        let astray = parts.disk.link_astray(&path);
        if let Some(target) = astray.map_err(|source| Error::io("look for", &path, source))? {
            return Err(Error::LinkAstray {
                dir: parts.dir.clone(),
                path,
                target,
            });
        }
    }
    Ok(())
}

/// Makes the folder of the indexes, in the place of whatever is none.
fn make_folder(disk: &dyn Disk) -> Result<()> {
    let dir = DiskPath::root().join("index");
    let made = match durable::create_dir(disk, &dir) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            tracing::warn!("index is not a folder: it is replaced by one");
            disk.remove_tree(&dir)
                .and_then(|()| durable::create_dir(disk, &dir))
        }
        made => made,
    };
    made.map_err(|source| Error::io("create", &dir, source))
}

/// Opens the hash index; one in which folders are files, or files are folders, goes first.
fn open_hash(
    parts: &Parts,
    options: &Options,
    superblock: &Superblock,
) -> Result<(HashIndex, HashOpen)> {
    let (disk, pages) = (&parts.disk, &parts.pages);
    let store = superblock.store.0;
    let dir = DiskPath::root().join("index").join("hash");
    // A file there is written over; a folder would keep every mark from being made.
    let stray = dir.join("mark.tmp");
    if disk.list(&stray).is_ok() {
        disk.remove_tree(&stray)
            .map_err(|source| Error::io("remove", &stray, source))?;
    }
    let open = || HashIndex::open(Arc::clone(disk), Arc::clone(pages), store, options.hash);
    match open() {
        Err(error) if is_misshapen(&error) => {
            tracing::warn!(%error, "the hash index is not as it should be: it is removed and rebuilt from the log");
            disk.remove_tree(&dir)
                .map_err(|source| Error::io("remove", &dir, source))?;
            open()
        }
        opened => opened,
    }
}

/// Whether a call failed because of what lies at a path, and not because of the disk.
fn is_misshapen(error: &Error) -> bool {
    use io::ErrorKind as Kind;
    use rustix::io::Errno;
    let Error::Io { source, .. } = error else {
        return false;
    };
    let code = source.raw_os_error().map(Errno::from_raw_os_error);
    matches!(code, Some(Errno::LOOP | Errno::NODEV))
        || matches!(
            source.kind(),
            Kind::NotADirectory
                | Kind::IsADirectory
                | Kind::AlreadyExists
                | Kind::DirectoryNotEmpty
        )
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

#[cfg(test)]
#[path = "open_indexes/tests.rs"]
mod tests;
