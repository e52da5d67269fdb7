//! One fixed value of every structure on disk, for the tests of the format.
#![allow(
    dead_code,
    reason = "each test file that includes this uses a part of it"
)]

use moraine_engine::format::*;
use moraine_engine::*;

pub const BINDING: Binding = Binding(0x1357_9bdf_0246_8ace);
pub const STORE: StoreId = StoreId(*b"a store of tests");
pub const NODE: NodeId = NodeId(0x00c0_ffee_0000_0001);
pub const BUCKET: BucketId = BucketId(0xb0b0_0000_0000_0007);
pub const TENANT: TenantId = TenantId(0x7e4a_0000_0000_0001);
pub const CREATED_MS: u64 = 1_790_000_000_000;

/// Small enough that every flip of every bit can be tried.
pub fn geometry() -> Geometry {
    Geometry {
        extent_bytes: 1024,
        crc_block_bytes: 512,
        segment_bytes: 64 << 10,
        block_bytes: 512,
    }
}

/// Bytes that follow from `seed` and do not repeat.
pub fn bytes(seed: u64, len: usize) -> Vec<u8> {
    let mut out = vec![0; len];
    blake3::Hasher::new()
        .update(&seed.to_le_bytes())
        .finalize_xof()
        .fill(&mut out);
    out
}

pub fn stamp(hlc: u64, bucket: BucketId) -> [u8; 32] {
    Stamp {
        version: Version {
            hlc: Hlc((CREATED_MS << 16) + hlc),
            node: NODE,
        },
        bucket,
    }
    .to_id_bytes()
}

pub fn superblock() -> Superblock {
    Superblock {
        format_version: FORMAT_VERSION,
        store: STORE,
        node: NODE,
        incarnation: Incarnation(3),
        compatible: 0,
        read_only: 0,
        incompatible: 0,
        geometry: geometry(),
        created_ms: CREATED_MS,
        key_check: key_check(&STORE, &[0x42; 32]),
    }
}

pub fn segment_header(segment: u64) -> SegmentHeader {
    SegmentHeader {
        store: STORE,
        node: NODE,
        incarnation: Incarnation(3),
        segment: SegmentNumber(segment),
        binding: BINDING,
        geometry: geometry(),
        created_ms: CREATED_MS,
        live: match segment {
            1 => Vec::new(),
            _ => vec![(SegmentNumber(1), segment - 1)],
        },
    }
}

pub fn batch_header() -> BatchHeader {
    BatchHeader {
        offset: Offset(8192),
        len: 4096,
        records: 5,
        synced: LogPoint {
            segment: SegmentNumber(1),
            offset: Offset(8192),
        },
        hlc: Hlc((CREATED_MS << 16) + 9),
    }
}

/// A whole record.
pub fn record(kind: RecordKind, id: &[u8; 32], payload: &[u8], digests: Digests) -> Vec<u8> {
    let crc_block_bytes = geometry().crc_block_bytes;
    let extension = Extension::of(payload, digests, crc_block_bytes);
    let mut out = vec![0; record_len(payload.len(), &digests, crc_block_bytes)];
    encode_record(&mut out, kind, id, payload, &extension, BINDING);
    out
}

/// An extent with no digests.
pub fn extent(content: &[u8]) -> Vec<u8> {
    let id = Id::of(content);
    record(
        RecordKind::Extent,
        id.as_bytes(),
        content,
        Digests::default(),
    )
}

/// An extent with an odd length, an odd number of CRC blocks, and both digests.
pub fn extent_with_digests() -> Vec<u8> {
    let content = b"Stones from everywhere, laid down in layers.";
    let digests = Digests {
        md5: Some([0x11; 16]),
        sha256: Some([0x22; 32]),
    };
    record(
        RecordKind::Extent,
        Id::of(content).as_bytes(),
        content,
        digests,
    )
}

/// The chained manifest of `content`, cut into extents.
pub fn manifest_of(content: &[u8]) -> Manifest {
    let full = geometry().extent_bytes as usize;
    let extents = content.chunks(full).enumerate().map(|(index, extent)| {
        let offset = (index * full) as u64;
        ManifestExtent {
            id: Id::of(extent),
            chaining: chaining_value(extent, offset),
            len: u32::try_from(extent.len()).unwrap(),
        }
    });
    Manifest {
        total_len: content.len() as u64,
        base_offset: 0,
        chained: true,
        part: false,
        extents: extents.collect(),
    }
}

pub fn manifest_record(content: &[u8]) -> Vec<u8> {
    let payload = manifest_of(content).encode();
    record(
        RecordKind::Manifest,
        Id::of(content).as_bytes(),
        &payload,
        Digests::default(),
    )
}

pub fn object(key: &str) -> NameKey {
    NameKey::object(BUCKET, key.as_bytes()).unwrap()
}

/// A name with every field.
pub fn full_name() -> NameRecord {
    let text = |text: &str| Some(text.to_owned());
    NameRecord {
        etag: "9b2cf535f27731c974343645a3985328-2".into(),
        last_modified_ms: CREATED_MS + 5,
        content_type: text("image/png"),
        cache_control: text("public, max-age=31536000, immutable"),
        content_disposition: text("inline"),
        content_encoding: text("identity"),
        content_language: text("fr"),
        expires: text("Thu, 01 Dec 2994 16:00:00 GMT"),
        user_metadata: vec![
            ("mtime".into(), "1".into()),
            ("empty".into(), String::new()),
        ],
        acl: Acl::PublicRead,
        checksums: vec![Checksum {
            algorithm: "CRC32".into(),
            value: "AAAAAA==".into(),
            composite: true,
        }],
        parts: vec![5 << 20, 1],
        deps: vec![Position {
            node: NodeId(2),
            incarnation: Incarnation(1),
            segment: SegmentNumber(4),
            offset: Offset(8192),
        }],
        object_key: Some(b"key of an upload".to_vec()),
        owner: Some(TENANT),
        storage_class: text("STANDARD"),
        ..NameRecord::new(object("médias/été.png"), Some(Id::of(b"x")), 1)
    }
}

pub fn name_record(hlc: u64, name: &NameRecord) -> Vec<u8> {
    record(
        RecordKind::Name,
        &stamp(hlc, BUCKET),
        &name.encode(),
        Digests::default(),
    )
}

pub fn tombstone_record(hlc: u64, key: NameKey) -> Vec<u8> {
    let payload = Tombstone::new(key).encode();
    record(
        RecordKind::Tombstone,
        &stamp(hlc, BUCKET),
        &payload,
        Digests::default(),
    )
}

pub fn tenant() -> CatalogRecord {
    CatalogRecord::new(
        CREATED_MS,
        CatalogEntry::Tenant {
            id: TENANT,
            name: "default".into(),
        },
    )
}

pub fn access_key() -> CatalogRecord {
    CatalogRecord::new(
        CREATED_MS,
        CatalogEntry::AccessKey {
            access_key: "MORAINEEXAMPLE".into(),
            tenant: TENANT,
            sealed: bytes(1, 24 + 40 + 16),
        },
    )
}

pub fn bucket() -> CatalogRecord {
    CatalogRecord::new(
        CREATED_MS,
        CatalogEntry::Bucket {
            id: BUCKET,
            name: "media".into(),
            tenant: TENANT,
            public_read: true,
        },
    )
}

pub fn catalog_record(hlc: u64, entry: &CatalogRecord) -> Vec<u8> {
    record(
        RecordKind::Catalog,
        &stamp(hlc, BucketId(0)),
        &entry.encode(),
        Digests::default(),
    )
}

pub fn start() -> StartRecord {
    StartRecord {
        incarnation: Incarnation(3),
        previous: Incarnation(2),
        end: LogPoint {
            segment: SegmentNumber(1),
            offset: Offset(12_288),
        },
        created_ms: CREATED_MS,
        unknown: Unknown::default(),
    }
}

pub fn start_record(hlc: u64) -> Vec<u8> {
    record(
        RecordKind::Start,
        &stamp(hlc, BucketId(0)),
        &start().encode(),
        Digests::default(),
    )
}

/// Lays batches out in a segment, as a log writer does.
pub struct SegmentBuilder {
    header: SegmentHeader,
    pub file: Vec<u8>,
    footer: FooterBuilder,
    last: Hlc,
    synced: LogPoint,
    stalled: bool,
}

impl SegmentBuilder {
    pub fn new(segment: u64) -> Self {
        let header = segment_header(segment);
        let file = header.encode();
        Self {
            footer: FooterBuilder::new(header.binding),
            synced: LogPoint {
                segment: header.segment,
                offset: Offset(file.len() as u64),
            },
            header,
            file,
            last: Hlc(CREATED_MS << 16),
            stalled: false,
        }
    }

    pub fn batch(&mut self, records: &[Vec<u8>]) {
        let at = self.file.len();
        if !self.stalled {
            self.synced.offset = Offset(at as u64);
        }
        let len = pad_to(
            BATCH_HEADER_LEN + records.iter().map(Vec::len).sum::<usize>(),
            self.header.geometry.block_bytes as usize,
        );
        self.last = Hlc(self.last.0 + records.len() as u64);
        let header = BatchHeader {
            offset: Offset(at as u64),
            len: u32::try_from(len).unwrap(),
            records: u32::try_from(records.len()).unwrap(),
            synced: self.synced,
            hlc: self.last,
        };
        self.file
            .extend_from_slice(&header.encode(self.header.binding));
        self.footer.add_batch();
        for record in records {
            let offset = Offset(self.file.len() as u64);
            let header = RecordHeader::decode(record, BINDING, &geometry()).unwrap();
            self.footer.add_record(&header, offset, record);
            self.file.extend_from_slice(record);
        }
        self.file.resize(at + len, 0);
    }

    /// From now on, batches are written before the last one is synced.
    pub fn stall(&mut self) {
        self.stalled = true;
    }

    /// Bytes where a batch was, which recovery gave up.
    pub fn damaged(&mut self, len: usize) -> Gap {
        let offset = Offset(self.file.len() as u64);
        self.file.extend(bytes(99, len));
        Gap {
            offset,
            len: len as u64,
        }
    }

    pub fn seal(mut self, gaps: &[Gap]) -> Vec<u8> {
        let end = Offset(self.file.len() as u64);
        let block = self.header.geometry.block_bytes;
        self.file
            .extend(self.footer.finish(end, gaps, self.last, block));
        self.file
    }
}

/// A sealed segment with a record of every kind that this version writes, and a batch without records.
pub fn sealed_segment() -> Vec<u8> {
    let blob = bytes(7, 2500);
    let mut segment = SegmentBuilder::new(1);
    segment.batch(&[
        start_record(1),
        catalog_record(2, &tenant()),
        catalog_record(3, &access_key()),
        catalog_record(4, &bucket()),
    ]);
    let mut records: Vec<_> = blob.chunks(1024).map(extent).collect();
    records.push(manifest_record(&blob));
    records.push(name_record(
        5,
        &NameRecord::new(object("blob"), Some(Id::of(&blob)), 2500),
    ));
    segment.batch(&records);
    segment.batch(&[]);
    let gap = segment.damaged(512);
    segment.batch(&[extent_with_digests(), tombstone_record(6, object("gone"))]);
    segment.seal(&[gap])
}
