//! The folder tree under the data directory: everything of [`Disk`](crate::io::Disk) but the queue.

use super::RealFile;
use crate::io::{DiskPath, OpenMode, Space};
use crate::sync::Arc;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// File systems that write every block to a new place: btrfs, ZFS, bcachefs, F2FS (their numbers in `statfs`).
const COPYING: [rustix::fs::FsWord; 4] = [0x9123_683e, 0x2fc1_2fc1, 0xca45_1a4e, 0xf2f5_2010];

/// A folder of the real file system that holds a store.
#[derive(Debug)]
pub(in crate::io) struct Tree {
    root: PathBuf,
    rewrites_in_place: bool,
}

impl Tree {
    /// The tree under `root`, which must be a folder.
    pub fn open(root: &Path) -> io::Result<Self> {
        let root = std::fs::canonicalize(root)?;
        if !std::fs::metadata(&root)?.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        let kind = rustix::fs::statfs(&root)?.f_type;
        Ok(Self {
            root,
            rewrites_in_place: !COPYING.contains(&kind),
        })
    }

    /// Where a path is in the real file system.
    pub fn resolve(&self, path: &DiskPath) -> PathBuf {
        if path.as_str().is_empty() {
            self.root.clone()
        } else {
            self.root.join(path.as_str())
        }
    }

    pub fn create_dir(&self, path: &DiskPath) -> io::Result<()> {
        match rustix::fs::mkdir(self.resolve(path), Mode::RWXU) {
            Err(Errno::EXIST) if self.resolve(path).is_dir() => Ok(()),
            other => Ok(other?),
        }
    }

    /// Names that are not UTF-8 are left out: this program makes none.
    pub fn list(&self, dir: &DiskPath) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(self.resolve(dir))? {
            names.extend(entry?.file_name().into_string().ok());
        }
        names.sort_unstable();
        Ok(names)
    }

    pub fn exists(&self, path: &DiskPath) -> io::Result<bool> {
        match std::fs::symlink_metadata(self.resolve(path)) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    pub fn link_astray(&self, path: &DiskPath) -> io::Result<Option<String>> {
        link_astray(&self.resolve(path))
    }

    pub fn open_file(&self, path: &DiskPath, mode: OpenMode) -> io::Result<Arc<RealFile>> {
        Ok(Arc::new(RealFile::open(&self.resolve(path), mode)?))
    }

    pub fn rename(&self, from: &DiskPath, to: &DiskPath) -> io::Result<()> {
        Ok(rustix::fs::rename(self.resolve(from), self.resolve(to))?)
    }

    pub fn remove(&self, path: &DiskPath) -> io::Result<()> {
        Ok(rustix::fs::unlink(self.resolve(path))?)
    }

    pub fn remove_tree(&self, path: &DiskPath) -> io::Result<()> {
        remove_all(&self.resolve(path))
    }

    pub fn sync_dir(&self, dir: &DiskPath) -> io::Result<()> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::open(self.resolve(dir), flags, Mode::empty())?;
        rustix::fs::fsync(fd).map_err(|errno| match errno {
            // As these, only a folder that could not be opened is told.
            Errno::NOMEM | Errno::MFILE | Errno::NFILE => {
                io::Error::other(format!("a sync failed: {errno}"))
            }
            errno => errno.into(),
        })
    }

    /// Files that vanish meanwhile count as nothing.
    pub fn allocated(&self, dir: &DiskPath) -> io::Result<u64> {
        let mut sum: u64 = 0;
        let mut folders = vec![self.resolve(dir)];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder)? {
                let entry = entry?;
                match entry.metadata() {
                    Ok(found) if found.is_dir() => folders.push(entry.path()),
                    Ok(found) => sum = sum.saturating_add(found.blocks().saturating_mul(512)),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(sum)
    }

    pub const fn rewrites_in_place(&self) -> bool {
        self.rewrites_in_place
    }

    pub fn space(&self) -> io::Result<Space> {
        let stat = rustix::fs::statvfs(&self.root)?;
        Ok(Space {
            total: stat.f_blocks.saturating_mul(stat.f_frsize),
            free: stat.f_bavail.saturating_mul(stat.f_frsize),
        })
    }
}

/// Where the link at `path` leads, if there is one and it does not lead to a folder.
pub(crate) fn link_astray(path: &Path) -> io::Result<Option<String>> {
    match std::fs::symlink_metadata(path) {
        Ok(found) if found.is_symlink() && !path.is_dir() => {
            Ok(Some(std::fs::read_link(path)?.display().to_string()))
        }
        Ok(_) => Ok(None),
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Ok(None),
            _ => Err(error),
        },
    }
}

/// Removes what is at `path`, and all that a folder holds; nothing there is fine. Links are removed, not followed.
pub(crate) fn remove_all(path: &Path) -> io::Result<()> {
    let removed = match std::fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => std::fs::remove_dir_all(path),
        Ok(_) => std::fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
