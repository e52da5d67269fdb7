//! Draws histories from a seed.
//!
//! The weights favour few keys, few contents and sizes at the edges of extents and checksum blocks: what is rare in
//! the field (a key written twice while its bytes are in flight) is common here.

use super::content::Content;
use super::op::{Abandon, Completion, IndexFault, Key, Op, When};
use super::rng::Rng;

/// What the histories are drawn for.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Operations in a history, about.
    pub len: usize,
    /// Bytes of an extent.
    pub extent_bytes: usize,
    /// Bytes of a checksum block.
    pub crc_block_bytes: usize,
    /// Whether indexes are damaged at a reopen.
    pub index_faults: bool,
}

/// Bucket slots.
const BUCKETS: u8 = 3;
/// Upload slots.
const UPLOADS: u8 = 4;
/// Contents that come again and again.
const KNOWN_SEEDS: u64 = 4;

/// Keys that differ in what a listing makes of them.
const KEYS: [&str; 12] = [
    "a",
    "a/",
    "a/b",
    "a/b/c",
    "a/c",
    "a//d",
    "b",
    "b/x",
    "ä/ö",
    "z",
    "z/\u{10ffff}",
    "zz",
];
const PREFIXES: [&str; 9] = ["", "", "", "a", "a/", "a/b", "z", "ä", "nothing"];
const DELIMITERS: [&str; 4] = ["/", "/", "b", "//"];

/// Draws one history.
pub fn history(rng: &mut Rng, shape: Shape) -> Vec<Op> {
    let len = shape.len / 2 + rng.index(shape.len);
    let mut draw = Draw {
        rng,
        shape,
        uploads: Vec::new(),
        names: Vec::new(),
    };
    let mut ops = vec![Op::CreateBucket { bucket: 0 }];
    while ops.len() < len {
        if draw.rng.one_in(20) {
            ops.extend(draw.whole_upload());
        } else {
            ops.push(draw.op());
        }
    }
    ops
}

struct Draw<'a> {
    rng: &'a mut Rng,
    shape: Shape,
    /// Slots that an upload was begun in.
    uploads: Vec<u8>,
    /// Names that were written, or are to be by an upload.
    names: Vec<(u8, Key)>,
}

impl Draw<'_> {
    fn op(&mut self) -> Op {
        match self.rng.below(100) {
            0..=2 => Op::CreateBucket {
                bucket: self.bucket(),
            },
            3..=4 => Op::DeleteBucket {
                bucket: self.bucket(),
            },
            5..=12 => self.together(),
            13..=15 => Op::Checkpoint,
            16..=18 => Op::Seal,
            19..=20 => Op::Idle {
                ms: 1 + self.rng.below(3_000),
            },
            21 => self.jump(),
            22..=25 => self.reopen(),
            26..=29 => self.list(),
            30 => Op::Prepare,
            31..=34 => self.create_upload(),
            35..=38 => self.copy(),
            _ => self.overlapping(),
        }
    }

    fn overlapping(&mut self) -> Op {
        match self.rng.below(100) {
            0..=39 => self.put(),
            40..=51 => self.delete(),
            52..=54 => self.delete_many(),
            55..=58 => {
                let (bucket, key) = self.name();
                let public = self.rng.one_in(2);
                Op::SetAcl {
                    bucket,
                    key,
                    public,
                }
            }
            59..=61 => {
                let how = if self.rng.one_in(2) {
                    Abandon::Writing
                } else {
                    Abandon::Staged
                };
                Op::Abandon {
                    content: self.content(),
                    how,
                }
            }
            62..=66 => {
                let (bucket, key) = self.name();
                Op::Get { bucket, key }
            }
            67..=72 => self.get_range(),
            73..=88 => self.put_part(),
            89..=95 => self.complete(),
            96..=97 => Op::Abort {
                upload: self.upload(),
            },
            _ => self.copy(),
        }
    }

    fn together(&mut self) -> Op {
        let count = 2 + self.rng.index(5);
        // Half of the groups meet at one key with one content.
        let focus = self
            .rng
            .one_in(2)
            .then(|| (self.bucket(), self.key(), self.content()));
        let ops = (0..count)
            .filter_map(|_| {
                let mut op = self.overlapping();
                match (&mut op, &focus) {
                    (
                        Op::Put {
                            bucket,
                            key,
                            content,
                            ..
                        },
                        Some(focus),
                    ) => {
                        *bucket = focus.0;
                        content.clone_from(&focus.2);
                        if self.rng.one_in(2) {
                            key.clone_from(&focus.1);
                        }
                    }
                    (
                        Op::Delete { bucket, key, .. }
                        | Op::SetAcl { bucket, key, .. }
                        | Op::Get { bucket, key },
                        Some(focus),
                    ) => {
                        *bucket = focus.0;
                        key.clone_from(&focus.1);
                    }
                    (Op::DeleteMany { bucket, keys }, Some(focus)) => {
                        *bucket = focus.0;
                        if let Some((key, _)) = keys.first_mut() {
                            key.clone_from(&focus.1);
                        }
                    }
                    _ => {}
                }
                op.can_overlap().then_some(op)
            })
            .collect();
        Op::Together(ops)
    }

    fn delete(&mut self) -> Op {
        let (bucket, key) = self.name();
        let when = self.when();
        Op::Delete { bucket, key, when }
    }

    fn delete_many(&mut self) -> Op {
        let count = 1 + self.rng.index(5);
        let (bucket, first) = self.name();
        let mut keys = vec![(first, self.when())];
        for _ in 0..count {
            let (_, key) = self.name();
            keys.push((key, self.when()));
        }
        Op::DeleteMany { bucket, keys }
    }

    fn put(&mut self) -> Op {
        let (bucket, key) = self.new_name();
        Op::Put {
            bucket,
            key,
            content: self.content(),
            attributes: self.attributes(),
            when: self.when(),
            chunk: self.chunk(),
        }
    }

    fn copy(&mut self) -> Op {
        let (from, from_key) = self.name();
        let (bucket, key) = self.new_name();
        Op::Copy {
            from,
            from_key,
            bucket,
            key,
            attributes: self.rng.one_in(2).then(|| self.attributes()),
            when: self.when(),
        }
    }

    fn get_range(&mut self) -> Op {
        let start = self.edge();
        let end = start + self.edge();
        let (bucket, key) = self.name();
        Op::GetRange {
            bucket,
            key,
            start,
            end,
        }
    }

    fn list(&mut self) -> Op {
        Op::List {
            bucket: self.bucket(),
            prefix: Key::from(*self.rng.pick(&PREFIXES)),
            delimiter: self
                .rng
                .one_in(2)
                .then(|| Key::from(*self.rng.pick(&DELIMITERS))),
            start_after: self.rng.one_in(3).then(|| self.key()),
            limit: *self.rng.pick(&[1, 2, 3, 1000]),
        }
    }

    fn create_upload(&mut self) -> Op {
        let upload = u8::try_from(self.rng.below(UPLOADS.into())).unwrap_or(0);
        let (bucket, key) = self.new_name();
        self.uploads.push(upload);
        Op::CreateUpload {
            upload,
            bucket,
            key,
            attributes: self.attributes(),
        }
    }

    /// An upload from its beginning to its end: drawn one by one, few would get there.
    fn whole_upload(&mut self) -> Vec<Op> {
        let create = self.create_upload();
        let Op::CreateUpload {
            upload,
            bucket,
            ref key,
            ..
        } = create
        else {
            return vec![create];
        };
        let (from, from_key) = (bucket, key.clone());
        let mut out = vec![create];
        for _ in 0..1 + self.rng.index(4) {
            let mut part = self.put_part();
            if let Op::PutPart { upload: slot, .. } = &mut part {
                *slot = upload;
            }
            out.push(part);
        }
        let how = if self.rng.one_in(4) {
            Completion::EverySecond
        } else {
            Completion::All
        };
        out.push(Op::Complete {
            upload,
            how,
            when: self.when(),
        });
        if self.rng.one_in(2) {
            let (bucket, key) = self.new_name();
            let attributes = self.rng.one_in(2).then(|| self.attributes());
            out.push(Op::Copy {
                from,
                from_key,
                bucket,
                key,
                attributes,
                when: When::Always,
            });
        }
        out
    }

    fn put_part(&mut self) -> Op {
        let content = if self.rng.one_in(2) {
            // Equal parts of whole extents: the case whose chaining values are guessed right.
            Content::Stream {
                seed: self.rng.below(KNOWN_SEEDS),
                len: 2 * self.shape.extent_bytes,
            }
        } else {
            self.content()
        };
        Op::PutPart {
            upload: self.upload(),
            number: *self.rng.pick(&[1, 1, 2, 2, 3, 4, 10_000]),
            content,
            chunk: self.chunk(),
        }
    }

    fn complete(&mut self) -> Op {
        let how = match self.rng.below(12) {
            0 => Completion::EverySecond,
            1 => Completion::WrongEtag,
            2 => Completion::MissingPart,
            3 => Completion::Descending,
            4 => Completion::TooSmall,
            5 => Completion::Nothing,
            _ => Completion::All,
        };
        Op::Complete {
            upload: self.upload(),
            how,
            when: self.when(),
        }
    }

    fn reopen(&mut self) -> Op {
        let number = self.rng.bits();
        let fault = match self.rng.below(16) {
            _ if !self.shape.index_faults => IndexFault::None,
            0..=1 => IndexFault::Deleted,
            2 => IndexFault::OneDeleted(number),
            3..=5 => IndexFault::Flipped(number),
            6..=7 => IndexFault::Stale(number),
            8 => IndexFault::AllStale,
            9 => IndexFault::Swapped(number),
            10 => IndexFault::Cut(number),
            11..=12 => IndexFault::Mixed(number),
            _ => IndexFault::None,
        };
        Op::Reopen {
            clean: self.rng.one_in(2),
            fault,
        }
    }

    fn jump(&mut self) -> Op {
        let ms = *self
            .rng
            .pick(&[-86_400_000, -1_000, -1, 1, 60_000, 86_400_000]);
        Op::Jump { ms }
    }

    fn bucket(&mut self) -> u8 {
        // The first bucket takes most of the traffic: buckets that hold something cannot be deleted.
        if self.rng.one_in(4) {
            u8::try_from(self.rng.below(BUCKETS.into())).unwrap_or(0)
        } else {
            0
        }
    }

    fn upload(&mut self) -> u8 {
        // Requests for uploads that never began would be most of them.
        if self.uploads.is_empty() || self.rng.one_in(8) {
            return u8::try_from(self.rng.below(UPLOADS.into())).unwrap_or(0);
        }
        *self.rng.pick(&self.uploads)
    }

    /// A name that is going to be written.
    fn new_name(&mut self) -> (u8, Key) {
        let name = (self.bucket(), self.key());
        self.names.push(name.clone());
        name
    }

    /// A name that probably was written.
    fn name(&mut self) -> (u8, Key) {
        if self.names.is_empty() || self.rng.one_in(3) {
            return (self.bucket(), self.key());
        }
        self.rng.pick(&self.names).clone()
    }

    fn key(&mut self) -> Key {
        if self.rng.one_in(40) {
            return Key(vec![b'k'; 1024]);
        }
        Key::from(*self.rng.pick(&KEYS))
    }

    fn when(&mut self) -> When {
        match self.rng.below(20) {
            0..=1 => When::Absent,
            2..=3 => When::Unchanged,
            4 => When::Impossible,
            _ => When::Always,
        }
    }

    fn attributes(&mut self) -> u8 {
        u8::try_from(self.rng.below(4)).unwrap_or(0)
    }

    /// Bytes handed to the writer at once.
    fn chunk(&mut self) -> usize {
        let extent = self.shape.extent_bytes;
        *self
            .rng
            .pick(&[usize::MAX, usize::MAX, extent, extent - 1, 333])
    }

    fn content(&mut self) -> Content {
        let seed = if self.rng.one_in(2) {
            self.rng.below(KNOWN_SEEDS)
        } else {
            self.rng.bits()
        };
        let len = self.len();
        match self.rng.below(20) {
            0 => Content::Zeros { len },
            1 => Content::LogBytes {
                skip: self.rng.index(24) * 512,
                len,
            },
            _ => Content::Stream { seed, len },
        }
    }

    fn len(&mut self) -> usize {
        let extent = self.shape.extent_bytes;
        match self.rng.below(20) {
            0 => 0,
            1 => 1,
            2..=9 => 1 + self.rng.index(200),
            10 => extent - 1,
            11..=12 => extent,
            13 => extent + 1,
            14..=15 => 2 * extent,
            16 => 2 * extent + 7,
            17 => self.shape.crc_block_bytes,
            18 => self.rng.index(4 * extent),
            _ => 5 * extent + 3,
        }
    }

    /// An offset at, or one off, the bound of an extent or a checksum block.
    fn edge(&mut self) -> u64 {
        let unit = *self
            .rng
            .pick(&[self.shape.extent_bytes, self.shape.crc_block_bytes, 1])
            as u64;
        let edge = unit * self.rng.below(6);
        match self.rng.below(3) {
            0 => edge.saturating_sub(1),
            1 => edge,
            _ => edge + 1,
        }
    }
}
