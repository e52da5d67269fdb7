//! What follows a record's header: a CRC32C for each block of the payload, and digests computed at ingest.

use super::bytes::{Reader, crc_of, is_zero, pad_to};
use super::error::FormatError;
use super::geometry::Geometry;
use super::record::RecordHeader;
use crate::canary::{self, Canary};
use crc_fast::CrcAlgorithm;

const WHAT: &str = "record extension";
const MD5_LEN: usize = 16;
const SHA256_LEN: usize = 32;

/// Digests of a payload that were computed when it came in, so that a known blob's ETag needs no second pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Digests {
    /// MD5, if it was computed.
    pub md5: Option<[u8; 16]>,
    /// SHA-256, if it was computed.
    pub sha256: Option<[u8; 32]>,
}

impl Digests {
    /// The bits of a record's flags that say which digests the extension has.
    pub(super) const FLAG_MD5: u16 = 1;
    pub(super) const FLAG_SHA256: u16 = 2;

    /// The flags for these digests.
    pub(super) fn flags(&self) -> u16 {
        let md5 = self.md5.map_or(0, |_| Self::FLAG_MD5);
        let sha256 = self.sha256.map_or(0, |_| Self::FLAG_SHA256);
        md5 | sha256
    }
}

/// Bytes of the extension of a payload of this length.
pub(super) fn extension_len(payload_len: usize, flags: u16, crc_block_bytes: u32) -> usize {
    let md5 = if flags & Digests::FLAG_MD5 == 0 {
        0
    } else {
        MD5_LEN
    };
    let sha256 = if flags & Digests::FLAG_SHA256 == 0 {
        0
    } else {
        SHA256_LEN
    };
    pad_to(4 * payload_len.div_ceil(block_len(crc_block_bytes)), 8) + md5 + sha256
}

/// The checksums and digests of one payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extension {
    /// How many bytes of the payload each CRC covers; the last may cover fewer.
    pub crc_block_bytes: u32,
    /// The CRC32C of each block, in order; none for an empty payload.
    pub block_crcs: Vec<u32>,
    /// Digests of the whole payload.
    pub digests: Digests,
}

impl Extension {
    /// The extension of `payload`, whose `digests` the caller computed or knows.
    pub fn of(payload: &[u8], digests: Digests, crc_block_bytes: u32) -> Self {
        Self {
            crc_block_bytes,
            block_crcs: payload
                .chunks(block_len(crc_block_bytes))
                .map(block_crc)
                .collect(),
            digests,
        }
    }

    /// Its bytes, a multiple of 8.
    pub fn encode(&self) -> Vec<u8> {
        let mut out: Vec<u8> = self
            .block_crcs
            .iter()
            .flat_map(|crc| crc.to_le_bytes())
            .collect();
        out.resize(pad_to(out.len(), 8), 0);
        out.extend(self.digests.md5.iter().flatten());
        out.extend(self.digests.sha256.iter().flatten());
        out
    }

    /// Reads the extension that follows `header`; `bytes` begin right after the header and may go on behind the extension.
    pub fn decode(
        bytes: &[u8],
        header: &RecordHeader,
        geometry: &Geometry,
    ) -> Result<Self, FormatError> {
        let bytes = Reader::new(bytes, WHAT).bytes(header.extension_len as usize)?;
        if crc_of(&[bytes]) != header.extension_crc {
            return Err(FormatError::Checksum { what: WHAT });
        }
        let mut from = Reader::new(bytes, WHAT);
        let blocks = (header.payload_len as usize).div_ceil(block_len(geometry.crc_block_bytes));
        let block_crcs = (0..blocks).map(|_| from.u32()).collect::<Result<_, _>>()?;
        if !is_zero(from.bytes(4 * (blocks % 2))?) {
            return Err(FormatError::Content {
                what: "padding of the record extension",
            });
        }
        let md5 = header.md5.then(|| from.array()).transpose()?;
        let sha256 = header.sha256.then(|| from.array()).transpose()?;
        Ok(Self {
            crc_block_bytes: geometry.crc_block_bytes,
            block_crcs,
            digests: Digests { md5, sha256 },
        })
    }

    /// Whether `block` is the payload's block number `index`.
    pub fn verify_block(&self, index: usize, block: &[u8]) -> bool {
        self.block_crcs.get(index) == Some(&block_crc(block))
    }

    /// Checks a whole payload; the error is the first block that differs.
    pub fn verify_payload(&self, payload: &[u8]) -> Result<(), usize> {
        let blocks = payload.chunks(block_len(self.crc_block_bytes));
        let found = blocks.len();
        let differs = blocks
            .enumerate()
            .find(|(index, block)| !self.verify_block(*index, block));
        match differs {
            Some((index, _)) => Err(index),
            None if found < self.block_crcs.len() => Err(found),
            None => Ok(()),
        }
    }
}

/// The CRC32C of a block. By the crate that uses carry-less multiplication, twice as fast on long blocks: every byte that
/// leaves the store passes here.
fn block_crc(block: &[u8]) -> u32 {
    let covered = if canary::is(Canary::CrcOverHalf) {
        block.get(..block.len() / 2).unwrap_or_default()
    } else {
        block
    };
    let crc = crc_fast::checksum(CrcAlgorithm::Crc32Iscsi, covered);
    u32::try_from(crc).expect("a CRC of 32 bits")
}

/// A block's length in memory: at most 1 MiB, and never 0.
fn block_len(crc_block_bytes: u32) -> usize {
    usize::try_from(crc_block_bytes.max(1)).expect("at most 1 MiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_follows_from_payload_and_flags() {
        for payload_len in [0, 1, 511, 512, 513, 1024, 1025, 5000] {
            let payload = vec![1; payload_len];
            for digests in [
                Digests::default(),
                Digests {
                    md5: Some([1; 16]),
                    sha256: None,
                },
                Digests {
                    md5: None,
                    sha256: Some([2; 32]),
                },
                Digests {
                    md5: Some([1; 16]),
                    sha256: Some([2; 32]),
                },
            ] {
                let bytes = Extension::of(&payload, digests, 512).encode();
                assert_eq!(
                    bytes.len(),
                    extension_len(payload_len, digests.flags(), 512)
                );
                assert_eq!(bytes.len() % 8, 0);
            }
        }
    }

    #[test]
    fn each_block_verifies_alone() {
        let mut payload = vec![7; 1300];
        let extension = Extension::of(&payload, Digests::default(), 512);
        assert_eq!(extension.verify_payload(&payload), Ok(()));
        assert_eq!(extension.verify_payload(&payload[..1024]), Err(2));
        assert_eq!(extension.verify_payload(&[]), Err(0));
        assert!(!extension.verify_block(3, &[]));
        payload[600] ^= 1;
        assert!(extension.verify_block(0, &payload[..512]));
        assert!(!extension.verify_block(1, &payload[512..1024]));
        assert_eq!(extension.verify_payload(&payload), Err(1));
    }
}
