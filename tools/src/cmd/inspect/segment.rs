//! `moraine inspect segment N`.

use super::segments::state;
use crate::date::rfc3339;
use crate::failure::Failure;
use crate::sheet::Sheet;
use moraine_engine::format::RecordHeader;
use moraine_engine::inspect::{Entry, FooterInfo, Inspector, SegmentInfo};
use moraine_engine::{Error, SegmentNumber};
use serde_json::{Value, json};

/// What to list below the header and footer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Listed {
    /// Nothing.
    Nothing,
    /// A row for each batch.
    Batches,
    /// A row for each record.
    Records,
}

const BATCH_COLUMNS: &[&str] = &[
    "offset",
    "bytes",
    "records",
    "synced before",
    "clock",
    "intact",
];
const RECORD_COLUMNS: &[&str] = &[
    "offset",
    "kind",
    "payload bytes",
    "id or version",
    "digests",
];

/// The segment with this number.
pub fn show(
    inspector: &Inspector,
    number: SegmentNumber,
    listed: Listed,
) -> Result<Sheet, Failure> {
    let (.., info) = inspector
        .segments()
        .into_iter()
        .find(|(_, found, _)| *found == number)
        .ok_or(Error::NoSuchSegment { number })?;
    let mut sheet = Sheet::default();
    fields(&mut sheet, &info?);
    match listed {
        Listed::Nothing => return Ok(sheet),
        Listed::Batches => sheet.columns(BATCH_COLUMNS),
        Listed::Records => sheet.columns(RECORD_COLUMNS),
    }
    inspector.walk(number, None, &mut |entry| {
        if let Some(row) = row(&entry, listed) {
            sheet.row(row);
        }
    })?;
    Ok(sheet)
}

fn fields(sheet: &mut Sheet, info: &SegmentInfo) {
    let header = &info.header;
    sheet.field("segment", info.number.0);
    sheet.field("node", info.node.to_string());
    sheet.field("incarnation", header.incarnation.0);
    sheet.field("state", state(info));
    sheet.field("begun", rfc3339(header.created_ms));
    sheet.field("binding", header.binding.to_string());
    sheet.field("valid header copies", info.header_copies);
    let live = |run: &moraine_engine::format::LiveRange| format!("{}+{}", run.0, run.1);
    sheet.field(
        "live before it",
        header.live.iter().map(live).collect::<Vec<_>>(),
    );
    sheet.field("file bytes", info.file_bytes);
    sheet.field("data start", info.data_start.0);
    sheet.field("data end", info.data_end.0);
    if let Some(footer) = &info.footer {
        footer_fields(sheet, footer);
    }
}

fn footer_fields(sheet: &mut Sheet, footer: &FooterInfo) {
    sheet.field("batches", footer.batches);
    sheet.field("records", footer.records);
    sheet.field("contents", footer.contents);
    sheet.field("payload bytes", footer.payload_bytes);
    sheet.field("last clock", footer.last_hlc.to_string());
    sheet.field("digest", hex(&footer.digest));
    let gap = |gap: &moraine_engine::format::Gap| format!("{}+{}", gap.offset, gap.len);
    sheet.field("gaps", footer.gaps.iter().map(gap).collect::<Vec<_>>());
}

fn row(entry: &Entry, listed: Listed) -> Option<Vec<Value>> {
    match (entry, listed) {
        (
            Entry::Batch {
                offset,
                len,
                records,
                synced,
                hlc,
                intact,
            },
            Listed::Batches,
        ) => Some(vec![
            json!(offset.0),
            json!(len),
            json!(records),
            json!(synced.to_string()),
            json!(hlc.to_string()),
            json!(intact),
        ]),
        (Entry::Record { offset, header }, Listed::Records) => Some(vec![
            json!(offset.0),
            json!(format!("{:?}", header.kind).to_lowercase()),
            json!(header.payload_len),
            json!(id_or_version(header)),
            json!(digests(header)),
        ]),
        (Entry::Bad { offset, len }, Listed::Records) => Some(vec![
            json!(offset.0),
            json!("unreadable"),
            json!(len),
            Value::Null,
            Value::Null,
        ]),
        (Entry::Bad { offset, len }, Listed::Batches) => {
            let mut row = vec![json!(offset.0), json!(len)];
            row.resize(BATCH_COLUMNS.len() - 1, Value::Null);
            row.push(json!(false));
            Some(row)
        }
        _ => None,
    }
}

fn id_or_version(header: &RecordHeader) -> String {
    match header.stamp() {
        Ok(stamp) if !header.kind.is_content() => {
            format!("{} {}", stamp.version.hlc, stamp.version.node)
        }
        _ => header.id.to_string(),
    }
}

fn digests(header: &RecordHeader) -> Vec<&'static str> {
    let all = [(header.md5, "md5"), (header.sha256, "sha256")];
    all.into_iter()
        .filter(|(there, _)| *there)
        .map(|(_, name)| name)
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
