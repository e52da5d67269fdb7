//! Ways to break the store on purpose, to prove that its tests notice; some are parsers, for the fuzz targets.
//!
//! Without the feature `canary` every question is answered with a constant `false`, and nothing of this is in the program.

/// One way to be broken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Canary {
    /// The log is never synced; batches are acknowledged once written.
    NoFsync = 1,
    /// Folders are never synced.
    NoDirFsync = 2,
    /// The CRC of each block covers only its first half.
    CrcOverHalf = 3,
    /// Batches are acknowledged before they are written.
    AckBeforeSync = 4,
    /// Who attaches to somebody else's extent does not wait until that is queued: a race, which one thread never shows.
    NameBeforeBytes = 5,
    /// A footer's table is taken although it is not sorted.
    TableUnsorted = 6,
    /// A manifest is taken although its extents do not add up.
    ExtentsUnchecked = 7,
    /// A range that begins behind the end of an object is taken.
    RangeBehindTheEnd = 8,
    /// The log counts as applied before the indexes have it, so a checkpoint may claim what they do not hold yet. This and
    /// those below are races, too.
    MarkAheadOfData = 9,
    /// A segment that is sealed is forgotten for a moment, before readers are told to open it anew.
    SegmentGoneWhileSealed = 10,
    /// A name's lock, and its pins on content, end when its record is queued, not when it is applied.
    LockEndsEarly = 11,
    /// A name that changes is taken out of the hot names, but not kept out until it has changed.
    HotNameComesBack = 12,
    /// Who waits for memory takes what there is, and waits for the rest.
    GrantInPieces = 13,
    /// A part is named without its upload's lock.
    PartUnlocked = 14,
    /// A bucket is looked at before its lock is had, and not again.
    BucketCheckedOnce = 15,
    /// The last checkpoint does not wait until everything is applied.
    CloseBeforeApplied = 16,
    /// Readers are sent to a larger shard before it is filled.
    ShardSwitchedEarly = 17,
    /// A name whose bytes were refused is stored all the same.
    NameOfRefusedBytes = 18,
    /// The log writer does not look into its queue again once it has said that it sleeps.
    SleepUnchecked = 19,
}

impl Canary {
    /// All of them.
    pub const ALL: [Self; 19] = [
        Self::NoFsync,
        Self::NoDirFsync,
        Self::CrcOverHalf,
        Self::AckBeforeSync,
        Self::NameBeforeBytes,
        Self::TableUnsorted,
        Self::ExtentsUnchecked,
        Self::RangeBehindTheEnd,
        Self::MarkAheadOfData,
        Self::SegmentGoneWhileSealed,
        Self::LockEndsEarly,
        Self::HotNameComesBack,
        Self::GrantInPieces,
        Self::PartUnlocked,
        Self::BucketCheckedOnce,
        Self::CloseBeforeApplied,
        Self::ShardSwitchedEarly,
        Self::NameOfRefusedBytes,
        Self::SleepUnchecked,
    ];
}

/// Breaks the store as the variable `MORAINE_CANARY` says, if it is set: for processes that are started for that.
///
/// # Panics
/// If it names no canary.
#[cfg(feature = "canary")]
pub fn arm() {
    let Ok(name) = std::env::var("MORAINE_CANARY") else {
        return;
    };
    let known = Canary::ALL
        .into_iter()
        .find(|canary| format!("{canary:?}") == name);
    set(Some(known.unwrap_or_else(|| panic!("{name} is no canary"))));
}

// Set before a test begins and only read in it: no schedule depends on it, so it is no business of an explorer.
#[cfg(feature = "canary")]
static BROKEN: std::sync::atomic::AtomicU8 = std::sync::atomic::AtomicU8::new(0);

/// Breaks the store in one way from now on, or mends it.
#[cfg(feature = "canary")]
pub fn set(canary: Option<Canary>) {
    let value = canary.map_or(0, |canary| canary as u8);
    BROKEN.store(value, std::sync::atomic::Ordering::SeqCst);
}

/// Whether the store is broken in this way.
#[cfg(feature = "canary")]
pub fn is(canary: Canary) -> bool {
    BROKEN.load(std::sync::atomic::Ordering::SeqCst) == canary as u8
}

/// Whether the store is broken in this way: never.
#[cfg(not(feature = "canary"))]
pub const fn is(_canary: Canary) -> bool {
    false
}
