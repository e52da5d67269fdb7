//! Figures of the indexes, read from a copy, because opening them may write.

use super::Inspector;
use crate::error::Result;
use crate::fsck::{IndexCopy, Report};
use crate::index::Covered;
use crate::index::hash::HashStats;
use crate::index::names::Usage;
use crate::position::BucketId;
use std::path::Path;

/// Figures of both indexes. One that is absent or cannot be used has none; the notes say why.
#[derive(Clone, Debug, Default)]
pub struct IndexInfo {
    /// The hash index, and up to where it is complete.
    pub hash: Option<(HashStats, Covered)>,
    /// The name index.
    pub names: Option<NamesInfo>,
    /// What is worth knowing.
    pub notes: Vec<String>,
}

/// Figures of the name index.
#[derive(Clone, Debug)]
pub struct NamesInfo {
    /// Which embedded store holds it.
    pub engine: &'static str,
    /// Bytes on disk, about.
    pub disk_bytes: u64,
    /// Up to where it is complete.
    pub covered: Covered,
    /// What each bucket holds.
    pub usage: Vec<(BucketId, Usage)>,
}

impl Inspector {
    /// Figures of the indexes. Beside a running server the copy may not be usable: the notes then say so.
    ///
    /// # Errors
    /// What the system says, or damage.
    pub fn indexes(&self) -> Result<IndexInfo> {
        let (superblock, _) = self.superblock()?;
        let mut report = Report::default();
        let mut copy = IndexCopy::open(Path::new(&self.dir), superblock.store, &mut report);
        let hash = copy.hash.as_ref();
        let mut info = IndexInfo {
            hash: hash.map(|(index, covered)| (index.stats(), covered.clone())),
            ..IndexInfo::default()
        };
        if let Some(names) = &copy.names {
            let buckets = self.buckets()?;
            info.names = Some(NamesInfo {
                engine: names.engine(),
                disk_bytes: names.stats().map_or(0, |stats| stats.disk_bytes),
                covered: names.covered(),
                usage: buckets
                    .into_iter()
                    .map(|(_, bucket, _)| (bucket, names.usage(bucket)))
                    .collect(),
            });
        }
        copy.remove();
        let findings = report.findings.into_iter();
        let unusable = findings.map(|finding| format!("{}: {}", finding.place, finding.problem));
        info.notes = report.notes.into_iter().chain(unusable).collect();
        Ok(info)
    }
}
