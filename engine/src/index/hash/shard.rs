//! One shard while it is in use: its generation, its counters, and how it grows.
//!
//! Readers hold the read lock for a search. Writers exclude each other by the writer's mutex and store into the live
//! generation beside the readers; the write lock is taken only to switch generations, so nobody waits for a growth
//! but other writers of the same shard.

use super::files::{Files, ShardFile};
use super::location::{LocalNumber, Packed, Tag};
use super::mark::ShardMark;
use super::table::{Chain, SlotWord, Table};
use crate::canary::{self, Canary};
use crate::error::Result;
use crate::sync::{Arc, Mutex, MutexGuard, RwLock};

/// A shard grows beyond this load, in thousandths of its slots. With four slots a bucket, a search then looks at 1.4
/// buckets on average for what is there and at 3.8 for what is not (simulated; 1.1 and 1.5 at 600).
const LOAD_MAX: u64 = 800;
/// Where the disk is full, or no descriptor is left, a shard is filled up to this load before an insert fails.
const LOAD_LIMIT: u64 = 970;
/// A search longer than this many buckets (four pages) makes a shard grow...
const CHAIN_MAX: u64 = 256;
/// ... if it is fuller than this, in thousandths: in an emptier one the cause is not the load, and growing is no cure.
/// Above what a growth leaves, so that one growth does not ask for the next.
const CHAIN_LOAD_MIN: u64 = 700;
/// Slots filled between two attempts to grow while the disk is full.
const RETRY_SLOTS: u64 = 32;

/// What an insert did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Inserted {
    /// The index held this place for this tag already.
    Known,
    /// The place was added.
    Added,
    /// The id was moved: it pointed to another place before.
    Moved,
}

/// What comes of an attempt to insert.
pub(super) enum Attempt {
    /// It is done.
    Done(Inserted),
    /// Other places have the same tag: the caller must find out whether one of them holds the same id.
    Ask(Vec<Packed>),
}

/// What the caller found out about other places of the same tag.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// It did not look yet.
    Unknown,
    /// None of them holds the same id.
    AllOther,
    /// This one does.
    Same(Packed),
}

/// A shard.
pub(super) struct Shard {
    live: RwLock<Arc<Table>>,
    writer: Mutex<Writer>,
}

/// What only writers touch.
pub(super) struct Writer {
    shard: u32,
    table: Arc<Table>,
    /// Full slots. After a crash an estimate: slots that the kernel wrote early are not counted until the next growth.
    entries: u64,
    /// Removed slots and, after a growth, none.
    dead: u64,
    growths: u64,
    chain_max: u64,
    dirty: bool,
    /// Slots in use below which no growth is tried again, after the disk was full.
    retry_at: u64,
    next_generation: u64,
    /// What the durable mark says.
    marked: ShardMark,
    /// Generations that were replaced since a mark named one. They are removed after the next mark: the mark may still
    /// name one of them, and removing a file whose pages are being written back takes a millisecond, which no insert
    /// should wait for. Since each is a fraction of the next, they take about three times the room of the live one.
    retired: Vec<u64>,
}

impl Shard {
    /// A shard of which the durable mark says `marked`. With `dirty`, the file may hold what is not durable.
    pub(super) fn new(table: Table, marked: ShardMark, next_generation: u64, dirty: bool) -> Self {
        let table = Arc::new(table);
        let shard = table.file().shard;
        Self {
            live: RwLock::new(table.clone()),
            writer: Mutex::new(Writer {
                shard,
                table,
                entries: marked.entries,
                dead: marked.dead,
                growths: 0,
                chain_max: 0,
                dirty,
                retry_at: 0,
                next_generation,
                marked,
                retired: Vec::new(),
            }),
        }
    }

    /// Visits every place that has the tag. Never waits for a growth.
    pub(super) fn find(&self, tag: Tag, mut visit: impl FnMut(Packed)) {
        self.live.read().find(tag, |_, packed| visit(packed));
    }

    /// Keeps other writers out.
    pub(super) fn write(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock()
    }

    /// The generation that readers see.
    pub(super) fn table(&self) -> Arc<Table> {
        self.live.read().clone()
    }

    /// Inserts a place. `known` tells whether a local number stands for a segment.
    pub(super) fn insert(
        &self,
        writer: &mut Writer,
        files: &Files,
        (tag, place): (Tag, Packed),
        verdict: Verdict,
        known: &dyn Fn(LocalNumber) -> bool,
    ) -> Result<Attempt> {
        let mut others = Vec::new();
        let mut equal = false;
        let mut same = None;
        let mut chain = writer.table.find(tag, |slot, found| {
            if found.same_place(place) {
                equal = true;
            } else if verdict == Verdict::Same(found) {
                same = same.or(Some(slot));
            } else if known(found.number()) {
                others.push(found);
            }
        });
        writer.chain_max = writer.chain_max.max(chain.buckets);
        if equal {
            return Ok(Attempt::Done(Inserted::Known));
        }
        if verdict == Verdict::Unknown && !others.is_empty() {
            return Ok(Attempt::Ask(others));
        }
        if let Some(slot) = same {
            writer.dirty = true;
            writer.table.repoint(slot, place);
            return Ok(Attempt::Done(Inserted::Moved));
        }
        if writer.is_full(chain) {
            chain = self.grow(writer, files, tag, chain, known)?;
        }
        let slot = chain.free.expect("a grown shard has room");
        writer.dirty = true;
        writer.table.fill(slot, tag, place);
        writer.entries += 1;
        Ok(Attempt::Done(Inserted::Added))
    }

    /// Removes a place. False if it was not there.
    pub(super) fn remove(&self, writer: &mut Writer, tag: Tag, place: Packed) -> bool {
        let mut slots: Vec<SlotWord> = Vec::new();
        writer.table.find(tag, |slot, found| {
            if found.same_place(place) {
                slots.push(slot);
            }
        });
        for slot in &slots {
            writer.dirty = true;
            writer.table.remove(*slot);
            writer.entries = writer.entries.saturating_sub(1);
            writer.dead += 1;
        }
        !slots.is_empty()
    }

    /// Moves what is alive into a new generation with more room, or leaves things as they are if the disk is full, or no
    /// descriptor is left, and there is some room left. Returns where `tag` can be added now.
    fn grow(
        &self,
        writer: &mut Writer,
        files: &Files,
        tag: Tag,
        chain: Chain,
        known: &dyn Fn(LocalNumber) -> bool,
    ) -> Result<Chain> {
        let alive = |place: Packed| known(place.number());
        let entries = writer.table.entries().filter(|&(_, place)| alive(place));
        let entries = entries.count() as u64;
        let file = writer.next_file();
        let pages = Table::pages_for(grown_slots(entries, file));
        let table = match files.create(file, pages, writer.marked.sequence) {
            Ok(table) => table,
            Err(error) if error.passes() && writer.has_room(chain) => {
                tracing::warn!(%error, "the hash index cannot grow yet");
                writer.retry_at = writer.used() + RETRY_SLOTS;
                return Ok(chain);
            }
            Err(error) => return Err(error),
        };
        let table = Arc::new(table);
        if canary::is(Canary::ShardSwitchedEarly) {
            *self.live.write() = Arc::clone(&table);
        }
        for (tag, place) in writer.table.entries().filter(|&(_, place)| alive(place)) {
            let free = table.find(tag, |_, _| {}).free;
            table.fill(free.expect("the new generation has room"), tag, place);
        }
        self.switch(writer, table);
        writer.entries = entries;
        writer.growths += 1;
        Ok(writer.table.find(tag, |_, _| {}))
    }

    /// Replaces everything by an empty generation. The durable mark says [`ShardMark::default`] already.
    pub(super) fn clear(&self, writer: &mut Writer, files: &Files, pages: u64) -> Result<()> {
        writer.marked = ShardMark::default();
        let table = files.create(writer.next_file(), pages, writer.marked.sequence)?;
        self.switch(writer, Arc::new(table));
        writer.entries = 0;
        Ok(())
    }

    fn switch(&self, writer: &mut Writer, table: Arc<Table>) {
        writer.retired.push(writer.table.file().generation);
        writer.table = table;
        *self.live.write() = writer.table.clone();
        writer.dead = 0;
        writer.dirty = true;
        writer.chain_max = 0;
        writer.retry_at = 0;
    }
}

impl Writer {
    fn next_file(&mut self) -> ShardFile {
        let generation = self.next_generation;
        self.next_generation += 1;
        ShardFile {
            shard: self.shard,
            generation,
        }
    }

    /// Slots that are not empty.
    fn used(&self) -> u64 {
        self.entries + self.dead
    }

    fn load(&self) -> u64 {
        (self.used() + 1) * 1000 / self.table.slots()
    }

    fn is_full(&self, chain: Chain) -> bool {
        if chain.free.is_none() {
            return true;
        }
        let load = self.load();
        let long = chain.buckets > CHAIN_MAX && load > CHAIN_LOAD_MIN;
        (load > LOAD_MAX || long) && self.used() >= self.retry_at
    }

    fn has_room(&self, chain: Chain) -> bool {
        chain.free.is_some() && self.load() <= LOAD_LIMIT
    }

    /// The state to put into the mark; `Some` table if it must be flushed first. Called at the start of a checkpoint.
    pub(super) fn begin_flush(&mut self, sequence: u32) -> (ShardMark, Option<Arc<Table>>) {
        if !self.dirty {
            return (self.marked, None);
        }
        self.dirty = false;
        let mark = ShardMark {
            generation: self.table.file().generation,
            sequence,
            pages: self.table.page_count(),
            entries: self.entries,
            dead: self.dead,
            crc: 0,
        };
        (mark, Some(self.table.clone()))
    }

    /// No mark came of the flush that was begun: the next checkpoint flushes again, and states the counts of then.
    pub(super) fn undo_flush(&mut self) {
        self.dirty = true;
    }

    /// The mark is durable. Returns the files that are not needed any more.
    pub(super) fn end_flush(&mut self, mark: ShardMark) -> Vec<ShardFile> {
        self.marked = mark;
        let unneeded = self
            .retired
            .extract_if(.., |generation| *generation != mark.generation);
        let shard = self.shard;
        unneeded
            .map(|generation| ShardFile { shard, generation })
            .collect()
    }

    /// Whether anything may not be durable.
    pub(super) fn is_dirty(&self) -> bool {
        self.dirty
    }

    /// Adds this shard's figures.
    pub(super) fn count(&self, stats: &mut super::HashStats) {
        stats.shards += 1;
        stats.entries += self.entries;
        stats.tombstones += self.dead;
        stats.slots += self.table.slots();
        stats.bytes += self.table.page_count() * super::pages::PAGE_BYTES;
        stats.growths += self.growths;
        stats.probe_max = stats.probe_max.max(self.chain_max);
    }
}

/// How many slots a new generation gets: between 1.25 and 1.5 times what its entries need at [`LOAD_MAX`]. The factor
/// differs by shard and generation, so that shards which fill equally do not grow together.
fn grown_slots(entries: u64, file: ShardFile) -> u64 {
    let jitter = (u64::from(file.shard) * 167 + file.generation * 97) % 251;
    (entries + 1) * (1250 + jitter) / LOAD_MAX
}
