//! A reader of segment files for the bars that damage them: where each batch and record lies.

use moraine_engine::format::{
    BatchHeader, Footer, Geometry, RECORD_HEADER_LEN, RecordHeader, SegmentHeader, Trailer,
};
use moraine_engine::io::sim::SimDisk;
use moraine_engine::{Id, Offset};

/// A segment file, taken apart.
pub struct LogFile {
    pub path: String,
    pub data_start: u64,
    pub batches: Vec<Batch>,
    /// The highest position in this segment that an intact batch says was synced.
    pub attested: u64,
    pub footer: Option<Footer>,
}

/// A batch whose header is intact.
pub struct Batch {
    pub offset: u64,
    pub len: u64,
    pub records: Vec<Record>,
}

impl Batch {
    pub fn end(&self) -> u64 {
        self.offset + self.len
    }
}

/// A record whose header is intact.
pub struct Record {
    pub offset: u64,
    pub len: u64,
    pub header: RecordHeader,
    pub payload: Vec<u8>,
}

/// The paths of all segment files, oldest first.
pub fn segments(disk: &SimDisk) -> Vec<String> {
    disk.files()
        .into_iter()
        .filter(|path| path.starts_with("log/"))
        .collect()
}

impl LogFile {
    pub fn newest(disk: &SimDisk) -> Self {
        Self::read(disk, segments(disk).last().expect("there is a log"))
    }

    pub fn read(disk: &SimDisk, path: &str) -> Self {
        let bytes = disk.read_file(path).unwrap();
        let (header, data_start, _) = SegmentHeader::decode(&bytes).unwrap();
        let mut batches = Vec::new();
        let mut attested = data_start;
        let mut at = data_start;
        // Batches behind a tear are found, too: every block is tried.
        while let Some(rest) = bytes
            .get(usize::try_from(at).unwrap()..)
            .filter(|rest| !rest.is_empty())
        {
            let limit = u32::try_from(rest.len()).unwrap();
            match BatchHeader::decode(rest, header.binding, Offset(at), limit) {
                Ok(batch) => {
                    if batch.synced.segment == header.segment {
                        attested = attested.max(batch.synced.offset.0);
                    }
                    let len = u64::from(batch.len);
                    let records = records(&rest[..batch.len as usize], at, &header);
                    batches.push(Batch {
                        offset: at,
                        len,
                        records,
                    });
                    at += len;
                }
                Err(_) => at += u64::from(header.geometry.block_bytes),
            }
        }
        let footer = footer(&bytes, &header, &header.geometry);
        Self {
            path: path.to_owned(),
            data_start,
            batches,
            attested,
            footer,
        }
    }

    pub fn records(&self) -> impl Iterator<Item = &Record> {
        self.batches.iter().flat_map(|batch| &batch.records)
    }

    /// Where the last intact batch ends.
    pub fn end(&self) -> u64 {
        self.batches.last().map_or(self.data_start, Batch::end)
    }
}

fn records(batch: &[u8], offset: u64, segment: &SegmentHeader) -> Vec<Record> {
    let mut out = Vec::new();
    let mut at = moraine_engine::format::BATCH_HEADER_LEN;
    while at + RECORD_HEADER_LEN <= batch.len() {
        let Ok(header) = RecordHeader::decode(&batch[at..], segment.binding, &segment.geometry)
        else {
            break;
        };
        let payload = &batch[at + header.payload_at()..][..header.payload_len as usize];
        out.push(Record {
            offset: offset + at as u64,
            len: header.len() as u64,
            payload: payload.to_vec(),
            header,
        });
        at += header.len();
    }
    out
}

fn footer(bytes: &[u8], header: &SegmentHeader, geometry: &Geometry) -> Option<Footer> {
    let trailer = Trailer::decode(bytes.last_chunk()?).ok()?;
    let start = usize::try_from(trailer.offset).ok()?;
    let len = usize::try_from(trailer.len).ok()?;
    let footer = bytes.get(start..)?.get(..len)?;
    Footer::decode(footer.to_vec(), &trailer, header.binding, geometry).ok()
}

/// Whether some content is made of a record with this id: as its manifest, or as one of its extents.
pub fn is_part_of(id: &Id, content: &[u8], extent_bytes: usize) -> bool {
    Id::of(content) == *id
        || content
            .chunks(extent_bytes)
            .any(|extent| Id::of(extent) == *id)
}
