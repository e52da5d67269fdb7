//! Where a key or an id lies.

use super::Inspector;
use crate::error::{Error, Result};
use crate::format::{
    CatalogEntry, CatalogRecord, Manifest, NameKey, NameRecord, RecordKind, TenantId, Tombstone,
};
use crate::fsck::Finder;
use crate::id::Id;
use crate::log::scan::{Scanned, Scanner};
use crate::log::{Opened, Segment, find_end, read_footer};
use crate::position::{BucketId, NodeId, Offset, SegmentNumber, Version};
use crate::store::replay::change_of;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};

/// A record that gave a name a meaning, or took it away.
#[derive(Clone, Debug)]
pub struct FoundName {
    /// Whose log.
    pub node: NodeId,
    /// Which segment.
    pub segment: SegmentNumber,
    /// Where the record begins.
    pub offset: Offset,
    /// When and by whom.
    pub version: Version,
    /// What it says; `None` for a tombstone.
    pub record: Option<NameRecord>,
}

/// An extent or manifest.
#[derive(Clone, Debug)]
pub struct FoundContent {
    /// Whose log.
    pub node: NodeId,
    /// Which segment.
    pub segment: SegmentNumber,
    /// Where the record begins.
    pub offset: Offset,
}

/// Where in a segment an extent or manifest lies: by the footer, or by the batches of an unsealed segment.
pub(crate) fn offsets_of(segment: &Segment, opened: &Opened, id: &Id) -> Result<Vec<Offset>> {
    if let Some(footer) = read_footer(segment, opened)? {
        return Ok(footer.lookup(id).map(|entry| entry.offset).collect());
    }
    let mut offsets = Vec::new();
    walk(segment, opened, &mut |record| {
        if record.header.kind.is_content() && record.header.id == *id {
            offsets.push(record.offset);
        }
    })?;
    Ok(offsets)
}

fn walk(
    segment: &Segment,
    opened: &Opened,
    visit: &mut dyn FnMut(crate::log::scan::ScannedRecord),
) -> Result<()> {
    let path = segment.path();
    let read = |source| Error::io("read", &path, source);
    let end = find_end(segment, opened)?;
    let mut scanner = Scanner::new(opened, opened.data_start, end).map_err(read)?;
    while let Some(found) = scanner.next().map_err(read)? {
        if let Scanned::Batch(batch) = found {
            batch.records.into_iter().for_each(&mut *visit);
        }
    }
    Ok(())
}

/// Shows every record that is not content: kind, offset, version, payload.
fn copied_records(
    segment: &Segment,
    opened: &Opened,
    visit: &mut dyn FnMut(RecordKind, Offset, Version, Bytes),
) -> Result<()> {
    use crate::apply::Change;
    if let Some(footer) = read_footer(segment, opened)? {
        for (offset, record) in footer.copies() {
            let payload = || Bytes::copy_from_slice(record.payload);
            if let Change::Named {
                kind,
                version,
                payload,
            } = change_of(&record.header, payload)
            {
                visit(kind, offset, version, payload);
            }
        }
        return Ok(());
    }
    walk(segment, opened, &mut |record| {
        if let Change::Named {
            kind,
            version,
            payload,
        } = change_of(&record.header, || record.payload())
        {
            visit(kind, record.offset, version, payload);
        }
    })
}

impl Inspector {
    fn each_named(
        &self,
        visit: &mut dyn FnMut(&Segment, RecordKind, Offset, Version, Bytes),
    ) -> Result<()> {
        for segment in self.segments.all() {
            let opened = self.open_direct(&segment)?;
            copied_records(&segment, &opened, &mut |kind, offset, version, payload| {
                visit(&segment, kind, offset, version, payload);
            })?;
        }
        Ok(())
    }

    /// The buckets: name, id and tenant.
    ///
    /// # Errors
    /// What the system says, or damage.
    pub fn buckets(&self) -> Result<Vec<(String, BucketId, TenantId)>> {
        let mut newest: BTreeMap<BucketId, (Version, bool, String, TenantId)> = BTreeMap::new();
        self.each_named(&mut |_, kind, _, version, payload| {
            if kind != RecordKind::Catalog {
                return;
            }
            let Ok(record) = CatalogRecord::decode(&payload) else {
                return;
            };
            if let CatalogEntry::Bucket {
                id, name, tenant, ..
            } = record.entry
            {
                let newer = newest.get(&id).is_none_or(|(known, ..)| *known < version);
                if newer {
                    newest.insert(id, (version, record.deleted, name, tenant));
                }
            }
        })?;
        let live = newest.into_iter().filter(|(_, (_, deleted, ..))| !deleted);
        Ok(live
            .map(|(id, (_, _, name, tenant))| (name, id, tenant))
            .collect())
    }

    /// Every record of a name, the newest first.
    ///
    /// # Errors
    /// What the system says, or damage.
    pub fn name(&self, bucket: BucketId, key: &[u8]) -> Result<Vec<FoundName>> {
        let wanted = NameKey {
            bucket,
            key: key.to_vec(),
        };
        let mut found = Vec::new();
        self.each_named(&mut |segment, kind, offset, version, payload| {
            let record = match kind {
                RecordKind::Name => match NameRecord::decode(&payload) {
                    Ok(record) if record.key == wanted => Some(record),
                    _ => return,
                },
                RecordKind::Tombstone => match Tombstone::decode(&payload) {
                    Ok(tombstone) if tombstone.key == wanted => None,
                    _ => return,
                },
                _ => return,
            };
            found.push(FoundName {
                node: segment.node,
                segment: segment.number,
                offset,
                version,
                record,
            });
        })?;
        found.sort_by_key(|name| std::cmp::Reverse(name.version));
        Ok(found)
    }

    /// Every place of an extent or manifest.
    ///
    /// # Errors
    /// What the system says, or damage.
    pub fn content(&self, id: &Id) -> Result<Vec<FoundContent>> {
        let mut found = Vec::new();
        for segment in self.segments.all() {
            let opened = self.open_direct(&segment)?;
            for offset in offsets_of(&segment, &opened, id)? {
                found.push(FoundContent {
                    node: segment.node,
                    segment: segment.number,
                    offset,
                });
            }
        }
        Ok(found)
    }

    /// The manifest with this id; `None` if the id is an extent's, or its manifest cannot be read.
    ///
    /// # Errors
    /// What the system says, or damage.
    pub fn manifest(&self, id: &Id) -> Result<Option<Manifest>> {
        let finder = Finder {
            disk: &*self.disk,
            segments: &self.segments,
        };
        finder.manifest(id)
    }

    /// Every place of each of these extents and manifests, in one pass over the footers.
    ///
    /// # Errors
    /// What the system says, or damage.
    pub fn contents(&self, ids: &BTreeSet<Id>) -> Result<BTreeMap<Id, Vec<FoundContent>>> {
        let mut found: BTreeMap<Id, Vec<FoundContent>> = BTreeMap::new();
        for segment in self.segments.all() {
            let opened = self.open_direct(&segment)?;
            let mut add = |id: Id, offset| {
                found.entry(id).or_default().push(FoundContent {
                    node: segment.node,
                    segment: segment.number,
                    offset,
                });
            };
            if let Some(footer) = read_footer(&segment, &opened)? {
                for id in ids {
                    footer.lookup(id).for_each(|entry| add(*id, entry.offset));
                }
            } else {
                walk(&segment, &opened, &mut |record| {
                    if record.header.kind.is_content() && ids.contains(&record.header.id) {
                        add(record.header.id, record.offset);
                    }
                })?;
            }
        }
        Ok(found)
    }

    /// Every live name whose blob this is.
    ///
    /// # Errors
    /// What the system says, or damage.
    pub fn names_of(&self, id: &Id) -> Result<Vec<NameKey>> {
        let mut newest: BTreeMap<NameKey, (Version, bool)> = BTreeMap::new();
        self.each_named(&mut |_, kind, _, version, payload| {
            let (key, uses) = match kind {
                RecordKind::Name => match NameRecord::decode(&payload) {
                    Ok(record) => {
                        let uses = record.blob == Some(*id);
                        (record.key, uses)
                    }
                    Err(_) => return,
                },
                RecordKind::Tombstone => match Tombstone::decode(&payload) {
                    Ok(tombstone) => (tombstone.key, false),
                    Err(_) => return,
                },
                _ => return,
            };
            if newest.get(&key).is_none_or(|(known, _)| *known < version) {
                newest.insert(key, (version, uses));
            }
        })?;
        Ok(newest
            .into_iter()
            .filter(|(_, (_, uses))| *uses)
            .map(|(key, _)| key)
            .collect())
    }
}
