//! One framed entry of a log: header, extension, payload, padding.
//!
//! The header alone says what follows and is checked by its own CRC; the extension is checked by a CRC in the header; the
//! payload by the CRCs in the extension. Thus a range of a payload can be verified without reading the rest.

use super::bytes::{Fixed, Reader, crc_of, is_zero, len_u64, pad_to};
use super::error::{FormatError, expect};
use super::extension::{Digests, Extension, extension_len};
use super::geometry::Geometry;
use super::identity::Binding;
use super::kind::RecordKind;
use super::stamp::Stamp;
use crate::id::Id;

/// Bytes of a record header.
pub const RECORD_HEADER_LEN: usize = 64;

const MAGIC: &[u8; 4] = b"MREC";
const WHAT: &str = "record header";
const VERSION: u8 = 1;
const KNOWN_FLAGS: u16 = Digests::FLAG_MD5 | Digests::FLAG_SHA256;
const _: () = assert!(4 + 1 + 1 + 2 + 4 + 4 + 8 + Id::LEN + 4 + 4 == RECORD_HEADER_LEN);

/// Bytes of a whole record, padding included.
pub fn record_len(payload_len: usize, digests: &Digests, crc_block_bytes: u32) -> usize {
    RECORD_HEADER_LEN
        + extension_len(payload_len, digests.flags(), crc_block_bytes)
        + pad_to(payload_len, 8)
}

/// Writes a record to `out`, which is exactly [`record_len`] bytes long, whatever was there before.
///
/// # Panics
/// If `out` has another length, or the extension is not one of this payload.
pub fn encode_record(
    out: &mut [u8],
    kind: RecordKind,
    id: &[u8; 32],
    payload: &[u8],
    extension: &Extension,
    binding: Binding,
) {
    let len = record_len(payload.len(), &extension.digests, extension.crc_block_bytes);
    assert_eq!(out.len(), len, "the caller made room for this record");
    let extra = extension.encode();
    let mut header = Fixed::<RECORD_HEADER_LEN>::new();
    header
        .put(MAGIC)
        .u8(kind.number())
        .u8(VERSION)
        .u16(extension.digests.flags())
        .u32(u32::try_from(payload.len()).expect("a payload has at most 16 MiB"))
        .u32(u32::try_from(extra.len()).expect("smaller than the payload, or 48 bytes"))
        .u64(binding.0)
        .put(id)
        .u32(crc_of(&[&extra]))
        .crc();
    let mut rest = out;
    for part in [&header.finish(), &*extra, payload] {
        let (head, tail) = rest.split_at_mut(part.len());
        head.copy_from_slice(part);
        rest = tail;
    }
    rest.fill(0);
}

/// What the header of a record says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordHeader {
    /// What the record is.
    pub kind: RecordKind,
    /// Whether the extension has an MD5.
    pub md5: bool,
    /// Whether the extension has a SHA-256.
    pub sha256: bool,
    /// Bytes of the payload, padding not included.
    pub payload_len: u32,
    /// Bytes of the extension, padding included.
    pub extension_len: u32,
    /// The BLAKE3 of the content, or a [`Stamp`].
    pub id: Id,
    /// CRC32C of the extension.
    pub extension_crc: u32,
}

impl RecordHeader {
    /// Reads a header; `bytes` may go on behind it. Every length is in range for its kind and geometry afterwards.
    pub fn decode(
        bytes: &[u8],
        binding: Binding,
        geometry: &Geometry,
    ) -> Result<Self, FormatError> {
        let truncated = FormatError::Truncated { what: WHAT };
        let bytes = bytes.first_chunk::<RECORD_HEADER_LEN>().ok_or(truncated)?;
        let (covered, crc) = bytes.split_last_chunk::<4>().ok_or(truncated)?;
        let mut from = Reader::new(covered, WHAT);
        from.magic(MAGIC)?;
        if u32::from_le_bytes(*crc) != crc_of(&[covered]) {
            return Err(FormatError::Checksum { what: WHAT });
        }
        let kind = from.u8()?;
        let version = from.u8()?;
        if version != VERSION {
            return Err(FormatError::Version {
                what: WHAT,
                found: u32::from(version),
            });
        }
        let flags = from.u16()?;
        let payload_len = from.u32()?;
        let extension_len = from.u32()?;
        expect("binding of the record", binding.0, from.u64()?)?;
        if flags & !KNOWN_FLAGS != 0 {
            return Err(FormatError::Range {
                what: "record flags",
                found: u64::from(flags),
            });
        }
        let header = Self {
            kind: RecordKind::try_from(kind)?,
            md5: flags & Digests::FLAG_MD5 != 0,
            sha256: flags & Digests::FLAG_SHA256 != 0,
            payload_len,
            extension_len,
            id: Id::from_bytes(from.array()?),
            extension_crc: from.u32()?,
        };
        header.check(flags, geometry)?;
        Ok(header)
    }

    /// Bytes of the whole record, padding included.
    pub fn len(&self) -> usize {
        self.payload_at() + pad_to(self.payload_len as usize, 8)
    }

    /// Never: a record has at least its header.
    pub const fn is_empty(&self) -> bool {
        false
    }

    /// Where in the record the payload begins.
    pub fn payload_at(&self) -> usize {
        RECORD_HEADER_LEN + self.extension_len as usize
    }

    /// Who wrote the record, and when. An error for extents and manifests, whose id is their content's.
    pub fn stamp(&self) -> Result<Stamp, FormatError> {
        if self.kind.is_content() {
            return Err(FormatError::Content { what: "stamp" });
        }
        Stamp::from_id_bytes(self.id.as_bytes())
    }

    /// The digest bits, as the footer's table keeps them.
    pub(super) fn flags(&self) -> u16 {
        let md5 = if self.md5 { Digests::FLAG_MD5 } else { 0 };
        let sha256 = if self.sha256 { Digests::FLAG_SHA256 } else { 0 };
        md5 | sha256
    }

    fn check(&self, flags: u16, geometry: &Geometry) -> Result<(), FormatError> {
        let payload_len = self.payload_len as usize;
        if payload_len > geometry.payload_max(self.kind) {
            return Err(FormatError::Range {
                what: "payload length",
                found: u64::from(self.payload_len),
            });
        }
        let extension_len = extension_len(payload_len, flags, geometry.crc_block_bytes);
        if self.extension_len as usize != extension_len {
            return Err(FormatError::Range {
                what: "extension length",
                found: u64::from(self.extension_len),
            });
        }
        Ok(())
    }
}

/// A whole record that verifies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordView<'a> {
    /// Its header.
    pub header: RecordHeader,
    /// Its checksums and digests.
    pub extension: Extension,
    /// Its payload, checked against them.
    pub payload: &'a [u8],
}

impl<'a> RecordView<'a> {
    /// Reads a record and checks everything in it, padding included; `bytes` may go on behind it.
    pub fn parse(
        bytes: &'a [u8],
        binding: Binding,
        geometry: &Geometry,
    ) -> Result<Self, FormatError> {
        let header = RecordHeader::decode(bytes, binding, geometry)?;
        let mut from = Reader::new(bytes, "record");
        from.bytes(RECORD_HEADER_LEN)?;
        let extension = Extension::decode(from.rest(), &header, geometry)?;
        from.bytes(header.extension_len as usize)?;
        let payload = from.bytes(header.payload_len as usize)?;
        extension
            .verify_payload(payload)
            .map_err(|index| FormatError::Block { index })?;
        if !is_zero(from.bytes(pad_to(payload.len(), 8) - payload.len())?) {
            return Err(FormatError::Content {
                what: "padding of the record",
            });
        }
        Ok(Self {
            header,
            extension,
            payload,
        })
    }

    /// Bytes of the whole record, padding included.
    pub fn len(&self) -> u64 {
        len_u64(self.header.len())
    }

    /// Never: a record has at least its header.
    pub const fn is_empty(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BINDING: Binding = Binding(0x1122_3344);

    fn geometry() -> Geometry {
        Geometry {
            extent_bytes: 4096,
            crc_block_bytes: 512,
            segment_bytes: 64 << 10,
            block_bytes: 512,
        }
    }

    fn encode(kind: RecordKind, payload: &[u8], digests: Digests) -> Vec<u8> {
        let extension = Extension::of(payload, digests, 512);
        let mut out = vec![0; record_len(payload.len(), &digests, 512)];
        let id = Id::of(payload);
        encode_record(&mut out, kind, id.as_bytes(), payload, &extension, BINDING);
        out
    }

    #[test]
    fn round_trips_at_every_edge() {
        let all = Digests {
            md5: Some([5; 16]),
            sha256: Some([6; 32]),
        };
        for len in [0, 1, 7, 8, 9, 511, 512, 513, 1024, 1025, 4096] {
            for digests in [Digests::default(), all] {
                let payload = vec![0xa5; len];
                let mut bytes = encode(RecordKind::Extent, &payload, digests);
                assert_eq!(bytes.len() % 8, 0);
                bytes.extend_from_slice(b"behind");
                let view = RecordView::parse(&bytes, BINDING, &geometry()).unwrap();
                assert_eq!(view.payload, payload);
                assert_eq!(view.extension.digests, digests);
                assert_eq!(view.header.len(), bytes.len() - 6);
                assert_eq!(view.header.id, Id::of(&payload));
            }
        }
    }

    #[test]
    fn payload_is_bounded_by_kind() {
        let payload = vec![0; 4097];
        let extent = encode(RecordKind::Extent, &payload, Digests::default());
        assert!(matches!(
            RecordView::parse(&extent, BINDING, &geometry()),
            Err(FormatError::Range {
                what: "payload length",
                ..
            })
        ));
        let manifest = encode(RecordKind::Manifest, &payload, Digests::default());
        assert!(RecordView::parse(&manifest, BINDING, &geometry()).is_ok());
    }

    #[test]
    fn another_segments_bytes_never_parse() {
        let bytes = encode(RecordKind::Extent, b"x", Digests::default());
        assert!(matches!(
            RecordHeader::decode(&bytes, Binding(1), &geometry()),
            Err(FormatError::Misplaced { .. })
        ));
    }

    #[test]
    fn other_block_sizes_are_refused_not_misread() {
        let bytes = encode(RecordKind::Extent, &[1; 2000], Digests::default());
        let other = Geometry {
            crc_block_bytes: 1024,
            ..geometry()
        };
        assert!(RecordHeader::decode(&bytes, BINDING, &other).is_err());
    }

    #[test]
    fn only_records_that_are_not_content_have_stamps() {
        let bytes = encode(RecordKind::Extent, b"x", Digests::default());
        let header = RecordHeader::decode(&bytes, BINDING, &geometry()).unwrap();
        assert!(header.stamp().is_err());
        let stamp = Stamp {
            version: Default::default(),
            bucket: crate::position::BucketId(4),
        };
        let name = RecordHeader {
            kind: RecordKind::Name,
            id: Id::from_bytes(stamp.to_id_bytes()),
            ..header
        };
        assert_eq!(name.stamp(), Ok(stamp));
    }
}
