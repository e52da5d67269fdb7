//! Opening a store: who it is, where its log ends, what its indexes still have to learn.
//!
//! The order matters: the tail of the log is cut durably before the incarnation grows, the incarnation grows durably
//! before anything is written, and the indexes catch up before anyone reads.

use super::applier::{Applier, ChannelSink};
use super::open_indexes::open_indexes;
use super::shared::{Health, Shared};
use super::workers::Workers;
use super::{Options, in_flight, key_locks, pins, recent};
use crate::budget::Budget;
use crate::clock::{Clock, Entropy};
use crate::digest::Batcher;
use crate::durable;
use crate::error::{DamageKind, Error, Place, Result};
use crate::format::{FORMAT_VERSION, Geometry, StoreId, Superblock, SuperblockError, key_check};
use crate::index::hash::PageSource;
use crate::index::names::{Kv, Spill};
use crate::io::reactor::Reactor;
use crate::io::{Disk, DiskPath, Queue};
use crate::log::{
    Inbox, Segments, Tail, Writer, WriterConfig, WriterParts, log_dir, logs_dir,
    parse_segment_name, recover_tail, spare, spare_dir,
};
use crate::position::{Hlc, Incarnation, LogPoint, NodeId, Offset, SegmentNumber};
use crate::secret::StoreKey;
use crate::stats::Counters;
use crate::sync::{Arc, Mutex, Semaphore, mpsc};
use std::rc::Rc;

/// The file that says who this store is.
const SUPERBLOCK: &str = "superblock";
/// The file that seals secrets.
const STORE_KEY: &str = "store.key";
/// More than any superblock of a later version could need to be told from a foreign file.
const SUPERBLOCK_READ_MAX: usize = 64 * 1024;

/// With less memory than so many extents, a few large bodies would wait for each other.
const MEMORY_EXTENTS_MIN: usize = 16;

/// One part in this many of the memory keeps recent extents; the rest is for bodies on their way.
const RECENT_SHARE: usize = 4;

/// Bodies that may read again at once what they deferred: 4 MiB.
const REREADS_MAX: usize = 4;

/// Uploads that may be assembled at once: each holds an extent, and 256 bytes for each MiB of its object, for as long as its
/// parts are read again.
const ASSEMBLIES_MAX: usize = 4;

/// Operations that one log queue may have in flight: two batches and a sync.
const QUEUE_DEPTH: usize = 8;

/// Where the name index is kept: the real one, or its twin in memory.
pub(crate) trait KvSource: Send + Sync {
    /// Opens it, empty if it is not there.
    fn open(&self) -> crate::index::names::Result<Box<dyn Kv>>;
    /// Throws it away.
    fn remove(&self) -> crate::index::names::Result<()>;
    /// Where what does not fit into memory lies while it is rebuilt, if there is a place for it.
    fn spill(&self) -> Option<Rc<dyn Spill>>;
}

/// What differs between a real and a simulated store.
pub(crate) struct Parts {
    pub disk: Arc<dyn Disk>,
    pub pages: Arc<dyn PageSource>,
    pub kv: Box<dyn KvSource>,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    pub compute: Workers,
    pub lookup: Workers,
    pub reactor: Reactor,
    /// Decides which names share a place in the cache of names.
    pub cache_seed: u64,
    /// How the data directory is called in messages.
    pub dir: String,
}

/// An opened store, and the machines that drive it.
pub(crate) struct OpenedStore {
    pub shared: Arc<Shared>,
    pub writer: Writer,
    pub applier: Applier,
    pub created: bool,
}

/// Opens the store on `parts.disk`, or makes it.
pub(crate) fn open(parts: Parts, options: &Options) -> Result<OpenedStore> {
    check_options(options)?;
    let disk = Arc::clone(&parts.disk);
    let (mut superblock, key, created) = identify(&*disk, &parts, options)?;
    let node = superblock.node;
    empty_spare_dir(&*disk)?;
    let segments = Arc::new(Segments::default());
    let tail = find_log(&*disk, &segments, node)?;
    let previous = (superblock.incarnation, tail.end);
    superblock.incarnation = Incarnation(superblock.incarnation.0 + 1);
    write_superblock(&*disk, &superblock)?;

    let counters = Arc::new(Counters::default());
    let indexes = open_indexes(&parts, options, &superblock, key, &segments, tail.end)?;
    let hlc = indexes.names.last_hlc().max(tail.last_hlc);
    let queue = start_queue(&*disk)?;
    let inbox = Arc::new(Inbox::new(queue.waker()));
    let shared = Arc::new(Shared {
        disk: Arc::clone(&disk),
        clock: Arc::clone(&parts.clock),
        entropy: Arc::clone(&parts.entropy),
        node,
        geometry: superblock.geometry,
        indexes,
        segments: Arc::clone(&segments),
        inbox: Arc::clone(&inbox),
        in_flight: Arc::new(in_flight::InFlightMap::default()),
        pins: Arc::new(pins::Pins::default()),
        recent: recent::Recent::new(options.memory_bytes / RECENT_SHARE),
        budget: Budget::new(options.memory_bytes - options.memory_bytes / RECENT_SHARE),
        damaged: super::damaged::DamagedPlaces::default(),
        locks: key_locks::KeyLocks::default(),
        rereads: Semaphore::new(REREADS_MAX),
        assemblies: Semaphore::new(ASSEMBLIES_MAX),
        md5: Batcher::new(parts.compute.threads()),
        compute: parts.compute,
        lookup: parts.lookup,
        reactor: parts.reactor,
        counters: Arc::clone(&counters),
        applied: Mutex::new(tail.end),
        health: Mutex::new(Health::Ok),
        checkpoint_lock: Mutex::new(()),
    });
    let (sender, receiver) = mpsc::channel();
    let writer = Writer::new(
        WriterParts {
            disk,
            queue,
            inbox,
            segments,
            clock: parts.clock,
            entropy: parts.entropy,
            counters,
            sink: Box::new(ChannelSink::new(sender, Arc::clone(&shared))),
        },
        WriterConfig {
            store: superblock.store,
            node,
            incarnation: superblock.incarnation,
            geometry: superblock.geometry,
            next_segment: tail.end.segment.next(),
            previous,
            hlc,
        },
    );
    Ok(OpenedStore {
        writer,
        applier: Applier::new(Arc::clone(&shared), receiver),
        shared,
        created,
    })
}

fn start_queue(disk: &dyn Disk) -> Result<Box<dyn Queue>> {
    disk.queue(QUEUE_DEPTH)
        .map_err(|source| Error::io("start a queue for", &logs_dir(), source))
}

/// Refuses options that no store could work with.
fn check_options(options: &Options) -> Result<()> {
    if options.memory_bytes < options.geometry.extent_bytes as usize * MEMORY_EXTENTS_MIN {
        return Err(Error::Invalid {
            what: "memory",
            why: "it holds at least 16 extents: 16 MiB with extents of 1 MiB",
        });
    }
    Ok(())
}

/// Reads who the store is, or makes a new one in an empty folder.
fn identify(
    disk: &dyn Disk,
    parts: &Parts,
    options: &Options,
) -> Result<(Superblock, StoreKey, bool)> {
    let dir = &parts.dir;
    let root = DiskPath::root();
    if let Some((superblock, copies)) = read_superblock(disk, dir)? {
        if copies < 2 {
            tracing::warn!("one copy of the superblock was damaged; both are written anew");
        }
        if superblock.unknown_read_only() != 0 {
            return Err(Error::ReadOnlyFeatures {
                dir: dir.clone(),
                flags: superblock.unknown_read_only(),
            });
        }
        let key = read_key(disk, dir, &superblock)?;
        return Ok((superblock, key, false));
    }
    let look = |source| Error::io("list", &root, source);
    let names = disk.list(&root).map_err(look)?;
    let ours = |name: &String| {
        matches!(
            name.as_str(),
            "LOCK" | "log" | "spare" | "index" | STORE_KEY
        ) || name.ends_with(".tmp")
    };
    if !names.iter().all(ours) || !options.create {
        return Err(Error::NotAStore { dir: dir.clone() });
    }
    if has_segments(disk)? {
        return Err(Error::Superblock {
            dir: dir.clone(),
            problem: "missing",
        });
    }
    create(disk, &*parts.clock, &*parts.entropy, options.geometry)
        .map(|(superblock, key)| (superblock, key, true))
}

/// The superblock, and how many of its copies verify; `None` if there is none.
pub(crate) fn read_superblock(disk: &dyn Disk, dir: &str) -> Result<Option<(Superblock, u8)>> {
    let path = DiskPath::root().join(SUPERBLOCK);
    let look = |source| Error::io("read", &path, source);
    if !disk.exists(&path).map_err(look)? {
        return Ok(None);
    }
    let bytes = durable::read(disk, &path, SUPERBLOCK_READ_MAX).map_err(look)?;
    let dir = dir.to_owned();
    match Superblock::decode(&bytes) {
        Ok(found) => Ok(Some(found)),
        Err(SuperblockError::NoValidCopy) => Err(Error::Superblock {
            dir,
            problem: "damaged",
        }),
        Err(SuperblockError::NewerVersion { found, supported }) => Err(Error::NewerFormat {
            dir,
            found,
            supported,
        }),
        Err(SuperblockError::UnknownFeatures { flags }) => {
            Err(Error::UnknownFeatures { dir, flags })
        }
    }
}

/// The store's key, checked against the superblock.
pub(crate) fn read_key(disk: &dyn Disk, dir: &str, superblock: &Superblock) -> Result<StoreKey> {
    let path = DiskPath::root().join(STORE_KEY);
    let look = |source| Error::io("read", &path, source);
    if !disk.exists(&path).map_err(look)? {
        return Err(Error::MissingStoreKey {
            dir: dir.to_owned(),
        });
    }
    let wrong = || Error::WrongStoreKey {
        dir: dir.to_owned(),
    };
    let bytes = durable::read(disk, &path, SUPERBLOCK_READ_MAX).map_err(look)?;
    let key = StoreKey::from_file(&bytes).ok_or_else(wrong)?;
    if key_check(&superblock.store, key.as_bytes()) == superblock.key_check {
        Ok(key)
    } else {
        Err(wrong())
    }
}

/// Whether any log holds a segment.
fn has_segments(disk: &dyn Disk) -> Result<bool> {
    let logs = logs_dir();
    let look = |source| Error::io("list", &logs, source);
    if !disk.exists(&logs).map_err(look)? {
        return Ok(false);
    }
    for node in disk.list(&logs).map_err(look)? {
        let names = disk.list(&logs.join(&node)).map_err(look)?;
        if names.iter().any(|name| parse_segment_name(name).is_some()) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Makes a new store. The superblock comes last: before it there is no store, and this starts over.
fn create(
    disk: &dyn Disk,
    clock: &dyn Clock,
    entropy: &dyn Entropy,
    geometry: Geometry,
) -> Result<(Superblock, StoreKey)> {
    geometry.validate().map_err(|_| Error::Invalid {
        what: "geometry",
        why: "a length is out of range",
    })?;
    let node = NodeId(entropy.number());
    let mut store = [0; 16];
    entropy.fill(&mut store);
    let store = StoreId(store);
    let key = StoreKey::generate(entropy);
    for dir in [logs_dir(), log_dir(node), spare_dir()] {
        durable::create_dir(disk, &dir).map_err(|source| Error::io("create", &dir, source))?;
    }
    let path = DiskPath::root().join(STORE_KEY);
    durable::replace(disk, &path, key.as_bytes())
        .map_err(|source| Error::io("write", &path, source))?;
    let superblock = Superblock {
        format_version: FORMAT_VERSION,
        store,
        node,
        incarnation: Incarnation(0),
        compatible: 0,
        read_only: 0,
        incompatible: 0,
        geometry,
        created_ms: clock.now_ms(),
        key_check: key_check(&store, key.as_bytes()),
    };
    write_superblock(disk, &superblock)?;
    Ok((superblock, key))
}

fn write_superblock(disk: &dyn Disk, superblock: &Superblock) -> Result<()> {
    let path = DiskPath::root().join(SUPERBLOCK);
    durable::replace(disk, &path, &superblock.encode())
        .map_err(|source| Error::io("write", &path, source))
}

/// Makes the folder in which segments are begun, if it is gone: it is empty most of the time, so a backup may leave it out.
/// What the last run left in it goes.
fn empty_spare_dir(disk: &dyn Disk) -> Result<()> {
    let dir = spare_dir();
    durable::create_dir(disk, &dir).map_err(|source| Error::io("create", &dir, source))?;
    spare::clear(disk).map_err(|source| Error::io("clear", &dir, source))
}

/// Where this node's log ends.
struct LogEnd {
    end: LogPoint,
    last_hlc: Hlc,
}

/// Finds the segments of this node's log, and makes sure that the last one is sealed.
fn find_log(disk: &dyn Disk, segments: &Segments, node: NodeId) -> Result<LogEnd> {
    let dir = log_dir(node);
    let names = disk
        .list(&dir)
        .map_err(|source| Error::io("list", &dir, source))?;
    for number in names.iter().filter_map(|name| parse_segment_name(name)) {
        segments.add(node, number);
    }
    let Some(last) = segments
        .all()
        .into_iter()
        .rfind(|segment| segment.node == node)
    else {
        return Ok(LogEnd {
            end: LogPoint::default(),
            last_hlc: Hlc::default(),
        });
    };
    let Tail {
        data_end,
        last_hlc,
        recovered,
        cut_bytes,
        damages,
    } = recover_tail(disk, &last)?;
    if recovered {
        tracing::info!(
            segment = last.number.0,
            end = data_end,
            cut_bytes,
            damages,
            "the log was not closed: its end was found and sealed"
        );
    }
    let header = last.open(disk)?.header;
    for (first, count) in &header.live {
        for number in first.0..first.0.saturating_add(*count) {
            if segments.get(node, SegmentNumber(number)).is_none() {
                return Err(Error::Damaged {
                    place: Place {
                        node,
                        segment: SegmentNumber(number),
                        offset: Offset(0),
                    },
                    kind: DamageKind::MissingSegment,
                });
            }
        }
    }
    let end = LogPoint {
        segment: last.number,
        offset: Offset(data_end),
    };
    Ok(LogEnd { end, last_hlc })
}
