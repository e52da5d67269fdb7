//! One operation of a generated history.
//!
//! Buckets and uploads are named by slot, keys by their bytes: an operation means something whatever happened before
//! it, so that a failing history still runs when operations are left out of it. An operation on a slot that was never
//! filled does nothing.

use super::content::Content;
use std::fmt;

/// A bucket, by the number in its name.
pub type BucketSlot = u8;
/// An upload, by the order of its making.
pub type UploadSlot = u8;

/// The bytes of a key, a prefix or a delimiter; shown as text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key(pub Vec<u8>);

impl From<&str> for Key {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// Characters beyond which a key is shown by its beginning and its length.
        const SHOWN: usize = 40;
        let text = String::from_utf8_lossy(&self.0);
        if text.len() <= SHOWN {
            return write!(f, "{text:?}");
        }
        let start: String = text.chars().take(8).collect();
        write!(f, "{start:?}...({} bytes)", self.0.len())
    }
}

/// What must hold for a conditional write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum When {
    /// Nothing.
    Always,
    /// The key has no object.
    Absent,
    /// The key's object has the ETag that the model holds.
    Unchanged,
    /// The key's object has an ETag that none has.
    Impossible,
}

/// How an upload is completed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Completion {
    /// All parts.
    All,
    /// Every second part, beginning with the first.
    EverySecond,
    /// All parts, the last with an ETag that it does not have.
    WrongEtag,
    /// All parts and one that was never uploaded.
    MissingPart,
    /// All parts, in descending order.
    Descending,
    /// All parts, where all but the last must have 1,000,000 bytes.
    TooSmall,
    /// No parts.
    Nothing,
}

/// Where an abandoned body stops.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Abandon {
    /// The writer is dropped after the bytes.
    Writing,
    /// The staged blob is dropped.
    Staged,
}

/// What is damaged, removed or mixed up in `index/` before a reopen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IndexFault {
    /// Nothing.
    None,
    /// All files are removed.
    Deleted,
    /// One file is removed.
    OneDeleted(u64),
    /// One bit of one file is flipped; the number chooses.
    Flipped(u64),
    /// One file is as it was at the reopen before; the number chooses.
    Stale(u64),
    /// All files are as they were at the reopen before.
    AllStale,
    /// Two files change places; the number chooses.
    Swapped(u64),
    /// One file is cut to half its length.
    Cut(u64),
    /// Entries of the hash index point to each other's records; the number chooses which.
    Mixed(u64),
}

/// One operation.
#[derive(Clone, PartialEq, Debug)]
#[expect(
    missing_docs,
    reason = "the fields are named after the arguments of the store's functions"
)]
pub enum Op {
    CreateBucket {
        bucket: BucketSlot,
    },
    DeleteBucket {
        bucket: BucketSlot,
    },
    Put {
        bucket: BucketSlot,
        key: Key,
        content: Content,
        attributes: u8,
        when: When,
        chunk: usize,
    },
    /// A body that never becomes an object.
    Abandon {
        content: Content,
        how: Abandon,
    },
    Delete {
        bucket: BucketSlot,
        key: Key,
        when: When,
    },
    /// One call for many keys, some of which may be there twice.
    DeleteMany {
        bucket: BucketSlot,
        keys: Vec<(Key, When)>,
    },
    Copy {
        from: BucketSlot,
        from_key: Key,
        bucket: BucketSlot,
        key: Key,
        attributes: Option<u8>,
        when: When,
    },
    SetAcl {
        bucket: BucketSlot,
        key: Key,
        public: bool,
    },
    Get {
        bucket: BucketSlot,
        key: Key,
    },
    /// The range is cut to the object's size.
    GetRange {
        bucket: BucketSlot,
        key: Key,
        start: u64,
        end: u64,
    },
    List {
        bucket: BucketSlot,
        prefix: Key,
        delimiter: Option<Key>,
        start_after: Option<Key>,
        limit: usize,
    },
    CreateUpload {
        upload: UploadSlot,
        bucket: BucketSlot,
        key: Key,
        attributes: u8,
    },
    PutPart {
        upload: UploadSlot,
        number: u16,
        content: Content,
        chunk: usize,
    },
    Complete {
        upload: UploadSlot,
        how: Completion,
        when: When,
    },
    Abort {
        upload: UploadSlot,
    },
    /// Operations in flight together; none of them is `Together`, a checkpoint or a reopen.
    Together(Vec<Op>),
    Checkpoint,
    Seal,
    /// The writer is idle for so long that it prepares the next segment.
    Prepare,
    /// Time passes while nothing is asked.
    Idle {
        ms: u64,
    },
    /// The clock is set wrong, forwards or backwards.
    Jump {
        ms: i64,
    },
    /// The store is closed, or the process ends without it, and is opened again.
    Reopen {
        clean: bool,
        fault: IndexFault,
    },
}

impl Op {
    /// An object of `len` bytes of its own, under a key of its own, in the first bucket.
    pub fn small_put(number: u64, len: usize) -> Self {
        Self::Put {
            bucket: 0,
            key: format!("key-{number}").as_str().into(),
            content: Content::Stream { seed: number, len },
            attributes: 1,
            when: When::Always,
            chunk: usize::MAX,
        }
    }

    /// Whether the operation may run together with others.
    pub const fn can_overlap(&self) -> bool {
        matches!(
            self,
            Self::Put { .. }
                | Self::Abandon { .. }
                | Self::Delete { .. }
                | Self::DeleteMany { .. }
                | Self::SetAcl { .. }
                | Self::Get { .. }
                | Self::GetRange { .. }
                | Self::PutPart { .. }
                | Self::Complete { .. }
                | Self::Abort { .. }
        )
    }
}
