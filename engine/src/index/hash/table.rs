//! One generation of a shard: buckets of four slots in a file's pages.
//!
//! Line 0 is the header, every other line a bucket. A slot is two words, tag and location. A tag is looked for from its
//! home bucket on, wrapping around, up to the first bucket with an empty slot; it is added to the first empty slot.
//!
//! Invariants of a generation, which make every mixture of older and newer pages valid:
//! - a slot goes from empty to full to (another location of the same tag)* to removed, and never back or elsewhere;
//! - its tag is stored before its location, and never changes while there is a location.
//!
//! Readers need no lock: they see a slot empty, full or removed. Writers exclude each other.

use super::files::ShardFile;
use super::header::{SEQUENCE_WORD, ShardHeader};
use super::location::{Packed, Tag};
use super::pages::{LINE_WORDS, PAGE_LINES, Pages, WORD_BYTES};
use super::reason::RebuildReason;
use std::io;
use std::ops::RangeInclusive;

/// Slots of a bucket.
pub(super) const BUCKET_SLOTS: u64 = 4;
/// Lines before the first bucket.
const HEADER_LINES: usize = 1;
/// An odd constant with well-spread bits (the golden ratio times 2^64, Knuth's multiplicative hashing).
const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;

/// Where a slot's first word is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct SlotWord(usize);

/// What a search found besides matches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Chain {
    /// Where the tag can be added; `None` if the table is full.
    pub(super) free: Option<SlotWord>,
    /// Buckets looked at.
    pub(super) buckets: u64,
}

/// One generation of a shard.
pub(super) struct Table {
    pages: Box<dyn Pages>,
    header: ShardHeader,
    buckets: usize,
    salt: u64,
}

impl Table {
    pub(super) fn new(pages: Box<dyn Pages>, header: ShardHeader, salt: u64) -> Self {
        let lines = pages.lines();
        assert!(lines >= PAGE_LINES && header.pages * PAGE_LINES as u64 == lines as u64);
        Self {
            buckets: lines - HEADER_LINES,
            pages,
            header,
            salt,
        }
    }

    /// How many pages hold `slots` slots.
    pub(super) fn pages_for(slots: u64) -> u64 {
        (slots.div_ceil(BUCKET_SLOTS) + HEADER_LINES as u64).div_ceil(PAGE_LINES as u64)
    }

    /// Which file it is.
    pub(super) fn file(&self) -> ShardFile {
        ShardFile {
            shard: self.header.shard,
            generation: self.header.generation,
        }
    }

    pub(super) fn page_count(&self) -> u64 {
        self.header.pages
    }

    /// How many slots there are.
    pub(super) fn slots(&self) -> u64 {
        self.buckets as u64 * BUCKET_SLOTS
    }

    /// Empties every slot and writes the header. Every page is stored to, so that the next flush writes all of them.
    pub(super) fn format(&self, sequence: u32) {
        for word in LINE_WORDS..self.pages.lines() * LINE_WORDS {
            self.pages.store(word, 0);
        }
        for (word, value) in self.header.line(sequence).into_iter().enumerate() {
            self.pages.store(word, value);
        }
    }

    pub(super) fn verify_header(
        &self,
        sequences: RangeInclusive<u32>,
    ) -> Result<(), RebuildReason> {
        self.header.verify(&self.pages.load_line(0), sequences)
    }

    /// States that the checkpoint `sequence` flushes the file, and flushes it.
    pub(super) fn flush(&self, sequence: u32) -> io::Result<()> {
        self.pages
            .store(SEQUENCE_WORD, self.header.sequence_word(sequence));
        self.pages.flush()
    }

    /// CRC32C of all buckets.
    pub(super) fn crc(&self) -> u32 {
        let mut crc = 0;
        for line in HEADER_LINES..self.pages.lines() {
            let mut bytes = [0; LINE_WORDS * WORD_BYTES];
            let (words, _) = bytes.as_chunks_mut();
            for (to, word) in words.iter_mut().zip(self.pages.load_line(line)) {
                *to = word.to_le_bytes();
            }
            crc = crc32c::crc32c_append(crc, &bytes);
        }
        crc
    }

    /// The bucket where the search for a tag starts. Depends on the tag alone, so that a new generation can be filled
    /// from the slots of the old one; in order of a hash, so that it is filled from front to back.
    fn home(&self, tag: Tag) -> usize {
        let (low, high) = (tag.0 ^ self.salt).carrying_mul(SPREAD, 0);
        let (_, bucket) = (low ^ high).carrying_mul(self.buckets as u64, 0);
        usize::try_from(bucket).expect("less than the number of buckets")
    }

    /// Looks for a tag; `visit` sees every full slot that has it.
    pub(super) fn find(&self, tag: Tag, mut visit: impl FnMut(SlotWord, Packed)) -> Chain {
        let home = self.home(tag);
        let lines = (home..self.buckets).chain(0..home);
        let mut looked_at = 0;
        for line in lines.map(|bucket| bucket + HEADER_LINES) {
            looked_at += 1;
            let mut free = None;
            for (slot, found, location) in slots(line, &self.pages.load_line(line)) {
                if location == Packed::EMPTY {
                    free = free.or(Some(slot));
                } else if found == tag
                    && let Some(packed) = Packed::from_word(location)
                {
                    visit(slot, packed);
                }
            }
            if free.is_some() {
                return Chain {
                    free,
                    buckets: looked_at,
                };
            }
        }
        Chain {
            free: None,
            buckets: looked_at,
        }
    }

    /// Fills an empty slot.
    pub(super) fn fill(&self, SlotWord(word): SlotWord, tag: Tag, packed: Packed) {
        self.pages.store(word, tag.0);
        self.pages.store(word + 1, packed.word());
    }

    /// Points a full slot elsewhere.
    pub(super) fn repoint(&self, SlotWord(word): SlotWord, packed: Packed) {
        self.pages.store(word + 1, packed.word());
    }

    /// Removes what a full slot holds.
    pub(super) fn remove(&self, SlotWord(word): SlotWord) {
        self.pages.store(word + 1, Packed::REMOVED);
    }

    /// Every full slot.
    pub(super) fn entries(&self) -> impl Iterator<Item = (Tag, Packed)> + '_ {
        (HEADER_LINES..self.pages.lines())
            .flat_map(|line| slots(line, &self.pages.load_line(line)))
            .filter_map(|(_, tag, location)| Some((tag, Packed::from_word(location)?)))
    }
}

/// The slots of a bucket.
fn slots(
    line: usize,
    words: &[u64; LINE_WORDS],
) -> impl Iterator<Item = (SlotWord, Tag, u64)> + use<> {
    let [a, b, c, d, e, f, g, h] = *words;
    [(a, b), (c, d), (e, f), (g, h)]
        .into_iter()
        .enumerate()
        .map(move |(slot, (tag, location))| {
            (SlotWord(line * LINE_WORDS + 2 * slot), Tag(tag), location)
        })
}
