//! What waits for the log writer: a queue that many threads fill and one empties.
//!
//! It is bounded by what its senders hold: payloads by the memory budget, names by the number of requests in progress.

use super::draft::Item;
use crate::canary::{self, Canary};
use crate::error::{Error, Result};
use crate::io::Wake;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Arc, Mutex};
use std::collections::VecDeque;

/// The queue before the log writer.
pub(crate) struct Inbox {
    state: Mutex<State>,
    /// Set while the writer may be asleep: only then is a wake-up worth a system call.
    asleep: AtomicBool,
    waker: Arc<dyn Wake>,
}

struct State {
    items: VecDeque<Item>,
    closed: Option<Error>,
}

impl Inbox {
    /// An empty inbox whose writer is woken by `waker`.
    pub fn new(waker: Arc<dyn Wake>) -> Self {
        Self {
            state: Mutex::new(State {
                items: VecDeque::new(),
                closed: None,
            }),
            asleep: AtomicBool::new(false),
            waker,
        }
    }

    /// Queues `items` as neighbours, in order. An inbox that was closed fails them all and returns why.
    pub fn push(&self, items: Vec<Item>) -> Result<()> {
        let mut state = self.state.lock();
        if let Some(error) = state.closed.clone() {
            drop(state);
            items.into_iter().for_each(|item| item.fail(&error));
            return Err(error);
        }
        for item in &items {
            if let Some(in_flight) = &item.in_flight {
                in_flight.queue();
            }
        }
        state.items.extend(items);
        drop(state);
        if self.asleep.swap(false, Ordering::SeqCst) {
            self.waker.wake();
        }
        Ok(())
    }

    /// Takes all that waits, in order.
    pub fn drain(&self) -> VecDeque<Item> {
        std::mem::take(&mut self.state.lock().items)
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.state.lock().items.is_empty()
    }

    /// Announces that the writer is about to sleep; `false` if something came in meanwhile and it must not.
    pub fn sleep(&self) -> bool {
        self.asleep.store(true, Ordering::SeqCst);
        let empty = canary::is(Canary::SleepUnchecked) || self.is_empty();
        if !empty {
            self.asleep.store(false, Ordering::SeqCst);
        }
        empty
    }

    /// Refuses everything from now on with `error`, and fails what waits.
    pub fn close(&self, error: &Error) {
        let items = {
            let mut state = self.state.lock();
            state.closed.get_or_insert_with(|| error.clone());
            std::mem::take(&mut state.items)
        };
        items.into_iter().for_each(|item| item.fail(error));
    }

    /// Wakes the writer for something other than an item.
    pub fn nudge(&self) {
        self.waker.wake();
    }
}
