//! What can go wrong: operating errors and damage. A bug is neither; it is an assertion.

use crate::id::Id;
use crate::index::names::NamesError;
use crate::io::DiskPath;
use crate::position::{NodeId, Offset, SegmentNumber};
use crate::sync::Arc;
use std::fmt;
use std::io;

/// Shorthand for results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A place in the data directory, precise enough to look at with `moraine inspect`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// The log's owner.
    pub node: NodeId,
    /// The segment.
    pub segment: SegmentNumber,
    /// The first byte of what is damaged.
    pub offset: Offset,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "log/{}/{:010}.seg at byte {}",
            self.node, self.segment.0, self.offset
        )
    }
}

/// What is damaged at a [`Place`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DamageKind {
    /// A segment header that does not verify, in either of its copies.
    #[error("segment header")]
    SegmentHeader,
    /// A batch header before the attested end of the log that does not verify.
    #[error("batch header")]
    BatchHeader,
    /// A record header that does not verify.
    #[error("record header")]
    RecordHeader,
    /// A block of a payload whose CRC32C differs.
    #[error("payload block")]
    Payload,
    /// A payload that is intact but cannot be decoded, or is not what its id says.
    #[error("payload content")]
    Content,
    /// A footer or trailer that does not verify.
    #[error("segment footer")]
    Footer,
    /// A segment that the log says exists and the folder does not hold.
    #[error("missing segment")]
    MissingSegment,
    /// Something that a live name needs and no segment holds.
    #[error("missing record")]
    MissingRecord,
}

/// An error of the engine.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// A system call failed.
    #[error("{op} {path}: {source}")]
    Io {
        /// What was being done, as a verb: `open`, `write`, `sync` ...
        op: &'static str,
        /// Where, relative to the data directory.
        path: DiskPath,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// No room for another segment, or for what the indexes would write beside the present one.
    #[error("no space left: {need} bytes must be free to go on")]
    NoSpace {
        /// Bytes that must be free.
        need: u64,
    },
    /// No room for the indexes, which are made from the log when a store is opened: it is not opened without them, since names that
    /// they lack would read as deleted. Nothing is lost.
    #[error(
        "no room for the indexes: they take up to {need} bytes, {free} are free. Make room; what lies in index/ may be deleted"
    )]
    NoRoomForIndexes {
        /// About how many bytes they take at most.
        need: u64,
        /// How many bytes the file system has left.
        free: u64,
    },
    /// An index was put elsewhere by a link, and no folder is there: its disk may not be mounted yet. Nothing was changed.
    #[error(
        "{dir}/{path} is a link to {target}, and no folder is there: mount its disk, or make the folder; or remove the link, and the \
         index is made anew in its place"
    )]
    LinkAstray {
        /// The data directory.
        dir: String,
        /// The link in it.
        path: DiskPath,
        /// Where it leads.
        target: String,
    },
    /// The process, or the system, has no file descriptor left. It passes; nothing that was acknowledged
    /// is touched, and what was refused has no effect.
    #[error("no file descriptor is left to {op} {path}: raise the limit of open files")]
    NoDescriptor {
        /// What was to be done, as a verb.
        op: &'static str,
        /// Where, relative to the data directory.
        path: DiskPath,
    },
    /// A write or sync failed earlier: the store is read-only until it is opened again.
    #[error("the store is read-only: {reason}")]
    Poisoned {
        /// The first failure.
        reason: Arc<str>,
    },
    /// Bytes on disk are not what was written.
    #[error("damaged {kind} in {place}")]
    Damaged {
        /// Where.
        place: Place,
        /// What.
        kind: DamageKind,
    },
    /// A live name needs bytes that nothing holds.
    #[error("the bytes of {id} are missing")]
    Missing {
        /// The extent or manifest.
        id: Id,
    },
    /// Another process has the data directory open.
    #[error("{dir} is in use by process {pid}: stop it first, or choose another data directory")]
    Locked {
        /// The data directory.
        dir: String,
        /// The other process, or 0 if it could not be told.
        pid: u32,
    },
    /// The data directory was written by a newer version.
    #[error(
        "{dir} has format version {found}; this program reads up to {supported}: use a newer program"
    )]
    NewerFormat {
        /// The data directory.
        dir: String,
        /// The version found.
        found: u32,
        /// The newest version this program reads.
        supported: u32,
    },
    /// The data directory uses features that this program does not know.
    #[error(
        "{dir} uses features that this program does not know (incompatible flags {flags:#x}): use a newer program"
    )]
    UnknownFeatures {
        /// The data directory.
        dir: String,
        /// The unknown flags.
        flags: u64,
    },
    /// The data directory uses features that this program can read and must not write.
    #[error(
        "{dir} uses features that this program must not write (read-only flags {flags:#x}): use a newer program; \
         `moraine inspect` and `moraine fsck` can read it"
    )]
    ReadOnlyFeatures {
        /// The data directory.
        dir: String,
        /// The unknown flags.
        flags: u64,
    },
    /// `store.key` is not there.
    #[error(
        "{dir}/store.key is missing: restore it from your backup. It seals the secret keys in the log; \
         without it they cannot be read, and the store is not opened"
    )]
    MissingStoreKey {
        /// The data directory.
        dir: String,
    },
    /// `store.key` belongs to another store, or is damaged.
    #[error("{dir}/store.key is not this store's key: restore the right one from your backup")]
    WrongStoreKey {
        /// The data directory.
        dir: String,
    },
    /// The superblock does not verify, or is absent although there is a log.
    #[error(
        "{dir}/superblock is {problem}: restore it from a backup; the log beside it is untouched"
    )]
    Superblock {
        /// The data directory.
        dir: String,
        /// `missing` or `damaged`.
        problem: &'static str,
    },
    /// The folder is neither empty nor a store.
    #[error("{dir} is not empty and holds no store: choose an empty or a new folder")]
    NotAStore {
        /// The folder.
        dir: String,
    },
    /// The folder holds no store, and none is to be made.
    #[error("{dir} holds no store: name its data directory with --data")]
    NoStore {
        /// The folder.
        dir: String,
    },
    /// There is no such bucket.
    #[error("no such bucket")]
    NoSuchBucket,
    /// The bucket's name is taken.
    #[error("the bucket exists")]
    BucketExists {
        /// Whether the same tenant owns it.
        same_tenant: bool,
    },
    /// There is no such tenant.
    #[error("no such tenant")]
    NoSuchTenant,
    /// The tenant's name is taken.
    #[error("the tenant exists")]
    TenantExists,
    /// A tenant that is to be deleted has buckets.
    #[error("the tenant has buckets")]
    TenantNotEmpty,
    /// There is no such access key.
    #[error("no such access key")]
    NoSuchAccessKey,
    /// The access key is taken, by this tenant or another.
    #[error("the access key exists")]
    AccessKeyExists,
    /// The catalog, which is held in memory, takes no more of these.
    #[error("at most {limit} {what}")]
    TooMany {
        /// Which: `tenants`, `access keys of a tenant`, `buckets of a tenant`.
        what: &'static str,
        /// How many there may be.
        limit: usize,
    },
    /// The log has no such segment.
    #[error("there is no segment {number}")]
    NoSuchSegment {
        /// Its number.
        number: SegmentNumber,
    },
    /// There is no such key.
    #[error("no such key")]
    NoSuchKey,
    /// There is no such upload.
    #[error("no such upload")]
    NoSuchUpload,
    /// A part that a completion names was not uploaded, or has another ETag.
    #[error("part {number} is missing or has another ETag")]
    InvalidPart {
        /// The part.
        number: u16,
    },
    /// A part other than the last is smaller than the caller's minimum.
    #[error("part {number} is too small")]
    PartTooSmall {
        /// The part.
        number: u16,
    },
    /// A conditional write's condition does not hold.
    #[error("the condition does not hold")]
    PreconditionFailed,
    /// A bucket that is to be deleted holds objects.
    #[error("the bucket is not empty")]
    BucketNotEmpty,
    /// The data directory cannot be used.
    #[error(
        "the data directory {dir} cannot be used: {source}: make room, or make it writable, or choose another with --data"
    )]
    DataDir {
        /// The data directory.
        dir: String,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// The name index failed.
    #[error(transparent)]
    NameIndex(#[from] NamesError),
    /// A key, name or attribute breaks a limit.
    #[error("invalid {what}: {why}")]
    Invalid {
        /// What was given.
        what: &'static str,
        /// The rule that it breaks.
        why: &'static str,
    },
    /// More bytes than one object can hold.
    #[error("an object holds at most {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: u64,
    },
    /// The content is not what the caller said it would be.
    #[error("the {digest} of the content is not the one that was given")]
    DigestMismatch {
        /// `MD5` or `BLAKE3`.
        digest: &'static str,
    },
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}

impl Error {
    /// Wraps a system error with what was being done, and where.
    pub(crate) fn io(op: &'static str, path: &DiskPath, source: io::Error) -> Self {
        let path = path.clone();
        if is_without_descriptor(&source) {
            return Self::NoDescriptor { op, path };
        }
        Self::Io {
            op,
            path,
            source: Arc::new(source),
        }
    }

    /// Whether a system call failed only for want of descriptors, memory or room: it may succeed later, and nothing is in doubt
    /// unless it was a sync. Not for errors of the name index, whose storage gives up after any of them.
    pub(crate) fn passes(&self) -> bool {
        match self {
            Self::NoDescriptor { .. } | Self::NoSpace { .. } => true,
            Self::Io { source, .. } => is_for_want(source),
            _ => false,
        }
    }

    /// Whether there was no room on the disk, or within the quota.
    pub(crate) fn is_full_disk(&self) -> bool {
        match self {
            Self::NoSpace { .. } => true,
            Self::Io { source, .. } => is_full_disk(source),
            Self::NameIndex(NamesError::Io { source, .. }) => is_full_disk(source),
            _ => false,
        }
    }
}

fn is_full_disk(source: &io::Error) -> bool {
    use io::ErrorKind::{QuotaExceeded, StorageFull};
    matches!(source.kind(), StorageFull | QuotaExceeded)
}

fn is_for_want(source: &io::Error) -> bool {
    is_without_descriptor(source)
        || is_full_disk(source)
        || source.kind() == io::ErrorKind::OutOfMemory
}

/// Whether a call failed only because no descriptor was left, of the process's or of the system's.
pub(crate) fn is_without_descriptor(source: &io::Error) -> bool {
    use rustix::io::Errno;
    let code = source.raw_os_error().map(Errno::from_raw_os_error);
    matches!(code, Some(Errno::MFILE | Errno::NFILE))
}
