//! Counts the distinct content that live names stand for, a bounded number of rows at a time, from the reverse table.

use super::error::Result;
use super::index::NameIndex;
use super::kv::{Table, Visit};
use super::row;
use crate::id::Id;
use std::ops::Bound;

/// A count in progress. Rows come in the order of the blobs' ids, so that the last blob is all there is to remember.
#[derive(Clone, Default, Debug)]
pub struct ContentCount {
    blobs: u64,
    bytes: u64,
    /// The last row that was looked at.
    after: Option<Vec<u8>>,
    /// The last blob that was counted.
    counted: Option<Id>,
    done: bool,
}

impl ContentCount {
    /// Blobs that live names of objects use, so far.
    pub const fn blobs(&self) -> u64 {
        self.blobs
    }

    /// The sum of their sizes.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether every row was looked at.
    pub const fn is_done(&self) -> bool {
        self.done
    }

    fn add(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        let (blob, name) = row::parse_reverse_key(key)?;
        if !row::is_reserved(&name.key) && self.counted != Some(blob) {
            self.blobs += 1;
            self.bytes = self.bytes.saturating_add(row::parse_reverse_value(value)?);
            self.counted = Some(blob);
        }
        Ok(())
    }
}

impl NameIndex {
    /// Goes on with a count, over at most `rows` rows more. Parts of uploads do not count as names.
    pub fn count_content(&self, count: &mut ContentCount, rows: usize) -> Result<()> {
        let start = count.after.take();
        let from = start.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let mut left = rows;
        let mut last = None;
        self.kv()
            .range(Table::Reverse, from, Bound::Unbounded, &mut |key, value| {
                if left == 0 {
                    return Ok(Visit::Stop);
                }
                left -= 1;
                count.add(key, value)?;
                if left == 0 {
                    last = Some(key.to_vec());
                }
                Ok(Visit::Continue)
            })?;
        count.done = left > 0;
        count.after = last;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::NameKey;
    use crate::index::Covered;
    use crate::index::names::{MemoryKv, NameChange};
    use crate::io::DiskPath;
    use crate::io::sim::{SimConfig, SimDisk};
    use crate::position::{
        BucketId, Hlc, Incarnation, NodeId, Offset, Position, SegmentNumber, Version,
    };
    use bytes::Bytes;

    fn index() -> NameIndex {
        let disk = SimDisk::new(1, SimConfig::default());
        let kv = MemoryKv::open(disk, DiskPath::root().join("names")).unwrap();
        NameIndex::open(Box::new(kv), [1; 16]).unwrap()
    }

    /// A name of `content`, or its tombstone.
    fn change(clock: u64, key: &[u8], content: Option<&[u8]>) -> NameChange {
        NameChange {
            key: NameKey {
                bucket: BucketId(7),
                key: key.to_vec(),
            },
            version: Version {
                hlc: Hlc(clock),
                node: NodeId(1),
            },
            at: Position {
                node: NodeId(1),
                incarnation: Incarnation(1),
                segment: SegmentNumber(1),
                offset: Offset(clock * 4096),
            },
            payload: content.map(|_| Bytes::from_static(b"payload")),
            blob: content.map(Id::of),
            size: content.map_or(0, |content| content.len() as u64),
        }
    }

    fn counted(index: &NameIndex, rows: usize) -> (u64, u64) {
        let mut count = ContentCount::default();
        while !count.is_done() {
            index.count_content(&mut count, rows).unwrap();
        }
        (count.blobs(), count.bytes())
    }

    #[test]
    fn each_blob_counts_once_however_many_names_and_however_it_is_paged() {
        let index = index();
        let changes = [
            change(1, b"a", Some(b"four")),
            change(2, b"b", Some(b"four")),
            change(3, b"c", Some(b"fives")),
            change(4, b"d", Some(b"")),
            change(5, b"\0part", Some(b"of an upload")),
            change(6, b"e", Some(b"gone")),
            change(7, b"e", None),
            change(8, b"f", Some(b"replaced")),
            change(9, b"f", Some(b"four")),
        ];
        index.apply(&changes, &Covered::new(), Hlc(9)).unwrap();
        for rows in 1..=8 {
            assert_eq!(counted(&index, rows), (3, 9), "{rows} rows at a time");
        }
    }

    #[test]
    fn an_empty_index_is_counted_at_once() {
        assert_eq!(counted(&index(), 1), (0, 0));
    }
}
