//! From what waits to what is in flight: batches are laid out and written, and synced once they are written in full.

use super::{Batch, SYNC_TOKEN, Writer, prepare};
use crate::canary;
use crate::error::Result;
use crate::log::Item;
use crate::log::batch_builder::{Layout, fitting, lay_out};
use crate::position::{LogPoint, Offset};
use crate::sync::atomic::Ordering;
use std::collections::VecDeque;

impl Writer {
    /// Lays out and submits one batch; `false` if it must wait for the batches in flight, or for a spare to be given back.
    pub(super) fn submit_batch(&mut self) -> Result<bool> {
        self.refuse_broken_needs();
        if self.waiting.is_empty() {
            return Ok(true);
        }
        if !self.check_floor()? {
            return Ok(false);
        }
        let geometry = self.config.geometry;
        let mut count = self.active.as_ref().map_or(0, |active| {
            fitting(&self.waiting, &geometry, active.end, &active.footer, false)
        });
        if count == 0 {
            if !self.batches.is_empty() {
                return Ok(false);
            }
            if !self.roll()? {
                return Ok(false);
            }
            count = self.active.as_ref().map_or(0, |active| {
                fitting(&self.waiting, &geometry, active.end, &active.footer, true)
            });
            assert!(
                count > 0,
                "the geometry guarantees that any record fits an empty segment"
            );
        }
        let items = self.waiting.drain(..count).collect();
        self.submit(items);
        Ok(true)
    }

    /// Fails items whose extents failed before them, with all that is joined to them.
    fn refuse_broken_needs(&mut self) {
        let broken = |item: &Item| item.needs.iter().find_map(|need| need.failure());
        if self.waiting.iter().all(|item| broken(item).is_none()) {
            return;
        }
        let mut kept = VecDeque::new();
        let mut group = Vec::new();
        for item in std::mem::take(&mut self.waiting) {
            let last = !item.joined;
            group.push(item);
            if !last {
                continue;
            }
            match group.iter().find_map(broken) {
                Some(error) => group.drain(..).for_each(|item| item.fail(&error)),
                None => kept.extend(group.drain(..)),
            }
        }
        kept.extend(group);
        self.waiting = kept;
    }

    pub(super) fn submit(&mut self, items: Vec<Item>) {
        let active = self
            .active
            .as_mut()
            .expect("the caller saw an active segment");
        let layout = Layout {
            geometry: &self.config.geometry,
            binding: active.binding,
            node: self.config.node,
            offset: active.end,
            synced: self.synced,
        };
        let now = self.clock.now_ms();
        let (buf, laid) = lay_out(
            &layout,
            items,
            &mut self.hlc,
            now,
            &mut active.footer,
            &mut self.buffers,
        );
        let token = self.next_token;
        self.next_token += 1;
        let len = buf.len() as u64;
        self.queue.write(token, &active.file, active.end, buf);
        active.end += len;
        let look =
            active.end - self.looked >= self.config.geometry.segment_bytes / prepare::LOOK_SHARE;
        self.attested = self.synced;
        let end = LogPoint {
            segment: active.number,
            offset: Offset(active.end),
        };
        if look {
            self.looked = end.offset.0;
            self.keep_room();
        }
        self.batches.push_back(Batch {
            laid,
            end,
            hlc: self.hlc,
            written: false,
        });
        self.counters.batches.fetch_add(1, Ordering::Relaxed);
        self.counters
            .log_bytes_written
            .fetch_add(len, Ordering::Relaxed);
        if canary::is(canary::Canary::AckBeforeSync) {
            self.acknowledge(self.batches.len());
        }
    }

    /// Submits a sync for the batches at the front that are written, unless one is in flight.
    pub(super) fn submit_sync(&mut self) -> bool {
        let written = self
            .batches
            .iter()
            .take_while(|batch| batch.written)
            .count();
        if self.syncing > 0 || written == 0 {
            return false;
        }
        self.syncing = written;
        if canary::is(canary::Canary::NoFsync) {
            self.acknowledge(written);
            return true;
        }
        let active = self
            .active
            .as_ref()
            .expect("batches in flight are in the active segment");
        self.queue.sync(SYNC_TOKEN, &active.file);
        self.counters.syncs.fetch_add(1, Ordering::Relaxed);
        true
    }
}
