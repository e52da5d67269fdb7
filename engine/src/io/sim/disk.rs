//! The simulated disk as the engine sees it, and as a test commands it.

use super::config::{CrashMode, FaultKind, Repeat, SimConfig};
use super::file::{Handle, SimFile};
use super::queue::SimQueue;
use super::state::State;
use crate::io::{Disk, DiskPath, File, OpenMode, Queue, Space};
use crate::sync::{Arc, Condvar, Mutex};
use std::io;

/// What handles and queues share with the disk.
pub(super) struct Shared {
    pub state: Mutex<State>,
    /// A waker was used.
    pub woken: Condvar,
}

/// A disk in memory that knows what is durable, and fails as told. See the [module](super).
pub struct SimDisk {
    pub(super) shared: Arc<Shared>,
}

/// The whole state of a disk at one moment, to start many tests from.
#[derive(Clone)]
pub struct SimSnapshot(State);

impl SimDisk {
    /// An empty disk.
    pub fn new(seed: u64, config: SimConfig) -> Arc<Self> {
        Self::with(State::new(seed, config))
    }

    /// A disk that starts as another one was, with dice of its own.
    pub fn from_snapshot(snapshot: &SimSnapshot, seed: u64) -> Arc<Self> {
        let mut state = snapshot.0.clone();
        state.random = super::random::Random::new(seed);
        Self::with(state)
    }

    fn with(state: State) -> Arc<Self> {
        Arc::new(Self {
            shared: Arc::new(Shared {
                state: Mutex::new(state),
                woken: Condvar::new(),
            }),
        })
    }

    /// A copy of everything, the dice included; cheap, as contents are shared until they are written.
    ///
    /// # Panics
    /// If an operation is in flight.
    pub fn snapshot(&self) -> SimSnapshot {
        let state = self.shared.state.lock();
        assert!(
            state.flights.is_empty(),
            "a disk is copied only while nothing is in flight"
        );
        SimSnapshot(state.clone())
    }

    /// Goes back to a snapshot. Handles opened since then, or before the last crash, are stale.
    pub fn restore(&self, snapshot: &SimSnapshot) {
        let mut state = self.shared.state.lock();
        let generation = state.generation.max(snapshot.0.generation) + 1;
        let flights = std::mem::take(&mut state.flights);
        let next_flight = state.next_flight;
        *state = snapshot.0.clone();
        state.generation = generation;
        state.flights = flights;
        state.next_flight = next_flight;
    }

    /// Loses power and comes back with what survives. Clears all faults.
    pub fn crash(&self, mode: CrashMode) {
        self.shared.state.lock().crash(mode);
    }

    /// Stops the disk at the `nth` change (write, sync, creation, rename, removal ...) from now, counted from 1. That
    /// change and every call after it fail with "crashed", until [`Self::crash`] decides what survived.
    pub fn crash_at(&self, nth: u64) {
        self.shared.state.lock().faults.crash.set(nth);
    }

    /// Whether a [`Self::crash_at`] has struck.
    pub fn is_frozen(&self) -> bool {
        self.shared.state.lock().frozen
    }

    /// Changes so far: the numbers that [`Self::crash_at`] counts by.
    pub fn change_count(&self) -> u64 {
        self.shared.state.lock().ops
    }

    /// Calls of any kind so far: the numbers that [`Self::fail_nth`] counts by.
    pub fn call_count(&self) -> u64 {
        self.shared.state.lock().calls
    }

    /// From now on, remembers what is called.
    pub fn record_calls(&self) {
        self.shared.state.lock().recorded = Some(Vec::new());
    }

    /// The calls since [`Self::record_calls`], each with its path if it has one: the first is the one that
    /// [`Self::fail_nth`] counted as number 1 then.
    pub fn recorded_calls(&self) -> Vec<(String, String)> {
        let state = self.shared.state.lock();
        state.recorded.clone().unwrap_or_default()
    }

    /// Syncs of files and folders so far: the numbers that [`Self::fail_sync_nth`] counts by.
    pub fn sync_count(&self) -> u64 {
        self.shared.state.lock().syncs
    }

    /// How many changes a crash would decide about.
    pub fn unsynced(&self) -> usize {
        self.shared.state.lock().changes.len()
    }

    /// Lets the `nth` call from now fail, counted from 1.
    pub fn fail_nth(&self, nth: u64, kind: FaultKind, repeat: Repeat) {
        self.shared.state.lock().faults.fail_call(nth, kind, repeat);
    }

    /// Lets the `nth` sync from now fail (of a file or a folder), counted from 1, and drops what it was to bring down.
    pub fn fail_sync_nth(&self, nth: u64) {
        self.shared.state.lock().faults.sync.set(nth);
    }

    /// Lets the `nth` rename from now, counted from 1, be undone by the next crash, whatever is synced.
    pub fn lose_rename_nth(&self, nth: u64) {
        self.shared.state.lock().faults.rename.set(nth);
    }

    /// Lets the `nth` write from now, counted from 1, land `by` bytes behind its place.
    pub fn misdirect_write_nth(&self, nth: u64, by: usize) {
        let (countdown, distance) = &mut self.shared.state.lock().faults.misdirected_write;
        countdown.set(nth);
        *distance = by;
    }

    /// Lets the `nth` read from now, counted from 1, return what lies `by` bytes behind its place.
    pub fn misdirect_read_nth(&self, nth: u64, by: usize) {
        let (countdown, distance) = &mut self.shared.state.lock().faults.misdirected_read;
        countdown.set(nth);
        *distance = by;
    }

    /// Forgets all faults that were asked for and have not struck for good.
    pub fn clear_faults(&self) {
        self.shared.state.lock().faults = super::faults::Faults::default();
    }

    /// Whether a fault that was asked for has not struck yet.
    pub fn has_pending_faults(&self) -> bool {
        self.shared.state.lock().faults.is_pending()
    }

    /// Changes how much the files may hold together.
    pub fn set_capacity(&self, capacity: u64) {
        self.shared.state.lock().config.capacity = capacity;
    }

    /// A digest of all calls so far with what they were given: equal seeds, equal traces.
    pub fn trace(&self) -> [u8; 32] {
        self.shared.state.lock().trace()
    }
}

impl Disk for SimDisk {
    fn driver(&self) -> &'static str {
        "simulated"
    }

    fn create_dir(&self, path: &DiskPath) -> io::Result<()> {
        self.shared.state.lock().create_dir(path.as_str())
    }

    fn list(&self, dir: &DiskPath) -> io::Result<Vec<String>> {
        self.shared.state.lock().list(dir.as_str())
    }

    fn exists(&self, path: &DiskPath) -> io::Result<bool> {
        let mut state = self.shared.state.lock();
        state.begin_call("exists", path.as_str(), &[])?;
        Ok(path.as_str().is_empty() || state.live.contains_key(path.as_str()))
    }

    fn open(&self, path: &DiskPath, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        let mut state = self.shared.state.lock();
        let node = if mode == OpenMode::CreateDirect {
            state.create(path.as_str())?
        } else {
            state.begin_call("open", path.as_str(), &[])?;
            state.find(path.as_str())?
        };
        let direct = mode != OpenMode::Read;
        Ok(Arc::new(SimFile {
            shared: Arc::clone(&self.shared),
            handle: Handle {
                node,
                generation: state.generation,
                alignment: if direct { state.config.alignment } else { 1 },
                writable: matches!(mode, OpenMode::CreateDirect | OpenMode::WriteDirect),
            },
        }))
    }

    fn rename(&self, from: &DiskPath, to: &DiskPath) -> io::Result<()> {
        self.shared.state.lock().rename(from.as_str(), to.as_str())
    }

    fn remove(&self, path: &DiskPath) -> io::Result<()> {
        self.shared.state.lock().remove(path.as_str())
    }

    fn sync_dir(&self, dir: &DiskPath) -> io::Result<()> {
        self.shared.state.lock().sync_dir(dir.as_str())
    }

    fn allocated(&self, dir: &DiskPath) -> io::Result<u64> {
        self.shared.state.lock().allocated(dir.as_str())
    }

    fn space(&self) -> io::Result<Space> {
        let mut state = self.shared.state.lock();
        state.begin_call("space", "", &[])?;
        let total = state.config.capacity;
        Ok(Space {
            total,
            free: total.saturating_sub(state.used()),
        })
    }

    fn rewrites_in_place(&self) -> bool {
        self.shared.state.lock().config.rewrites_in_place
    }

    fn queue(&self, depth: usize) -> io::Result<Box<dyn Queue>> {
        Ok(Box::new(SimQueue::new(&self.shared, depth)?))
    }
}
