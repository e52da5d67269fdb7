//! `moraine inspect segments`.

use crate::date::rfc3339;
use crate::sheet::Sheet;
use moraine_engine::inspect::{Inspector, SegmentInfo};
use serde_json::{Value, json};

const COLUMNS: &[&str] = &[
    "segment",
    "node",
    "incarnation",
    "state",
    "begun",
    "file bytes",
    "data bytes",
    "batches",
    "records",
    "contents",
    "payload bytes",
];

/// A row for each; one that is damaged has a row that says so.
pub fn show(inspector: &Inspector) -> Sheet {
    let mut sheet = Sheet::default();
    sheet.columns(COLUMNS);
    for (node, number, info) in inspector.segments() {
        let row = match info {
            Ok(info) => row(&info),
            Err(error) => {
                let mut row = vec![json!(number.0), json!(node.to_string()), Value::Null];
                row.push(json!(format!("unreadable: {error}")));
                row.resize(COLUMNS.len(), Value::Null);
                row
            }
        };
        sheet.row(row);
    }
    sheet
}

/// What is known of a segment, in the order of the columns.
fn row(info: &SegmentInfo) -> Vec<Value> {
    let footer = info.footer.as_ref();
    vec![
        json!(info.number.0),
        json!(info.node.to_string()),
        json!(info.header.incarnation.0),
        json!(state(info)),
        json!(rfc3339(info.header.created_ms)),
        json!(info.file_bytes),
        json!(info.data_end.0.saturating_sub(info.data_start.0)),
        json!(footer.map(|footer| footer.batches)),
        json!(footer.map(|footer| footer.records)),
        json!(footer.map(|footer| footer.contents)),
        json!(footer.map(|footer| footer.payload_bytes)),
    ]
}

/// In a word.
pub fn state(info: &SegmentInfo) -> &'static str {
    match &info.footer {
        None => "unsealed",
        Some(footer) if footer.gaps.is_empty() => "sealed",
        Some(_) => "sealed, with gaps",
    }
}
