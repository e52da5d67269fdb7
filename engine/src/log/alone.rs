//! The log writer without a store: what an append costs before any index is told. For measurements.
//!
//! Records are prepared beforehand, checksums included, so that what is measured is laying out, writing, syncing and
//! answering. Nothing reads such a log; its folder belongs to whoever measures.

use super::{
    Committed, Draft, DraftId, Inbox, Item, Placed, Segments, Sink, Writer, WriterConfig,
    WriterParts, log_dir, logs_dir, spare_dir,
};
use crate::clock::{SystemClock, SystemEntropy};
use crate::durable;
use crate::error::{Error, Result};
use crate::format::{Digests, Geometry, RecordKind, StoreId};
use crate::id::Id;
use crate::io::probe::{self, IoChoice};
use crate::position::{Hlc, Incarnation, LogPoint, NodeId, SegmentNumber};
use crate::stats::{Counters, Stats};
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Arc, thread};
use bytes::Bytes;
use std::path::Path;

/// Operations that the queue may have in flight, as in a store.
const QUEUE_DEPTH: usize = 8;

const NODE: NodeId = NodeId(1);

/// An extent that is ready to be appended, any number of times.
#[derive(Clone)]
pub struct Prepared(Draft);

/// A log writer on a thread of its own.
pub struct LogAlone {
    inbox: Arc<Inbox>,
    counters: Arc<Counters>,
    stop: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
    geometry: Geometry,
}

/// Answers on the writer's thread, in place of the applier.
struct Answer;

impl Sink for Answer {
    fn committed(&mut self, batch: Committed) {
        for record in batch.records {
            if let Some(done) = record.done {
                let _ = done.send(Ok(Placed {
                    at: record.at,
                    version: record.version,
                }));
            }
        }
    }

    fn poisoned(&mut self, _: &Error) {}
}

impl LogAlone {
    /// A new log in an empty folder. With `prepared` its first segment is one that a store prepares when it is idle.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn start(dir: &Path, geometry: Geometry, prepared: bool) -> Result<Self> {
        let io = |source| Error::io("prepare", &logs_dir(), source);
        let (disk, _) = probe::choose(dir, IoChoice::Auto).map_err(io)?;
        for folder in [logs_dir(), log_dir(NODE), spare_dir()] {
            durable::create_dir(&*disk, &folder).map_err(io)?;
        }
        if prepared {
            super::spare::make(&*disk, geometry.segment_bytes).map_err(io)?;
        }
        let queue = disk.queue(QUEUE_DEPTH).map_err(io)?;
        let inbox = Arc::new(Inbox::new(queue.waker()));
        let counters = Arc::new(Counters::default());
        let parts = WriterParts {
            disk,
            queue,
            inbox: Arc::clone(&inbox),
            segments: Arc::new(Segments::default()),
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
            counters: Arc::clone(&counters),
            sink: Box::new(Answer),
        };
        let config = WriterConfig {
            store: StoreId([1; 16]),
            node: NODE,
            incarnation: Incarnation(1),
            geometry,
            next_segment: SegmentNumber(1),
            previous: (Incarnation(0), LogPoint::default()),
            hlc: Hlc::default(),
        };
        let mut writer = Writer::new(parts, config);
        if prepared {
            writer.has_spare();
        }
        let stop = Arc::new(AtomicBool::new(false));
        let stopping = Arc::clone(&stop);
        let thread = thread::Builder::new()
            .name("moraine-log-writer".to_owned())
            .spawn(move || writer.run(&stopping))
            .map_err(io)?;
        Ok(Self {
            inbox,
            counters,
            stop,
            thread: Some(thread),
            geometry,
        })
    }

    /// Computes what an append needs to know of a payload.
    pub fn prepare(&self, payload: Bytes) -> Prepared {
        let id = DraftId::Content(Id::of(&payload));
        Prepared(Draft::new(
            RecordKind::Extent,
            id,
            payload,
            Digests::default(),
            self.geometry.crc_block_bytes,
        ))
    }

    /// Appends, and waits until that is durable.
    ///
    /// # Errors
    /// A full disk, or a failed write or sync.
    pub async fn append(&self, prepared: &Prepared) -> Result<()> {
        let (item, done) = Item::new(prepared.0.clone()).with_receipt();
        self.inbox.push(vec![item])?;
        done.await.unwrap_or(Err(Error::Closed)).map(drop)
    }

    /// What was written so far.
    pub fn stats(&self) -> Stats {
        self.counters.read()
    }
}

impl Drop for LogAlone {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        self.inbox.nudge();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
