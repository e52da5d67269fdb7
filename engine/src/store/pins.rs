//! Pins: what is in use and must not be reclaimed, although no name may reach it yet.
//!
//! A pin is taken *before* the index is asked, so that reclaiming, which looks at pins after it has condemned an id,
//! can never miss a user. Counted by id; a pin ends when its guard is dropped.

use crate::id::Id;
use crate::sync::{Arc, Mutex};
use std::collections::HashMap;

/// How often each id is pinned.
#[derive(Debug, Default)]
pub(crate) struct Pins {
    counts: Mutex<HashMap<Id, usize>>,
}

/// Keeps one id from being reclaimed.
#[derive(Debug)]
pub(crate) struct Pin {
    pins: Arc<Pins>,
    id: Id,
}

impl Pins {
    /// Pins an id.
    pub fn pin(self: &Arc<Self>, id: Id) -> Pin {
        *self.counts.lock().entry(id).or_insert(0) += 1;
        Pin {
            pins: Arc::clone(self),
            id,
        }
    }

    /// How many ids are pinned.
    #[cfg(any(test, shuttle))]
    pub fn len(&self) -> usize {
        self.counts.lock().len()
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        let mut counts = self.pins.counts.lock();
        if let Some(count) = counts.get_mut(&self.id) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_pinned_until_its_last_guard_is_dropped() {
        let pins = Arc::new(Pins::default());
        let first = pins.pin(Id::of(b"a"));
        let second = pins.pin(Id::of(b"a"));
        drop(first);
        assert_eq!(pins.len(), 1);
        drop(second);
        assert_eq!(pins.len(), 0);
    }
}
