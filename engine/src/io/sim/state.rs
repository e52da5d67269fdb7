//! The whole simulated disk behind its mutex: what is visible, what is durable, and the changes between the two.

use super::config::SimConfig;
use super::faults::Faults;
use super::node::{DataChange, Node, NodeId};
use super::queue::Flight;
use super::random::Random;
use crate::sync::Arc;
use std::collections::{BTreeMap, BTreeSet};
use std::io;

/// What a name in a folder stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Entry {
    Dir,
    File(NodeId),
}

/// A change that no sync has made durable yet.
#[derive(Clone, Debug)]
pub(super) enum Change {
    Data {
        node: NodeId,
        data: DataChange,
    },
    Entries {
        set: Option<(String, Entry)>,
        clear: Option<String>,
        /// No sync makes it durable, and no crash lets it live: a fault.
        lost: bool,
    },
}

/// How a change is to go on, after it was counted.
pub(super) enum Verdict {
    Go,
    Fail(io::Error),
    /// The disk stops here; whether this change survives is decided by the crash.
    Crash,
}

/// See the module's documentation.
#[derive(Clone)]
pub(super) struct State {
    pub config: SimConfig,
    pub random: Random,
    /// Counts crashes: handles of an older one are stale.
    pub generation: u64,
    pub frozen: bool,
    pub nodes: BTreeMap<NodeId, Node>,
    pub live: BTreeMap<String, Entry>,
    pub durable: BTreeMap<String, Entry>,
    /// By the order in which they were made.
    pub changes: BTreeMap<u64, Change>,
    /// What queues hold, by the order of submission.
    pub flights: BTreeMap<u64, Flight>,
    /// Queues whose waker was used.
    pub woken: BTreeSet<u64>,
    pub faults: Faults,
    pub calls: u64,
    /// What was called and where, if a test asked for it.
    pub recorded: Option<Vec<(String, String)>>,
    pub ops: u64,
    pub syncs: u64,
    /// For nodes and changes.
    next: u64,
    /// For queues and flights; unlike the rest never set back.
    pub next_flight: u64,
    trace: blake3::Hasher,
}

impl State {
    pub fn new(seed: u64, config: SimConfig) -> Self {
        Self {
            config,
            random: Random::new(seed),
            generation: 0,
            frozen: false,
            nodes: BTreeMap::new(),
            live: BTreeMap::new(),
            durable: BTreeMap::new(),
            changes: BTreeMap::new(),
            flights: BTreeMap::new(),
            woken: BTreeSet::new(),
            faults: Faults::default(),
            calls: 0,
            recorded: None,
            ops: 0,
            syncs: 0,
            next: 0,
            next_flight: 0,
            trace: blake3::Hasher::new(),
        }
    }

    /// A number that was never given before, for nodes and changes.
    pub fn fresh(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// A number that was never given before, for queues and flights.
    pub fn fresh_flight(&mut self) -> u64 {
        self.next_flight += 1;
        self.next_flight
    }

    /// The number below which all that was given so far lies.
    pub const fn watermark(&self) -> u64 {
        self.next + 1
    }

    /// Adds to the trace.
    pub fn note(&mut self, what: &str, text: &str, numbers: &[u64]) {
        for part in [what, text] {
            self.trace.update(&[0xff]);
            self.trace.update(part.as_bytes());
        }
        for number in numbers {
            self.trace.update(&number.to_le_bytes());
        }
        if self.recorded.is_some() {
            let path = if text.is_empty() {
                numbers.first().and_then(|node| self.path_of(*node))
            } else {
                Some(text.to_owned())
            };
            let call = (what.to_owned(), path.unwrap_or_default());
            self.recorded
                .iter_mut()
                .for_each(|calls| calls.push(call.clone()));
        }
    }

    fn path_of(&self, node: NodeId) -> Option<String> {
        let named = |(_, entry): &(&String, &Entry)| **entry == Entry::File(node);
        self.live.iter().find(named).map(|(path, _)| path.clone())
    }

    pub fn trace(&self) -> [u8; 32] {
        *self.trace.finalize().as_bytes()
    }

    /// Refuses what comes after the disk stopped, and handles of before the last crash.
    pub fn reach(&self, generation: u64) -> io::Result<()> {
        if generation != self.generation {
            return Err(io::Error::other("stale handle after crash"));
        }
        self.running()
    }

    pub fn running(&self) -> io::Result<()> {
        if self.frozen {
            return Err(io::Error::other("crashed"));
        }
        Ok(())
    }

    /// Counts a call that changes nothing.
    pub fn begin_call(&mut self, what: &str, text: &str, numbers: &[u64]) -> io::Result<()> {
        self.running()?;
        self.note(what, text, numbers);
        self.calls += 1;
        match self.faults.strike_call() {
            Some(kind) => Err(kind.error()),
            None => Ok(()),
        }
    }

    /// Counts a call that changes something.
    pub fn begin_change(&mut self, what: &str, text: &str, numbers: &[u64]) -> Verdict {
        if let Err(error) = self.running() {
            return Verdict::Fail(error);
        }
        self.note(what, text, numbers);
        self.calls += 1;
        self.ops += 1;
        let failure = self.faults.strike_call();
        if self.faults.crash.strikes() {
            return Verdict::Crash;
        }
        failure.map_or(Verdict::Go, |kind| Verdict::Fail(kind.error()))
    }

    /// Stops the disk: nothing works until the crash has decided what survives. Writes in flight may have got through.
    pub fn freeze(&mut self) -> io::Error {
        if !self.frozen {
            self.frozen = true;
            let mut landing: Vec<_> = self
                .flights
                .values()
                .filter(|flight| flight.generation == self.generation)
                .filter_map(Flight::unfinished_write)
                .collect();
            self.random.shuffle(&mut landing);
            for (node, data) in landing {
                self.record(Change::Data { node, data });
            }
        }
        io::Error::other("crashed")
    }

    /// Counts a sync that would succeed; how it fails, if it does.
    pub fn strike_sync(&mut self) -> Option<io::Error> {
        self.syncs += 1;
        let struck = self.faults.sync.strikes();
        struck.then(|| super::FaultKind::Eio.error())
    }

    pub fn record(&mut self, change: Change) {
        let order = self.fresh();
        self.changes.insert(order, change);
    }

    pub fn node(&self, node: NodeId) -> io::Result<&Node> {
        self.nodes
            .get(&node)
            .ok_or_else(|| io::Error::other("stale handle after crash"))
    }

    /// Bytes of all files that have a name.
    pub fn used(&self) -> u64 {
        self.live
            .values()
            .filter_map(|entry| match entry {
                Entry::File(node) => self.nodes.get(node),
                Entry::Dir => None,
            })
            .map(|node| node.live.len() as u64)
            .sum()
    }

    /// Makes a change to a file's content: visible, not durable.
    pub fn change_data(&mut self, what: &str, node: NodeId, data: DataChange) -> io::Result<()> {
        let old_len = self.node(node)?.live.len();
        let digest = match &data {
            DataChange::Write { bytes, .. } => u64::from(crc32c::crc32c(bytes)),
            DataChange::SetLen { .. } | DataChange::Allocate { .. } => 0,
        };
        let reaches = data.reaches() as u64;
        match self.begin_change(what, "", &[node, reaches, digest]) {
            Verdict::Go => {}
            Verdict::Crash => {
                self.record(Change::Data { node, data });
                return Err(self.freeze());
            }
            Verdict::Fail(error) => {
                self.leave_part(node, data);
                return Err(error);
            }
        }
        let growth = reaches.saturating_sub(old_len as u64);
        if growth > 0 && self.used() + growth > self.config.capacity {
            return Err(super::FaultKind::Enospc.error());
        }
        self.commit(node, data);
        Ok(())
    }

    fn commit(&mut self, node: NodeId, data: DataChange) {
        if let Some(content) = self.nodes.get_mut(&node) {
            data.apply(Arc::make_mut(&mut content.live));
            content.touched = true;
            self.record(Change::Data { node, data });
        }
    }

    /// A write that failed may have reached the disk in part.
    fn leave_part(&mut self, node: NodeId, data: DataChange) {
        if self.frozen {
            return;
        }
        if let DataChange::Write { offset, mut bytes } = data {
            let sectors = self.random.below(bytes.len() / self.config.sector + 1);
            bytes.truncate(sectors * self.config.sector);
            if !bytes.is_empty() {
                self.commit(node, DataChange::Write { offset, bytes });
            }
        }
    }

    /// Makes durable what was written to a file before `watermark`.
    pub fn sync(&mut self, node: NodeId, watermark: u64) -> io::Result<()> {
        self.node(node)?;
        let verdict = self.begin_change("sync", "", &[node]);
        let failure = match verdict {
            Verdict::Crash => return Err(self.freeze()),
            Verdict::Fail(error) if self.frozen => return Err(error),
            Verdict::Fail(error) => Some(error),
            Verdict::Go => self.strike_sync(),
        };
        let covered: Vec<u64> = self
            .changes
            .range(..watermark)
            .filter(|(_, change)| matches!(change, Change::Data { node: of, .. } if *of == node))
            .map(|(order, _)| *order)
            .collect();
        for order in covered {
            let Some(Change::Data { data, .. }) = self.changes.remove(&order) else {
                continue;
            };
            // What a failed sync was to bring down is dropped: no later sync covers it.
            if failure.is_none()
                && let Some(content) = self.nodes.get_mut(&node)
            {
                data.apply(Arc::make_mut(&mut content.durable));
            }
        }
        failure.map_or(Ok(()), Err)
    }
}
