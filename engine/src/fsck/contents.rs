//! What the log holds: every intact extent, manifest and name, and where.

use crate::id::Id;
use crate::position::{NodeId, Offset, SegmentNumber};
use std::collections::{HashMap, HashSet};

/// The intact content of all logs.
#[derive(Default)]
pub(super) struct Contents {
    /// The first 16 bytes of each id (as unguessable as the id is to who chose the content) and its payload's length.
    lengths: HashMap<u128, u32>,
    places: HashSet<(u64, u64, u64)>,
    named: HashSet<(u64, u64, u64)>,
    manifests: HashMap<u128, (NodeId, SegmentNumber, Offset)>,
}

fn short(id: &Id) -> u128 {
    let (first, _) = id
        .as_bytes()
        .split_first_chunk()
        .expect("an id has 32 bytes");
    u128::from_le_bytes(*first)
}

impl Contents {
    pub fn add(&mut self, id: &Id, len: u32, node: NodeId, segment: SegmentNumber, at: Offset) {
        self.lengths.insert(short(id), len);
        self.places.insert((node.0, segment.0, at.0));
    }

    /// Remembers that an intact name, tombstone or catalog entry begins here.
    pub fn add_named(&mut self, node: NodeId, segment: SegmentNumber, at: Offset) {
        self.named.insert((node.0, segment.0, at.0));
    }

    /// Whether an intact name, tombstone or catalog entry begins here.
    pub fn is_named_at(&self, node: NodeId, segment: SegmentNumber, at: Offset) -> bool {
        self.named.contains(&(node.0, segment.0, at.0))
    }

    /// Remembers where an intact manifest begins.
    pub fn add_manifest(&mut self, id: &Id, node: NodeId, segment: SegmentNumber, at: Offset) {
        self.manifests.insert(short(id), (node, segment, at));
    }

    /// Where the manifest with this id begins, if the log holds an intact one.
    pub fn manifest_at(&self, id: &Id) -> Option<(NodeId, SegmentNumber, Offset)> {
        self.manifests.get(&short(id)).copied()
    }

    /// The length of the payload with this id, if the log holds an intact one.
    pub fn len_of(&self, id: &Id) -> Option<u32> {
        self.lengths.get(&short(id)).copied()
    }

    /// Whether an intact extent or manifest begins here.
    pub fn is_at(&self, node: NodeId, segment: SegmentNumber, at: Offset) -> bool {
        self.places.contains(&(node.0, segment.0, at.0))
    }

    /// How many different ones there are.
    pub fn len(&self) -> u64 {
        self.lengths.len() as u64
    }
}
