//! `moraine inspect index`.

use crate::failure::Failure;
use crate::sheet::Sheet;
use moraine_engine::index::Covered;
use moraine_engine::inspect::Inspector;
use serde_json::json;

const USAGE_COLUMNS: &[&str] = &["bucket", "bucket id", "names", "bytes", "upload bytes"];

/// Figures of both indexes, and what the name index counts for each bucket.
pub fn show(inspector: &Inspector) -> Result<Sheet, Failure> {
    let info = inspector.indexes()?;
    let mut sheet = Sheet::default();
    if let Some((stats, covered)) = &info.hash {
        sheet.field("hash entries", stats.entries);
        sheet.field("hash tombstones", stats.tombstones);
        sheet.field("hash slots", stats.slots);
        sheet.field("hash shards", stats.shards);
        sheet.field("hash bytes", stats.bytes);
        sheet.field("hash complete up to", points(covered));
    }
    if let Some(names) = &info.names {
        sheet.field("names engine", names.engine);
        sheet.field("names bytes", names.disk_bytes);
        sheet.field("names complete up to", points(&names.covered));
        let buckets = inspector.buckets()?;
        sheet.columns(USAGE_COLUMNS);
        for (id, usage) in &names.usage {
            let bucket = buckets.iter().find(|(_, found, _)| found == id);
            sheet.row(vec![
                json!(bucket.map(|(name, ..)| name)),
                json!(id.to_string()),
                json!(usage.names),
                json!(usage.bytes),
                json!(usage.upload_bytes),
            ]);
        }
    }
    sheet.field("notes", info.notes);
    Ok(sheet)
}

/// Each as `NODE: SEGMENT@OFFSET`.
fn points(covered: &Covered) -> Vec<String> {
    covered
        .iter()
        .map(|(node, point)| format!("{node}: {point}"))
        .collect()
}
