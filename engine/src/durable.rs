//! The one place that makes a file durable: write, sync, rename, sync the folder. Nobody else renames.

use crate::canary::{self, Canary};
use crate::io::{AlignedBuf, Disk, DiskPath, OpenMode};
use std::io;

/// The logical block that whole-file writes are padded to when the disk asks for alignment.
const PAD: usize = AlignedBuf::ALIGNMENT;

/// Replaces the file at `path` by `content`, all or nothing, and durably. The file's length is that of `content`.
///
/// A crash leaves the old file or the new one; a leftover `NAME.tmp` is overwritten by the next call.
pub fn replace(disk: &dyn Disk, path: &DiskPath, content: &[u8]) -> io::Result<()> {
    let temporary = prepare(disk, path, content)?;
    publish(disk, &temporary, path)
}

/// Writes the file that is to replace the one at `path`, durably, beside it; [`publish`] puts it in place. Returns where it
/// lies. Nothing has happened if this fails: it may be tried again, with a new file.
pub fn prepare(disk: &dyn Disk, path: &DiskPath, content: &[u8]) -> io::Result<DiskPath> {
    let temporary = path.parent().join(&format!("{}.tmp", path.name()));
    if disk.exists(&temporary)? {
        disk.remove(&temporary)?;
    }
    let file = disk.open(&temporary, OpenMode::CreateDirect)?;
    let mut buf = AlignedBuf::zeroed(content.len().next_multiple_of(PAD));
    buf.get_mut(..content.len())
        .expect("the buffer was made this long")
        .copy_from_slice(content);
    file.write_at(&buf, 0)?;
    file.set_len(content.len() as u64)?;
    file.sync_data()?;
    Ok(temporary)
}

/// Moves a file whose content is already durable to its place, durably.
pub fn publish(disk: &dyn Disk, from: &DiskPath, to: &DiskPath) -> io::Result<()> {
    put_in_place(disk, from, to)?;
    sync_dir(disk, &to.parent())?;
    if from.parent() != to.parent() {
        sync_dir(disk, &from.parent())?;
    }
    Ok(())
}

/// The first half of [`publish`] within a folder, for who must know which half failed: nothing has happened if this one does.
/// [`sync_dir`] is the other.
pub fn put_in_place(disk: &dyn Disk, from: &DiskPath, to: &DiskPath) -> io::Result<()> {
    disk.rename(from, to)
}

/// Makes the names in a folder durable. A failure leaves it unknown which of them are, but for want of memory or descriptors:
/// then nothing was synced.
pub fn sync_dir(disk: &dyn Disk, dir: &DiskPath) -> io::Result<()> {
    if canary::is(Canary::NoDirFsync) {
        return Ok(());
    }
    disk.sync_dir(dir)
}

/// Creates a folder durably.
pub fn create_dir(disk: &dyn Disk, path: &DiskPath) -> io::Result<()> {
    disk.create_dir(path)?;
    sync_dir(disk, &path.parent())
}

/// Removes a file durably.
pub fn remove(disk: &dyn Disk, path: &DiskPath) -> io::Result<()> {
    disk.remove(path)?;
    sync_dir(disk, &path.parent())
}

/// Reads a whole file of at most `limit` bytes.
pub fn read(disk: &dyn Disk, path: &DiskPath, limit: usize) -> io::Result<Vec<u8>> {
    let file = disk.open(path, OpenMode::Read)?;
    let len = usize::try_from(file.len()?).unwrap_or(usize::MAX);
    if len > limit {
        return Err(io::Error::other(format!(
            "{path} is {len} bytes long; at most {limit} are expected"
        )));
    }
    let mut content = vec![0; len];
    let read = file.read_at(&mut content, 0)?;
    content.truncate(read);
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::sim::{CrashMode, FaultKind, Repeat, SimConfig, SimDisk};
    use crate::sync::Arc;

    const OLD: [u8; 5000] = [1; 5000];
    const NEW: [u8; 9000] = [2; 9000];

    fn path() -> DiskPath {
        DiskPath::root().join("d").join("file")
    }

    /// A disk that holds the old file, and a leftover of a replacement that a crash cut short.
    fn with_old(seed: u64) -> Arc<SimDisk> {
        let disk = SimDisk::new(seed, SimConfig::default());
        disk.write_file("d/file", &OLD);
        disk.write_file("d/file.tmp", &[9; 20_000]);
        disk
    }

    fn changes_of_a_replacement() -> u64 {
        let disk = with_old(0);
        replace(disk.as_ref(), &path(), &NEW).unwrap();
        disk.change_count()
    }

    fn content(disk: &SimDisk) -> Vec<u8> {
        read(disk, &path(), 1 << 20).unwrap()
    }

    #[test]
    fn a_crash_at_any_change_leaves_the_old_file_or_the_new_one() {
        let (mut old, mut new) = (0, 0);
        for seed in 0..20 {
            for nth in 1..=changes_of_a_replacement() {
                for mode in [
                    CrashMode::LoseAll,
                    CrashMode::KeepAll,
                    CrashMode::Prefix(1),
                    CrashMode::Prefix(2),
                    CrashMode::Subset,
                ] {
                    let disk = with_old(seed);
                    disk.crash_at(nth);
                    replace(disk.as_ref(), &path(), &NEW).unwrap_err();
                    disk.crash(mode);
                    let content = content(&disk);
                    old += u32::from(content == OLD);
                    new += u32::from(content == NEW);
                    assert!(
                        content == OLD || content == NEW,
                        "seed {seed}, change {nth}, {mode:?}"
                    );
                    replace(disk.as_ref(), &path(), &OLD).unwrap();
                }
            }
        }
        assert!(old > 0 && new > 0, "old {old}, new {new}");
    }

    #[test]
    fn what_was_replaced_survives_every_crash() {
        for mode in [CrashMode::LoseAll, CrashMode::Subset] {
            let disk = with_old(3);
            replace(disk.as_ref(), &path(), &NEW).unwrap();
            disk.crash(mode);
            assert_eq!(content(&disk), NEW);
            assert_eq!(disk.files(), ["d/file"]);
        }
    }

    #[test]
    fn a_call_that_fails_is_reported_and_leaves_the_old_file_or_the_new_one() {
        let counted = with_old(0);
        replace(counted.as_ref(), &path(), &NEW).unwrap();
        for repeat in [Repeat::Once, Repeat::Forever] {
            for nth in 1..=counted.call_count() {
                let disk = with_old(nth);
                disk.fail_nth(nth, FaultKind::Eio, repeat);
                replace(disk.as_ref(), &path(), &NEW).unwrap_err();
                disk.crash(CrashMode::Subset);
                let content = content(&disk);
                assert!(content == OLD || content == NEW, "call {nth}");
            }
        }
    }

    #[test]
    fn a_replacement_whose_sync_failed_is_not_put_in_place() {
        let disk = with_old(0);
        disk.fail_sync_nth(1);
        replace(disk.as_ref(), &path(), &NEW).unwrap_err();
        disk.crash(CrashMode::KeepAll);
        assert_eq!(content(&disk), OLD);
    }

    #[test]
    fn a_folder_and_a_removal_survive_once_they_returned() {
        let disk = with_old(0);
        let folder = DiskPath::root().join("e");
        create_dir(disk.as_ref(), &folder).unwrap();
        create_dir(disk.as_ref(), &folder).unwrap();
        remove(disk.as_ref(), &path()).unwrap();
        disk.crash(CrashMode::LoseAll);
        assert!(disk.exists(&folder).unwrap());
        assert!(!disk.exists(&path()).unwrap());
    }

    #[test]
    fn a_file_that_moves_between_folders_is_never_in_neither() {
        for nth in 1..=3 {
            for seed in 0..10 {
                let disk = SimDisk::new(seed, SimConfig::default());
                disk.write_file("from/x", b"x");
                disk.write_file("to/y", b"y");
                let from = DiskPath::root().join("from").join("x");
                let to = DiskPath::root().join("to").join("x");
                disk.crash_at(nth);
                publish(disk.as_ref(), &from, &to).unwrap_err();
                disk.crash(CrashMode::Subset);
                assert!(disk.exists(&from).unwrap() || disk.exists(&to).unwrap());
            }
        }
    }

    #[test]
    fn a_file_that_is_longer_than_expected_is_refused() {
        let disk = with_old(0);
        assert_eq!(read(disk.as_ref(), &path(), 5000).unwrap(), OLD);
        assert!(read(disk.as_ref(), &path(), 4999).is_err());
    }

    #[test]
    fn the_empty_file_is_a_file() {
        let disk = with_old(0);
        replace(disk.as_ref(), &path(), &[]).unwrap();
        assert_eq!(content(&disk), [0; 0]);
    }
}
