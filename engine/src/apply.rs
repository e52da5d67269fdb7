//! The one apply: how a record of a log changes the indexes.
//!
//! Four callers: live writes, replay, a peer's log, restore. It is idempotent and compares versions, so records may come
//! again and names in any order. The hash index goes first: a name that became visible always resolves. The catalog goes last:
//! it follows the rows of the name index.

use crate::canary::{self, Canary};
use crate::error::{Error, Result};
use crate::format::{CatalogRecord, FormatError, NameRecord, RecordKind, Tombstone};
use crate::id::Id;
use crate::index::Covered;
use crate::index::catalog::Catalog;
use crate::index::hash::{HashIndex, Location};
use crate::index::hot_names::HotNames;
use crate::index::names::{NameChange, NameIndex, NameRow, NamesError};
use crate::position::{BucketId, Hlc, Position, Version};
use crate::secret::StoreKey;
use crate::store::HotName;
use crate::sync::RwLock;
use bytes::Bytes;

/// What a record says, without where it came from.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    /// An extent or manifest lies here.
    Content {
        /// Its id.
        id: Id,
        /// Bytes of the whole record.
        len: usize,
    },
    /// A name, tombstone or catalog entry.
    Named {
        /// Name, tombstone or catalog.
        kind: RecordKind,
        /// When and by whom.
        version: Version,
        /// The record's payload.
        payload: Bytes,
    },
    /// A record that changes no index.
    Other,
}

/// A record to apply.
#[derive(Clone, Debug)]
pub(crate) struct Apply {
    pub at: Position,
    pub change: Change,
}

/// The three derived structures.
pub(crate) struct Indexes {
    pub hash: HashIndex,
    pub names: NameIndex,
    /// What the name index says of the names that were asked for lately.
    pub hot: HotNames<HotName>,
    pub catalog: RwLock<Catalog>,
    pub key: StoreKey,
}

/// Tells whether the record at a location has an id: decides between a moved record and a second id with the same tag.
pub(crate) trait SameId {
    /// Whether the record at `location` is that of `id`; an unreadable record is not.
    fn is(&self, location: Location, id: &Id) -> bool;
}

impl Apply {
    /// What the record asks of the name index, if it does. One that verified and does not decode is passed over, loudly.
    pub fn name_change(&self) -> Option<NameChange> {
        let Change::Named {
            kind,
            version,
            payload,
        } = &self.change
        else {
            return None;
        };
        let decoded = match kind {
            RecordKind::Catalog => {
                CatalogRecord::decode(payload).map(|it| (it.name_key(), None, 0))
            }
            RecordKind::Tombstone => Tombstone::decode(payload).map(|it| (it.key, None, 0)),
            _ => NameRecord::decode(payload).map(|it| (it.key, it.blob, it.size)),
        };
        let (key, blob, size) = decoded.map_err(|error| undecodable(self.at, error)).ok()?;
        let live = *kind != RecordKind::Tombstone;
        Some(NameChange {
            key,
            version: *version,
            at: self.at,
            payload: live.then(|| payload.clone()),
            blob,
            size,
        })
    }
}

/// Why a record that verified could not be applied.
fn undecodable(at: Position, error: FormatError) {
    tracing::error!(%at, %error, "an intact record cannot be decoded: it is passed over");
}

impl Indexes {
    /// Applies records in log order, and notes that everything up to `covered` is in.
    pub fn apply(
        &self,
        records: &[Apply],
        covered: &Covered,
        hlc: Hlc,
        same: &dyn SameId,
    ) -> Result<()> {
        for record in records {
            self.place(record, same)?;
        }
        let changes: Vec<NameChange> = records.iter().filter_map(Apply::name_change).collect();
        {
            let changing = self.hot.change(changes.iter().map(|change| &change.key));
            let _changing = Some(changing).filter(|_| !canary::is(Canary::HotNameComesBack));
            self.names
                .apply(&changes, covered, hlc)
                .map_err(names_error)?;
        }
        self.follow(&changes)
    }

    /// Notes where content lies; other records have no place in the hash index.
    pub fn place(&self, record: &Apply, same: &dyn SameId) -> Result<()> {
        let Change::Content { id, len } = &record.change else {
            return Ok(());
        };
        let location = Location {
            node: record.at.node,
            segment: record.at.segment,
            offset: record.at.offset,
            size_hint: u32::try_from(*len).unwrap_or(u32::MAX),
        };
        let mut is_same = |other| Ok(same.is(other, id));
        self.hash.insert(id, location, &mut is_same)?;
        Ok(())
    }

    /// Brings the catalog in line with the rows that may have changed. They have compared the versions: of several records
    /// of an entry the newest counts, in whatever order they came.
    fn follow(&self, changes: &[NameChange]) -> Result<()> {
        let mut rows = Vec::new();
        for change in changes.iter().filter(|it| it.key.bucket == BucketId(0)) {
            rows.extend(self.names.get(&change.key).map_err(names_error)?);
        }
        if !rows.is_empty() {
            // At once: of a key that takes another one's place, nobody sees both.
            let mut catalog = self.catalog.write();
            rows.iter()
                .for_each(|row| set(&mut catalog, row, &self.key));
        }
        Ok(())
    }

    /// Fills the catalog from the rows of the name index.
    pub fn load_catalog(&self) -> Result<()> {
        let mut catalog = self.catalog.write();
        self.names
            .catalog(&mut |_, row| set(&mut catalog, &row, &self.key))
            .map_err(names_error)
    }
}

fn set(catalog: &mut Catalog, row: &NameRow, key: &StoreKey) {
    let Some(payload) = &row.live else { return };
    match CatalogRecord::decode(payload) {
        Ok(record) => catalog.set(&record, row.version, key),
        Err(error) => undecodable(row.at, error),
    }
}

/// Brings an error of the name index into the engine's own.
pub(crate) fn names_error(error: NamesError) -> Error {
    Error::NameIndex(error)
}
