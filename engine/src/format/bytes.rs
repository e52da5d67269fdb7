//! Little-endian reading and writing with bounds: the only place that turns bytes into numbers.

use super::error::FormatError;

/// The CRC32C of `parts`, one after the other.
pub(super) fn crc_of(parts: &[&[u8]]) -> u32 {
    parts
        .iter()
        .fold(0, |crc, part| crc32c::crc32c_append(crc, part))
}

/// The smallest multiple of `unit` that is not smaller than `len`.
///
/// # Panics
/// If `unit` is 0 or the result does not fit.
pub const fn pad_to(len: usize, unit: usize) -> usize {
    len.next_multiple_of(unit)
}

/// Whether all bytes are 0, as padding is.
pub fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

/// A length in memory as it is kept on disk.
pub(super) fn len_u64(len: usize) -> u64 {
    u64::try_from(len).expect("a length in memory fits 64 bits")
}

/// Reads numbers from the front of some bytes.
#[derive(Clone)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    what: &'static str,
}

impl<'a> Reader<'a> {
    /// A reader of `bytes`, which errors call `what`.
    pub(super) const fn new(bytes: &'a [u8], what: &'static str) -> Self {
        Self { rest: bytes, what }
    }

    /// What has not been read yet.
    pub(super) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next `N` bytes.
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], FormatError> {
        let (head, rest) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or(FormatError::Truncated { what: self.what })?;
        self.rest = rest;
        Ok(*head)
    }

    /// The next `len` bytes.
    pub(super) fn bytes(&mut self, len: usize) -> Result<&'a [u8], FormatError> {
        let (head, rest) = self
            .rest
            .split_at_checked(len)
            .ok_or(FormatError::Truncated { what: self.what })?;
        self.rest = rest;
        Ok(head)
    }

    /// One byte.
    pub(super) fn u8(&mut self) -> Result<u8, FormatError> {
        self.array().map(u8::from_le_bytes)
    }

    /// Two bytes.
    pub(super) fn u16(&mut self) -> Result<u16, FormatError> {
        self.array().map(u16::from_le_bytes)
    }

    /// Four bytes.
    pub(super) fn u32(&mut self) -> Result<u32, FormatError> {
        self.array().map(u32::from_le_bytes)
    }

    /// Eight bytes.
    pub(super) fn u64(&mut self) -> Result<u64, FormatError> {
        self.array().map(u64::from_le_bytes)
    }

    /// The next bytes are the magic of what is read.
    pub(super) fn magic(&mut self, magic: &[u8]) -> Result<(), FormatError> {
        if self.bytes(magic.len())? == magic {
            Ok(())
        } else {
            Err(FormatError::Magic { what: self.what })
        }
    }
}

/// Fills a structure of a fixed size from the front; what is not written stays 0.
pub(super) struct Fixed<const N: usize> {
    bytes: [u8; N],
    at: usize,
}

impl<const N: usize> Fixed<N> {
    /// All zero.
    pub(super) const fn new() -> Self {
        Self {
            bytes: [0; N],
            at: 0,
        }
    }

    /// Appends bytes.
    pub(super) fn put(&mut self, bytes: &[u8]) -> &mut Self {
        let end = self.at + bytes.len();
        self.bytes
            .get_mut(self.at..end)
            .expect("the fields of a structure fit it")
            .copy_from_slice(bytes);
        self.at = end;
        self
    }

    /// Appends one byte.
    pub(super) fn u8(&mut self, value: u8) -> &mut Self {
        self.put(&[value])
    }

    /// Appends two bytes.
    pub(super) fn u16(&mut self, value: u16) -> &mut Self {
        self.put(&value.to_le_bytes())
    }

    /// Appends four bytes.
    pub(super) fn u32(&mut self, value: u32) -> &mut Self {
        self.put(&value.to_le_bytes())
    }

    /// Appends eight bytes.
    pub(super) fn u64(&mut self, value: u64) -> &mut Self {
        self.put(&value.to_le_bytes())
    }

    /// Leaves zeros up to `offset`, which is where the next field goes.
    pub(super) fn seek(&mut self, offset: usize) -> &mut Self {
        assert!(
            self.at <= offset && offset <= N,
            "fields are written in order"
        );
        self.at = offset;
        self
    }

    /// Appends the CRC32C of everything before it.
    pub(super) fn crc(&mut self) -> &mut Self {
        let (covered, _) = self.bytes.split_at(self.at);
        let crc = crc_of(&[covered]);
        self.u32(crc)
    }

    /// The structure, written to its last byte.
    pub(super) fn finish(&self) -> [u8; N] {
        assert_eq!(self.at, N, "a structure is written to its end");
        self.bytes
    }
}
