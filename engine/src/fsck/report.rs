//! What `fsck` says.

use crate::id::Id;

/// How many findings are kept in full; the rest is counted.
pub const FINDINGS_MAX: usize = 10_000;

/// What a finding is about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Subject {
    /// The superblock.
    Superblock,
    /// `store.key`.
    Key,
    /// A segment's header.
    Header,
    /// A batch or record of a log.
    Log,
    /// A segment's footer.
    Footer,
    /// A segment that the log says exists.
    Segment,
    /// A name, or bytes that it needs.
    Name,
    /// The hash index.
    HashIndex,
    /// The name index.
    NameIndex,
}

impl Subject {
    /// A word for programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Superblock => "superblock",
            Self::Key => "key",
            Self::Header => "header",
            Self::Log => "log",
            Self::Footer => "footer",
            Self::Segment => "segment",
            Self::Name => "name",
            Self::HashIndex => "hash-index",
            Self::NameIndex => "name-index",
        }
    }
}

/// One thing that is damaged.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// What it is about.
    pub subject: Subject,
    /// Where: a path in the data directory, with an offset where there is one; a bucket and key for a name.
    pub place: String,
    /// What is wrong, in a sentence.
    pub problem: String,
    /// The extent or manifest that is concerned, if its header is intact.
    pub id: Option<Id>,
}

/// The result of a check.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Report {
    /// Segments that were read.
    pub segments: u64,
    /// Batches that are intact.
    pub batches: u64,
    /// Records that are intact.
    pub records: u64,
    /// Bytes of segments that were read.
    pub bytes: u64,
    /// Live names of objects that were followed down to their bytes.
    pub names: u64,
    /// Extents and manifests in the log.
    pub contents: u64,
    /// The first [`FINDINGS_MAX`] findings.
    pub findings: Vec<Finding>,
    /// All findings.
    pub damaged: u64,
    /// What is worth knowing and no damage.
    pub notes: Vec<String>,
}

impl Report {
    /// Whether nothing is damaged.
    pub const fn is_clean(&self) -> bool {
        self.damaged == 0
    }

    pub(super) fn add(&mut self, subject: Subject, place: impl Into<String>, problem: String) {
        self.add_with(subject, place.into(), problem, None);
    }

    pub(super) fn add_with(
        &mut self,
        subject: Subject,
        place: String,
        problem: String,
        id: Option<Id>,
    ) {
        self.damaged += 1;
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(Finding {
                subject,
                place,
                problem,
                id,
            });
        }
    }
}

/// How far a check has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    /// What is being done.
    pub phase: &'static str,
    /// Segments that are done.
    pub segments_done: u64,
    /// All segments.
    pub segments: u64,
    /// Bytes of segments read so far.
    pub bytes: u64,
}
