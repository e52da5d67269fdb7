//! The writer, turn by turn, on a simulated disk whose answers come when the test says so.

use super::*;
use crate::clock::{SimClock, SimEntropy};
use crate::format::{Digests, RecordKind};
use crate::id::Id;
use crate::io::sim::{CrashMode, SimConfig, SimDisk};
use crate::io::{AlignedBuf, Completion, File, Token, Wake};
use crate::log::{Committed, Draft, DraftId, log_dir, logs_dir, spare_dir};
use crate::sync::Mutex;
use bytes::Bytes;
use std::io;

const NODE: NodeId = NodeId(1);
const SPARE: &str = "spare/zeroed";
const ROOM: u64 = 1 << 20;

/// Completions of the spare's operations that the disk has made and the writer is not told of.
#[derive(Default)]
struct Late {
    /// Whether the next one is to be kept back.
    keep: bool,
    kept: Option<Completion>,
    /// Whether what was kept back is to be told, before anything else ends.
    tell: bool,
}

/// A queue that keeps back what it is told to.
struct LateQueue {
    inner: Box<dyn Queue>,
    late: Arc<Mutex<Late>>,
}

impl Queue for LateQueue {
    fn write(&mut self, token: Token, file: &Arc<dyn File>, offset: u64, buf: AlignedBuf) {
        self.inner.write(token, file, offset, buf);
    }

    fn read(&mut self, token: Token, file: &Arc<dyn File>, offset: u64, buf: AlignedBuf) {
        self.inner.read(token, file, offset, buf);
    }

    fn sync(&mut self, token: Token, file: &Arc<dyn File>) {
        self.inner.sync(token, file);
    }

    fn in_flight(&self) -> usize {
        self.inner.in_flight()
    }

    fn wait(&mut self, limit: Option<Duration>) -> io::Result<Vec<Completion>> {
        let mut late = self.late.lock();
        if late.tell {
            return Ok(late.kept.take().into_iter().collect());
        }
        let mut ended = self.inner.wait(limit)?;
        if late.keep
            && let Some(at) = ended.iter().position(|done| done.token == SPARE_TOKEN)
        {
            late.keep = false;
            late.kept = Some(ended.remove(at));
        }
        Ok(ended)
    }

    fn waker(&self) -> Arc<dyn Wake> {
        self.inner.waker()
    }
}

/// Lets go of what is committed.
struct Nobody;

impl Sink for Nobody {
    fn committed(&mut self, _: Committed) {}
    fn poisoned(&mut self, _: &Error) {}
}

struct Bench {
    disk: Arc<SimDisk>,
    writer: Writer,
    late: Arc<Mutex<Late>>,
    /// Of the records so far.
    records: u64,
}

impl Bench {
    fn new() -> Self {
        let config = SimConfig {
            garbage_in_allocated: true,
            capacity: ROOM,
            ..SimConfig::default()
        };
        let disk = SimDisk::new(3, config);
        for folder in [logs_dir(), log_dir(NODE), spare_dir()] {
            crate::durable::create_dir(&*disk, &folder).unwrap();
        }
        let late = Arc::new(Mutex::new(Late::default()));
        let queue = Box::new(LateQueue {
            inner: disk.queue(8).unwrap(),
            late: Arc::clone(&late),
        });
        let parts = WriterParts {
            disk: Arc::clone(&disk) as Arc<dyn Disk>,
            inbox: Arc::new(Inbox::new(queue.waker())),
            queue,
            segments: Arc::new(Segments::default()),
            clock: Arc::new(SimClock::new(1_770_000_000_000)),
            entropy: Arc::new(SimEntropy::new(3)),
            counters: Arc::new(Counters::default()),
            sink: Box::new(Nobody),
        };
        let config = WriterConfig {
            store: StoreId([1; 16]),
            node: NODE,
            incarnation: Incarnation(1),
            geometry: crate::testing::geometry(3),
            next_segment: SegmentNumber(1),
            previous: (Incarnation(0), LogPoint::default()),
            hlc: Hlc::default(),
        };
        Self {
            disk,
            writer: Writer::new(parts, config),
            late,
            records: 0,
        }
    }

    /// Queues one record.
    fn push(&mut self) {
        self.records += 1;
        let payload = Bytes::from(self.records.to_le_bytes().repeat(128));
        let id = DraftId::Content(Id::of(&payload));
        let crc_block = self.writer.config.geometry.crc_block_bytes;
        let kind = RecordKind::Extent;
        let draft = Draft::new(kind, id, payload, Digests::default(), crc_block);
        self.writer.inbox.push(vec![Item::new(draft)]).unwrap();
    }

    /// Turns until nothing is left to do for batches.
    fn settle(&mut self) {
        for _ in 0..1000 {
            let turned = self.writer.turn();
            let collected = self.writer.collect(Some(Duration::ZERO));
            if !turned && !collected && self.writer.batches.is_empty() {
                return;
            }
        }
        panic!("the writer does not settle");
    }

    /// Appends until half of the segment is used.
    fn use_half(&mut self) {
        let half = self.writer.config.geometry.segment_bytes / 2;
        while self
            .writer
            .active
            .as_ref()
            .is_none_or(|active| active.end < half)
        {
            self.push();
            self.settle();
        }
    }

    /// Appends until a segment is full. There is room for its batches, and none for the next.
    fn fill(&mut self) {
        let files = self.disk.files();
        let lens = files
            .iter()
            .map(|path| self.disk.read_file(path).unwrap().len() as u64);
        let used: u64 = lens.sum();
        let room = self.writer.config.geometry.segment_bytes / 8;
        self.disk.set_capacity(used + room);
        while self.writer.active.is_some() {
            self.push();
            self.settle();
        }
    }

    fn has_spare(&self) -> bool {
        self.disk.files().iter().any(|path| path == SPARE)
    }
}

#[test]
fn an_answer_that_comes_late_is_not_taken_for_that_of_the_next_spare() {
    let mut bench = Bench::new();
    bench.use_half();
    assert!(bench.writer.prepare(), "a spare is begun");
    assert!(bench.writer.prepare(), "its first zeros are written");
    bench.late.lock().keep = true;
    while bench.late.lock().kept.is_none() {
        bench.writer.collect(Some(Duration::ZERO));
    }
    // No room: it is given up, while the writer waits for those zeros. Then there is room again.
    bench.fill();
    assert!(matches!(bench.writer.spare, Spare::GivenUp));
    bench.disk.set_capacity(ROOM);
    bench.settle();
    bench.use_half();
    assert!(matches!(bench.writer.spare, Spare::None));
    // The next preparation, as far as it goes: up to its sync, which the disk has not made.
    while !matches!(bench.writer.spare, Spare::Syncing) && bench.writer.prepare() {
        while bench.writer.in_flight() > 0 && !matches!(bench.writer.spare, Spare::Syncing) {
            bench.writer.collect(Some(Duration::ZERO));
        }
    }
    bench.late.lock().tell = true;
    assert!(bench.writer.collect(Some(Duration::ZERO)));
    bench.late.lock().tell = false;
    assert!(!bench.has_spare(), "no sync of this spare has ended");
    while bench.writer.prepare() || bench.writer.in_flight() > 0 {
        bench.writer.collect(Some(Duration::ZERO));
    }
    assert!(bench.has_spare());
    bench.disk.crash(CrashMode::LoseAll);
    let zeros = bench.disk.read_file(SPARE).unwrap();
    let len = usize::try_from(bench.writer.config.geometry.segment_bytes).unwrap();
    assert!(
        zeros == vec![0; len],
        "its zeros were durable before its name"
    );
}

impl Bench {
    /// Bytes in files.
    fn used(&self) -> u64 {
        let files = self.disk.files();
        let len = |path: &String| self.disk.read_file(path).unwrap().len() as u64;
        files.iter().map(len).sum()
    }

    /// A spare whose first zeros, or whose sync, the disk has made, and the writer is not told of.
    fn keep_back(&mut self, sync: bool) {
        self.use_half();
        assert!(self.writer.prepare() && self.writer.prepare());
        while sync && !matches!(self.writer.spare, Spare::Syncing) {
            self.writer.collect(Some(Duration::ZERO));
            self.writer.prepare();
        }
        self.late.lock().keep = true;
        while self.late.lock().kept.is_none() {
            self.writer.collect(Some(Duration::ZERO));
        }
        assert!(self.writer.spare_busy);
    }

    /// Tells the writer what was kept back.
    fn tell(&mut self) {
        self.late.lock().tell = true;
        assert!(self.writer.collect(Some(Duration::ZERO)));
        self.late.lock().tell = false;
    }
}

#[test]
fn a_spare_on_its_way_is_given_back_before_a_batch_is_refused() {
    for sync in [false, true] {
        let mut bench = Bench::new();
        bench.keep_back(sync);
        let next = bench.writer.next_token;
        // No room for the indexes, until the spare is gone.
        bench.disk.set_capacity(bench.used());
        bench.push();
        bench.settle();
        assert!(matches!(bench.writer.spare, Spare::GivenUp), "{sync}");
        assert_eq!(bench.writer.next_token, next + 1, "{sync}: not written");
        bench.tell();
        assert!(!bench.has_spare());
    }
}

#[test]
fn a_batch_waits_for_room_that_a_removed_spare_may_still_take() {
    for room in [true, false] {
        let mut bench = Bench::new();
        bench.keep_back(true);
        let next = bench.writer.next_token;
        let segment = bench.writer.config.geometry.segment_bytes;
        // As if the removed file were there while it is open.
        bench.disk.set_capacity(bench.used() - segment);
        bench.push();
        bench.settle();
        assert!(matches!(bench.writer.spare, Spare::GivenUp));
        assert_eq!(bench.writer.waiting.len(), 1, "refused too early");
        if room {
            bench.disk.set_capacity(ROOM);
        }
        bench.tell();
        bench.settle();
        assert!(bench.writer.waiting.is_empty());
        assert_eq!(bench.writer.next_token, next + u64::from(room));
    }
}
