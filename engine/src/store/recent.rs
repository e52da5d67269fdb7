//! Recently written extents: O_DIRECT leaves them out of the page cache, and a picture is read right after it was stored.
//!
//! First in, first out, within a fixed number of bytes. What is not here is read from the file.

use crate::format::Extension;
use crate::id::Id;
use crate::sync::Mutex;
use bytes::Bytes;
use std::collections::{HashMap, VecDeque};

/// The cache.
#[derive(Debug)]
pub(crate) struct Recent {
    limit: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    map: HashMap<Id, (Bytes, Extension)>,
    order: VecDeque<Id>,
    bytes: usize,
}

impl Recent {
    /// A cache of at most `limit` bytes of payloads.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            state: Mutex::default(),
        }
    }

    /// Keeps an extent or manifest that was just made durable.
    pub fn add(&self, id: Id, payload: Bytes, extension: Extension) {
        if payload.len() > self.limit {
            return;
        }
        let mut state = self.state.lock();
        let bytes = payload.len();
        if state.map.insert(id, (payload, extension)).is_some() {
            return;
        }
        state.order.push_back(id);
        state.bytes += bytes;
        while state.bytes > self.limit {
            let Some(oldest) = state.order.pop_front() else {
                break;
            };
            if let Some((payload, _)) = state.map.remove(&oldest) {
                state.bytes -= payload.len();
            }
        }
    }

    /// The payload of an id, if it is here.
    pub fn get(&self, id: &Id) -> Option<(Bytes, Extension)> {
        self.state.lock().map.get(id).cloned()
    }

    /// Bytes kept.
    pub fn bytes(&self) -> usize {
        self.state.lock().bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Digests;

    #[test]
    fn keeps_the_newest_within_the_limit() {
        let recent = Recent::new(10);
        for text in ["aaaa", "bbbb", "cccc"] {
            let payload = Bytes::from_static(text.as_bytes());
            let extension = Extension::of(&payload, Digests::default(), 512);
            recent.add(Id::of(&payload), payload, extension);
        }
        assert!(recent.get(&Id::of(b"aaaa")).is_none());
        assert!(recent.get(&Id::of(b"cccc")).is_some());
        assert_eq!(recent.bytes(), 8);
    }
}
