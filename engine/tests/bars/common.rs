//! What the bars share: disks, histories, ways to crash.

use moraine_engine::io::sim::{CrashMode, SimConfig};
use moraine_engine::testing::{Check, Failure, Op, Rng, World, history, options, scaled, shape};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// Operations in a random history, about.
const HISTORY_LEN: usize = 20;

/// A disk that behaves as told by the seed.
pub fn config(seed: u64) -> SimConfig {
    let mut rng = Rng::new(seed ^ 0x6469_736b);
    SimConfig {
        capacity: 64 << 20,
        garbage_in_allocated: rng.one_in(2),
        miss_percent: *rng.pick(&[0, 25, 100]),
        ..SimConfig::default()
    }
}

/// A random history.
pub fn draw(seed: u64, index_faults: bool) -> Vec<Op> {
    let shape = shape(&options(seed), HISTORY_LEN, index_faults);
    history(&mut Rng::new(seed), shape)
}

/// A store that was just made.
pub fn fresh(seed: u64) -> World {
    World::new(seed, config(seed), options(seed))
}

/// A way to crash, for a disk with this many changes that are not durable.
pub fn crash_mode(rng: &mut Rng, unsynced: usize) -> CrashMode {
    match rng.below(8) {
        0 => CrashMode::LoseAll,
        1 => CrashMode::KeepAll,
        2 | 3 => CrashMode::Prefix(rng.index(unsynced + 1)),
        4 | 5 => CrashMode::TornSector {
            change: rng.index(unsynced),
            keep_later: rng.one_in(2),
        },
        _ => CrashMode::Subset,
    }
}

/// Every way to crash that the exhaustive bars try.
pub fn crash_modes(unsynced: usize) -> Vec<CrashMode> {
    let mut modes = vec![CrashMode::LoseAll, CrashMode::KeepAll];
    modes.extend((1..unsynced).map(CrashMode::Prefix));
    modes.extend((0..unsynced).map(|change| CrashMode::TornSector {
        change,
        keep_later: true,
    }));
    modes
}

/// Ends a history: what is there is compared, also after a reopen, and the store still takes a write.
pub fn finish(world: &mut World, clean: bool) -> Check {
    world.check()?;
    world.step(&Op::Reopen {
        clean,
        fault: moraine_engine::testing::IndexFault::None,
    })?;
    probe(world)?;
    world.check()
}

/// Writes one object more, which must work.
pub fn probe(world: &mut World) -> Check {
    use moraine_engine::testing::{Content, When};
    world.step(&Op::CreateBucket { bucket: 9 })?;
    world.step(&Op::Put {
        bucket: 9,
        key: "probe".into(),
        content: Content::Stream {
            seed: 99,
            len: 3000,
        },
        attributes: 0,
        when: When::Always,
        chunk: usize::MAX,
    })?;
    let put = world.model.object(9, b"probe").is_some();
    if put {
        Ok(())
    } else {
        Err(Failure(
            "the store takes no write after all this".to_owned(),
        ))
    }
}

/// Whether bars that CI samples go through everything: every call, every byte.
pub fn exhaustively() -> bool {
    std::env::var_os("MORAINE_EXHAUSTIVE").is_some()
}

/// Breaks the store first, if this process was started for that. Every bar begins with this.
pub fn arm_canary() {
    #[cfg(feature = "canary")]
    crate::canaries::arm();
}

/// Counts how often something happened: a test that waits for what never happens proves nothing.
pub struct Tally(AtomicU64);

impl Tally {
    pub const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    pub fn count(&self, happened: bool) {
        self.add(happened.into());
    }

    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// Fails if it happened too seldom for the figure of CI times the scale, unless one seed is repeated.
    pub fn at_least(&self, least: u64) {
        let least = scaled(least);
        let count = self.0.load(Ordering::Relaxed);
        let repeated = std::env::var("MORAINE_SEED").is_ok();
        assert!(
            repeated || count >= least,
            "{count} is too seldom: at least {least} are needed"
        );
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.load(Ordering::Relaxed))
    }
}
