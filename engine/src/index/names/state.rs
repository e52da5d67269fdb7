//! The meta table: one state row, written with every commit, and one row of usage per bucket.
//!
//! State, under `state`: format u32 | store id 16 | hlc u64 | nodes, each: node u64, segment u64, offset u64 (ascending).
//! Usage, under `usage` and the bucket u64 BE: names u64 | bytes u64 | upload bytes u64.

use super::error::{NamesError, RebuildReason, Result};
use super::kv::Table;
use crate::index::Covered;
use crate::position::{BucketId, Hlc, LogPoint, NodeId, Offset, SegmentNumber};

/// The format of every row of the index. Another number than this means rebuild: the index is derived.
pub const FORMAT: u32 = 2;

pub(super) const STATE_KEY: &[u8] = b"state";
pub(super) const USAGE_PREFIX: &[u8] = b"usage";

/// What the index says about itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct State {
    pub store: [u8; 16],
    pub hlc: Hlc,
    pub covered: Covered,
}

impl State {
    pub fn encode(&self) -> Vec<u8> {
        let mut out = FORMAT.to_le_bytes().to_vec();
        out.extend_from_slice(&self.store);
        out.extend_from_slice(&self.hlc.0.to_le_bytes());
        for (node, point) in &self.covered {
            for number in [node.0, point.segment.0, point.offset.0] {
                out.extend_from_slice(&number.to_le_bytes());
            }
        }
        out
    }

    pub fn decode(row: &[u8]) -> Result<Self> {
        let damaged = || NamesError::row(Table::Meta, "not a state");
        let (format, rest) = row.split_first_chunk().ok_or_else(damaged)?;
        let found = u32::from_le_bytes(*format);
        if found != FORMAT {
            return Err(NamesError::Rebuild(RebuildReason::OtherFormat {
                found,
                supported: FORMAT,
            }));
        }
        let (store, rest) = rest.split_first_chunk().ok_or_else(damaged)?;
        let (hlc, rest) = rest.split_first_chunk().ok_or_else(damaged)?;
        let nodes = rest.chunks_exact(24);
        if !nodes.remainder().is_empty() {
            return Err(damaged());
        }
        let covered = nodes
            .map(|node| {
                let [node, segment, offset] = numbers(node)?;
                let point = LogPoint {
                    segment: SegmentNumber(segment),
                    offset: Offset(offset),
                };
                Some((NodeId(node), point))
            })
            .collect::<Option<_>>()
            .ok_or_else(damaged)?;
        Ok(Self {
            store: *store,
            hlc: Hlc(u64::from_le_bytes(*hlc)),
            covered,
        })
    }

    /// Moves every point and the clock forwards, never back.
    pub fn advance(&mut self, covered: &Covered, hlc: Hlc) {
        for (node, point) in covered {
            let own = self.covered.entry(*node).or_default();
            *own = (*own).max(*point);
        }
        self.hlc = self.hlc.max(hlc);
    }
}

/// What a bucket holds.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Usage {
    /// Live names that clients see: no uploads, no parts.
    pub names: u64,
    /// The sum of their sizes.
    pub bytes: u64,
    /// The sum of the sizes of live parts of uploads that are not complete.
    pub upload_bytes: u64,
}

impl Usage {
    pub(super) fn key(bucket: BucketId) -> Vec<u8> {
        let mut key = USAGE_PREFIX.to_vec();
        key.extend_from_slice(&bucket.0.to_be_bytes());
        key
    }

    pub(super) fn encode(self) -> Vec<u8> {
        [self.names, self.bytes, self.upload_bytes]
            .map(u64::to_le_bytes)
            .concat()
    }

    pub(super) fn decode(key: &[u8], row: &[u8]) -> Result<(BucketId, Self)> {
        let parse = || {
            let bucket = key.strip_prefix(USAGE_PREFIX)?.try_into().ok()?;
            let [names, bytes, upload_bytes] = numbers(row)?;
            let usage = Self {
                names,
                bytes,
                upload_bytes,
            };
            Some((BucketId(u64::from_be_bytes(bucket)), usage))
        };
        parse().ok_or_else(|| NamesError::row(Table::Meta, "not a usage"))
    }

    pub(super) fn add(&mut self, reserved: bool, size: u64) {
        if reserved {
            self.upload_bytes = self.upload_bytes.saturating_add(size);
        } else {
            self.names += 1;
            self.bytes = self.bytes.saturating_add(size);
        }
    }

    /// `None` if there is less than what is to go: then the counters are not those of the rows.
    pub(super) fn subtract(&mut self, reserved: bool, size: u64) -> Option<()> {
        if reserved {
            self.upload_bytes = self.upload_bytes.checked_sub(size)?;
        } else {
            self.names = self.names.checked_sub(1)?;
            self.bytes = self.bytes.checked_sub(size)?;
        }
        Some(())
    }
}

fn numbers(row: &[u8]) -> Option<[u64; 3]> {
    let row: [u8; 24] = row.try_into().ok()?;
    let mut out = [0; 3];
    for (number, bytes) in out.iter_mut().zip(row.chunks_exact(8)) {
        *number = u64::from_le_bytes(*bytes.first_chunk()?);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_round_trips_and_moves_only_forwards() {
        let point = |segment, offset| LogPoint {
            segment: SegmentNumber(segment),
            offset: Offset(offset),
        };
        let mut state = State {
            store: [7; 16],
            hlc: Hlc(5),
            covered: Covered::from([(NodeId(1), point(2, 10))]),
        };
        state.advance(
            &Covered::from([(NodeId(1), point(1, 99)), (NodeId(2), point(1, 1))]),
            Hlc(4),
        );
        assert_eq!(state.hlc, Hlc(5));
        assert_eq!(state.covered.get(&NodeId(1)), Some(&point(2, 10)));
        assert_eq!(state.covered.get(&NodeId(2)), Some(&point(1, 1)));
        assert_eq!(State::decode(&state.encode()).unwrap(), state);
    }

    #[test]
    fn another_format_is_told_from_damage() {
        let state = State {
            store: [7; 16],
            hlc: Hlc(5),
            covered: Covered::new(),
        };
        let mut row = state.encode();
        row[0] = 99;
        assert!(matches!(
            State::decode(&row),
            Err(NamesError::Rebuild(RebuildReason::OtherFormat {
                found: 99,
                supported: FORMAT
            }))
        ));
        let row = state.encode();
        for len in 0..row.len() {
            assert!(State::decode(&row[..len]).is_err());
        }
    }
}
