//! The check of a stopped store: every record, every name down to its bytes, the indexes against the log.
//!
//! Nothing is changed: segments are read past the page cache, and the indexes are checked on a copy in a folder for
//! temporary files, because opening them may write. Memory: about 50 bytes for each extent and manifest, 30 for each name.
//!
//! | file | what it checks |
//! | --- | --- |
//! | `log_check` | headers, batches, records, footers |
//! | `contents` | what the log holds |
//! | `index_copy` | opening the indexes without touching them |
//! | `name_check` | names down to their bytes, the indexes against the log |

mod contents;
mod index_copy;
mod log_check;
mod name_check;
mod report;

pub use report::{FINDINGS_MAX, Finding, Progress, Report, Subject};

use crate::error::{Error, Result};
use crate::format::Superblock;
use crate::io::blocking::BlockingDisk;
use crate::io::lock::{DirLock, LockError};
use crate::io::{Disk, DiskPath};
use crate::log::{Segments, log_dir, logs_dir, parse_segment_name};
use crate::position::NodeId;
use crate::store::open::{read_key, read_superblock};
use crate::sync::Arc;
use contents::Contents;
pub(crate) use index_copy::IndexCopy;
pub(crate) use name_check::Finder;
use name_check::NameView;
use std::path::Path;

/// Checks the store in `dir`.
///
/// # Errors
/// The check could not be done: the store is in use or newer than this program, or cannot be read. Damage is no error; it
/// is in the report.
pub fn run(dir: &Path, progress: &mut dyn FnMut(Progress)) -> Result<Report> {
    let shown = dir.display().to_string();
    let unusable = |source| Error::DataDir {
        dir: shown.clone(),
        source: Arc::new(source),
    };
    if !dir.is_dir() {
        return Err(Error::NoStore { dir: shown });
    }
    let _lock = match DirLock::acquire(dir) {
        Ok(lock) => Some(lock),
        Err(LockError::Held { pid }) => {
            return Err(Error::Locked {
                dir: shown,
                pid: pid.unwrap_or_default(),
            });
        }
        // What cannot be written cannot be in use either.
        Err(LockError::Io(error)) if error.kind() == std::io::ErrorKind::ReadOnlyFilesystem => None,
        Err(LockError::Io(source)) => return Err(unusable(source)),
    };
    let disk: Arc<dyn Disk> = Arc::new(BlockingDisk::open(dir).map_err(unusable)?);
    let mut report = Report::default();
    let superblock = check_superblock(&*disk, &shown, &mut report)?;
    check_key(&*disk, &shown, superblock.as_ref(), &mut report)?;
    let segments = Segments::direct();
    for node in nodes(&*disk)? {
        find_segments(&*disk, &segments, node)?;
    }
    let mut copy = match &superblock {
        Some(superblock) => IndexCopy::open(dir, superblock.store, &mut report),
        None => IndexCopy::none(),
    };
    let mut contents = Contents::default();
    let mut view = NameView::new(&copy);
    log_check::check(
        &disk,
        &segments,
        &mut contents,
        &mut view,
        &mut report,
        progress,
    )?;
    let phase = Progress {
        phase: "names",
        segments_done: report.segments,
        segments: report.segments,
        bytes: report.bytes,
    };
    progress(phase);
    let extent = superblock
        .as_ref()
        .map(|superblock| superblock.geometry.extent_bytes);
    name_check::check(&*disk, &segments, extent, &contents, &view, &mut report)?;
    drop(view);
    progress(Progress {
        phase: "indexes",
        ..phase
    });
    name_check::check_indexes(&copy, &contents, &mut report)?;
    copy.remove();
    Ok(report)
}

fn check_superblock(disk: &dyn Disk, dir: &str, report: &mut Report) -> Result<Option<Superblock>> {
    match read_superblock(disk, dir) {
        Ok(Some((superblock, copies))) => {
            if copies < 2 {
                let problem = "one of its two copies does not verify".to_owned();
                report.add(Subject::Superblock, "superblock", problem);
            }
            Ok(Some(superblock))
        }
        Ok(None) if disk.exists(&logs_dir()).unwrap_or(false) => {
            report.add(
                Subject::Superblock,
                "superblock",
                "it is missing".to_owned(),
            );
            Ok(None)
        }
        Ok(None) => Err(Error::NoStore {
            dir: dir.to_owned(),
        }),
        Err(Error::Superblock { problem, .. }) => {
            report.add(
                Subject::Superblock,
                "superblock",
                format!("it is {problem}"),
            );
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn check_key(
    disk: &dyn Disk,
    dir: &str,
    superblock: Option<&Superblock>,
    report: &mut Report,
) -> Result<()> {
    let Some(superblock) = superblock else {
        return Ok(());
    };
    match read_key(disk, dir, superblock) {
        Ok(_) => Ok(()),
        Err(error @ (Error::MissingStoreKey { .. } | Error::WrongStoreKey { .. })) => {
            report.add(Subject::Key, "store.key", error.to_string());
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// The nodes that have a log here.
pub(crate) fn nodes(disk: &dyn Disk) -> Result<Vec<NodeId>> {
    let logs = logs_dir();
    if !disk
        .exists(&logs)
        .map_err(|source| Error::io("look into", &logs, source))?
    {
        return Ok(Vec::new());
    }
    let names = disk
        .list(&logs)
        .map_err(|source| Error::io("list", &logs, source))?;
    let parse = |name: &String| {
        u64::from_str_radix(name, 16)
            .ok()
            .map(NodeId)
            .filter(|node| node.to_string() == *name)
    };
    Ok(names.iter().filter_map(parse).collect())
}

/// Makes the segments of a node's log known.
pub(crate) fn find_segments(disk: &dyn Disk, segments: &Segments, node: NodeId) -> Result<()> {
    let dir: DiskPath = log_dir(node);
    let names = disk
        .list(&dir)
        .map_err(|source| Error::io("list", &dir, source))?;
    for number in names.iter().filter_map(|name| parse_segment_name(name)) {
        segments.add(node, number);
    }
    Ok(())
}
