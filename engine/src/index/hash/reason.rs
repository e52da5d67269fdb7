//! Why an index on disk was not adopted.

/// Why the index starts empty, to be filled from the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RebuildReason {
    /// There is no index yet.
    #[error("there is none yet")]
    Absent,
    /// There are shards, but no mark.
    #[error("its mark is missing")]
    MissingMark,
    /// The mark cannot be read, or does not verify.
    #[error("its mark is damaged")]
    DamagedMark,
    /// The mark has a version that this program does not know.
    #[error("it was written by another version")]
    OtherVersion,
    /// The mark belongs to another store.
    #[error("it belongs to another store")]
    OtherStore,
    /// Another number of shards is configured.
    #[error("it has another number of shards than configured")]
    OtherShardCount,
    /// Hardly any local segment numbers are left.
    #[error("its local segment numbers are used up")]
    NumbersUsedUp,
    /// A shard's file is not there.
    #[error("shard {shard} is missing")]
    MissingShard {
        /// The shard.
        shard: u32,
    },
    /// A shard's file has another length than the mark says.
    #[error("shard {shard} has the wrong length")]
    ShardLength {
        /// The shard.
        shard: u32,
    },
    /// A shard's header does not verify.
    #[error("the header of shard {shard} is damaged")]
    DamagedShardHeader {
        /// The shard.
        shard: u32,
    },
    /// A shard's file is another shard's, another generation's or another store's.
    #[error("shard {shard} is another file")]
    OtherShard {
        /// The shard.
        shard: u32,
    },
    /// A shard's file is older than the mark.
    #[error("shard {shard} is older than the mark")]
    StaleShard {
        /// The shard.
        shard: u32,
    },
    /// The mark is older than a shard's file.
    #[error("the mark is older than shard {shard}")]
    StaleMark {
        /// The shard.
        shard: u32,
    },
    /// A shard's content is not what the mark of a clean shutdown says.
    #[error("the content of shard {shard} is damaged")]
    DamagedShard {
        /// The shard.
        shard: u32,
    },
}
