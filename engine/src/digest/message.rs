//! One MD5 as it grows, whoever takes its blocks in. Pure.

use super::lanes::{Lane, Width};
use super::rounds::INITIAL;

pub(super) const BLOCK_BYTES: usize = 64;
/// Where the length of the message begins in its last block.
const LENGTH_AT: usize = 56;

/// The MD5 of a message, as far as it came.
#[derive(Clone)]
pub(crate) struct Md5 {
    state: [u32; 4],
    len: u64,
    /// The bytes of a block that is not full: as many as `len` has over whole blocks.
    tail: [u8; BLOCK_BYTES],
}

impl Default for Md5 {
    fn default() -> Self {
        Self {
            state: INITIAL,
            len: 0,
            tail: [0; BLOCK_BYTES],
        }
    }
}

impl Md5 {
    /// The MD5 of `bytes`.
    #[cfg(test)]
    pub fn digest(bytes: &[u8]) -> [u8; 16] {
        let mut md5 = Self::default();
        md5.update(bytes);
        md5.finish()
    }

    /// Takes the next bytes of the message, here and now.
    pub fn update(&mut self, bytes: &[u8]) {
        let rest = self.begin(bytes);
        let blocks = rest.len() / BLOCK_BYTES;
        if let Some(mut lane) = self.lane(rest, blocks) {
            Width::here().advance(std::slice::from_mut(&mut lane), blocks);
        }
        if let Some(rest) = rest.get(blocks * BLOCK_BYTES..) {
            self.keep(rest);
        }
    }

    /// Fills a block that was begun from the front of `bytes`, and returns the rest of them, before which no block is begun
    /// unless they are none.
    pub(super) fn begin<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let begun = self.begun();
        if begun == 0 {
            return bytes;
        }
        let (head, rest) = bytes.split_at(bytes.len().min(BLOCK_BYTES - begun));
        self.keep(head);
        if self.begun() == 0 && !head.is_empty() {
            let block = self.tail;
            self.compress(&block);
        }
        rest
    }

    /// The message as one of several: the caller takes in the first `blocks` blocks of `data`. `None` if there are none.
    pub(super) fn lane<'a>(&'a mut self, data: &'a [u8], blocks: usize) -> Option<Lane<'a>> {
        if blocks == 0 {
            return None;
        }
        self.len += (blocks * BLOCK_BYTES) as u64;
        Some(Lane {
            state: &mut self.state,
            data,
        })
    }

    /// Puts less than a block aside, or what fills the one that was begun.
    pub(super) fn keep(&mut self, bytes: &[u8]) {
        let begun = self.begun();
        let places = self.tail.iter_mut().skip(begun);
        places.zip(bytes).for_each(|(place, byte)| *place = *byte);
        self.len += bytes.len() as u64;
    }

    /// The digest of all bytes.
    pub fn finish(mut self) -> [u8; 16] {
        let bits = self.len.wrapping_mul(8).to_le_bytes();
        let begun = self.begun();
        let mut last = self.tail;
        let mut places = last.iter_mut().skip(begun);
        if let Some(place) = places.next() {
            *place = 0x80;
        }
        places.for_each(|place| *place = 0);
        if begun >= LENGTH_AT {
            self.compress(&last);
            last = [0; BLOCK_BYTES];
        }
        let places = last.iter_mut().skip(LENGTH_AT);
        places.zip(bits).for_each(|(place, byte)| *place = byte);
        self.compress(&last);
        let mut digest = [0; 16];
        for (place, word) in digest.as_chunks_mut::<4>().0.iter_mut().zip(self.state) {
            *place = word.to_le_bytes();
        }
        digest
    }

    fn begun(&self) -> usize {
        usize::try_from(self.len % BLOCK_BYTES as u64).expect("less than a block")
    }

    fn compress(&mut self, block: &[u8; BLOCK_BYTES]) {
        let mut lane = Lane {
            state: &mut self.state,
            data: block,
        };
        Width::here().advance(std::slice::from_mut(&mut lane), 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use md5::Digest;

    fn expected(bytes: &[u8]) -> [u8; 16] {
        md5::Md5::digest(bytes).into()
    }

    #[test]
    fn messages_of_every_short_length() {
        let bytes: Vec<u8> = (0..300_u32).map(|it| it.to_le_bytes()[0]).collect();
        for len in 0..=bytes.len() {
            assert_eq!(Md5::digest(&bytes[..len]), expected(&bytes[..len]), "{len}");
        }
    }

    #[test]
    fn messages_in_pieces() {
        let bytes: Vec<u8> = (0..1000_u32).map(|it| (it * 7).to_le_bytes()[0]).collect();
        for step in [1, 3, 63, 64, 65, 127, 200] {
            let mut md5 = Md5::default();
            bytes.chunks(step).for_each(|piece| md5.update(piece));
            md5.update(&[]);
            assert_eq!(md5.finish(), expected(&bytes), "in pieces of {step}");
        }
    }
}
