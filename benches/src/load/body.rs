//! Bodies that are cheap to make, to hash and to compare, and of which no two share an extent.
//!
//! A body is cut into extents of 1 MiB as the store cuts it. Each is the same random template, except for its last 16 bytes:
//! the body's number, the extent's place, and the seed. The stamp stands at the end, so that the hashes which a client sends
//! cost only their last block: what comes before is hashed once for each length.

use crate::load::random::Random;
use md5::Md5;
use sha2::Sha256;
use sha2::digest::{Digest, Output};
use std::collections::HashMap;
use std::io::IoSlice;

/// Where the store cuts.
pub const EXTENT: usize = 1 << 20;
const STAMP: usize = 16;

/// Which body, and how long it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Body {
    /// Tells it from all others, whatever their lengths.
    pub number: u64,
    /// Bytes.
    pub length: usize,
}

/// What all bodies are made of.
#[derive(Debug)]
pub struct Template {
    bytes: Vec<u8>,
    seed: u32,
}

/// An extent of a body: the template up to here, then the stamp.
struct Extent<'a> {
    plain: &'a [u8],
    stamp: [u8; STAMP],
    stamp_length: usize,
}

impl Extent<'_> {
    fn stamp(&self) -> &[u8] {
        self.stamp.get(..self.stamp_length).unwrap_or_default()
    }

    /// What is left of both parts behind `skipped` bytes.
    fn behind(&self, skipped: usize) -> (&[u8], &[u8]) {
        let plain = self.plain.get(skipped..).unwrap_or_default();
        let into_stamp = skipped.saturating_sub(self.plain.len());
        (plain, self.stamp().get(into_stamp..).unwrap_or_default())
    }
}

impl Template {
    /// The template of `seed`; different seeds share no extent.
    pub fn new(seed: u32) -> Self {
        let mut random = Random::new(u64::from(seed));
        let words = (0..EXTENT / 8).flat_map(|_| random.bits().to_le_bytes());
        Self {
            bytes: words.collect(),
            seed,
        }
    }

    /// The extent that holds the byte at `offset`, and how far into it that byte lies.
    fn extent(&self, body: Body, offset: usize) -> (Extent<'_>, usize) {
        let place = offset / EXTENT;
        let length = (body.length - place * EXTENT).min(EXTENT);
        let stamp_length = length.min(STAMP);
        let mut stamp = [0; STAMP];
        let place = u32::try_from(place).expect("bodies are shorter than 4 PiB");
        let fields = body.number.to_le_bytes().into_iter();
        let fields = fields
            .chain(place.to_le_bytes())
            .chain(self.seed.to_le_bytes());
        for (to, from) in stamp.iter_mut().zip(fields) {
            *to = from;
        }
        let plain = self.bytes.get(..length - stamp_length).unwrap_or_default();
        let extent = Extent {
            plain,
            stamp,
            stamp_length,
        };
        (extent, offset % EXTENT)
    }

    /// Hands `take` the bytes from `offset` to the end of their extent, in two pieces.
    pub fn pieces<T>(
        &self,
        body: Body,
        offset: usize,
        take: impl FnOnce([IoSlice<'_>; 2]) -> T,
    ) -> T {
        let (extent, skipped) = self.extent(body, offset);
        let (plain, stamp) = extent.behind(skipped);
        take([IoSlice::new(plain), IoSlice::new(stamp)])
    }

    /// Whether `got` is what the body holds at `offset`.
    pub fn agrees(&self, body: Body, mut offset: usize, mut got: &[u8]) -> bool {
        if body.length.saturating_sub(offset) < got.len() {
            return false;
        }
        while !got.is_empty() {
            let (extent, skipped) = self.extent(body, offset);
            let (plain, stamp) = extent.behind(skipped);
            for piece in [plain, stamp] {
                let (now, rest) = got.split_at(piece.len().min(got.len()));
                if piece.get(..now.len()) != Some(now) {
                    return false;
                }
                offset += now.len();
                got = rest;
            }
        }
        true
    }

    /// The whole body in memory.
    pub fn whole(&self, body: Body) -> Vec<u8> {
        let mut whole = Vec::with_capacity(body.length);
        while whole.len() < body.length {
            self.pieces(body, whole.len(), |pieces| {
                pieces
                    .iter()
                    .for_each(|piece| whole.extend_from_slice(piece));
            });
        }
        whole
    }

    fn digest<D: Digest + Clone>(&self, body: Body, begun: &mut HashMap<usize, D>) -> Output<D> {
        let first = body.length.min(EXTENT);
        let mut hash = begun
            .entry(first)
            .or_insert_with(|| {
                let (extent, _) = self.extent(body, 0);
                D::new().chain_update(extent.plain)
            })
            .clone();
        let mut offset = first - first.min(STAMP);
        while offset < body.length {
            self.pieces(body, offset, |pieces| {
                for piece in &pieces {
                    hash.update(&**piece);
                    offset += piece.len();
                }
            });
        }
        hash.finalize()
    }
}

/// The hashes that clients send with their bodies.
#[derive(Default)]
pub struct Hashes {
    sha256: HashMap<usize, Sha256>,
    md5: HashMap<usize, Md5>,
}

impl Hashes {
    /// SHA-256 of the body.
    pub fn sha256(&mut self, template: &Template, body: Body) -> [u8; 32] {
        template.digest(body, &mut self.sha256).into()
    }

    /// MD5 of the body.
    pub fn md5(&mut self, template: &Template, body: Body) -> [u8; 16] {
        template.digest(body, &mut self.md5).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTHS: [usize; 8] = [1, 15, 16, 17, 4096, EXTENT, EXTENT + 5, 2 * EXTENT + 77];

    #[test]
    fn a_body_agrees_with_itself_in_any_pieces_and_with_no_other() {
        let template = Template::new(7);
        for length in LENGTHS {
            let body = Body { number: 3, length };
            let other = Body { number: 4, length };
            let whole = template.whole(body);
            assert_eq!(whole.len(), length);
            assert!(template.agrees(body, 0, &whole));
            assert!(!template.agrees(other, 0, &whole), "{length}");
            let cut = length / 3;
            assert!(template.agrees(body, cut, &whole[cut..]));
            let mut longer = whole.clone();
            longer.push(0);
            assert!(!template.agrees(body, 0, &longer));
        }
    }

    #[test]
    fn no_extent_appears_twice() {
        let template = Template::new(7);
        let mut seen = std::collections::HashSet::new();
        for number in 0..3 {
            for length in [EXTENT, 2 * EXTENT, 3 * EXTENT + 100] {
                let number = number * 10 + length as u64;
                for extent in template.whole(Body { number, length }).chunks(EXTENT) {
                    assert!(seen.insert(blake3::hash(extent)));
                }
            }
        }
    }

    #[test]
    fn hashes_are_those_of_the_bytes() {
        let template = Template::new(7);
        let mut hashes = Hashes::default();
        for number in 1..3 {
            for length in LENGTHS {
                let body = Body { number, length };
                let whole = template.whole(body);
                assert_eq!(
                    hashes.sha256(&template, body),
                    <[u8; 32]>::from(Sha256::digest(&whole))
                );
                assert_eq!(
                    hashes.md5(&template, body),
                    <[u8; 16]>::from(Md5::digest(&whole))
                );
            }
        }
    }
}
