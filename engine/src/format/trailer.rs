//! The last bytes of a sealed segment: where its footer lies, and the hash that proves it.

use super::bytes::{Fixed, Reader, crc_of, len_u64};
use super::error::FormatError;
use super::footer::FOOTER_HEADER_LEN;

/// Bytes of a trailer.
pub const TRAILER_LEN: usize = 64;

const MAGIC: &[u8; 4] = b"MFTR";
const WHAT: &str = "segment trailer";
/// The most bytes of a footer: eight times what a log writer lets it grow to, as room for the gaps that recovery adds.
const FOOTER_MAX: u64 = 256 << 20;
const _: () = assert!(4 + 4 + 8 + 8 + 8 + 32 == TRAILER_LEN);

/// What the trailer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trailer {
    /// Where the footer begins, which is where batches end.
    pub offset: u64,
    /// Bytes of the footer, up to the end of its gaps: neither padding nor trailer.
    pub len: u64,
    /// BLAKE3 of these bytes.
    pub hash: [u8; 32],
}

impl Trailer {
    /// Its bytes.
    pub fn encode(&self) -> [u8; TRAILER_LEN] {
        let mut covered = Fixed::<{ TRAILER_LEN - 8 }>::new();
        covered
            .u64(self.offset)
            .u64(self.len)
            .u64(0)
            .put(&self.hash);
        let covered = covered.finish();
        let mut out = Fixed::<TRAILER_LEN>::new();
        out.put(MAGIC).u32(crc_of(&[MAGIC, &covered])).put(&covered);
        out.finish()
    }

    /// Reads the last 64 bytes of a file.
    pub fn decode(bytes: &[u8; TRAILER_LEN]) -> Result<Self, FormatError> {
        let mut from = Reader::new(bytes, WHAT);
        from.magic(MAGIC)?;
        let crc = from.u32()?;
        if crc != crc_of(&[MAGIC, from.rest()]) {
            return Err(FormatError::Checksum { what: WHAT });
        }
        let offset = from.u64()?;
        let len = from.u64()?;
        let _reserved = from.u64()?;
        let hash = from.array()?;
        if !(len_u64(FOOTER_HEADER_LEN)..=FOOTER_MAX).contains(&len) {
            return Err(FormatError::Range {
                what: "footer length",
                found: len,
            });
        }
        Ok(Self { offset, len, hash })
    }

    /// Whether the footer lies between the segment's header and this trailer, in a file of `file_len` bytes.
    pub fn fits(&self, file_len: u64) -> bool {
        self.offset
            .checked_add(self.len)
            .and_then(|end| end.checked_add(len_u64(TRAILER_LEN)))
            .is_some_and(|end| end <= file_len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_and_is_bounded() {
        let trailer = Trailer {
            offset: 8192,
            len: 192,
            hash: [1; 32],
        };
        assert_eq!(Trailer::decode(&trailer.encode()), Ok(trailer));
        assert!(trailer.fits(8192 + 192 + 64));
        assert!(!trailer.fits(8192 + 192 + 63));
        assert!(
            !Trailer {
                offset: u64::MAX,
                ..trailer
            }
            .fits(u64::MAX)
        );
        for len in [0, 191, u64::MAX] {
            assert!(Trailer::decode(&Trailer { len, ..trailer }.encode()).is_err());
        }
    }
}
