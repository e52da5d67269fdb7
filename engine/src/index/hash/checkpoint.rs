//! How the index becomes durable: flush the shards, then write the mark that names them.

use super::HashIndex;
use super::files::{ShardFile, Undurable};
use super::mark::Mark;
use super::table::Table;
use crate::error::{Error, Result};
use crate::index::Covered;
use crate::sync::Arc;
use crate::sync::atomic::Ordering;
use std::collections::BTreeSet;

impl HashIndex {
    /// Makes the index durable, and states durably that it holds every record before `covered`. The caller has inserted
    /// (and removed) all that these records say before it calls. Changes may go on meanwhile.
    ///
    /// # Errors
    /// If a flush fails, nothing is known about what the shards hold on disk: the mark is removed, so that the next
    /// open rebuilds, and the index refuses further changes; lookups go on. If descriptors, memory or room for the mark were
    /// wanting, nothing has happened: the index goes on, the durable mark covers less, and the next call tries again.
    pub fn checkpoint(&self, covered: &Covered) -> Result<()> {
        let mut mark = self.mark.lock();
        self.check_open()?;
        let dirty = self.shards.iter().any(|shard| shard.write().is_dirty());
        if !dirty && mark.covered == *covered {
            return Ok(());
        }
        let unneeded = self.write_checkpoint(&mut mark, covered, false)?;
        drop(mark);
        self.remove_files(&unneeded);
        Ok(())
    }

    /// A checkpoint that marks the index clean. Refuses all changes from then on; lookups go on.
    pub fn close(&self, covered: &Covered) -> Result<()> {
        let mut mark = self.mark.lock();
        self.check_open()?;
        self.stop(Error::Closed);
        let unneeded = self.write_checkpoint(&mut mark, covered, true)?;
        drop(mark);
        self.remove_files(&unneeded);
        Ok(())
    }

    fn remove_files(&self, files: &[ShardFile]) {
        for file in files {
            self.files.remove(*file);
        }
    }

    /// Flushes, then writes the mark. Returns the files that are not needed any more.
    fn write_checkpoint(
        &self,
        mark: &mut Mark,
        covered: &Covered,
        clean: bool,
    ) -> Result<Vec<ShardFile>> {
        let next = mark.sequence.checked_add(1);
        let sequence = next.ok_or_else(|| self.poison_with("its sequence is used up"))?;
        let mut new = Mark {
            store_id: mark.store_id,
            clean,
            sequence,
            covered: covered.clone(),
            shards: Vec::with_capacity(self.shards.len()),
        };
        let mut new_names = false;
        let mut flushed = Vec::new();
        for (shard, old) in self.shards.iter().zip(&mark.shards) {
            // After closing, this waits for the last change, and none follows.
            let (mut state, table) = shard.write().begin_flush(sequence);
            flushed.extend(table.map(|table| (shard, table)));
            if clean && state.generation != 0 {
                state.crc = shard.table().crc();
            }
            new_names |= state.generation != old.generation;
            new.shards.push(state);
        }
        let changed: Vec<_> = flushed.iter().map(|(_, table)| table.clone()).collect();
        self.flush(&changed, sequence)?;
        let named = if new_names {
            self.files.sync_names()
        } else {
            Ok(())
        };
        if let Err(error) = named.and_then(|()| self.commit(mark, new)) {
            // The flush was in vain: of these shards, no mark says what it covered.
            for (shard, _) in &flushed {
                shard.write().undo_flush();
            }
            return Err(self.give_up(error));
        }
        let states = self.shards.iter().zip(&mark.shards);
        Ok(states
            .flat_map(|(shard, state)| shard.write().end_flush(*state))
            .collect())
    }

    /// Flushes shards. After a failure the kernel may show pages that the disk does not hold, even to the next
    /// process: the mark goes, so that nothing of this index is used again.
    fn flush(&self, changed: &[Arc<Table>], sequence: u32) -> Result<()> {
        let Err(error) = self.files.flush_all(changed, sequence) else {
            return Ok(());
        };
        let error = self.end_with(error);
        if let Err(error) = self.files.remove_mark() {
            tracing::error!(%error, "the mark of a hash index that failed could not be removed: delete index/hash");
        }
        Err(error)
    }

    /// Makes `new` the durable mark, with the present segment table and enough numbers for a while.
    fn commit(&self, mark: &mut Mark, new: Mark) -> Result<(), Undurable> {
        let (bytes, limit) = {
            let segments = self.segments.read();
            let low = segments.left() <= self.config.number_block / 2;
            let block = if low { self.config.number_block } else { 0 };
            let limit = segments.limit_for(block);
            (new.encode(&segments, limit), limit)
        };
        self.files.write_mark(&bytes)?;
        self.segments.write().raise_limit(limit);
        *mark = new;
        Ok(())
    }

    /// What becomes of a checkpoint that failed: only where something is in doubt does the index refuse further changes.
    fn give_up(&self, error: Undurable) -> Error {
        match error {
            Undurable::Later(error) => error,
            Undurable::Never(error) => self.end_with(error),
        }
    }

    /// Refuses all further changes because of `error`. What is returned never reads as if it passed.
    fn end_with(&self, error: Error) -> Error {
        let poisoned = self.poison_with(&error.to_string());
        if error.passes() { poisoned } else { error }
    }

    /// For what a change cannot do without: it is not made then, and no checkpoint may claim that it was.
    fn refuse(&self, error: Undurable) -> Error {
        self.poison(error.into_error())
    }

    /// Reserves a block of local numbers, durably. Says nothing new about what the shards hold.
    pub(super) fn reserve_numbers(&self, mark: &mut Mark) -> Result<()> {
        let same = mark.clone();
        self.commit(mark, same).map_err(|error| self.refuse(error))
    }

    /// Called before every change: makes the first one possible.
    pub(super) fn start_changing(&self) -> Result<()> {
        self.check_open()?;
        if self.changing.load(Ordering::Acquire) {
            return Ok(());
        }
        let mut mark = self.mark.lock();
        self.check_open()?;
        self.prepare_changes(&mut mark)
    }

    /// Before the first change: the mark that was adopted must be durable itself, as a process may have died between its
    /// rename and the sync of the folder; it must not say clean any more; and what a crash left behind goes.
    fn prepare_changes(&self, mark: &mut Mark) -> Result<()> {
        if self.changing.load(Ordering::Acquire) {
            return Ok(());
        }
        if mark.clean {
            let mut unclean = mark.clone();
            unclean.clean = false;
            self.commit(mark, unclean)
                .map_err(|error| self.refuse(error))?;
        }
        let synced = self.files.sync_names();
        synced.map_err(|error| self.refuse(error))?;
        self.remove_leftovers(mark)?;
        self.changing.store(true, Ordering::Release);
        Ok(())
    }

    fn remove_leftovers(&self, mark: &Mark) -> Result<()> {
        let live: BTreeSet<_> = self
            .shards
            .iter()
            .map(|shard| shard.table().file())
            .collect();
        for file in self.files.shard_files()? {
            if !live.contains(&file) && !mark.names(file) {
                self.files.remove(file);
            }
        }
        Ok(())
    }

    /// Empties the index, to fill it again from the log. If it is interrupted, the next open starts empty too. Nobody
    /// may change it meanwhile.
    pub fn clear(&self) -> Result<()> {
        self.start_changing()?;
        let mut mark = self.mark.lock();
        self.check_open()?;
        self.segments.write().forget_all();
        let empty = Mark::empty(mark.store_id, mark.sequence, self.config.shards);
        self.commit(&mut mark, empty)
            .map_err(|error| self.refuse(error))?;
        for shard in &self.shards {
            let pages = u64::from(self.config.initial_pages);
            let cleared = shard.clear(&mut shard.write(), &self.files, pages);
            cleared.map_err(|error| self.poison(error))?;
        }
        Ok(())
    }
}
