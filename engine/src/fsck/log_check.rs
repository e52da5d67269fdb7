//! Headers, batches, records and footers of every segment.

use super::contents::Contents;
use super::name_check::NameView;
use super::report::{Progress, Report, Subject};
use crate::error::{Error, Result};
use crate::format::{
    CatalogRecord, FooterBuilder, Gap, Manifest, NameRecord, RecordKind, StartRecord, Tombstone,
};
use crate::id::Id;
use crate::io::{Disk, OpenMode};
use crate::log::scan::{Bad, Scanned, ScannedBatch, ScannedRecord, Scanner, read_at};
use crate::log::{Opened, Segment, Segments, find_end, read_footer};
use crate::position::{Hlc, Offset, SegmentNumber};
use crate::sync::Arc;
use rayon::prelude::*;

/// Checks all segments.
pub(super) fn check(
    disk: &Arc<dyn Disk>,
    segments: &Segments,
    contents: &mut Contents,
    view: &mut NameView<'_>,
    report: &mut Report,
    progress: &mut dyn FnMut(Progress),
) -> Result<()> {
    let all = segments.all();
    for (index, segment) in all.iter().enumerate() {
        progress(Progress {
            phase: "log",
            segments_done: index as u64,
            segments: all.len() as u64,
            bytes: report.bytes,
        });
        let last = all
            .get(index + 1)
            .is_none_or(|next| next.node != segment.node);
        let mut check = SegmentCheck {
            disk,
            segment,
            contents,
            view,
            report,
        };
        match check.run(segments, last) {
            // A disk that cannot read a sector is damage too; the rest of the store is still checked.
            Err(error @ Error::Io { .. }) => {
                let place = segment.path();
                report.add(Subject::Segment, place.as_str(), error.to_string());
            }
            other => other?,
        }
        report.segments += 1;
    }
    report.contents = contents.len();
    Ok(())
}

struct SegmentCheck<'a, 'v> {
    disk: &'a Arc<dyn Disk>,
    segment: &'a Segment,
    contents: &'a mut Contents,
    view: &'a mut NameView<'v>,
    report: &'a mut Report,
}

/// What a segment without damage would have as its footer.
struct Rebuilt {
    footer: FooterBuilder,
    last_hlc: Hlc,
    intact: bool,
}

impl SegmentCheck<'_, '_> {
    fn run(&mut self, segments: &Segments, last: bool) -> Result<()> {
        let path = self.segment.path();
        let file = self
            .disk
            .open(&path, OpenMode::ReadDirect)
            .map_err(|source| Error::io("open", &path, source))?;
        let opened = match self.segment.inspect(file) {
            Ok(opened) => opened,
            Err(Error::Damaged { .. }) => {
                let problem = "neither copy of its header verifies".to_owned();
                self.report.add(Subject::Header, path.as_str(), problem);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        if opened.header_copies < 2 {
            let problem = "one copy of its header does not verify".to_owned();
            self.report.add(Subject::Header, path.as_str(), problem);
        }
        self.check_live(segments, &opened);
        let read = |source| Error::io("read", &path, source);
        self.report.bytes += opened.file.len().map_err(read)?;
        let footer = read_footer(self.segment, &opened)?;
        let (end, gaps) = match &footer {
            Some(footer) => (footer.data_end.0, footer.gaps.clone()),
            None if last => {
                let end = find_end(self.segment, &opened)?;
                self.report.notes.push(format!(
                    "{path} is not sealed: the store was not closed; the next start ends its log at byte {end}"
                ));
                (end, Vec::new())
            }
            None => {
                let problem = "its footer does not verify".to_owned();
                self.report.add(Subject::Footer, path.as_str(), problem);
                (opened.file.len().map_err(read)?, Vec::new())
            }
        };
        let rebuilt = self.walk(&opened, end, footer.is_none() && !last)?;
        if footer.is_some() && rebuilt.intact && gaps.is_empty() {
            self.compare_footer(&opened, end, rebuilt)?;
        }
        Ok(())
    }

    fn check_live(&mut self, segments: &Segments, opened: &Opened) {
        for (first, count) in &opened.header.live {
            for number in first.0..first.0.saturating_add(*count) {
                if segments
                    .get(self.segment.node, SegmentNumber(number))
                    .is_none()
                {
                    let missing = crate::log::log_dir(self.segment.node)
                        .join(&crate::log::segment_name(SegmentNumber(number)));
                    let problem = format!("{} says that it exists", self.segment.path());
                    self.report.add(Subject::Segment, missing.as_str(), problem);
                }
            }
        }
    }

    /// Reads every batch up to `end`. Without a footer to say where the data ends, what is unreadable behind the last
    /// batch is the damaged footer itself.
    fn walk(&mut self, opened: &Opened, end: u64, open_end: bool) -> Result<Rebuilt> {
        let path = self.segment.path();
        let read = |source| Error::io("read", &path, source);
        let mut rebuilt = Rebuilt {
            footer: FooterBuilder::new(opened.binding),
            last_hlc: Hlc::default(),
            intact: true,
        };
        let mut scanner = Scanner::streamed(&**self.disk, &path, opened, end).map_err(read)?;
        while let Some(found) = scanner.next().map_err(read)? {
            match found {
                Scanned::Batch(batch) => {
                    rebuilt.footer.add_batch();
                    rebuilt.last_hlc = rebuilt.last_hlc.max(batch.header.hlc);
                    self.report.batches += u64::from(batch.intact());
                    self.batch(opened, &batch, &mut rebuilt)?;
                }
                Scanned::Unreadable { offset, len } if open_end && offset + len >= end => {}
                Scanned::Unreadable { offset, len } => {
                    let problem = format!("no batch header verifies within {len} bytes");
                    self.finding(offset, problem, None);
                    rebuilt.intact = false;
                    let (records, bad) = scanner.salvage(offset, len).map_err(read)?;
                    self.records(opened, &records, &mut rebuilt)?;
                    self.bad(&bad, &mut rebuilt);
                }
            }
        }
        Ok(rebuilt)
    }

    fn batch(
        &mut self,
        opened: &Opened,
        batch: &ScannedBatch,
        rebuilt: &mut Rebuilt,
    ) -> Result<()> {
        self.bad(&batch.bad, rebuilt);
        if batch.bad.is_empty() && !batch.intact() {
            let problem = format!(
                "the batch announces {} records and holds {}",
                batch.header.records,
                batch.records.len()
            );
            self.finding(batch.offset, problem, None);
            rebuilt.intact = false;
        }
        self.records(opened, &batch.records, rebuilt)
    }

    fn bad(&mut self, bad: &[Bad], rebuilt: &mut Rebuilt) {
        for bad in bad {
            rebuilt.intact = false;
            let problem = if bad.payload_only {
                "a record's checksums or payload do not verify"
            } else {
                "a record's header does not verify"
            };
            self.finding(bad.offset, format!("{problem} ({} bytes)", bad.len), bad.id);
        }
    }

    fn records(
        &mut self,
        opened: &Opened,
        records: &[ScannedRecord],
        rebuilt: &mut Rebuilt,
    ) -> Result<()> {
        // The hashing is what costs: all cores share it.
        let problems: Vec<Option<&'static str>> = records
            .par_iter()
            .map(|record| content_problem(opened, record))
            .collect();
        for (record, problem) in records.iter().zip(problems) {
            rebuilt
                .footer
                .add_record(&record.header, record.offset, &record.bytes);
            self.report.records += 1;
            let kind = record.header.kind;
            if let Some(problem) = problem {
                let id = kind.is_content().then_some(record.header.id);
                self.finding(record.offset.0, problem.to_owned(), id);
            } else if kind.is_content() {
                self.contents.add(
                    &record.header.id,
                    record.header.payload_len,
                    self.segment.node,
                    self.segment.number,
                    record.offset,
                );
                if kind == RecordKind::Manifest {
                    self.contents.add_manifest(
                        &record.header.id,
                        self.segment.node,
                        self.segment.number,
                        record.offset,
                    );
                }
                self.view.content(self.segment, record, self.report);
            } else {
                self.contents
                    .add_named(self.segment.node, self.segment.number, record.offset);
                self.view
                    .record(self.segment, opened, record, self.report)?;
            }
        }
        Ok(())
    }

    fn finding(&mut self, offset: u64, problem: String, id: Option<Id>) {
        let place = format!("{} at byte {offset}", self.segment.path());
        self.report.add_with(Subject::Log, place, problem, id);
    }

    /// A footer follows from its segment to the byte.
    fn compare_footer(&mut self, opened: &Opened, end: u64, rebuilt: Rebuilt) -> Result<()> {
        let path = self.segment.path();
        let gaps: &[Gap] = &[];
        let hlc = rebuilt.last_hlc;
        let block = opened.geometry.block_bytes;
        let expected = rebuilt.footer.finish(Offset(end), gaps, hlc, block);
        let found = read_at(&opened.file, end, expected.len())
            .map_err(|source| Error::io("read", &path, source))?;
        if found != expected {
            let place = format!("{path} at byte {end}");
            let problem = "its footer verifies and is not that of its records".to_owned();
            self.report.add(Subject::Footer, place, problem);
        }
        Ok(())
    }
}

/// What is wrong with an intact record's content.
fn content_problem(opened: &Opened, record: &ScannedRecord) -> Option<&'static str> {
    let payload = record.payload();
    match record.header.kind {
        RecordKind::Extent => {
            (Id::of(&payload) != record.header.id).then_some("an extent is not what its id says")
        }
        RecordKind::Manifest => match Manifest::decode(&payload, &opened.geometry) {
            Err(_) => Some("a manifest does not decode"),
            Ok(manifest) if manifest.part => {
                (Id::of(&payload) != record.header.id).then_some("a part is not what its id says")
            }
            Ok(manifest) => (manifest.chained && manifest.prove_id() != Some(record.header.id))
                .then_some("a manifest does not prove its id"),
        },
        RecordKind::Name => NameRecord::decode(&payload)
            .err()
            .map(|_| "a name does not decode"),
        RecordKind::Tombstone => Tombstone::decode(&payload)
            .err()
            .map(|_| "a tombstone does not decode"),
        RecordKind::Catalog => CatalogRecord::decode(&payload)
            .err()
            .map(|_| "a catalog entry does not decode"),
        RecordKind::Start => StartRecord::decode(&payload)
            .err()
            .map(|_| "a start does not decode"),
        RecordKind::Condemn | RecordKind::Punch | RecordKind::Drop => None,
    }
}
