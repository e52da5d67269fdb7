//! The first line of a shard's file: whose it is. Eight little-endian words.
//!
//! | word | field |
//! | --: | --- |
//! | 0 | magic `MORHSHRD` |
//! | 1, 2 | store id |
//! | 3 | shard (lower half), number of shards (upper half) |
//! | 4 | generation |
//! | 5 | pages of the file |
//! | 6 | version (lower half), CRC32C of words 0 to 5 and the version (upper half) |
//! | 7 | sequence of the last checkpoint that flushed it (lower half), CRC32C of words 0 to 6 and the sequence (upper half) |
//!
//! Only word 7 changes while the file lives. A sequence below the one that the mark says of the shard means that the
//! file is older than the mark. The kernel may write the word before the checkpoint's mark is durable; but no checkpoint
//! follows one that did not end, so a sequence more than one above the mark's own means that the mark is too old.

use super::pages::LINE_WORDS;
use super::reason::RebuildReason;
use std::ops::RangeInclusive;

const MAGIC: u64 = u64::from_le_bytes(*b"MORHSHRD");
const VERSION: u32 = 1;
/// The word that holds the sequence.
pub(super) const SEQUENCE_WORD: usize = 7;

/// Whose file it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct ShardHeader {
    pub(super) store_id: [u8; 16],
    pub(super) shard: u32,
    pub(super) shards: u32,
    pub(super) generation: u64,
    pub(super) pages: u64,
}

fn join(low: u32, high: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

fn split(word: u64) -> (u32, u32) {
    let half = |word: u64| u32::try_from(word & u64::from(u32::MAX)).expect("32 bits are left");
    (half(word), half(word >> 32))
}

fn checked(words: &[u64], value: u32) -> u64 {
    let crc = words.iter().fold(0, |crc, word| {
        crc32c::crc32c_append(crc, &word.to_le_bytes())
    });
    join(value, crc32c::crc32c_append(crc, &value.to_le_bytes()))
}

impl ShardHeader {
    fn fixed(&self) -> [u64; SEQUENCE_WORD] {
        let store = u128::from_le_bytes(self.store_id);
        let low = u64::try_from(store & u128::from(u64::MAX)).expect("64 bits are left");
        let high = u64::try_from(store >> 64).expect("64 bits are left");
        let fields = [
            MAGIC,
            low,
            high,
            join(self.shard, self.shards),
            self.generation,
            self.pages,
        ];
        let [a, b, c, d, e, f] = fields;
        [a, b, c, d, e, f, checked(&fields, VERSION)]
    }

    /// The word that says which checkpoint last flushed the file.
    pub(super) fn sequence_word(&self, sequence: u32) -> u64 {
        checked(&self.fixed(), sequence)
    }

    /// The line of a file that no checkpoint flushed yet after `sequence`.
    pub(super) fn line(&self, sequence: u32) -> [u64; LINE_WORDS] {
        let [a, b, c, d, e, f, g] = self.fixed();
        [a, b, c, d, e, f, g, self.sequence_word(sequence)]
    }

    /// Checks that `line` is this header, with a sequence in `sequences`.
    pub(super) fn verify(
        &self,
        line: &[u64; LINE_WORDS],
        sequences: RangeInclusive<u32>,
    ) -> Result<(), RebuildReason> {
        let shard = self.shard;
        let damaged = RebuildReason::DamagedShardHeader { shard };
        let (found, last) = line.split_first_chunk::<SEQUENCE_WORD>().ok_or(damaged)?;
        let [fields @ .., version_word] = found;
        let [last] = last else { return Err(damaged) };
        let ((version, _), (newest, _)) = (split(*version_word), split(*last));
        if *version_word != checked(fields, version) || *last != checked(found, newest) {
            return Err(damaged);
        }
        if version != VERSION {
            return Err(RebuildReason::OtherVersion);
        }
        if *found != self.fixed() {
            return Err(RebuildReason::OtherShard { shard });
        }
        if newest < *sequences.start() {
            return Err(RebuildReason::StaleShard { shard });
        }
        if newest > *sequences.end() {
            return Err(RebuildReason::StaleMark { shard });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: ShardHeader = ShardHeader {
        store_id: *b"0123456789abcdef",
        shard: 1,
        shards: 2,
        generation: 3,
        pages: 4,
    };

    #[test]
    fn it_accepts_itself_and_nothing_older_or_other() {
        let line = HEADER.line(5);
        assert_eq!(HEADER.verify(&line, 5..=5), Ok(()));
        assert_eq!(HEADER.verify(&line, 4..=6), Ok(()));
        let newer = RebuildReason::StaleMark { shard: 1 };
        assert_eq!(HEADER.verify(&line, 3..=4), Err(newer));
        let stale = RebuildReason::StaleShard { shard: 1 };
        assert_eq!(HEADER.verify(&line, 6..=7), Err(stale));
        let other = RebuildReason::OtherShard { shard: 1 };
        for others in [
            ShardHeader { shard: 0, ..HEADER },
            ShardHeader {
                shards: 4,
                ..HEADER
            },
            ShardHeader { pages: 5, ..HEADER },
            ShardHeader {
                generation: 2,
                ..HEADER
            },
            ShardHeader {
                store_id: [0; 16],
                ..HEADER
            },
        ] {
            assert_eq!(HEADER.verify(&others.line(5), 5..=5), Err(other));
        }
    }

    #[test]
    fn every_flipped_bit_is_refused() {
        for bit in 0..512 {
            let mut line = HEADER.line(5);
            line[bit / 64] ^= 1 << (bit % 64);
            assert!(HEADER.verify(&line, 5..=5).is_err(), "bit {bit}");
        }
        let empty = RebuildReason::DamagedShardHeader { shard: 1 };
        assert_eq!(HEADER.verify(&[0; 8], 0..=0), Err(empty));
    }

    #[test]
    fn golden_line() {
        let line = HEADER.line(5);
        assert_eq!(line[0].to_le_bytes(), *b"MORHSHRD");
        assert_eq!(line[1].to_le_bytes(), *b"01234567");
        assert_eq!(line[3], 0x0000_0002_0000_0001);
        assert_eq!(line[4..6], [3, 4]);
        assert_eq!(line[6], 0xf517_5049_0000_0001);
        assert_eq!(line[7], 0x2a4f_29c1_0000_0005);
    }
}
