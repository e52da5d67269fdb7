//! What a simulated file holds: what a reader sees, and what a crash would leave for sure.

use super::random::Random;
use crate::sync::Arc;

/// Names a file's content for as long as an entry, a handle or a change refers to it.
pub(super) type NodeId = u64;

/// A file without its name. The contents are shared with snapshots until one side writes.
#[derive(Clone, Debug, Default)]
pub(super) struct Node {
    /// What a reader sees.
    pub live: Arc<Vec<u8>>,
    /// What was synced.
    pub durable: Arc<Vec<u8>>,
    /// Whether the two may differ.
    pub touched: bool,
}

/// A change to the content of a file.
#[derive(Clone, Debug)]
pub(super) enum DataChange {
    Write {
        offset: usize,
        bytes: Vec<u8>,
    },
    SetLen {
        len: usize,
    },
    /// Grows the file, with zeros or with the garbage that follows from the seed and the place.
    Allocate {
        len: usize,
        garbage: Option<u64>,
    },
}

impl DataChange {
    /// The length that the file has at least after this change.
    pub fn reaches(&self) -> usize {
        match self {
            Self::Write { offset, bytes } => offset + bytes.len(),
            Self::SetLen { len } | Self::Allocate { len, .. } => *len,
        }
    }

    /// Makes the change.
    pub fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Write { offset, bytes } => write(content, *offset, bytes),
            Self::SetLen { len } => content.resize(*len, 0),
            Self::Allocate { len, garbage } => allocate(content, *len, *garbage),
        }
    }

    /// Makes only a part of the change, if it is a write: the sectors for which `keep` says how many of their bytes.
    pub fn apply_sectors(
        &self,
        content: &mut Vec<u8>,
        sector: usize,
        mut keep: impl FnMut(usize, usize) -> usize,
    ) {
        let Self::Write { offset, bytes } = self else {
            self.apply(content);
            return;
        };
        let (mut rest, mut at, mut index) = (bytes.as_slice(), *offset, 0);
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(rest.len().min(sector - at % sector));
            let kept = keep(index, piece.len()).min(piece.len());
            write(content, at, piece.get(..kept).unwrap_or_default());
            (rest, at, index) = (after, at + piece.len(), index + 1);
        }
    }

    /// How many sectors a write touches; 0 for the other changes.
    pub fn sectors(&self, sector: usize) -> usize {
        match self {
            Self::Write { offset, bytes } if !bytes.is_empty() => {
                (offset + bytes.len()).div_ceil(sector) - offset / sector
            }
            _ => 0,
        }
    }
}

fn write(content: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    if bytes.is_empty() {
        return;
    }
    let end = offset + bytes.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    content
        .get_mut(offset..end)
        .expect("the content was made this long")
        .copy_from_slice(bytes);
}

fn allocate(content: &mut Vec<u8>, len: usize, garbage: Option<u64>) {
    let old = content.len();
    if len <= old {
        return;
    }
    content.resize(len, 0);
    if let Some(seed) = garbage {
        let fresh = content.get_mut(old..).unwrap_or_default();
        let mut random = Random::new(seed);
        for chunk in fresh.chunks_mut(8) {
            let bytes = random.next().to_le_bytes();
            chunk.copy_from_slice(bytes.get(..chunk.len()).unwrap_or_default());
        }
    }
}

/// Reads what is there at `offset`; returns how much.
pub(super) fn read(content: &[u8], offset: usize, buf: &mut [u8]) -> usize {
    let there = content.get(offset..).unwrap_or_default();
    let len = there.len().min(buf.len());
    if let (Some(to), Some(from)) = (buf.get_mut(..len), there.get(..len)) {
        to.copy_from_slice(from);
    }
    len
}
