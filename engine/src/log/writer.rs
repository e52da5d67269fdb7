//! The log writer: takes what is queued, writes it as a batch, syncs, and only then hands it on to be applied and
//! acknowledged, while the next batch gathers and is written.
//!
//! Invariants:
//! - A sync is submitted only when every write of its batches has completed in full; nothing is acknowledged before it.
//! - Every batch header states the position that was synced when it was submitted.
//! - A block that holds acknowledged bytes is never written again: batches are padded to the logical block.
//! - The first failed write or sync poisons the log: everything in flight and everything that waits fails, and nothing
//!   is accepted until the store is opened again. A sync is never retried.
//! - A full disk shows before a batch that would leave the indexes no room, or when a segment is created: as its space is
//!   allocated or, where a file system finds room for blocks only when they are written, at the block that marks it or at its
//!   header. All that happens in `spare/`, before the rename into the log: the file goes, what waits is refused, nothing is
//!   poisoned, and the next try may find room.
//!
//! The writer is a state machine that does one turn at a time: a thread drives it in a server, a test drives it step
//! by step.

mod complete;
mod prepare;
mod roll;
mod room;
mod submit;

use super::active::ActiveSegment;
use super::batch_builder::Laid;
use super::buffers::Buffers;
use super::committed::Sink;
use super::draft::Item;
use super::inbox::Inbox;
use super::segments::Segments;
use crate::clock::{Clock, Entropy};
use crate::error::{Error, Result};
use crate::format::{Geometry, StoreId};
use crate::io::{Disk, Queue};
use crate::position::{Hlc, Incarnation, LogPoint, NodeId, SegmentNumber};
use crate::stats::Counters;
use crate::sync::Arc;
use crate::sync::atomic::Ordering;
use prepare::Spare;
use std::collections::VecDeque;
use std::time::Duration;

/// Batches written or being written whose sync has not ended: one syncs while the next one is written.
const BATCHES_IN_FLIGHT_MAX: usize = 2;

/// How long an idle writer waits before it attests its last batch with an empty one.
const ATTEST_AFTER: Duration = Duration::from_millis(500);

/// Who the writer is, and where its log stands.
pub(crate) struct WriterConfig {
    pub store: StoreId,
    pub node: NodeId,
    pub incarnation: Incarnation,
    pub geometry: Geometry,
    /// The number of the next segment.
    pub next_segment: SegmentNumber,
    /// Where the log was found to end: goes into the first record of this incarnation.
    pub previous: (Incarnation, LogPoint),
    /// The highest stamp so far.
    pub hlc: Hlc,
}

struct Batch {
    laid: Vec<Laid>,
    end: LogPoint,
    hlc: Hlc,
    written: bool,
}

/// The state machine.
pub(crate) struct Writer {
    disk: Arc<dyn Disk>,
    queue: Box<dyn Queue>,
    inbox: Arc<Inbox>,
    segments: Arc<Segments>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    counters: Arc<Counters>,
    sink: Box<dyn Sink>,
    config: WriterConfig,
    waiting: VecDeque<Item>,
    active: Option<ActiveSegment>,
    batches: VecDeque<Batch>,
    /// How many batches at the front the sync in flight covers.
    syncing: usize,
    synced: LogPoint,
    /// What the last batch header said was synced.
    attested: LogPoint,
    /// The end of the last acknowledged batch that holds records: what is to be attested.
    to_attest: LogPoint,
    hlc: Hlc,
    buffers: Buffers,
    /// What is prepared for the next segment.
    spare: Spare,
    /// Whether an operation of this or an earlier preparation is on its way.
    spare_busy: bool,
    /// At which end of a batch the room on the disk was last looked at.
    looked: u64,
    next_token: u64,
    /// The token of the first batch in flight.
    first_token: u64,
    /// Whether the first record of this incarnation is on its way.
    started: bool,
    poison: Option<Error>,
}

/// The token of every sync; batches count from 1.
const SYNC_TOKEN: u64 = 0;

/// The token of whatever prepares the next segment.
const SPARE_TOKEN: u64 = u64::MAX;

/// The doors and services that a writer uses.
pub(crate) struct WriterParts {
    pub disk: Arc<dyn Disk>,
    pub queue: Box<dyn Queue>,
    pub inbox: Arc<Inbox>,
    pub segments: Arc<Segments>,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    pub counters: Arc<Counters>,
    pub sink: Box<dyn Sink>,
}

impl Writer {
    /// A writer that has not written yet: its first segment is created with its first batch.
    pub fn new(parts: WriterParts, config: WriterConfig) -> Self {
        let synced = config.previous.1;
        let hlc = config.hlc;
        Self {
            disk: parts.disk,
            queue: parts.queue,
            inbox: parts.inbox,
            segments: parts.segments,
            clock: parts.clock,
            entropy: parts.entropy,
            counters: parts.counters,
            sink: parts.sink,
            config,
            waiting: VecDeque::new(),
            active: None,
            batches: VecDeque::new(),
            syncing: 0,
            synced,
            attested: synced,
            to_attest: synced,
            hlc,
            buffers: Buffers::default(),
            spare: Spare::default(),
            spare_busy: false,
            looked: 0,
            next_token: 1,
            first_token: 1,
            started: false,
            poison: None,
        }
    }

    /// Runs until the inbox is closed and everything in flight has ended.
    pub fn run(mut self, stop: &crate::sync::atomic::AtomicBool) {
        loop {
            self.turn();
            if self.poison.is_some() {
                break;
            }
            let idle = self.is_idle();
            if idle && stop.load(Ordering::SeqCst) && self.inbox.is_empty() {
                break;
            }
            if idle && !self.inbox.sleep() {
                continue;
            }
            if !idle && self.batches.len() < BATCHES_IN_FLIGHT_MAX {
                // More could be written while this waits: let whoever queues it wake the writer.
                if !self.inbox.sleep() {
                    self.collect(Some(Duration::ZERO));
                    continue;
                }
            }
            let attest = idle && self.needs_attesting();
            let prepare = idle && !attest && self.should_prepare();
            let pause = prepare.then_some(prepare::PAUSE);
            let limit = if attest { Some(ATTEST_AFTER) } else { pause };
            let ended = self.collect(limit);
            if prepare && !ended && self.inbox.is_empty() {
                self.prepare();
            }
            if attest && !ended && self.is_idle() && self.inbox.is_empty() {
                self.buffers.clear();
                self.attest();
            }
        }
        self.finish();
    }

    /// One turn without waiting: takes what came in, submits what can be. Returns whether anything was done.
    pub fn turn(&mut self) -> bool {
        self.waiting.extend(self.inbox.drain());
        if let Some(error) = self.poison.clone() {
            let failed = !self.waiting.is_empty();
            self.waiting.drain(..).for_each(|item| item.fail(&error));
            return failed;
        }
        let mut done = false;
        while !self.waiting.is_empty() && self.batches.len() < BATCHES_IN_FLIGHT_MAX {
            match self.submit_batch() {
                Ok(true) => done = true,
                Ok(false) => break,
                // No record was written: what waits is refused, and the next may find room. A segment may have come into
                // the log, empty; the next one, of the same number, takes its place.
                Err(error @ (Error::NoSpace { .. } | Error::NoDescriptor { .. })) => {
                    self.waiting.drain(..).for_each(|item| item.fail(&error));
                    done = true;
                }
                Err(error) => {
                    self.poison(error);
                    return true;
                }
            }
        }
        self.submit_sync() || done
    }

    /// Waits for completions and handles them; whether any came.
    pub fn collect(&mut self, limit: Option<Duration>) -> bool {
        match self.queue.wait(limit) {
            Ok(completions) => {
                let any = !completions.is_empty();
                completions
                    .into_iter()
                    .for_each(|completion| self.completed(completion));
                any
            }
            Err(source) => {
                self.poison(Error::io("wait for", &super::logs_dir(), source));
                true
            }
        }
    }

    /// How many operations the disk has not answered.
    #[cfg(any(test, feature = "sim"))]
    pub fn in_flight(&self) -> usize {
        self.queue.in_flight()
    }

    /// Whether nothing is in flight and nothing waits.
    pub fn is_idle(&self) -> bool {
        self.batches.is_empty() && self.waiting.is_empty()
    }

    /// Whether the last acknowledged records are attested by nothing behind them.
    fn needs_attesting(&self) -> bool {
        self.active.is_some() && self.attested < self.to_attest
    }

    /// Adds an empty batch, so that the last acknowledged batch is attested, or seals a segment that has no room for it: a
    /// footer attests too. `false` if there is nothing to attest.
    pub fn attest(&mut self) -> bool {
        if self.poison.is_some() || !self.needs_attesting() || !self.batches.is_empty() {
            return false;
        }
        let Some(active) = &self.active else {
            return false;
        };
        let block = u64::from(self.config.geometry.block_bytes);
        let end = active.end + block + active.footer.bytes() + block;
        if end > self.config.geometry.segment_bytes {
            return self.seal().is_ok();
        }
        self.submit(Vec::new());
        true
    }

    /// Seals the segment that is being appended to, if there is one and nothing is in flight.
    pub fn seal(&mut self) -> Result<bool> {
        if !self.batches.is_empty() || self.poison.is_some() {
            return Ok(false);
        }
        let Some(active) = self.active.take() else {
            return Ok(false);
        };
        let number = active.number;
        if let Err(error) = active.seal(self.hlc, &self.config.geometry) {
            self.poison(error.clone());
            return Err(error);
        }
        self.counters.syncs.fetch_add(1, Ordering::Relaxed);
        self.segments.sealed(self.config.node, number);
        Ok(true)
    }

    /// Seals the last segment at a clean end: the next start has nothing to recover.
    fn finish(&mut self) {
        if let Err(error) = self.seal() {
            tracing::error!(%error, "the last segment could not be sealed");
        }
        self.give_back();
        self.inbox.close(&Error::Closed);
    }

    /// Turns the log read-only: everything in flight and everything that waits fails.
    fn poison(&mut self, error: Error) {
        if self.poison.is_some() {
            return;
        }
        tracing::error!(%error, "the log is poisoned: the store is read-only until it is opened again");
        let refused = Error::Poisoned {
            reason: Arc::from(error.to_string()),
        };
        self.poison = Some(refused.clone());
        self.sink.poisoned(&refused);
        self.inbox.close(&refused);
        for batch in self.batches.drain(..) {
            batch
                .laid
                .into_iter()
                .for_each(|laid| laid.item.fail(&refused));
        }
        self.waiting.drain(..).for_each(|item| item.fail(&refused));
        self.syncing = 0;
    }
}

#[cfg(test)]
mod tests;
