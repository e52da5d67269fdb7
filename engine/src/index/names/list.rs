//! Ordered listing with S3's prefix, delimiter and start-after, in bounded work and memory.
//!
//! A key that holds the delimiter after the prefix belongs to the *group* of keys that share everything up to and
//! including that delimiter. A group is listed once, as its common prefix, if it holds a live key after the start; then
//! the scan steps over the rest of it, and seeks past what is more than some rows. A page ends at its limit, at [`ROWS_SCANNED_MAX`] rows (many tombstones) or at
//! [`PAGE_BYTES_MAX`]; it may be empty and still have a next page.

use super::error::Result;
use super::kv::{Kv, Table, Visit};
use super::row::{self, NameRow};
use crate::position::BucketId;
use std::ops::Bound;

/// Rows that one page may look at, beside those of listed groups: ten times the largest page of S3, some milliseconds of work.
pub const ROWS_SCANNED_MAX: usize = 10_000;

/// Rows of a group that are stepped over before the scan seeks past the others. Groups are small as a rule (the sizes of one
/// picture), and a seek through all levels of the table costs as much as ten to twenty rows.
const GROUP_STEPS_MAX: usize = 16;

/// Bytes of keys and payloads that one page may hold: 1,000 names of 4 KiB; a usual page is a tenth of it.
pub const PAGE_BYTES_MAX: usize = 4 << 20;

/// Where a listing begins.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub enum ListStart {
    /// At the first key.
    #[default]
    First,
    /// After this key, which need not exist. A group that holds a later key is listed.
    AfterKey(Vec<u8>),
    /// After every key that starts with this: the rest of a group that was listed.
    AfterPrefix(Vec<u8>),
}

/// What to list.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct ListQuery {
    /// Only keys that start with this.
    pub prefix: Vec<u8>,
    /// Groups keys; none if empty.
    pub delimiter: Vec<u8>,
    /// Where to begin.
    pub start: ListStart,
    /// At most so many entries. 0 gives an empty page that is the last.
    pub limit: usize,
}

/// A line of a listing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ListEntry {
    /// A live name.
    Key {
        /// Its key.
        key: Vec<u8>,
        /// Its row.
        row: NameRow,
    },
    /// A common prefix, with the delimiter at its end.
    Prefix(Vec<u8>),
}

/// A page of a listing.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct ListPage {
    /// In ascending order of the keys' bytes.
    pub entries: Vec<ListEntry>,
    /// Where the next page begins; `None` if this is the last.
    pub next: Option<ListStart>,
}

/// Which half of a bucket's keys.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Space {
    /// What clients see.
    Objects,
    /// Uploads and parts: a first byte of 0.
    Reserved,
    /// Bucket 0: every key.
    Catalog,
}

/// Lists one page.
pub(super) fn list(
    kv: &dyn Kv,
    bucket: BucketId,
    space: Space,
    query: &ListQuery,
) -> Result<ListPage> {
    let mut scan = Scan {
        query,
        bytes: 0,
        scanned: 0,
        page: ListPage::default(),
        listed: None,
        seek: first_key(bucket, space, query),
    };
    let end = end_key(bucket, space, query);
    if query.limit == 0 {
        return Ok(scan.page);
    }
    while let Some(from) = scan.seek.take() {
        kv.range(
            Table::Names,
            bound(Bound::Included(&from)),
            end.as_ref()
                .map_or(Bound::Unbounded, |end| Bound::Excluded(end)),
            &mut |key, value| scan.row(bucket, key, value),
        )?;
    }
    Ok(scan.page)
}

const fn bound(bound: Bound<&Vec<u8>>) -> Bound<&[u8]> {
    match bound {
        Bound::Included(key) => Bound::Included(key.as_slice()),
        Bound::Excluded(key) => Bound::Excluded(key.as_slice()),
        Bound::Unbounded => Bound::Unbounded,
    }
}

/// The smallest key of the table that the listing may hold; `None` if there can be none.
fn first_key(bucket: BucketId, space: Space, query: &ListQuery) -> Option<Vec<u8>> {
    let lowest: &[u8] = match space {
        Space::Objects => &[1],
        Space::Reserved | Space::Catalog => &[],
    };
    let lowest = row::names_key(bucket, lowest.max(&query.prefix));
    let start = match &query.start {
        ListStart::First => return Some(lowest),
        ListStart::AfterKey(key) => {
            let mut next = row::names_key(bucket, key);
            next.push(0);
            next
        }
        ListStart::AfterPrefix(prefix) => row::after_prefix(&row::names_key(bucket, prefix))?,
    };
    Some(start.max(lowest))
}

/// The first key of the table after all that the listing may hold; `None` if the table ends before.
fn end_key(bucket: BucketId, space: Space, query: &ListQuery) -> Option<Vec<u8>> {
    let end = row::after_prefix(&row::names_key(bucket, &query.prefix));
    match space {
        Space::Objects | Space::Catalog => end,
        Space::Reserved => {
            let objects = row::names_key(bucket, &[1]);
            Some(end.map_or(objects.clone(), |end| end.min(objects)))
        }
    }
}

struct Scan<'a> {
    query: &'a ListQuery,
    bytes: usize,
    scanned: usize,
    page: ListPage,
    /// The group that was listed last.
    listed: Option<Listed>,
    /// Where the table is to be read from next; `None` ends the listing.
    seek: Option<Vec<u8>>,
}

/// A group that is in the page: its other rows are of no use.
struct Listed {
    /// The beginning of its rows' keys in the table.
    prefix: Vec<u8>,
    steps: usize,
}

impl Scan<'_> {
    /// Whether the row is one more of the group that was listed last, and whether to go on to the next or to seek.
    fn step(&mut self, table_key: &[u8]) -> Option<Visit> {
        let listed = self.listed.as_mut()?;
        if !table_key.starts_with(&listed.prefix) {
            self.listed = None;
            return None;
        }
        listed.steps += 1;
        if listed.steps < GROUP_STEPS_MAX {
            return Some(Visit::Continue);
        }
        self.seek = row::after_prefix(&listed.prefix);
        self.listed = None;
        Some(Visit::Stop)
    }

    fn row(&mut self, bucket: BucketId, table_key: &[u8], value: &[u8]) -> Result<Visit> {
        if let Some(visit) = self.step(table_key) {
            return Ok(visit);
        }
        let key = row::parse_names_key(table_key)?.key;
        self.scanned += 1;
        let full = self.page.entries.len() == self.query.limit || self.bytes >= PAGE_BYTES_MAX;
        if NameRow::is_live(value) {
            if full {
                self.page.next = self.page.entries.last().map(resume_after);
                return Ok(Visit::Stop);
            }
            let entry = match self.group(&key) {
                Some(group) => {
                    self.listed = Some(Listed {
                        prefix: row::names_key(bucket, &group),
                        steps: 0,
                    });
                    ListEntry::Prefix(group)
                }
                None => ListEntry::Key {
                    key: key.clone(),
                    row: NameRow::decode(value)?,
                },
            };
            self.push(entry);
        }
        if self.scanned >= ROWS_SCANNED_MAX {
            self.page.next = Some(match self.page.entries.last() {
                Some(group) if self.listed.is_some() => resume_after(group),
                _ => ListStart::AfterKey(key),
            });
            return Ok(Visit::Stop);
        }
        Ok(Visit::Continue)
    }

    fn push(&mut self, entry: ListEntry) {
        self.bytes += match &entry {
            ListEntry::Key { key, row } => {
                key.len() + row.live.as_ref().map_or(0, bytes::Bytes::len)
            }
            ListEntry::Prefix(prefix) => prefix.len(),
        };
        self.page.entries.push(entry);
    }

    /// The common prefix of the group that the key belongs to.
    fn group(&self, key: &[u8]) -> Option<Vec<u8>> {
        let delimiter = self.query.delimiter.as_slice();
        if delimiter.is_empty() {
            return None;
        }
        let from = self.query.prefix.len();
        let at = key
            .get(from..)?
            .windows(delimiter.len())
            .position(|window| window == delimiter)?;
        Some(key.get(..from + at + delimiter.len())?.to_vec())
    }
}

fn resume_after(entry: &ListEntry) -> ListStart {
    match entry {
        ListEntry::Key { key, .. } => ListStart::AfterKey(key.clone()),
        ListEntry::Prefix(prefix) => ListStart::AfterPrefix(prefix.clone()),
    }
}
