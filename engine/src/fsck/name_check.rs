//! Names down to their bytes, and the indexes against the log.

use super::contents::Contents;
use super::index_copy::IndexCopy;
use super::report::{FINDINGS_MAX, Report, Subject};
use crate::apply::{Change, names_error};
use crate::error::{Error, Result};
use crate::format::{CatalogRecord, Manifest, NameKey, NameRecord, RecordKind, Tombstone};
use crate::id::Id;
use crate::index::hash::Location;
use crate::index::names::{NameIndex, Visit};
use crate::io::Disk;
use crate::log::scan::{ScannedRecord, read_at};
use crate::log::{Opened, Segment, Segments};
use crate::position::{LogPoint, Offset, Version};
use crate::store::record_at;
use crate::store::replay::change_of;
use std::collections::{BTreeMap, HashMap};

/// The names as they are after the whole log: the rows of the name index, and what it has not applied yet.
pub(super) struct NameView<'a> {
    copy: &'a IndexCopy,
    index: Option<&'a NameIndex>,
    newer: BTreeMap<NameKey, (Version, Option<Meaning>)>,
}

/// What a live name needs.
#[derive(Clone, Copy)]
struct Meaning {
    blob: Option<Id>,
    size: u64,
}

impl<'a> NameView<'a> {
    pub fn new(copy: &'a IndexCopy) -> Self {
        Self {
            copy,
            index: copy.names.as_ref(),
            newer: BTreeMap::new(),
        }
    }

    /// Compares an extent or manifest of the log with the hash index.
    pub fn content(&self, segment: &Segment, record: &ScannedRecord, report: &mut Report) {
        let id = record.header.id;
        if !known_to_hash(self.copy, &id, segment, record.offset) {
            let place = format!("{} at byte {}", segment.path(), record.offset);
            let problem = format!("the hash index does not know {id}");
            report.add_with(Subject::HashIndex, place, problem, Some(id));
        }
    }

    /// Takes in a name, tombstone or catalog entry of the log: compares it with the index, or remembers it where the
    /// index is not that far.
    pub fn record(
        &mut self,
        segment: &Segment,
        opened: &Opened,
        record: &ScannedRecord,
        report: &mut Report,
    ) -> Result<()> {
        let change = change_of(&record.header, || record.payload());
        let Change::Named {
            kind,
            version,
            payload,
        } = change
        else {
            return Ok(());
        };
        let Some((key, meaning)) = decode(kind, &payload) else {
            return Ok(());
        };
        let point = LogPoint {
            segment: segment.number,
            offset: record.offset,
        };
        let covered = self
            .index
            .and_then(|index| index.covered().get(&segment.node).copied());
        if covered.is_none_or(|covered| point >= covered) {
            let newer = self
                .newer
                .get(&key)
                .is_none_or(|(known, _)| *known < version);
            if newer {
                self.newer.insert(key, (version, meaning));
            }
            return Ok(());
        }
        let Some(index) = self.index else {
            return Ok(());
        };
        let row = index.get(&key).map_err(names_error)?;
        let problem = match row {
            None => Some("the name index lacks a name of the log"),
            Some(row) if row.version < version => {
                Some("the name index has an older version of a name")
            }
            Some(row) if row.version == version => {
                let same = row.live.is_some() == (kind != RecordKind::Tombstone)
                    && row.live.as_ref().is_none_or(|live| *live == payload)
                    && row.at.offset == record.offset
                    && row.at.segment == segment.number
                    && row.at.incarnation == opened.header.incarnation;
                (!same).then_some("the name index has another content for a name")
            }
            Some(_) => None,
        };
        if let Some(problem) = problem {
            let place = format!("{} at byte {}", segment.path(), record.offset);
            report.add(Subject::NameIndex, place, problem.to_owned());
        }
        Ok(())
    }

    /// Every live name of an object or part.
    fn for_each(&self, visit: &mut dyn FnMut(&NameKey, Meaning) -> Result<()>) -> Result<()> {
        let mut failed = None;
        if let Some(index) = self.index {
            index
                .for_each(&mut |key, row| {
                    if row.live.is_some() && !self.newer.contains_key(&key) {
                        let meaning = Meaning {
                            blob: row.blob,
                            size: row.size,
                        };
                        if let Err(error) = visit(&key, meaning) {
                            failed = Some(error);
                            return Ok(Visit::Stop);
                        }
                    }
                    Ok(Visit::Continue)
                })
                .map_err(names_error)?;
        }
        if let Some(error) = failed {
            return Err(error);
        }
        for (key, (_, meaning)) in &self.newer {
            if let Some(meaning) = meaning {
                visit(key, *meaning)?;
            }
        }
        Ok(())
    }
}

/// The name that a record is about, and what it means from then on; `None` for what does not decode, which is a finding
/// of the log already.
fn decode(kind: RecordKind, payload: &[u8]) -> Option<(NameKey, Option<Meaning>)> {
    match kind {
        RecordKind::Tombstone => Some((Tombstone::decode(payload).ok()?.key, None)),
        RecordKind::Catalog => {
            let entry = CatalogRecord::decode(payload).ok()?;
            Some((
                entry.name_key(),
                Some(Meaning {
                    blob: None,
                    size: 0,
                }),
            ))
        }
        _ => {
            let name = NameRecord::decode(payload).ok()?;
            let meaning = Meaning {
                blob: name.blob,
                size: name.size,
            };
            Some((name.key, Some(meaning)))
        }
    }
}

/// Follows every live name down to its extents.
pub(super) fn check(
    disk: &dyn Disk,
    segments: &Segments,
    extent: Option<u32>,
    contents: &Contents,
    view: &NameView<'_>,
    report: &mut Report,
) -> Result<()> {
    let first_readable = || {
        let all = segments.all();
        let opened = all.iter().find_map(|segment| segment.open(disk).ok());
        opened.map_or(0, |opened| opened.geometry.extent_bytes)
    };
    let extent = u64::from(extent.unwrap_or_else(first_readable));
    let mut manifests: HashMap<(Id, u64), Option<String>> = HashMap::new();
    let finder = Finder { disk, segments };
    view.for_each(&mut |key, meaning| {
        let Some(blob) = meaning.blob else {
            return Ok(());
        };
        let reserved = key.is_reserved();
        report.names += u64::from(!reserved);
        let problem = if !reserved && meaning.size <= extent {
            match contents.len_of(&blob) {
                None => Some(format!("its bytes, {blob}, are missing")),
                Some(len) if u64::from(len) != meaning.size => Some(format!(
                    "its bytes, {blob}, have {len} bytes and not {}",
                    meaning.size
                )),
                Some(_) => None,
            }
        } else {
            match manifests.get(&(blob, meaning.size)) {
                Some(known) => known.clone(),
                None => {
                    let problem = manifest_problem(&finder, contents, &blob, meaning.size)?;
                    manifests.insert((blob, meaning.size), problem.clone());
                    problem
                }
            }
        };
        if let Some(problem) = problem {
            report.add_with(Subject::Name, name_place(key), problem, Some(blob));
        }
        Ok(())
    })
}

/// How a name is called in a report.
fn name_place(key: &NameKey) -> String {
    match key.as_upload() {
        Some((upload, part)) => {
            format!(
                "bucket {} upload {upload} part {}",
                key.bucket,
                part.unwrap_or_default()
            )
        }
        None => format!(
            "bucket {} key {}",
            key.bucket,
            String::from_utf8_lossy(&key.key)
        ),
    }
}

/// Finds manifests without an index.
pub(crate) struct Finder<'a> {
    pub disk: &'a dyn Disk,
    pub segments: &'a Segments,
}

impl Finder<'_> {
    /// The manifest with this id, wherever it lies. Looks into every footer.
    pub fn manifest(&self, id: &Id) -> Result<Option<Manifest>> {
        for segment in self.segments.all() {
            let Ok(opened) = segment.open(self.disk) else {
                continue;
            };
            for offset in crate::inspect::offsets_of(&segment, &opened, id)? {
                if let Some(manifest) = self.manifest_at(&segment, offset)? {
                    return Ok(Some(manifest));
                }
            }
        }
        Ok(None)
    }

    /// The manifest that begins here, if it verifies.
    fn manifest_at(&self, segment: &Segment, offset: Offset) -> Result<Option<Manifest>> {
        let at = Location {
            node: segment.node,
            segment: segment.number,
            offset,
            size_hint: Location::UNKNOWN_SIZE,
        };
        let Ok(found) = record_at(self.disk, self.segments, at) else {
            return Ok(None);
        };
        let opened = segment.open(self.disk)?;
        let start = found.offset + found.header.payload_at() as u64;
        let payload = read_at(&found.file, start, found.header.payload_len as usize)
            .map_err(|source| Error::io("read", &segment.path(), source))?;
        if found.extension.verify_payload(&payload).is_err() {
            return Ok(None);
        }
        Ok(Manifest::decode(&payload, &opened.geometry).ok())
    }
}

fn manifest_problem(
    finder: &Finder<'_>,
    contents: &Contents,
    id: &Id,
    size: u64,
) -> Result<Option<String>> {
    if contents.len_of(id).is_none() {
        return Ok(Some(format!("its manifest, {id}, is missing")));
    }
    let place = contents
        .manifest_at(id)
        .and_then(|(node, segment, offset)| {
            let segment = finder.segments.get(node, segment)?;
            Some((segment, offset))
        });
    let manifest = match place {
        Some((segment, offset)) => finder.manifest_at(&segment, offset)?,
        // The manifest of a part may have been stored as somebody's extent.
        None => finder.manifest(id)?,
    };
    let Some(manifest) = manifest else {
        return Ok(Some(format!("its manifest, {id}, cannot be read")));
    };
    if manifest.total_len != size {
        return Ok(Some(format!(
            "its manifest has {} bytes and not {size}",
            manifest.total_len
        )));
    }
    let broken = manifest
        .extents
        .iter()
        .find(|extent| contents.len_of(&extent.id) != Some(extent.len));
    Ok(broken.map(|extent| format!("its extent {} is missing", extent.id)))
}

/// The indexes against the log and against themselves.
pub(super) fn check_indexes(
    copy: &IndexCopy,
    contents: &Contents,
    report: &mut Report,
) -> Result<()> {
    if let Some(names) = &copy.names {
        let mut unsupported = Vec::new();
        names
            .for_each(&mut |key, row| {
                if !contents.is_named_at(row.at.node, row.at.segment, row.at.offset) {
                    unsupported.push((key, row.at));
                }
                let go_on = unsupported.len() < FINDINGS_MAX;
                Ok(if go_on { Visit::Continue } else { Visit::Stop })
            })
            .map_err(names_error)?;
        for (key, at) in unsupported {
            let problem =
                format!("the name index has it from a record at {at} that the log does not hold");
            report.add(Subject::NameIndex, name_place(&key), problem);
        }
        names
            .check(&mut |contradiction| {
                report.add(Subject::NameIndex, "index/names", contradiction.to_string());
            })
            .map_err(names_error)?;
    }
    if let Some((hash, _)) = &copy.hash {
        let mut stale = 0_u64;
        hash.iterate(&mut |entry| {
            let at = entry.location;
            stale += u64::from(!contents.is_at(at.node, at.segment, at.offset));
        });
        if stale > 0 {
            report.notes.push(format!(
                "{stale} entries of the hash index point at nothing: each costs a lookup at most"
            ));
        }
    }
    Ok(())
}

/// Whether the hash index, where it says that it is complete, knows this record.
fn known_to_hash(copy: &IndexCopy, id: &Id, segment: &Segment, offset: Offset) -> bool {
    let Some((hash, covered)) = &copy.hash else {
        return true;
    };
    let point = LogPoint {
        segment: segment.number,
        offset,
    };
    covered
        .get(&segment.node)
        .is_none_or(|covered| point >= *covered)
        || !hash.lookup(id).is_empty()
}
