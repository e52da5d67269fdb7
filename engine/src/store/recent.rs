//! Recently written extents: O_DIRECT leaves them out of the page cache, and a picture is read right after it was stored.
//!
//! First in, first out, within a fixed number of bytes. What is not here is read from the file.

use crate::format::{Digests, Extension, RecordKind};
use crate::id::Id;
use crate::index::hash::Location;
use crate::position::Position;
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
    map: HashMap<Id, Kept>,
    order: VecDeque<Id>,
    bytes: usize,
}

/// A record that is kept, and where it lies in the log.
#[derive(Debug)]
struct Kept {
    kind: RecordKind,
    at: Position,
    payload: Bytes,
    extension: Extension,
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
    pub fn add(
        &self,
        id: Id,
        kind: RecordKind,
        at: Position,
        payload: Bytes,
        extension: Extension,
    ) {
        if payload.len() > self.limit {
            return;
        }
        let mut state = self.state.lock();
        let bytes = payload.len();
        let kept = Kept {
            kind,
            at,
            payload,
            extension,
        };
        if state.map.insert(id, kept).is_some() {
            return;
        }
        state.order.push_back(id);
        state.bytes += bytes;
        while state.bytes > self.limit {
            let Some(oldest) = state.order.pop_front() else {
                break;
            };
            if let Some(kept) = state.map.remove(&oldest) {
                state.bytes -= kept.payload.len();
            }
        }
    }

    /// The payload of an id, if it is here.
    pub fn get(&self, id: &Id) -> Option<(Bytes, Extension)> {
        let state = self.state.lock();
        let kept = state.map.get(id)?;
        Some((kept.payload.clone(), kept.extension.clone()))
    }

    /// What the record of an id is, if it is the one at `location`: the index is checked without a read of the disk.
    pub fn at(&self, id: &Id, location: Location) -> Option<(RecordKind, Digests)> {
        let state = self.state.lock();
        let kept = state.map.get(id)?;
        let place = (kept.at.node, kept.at.segment, kept.at.offset);
        (place == (location.node, location.segment, location.offset))
            .then_some((kept.kind, kept.extension.digests))
    }

    /// Bytes kept.
    pub fn bytes(&self) -> usize {
        self.state.lock().bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::position::{Incarnation, NodeId, Offset, SegmentNumber};

    fn add(recent: &Recent, text: &'static str, offset: u64) -> Position {
        let payload = Bytes::from_static(text.as_bytes());
        let extension = Extension::of(&payload, Digests::default(), 512);
        let at = Position {
            node: NodeId(1),
            incarnation: Incarnation(1),
            segment: SegmentNumber(1),
            offset: Offset(offset),
        };
        recent.add(Id::of(&payload), RecordKind::Extent, at, payload, extension);
        at
    }

    #[test]
    fn keeps_the_newest_within_the_limit() {
        let recent = Recent::new(10);
        for text in ["aaaa", "bbbb", "cccc"] {
            add(&recent, text, 0);
        }
        assert!(recent.get(&Id::of(b"aaaa")).is_none());
        assert!(recent.get(&Id::of(b"cccc")).is_some());
        assert_eq!(recent.bytes(), 8);
    }

    #[test]
    fn vouches_for_the_place_of_its_own_record_only() {
        let recent = Recent::new(10);
        let at = add(&recent, "aaaa", 64);
        let mut location = Location {
            node: at.node,
            segment: at.segment,
            offset: at.offset,
            size_hint: Location::UNKNOWN_SIZE,
        };
        let id = Id::of(b"aaaa");
        assert!(recent.at(&id, location).is_some());
        assert!(recent.at(&Id::of(b"bbbb"), location).is_none());
        location.offset = Offset(128);
        assert!(recent.at(&id, location).is_none());
    }
}
