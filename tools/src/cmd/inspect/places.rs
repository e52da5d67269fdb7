//! `moraine inspect key BUCKET KEY` and `moraine inspect blob ID`.

use crate::date::rfc3339;
use crate::failure::Failure;
use crate::sheet::Sheet;
use moraine_engine::format::{NameKey, NameRecord};
use moraine_engine::inspect::{FoundContent, Inspector};
use moraine_engine::{BucketId, Id};
use serde_json::json;

const NAME_COLUMNS: &[&str] = &["segment", "offset", "written", "what", "bytes", "blob"];
const EXTENT_COLUMNS: &[&str] = &["from byte", "bytes", "extent", "lies at"];

/// What the key means now, where its bytes lie, and every record of it.
pub fn key(inspector: &Inspector, bucket: &str, key: &str) -> Result<Sheet, Failure> {
    let buckets = inspector.buckets()?;
    let Some((_, id, _)) = buckets.into_iter().find(|(name, ..)| name == bucket) else {
        return Err(Failure::new(format!("there is no bucket {bucket}")));
    };
    let records = inspector.name(id, key.as_bytes())?;
    let Some(newest) = records.first() else {
        return Err(Failure::new(format!(
            "no record of {bucket}/{key} is in the log"
        )));
    };
    let mut sheet = Sheet::default();
    sheet.field("bucket", bucket);
    sheet.field("bucket id", id.to_string());
    sheet.field("key", key);
    match &newest.record {
        None => sheet.field("state", "deleted"),
        Some(record) => name_fields(&mut sheet, inspector, record)?,
    }
    sheet.columns(NAME_COLUMNS);
    for name in &records {
        let record = name.record.as_ref();
        sheet.row(vec![
            json!(name.segment.0),
            json!(name.offset.0),
            json!(rfc3339(name.version.hlc.millis())),
            json!(if record.is_some() {
                "name"
            } else {
                "tombstone"
            }),
            json!(record.map(|record| record.size)),
            json!(
                record
                    .and_then(|record| record.blob)
                    .map(|blob| blob.to_string())
            ),
        ]);
    }
    Ok(sheet)
}

fn name_fields(
    sheet: &mut Sheet,
    inspector: &Inspector,
    record: &NameRecord,
) -> Result<(), Failure> {
    sheet.field("state", "live");
    sheet.field("bytes", record.size);
    sheet.field("etag", record.etag.as_str());
    sheet.field("modified", rfc3339(record.last_modified_ms));
    sheet.field("acl", format!("{:?}", record.acl));
    sheet.field("content type", record.content_type.clone());
    for (name, value) in &record.user_metadata {
        sheet.field("metadata", format!("{name}: {value}"));
    }
    if let Some(blob) = record.blob {
        sheet.field("blob", blob.to_string());
        sheet.field("lies at", lies_at(&inspector.content(&blob)?));
    }
    Ok(())
}

/// Every place of an extent or manifest, with its extents and theirs, and the live keys that it belongs to.
pub fn blob(inspector: &Inspector, id: &Id) -> Result<Sheet, Failure> {
    let manifest = inspector.manifest(id)?;
    let extents = manifest.as_ref().map_or(&[][..], |found| &found.extents);
    let ids = extents
        .iter()
        .map(|extent| extent.id)
        .chain([*id])
        .collect();
    let places = inspector.contents(&ids)?;
    if !places.contains_key(id) {
        return Err(Failure::new(format!(
            "nothing with the id {id} is in the log"
        )));
    }
    let buckets = inspector.buckets()?;
    let names = inspector.names_of(id)?;
    let names: Vec<String> = names.iter().map(|key| shown(key, &buckets)).collect();
    let lies_at = |id: &Id| json!(places.get(id).map(|found| lies_at(found)));
    let mut sheet = Sheet::default();
    sheet.field("id", id.to_string());
    sheet.field(
        "kind",
        if manifest.is_some() {
            "manifest"
        } else {
            "extent"
        },
    );
    sheet.field("names", names);
    sheet.field("lies at", lies_at(id));
    if let Some(manifest) = &manifest {
        sheet.field("bytes", manifest.total_len);
        sheet.columns(EXTENT_COLUMNS);
    }
    let mut from = 0;
    for extent in extents {
        let place = lies_at(&extent.id);
        sheet.row(vec![
            json!(from),
            json!(extent.len),
            json!(extent.id.to_string()),
            place,
        ]);
        from += u64::from(extent.len);
    }
    Ok(sheet)
}

/// Each place as `SEGMENT@OFFSET`.
fn lies_at(found: &[FoundContent]) -> Vec<String> {
    found
        .iter()
        .map(|place| format!("{}@{}", place.segment, place.offset))
        .collect()
}

fn shown<T>(key: &NameKey, buckets: &[(String, BucketId, T)]) -> String {
    let bucket = buckets.iter().find(|(_, id, _)| *id == key.bucket);
    let bucket = bucket.map_or_else(|| key.bucket.to_string(), |(name, ..)| name.clone());
    match key.as_upload() {
        Some((upload, Some(part))) => format!("{bucket}, upload {upload}, part {part}"),
        Some((upload, None)) => format!("{bucket}, upload {upload}"),
        None => format!("{bucket}/{}", String::from_utf8_lossy(&key.key)),
    }
}
