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
}

impl Canary {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::NoFsync,
        Self::NoDirFsync,
        Self::CrcOverHalf,
        Self::AckBeforeSync,
        Self::NameBeforeBytes,
        Self::TableUnsorted,
        Self::ExtentsUnchecked,
        Self::RangeBehindTheEnd,
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
