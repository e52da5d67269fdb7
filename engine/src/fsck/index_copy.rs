//! The indexes, opened on a copy: opening may write, and a check must not.

use super::report::{Report, Subject};
use crate::format::StoreId;
use crate::index::Covered;
use crate::index::hash::{HashConfig, HashIndex, MmapSource, RebuildReason};
use crate::index::names::{DiskKv, DiskOptions, NameIndex};
use crate::io::Disk;
use crate::io::blocking::BlockingDisk;
use crate::sync::Arc;
use crate::sync::atomic::{AtomicU64, Ordering};
use std::io;
use std::path::{Path, PathBuf};

/// Copies made by this process, so that two checks do not share a folder.
static COPIES: AtomicU64 = AtomicU64::new(0);

/// What could be opened of the indexes.
pub(crate) struct IndexCopy {
    pub hash: Option<(HashIndex, Covered)>,
    pub names: Option<NameIndex>,
    folder: Option<PathBuf>,
}

impl IndexCopy {
    /// Nothing.
    pub const fn none() -> Self {
        Self {
            hash: None,
            names: None,
            folder: None,
        }
    }

    /// Copies and opens the indexes of the store in `dir`. What is absent is noted; what cannot be used is a finding.
    pub fn open(dir: &Path, store: StoreId, report: &mut Report) -> Self {
        let mut copy = Self::none();
        let source = dir.join("index");
        if !source.is_dir() {
            report
                .notes
                .push("there are no indexes: the next start rebuilds them".to_owned());
            return copy;
        }
        let number = COPIES.fetch_add(1, Ordering::Relaxed);
        let folder =
            std::env::temp_dir().join(format!("moraine-fsck-{}-{number}", std::process::id()));
        copy.folder = Some(folder.clone());
        if let Err(error) = copy_indexes(&source, &folder.join("index"), report) {
            report.notes.push(format!(
                "the indexes are not checked: they cannot be copied to {}: {error}",
                folder.display()
            ));
            return copy;
        }
        copy.open_hash(&folder, store, report);
        copy.open_names(&folder, store, report);
        copy
    }

    fn open_hash(&mut self, folder: &Path, store: StoreId, report: &mut Report) {
        let disk: Arc<dyn Disk> = match BlockingDisk::open(folder) {
            Ok(disk) => Arc::new(disk),
            Err(error) => {
                return report
                    .notes
                    .push(format!("the hash index is not checked: {error}"));
            }
        };
        let pages = Arc::new(MmapSource::new(folder.to_owned(), false));
        // How many shards there are is the index's own matter: whoever opens the store may have configured any number.
        let config = HashConfig {
            shards: shards_of(&folder.join("index/hash/mark")),
            ..HashConfig::default()
        };
        match HashIndex::open(disk, pages, store.0, config) {
            Ok((index, opened)) => match opened.rebuild {
                None => self.hash = Some((index, opened.covered)),
                Some(RebuildReason::Absent) => {
                    report
                        .notes
                        .push("there is no hash index: the next start rebuilds it".to_owned());
                }
                Some(reason) => report.add(Subject::HashIndex, "index/hash", reason.to_string()),
            },
            Err(error) => report.add(Subject::HashIndex, "index/hash", error.to_string()),
        }
    }

    fn open_names(&mut self, folder: &Path, store: StoreId, report: &mut Report) {
        let path = folder.join("index").join("names");
        if !path.is_dir() {
            report
                .notes
                .push("there is no name index: the next start rebuilds it".to_owned());
            return;
        }
        let opened = DiskKv::open(&path, DiskOptions::default())
            .and_then(|kv| NameIndex::open(Box::new(kv), store.0));
        match opened {
            Ok(names) => self.names = Some(names),
            Err(error) => report.add(Subject::NameIndex, "index/names", error.to_string()),
        }
    }

    /// Closes and removes the copy.
    pub fn remove(&mut self) {
        self.hash = None;
        self.names = None;
        if let Some(folder) = self.folder.take() {
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}

impl Drop for IndexCopy {
    fn drop(&mut self) {
        self.remove();
    }
}

/// The number of shards that a mark states; the default if it states none that can be.
fn shards_of(mark: &Path) -> u32 {
    std::fs::read(mark)
        .ok()
        .and_then(|mark| HashIndex::shards_in(&mark))
        .unwrap_or(HashConfig::default().shards)
}

/// Copies the two indexes, and not what an interrupted rebuild may have left beside them. What should be a folder and is not
/// is a finding.
fn copy_indexes(from: &Path, to: &Path, report: &mut Report) -> io::Result<()> {
    std::fs::create_dir_all(to)?;
    for (name, subject) in [("hash", Subject::HashIndex), ("names", Subject::NameIndex)] {
        let source = from.join(name);
        if source.is_dir() {
            copy_tree(&source, &to.join(name))?;
        } else if std::fs::symlink_metadata(&source).is_ok() {
            let why = "it is not a folder: the next start puts one in its place";
            report.add(subject, format!("index/{name}"), why.to_owned());
        }
    }
    Ok(())
}

fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}
