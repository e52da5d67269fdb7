//! Makes the whole index at once from the records of a log: sorted, and written in order, each row once.
//!
//! Putting them one by one would read each name's old row, and have the tree rewrite its tables again and again: three
//! times the work at a million names, and more with each level that the tree grows. Here the newest version of each name is
//! what comes out of a sort, so that nothing is read, and the reverse rows and the usage follow from what comes out.
//!
//! All or nothing: before the last step there is an empty index, which the next start fills from the log. Rows that do not
//! fit into memory are spilled ([`Spill`]); it takes up to twice the room of the index. Where that room is wanting, or a run
//! cannot be written or read back, the caller empties the index and applies the records one by one.

use super::apply::NameChange;
use super::error::{NamesError, Result};
use super::index::NameIndex;
use super::kv::{RowSink, Table};
use super::row::{self, KEY_MAX};
use super::sorter::{Merge, Sorter};
use super::spill::Spill;
use super::state::{STATE_KEY, State, Usage};
use crate::format::NameKey;
use crate::id::Id;
use crate::index::Covered;
use crate::position::{BucketId, Hlc, Version};
use std::collections::BTreeMap;
use std::rc::Rc;

/// An index in the making.
pub struct Rebuild {
    names: Sorter,
    hlc: Hlc,
    scratch: Option<Scratch>,
}

impl Rebuild {
    /// Begins one, which spills what does not fit into memory; without a place for that, all is held in memory.
    pub fn new(place: Option<Rc<dyn Spill>>) -> Result<Self> {
        let scratch = place.map(Scratch::new).transpose()?;
        Ok(Self {
            names: Sorter::new(spill(scratch.as_ref(), "names")),
            hlc: Hlc::default(),
            scratch,
        })
    }

    /// Takes a record in. Records may come in any order, and more than once.
    pub fn add(&mut self, change: &NameChange) -> Result<()> {
        let NameKey { bucket, key } = &change.key;
        if key.len() > KEY_MAX {
            return Err(NamesError::KeyTooLong {
                len: key.len(),
                max: KEY_MAX,
            });
        }
        self.hlc = self.hlc.max(change.version.hlc);
        self.names.add(change.version, |out| {
            let start = out.len();
            row::append_names_key(out, *bucket, key);
            let key_len = out.len() - start;
            change.row().append_to(out);
            key_len
        })
    }

    /// Makes `index`, which must be new, hold all records. It covers the log up to `covered` then, durably; `hlc` is the
    /// highest stamp seen.
    pub fn finish(self, index: &NameIndex, covered: &Covered, hlc: Hlc) -> Result<()> {
        let stamp = self.hlc.max(hlc);
        let mut rows = Some(Rows {
            names: self.names.merge()?,
            uses: Sorter::new(spill(self.scratch.as_ref(), "uses")),
            usage: BTreeMap::new(),
        });
        index.fill(covered, stamp, &mut |state, sink| {
            let rows = rows.take().expect("an index is filled once");
            rows.give(state, sink)
        })
    }
}

fn spill(scratch: Option<&Scratch>, name: &'static str) -> Option<(Rc<dyn Spill>, &'static str)> {
    scratch.map(|scratch| (Rc::clone(&scratch.0), name))
}

/// The rows of an index, table by table.
struct Rows {
    names: Merge,
    /// Rows of the reverse table.
    uses: Sorter,
    usage: BTreeMap<BucketId, Usage>,
}

impl Rows {
    /// Hands every row to `sink`, the state last; returns what the buckets hold.
    fn give(mut self, state: &State, sink: &mut RowSink<'_>) -> Result<BTreeMap<BucketId, Usage>> {
        while let Some((key, row)) = self.names.next()? {
            let outline = row::outline(row)?;
            let (bucket, name) = row::split_names_key(key)?;
            if bucket != BucketId(0) {
                let usage = self.usage.entry(bucket).or_default();
                if outline.live {
                    usage.add(row::is_reserved(name), outline.size);
                }
            }
            if let Some(blob) = outline.blob {
                self.uses.add(Version::default(), |out| {
                    out.extend_from_slice(blob.as_bytes());
                    out.extend_from_slice(key);
                    out.extend_from_slice(&outline.size.to_le_bytes());
                    Id::LEN + key.len()
                })?;
            }
            sink(Table::Names, key, row)?;
        }
        // Frees what the names held before the second merge takes its own.
        drop(self.names);
        let mut uses = self.uses.merge()?;
        while let Some((key, size)) = uses.next()? {
            sink(Table::Reverse, key, size)?;
        }
        sink(Table::Meta, STATE_KEY, &state.encode())?;
        for (bucket, usage) in &self.usage {
            sink(Table::Meta, &Usage::key(*bucket), &usage.encode())?;
        }
        Ok(self.usage)
    }
}

/// The runs of a rebuild; removed when it ends, however it ends.
struct Scratch(Rc<dyn Spill>);

impl Scratch {
    fn new(place: Rc<dyn Spill>) -> Result<Self> {
        let cleared = place.clear();
        cleared.map_err(|source| NamesError::io("make room to sort", source))?;
        Ok(Self(place))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What stays behind is removed by the next opening, and read by nobody.
        let _ = self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::names::{DiskKv, DiskOptions, Kv, MemoryKv, SpillFolder, Visit};
    use crate::io::DiskPath;
    use crate::io::sim::{SimConfig, SimDisk};
    use crate::io::test_dir::TestDir;
    use crate::position::{Incarnation, LogPoint, NodeId, Offset, Position, SegmentNumber};
    use bytes::Bytes;
    use std::io;
    use std::ops::Bound;

    const STORE: [u8; 16] = [5; 16];

    fn in_memory() -> NameIndex {
        let disk = SimDisk::new(1, SimConfig::default());
        let kv = MemoryKv::open(disk, DiskPath::root().join("names")).unwrap();
        NameIndex::open(Box::new(kv), STORE).unwrap()
    }

    fn on_disk(dir: &TestDir) -> NameIndex {
        let kv = DiskKv::open(&dir.path().join("kv"), DiskOptions::default()).unwrap();
        NameIndex::open(Box::new(kv), STORE).unwrap()
    }

    /// Names, parts and catalog entries, written over and deleted, in the order of a log.
    fn history() -> Vec<NameChange> {
        let change = |number: u64| {
            let live = number % 5 != 4;
            let mut key = format!("{:02}", number * 7 % 61).into_bytes();
            if number.is_multiple_of(11) {
                key.insert(0, 0);
            }
            NameChange {
                key: NameKey {
                    bucket: BucketId(number % 3),
                    key,
                },
                version: Version {
                    hlc: Hlc(number + 1),
                    node: NodeId(1),
                },
                at: Position {
                    node: NodeId(1),
                    incarnation: Incarnation(1),
                    segment: SegmentNumber(1),
                    offset: Offset(number * 512),
                },
                payload: live.then(|| Bytes::from(number.to_le_bytes().to_vec())),
                blob: live.then(|| Id::of(&(number % 17).to_le_bytes())),
                size: if live { number } else { 0 },
            }
        };
        (0..700).map(change).collect()
    }

    fn covered() -> Covered {
        let point = LogPoint {
            segment: SegmentNumber(1),
            offset: Offset(1 << 20),
        };
        Covered::from([(NodeId(1), point)])
    }

    type Row = (Table, Vec<u8>, Vec<u8>);

    fn rows(kv: &dyn Kv) -> Vec<Row> {
        let mut rows = Vec::new();
        for table in Table::ALL {
            kv.range(
                table,
                Bound::Unbounded,
                Bound::Unbounded,
                &mut |key, value| {
                    rows.push((table, key.to_vec(), value.to_vec()));
                    Ok(Visit::Continue)
                },
            )
            .unwrap();
        }
        rows
    }

    fn applied_one_by_one() -> NameIndex {
        let index = in_memory();
        for change in history() {
            let changes = [change];
            index.apply(&changes, &Covered::new(), Hlc(0)).unwrap();
        }
        index.apply(&[], &covered(), Hlc(9_000)).unwrap();
        index
    }

    #[test]
    fn it_makes_what_applying_one_by_one_makes_whatever_the_order() {
        let expected = rows(applied_one_by_one().kv());
        let mut backwards = history();
        backwards.reverse();
        let twice = [history(), backwards.clone()].concat();
        for changes in [history(), backwards, twice] {
            for run_bytes in [1 << 10, usize::MAX] {
                let dir = TestDir::new("rebuild");
                let scratch = dir.path().join("scratch");
                let place = SpillFolder::with_run(scratch.clone(), run_bytes);
                let mut rebuild = Rebuild::new(Some(Rc::new(place))).unwrap();
                changes.iter().for_each(|it| rebuild.add(it).unwrap());
                let index = on_disk(&dir);
                rebuild.finish(&index, &covered(), Hlc(9_000)).unwrap();
                assert!(rows(index.kv()) == expected, "runs of {run_bytes} bytes");
                assert_eq!(
                    index.usage(BucketId(1)),
                    applied_one_by_one().usage(BucketId(1))
                );
                assert!(!scratch.exists());
            }
        }
    }

    #[test]
    fn what_was_filled_survives_a_reopening_and_takes_newer_versions() {
        let dir = TestDir::new("rebuild-reopen");
        let mut rebuild = Rebuild::new(None).unwrap();
        history().iter().for_each(|it| rebuild.add(it).unwrap());
        let index = on_disk(&dir);
        rebuild.finish(&index, &covered(), Hlc(9_000)).unwrap();
        drop(index);
        let index = on_disk(&dir);
        assert_eq!((index.covered(), index.last_hlc()), (covered(), Hlc(9_000)));
        let mut newer = history();
        for change in &mut newer {
            change.version.hlc.0 += 10_000;
        }
        index.apply(&newer, &Covered::new(), Hlc(0)).unwrap();
        index.persist().unwrap();
        drop(index);
        let index = on_disk(&dir);
        let last = newer.last().unwrap();
        assert_eq!(index.get(&last.key).unwrap().unwrap().version, last.version);
        let twin = applied_one_by_one();
        twin.apply(&newer, &Covered::new(), Hlc(0)).unwrap();
        assert!(rows(index.kv()) == rows(twin.kv()));
    }

    #[test]
    fn a_rebuild_that_is_given_up_leaves_an_empty_index() {
        let dir = TestDir::new("rebuild-gave-up");
        let index = on_disk(&dir);
        let failed = index.kv().fill(&mut |sink| {
            sink(Table::Names, b"12345678key", b"row")?;
            Err(NamesError::io("test", io::Error::other("on purpose")))
        });
        assert!(failed.is_err());
        drop(index);
        assert!(on_disk(&dir).covered().is_empty());
        assert!(rows(on_disk(&dir).kv()).is_empty());
    }
}
