//! The hash index: id of an extent or manifest -> where it lies.
//!
//! A table in memory-mapped files, derived from the log. It is never trusted: a lookup returns *candidates*, and each is
//! checked against the record that it points to. So a wrong slot costs a lookup; only a *lost* slot would matter, and
//! the rest of this text is about why none is lost.
//!
//! # Layout
//!
//! `index/hash/` holds one file per shard and generation (`SHARD.GENERATION`, the shard in hexadecimal) and `mark`. A
//! shard is chosen by an id's first bits; in it, a bucket by a salted hash of the tag (bytes 8 to 15 of the id), so that
//! a shard can be rebuilt from its slots alone and nobody outside can aim at one bucket. A slot holds the tag and the
//! [`Location`]: local segment number, offset, size class. `header.rs`, `table.rs`, `location.rs` and
//! `mark.rs` describe the bytes.
//!
//! # Why no slot is lost in a crash
//!
//! The kernel writes changed pages back at any time and in any order. What is on disk after a crash is therefore, line
//! by line (64 bytes, never torn, because a sector is not), some state between the last flush and the crash.
//!
//! 1. *Within a generation a slot never moves and never becomes empty again.* Let the mark cover record R. R's slot
//!    was flushed, full, and so was every bucket between its home and it. All lines on disk are as old as that
//!    flush or younger, in which these slots are still full: the search for R still arrives. R's slot may point
//!    elsewhere or be removed: then a change that came after the mark did that, whose cause is durable in the log, since the index
//!    is changed only for records that are durable.
//! 2. *What came after the mark is replayed.* Replay inserts again; an insert that finds its place there changes
//!    nothing. A slot that survived behind a bucket that did not is out of reach: replay adds the place a second time, and
//!    the stale copy, should it come into reach later, is one more candidate that is checked.
//! 3. *Slots that ran ahead of the log* (the record they point to was cut) point at bytes that are something else, or
//!    nothing: the check says so. Their segment numbers cannot mean another segment later: see `segments.rs`.
//! 4. *After a crash of the process alone* the kernel still holds pages that are not on disk. All shards count as
//!    changed then, so that the next checkpoint flushes them.
//! 5. *After a failed flush* nothing is known about the disk, but the kernel may go on showing the pages as if all were well.
//!    The mark is removed at once, the index refuses changes, and the next open rebuilds.
//!
//! # Growth: the mark decides
//!
//! A full shard is copied into a file with a new generation number, fully allocated and fully written to, so that a
//! store to it never needs room; readers switch over at once. Nothing is synced and nothing is renamed. The next
//! checkpoint flushes the new file, syncs the folder, and only then writes the mark that names the generation; the
//! rename of the mark is what publishes all new generations together. The generation that the durable mark names is
//! kept until then (and what was in between, as removing files is not for the path of a write either), and no other is ever
//! opened:
//!
//! - Crash before the new mark: the old generation is adopted. It holds all that the mark covers (point 1: nothing but
//!   further changes happened to it), and all that the new generation had beyond it is replayed.
//! - Crash after the new mark: the new generation is adopted; it was flushed, and its name synced, before the mark.
//! - A file that the mark does not name is removed at the next chance, and its number is not used again while its
//!   name may come back.
//!
//! A checkpoint may also stop between the rename of its mark and the sync of the folder, for want of a descriptor, and be made again
//! later. The disk has the old mark or the new one until then. The shards hold what either covers, and the files that either
//! names stay: all that were replaced since the last mark that is known to be durable.
//!
//! So growing costs no sync in the path of a write, and a rebuild, in which every shard grows a dozen times, syncs only
//! at its checkpoints. An empty shard has generation 0 in the mark, and no file of its own there: starting afresh, or
//! [`HashIndex::clear`], is one write of the mark.
//!
//! # The mark
//!
//! It says up to where the log is covered, which generation of each shard belongs to it, what each local segment
//! number stands for, and up to which number they may have been given out. It is adopted only if it verifies and
//! every shard's header agrees (store, shard, generation, length, and a checkpoint sequence that fits). After a
//! clean shutdown it also holds each shard's checksum, which is verified (reading the whole index: a GB or two a second);
//! before the first change it is durably made
//! unclean. Anything else is a [`RebuildReason`]: the index starts empty and is filled from the log. That is never an
//! error to a client.
//!
//! # Figures
//!
//! A shard grows at a load of 0.8 to between 0.53 and 0.64. A million entries in 256 shards take 23.6 bytes each, and 24.0
//! on average, 25.5 at most, while they grow there from 300,000. Until the next checkpoint the generations that were
//! replaced stay on disk: at most about three times as much again. A checkpoint flushes each shard that changed, which
//! with random ids is every shard: 256 files, sixteen at a time, because syncs that wait together share the disk's flushes.
//! One after the other they took 1.4 s beside a busy neighbour, like this 0.04 s.
//!
//! # Weaknesses
//!
//! - A shard file that the disk cannot read, or that someone truncates while it is mapped, ends the process (SIGBUS); so
//!   does a full disk on a file system that copies on write. The next start finds an unclean mark, as after a crash.
//! - While the index was not closed cleanly its buckets have no checksum: a flipped bit costs a lookup if it makes a
//!   slot wrong, and hides a record if it hits a tag. `fsck` compares the index with the log.

mod candidates;
mod checkpoint;
mod config;
mod files;
mod header;
#[cfg(any(test, feature = "sim"))]
mod heap;
mod location;
mod mark;
mod mmap;
mod open;
mod pages;
mod reason;
mod segments;
mod shard;
mod stats;
mod store;
mod table;
#[cfg(test)]
mod tests;

pub use candidates::Candidates;
pub use config::HashConfig;
#[cfg(any(test, feature = "sim"))]
pub use heap::HeapSource;
pub use location::{Location, Tag};
pub use mmap::MmapSource;
pub use open::HashOpen;
pub use pages::{LINE_WORDS, PAGE_BYTES, PAGE_LINES, PageSource, Pages, WORD_BYTES};
pub use reason::RebuildReason;
pub use shard::Inserted;
pub use stats::{HashEntry, HashStats};
pub use store::HashIndex;
