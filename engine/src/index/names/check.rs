//! The index against itself: names, reverse rows and counters must say the same. For `fsck` and for tests.

use super::error::Result;
use super::index::{NameIndex, load_usage};
use super::kv::{Table, Visit};
use super::row;
use super::state::Usage;
use crate::format::NameKey;
use crate::id::Id;
use crate::position::BucketId;
use std::collections::{BTreeMap, BTreeSet};

/// Two places of the index that contradict each other. The index is derived: a rebuild repairs it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Contradiction {
    /// A live name has a blob, and the reverse table does not know, or knows another size.
    #[error(
        "the name {name:?} uses {blob}, and the reverse table does not say so, or not with its size"
    )]
    NoReverse {
        /// The name.
        name: NameKey,
        /// Its blob.
        blob: Id,
    },
    /// The reverse table says that a name uses a blob, and it does not.
    #[error("the reverse table says that {name:?} uses {blob}, and it does not")]
    NoName {
        /// The name.
        name: NameKey,
        /// The blob.
        blob: Id,
    },
    /// The counters of a bucket are not those of its names.
    #[error("bucket {bucket} counts {counted:?} and holds {found:?}")]
    Usage {
        /// The bucket.
        bucket: BucketId,
        /// What the counters say.
        counted: Usage,
        /// What the rows add up to.
        found: Usage,
    },
}

impl NameIndex {
    /// Reports every contradiction between the tables. Reads all of the index; each name costs a lookup.
    ///
    /// To be called while nothing is applied.
    pub fn check(&self, report: &mut dyn FnMut(Contradiction)) -> Result<()> {
        let mut found: BTreeMap<BucketId, Usage> = BTreeMap::new();
        self.for_each(&mut |name, row| {
            if row.live.is_some() && name.bucket != BucketId(0) {
                let usage = found.entry(name.bucket).or_default();
                usage.add(row::is_reserved(&name.key), row.size);
            }
            if let Some(blob) = row.blob {
                self.check_use(blob, name, row.size, report)?;
            }
            Ok(Visit::Continue)
        })?;
        self.for_each_use(&mut |blob, name| {
            if self.get(&name)?.and_then(|row| row.blob) != Some(blob) {
                report(Contradiction::NoName { name, blob });
            }
            Ok(Visit::Continue)
        })?;
        self.check_usage(&found, report)
    }

    fn check_use(
        &self,
        blob: Id,
        name: NameKey,
        size: u64,
        report: &mut dyn FnMut(Contradiction),
    ) -> Result<()> {
        let key = row::reverse_key(&blob, &name);
        if self.kv().get(Table::Reverse, &key)? != Some(row::reverse_value(size)) {
            report(Contradiction::NoReverse { name, blob });
        }
        Ok(())
    }

    fn check_usage(
        &self,
        found: &BTreeMap<BucketId, Usage>,
        report: &mut dyn FnMut(Contradiction),
    ) -> Result<()> {
        let counted = load_usage(self.kv())?;
        let buckets: BTreeSet<_> = counted.keys().chain(found.keys()).copied().collect();
        for bucket in buckets {
            let counted = counted.get(&bucket).copied().unwrap_or_default();
            let found = found.get(&bucket).copied().unwrap_or_default();
            if counted != found {
                report(Contradiction::Usage {
                    bucket,
                    counted,
                    found,
                });
            }
        }
        Ok(())
    }
}
