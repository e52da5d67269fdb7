//! What can go wrong with the name index: an operating error, or damage that a rebuild from the log repairs.

use super::kv::Table;
use crate::sync::Arc;
use std::io;

/// Shorthand for results of this module.
pub type Result<T, E = NamesError> = std::result::Result<T, E>;

/// An error of the name index.
#[derive(Clone, Debug, thiserror::Error)]
pub enum NamesError {
    /// A system call failed. After a failed commit or persist the store refuses further writes.
    #[error("{op} the name index: {source}")]
    Io {
        /// What was being done, as a verb: `open`, `commit`, `persist` ...
        op: &'static str,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// The stored index is not one that this program and this store can go on with: rebuild it from the log.
    #[error("the name index must be rebuilt: {0}")]
    Rebuild(#[from] RebuildReason),
    /// The index is to be emptied, and lies where a link leads, among what it never made: nothing is deleted.
    #[error(
        "the name index must be made anew, and its folder is the end of a link: {folder}. It also holds {found:?}, which no name \
         index makes; nothing was deleted. Let the link lead to an empty folder, or remove the link"
    )]
    NotOurs {
        /// The folder.
        folder: String,
        /// The first that was found there.
        found: String,
    },
    /// Another handle, of this process or of another, has the index open.
    #[error("the name index is in use by another process")]
    Locked,
    /// A key is longer than any key can be.
    #[error("a key of {len} bytes; at most {max} are possible")]
    KeyTooLong {
        /// Its length.
        len: usize,
        /// The limit.
        max: usize,
    },
}

/// Why an index is thrown away. It costs a replay of the log's footers, never data.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RebuildReason {
    /// It belongs to another store.
    #[error("it belongs to the store {}", hex(found))]
    OtherStore {
        /// The store id in it.
        found: [u8; 16],
    },
    /// It was written in another format.
    #[error("its format is {found}; this program reads {supported}")]
    OtherFormat {
        /// The format in it.
        found: u32,
        /// The one format that this program reads.
        supported: u32,
    },
    /// It holds rows and does not say for which store, or up to where they are complete.
    #[error("it has no state row")]
    NoState,
    /// A row does not decode.
    #[error("a row of its {table} table does not decode: {why}")]
    Row {
        /// The table.
        table: Table,
        /// The rule that the row breaks.
        why: &'static str,
    },
    /// Two of its tables contradict each other.
    #[error("its tables contradict each other: {0}")]
    Contradiction(&'static str),
    /// The storage engine below reports damage, in its own words.
    #[error("its storage is damaged: {0}")]
    Storage(String),
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

impl NamesError {
    pub(super) fn io(op: &'static str, source: io::Error) -> Self {
        Self::Io {
            op,
            source: Arc::new(source),
        }
    }

    pub(super) fn row(table: Table, why: &'static str) -> Self {
        Self::Rebuild(RebuildReason::Row { table, why })
    }

    pub(super) fn contradiction(what: &'static str) -> Self {
        Self::Rebuild(RebuildReason::Contradiction(what))
    }
}
