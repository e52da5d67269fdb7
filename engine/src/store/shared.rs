//! What every part of an open store shares.

use super::damaged::DamagedPlaces;
use super::in_flight::InFlightMap;
use super::key_locks::KeyLocks;
use super::pins::Pins;
use super::recent::Recent;
use super::workers::Workers;
use crate::apply::Indexes;
use crate::budget::Budget;
use crate::canary::{self, Canary};
use crate::clock::{Clock, Entropy};
use crate::digest::Batcher;
use crate::error::{Error, Result};
use crate::format::Geometry;
use crate::format::{Digests, RecordKind};
use crate::io::Disk;
use crate::io::reactor::Reactor;
use crate::log::{Draft, DraftId, Inbox, Item, Keep, Placed, Segments};
use crate::position::{BucketId, LogPoint, NodeId};
use crate::stats::Counters;
use crate::sync::{Arc, Mutex, Semaphore, oneshot};
use bytes::Bytes;

/// Whether the store takes writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// It does.
    Ok,
    /// It does not, until it is opened again.
    ReadOnly {
        /// The first failure.
        reason: Arc<str>,
    },
}

/// The parts of an open store.
pub(crate) struct Shared {
    pub disk: Arc<dyn Disk>,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    pub node: NodeId,
    pub geometry: Geometry,
    pub indexes: Indexes,
    pub segments: Arc<Segments>,
    pub inbox: Arc<Inbox>,
    pub in_flight: Arc<InFlightMap>,
    pub pins: Arc<Pins>,
    pub recent: Recent,
    pub budget: Budget,
    pub damaged: DamagedPlaces,
    pub locks: KeyLocks,
    /// Hashing and digests.
    pub compute: Workers,
    /// The MD5s of what comes in.
    pub md5: Batcher,
    /// Bodies that may read again what they deferred: each holds an extent that is in no budget.
    pub rereads: Semaphore,
    /// Uploads whose parts may become one blob now.
    pub assemblies: Semaphore,
    /// Index lookups and header reads, which may wait for the disk.
    pub lookup: Workers,
    pub reactor: Reactor,
    pub counters: Arc<Counters>,
    /// Up to where the log is applied.
    pub applied: Mutex<LogPoint>,
    pub health: Mutex<Health>,
    /// One checkpoint at a time.
    pub checkpoint_lock: Mutex<()>,
}

impl Shared {
    /// A draft of a stamped record.
    pub fn stamped(&self, kind: RecordKind, bucket: BucketId, payload: Vec<u8>) -> Draft {
        let payload = Bytes::from(payload);
        let id = DraftId::Stamped(bucket);
        Draft::new(
            kind,
            id,
            payload,
            Digests::default(),
            self.geometry.crc_block_bytes,
        )
    }

    /// Queues records as neighbours in the log and waits until they are durable and applied; all or none of them survive a
    /// crash. `keep` stays until then, or until they have failed, also if the caller gives up. Returns where the first one
    /// lies.
    pub async fn append(&self, mut items: Vec<Item>, mut keep: Vec<Keep>) -> Result<Placed> {
        if canary::is(Canary::LockEndsEarly) {
            keep.clear();
        }
        if let Some(last) = items.last_mut() {
            last.keep = keep;
        }
        let mut receipts: Vec<oneshot::Receiver<Result<Placed>>> = Vec::new();
        let last = items.len().saturating_sub(1);
        let items = items
            .into_iter()
            .enumerate()
            .map(|(index, mut item)| {
                item.joined = index != last;
                if index != 0 && index != last {
                    return item;
                }
                let (item, receipt) = item.with_receipt();
                receipts.push(receipt);
                item
            })
            .collect();
        self.inbox.push(items)?;
        let mut first = None;
        for receipt in receipts {
            let placed = receipt.await.unwrap_or(Err(Error::Closed))?;
            first.get_or_insert(placed);
        }
        first.ok_or(Error::Closed)
    }

    /// Turns the store read-only.
    pub fn poison(&self, reason: &Arc<str>) {
        let mut health = self.health.lock();
        if *health == Health::Ok {
            *health = Health::ReadOnly {
                reason: Arc::clone(reason),
            };
        }
    }

    /// Refuses a write early if the store is read-only.
    pub fn check_writable(&self) -> Result<()> {
        match &*self.health.lock() {
            Health::Ok => Ok(()),
            Health::ReadOnly { reason } => Err(Error::Poisoned {
                reason: Arc::clone(reason),
            }),
        }
    }
}
