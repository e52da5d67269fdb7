//! The index as its users see it: lookup, insert, remove.
//!
//! Locks are taken in this order: mark, one shard's writer, one shard's generation, segment table; none is held
//! while a caller's function runs, but for [`HashIndex::iterate`].

use super::candidates::Candidates;
use super::config::HashConfig;
use super::files::Files;
use super::location::{LocalNumber, Location, Packed, Tag};
use super::mark::Mark;
use super::segments::SegmentTable;
use super::shard::{Attempt, Inserted, Shard, Verdict};
use super::stats::{HashEntry, HashStats};
use crate::error::{Error, Result};
use crate::id::Id;
use crate::position::{NodeId, SegmentNumber};
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Arc, Mutex, RwLock};

/// Where the record of each extent and manifest may lie. See the [module](super).
pub struct HashIndex {
    pub(super) files: Files,
    pub(super) config: HashConfig,
    pub(super) shards: Vec<Shard>,
    pub(super) segments: RwLock<SegmentTable>,
    /// The durable mark.
    pub(super) mark: Mutex<Mark>,
    /// Something was changed since the index was opened, and the mark does not say clean any more.
    pub(super) changing: AtomicBool,
    /// Changes are refused because of `stop_reason`.
    pub(super) stopped: AtomicBool,
    pub(super) stop_reason: Mutex<Option<Error>>,
}

impl HashIndex {
    fn shard_number(&self, id: &Id) -> u32 {
        let [first, second, ..] = *id.as_bytes();
        let bits = self.config.shards.ilog2();
        u32::from(u16::from_be_bytes([first, second])) >> (16 - bits)
    }

    fn shard(&self, id: &Id) -> &Shard {
        let number = usize::try_from(self.shard_number(id)).expect("16 bits");
        self.shards.get(number).expect("there is every shard")
    }

    /// The shard of an id and the tag under which it is held, to compare with [`HashIndex::iterate`].
    pub fn slot_of(&self, id: &Id) -> (u32, Tag) {
        (self.shard_number(id), Tag::of(id))
    }

    /// Where `id` may lie: none if it is not in the index. Every candidate must be checked against its record. May wait
    /// for the disk where the index is not in memory.
    pub fn lookup(&self, id: &Id) -> Candidates {
        let mut candidates = Candidates::default();
        self.shard(id).find(Tag::of(id), |place| {
            if let Some(location) = self.segments.read().locate(place) {
                candidates.push(location);
            }
        });
        candidates
    }

    /// States that `id` lies at `location`, where its record is durable.
    ///
    /// Where the tag is known at other places, `same` is asked about each of them whether the record there has this id.
    /// If one has, it is replaced by `location`; else both are kept. An error of `same` is returned, after `location`
    /// was added beside the others.
    ///
    /// # Errors
    /// After any other error the index does not hold the place, and refuses further checkpoints.
    pub fn insert(
        &self,
        id: &Id,
        location: Location,
        same: &mut dyn FnMut(Location) -> Result<bool>,
    ) -> Result<Inserted> {
        self.start_changing()?;
        let number = self.number(location.node, location.segment)?;
        let entry = (Tag::of(id), Packed::new(number, &location));
        let others = match self.attempt(id, entry, Verdict::Unknown)? {
            Attempt::Done(inserted) => return Ok(inserted),
            Attempt::Ask(others) => others,
        };
        let mut verdict = Verdict::AllOther;
        let mut failure = None;
        for other in others {
            let Some(place) = self.segments.read().locate(other) else {
                continue;
            };
            match same(place) {
                Ok(false) => {}
                Ok(true) => {
                    verdict = Verdict::Same(other);
                    break;
                }
                Err(error) => failure = Some(error),
            }
        }
        let inserted = match self.attempt(id, entry, verdict)? {
            Attempt::Done(inserted) => inserted,
            Attempt::Ask(_) => unreachable!("a shard asks only if nothing is known"),
        };
        match failure {
            Some(error) if inserted == Inserted::Added => Err(error),
            _ => Ok(inserted),
        }
    }

    fn attempt(&self, id: &Id, entry: (Tag, Packed), verdict: Verdict) -> Result<Attempt> {
        let shard = self.shard(id);
        let mut writer = shard.write();
        self.check_open()?;
        let known = |number| self.segments.read().segment(number).is_some();
        shard
            .insert(&mut writer, &self.files, entry, verdict, &known)
            .map_err(|error| self.poison(error))
    }

    /// The local number of a segment; gives it one if it has none.
    fn number(&self, node: NodeId, segment: SegmentNumber) -> Result<LocalNumber> {
        if let Some(number) = self.segments.read().number(node, segment) {
            return Ok(number);
        }
        let assign = || {
            let mut segments = self.segments.write();
            let known = segments.number(node, segment);
            known.or_else(|| segments.assign(node, segment))
        };
        if let Some(number) = assign() {
            return Ok(number);
        }
        // Seldom: checkpoints reserve ahead, and only here does an insert wait for one that is in progress.
        let mut mark = self.mark.lock();
        if let Some(number) = assign() {
            return Ok(number);
        }
        self.reserve_numbers(&mut mark)?;
        assign().ok_or_else(|| self.poison_with("its local segment numbers are used up"))
    }

    /// States that `id` is no longer to be found at `location`. False if the index did not hold it.
    pub fn remove(&self, id: &Id, location: &Location) -> Result<bool> {
        self.start_changing()?;
        let number = self.segments.read().number(location.node, location.segment);
        let Some(number) = number else {
            return Ok(false);
        };
        let shard = self.shard(id);
        let mut writer = shard.write();
        self.check_open()?;
        Ok(shard.remove(&mut writer, Tag::of(id), Packed::new(number, location)))
    }

    /// Forgets a segment whose file is gone, and with it every place in it. False if the index held none.
    pub fn forget_segment(&self, node: NodeId, segment: SegmentNumber) -> Result<bool> {
        self.start_changing()?;
        Ok(self.segments.write().forget(node, segment))
    }

    /// Shows every place that is held, some of them twice after a crash. Must not call back into the index.
    pub fn iterate(&self, f: &mut dyn FnMut(HashEntry)) {
        for (shard, number) in self.shards.iter().zip(0..) {
            for (tag, place) in shard.table().entries() {
                let located = self.segments.read().locate(place);
                if let Some(location) = located {
                    f(HashEntry {
                        shard: number,
                        tag,
                        location,
                    });
                }
            }
        }
    }

    /// The figures of the index.
    pub fn stats(&self) -> HashStats {
        let mut stats = HashStats::default();
        for shard in &self.shards {
            shard.write().count(&mut stats);
        }
        stats.segments = self.segments.read().entries().len() as u64;
        stats
    }

    /// An error if the index was closed or failed.
    pub(super) fn check_open(&self) -> Result<()> {
        if !self.stopped.load(Ordering::Acquire) {
            return Ok(());
        }
        match &*self.stop_reason.lock() {
            Some(reason) => Err(reason.clone()),
            None => Err(Error::Closed),
        }
    }

    /// Refuses all further changes for `reason`, unless there is a reason already.
    pub(super) fn stop(&self, reason: Error) {
        self.stop_reason.lock().get_or_insert(reason);
        self.stopped.store(true, Ordering::Release);
    }

    /// Refuses all further changes because of `error`, which it returns.
    pub(super) fn poison(&self, error: Error) -> Error {
        self.poison_with(&error.to_string());
        error
    }

    pub(super) fn poison_with(&self, reason: &str) -> Error {
        let reason = Arc::from(format!("the hash index failed: {reason}"));
        let error = Error::Poisoned { reason };
        self.stop(error.clone());
        error
    }
}

impl std::fmt::Debug for HashIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HashIndex({:?})", self.stats())
    }
}
