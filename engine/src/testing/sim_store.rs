//! A store on a simulated disk, run on one thread: nothing happens but by polling and stepping.
//!
//! A future that waits is polled again after each turn of the log writer. If neither the futures nor the writer get
//! any further, that is a deadlock, and an assertion: on real threads it would be a hang.

use super::model::{Check, Failure};
use super::request::{InFlight, Reply, Request, send};
use super::rng::Rng;
use crate::clock::{Clock, Entropy, SimClock, SimEntropy};
use crate::io::Disk;
use crate::io::sim::{SimConfig, SimDisk};
use crate::sync::Arc;
use crate::{Options, Result, Stepper, Store};
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// Polls in a row without a turn of the writer in between, after which nothing is going to happen any more. A future
/// may yield a few times before it waits for the writer, so one is too few.
const IDLE_POLLS_MAX: u32 = 200;

/// Simulated time starts here: some day in 2026.
pub const EPOCH_MS: u64 = 1_770_000_000_000;

/// A store, the disk under it, and the clock beside it.
pub struct SimStore {
    /// The disk; it outlives the store.
    pub disk: Arc<SimDisk>,
    /// The clock.
    pub clock: Arc<SimClock>,
    entropy: Arc<SimEntropy>,
    options: Options,
    running: Option<Running>,
}

struct Running {
    store: Store,
    stepper: Stepper,
}

impl SimStore {
    /// An empty disk; the store is not open yet.
    pub fn new(seed: u64, config: SimConfig, options: Options) -> Self {
        Self::on(SimDisk::new(seed, config), seed, options)
    }

    /// A disk that exists; the store is not open yet. The same seed gives the store the same random numbers.
    pub fn on(disk: Arc<SimDisk>, seed: u64, options: Options) -> Self {
        Self {
            disk,
            clock: Arc::new(SimClock::new(EPOCH_MS)),
            entropy: Arc::new(SimEntropy::new(seed)),
            options,
            running: None,
        }
    }

    /// Opens the store.
    pub fn open(&mut self) -> Result<()> {
        assert!(self.running.is_none(), "a store is opened once");
        let (store, stepper) = Store::open_stepped(
            Arc::clone(&self.disk) as Arc<dyn Disk>,
            Arc::clone(&self.clock) as Arc<dyn Clock>,
            Arc::clone(&self.entropy) as Arc<dyn Entropy>,
            self.options,
        )?;
        self.running = Some(Running { store, stepper });
        Ok(())
    }

    /// Whether the store is open.
    pub const fn is_open(&self) -> bool {
        self.running.is_some()
    }

    /// The open store.
    pub fn store(&self) -> &Store {
        &self.running.as_ref().expect("the store is open").store
    }

    /// The open store's hand crank.
    pub fn stepper(&mut self) -> &mut Stepper {
        &mut self.running.as_mut().expect("the store is open").stepper
    }

    /// Ends the process: what is in flight reaches the kernel or not, nothing is closed.
    pub fn kill(&mut self) {
        self.running = None;
    }

    /// Closes the store in good order.
    pub fn close(&mut self) -> Result<()> {
        let running = self.running.take().expect("the store is open");
        running.stepper.close()
    }

    /// Runs one future to its end.
    pub fn block_on<T>(&mut self, future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        let mut idle = 0;
        loop {
            let mut context = Context::from_waker(Waker::noop());
            if let Poll::Ready(done) = future.as_mut().poll(&mut context) {
                return done;
            }
            idle = if self.stepper().step() { 0 } else { idle + 1 };
            assert!(
                idle < IDLE_POLLS_MAX,
                "deadlock: the future waits and the log writer has nothing to do"
            );
        }
    }

    /// Steps until the writer has nothing to do.
    pub fn settle(&mut self) {
        self.stepper().settle();
    }

    /// Runs requests together, polled and stepped in an order that follows from the seed, until all have ended or
    /// the disk has stopped.
    pub fn together(&mut self, rng: &mut Rng, requests: &[Request]) -> Check<Vec<Option<Reply>>> {
        let mut flights: Vec<Option<InFlight>> = requests
            .iter()
            .map(|request| Some(send(self.store(), request.clone())))
            .collect();
        let mut replies: Vec<Option<Reply>> = vec![None; requests.len()];
        let mut idle = 0;
        loop {
            let waiting: Vec<usize> = (0..flights.len())
                .filter(|at| flights.get(*at).is_some_and(Option::is_some))
                .collect();
            if waiting.is_empty() || self.disk.is_frozen() {
                return Ok(replies);
            }
            let turn = rng.index(waiting.len() + 1);
            let progress = match waiting.get(turn) {
                Some(at) => poll_at(&mut flights, &mut replies, *at),
                None => self.stepper().step(),
            };
            idle = if progress { 0 } else { idle + 1 };
            let limit = IDLE_POLLS_MAX * u32::try_from(flights.len() + 1).unwrap_or(u32::MAX);
            if idle > limit {
                return Err(Failure(format!(
                    "deadlock: {waiting:?} of {requests:?} wait"
                )));
            }
        }
    }
}

fn poll_at(flights: &mut [Option<InFlight>], replies: &mut [Option<Reply>], at: usize) -> bool {
    let (Some(flight), Some(reply)) = (flights.get_mut(at), replies.get_mut(at)) else {
        return false;
    };
    let Some(future) = flight else {
        return false;
    };
    match future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(done) => {
            *reply = Some(done);
            *flight = None;
            true
        }
        Poll::Pending => false,
    }
}
