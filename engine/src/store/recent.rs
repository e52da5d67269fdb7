//! Extents in memory: recently written ones, since O_DIRECT leaves them out of the page cache and a picture is read right
//! after it was stored; and those that were read from their segment several times.
//!
//! First in, first out, within a fixed number of bytes, but who was read since it came in or was last looked at gets a
//! second turn. What is not here is read from the file. What is here verified when it came in, and is verified again
//! whenever it goes out.

use crate::Place;
use crate::format::{Digests, Extension, RecordKind};
use crate::id::Id;
use crate::index::hash::Location;
use crate::sync::{Arc, Mutex};
use bytes::Bytes;
use std::collections::{HashMap, VecDeque};

/// Bytes that an entry takes beside its payload: the two tables' shares, the extension, the headers of three allocations.
const ENTRY_BYTES: usize = 256;

/// How many entries get a second turn for one that comes in: the lock is held meanwhile.
const SECOND_TURNS_MAX: usize = 64;

/// An extent in memory.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub id: Id,
    pub kind: RecordKind,
    /// Where its record lies in the log.
    pub place: Place,
    pub payload: Bytes,
    pub extension: Arc<Extension>,
}

/// The cache.
#[derive(Debug)]
pub(crate) struct Recent {
    limit: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    map: HashMap<Id, Entry>,
    order: VecDeque<Id>,
    bytes: usize,
}

#[derive(Debug)]
struct Entry {
    kept: Kept,
    read: bool,
}

impl Recent {
    /// A cache of at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            state: Mutex::default(),
        }
    }

    /// Keeps an extent or manifest that was just made durable, or read and verified.
    pub fn add(&self, kept: Kept) {
        let id = kept.id;
        let bytes = kept.payload.len() + ENTRY_BYTES;
        if bytes > self.limit {
            return;
        }
        let mut state = self.state.lock();
        if let Some(entry) = state.map.get_mut(&id) {
            let before = entry.kept.payload.len() + ENTRY_BYTES;
            entry.kept = kept;
            state.bytes = state.bytes - before + bytes;
        } else {
            state.map.insert(id, Entry { kept, read: false });
            state.order.push_back(id);
            state.bytes += bytes;
        }
        state.shrink(self.limit);
    }

    /// The extent with this id, if it is here.
    pub fn get(&self, id: &Id) -> Option<Kept> {
        let mut state = self.state.lock();
        let entry = state.map.get_mut(id)?;
        entry.read = true;
        Some(entry.kept.clone())
    }

    /// Forgets an extent.
    pub fn remove(&self, id: &Id) {
        let mut state = self.state.lock();
        if let Some(entry) = state.map.remove(id) {
            state.bytes -= entry.kept.payload.len() + ENTRY_BYTES;
            state.order.retain(|other| other != id);
        }
    }

    /// What the record of an id is, if it is the one at `location`: the index is checked without a read of the disk.
    pub fn at(&self, id: &Id, location: Location) -> Option<(RecordKind, Digests)> {
        let state = self.state.lock();
        let kept = &state.map.get(id)?.kept;
        let place = Place {
            node: location.node,
            segment: location.segment,
            offset: location.offset,
        };
        (kept.place == place).then_some((kept.kind, kept.extension.digests))
    }

    /// Where the record of an id lies and its digests, if it is here and of this kind. Does not count as a read.
    pub fn record_of(&self, id: &Id, kind: RecordKind) -> Option<(Place, Digests)> {
        let state = self.state.lock();
        let kept = &state.map.get(id)?.kept;
        (kept.kind == kind).then(|| (kept.place.clone(), kept.extension.digests))
    }

    /// Bytes kept.
    pub fn bytes(&self) -> usize {
        self.state.lock().bytes
    }
}

impl State {
    fn shrink(&mut self, limit: usize) {
        let mut turns = SECOND_TURNS_MAX;
        while self.bytes > limit {
            let Some(oldest) = self.order.pop_front() else {
                break;
            };
            match self.map.get_mut(&oldest) {
                Some(entry) if entry.read && turns > 0 => {
                    entry.read = false;
                    turns -= 1;
                    self.order.push_back(oldest);
                }
                _ => {
                    if let Some(entry) = self.map.remove(&oldest) {
                        self.bytes -= entry.kept.payload.len() + ENTRY_BYTES;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::position::{NodeId, Offset, SegmentNumber};

    fn add(recent: &Recent, text: &str) {
        let payload = Bytes::copy_from_slice(text.as_bytes());
        recent.add(Kept {
            id: Id::of(&payload),
            kind: RecordKind::Extent,
            place: Place {
                node: NodeId(1),
                segment: SegmentNumber(1),
                offset: Offset(64),
            },
            extension: Arc::new(Extension::of(&payload, Digests::default(), 512)),
            payload,
        });
    }

    fn has(recent: &Recent, text: &str) -> bool {
        recent
            .state
            .lock()
            .map
            .contains_key(&Id::of(text.as_bytes()))
    }

    #[test]
    fn keeps_the_newest_within_the_limit() {
        let recent = Recent::new(2 * (4 + ENTRY_BYTES) + 2);
        ["aaaa", "bbbb", "cccc"]
            .iter()
            .for_each(|text| add(&recent, text));
        assert!(!has(&recent, "aaaa") && has(&recent, "bbbb") && has(&recent, "cccc"));
        assert_eq!(recent.bytes(), 2 * (4 + ENTRY_BYTES));
    }

    #[test]
    fn who_was_read_gets_a_second_turn_and_no_third() {
        let recent = Recent::new(2 * (4 + ENTRY_BYTES));
        ["aaaa", "bbbb"].iter().for_each(|text| add(&recent, text));
        assert!(recent.get(&Id::of(b"aaaa")).is_some());
        add(&recent, "cccc");
        assert!(has(&recent, "aaaa") && !has(&recent, "bbbb"));
        ["dddd", "eeee"].iter().for_each(|text| add(&recent, text));
        assert!(!has(&recent, "aaaa"));
    }

    #[test]
    fn many_that_were_read_do_not_keep_the_next_waiting() {
        let limit = (2 * SECOND_TURNS_MAX) * (4 + ENTRY_BYTES);
        let recent = Recent::new(limit);
        for index in 0..2 * SECOND_TURNS_MAX {
            let text = format!("{index:04}");
            add(&recent, &text);
            assert!(recent.get(&Id::of(text.as_bytes())).is_some());
        }
        add(&recent, "next");
        assert_eq!(recent.bytes(), limit);
        // The one behind those that got a second turn went, although it had been read.
        assert!(!has(&recent, &format!("{SECOND_TURNS_MAX:04}")));
    }

    #[test]
    fn what_is_forgotten_is_not_counted() {
        let recent = Recent::new(10_000);
        ["aaaa", "bbbb"].iter().for_each(|text| add(&recent, text));
        recent.remove(&Id::of(b"aaaa"));
        assert!(recent.get(&Id::of(b"aaaa")).is_none());
        assert_eq!(recent.bytes(), 4 + ENTRY_BYTES);
        assert_eq!(recent.state.lock().order.len(), 1);
    }

    #[test]
    fn vouches_for_the_place_of_its_own_record_only() {
        let recent = Recent::new(10_000);
        add(&recent, "aaaa");
        let mut location = Location {
            node: NodeId(1),
            segment: SegmentNumber(1),
            offset: Offset(64),
            size_hint: Location::UNKNOWN_SIZE,
        };
        let id = Id::of(b"aaaa");
        assert!(recent.at(&id, location).is_some());
        assert!(recent.at(&Id::of(b"bbbb"), location).is_none());
        location.offset = Offset(128);
        assert!(recent.at(&id, location).is_none());
    }
}
