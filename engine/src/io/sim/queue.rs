//! The simulated queue: operations run while its owner waits, some now and some later, in seeded order.

use super::disk::Shared;
use super::file::{Handle, SimFile};
use super::node::{DataChange, NodeId};
use super::state::State;
use crate::io::{AlignedBuf, Completion, File, Queue, Token, Wake};
use crate::sync::Arc;
use std::io;
use std::time::Duration;

/// An operation that a queue holds.
pub(super) struct Flight {
    queue: u64,
    token: Token,
    file: Handle,
    pub generation: u64,
    work: Work,
}

enum Work {
    Write {
        offset: u64,
        buf: AlignedBuf,
        done: usize,
    },
    Read {
        offset: u64,
        buf: AlignedBuf,
        done: usize,
    },
    Sync {
        watermark: u64,
    },
}

impl Clone for Flight {
    fn clone(&self) -> Self {
        unreachable!("a disk is copied only while nothing is in flight")
    }
}

impl Flight {
    /// What of a write has not been made yet.
    pub fn unfinished_write(&self) -> Option<(NodeId, DataChange)> {
        let Work::Write { offset, buf, done } = &self.work else {
            return None;
        };
        let offset = usize::try_from(*offset).ok()?.checked_add(*done)?;
        let bytes = buf.get(*done..)?.to_vec();
        Some((self.file.node, DataChange::Write { offset, bytes }))
    }

    fn end(self, result: io::Result<usize>) -> Completion {
        Completion {
            token: self.token,
            result,
            buf: match self.work {
                Work::Write { buf, .. } | Work::Read { buf, .. } => Some(buf),
                Work::Sync { .. } => None,
            },
        }
    }
}

impl State {
    /// Runs one operation, or a piece of it; `None` if there is more to do.
    fn execute(&mut self, order: u64) -> Option<Completion> {
        let mut flight = self.flights.remove(&order)?;
        if let Err(error) = self.reach(flight.generation) {
            return Some(flight.end(Err(error)));
        }
        let result = match &mut flight.work {
            Work::Sync { watermark } => self.sync_file(flight.file, *watermark).map(|()| Some(0)),
            Work::Write { offset, buf, done } => {
                let piece = self.piece(buf.len() - *done, flight.file.alignment);
                let bytes = buf.get(*done..*done + piece).unwrap_or_default();
                let at = *offset + *done as u64;
                self.write_file(flight.file, bytes, at).map(|()| {
                    *done += piece;
                    (*done == buf.len()).then_some(*done)
                })
            }
            Work::Read { offset, buf, done } => {
                let piece = self.piece(buf.len() - *done, flight.file.alignment);
                let part = buf.get_mut(*done..*done + piece).unwrap_or_default();
                let at = *offset + *done as u64;
                self.read_file(flight.file, part, at).map(|read| {
                    *done += read;
                    (read < piece || *done == buf.len()).then_some(*done)
                })
            }
        };
        match result {
            Ok(None) => {
                self.flights.insert(order, flight);
                None
            }
            Ok(Some(moved)) => Some(flight.end(Ok(moved))),
            Err(error) => Some(flight.end(Err(error))),
        }
    }

    /// How much of a transfer is made in one go.
    fn piece(&mut self, remaining: usize, alignment: usize) -> usize {
        let blocks = remaining / alignment;
        if blocks < 2 || !self.random.percent(self.config.short_percent) {
            return remaining;
        }
        (1 + self.random.below(blocks - 1)) * alignment
    }
}

/// The simulated door to the disk.
pub(super) struct SimQueue {
    shared: Arc<Shared>,
    id: u64,
    depth: usize,
    generation: u64,
}

impl SimQueue {
    pub fn new(shared: &Arc<Shared>, depth: usize) -> io::Result<Self> {
        let mut state = shared.state.lock();
        state.running()?;
        Ok(Self {
            shared: Arc::clone(shared),
            id: state.fresh_flight(),
            depth: depth.max(1),
            generation: state.generation,
        })
    }

    fn submit(&self, token: Token, file: &Arc<dyn File>, work: impl FnOnce(&State) -> Work) {
        let file = file
            .as_any()
            .downcast_ref::<SimFile>()
            .expect("a queue is given files of its own disk");
        let mut state = self.shared.state.lock();
        let order = state.fresh_flight();
        let flight = Flight {
            queue: self.id,
            token,
            file: file.handle,
            generation: self.generation,
            work: work(&state),
        };
        state.flights.insert(order, flight);
    }

    fn mine(&self, state: &State) -> Vec<u64> {
        state
            .flights
            .iter()
            .filter(|(_, flight)| flight.queue == self.id)
            .map(|(order, _)| *order)
            .collect()
    }

    /// Runs a seeded choice of what is in flight, until something has ended.
    fn run_some(&self, state: &mut State) -> Vec<Completion> {
        let mut ended = Vec::new();
        loop {
            let mut orders = self.mine(state);
            if orders.is_empty() || !ended.is_empty() {
                return ended;
            }
            orders.truncate(self.depth);
            if state.config.out_of_order {
                let count = 1 + state.random.below(orders.len());
                state.random.shuffle(&mut orders);
                orders.truncate(count);
            }
            for order in orders {
                ended.extend(state.execute(order));
            }
        }
    }
}

impl Queue for SimQueue {
    fn write(&mut self, token: Token, file: &Arc<dyn File>, offset: u64, buf: AlignedBuf) {
        self.submit(token, file, |_| Work::Write {
            offset,
            buf,
            done: 0,
        });
    }

    fn read(&mut self, token: Token, file: &Arc<dyn File>, offset: u64, buf: AlignedBuf) {
        self.submit(token, file, |_| Work::Read {
            offset,
            buf,
            done: 0,
        });
    }

    fn sync(&mut self, token: Token, file: &Arc<dyn File>) {
        self.submit(token, file, |state| Work::Sync {
            watermark: state.watermark(),
        });
    }

    fn in_flight(&self) -> usize {
        self.mine(&self.shared.state.lock()).len()
    }

    fn wait(&mut self, limit: Option<Duration>) -> io::Result<Vec<Completion>> {
        let mut state = self.shared.state.lock();
        let mut last = false;
        loop {
            let woken = state.woken.remove(&self.id);
            let ended = self.run_some(&mut state);
            if woken || last || !ended.is_empty() || limit.is_some_and(|limit| limit.is_zero()) {
                return Ok(ended);
            }
            state = match limit {
                None => self.shared.woken.wait(state),
                Some(limit) => {
                    last = true;
                    self.shared.woken.wait_timeout(state, limit)
                }
            };
        }
    }

    fn waker(&self) -> Arc<dyn Wake> {
        Arc::new(SimWaker {
            shared: Arc::clone(&self.shared),
            queue: self.id,
        })
    }
}

impl Drop for SimQueue {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        while !self.run_some(&mut state).is_empty() {}
    }
}

struct SimWaker {
    shared: Arc<Shared>,
    queue: u64,
}

impl Wake for SimWaker {
    fn wake(&self) {
        self.shared.state.lock().woken.insert(self.queue);
        self.shared.woken.notify_all();
    }
}
