//! The indexes, opened on a copy: opening may write, and a check must not.
//!
//! The copy lies in the system's folder for temporary files, which others may write too: in a folder of its own, made for the
//! owner's eyes only, under a name that cannot be guessed, and never in one that was there. Nobody else can read what the indexes
//! say, or lay links there for the copies to be written through.

use super::report::{Report, Subject};
use crate::clock::{Entropy, SystemEntropy};
use crate::format::StoreId;
use crate::index::Covered;
use crate::index::hash::{HashConfig, HashIndex, MmapSource, RebuildReason};
use crate::index::names::{DiskKv, DiskOptions, NameIndex};
use crate::io::Disk;
use crate::io::blocking::BlockingDisk;
use crate::sync::Arc;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// The owner may do everything, nobody else anything.
const OWNER_ONLY: u32 = 0o700;
/// Names that are tried for the folder; that even one of 64 random bits is taken does not happen by chance.
const NAMES_MAX: u32 = 8;

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
        if let Some(why) = astray(&source) {
            report.add(Subject::NameIndex, "index", why);
            return copy;
        }
        if !source.is_dir() {
            report
                .notes
                .push("there are no indexes: the next start rebuilds them".to_owned());
            return copy;
        }
        let parent = std::env::temp_dir();
        let folder = match make_folder(&parent, &SystemEntropy) {
            Ok(folder) => folder,
            Err(error) => {
                report.notes.push(format!(
                    "the indexes are not checked: no folder for a copy can be made in {}: {error}",
                    parent.display()
                ));
                return copy;
            }
        };
        // What is not ours is not removed.
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

/// Makes a new folder in `parent`, for the owner only.
fn make_folder(parent: &Path, entropy: &dyn Entropy) -> io::Result<PathBuf> {
    let mut tried = Err(io::ErrorKind::AlreadyExists.into());
    for _ in 0..NAMES_MAX {
        let folder = parent.join(format!("moraine-fsck-{:016x}", entropy.number()));
        tried = DirBuilder::new()
            .mode(OWNER_ONLY)
            .create(&folder)
            .map(|()| folder);
        match &tried {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            _ => break,
        }
    }
    tried
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
        } else if let Some(why) = astray(&source) {
            report.add(subject, format!("index/{name}"), why);
        } else if std::fs::symlink_metadata(&source).is_ok() {
            let why = "it is not a folder: the next start puts one in its place";
            report.add(subject, format!("index/{name}"), why.to_owned());
        }
    }
    Ok(())
}

/// What is wrong with a link that leads to no folder.
fn astray(path: &Path) -> Option<String> {
    let target = crate::io::link_astray(path).ok()??;
    Some(format!(
        "it is a link to {target}, and no folder is there: the store does not start"
    ))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SimEntropy;
    use crate::io::test_dir::TestDir;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    const SEED: u64 = 5;

    /// The names that are tried, in order.
    fn names() -> Vec<String> {
        let entropy = SimEntropy::new(SEED);
        (0..NAMES_MAX)
            .map(|_| format!("moraine-fsck-{:016x}", entropy.number()))
            .collect()
    }

    #[test]
    fn the_folder_is_new_and_for_the_owner_only() {
        let (parent, victim) = (TestDir::new("parent"), TestDir::new("victim"));
        let taken = names();
        symlink(victim.path(), parent.path().join(&taken[0])).unwrap();
        fs::create_dir(parent.path().join(&taken[1])).unwrap();
        let made = make_folder(parent.path(), &SimEntropy::new(SEED)).unwrap();
        assert_eq!(made, parent.path().join(&taken[2]));
        let found = fs::symlink_metadata(&made).unwrap();
        assert!(found.is_dir());
        assert_eq!(found.permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn what_is_in_the_way_is_never_used() {
        let (parent, victim) = (TestDir::new("parent"), TestDir::new("victim"));
        for name in names() {
            symlink(victim.path(), parent.path().join(name)).unwrap();
        }
        let refused = make_folder(parent.path(), &SimEntropy::new(SEED)).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_dir(victim.path()).unwrap().count(), 0);
    }
}
